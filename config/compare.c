/* SPDX-License-Identifier: Apache-2.0 */
/* What two configurations have in common, key by key. */
#include "config/config.h"

#include <errno.h>
#include <string.h>

#include "config/problems.h"
#include "config/schema.h"
#include "config/value.h"

/* @series: of the keys that say what series there are, else of all. */
static bool same_values(const struct eye_config_key *keys, size_t count, bool series,
                        const void *values, const void *other_values)
{
    bool same = true;
    for (size_t i = 0; same && i < count; i++) {
        bool counts = !series || keys[i].series;
        same = !counts || eye_value_equal(&keys[i], values, other_values);
    }
    return same;
}

static bool same_exporters(const struct eye_exporter_config *exporter,
                           const struct eye_exporter_config *other, bool series)
{
    const struct eye_config_section *section = exporter->section;
    return section == other->section &&
           same_values(section->keys, section->key_count, series, exporter->values,
                       other->values) &&
           same_values(eye_exporter_common_keys, eye_exporter_common_key_count, series,
                       &exporter->common, &other->common);
}

bool eye_exporter_config_equal(const struct eye_exporter_config *exporter,
                               const struct eye_exporter_config *other)
{
    return same_exporters(exporter, other, false);
}

bool eye_exporter_config_same_series(const struct eye_exporter_config *exporter,
                                     const struct eye_exporter_config *other)
{
    return same_exporters(exporter, other, true);
}

bool eye_config_same_for_exporters(const struct eye_config *config, const struct eye_config *other)
{
    return config->once == other->once && config->interval_ns == other->interval_ns &&
           eye_text_list_equal(&config->tags, &other->tags);
}

static const char *origin_of(const struct eye_config *config, size_t key)
{
    return config->origins == NULL ? NULL : config->origins[key];
}

const char *eye_config_origin(const struct eye_config *config, const char *path)
{
    size_t i = 0;
    while (i < eye_config_key_count && strcmp(eye_config_keys[i].path, path) != 0) {
        i++;
    }
    const char *origin = i < eye_config_key_count ? origin_of(config, i) : NULL;
    return origin != NULL ? origin : config->file != NULL ? config->file : EYE_CONFIG_DEFAULT_FILE;
}

/* The key number @i, which is not set any more where it was, or is set anew. */
static void add_fixed(const struct eye_config *config, const struct eye_config *other, size_t i,
                      struct eye_problems *problems)
{
    const char *path = eye_config_keys[i].path;
    const char *now = origin_of(other, i);
    const char *before = origin_of(config, i);
    bool gone = now == NULL && before != NULL;
    eye_problems_add(problems, -EBUSY, "%s: %s%s cannot change while the daemon runs; restart it",
                     gone ? before : eye_config_origin(other, path), path,
                     gone ? ", which is not set there any more," : "");
}

int eye_config_needs_restart(const struct eye_config *config, const struct eye_config *other,
                             struct eye_error *ret_error)
{
    struct eye_problems problems;
    eye_problems_init(&problems);
    for (size_t i = 0; i < eye_config_key_count; i++) {
        const struct eye_config_key *key = &eye_config_keys[i];
        if (key->restart && !eye_value_equal(key, config, other)) {
            add_fixed(config, other, i, &problems);
        }
    }
    int result = eye_problems_result(&problems, ret_error);
    eye_problems_done(&problems);
    return result;
}
