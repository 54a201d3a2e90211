/* SPDX-License-Identifier: Apache-2.0 */
/* What each subcommand does with its options. */
#include "collector/commands.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/daemon.h"
#include "collector/probe.h"
#include "collector/telemetry/catalogue.h"
#include "exporters/encode/selection.h"
#include "exporters/engine/workers.h"

/* Exporter types compiled in. */
#define SECTIONS_MAX 32

/* Tiers compiled in, "auto" and the end. */
#define TIERS_MAX 8

/* More of them nobody reads. */
#define WARNINGS_BYTES_MAX 16384

static size_t list_sections(const struct eye_config_section *ret_sections[static SECTIONS_MAX])
{
    size_t count = 0;
    for (; eye_exporter_types[count] != NULL && count < SECTIONS_MAX; count++) {
        ret_sections[count] = &eye_exporter_types[count]->section;
    }
    return count;
}

static void list_tiers(const char *ret_names[static TIERS_MAX])
{
    size_t count = EYE_TIER_FIRST;
    ret_names[EYE_TIER_AUTO] = "auto";
    for (size_t i = 0; eye_tier_types[i] != NULL; i++) {
        assert(count + 1 < TIERS_MAX);
        ret_names[count++] = eye_tier_types[i]->name;
    }
    ret_names[count] = NULL;
}

/* What is valid and most likely not what was meant. */
static void print_warnings(const struct eye_config *config)
{
    EYE_CLEANUP(eye_text_done) struct eye_text warnings;
    eye_text_init(&warnings, WARNINGS_BYTES_MAX);
    eye_selection_append_warnings(config, &warnings);
    fputs(config->warnings == NULL ? "" : config->warnings, stderr);
    fputs(eye_text_string(&warnings), stderr);
}

