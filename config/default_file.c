/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the default configuration from the tables. Lines that start with "# " are keys with
 * their defaults: without these two bytes they are YAML. Explanations start with "##". What is no
 * comment is the exporter of a service: nobody reads tables in a journal.
 */
#include "config/config.h"

#include <string.h>

#include "config/quantity.h"
#include "config/schema.h"

static const char introduction[] =
    "## Configuration of sockeye. All but one exporter is commented out and shows its default.\n"
    "## Lines with \"##\" explain; to set a key remove the \"# \" before it and before the "
    "section\n"
    "## that it stands in.\n"
    "##\n"
    "## Later wins: this file, conf.d/*.yaml beside it in the order of their names, the\n"
    "## environment (SOCKEYE_SOURCE_TIER is source: {tier: ...}), --set source.tier=...\n";

static const char routes[] =
    "\n# http:\n"
    "##   Names for paths, the first match wins: * is one segment, ** (last) any rest. Paths that\n"
    "##   match none get a name by themselves, with * for what may be data: /users/17 becomes\n"
    "##   /users/*. Example: [{pattern: /users/*/orders, route: \"/users/{id}/orders\"}]\n"
    "##   The word listed instead lets rules alone name: all other paths are __unmatched__. With\n"
    "##   rules: {rules: [...], names: listed}. The default is guessed.\n"
    "##   Experimental: names, and which ones are guessed; may change.\n"
    "#   routes: []\n";

static const char exporters[] = "\n## Where metrics go. As it stands they wait on a page for "
                                "Prometheus on this host. Without any\n"
                                "## exporter they are printed (type console). What every exporter "
                                "takes is written\n"
                                "## once, below the first one.\n"
                                "exporters:\n";

/* Needs no receiver, no address and no key, is reached from this host alone, and costs nothing
 * until somebody reads it. */
static const char service_exporter[] = "openmetrics";

static const char common[] = "##     Keys of every exporter:\n";

static const char name_help[] = "Unique; used in logs and in the daemon's own metrics.";

/* Spaces before keys of an exporter. */
#define EXPORTER_INDENT 4

static void write_choices(FILE *out, const struct eye_config_key *key)
{
    fputs(key->type == EYE_CONFIG_FLAGS ? "A list of " : "One of ", out);
    for (size_t i = 0; key->choices[i] != NULL; i++) {
        fprintf(out, "%s%s", i > 0 ? ", " : "", key->choices[i]);
    }
}

void eye_config_key_print_limits(const struct eye_config_key *key, const char *before, FILE *out)
{
    struct eye_range_text range = {0};
    if (eye_quantity_is(key->type)) {
        range = eye_quantity_range(key);
    }
    if (key->choices == NULL && key->expects == NULL && range.text[0] == '\0') {
        return;
    }
    fputs(before, out);
    if (key->choices != NULL) {
        write_choices(out, key);
    } else if (key->expects != NULL) {
        fprintf(out, "Expects %s", key->expects);
    } else {
        fprintf(out, "From %s%s", range.text, key->zero_too ? ". Or 0" : "");
    }
    fputs(".\n", out);
}

static void write_constraint(FILE *out, const struct eye_config_key *key, int indent)
{
    char before[16];
    snprintf(before, sizeof(before), "## %*s", indent, "");
    eye_config_key_print_limits(key, before, out);
}

const char *eye_config_key_default(const struct eye_config_key *key)
{
    if (key->default_value != NULL) {
        return key->default_value;
    }
    bool is_list = key->type == EYE_CONFIG_LIST || key->type == EYE_CONFIG_RULES;
    return is_list ? "[]" : "null";
}

/* The length of the section before the last dot, with that dot; 0 without one. */
static int section_length(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot == NULL ? 0 : (int)(dot - path) + 1;
}

/* True when both lie in the same section. */
static bool is_same_section(const char *left, const char *right)
{
    int length = section_length(left);
    return length == section_length(right) && strncmp(left, right, (size_t)length) == 0;
}

