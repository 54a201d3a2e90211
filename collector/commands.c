/* SPDX-License-Identifier: Apache-2.0 */
/* What each subcommand does with its options. */
#include "collector/commands.h"

#include <bpf/libbpf.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "collector/daemon.h"
#include "collector/probe.h"
#include "collector/telemetry/catalogue.h"
#include "exporters/exporter.h"

/* Assignments on one command line. */
#define ASSIGNMENTS_MAX 64
/* Exporter types compiled in. */
#define SECTIONS_MAX 32

enum option_code { OPTION_SET = 256, OPTION_ONCE, OPTION_JSON, OPTION_MARKDOWN, OPTION_DEFAULT };

struct options {
    const char *file;
    const char *assignments[ASSIGNMENTS_MAX];
    size_t assignment_count;
    bool once;
    bool json;
    bool markdown;
    bool print_default;
};

/* Reads @accepted options; -1 when all is well, else the exit code. */
static int parse_options(int argc, char **argv, const char *accepted, const struct option *longs,
                         struct options *ret_options)
{
    int code;
    optind = 1;
    while ((code = getopt_long(argc, argv, accepted, longs, NULL)) != -1) {
        if (code == 'c') {
            ret_options->file = optarg;
        } else if (code == OPTION_SET && ret_options->assignment_count < ASSIGNMENTS_MAX) {
            ret_options->assignments[ret_options->assignment_count++] = optarg;
        } else if (code == OPTION_ONCE) {
            ret_options->once = true;
        } else if (code == OPTION_JSON) {
            ret_options->json = true;
        } else if (code == OPTION_MARKDOWN) {
            ret_options->markdown = true;
        } else if (code == OPTION_DEFAULT) {
            ret_options->print_default = true;
        } else {
            return EYE_EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sockeye %s: unexpected argument \"%s\"\n", argv[0], argv[optind]);
        return EYE_EXIT_USAGE;
    }
    return -1;
}

static size_t list_sections(const struct eye_config_section *ret_sections[static SECTIONS_MAX])
{
    size_t count = 0;
    for (; eye_exporter_types[count] != NULL && count < SECTIONS_MAX; count++) {
        ret_sections[count] = &eye_exporter_types[count]->section;
    }
    return count;
}

/* Loads the configuration or prints its problems. */
static struct eye_config *load_config(const struct options *options)
{
    const struct eye_config_section *sections[SECTIONS_MAX];
    const struct eye_config_source source = {
        .file = options->file,
        .assignments = options->assignments,
        .assignment_count = options->assignment_count,
        .environment = environ,
        .sections = sections,
        .section_count = list_sections(sections),
    };
    struct eye_config *config = NULL;
    struct eye_error error = {""};
    if (eye_config_load(&source, &config, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
    } else if (config->warnings != NULL) {
        fputs(config->warnings, stderr);
    }
    return config;
}

int eye_command_run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, OPTION_SET},
        {"once", no_argument, NULL, OPTION_ONCE},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    int code = parse_options(argc, argv, "c:", longs, &options);
    if (code >= 0) {
        return code;
    }
    struct eye_config *config = load_config(&options);
    if (config == NULL) {
        return EYE_EXIT_CONFIG;
    }
    eye_log_set_level((enum eye_log_level)config->log_level);
    code = eye_daemon_run(config, options.once);
    eye_config_free(config);
    return code;
}

static int print_default_config(void)
{
    const struct eye_config_section *sections[SECTIONS_MAX];
    size_t count = list_sections(sections);
    eye_config_write_default(stdout, sections, count);
    return EYE_EXIT_OK;
}

/* Valid also means that exporters can be found; nothing is opened or bound. */
int eye_command_check(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, OPTION_SET},
        {"default", no_argument, NULL, OPTION_DEFAULT},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    int code = parse_options(argc, argv, "c:", longs, &options);
    if (code >= 0) {
        return code;
    }
    if (options.print_default) {
        return print_default_config();
    }
    struct eye_config *config = load_config(&options);
    if (config == NULL) {
        return EYE_EXIT_FAILURE;
    }
    printf("valid: %zu exporter%s\n", config->exporter_count,
           config->exporter_count == 1 ? "" : "s");
    eye_config_free(config);
    return EYE_EXIT_OK;
}

int eye_command_probe(int argc, char **argv)
{
    static const struct option longs[] = {{"json", no_argument, NULL, OPTION_JSON},
                                          {NULL, 0, NULL, 0}};
    struct options options = {0};
    int code = parse_options(argc, argv, "", longs, &options);
    if (code >= 0) {
        return code;
    }
    struct eye_probe probe;
    eye_probe_run(&probe);
    if (options.json) {
        eye_probe_print_json(&probe, stdout);
    } else {
        eye_probe_print(&probe, stdout);
    }
    return EYE_EXIT_OK;
}

/* "direction service port" */
static void print_tags(const struct eye_metric *metric, const char *before, const char *between)
{
    const char *lead = before;
    for (int tag = 0; tag < EYE_TAG_COUNT; tag++) {
        if ((metric->tags >> tag & 1) != 0) {
            printf("%s%s", lead, eye_tag_info((enum eye_tag)tag)->name);
            lead = between;
        }
    }
}

static void print_metric(const struct eye_metric *metric)
{
    printf("%s  %s%s%s\n    %s\n", metric->name, eye_metric_kind_name(metric->kind),
           metric->unit == EYE_UNIT_NONE ? "" : ", ", eye_unit_word(metric->unit), metric->help);
    print_tags(metric, "    tags: ", ", ");
    puts(metric->tags != 0 ? "\n" : "");
}

static void print_metric_markdown(const struct eye_metric *metric)
{
    printf("| `%s` | %s | %s | ", metric->name, eye_metric_kind_name(metric->kind),
           eye_unit_word(metric->unit));
    print_tags(metric, "", " ");
    printf(" | %s |\n", metric->help);
}

int eye_command_metrics(int argc, char **argv)
{
    static const struct option longs[] = {{"markdown", no_argument, NULL, OPTION_MARKDOWN},
                                          {NULL, 0, NULL, 0}};
    struct options options = {0};
    int code = parse_options(argc, argv, "", longs, &options);
    if (code >= 0) {
        return code;
    }
    if (options.markdown) {
        puts("| name | kind | unit | tags | meaning |\n|---|---|---|---|---|");
    }
    for (int i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        if (options.markdown) {
            print_metric_markdown(metric);
        } else {
            print_metric(metric);
        }
    }
    return EYE_EXIT_OK;
}

int eye_command_version(int argc, char **argv)
{
    static const struct option longs[] = {{NULL, 0, NULL, 0}};
    struct options options = {0};
    int code = parse_options(argc, argv, "", longs, &options);
    if (code >= 0) {
        return code;
    }
    printf("sockeye %s (libbpf %s)\n", EYE_VERSION, libbpf_version_string());
    return EYE_EXIT_OK;
}
