/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a configuration file: either a message, or a configuration whose every value is
 * within the limits of its key. Sanitizers see to leaks, libFuzzer to hangs.
 */
#include <stdint.h>
#include <string.h>

#include "config/builder.h"
#include "config/rule_list.h"
#include "config/schema.h"

#define ENSURE(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (false)

struct sink_values {
    uint64_t timeout_ns;
    char *url;
    char *ca;
};

static const struct eye_config_key sink_keys[] = {
    {
        .path = "timeout",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct sink_values, timeout_ns),
        .default_value = "1s",
        .min = 1,
        .max = UINT64_C(60000000000),
    },
    {
        .path = "url",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct sink_values, url),
        .default_value = "udp://127.0.0.1",
    },
    {.path = "tls.ca", .type = EYE_CONFIG_TEXT, .offset = offsetof(struct sink_values, ca)},
};

static const struct eye_config_section console = {.type = "console"};
static const struct eye_config_section null_section = {.type = "null"};
static const struct eye_config_section sink = {
    .type = "sink",
    .keys = sink_keys,
    .key_count = EYE_ARRAY_LENGTH(sink_keys),
    .values_size = sizeof(struct sink_values),
};
static const struct eye_config_section *const sections[] = {&console, &null_section, &sink};

static void check_text(const struct eye_config_key *key, const char *text)
{
    if (text == NULL) {
        ENSURE(key->default_value == NULL);
        return;
    }
    ENSURE(key->valid == NULL || key->valid(text));
    for (; *text != '\0'; text++) {
        ENSURE((unsigned char)*text >= ' ' && *text != 0x7f);
    }
}

static void check_list(const struct eye_config_key *key, const struct eye_text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        ENSURE(list->items[i] != NULL);
        check_text(key, list->items[i]);
    }
}

static size_t choice_count(const struct eye_config_key *key)
{
    size_t count = 0;
    while (key->choices[count] != NULL) {
        count++;
    }
    return count;
}

/* 0 is what stands for nothing, too. */
static bool is_number_of(const struct eye_config_key *key, uint64_t number)
{
    bool may_be_none = key->zero_too || key->default_value == NULL;
    return (number >= key->min && number <= key->max) || (number == 0 && may_be_none);
}

/* One that was taken is read again from its own words. */
static void check_prefix(const struct eye_prefix *prefix)
{
    struct eye_prefix again;
    char text[EYE_PREFIX_TEXT_BYTES];
    if (prefix->family != 0) {
        eye_prefix_format(prefix, text);
        ENSURE(eye_prefix_parse(text, &again) == 0 && eye_prefix_equal(&again, prefix));
    }
}

static void check_member(const struct eye_config_key *key, const void *member);

static void check_rules(const struct eye_rule_type *type, const struct eye_rule_list *list)
{
    ENSURE(list->count <= type->max);
    for (size_t i = 0; i < list->count; i++) {
        for (size_t key = 0; key < type->key_count; key++) {
            check_member(&type->keys[key],
                         (const char *)eye_rule_at(type, list, i) + type->keys[key].offset);
        }
    }
}

static void check_member(const struct eye_config_key *key, const void *member)
{
    switch (key->type) {
    case EYE_CONFIG_BOOL:
        ENSURE(*(const uint8_t *)member <= 1);
        break;
    case EYE_CONFIG_COUNT:
    case EYE_CONFIG_DURATION:
    case EYE_CONFIG_SIZE:
        ENSURE(is_number_of(key, *(const uint64_t *)member));
        break;
    case EYE_CONFIG_CHOICE:
        ENSURE((size_t) * (const int *)member < choice_count(key));
        break;
    case EYE_CONFIG_FLAGS:
        ENSURE(*(const uint32_t *)member >> choice_count(key) == 0);
        break;
    case EYE_CONFIG_TEXT:
        check_text(key, *(char *const *)member);
        break;
    case EYE_CONFIG_LIST:
        check_list(key, member);
        break;
    case EYE_CONFIG_PREFIX:
        check_prefix(member);
        break;
    case EYE_CONFIG_RULES:
        check_rules(key->rules, member);
        break;
    }
}

static void check_values(const struct eye_config_key *keys, size_t count, const void *values)
{
    for (size_t i = 0; i < count; i++) {
        check_member(&keys[i], (const char *)values + keys[i].offset);
    }
}

static void check_exporter(const struct eye_config *config, size_t index)
{
    const struct eye_exporter_config *exporter = &config->exporters[index];
    check_values(exporter->section->keys, exporter->section->key_count, exporter->values);
    check_values(eye_exporter_common_keys, eye_exporter_common_key_count, &exporter->common);
    ENSURE(exporter->origin != NULL);
    for (size_t i = 0; i < index; i++) {
        ENSURE(strcmp(config->exporters[i].name, exporter->name) != 0);
    }
}

static void check(const struct eye_config *config)
{
    check_values(eye_config_keys, eye_config_key_count, config);
    ENSURE(config->exporter_count >= 1);
    for (size_t i = 0; i < config->exporter_count; i++) {
        check_exporter(config, i);
    }
    for (size_t i = 0; i < config->routes.count; i++) {
        ENSURE(config->routes.rules[i].pattern[0] == '/');
        ENSURE(config->routes.rules[i].route[0] != '\0');
    }
}

/* Messages are lines of a log: whatever the input holds, they stay lines. */
static void check_message(const char *message)
{
    ENSURE(message[0] != '\0');
    for (; *message != '\0'; message++) {
        ENSURE((unsigned char)*message >= ' ' || *message == '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    EYE_CLEANUP(eye_builder_done) struct eye_builder builder;
    struct eye_config *config = NULL;
    struct eye_error error = {0};
    const struct eye_config_source source = {.sections = sections,
                                             .section_count = EYE_ARRAY_LENGTH(sections)};
    eye_builder_init(&builder, &source);
    eye_builder_add_file(&builder, "input", (const char *)bytes, length);
    if (eye_builder_finish(&builder, &config, &error) == 0) {
        check(config);
    } else {
        ENSURE(config == NULL);
        check_message(error.text);
    }
    eye_config_unref(config);
    return 0;
}
