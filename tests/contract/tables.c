/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no command of the daemon tells: "names" prints keys, types of exporters and exit codes as
 * the tables have them, a line each with tabs between its fields; "lines" prints every kind of JSON
 * line that the file and console exporters write, with and without details.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "collector/options.h"
#include "config/rule_list.h"
#include "config/schema.h"
#include "exporters/encode/json_line.h"
#include "tests/unit/exporters/sample.h"

/* ---- Names ---- */

static const char *type_name(enum eye_config_type type)
{
    static const char *const names[] = {
        [EYE_CONFIG_BOOL] = "bool",         [EYE_CONFIG_COUNT] = "count",
        [EYE_CONFIG_DURATION] = "duration", [EYE_CONFIG_SIZE] = "size",
        [EYE_CONFIG_CHOICE] = "choice",     [EYE_CONFIG_FLAGS] = "flags",
        [EYE_CONFIG_TEXT] = "text",         [EYE_CONFIG_LIST] = "list",
        [EYE_CONFIG_PREFIX] = "prefix",     [EYE_CONFIG_RULES] = "rules",
    };
    assert(type < EYE_ARRAY_LENGTH(names));
    return names[type];
}

static void print_keys(const char *section, const struct eye_config_key *keys, size_t count)
{
    for (const struct eye_config_key *key = keys; key < keys + count; key++) {
        const char *value = key->default_value;
        printf("key\t%s\t%s%s\t%s\t%s\t", eye_stability_name(key->experimental), section, key->path,
               type_name(key->type), value == NULL ? "" : value);
        for (size_t i = 0; key->choices != NULL && key->choices[i] != NULL; i++) {
            printf("%s%s", i > 0 ? "," : "", key->choices[i]);
        }
        puts("");
        if (key->type == EYE_CONFIG_RULES) {
            char inner[64];
            snprintf(inner, sizeof(inner), "%s%s.", section, key->path);
            print_keys(inner, key->rules->keys, key->rules->key_count);
        }
    }
}

static void print_names(void)
{
    print_keys("", eye_config_keys, eye_config_key_count);
    print_keys("exporters.*.", eye_exporter_common_keys, eye_exporter_common_key_count);
    for (size_t i = 0; eye_exporter_types[i] != NULL; i++) {
        const struct eye_config_section *section = &eye_exporter_types[i]->section;
        char name[64];
        snprintf(name, sizeof(name), "exporters.%s.", section->type);
        printf("type\t%s\n", section->type);
        print_keys(name, section->keys, section->key_count);
    }
#define X(identifier, code, stability)                                                             \
    printf("exit\t%s\t%d\t%s\n", eye_stability_name(EYE_##stability), code, #identifier);
    EYE_EXITS(X)
#undef X
}

/* ---- Lines ---- */

static void print_lines_of(const struct sample *sample, const struct eye_snapshot *now,
                           bool details)
{
    struct eye_selection selection;
    struct eye_json_lines lines;
    struct eye_changes changes;
    struct eye_change change;
    EYE_CLEANUP(eye_text_done) struct eye_text out;
    eye_text_init(&out, (size_t)1 << 20);
    if (eye_selection_init(&selection, &sample->setup) != 0) {
        return;
    }
    eye_json_lines_init(&lines, &selection, details);
    if (eye_json_lines_begin(&lines, now, NULL) == 0) {
        eye_changes_begin(&changes, now, NULL);
        for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
            eye_json_lines_append(&lines, index, &change, &out);
        }
    }
    fputs(eye_text_string(&out), stdout);
    eye_json_lines_done(&lines);
    eye_selection_done(&selection);
}

static void print_lines(void)
{
    struct sample *sample = sample_new(NULL);
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 3, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_SELF_CPU, 15e6, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_HTTP_SERVER_DURATION, 1, SAMPLE_TAGS({EYE_TAG_METHOD, "GET"}));
    const struct eye_snapshot *now = sample_take(sample);
    print_lines_of(sample, now, false);
    print_lines_of(sample, now, true);
    sample_free(sample);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "names") == 0) {
        print_names();
    } else if (argc == 2 && strcmp(argv[1], "lines") == 0) {
        print_lines();
    } else {
        fputs("usage: contract_tables names|lines\n", stderr);
        return 2;
    }
    return 0;
}
