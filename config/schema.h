/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of all keys that do not belong to one exporter type. Beside them stand the keys whose
 * values are lists of mappings: `exporters` and `http.routes` of the daemon, `type` and `name` of
 * an exporter. Constant.
 */
#pragma once

#include "config/config.h"

/* Offsets into struct eye_config. Keys of one section stand together. */
extern const struct eye_config_key eye_config_keys[];
extern const size_t eye_config_key_count;

/* Offsets into struct eye_exporter_common. */
extern const struct eye_config_key eye_exporter_common_keys[];
extern const size_t eye_exporter_common_key_count;

/** "key:value" or "key": not empty, without control characters, comma or pipe. */
bool eye_config_is_tag(const char *text);