/* Loads the configuration or prints its problems. */
static struct eye_config *load_config(const struct eye_options *options)
{
    const struct eye_config_section *sections[SECTIONS_MAX];
    const char *tiers[TIERS_MAX];
    list_tiers(tiers);
    const struct eye_config_source source = {
        .file = options->file,
        .assignments = options->assignments,
        .assignment_count = options->assignment_count,
        .environment = environ,
        .sections = sections,
        .section_count = list_sections(sections),
        .tiers = tiers,
    };
    struct eye_config *config = NULL;
    struct eye_error error = {""};
    if (eye_config_load(&source, &config, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
    } else {
        config->once = options->once;
        print_warnings(config);
    }
    return config;
}

/* Exporters as `run` uses them, or their problems printed. EYE_EXIT_OK or another code. */
static int make_exporters(const struct eye_config *config, struct eye_workers *workers)
{
    struct eye_error error = {""};
    int result = eye_workers_new(config, workers, &error);
    if (result == 0) {
        return EYE_EXIT_OK;
    }
    fprintf(stderr, "%s\n", error.text);
    bool is_ours = result == -ENOMEM || result == -ELIBACC;
    return is_ours ? EYE_EXIT_FAILURE : EYE_EXIT_CONFIG;
}

static bool is_fetched(const struct eye_exporter_config *exporter)
{
    return eye_exporter_type_find(exporter->section->type)->fetched;
}

/* Whoever would fetch gets 503 until the only interval is over, and then nobody answers. */
static void warn_of_fetched(const struct eye_config *config)
{
    size_t fetched = 0;
    while (fetched < config->exporter_count && is_fetched(&config->exporters[fetched])) {
        fetched++;
    }
    if (config->once && fetched > 0 && fetched == config->exporter_count) {
        fprintf(stderr,
                "%s: exporter %s delivers nothing with --once: it waits for a scraper, and the "
                "run ends with its only interval; use an exporter that sends, as pushgateway\n",
                config->exporters[0].origin, config->exporters[0].name);
    }
}

int eye_command_run(const struct eye_options *options)
{
    struct eye_config *config = load_config(options);
    if (config == NULL) {
        return EYE_EXIT_CONFIG;
    }
    eye_log_set_level((enum eye_log_level)config->log_level);
    struct eye_workers workers = {0};
    int code = make_exporters(config, &workers);
    if (code == EYE_EXIT_OK) {
        warn_of_fetched(config);
        code = eye_daemon_run(config, &workers, options->once);
    }
    eye_config_unref(config);
    return code;
}

static int print_default_config(void)
{
    const struct eye_config_section *sections[SECTIONS_MAX];
    const char *tiers[TIERS_MAX];
    list_tiers(tiers);
    const struct eye_config_source source = {
        .sections = sections,
        .section_count = list_sections(sections),
        .tiers = tiers,
    };
    eye_config_write_default(stdout, &source);
    return EYE_EXIT_OK;
}

static void print_valid(const struct eye_config *config)
{
    if (config->file != NULL) {
        printf("configuration %s is valid: ", config->file);
    } else {
        printf("there is no %s, the built-in configuration is valid: ", EYE_CONFIG_DEFAULT_FILE);
    }
    printf("%zu exporter%s (", config->exporter_count, config->exporter_count == 1 ? "" : "s");
    for (size_t i = 0; i < config->exporter_count; i++) {
        printf("%s%s", i == 0 ? "" : ", ", config->exporters[i].name);
    }
    printf("), interval %g s\n", (double)config->interval_ns / (double)EYE_NS_PER_SECOND);
    if (config->sources != NULL) {
        printf("over it: %s\n", config->sources);
    }
}

/* With --open also what only opening can tell: an address in use, a file that cannot be written. */
static int check_exporters(const struct eye_config *config, bool open)
{
    struct eye_workers workers = {0};
    struct eye_error error = {""};
    int code = make_exporters(config, &workers);
    if (code == EYE_EXIT_OK && open && eye_workers_bind(&workers, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        code = EYE_EXIT_FAILURE;
    }
    eye_workers_end(&workers, 0);
    return code;
}

int eye_command_check(const struct eye_options *options)
{
    if (options->print_default) {
        return print_default_config();
    }
    struct eye_config *config = load_config(options);
    if (config == NULL) {
        return EYE_EXIT_CONFIG;
    }
    int code = check_exporters(config, options->open);
    if (code == EYE_EXIT_OK) {
        print_valid(config);
    }
    eye_config_unref(config);
    return code;
}

int eye_command_probe(const struct eye_options *options)
{
    struct eye_config *config = load_config(options);
    if (config == NULL) {
        return EYE_EXIT_CONFIG;
    }
    struct eye_probe probe;
    eye_probe_run(config, &probe);
    if (options->json) {
        eye_probe_print_json(&probe, stdout);
    } else {
        eye_probe_print(&probe, stdout);
    }
    eye_config_unref(config);
    if (!probe.trial.connections) {
        return EYE_EXIT_FAILURE;
    }
    bool whole = probe.trial.protocols && probe.trial.everywhere;
    return whole || !probe.protocols_wanted ? EYE_EXIT_OK : EYE_EXIT_PARTLY;
}

/* "direction service port" */
static void print_tags(const struct eye_metric *metric, const char *before, const char *between)
{
    const char *lead = before;
    for (int tag = 0; tag < EYE_TAG_COUNT; tag++) {
        if (eye_metric_has_tag(metric, (enum eye_tag)tag)) {
            printf("%s%s", lead, eye_tag_info((enum eye_tag)tag)->name);
            lead = between;
        }
    }
}

static void print_metric(const struct eye_metric *metric)
{
    printf("%s  %s%s%s\n    %s\n", metric->name, eye_metric_kind_name(metric->kind),
           *eye_unit_info(metric->unit)->word == '\0' ? "" : ", ",
           eye_unit_info(metric->unit)->word, metric->help);
    print_tags(metric, "    tags: ", ", ");
    puts(metric->tags != 0 ? "\n" : "");
}

static void print_metric_markdown(const struct eye_metric *metric)
{
    printf("| `%s` | %s | %s | ", metric->name, eye_metric_kind_name(metric->kind),
           eye_unit_info(metric->unit)->word);
    print_tags(metric, "", " ");
    printf(" | %s |\n", metric->help);
}

int eye_command_metrics(const struct eye_options *options)
{
    if (options->markdown) {
        puts("| name | kind | unit | tags | meaning |\n|---|---|---|---|---|");
    }
    for (int i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        if (options->markdown) {
            print_metric_markdown(metric);
        } else {
            print_metric(metric);
        }
    }
    return EYE_EXIT_OK;
}
