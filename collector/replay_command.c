/* SPDX-License-Identifier: Apache-2.0 */
/* `sockeye replay`: a capture through the stages of the daemon, once. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "collector/aggregate/aggregate.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/output.h"
#include "collector/commands.h"
#include "collector/limits.h"
#include "collector/publish/publisher.h"
#include "collector/publish/reports.h"
#include "collector/replay/replay.h"
#include "collector/replay_report.h"
#include "collector/source/socket_storage/programs.h"
#include "exporters/engine/workers.h"
#include "exporters/stdout.h"

/* Progress is told so often. */
#define PROGRESS_NS (200 * EYE_NS_PER_MS)

/* From records to series, as the collector has them. */
struct stages {
    struct eye_registry *registry;
    struct eye_processes *processes;
    struct eye_aggregate *aggregate;
    struct eye_usm usm;
};

/* Names of addresses are asked for by nobody. */
static void ignore_name(void *context, const uint8_t *address, const char *name, size_t length,
                        uint64_t ttl_ns)
{
    (void)context;
    (void)address;
    (void)name;
    (void)length;
    (void)ttl_ns;
}

static int make_stages(struct stages *stages, const struct eye_config *config)
{
    const struct eye_limits limits = eye_limits_of(config);
    stages->registry = eye_registry_new(&limits);
    stages->processes = eye_processes_new(config->source.proc, config->source.root);
    if (stages->registry == NULL || stages->processes == NULL) {
        return -ENOMEM;
    }
    stages->aggregate = eye_aggregate_new(config, stages->registry, stages->processes, NULL);
    if (stages->aggregate == NULL) {
        return -ENOMEM;
    }
    stages->usm = (struct eye_usm){.on_request = eye_aggregate_request,
                                   .on_loss = eye_aggregate_loss,
                                   .context = stages->aggregate,
                                   .on_name = ignore_name};
    return eye_usm_open(&stages->usm, config);
}

static void free_stages(struct stages *stages)
{
    eye_aggregate_free(stages->aggregate);
    eye_usm_close(&stages->usm);
    eye_processes_free(stages->processes);
    eye_registry_free(stages->registry);
}

/* All of it as one interval. NULL when out of memory. */
static struct eye_snapshot *take_snapshot(struct stages *stages,
                                          const struct eye_replay_summary *summary)
{
    uint64_t span_ns = summary->last_ns - summary->first_ns;
    eye_registry_close_interval(stages->registry, 1, summary->last_ns, 0);
    return eye_snapshot_take(stages->registry, 1, summary->last_ns, span_ns > 0 ? span_ns : 1,
                             summary->first_ns);
}

/* ---- Exporters ---- */

static int start_exporters(struct eye_workers *workers, struct eye_error *ret_error)
{
    for (size_t i = 0; i < workers->count; i++) {
        int result = eye_worker_start(workers->items[i]);
        if (result != 0) {
            return eye_error_set(ret_error, result, "cannot start a thread for %s: %s",
                                 eye_worker_name(workers->items[i]), strerror(-result));
        }
    }
    return 0;
}

static int open_exporters(struct eye_workers *workers, struct eye_publisher *publisher,
                          struct eye_reports *reports, struct eye_error *ret_error)
{
    int result = publisher == NULL || reports == NULL
                     ? eye_error_set(ret_error, -ENOMEM, "out of memory")
                     : eye_workers_bind(workers, ret_error);
    if (result == 0) {
        eye_stdout_follow();
        result = eye_workers_join(workers, publisher, reports, ret_error);
    }
    return result == 0 ? start_exporters(workers, ret_error) : result;
}

/* Delivers the only snapshot. EYE_EXIT_OK or another code. */
static int export(const struct eye_config *config, struct eye_workers *workers,
                  const struct eye_snapshot *snapshot)
{
    struct eye_error error = {""};
    struct eye_publisher *publisher = eye_publisher_new();
    struct eye_reports *reports = eye_reports_new();
    int result = open_exporters(workers, publisher, reports, &error);
    if (result == 0) {
        eye_publisher_publish(publisher, snapshot);
    } else {
        fprintf(stderr, "sockeye replay: %s\n", error.text);
    }
    uint64_t deadline_ns = eye_clock_monotonic_ns() + config->shutdown_timeout_ns;
    const struct eye_workers_end end = eye_workers_end(workers, deadline_ns);
    bool sent = result == 0 && end.worst < EYE_WORKER_REFUSED;
    if (end.worst == EYE_WORKER_STUCK) {
        _exit(EYE_EXIT_FAILURE); /* its thread uses all of this until the process is gone */
    }
    eye_reports_free(reports);
    eye_publisher_free(publisher);
    return sent ? EYE_EXIT_OK : EYE_EXIT_FAILURE;
}

/* ---- Progress ---- */

struct progress {
    uint64_t told_ns; /* monotonic */
};

static void tell_progress(void *context, double done, uint64_t packets)
{
    struct progress *progress = context;
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (now_ns - progress->told_ns < PROGRESS_NS) {
        return;
    }
    progress->told_ns = now_ns;
    fprintf(stderr, "\rsockeye replay: %llu packets", (unsigned long long)packets);
    if (done >= 0) {
        fprintf(stderr, ", %.0f %%", done * 100);
    }
    fputs("\033[K", stderr);
}

/* ---- The command ---- */

struct run {
    const struct eye_options *options;
    const struct eye_config *config;
    bool client_end;
    uint8_t ports[UINT16_MAX + 1]; /* enum eye_protocol */
    struct eye_workers workers;    /* of --config */
    struct stages stages;
    struct eye_replay_summary summary;
};

