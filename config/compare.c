/* SPDX-License-Identifier: Apache-2.0 */
/* What two configurations have in common, key by key. */
#include "config/config.h"

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

const char *eye_config_needs_restart(const struct eye_config *config,
                                     const struct eye_config *other)
{
    for (size_t i = 0; i < eye_config_key_count; i++) {
        const struct eye_config_key *key = &eye_config_keys[i];
        if (key->restart && !eye_value_equal(key, config, other)) {
            return key->path;
        }
    }
    return NULL;
}