/* Writes "tls:" before the first of the keys "tls.ca", "tls.key". Sections have one level. */
static int open_section(FILE *out, const char *path, const char *previous, int indent)
{
    int length = section_length(path);
    if (length == 0) {
        return indent;
    }
    if (previous == NULL || !is_same_section(path, previous)) {
        fprintf(out, "# %*s%.*s:\n", indent, "", length - 1, path);
    }
    return indent + 2;
}

/* True for "protocols.tls.exclude" behind "protocols.tls", a truth that it may stand in place of:
 * both at once cannot be uncommented. */
static bool is_instead(const char *path, const char *previous)
{
    size_t length = previous == NULL ? 0 : strlen(previous);
    return length > 0 && strncmp(path, previous, length) == 0 && path[length] == '.';
}

static void write_value(FILE *out, const struct eye_config_key *key, const char *previous,
                        int indent)
{
    const char *name = key->path + section_length(key->path);
    const char *value = eye_config_key_default(key);
    if (is_instead(key->path, previous)) {
        fprintf(out, "## %*sIn place of true: %s: {%s: %s}\n", indent, "",
                previous + section_length(previous), name, value);
    } else {
        fprintf(out, "# %*s%s: %s\n", indent, "", name, value);
    }
}

static void write_key(FILE *out, const struct eye_config_key *key, const char *previous, int indent)
{
    indent = is_instead(key->path, previous) ? indent + (section_length(previous) > 0 ? 2 : 0)
                                             : open_section(out, key->path, previous, indent);
    fprintf(out, "## %*s%s\n", indent, "", key->help);
    write_constraint(out, key, indent);
    if (key->experimental) {
        fprintf(out, "## %*sExperimental: may change.\n", indent, "");
    }
    write_value(out, key, previous, indent);
}

static void write_exporter_keys(FILE *out, const struct eye_config_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_key(out, &keys[i], i > 0 ? keys[i - 1].path : NULL, EXPORTER_INDENT);
    }
}

static void write_common_keys(FILE *out, const char *type)
{
    fputs(common, out);
    fprintf(out, "## %*s%s\n", EXPORTER_INDENT, "", name_help);
    fprintf(out, "# %*sname: \"%s\"\n", EXPORTER_INDENT, "", type);
    write_exporter_keys(out, eye_exporter_common_keys, eye_exporter_common_key_count);
}

/* The type is quoted as the one called null would be none without. */
static void write_exporter(FILE *out, const struct eye_config_section *section)
{
    bool active = strcmp(section->type, service_exporter) == 0;
    fprintf(out, "%s  - type: \"%s\"\n", active ? "" : "# ", section->type);
    write_exporter_keys(out, section->keys, section->key_count);
}

static void write_daemon_keys(FILE *out, const char *const *tiers)
{
    struct eye_daemon_keys keys;
    eye_daemon_keys_init(&keys, tiers);
    for (size_t i = 0; i < eye_config_key_count; i++) {
        const char *previous = i > 0 ? keys.items[i - 1].path : NULL;
        bool grouped = section_length(keys.items[i].path) > 0 && previous != NULL &&
                       (is_same_section(keys.items[i].path, previous) ||
                        is_instead(keys.items[i].path, previous));
        fputs(grouped ? "" : "\n", out);
        write_key(out, &keys.items[i], previous, 0);
    }
}

void eye_config_write_default(FILE *out, const struct eye_config_source *source)
{
    fputs(introduction, out);
    write_daemon_keys(out, source->tiers);
    fputs(routes, out);
    fputs(exporters, out);
    for (size_t i = 0; i < source->section_count; i++) {
        fputs(i > 0 ? "\n" : "", out);
        write_exporter(out, source->sections[i]);
        if (i == 0) {
            write_common_keys(out, source->sections[i]->type);
        }
    }
}
