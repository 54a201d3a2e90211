/* SPDX-License-Identifier: Apache-2.0 */
/* What each subcommand does with its options. */
#include "collector/commands.h"

#include <assert.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/privileges.h"
#include "collector/check.h"
#include "collector/control/control.h"
#include "collector/daemon.h"
#include "collector/metrics_page.h"
#include "collector/probe.h"
#include "exporters/encode/selection.h"
#include "exporters/engine/workers.h"

/* As the unit of the packages says. */
#define SERVICE_USER "sockeye"

/* More of them nobody reads. */
#define WARNINGS_BYTES_MAX 16384

static size_t list_sections(const struct eye_config_section *ret_sections[static EYE_SECTIONS_MAX])
{
    size_t count = 0;
    for (; eye_exporter_types[count] != NULL && count < EYE_SECTIONS_MAX; count++) {
        ret_sections[count] = &eye_exporter_types[count]->section;
    }
    return count;
}

static void list_tiers(const char *ret_names[static EYE_TIERS_MAX])
{
    size_t count = EYE_TIER_FIRST;
    ret_names[EYE_TIER_AUTO] = "auto";
    for (size_t i = 0; eye_tier_types[i] != NULL; i++) {
        assert(count + 1 < EYE_TIERS_MAX);
        ret_names[count++] = eye_tier_types[i]->name;
    }
    ret_names[count] = NULL;
}

void eye_known_init(struct eye_known *ret_known)
{
    ret_known->section_count = list_sections(ret_known->sections);
    list_tiers(ret_known->tiers);
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

/* Where a command reads its configuration. */
struct origin {
    struct eye_known known;
    struct eye_config_source source;
};

static void init_origin(struct origin *origin, const struct eye_options *options)
{
    eye_known_init(&origin->known);
    origin->source = (struct eye_config_source){
        .file = options->file,
        .assignments = options->assignments,
        .assignment_count = options->assignment_count,
        .environment = environ,
        .sections = origin->known.sections,
        .section_count = origin->known.section_count,
        .tiers = origin->known.tiers,
    };
}

/* Loads the configuration or prints its problems. */
static struct eye_config *load_from(const struct origin *origin, const struct eye_options *options)
{
    struct eye_config *config = NULL;
    struct eye_error error = {""};
    int result = eye_config_load(&origin->source, &config, &error);
    if (result == 0) {
        result = eye_control_check(config, &error);
    }
    if (result != 0) {
        fprintf(stderr, "%s\n", error.text);
        eye_config_unref(EYE_TAKE(config));
    } else {
        config->once = options->once;
        print_warnings(config);
    }
    return config;
}

static struct eye_config *load_config(const struct eye_options *options)
{
    struct origin origin;
    init_origin(&origin, options);
    return load_from(&origin, options);
}

struct eye_config *eye_command_load_named(const struct eye_options *options)
{
    struct origin origin;
    init_origin(&origin, options);
    origin.source.no_file = options->file == NULL;
    return load_from(&origin, options);
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
                "%s: exporter %s delivers nothing of a single interval: it waits for a scraper, "
                "and the run ends with that; use an exporter that sends, as pushgateway\n",
                config->exporters[0].origin, config->exporters[0].name);
    }
}

int eye_command_make_exporters(const struct eye_config *config, struct eye_workers *ret_workers)
{
    struct eye_error error = {""};
    int result = eye_workers_new(config, ret_workers, &error);
    if (result == 0) {
        warn_of_fetched(config);
        return EYE_EXIT_OK;
    }
    fprintf(stderr, "%s\n", error.text);
    bool is_ours = result == -ENOMEM || result == -ELIBACC;
    return is_ours ? EYE_EXIT_FAILURE : EYE_EXIT_CONFIG;
}

/* Before anything is opened, so that what is made is that user's. 0, or -errno with a message. */
static int become_user(const struct eye_config *config, struct eye_error *ret_error)
{
    return config->run.user == NULL ? 0 : eye_privileges_become(config->run.user, ret_error);
}

int eye_command_run(const struct eye_options *options)
{
    struct origin origin;
    init_origin(&origin, options);
    struct eye_config *config = load_from(&origin, options);
    if (config == NULL) {
        return EYE_EXIT_CONFIG;
    }
    eye_log_set_level((enum eye_log_level)config->log_level);
    eye_log_set_format((enum eye_log_format)config->log_format);
    struct eye_workers workers = {0};
    struct eye_error error;
    int code = EYE_EXIT_FAILURE;
    if (become_user(config, &error) != 0) {
        eye_log_error("%s", error.text);
    } else {
        code = eye_command_make_exporters(config, &workers);
    }
    if (code == EYE_EXIT_OK) {
        code = eye_daemon_run(config, &origin.source, &workers);
    }
    eye_config_unref(config);
    return code;
}

/* What root may, the service's user need not; who is not root sees words alone with other eyes.
 * EYE_EXIT_OK or another code. */
static int stand_in_for_service(const struct eye_config *config, bool open)
{
    bool is_root = geteuid() == 0;
    if (!is_root && !open) {
        return EYE_EXIT_OK;
    }
    if (is_root && open && config->run.user == NULL && getpwnam(SERVICE_USER) != NULL) {
        fputs("note: opened with root's rights, since run.user is not set; the packaged service is "
              "another user: sudo -u " SERVICE_USER " sockeye check --open\n",
              stderr);
    }
    struct eye_error error;
    if (become_user(config, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return EYE_EXIT_FAILURE;
    }
    if (is_root && geteuid() != 0) {
        eye_privileges_assume(EYE_ROLE_DELIVERY);
    }
    return EYE_EXIT_OK;
}

static int print_default_config(void)
{
    struct eye_known known;
    eye_known_init(&known);
    const struct eye_config_source source = {
        .sections = known.sections,
        .section_count = known.section_count,
        .tiers = known.tiers,
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
    int code = stand_in_for_service(config, open);
    if (code == EYE_EXIT_OK) {
        code = eye_command_make_exporters(config, &workers);
    }
    if (code == EYE_EXIT_OK && open && eye_check_open(config, &workers, stderr) != 0) {
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

int eye_command_metrics(const struct eye_options *options)
{
    if (options->json) {
        int result = eye_metrics_print_json(stdout);
        if (result != 0) {
            fprintf(stderr, "sockeye metrics: %s\n", strerror(-result));
            return EYE_EXIT_FAILURE;
        }
    } else if (options->markdown) {
        eye_metrics_print_markdown(stdout);
    } else {
        eye_metrics_print(stdout);
    }
    return EYE_EXIT_OK;
}

int eye_command_version(const struct eye_options *options)
{
    (void)options;
    printf("sockeye %s (libbpf %s)\n", EYE_VERSION, libbpf_version_string());
    return EYE_EXIT_OK;
}