static int parse_end(const char *end, bool *ret_client)
{
    *ret_client = end != NULL && strcmp(end, "client") == 0;
    if (end == NULL || *ret_client || strcmp(end, "server") == 0) {
        return 0;
    }
    fprintf(stderr, "sockeye replay: --end %s: there are \"server\" and \"client\"\n", end);
    return -EINVAL;
}

static int read_capture(struct run *run, struct eye_capture *capture)
{
    struct progress progress = {eye_clock_monotonic_ns()};
    bool terminal = isatty(STDERR_FILENO) == 1;
    const struct eye_replay_settings settings = {
        .sink = {.take = eye_usm_take,
                 .context = &run->stages.usm,
                 .wanted = eye_protocols_wanted(run->config),
                 .ports = run->ports,
                 .client_end = run->client_end},
        .dns_timeout_ns = run->config->dns.timeout_ns,
        .on_progress = terminal ? tell_progress : NULL,
        .progress_context = &progress,
    };
    int result = eye_replay_run(capture, &settings, &run->summary);
    if (terminal) {
        fputs("\r\033[K", stderr);
    }
    return result;
}

static int print(const struct run *run, const struct eye_replay_report *report)
{
    int result = 0;
    if (run->options->json) {
        result = eye_replay_print_json(report, stdout);
    } else if (run->options->file == NULL) {
        result = eye_replay_print(report, eye_output_has_colour(STDOUT_FILENO), stdout);
    } else {
        eye_replay_print_summary(report, stderr);
    }
    return result;
}

/* EYE_EXIT_OK or another code. */
static int tell(struct run *run, const struct eye_link *link)
{
    struct eye_snapshot *snapshot = take_snapshot(&run->stages, &run->summary);
    const struct eye_replay_report report = {
        .file = eye_capture_name(run->options->operand),
        .link = link->name,
        .client_end = run->client_end,
        .summary = &run->summary,
        .snapshot = snapshot,
    };
    int code = EYE_EXIT_OK;
    if (snapshot == NULL || print(run, &report) != 0) {
        fputs("sockeye replay: out of memory\n", stderr);
        code = EYE_EXIT_FAILURE;
    } else if (run->options->file != NULL) {
        code = export(run->config, &run->workers, snapshot);
    }
    eye_snapshot_unref(snapshot);
    return code;
}

/* ---- Signals: they end the reading, and what was read is told ---- */

/* Those that are not ignored: whoever started us may want that. */
static void choose_signals(sigset_t *set)
{
    static const int ending[] = {SIGINT, SIGTERM};
    sigemptyset(set);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ending); i++) {
        struct sigaction present;
        if (sigaction(ending[i], NULL, &present) == 0 && present.sa_handler != SIG_IGN) {
            sigaddset(set, ending[i]);
        }
    }
}

/* The one that ended the reading is spent; another one ends what follows. */
static void release_signals(const sigset_t *set, const sigset_t *before)
{
    const struct timespec now = {0};
    while (sigtimedwait(set, NULL, &now) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* EYE_EXIT_OK or another code. @stop_fd: readable when a signal has come. */
static int read_file(struct run *run, int stop_fd, const struct eye_link **ret_link)
{
    struct eye_capture *capture = NULL;
    struct eye_error error;
    if (eye_capture_open(run->options->operand, stop_fd, &capture, &error) != 0) {
        fprintf(stderr, "sockeye replay: %s\n", error.text);
        return EYE_EXIT_FAILURE;
    }
    int code = EYE_EXIT_OK;
    if (make_stages(&run->stages, run->config) != 0 || read_capture(run, capture) != 0) {
        fputs("sockeye replay: out of memory\n", stderr);
        code = EYE_EXIT_FAILURE;
    }
    *ret_link = eye_capture_link(capture);
    eye_capture_close(capture);
    return code;
}

/* Likewise. Without a descriptor to spare signals do what they always do. */
static int read_until_signal(struct run *run, const struct eye_link **ret_link)
{
    sigset_t set;
    sigset_t before;
    choose_signals(&set);
    EYE_AUTOCLOSE int fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (fd < 0) {
        return read_file(run, -1, ret_link);
    }
    pthread_sigmask(SIG_BLOCK, &set, &before);
    int code = read_file(run, fd, ret_link);
    release_signals(&set, &before);
    return code;
}

/* EYE_EXIT_OK or another code. */
static int replay(struct run *run)
{
    const struct eye_link *link = NULL;
    int code = read_until_signal(run, &link);
    if (code == EYE_EXIT_OK) {
        code = tell(run, link);
    }
    free_stages(&run->stages);
    bool whole = run->summary.problem[0] == '\0';
    if (!whole && run->options->json) {
        fprintf(stderr, "sockeye replay: %s is read to packet %llu only: %s\n",
                eye_capture_name(run->options->operand), (unsigned long long)run->summary.packets,
                run->summary.problem);
    }
    return code == EYE_EXIT_OK && !whole ? EYE_EXIT_PARTLY : code;
}

int eye_command_replay(const struct eye_options *options)
{
    struct eye_options used = *options;
    struct run run = {.options = options};
    if (parse_end(options->end, &run.client_end) != 0) {
        return EYE_EXIT_USAGE;
    }
    used.once = true;
    /* The host's own file is the daemon's, and may be secret. */
    struct eye_config *config = eye_command_load_named(&used);
    if (config == NULL) {
        return EYE_EXIT_CONFIG;
    }
    run.config = config;
    eye_protocol_ports_write(config, run.ports);
    int code =
        options->file == NULL ? EYE_EXIT_OK : eye_command_make_exporters(config, &run.workers);
    if (code == EYE_EXIT_OK) {
        code = replay(&run);
    }
    eye_workers_end(&run.workers, 0);
    eye_config_unref(config);
    return code;
}
