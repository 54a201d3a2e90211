/* SPDX-License-Identifier: Apache-2.0 */
/* From the tables of keys to JSON. */
#include "collector/control/config_json.h"

#include <string.h>

#include "collector/base/clock.h"
#include "config/route_list.h"
#include "config/rule_list.h"
#include "config/schema.h"

/* "https://host/path?token=..." without what may be a token. */
static json_t *text_json(const char *text)
{
    const char *query = strstr(text, "://") == NULL ? NULL : strchr(text, '?');
    return query == NULL ? json_string(text) : json_stringn(text, (size_t)(query - text));
}

static json_t *flags_json(const char *const *choices, uint32_t flags)
{
    json_t *list = json_array();
    for (size_t i = 0; choices[i] != NULL; i++) {
        if ((flags >> i & 1) != 0) {
            json_array_append_new(list, json_string(choices[i]));
        }
    }
    return list;
}

static json_t *list_json(const struct eye_text_list *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++) {
        json_array_append_new(list, text_json(texts->items[i]));
    }
    return list;
}

static json_t *prefix_json(const struct eye_prefix *prefix)
{
    char text[EYE_PREFIX_TEXT_BYTES];
    if (prefix->family == 0) {
        return json_null();
    }
    eye_prefix_format(prefix, text);
    return json_string(text);
}

static json_t *rules_json(const struct eye_rule_type *type, const struct eye_rule_list *list);

/* @place: of the value in its struct. */
static json_t *value_json(const struct eye_config_key *key, const void *place)
{
    switch (key->type) {
    case EYE_CONFIG_BOOL:
        return json_boolean(*(const bool *)place);
    case EYE_CONFIG_DURATION:
        return json_real((double)*(const uint64_t *)place / (double)EYE_NS_PER_SECOND);
    case EYE_CONFIG_COUNT:
    case EYE_CONFIG_SIZE:
        return json_integer((json_int_t) * (const uint64_t *)place);
    case EYE_CONFIG_CHOICE:
        return json_string(key->choices[*(const int *)place]);
    case EYE_CONFIG_FLAGS:
        return flags_json(key->choices, *(const uint32_t *)place);
    case EYE_CONFIG_LIST:
        return list_json(place);
    case EYE_CONFIG_PREFIX:
        return prefix_json(place);
    case EYE_CONFIG_RULES:
        return rules_json(key->rules, place);
    case EYE_CONFIG_TEXT:
        break;
    }
    const char *text = *(char *const *)place;
    return text == NULL ? json_null() : text_json(text);
}

static void add_keys(json_t *object, const struct eye_config_key *keys, size_t count,
                     const void *values)
{
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(object, keys[i].path,
                            value_json(&keys[i], (const char *)values + keys[i].offset));
    }
}

static json_t *rules_json(const struct eye_rule_type *type, const struct eye_rule_list *list)
{
    json_t *rules = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_t *rule = json_object();
        add_keys(rule, type->keys, type->key_count, eye_rule_at(type, list, i));
        json_array_append_new(rules, rule);
    }
    return rules;
}

static json_t *exporter_json(const struct eye_exporter_config *exporter)
{
    json_t *object =
        json_pack("{s:s, s:s}", "name", exporter->name, "type", exporter->section->type);
    add_keys(object, exporter->section->keys, exporter->section->key_count, exporter->values);
    add_keys(object, eye_exporter_common_keys, eye_exporter_common_key_count, &exporter->common);
    return object;
}

json_t *eye_config_json(const struct eye_config *config, const char *const *tiers)
{
    struct eye_daemon_keys keys;
    json_t *values = json_object();
    json_t *exporters = json_array();
    const struct eye_rule_list routes = {config->routes.rules, config->routes.count};
    eye_daemon_keys_init(&keys, tiers);
    add_keys(values, keys.items, eye_config_key_count, config);
    json_object_set_new(values, "http.routes.rules", rules_json(&eye_route_rules, &routes));
    json_object_set_new(
        values, "http.routes.names",
        json_string(config->routes.names == EYE_ROUTE_NAMES_LISTED ? "listed" : "guessed"));
    for (size_t i = 0; i < config->exporter_count; i++) {
        json_array_append_new(exporters, exporter_json(&config->exporters[i]));
    }
    json_t *file = config->file == NULL ? json_null() : json_string(config->file);
    return json_pack("{s:o, s:o, s:o}", "file", file, "keys", values, "exporters", exporters);
}
