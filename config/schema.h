/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of all keys that do not belong to one exporter type. Beside them stand the keys whose
 * values have several forms: `exporters` and `http.routes` of the daemon, `type` and `name` of an
 * exporter. Constant.
 */
#pragma once

#include "config/config.h"

/* Offsets into struct eye_config. Keys of one section stand together. */
extern const struct eye_config_key eye_config_keys[];
extern const size_t eye_config_key_count;

/* The same for one run: with the names that are known there only. */
#define EYE_CONFIG_KEYS_MAX 48
struct eye_daemon_keys {
    struct eye_config_key items[EYE_CONFIG_KEYS_MAX]; /* eye_config_key_count of them */
};

/** @tiers: as struct eye_config_source has them; outlive @keys. */
void eye_daemon_keys_init(struct eye_daemon_keys *keys, const char *const *tiers);

/* Offsets into struct eye_exporter_common. */
extern const struct eye_config_key eye_exporter_common_keys[];
extern const size_t eye_exporter_common_key_count;

/* Of those: the folder that one process has alone. */
#define EYE_SPOOL_PATH_KEY "spool.path"

/** What @key takes beside its type, as a sentence: "One of auto, true, false.\n" behind @before;
 * nothing where there is nothing to say. */
void eye_config_key_print_limits(const struct eye_config_key *key, const char *before, FILE *out);

/** As one would write it in YAML: "10s", "[]", "null". */
const char *eye_config_key_default(const struct eye_config_key *key);

/** "key:value" or "key": not empty, without control characters, comma or pipe. */
bool eye_config_is_tag(const char *text);
