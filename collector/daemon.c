/* SPDX-License-Identifier: Apache-2.0 */
/* Start, signals, stop. */
#include "collector/daemon.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/base/text.h"
#include "collector/collector.h"
#include "collector/control/report.h"
#include "collector/control/status.h"
#include "collector/full.h"
#include "collector/host/remedy.h"
#include "collector/publish/publisher.h"
#include "collector/publish/reports.h"
#include "collector/reload.h"
#include "collector/service.h"
#include "exporters/engine/workers.h"
#include "exporters/stdout.h"

/* A wrapper may send SIGINT to us and again to our group (timeout(1) does), and ^C ends the reader
 * of our output at the same time: what comes within this time is no second wish. */
#define SAME_INTERRUPT_MS 100

/* How long each step of the start may take before the service manager gives up: verifying programs
 * on a slow or busy machine takes longest. */
#define START_STEP_NS (90 * EYE_NS_PER_SECOND)

/* To let the manager wait for an end beyond what exporters are given: the last look at the kernel,
 * and threads that are joined. */
#define STOP_GRACE_NS (30 * EYE_NS_PER_SECOND)

/* Why the daemon ends. */
enum cause { CAUSE_ONCE, CAUSE_SIGNAL, CAUSE_INTERRUPT, CAUSE_READER_GONE };

struct daemon {
    const struct eye_config *config;
    const struct eye_config_source *source; /* of the configuration, for the next one */
    struct eye_workers *workers;
    struct eye_features features; /* the collector's from its start on */
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct eye_collector *collector;
    struct eye_service service;
    struct eye_full full;
    const char *tier;   /* that was started */
    bool own_namespace; /* and what it sees: no other network namespace */
    bool whole;         /* all that the configuration asks for is seen */
    bool up;            /* started, and not stopping */
    int signals;
    struct eye_control control;
    struct eye_view view;
    struct eye_running running; /* what `control` tells */
    struct eye_reload reload;
    uint64_t asked; /* number of the last reload that somebody wants */
    uint64_t begun; /* of the last one that was begun; running.reloaded has those that are over */

    /* `run --once` reads how many intervals there were. */
    struct eye_subscription intervals;
    int published; /* an eventfd; -1: nobody waits for an interval */
};

/* What each signal does. All that would end any program end this one in order, whoever sends them
 * (an alarm(2) outlives exec); those that stand for a fault or cannot be caught do what they do. */
static const int ending_signals[] = {
    SIGTERM, SIGINT, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU, SIGIO, SIGPWR, SIGSTKFLT,
};
static const int ignored_signals[] = {
    SIGPIPE, SIGXFSZ, /* the writer hears of it by errno */
    SIGUSR2,          /* no meaning, and no reason to end */
};

/* Blocked before any thread starts, so that every thread inherits it and only signalfd sees them.
 * The descriptor or -errno. */
static int open_signals(void)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGHUP);
    sigaddset(&wanted, SIGUSR1);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ending_signals); i++) {
        sigaddset(&wanted, ending_signals[i]);
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        sigaddset(&wanted, number);
    }
    pthread_sigmask(SIG_BLOCK, &wanted, NULL);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ignored_signals); i++) {
        signal(ignored_signals[i], SIG_IGN);
    }
    int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* The collector thread's: all there is to do with a snapshot is to know that it came. */
static void count_interval(void *context, const struct eye_snapshot *snapshot)
{
    struct daemon *daemon = context;
    uint64_t one = 1;
    ssize_t ignored = write(daemon->published, &one, sizeof(one));
    (void)ignored;
    eye_subscription_deliver(&daemon->intervals, snapshot->sequence);
}

static int watch_intervals(struct daemon *daemon, struct eye_error *ret_error)
{
    const struct eye_snapshot *before;
    daemon->published = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int result = daemon->published < 0 ? -errno : 0;
    if (result == 0) {
        daemon->intervals = (struct eye_subscription){.take = count_interval, .context = daemon};
        result = eye_publisher_join(daemon->publisher, &daemon->intervals, &before);
    }
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot watch for the end of the interval: %s",
                             strerror(-result));
    }
    eye_snapshot_unref(before);
    return 0;
}

/* Everybody who reads what the collector publishes. */
static int join_readers(struct daemon *daemon, struct eye_error *ret_error)
{
    daemon->publisher = eye_publisher_new();
    daemon->reports = eye_reports_new();
    if (daemon->publisher == NULL || daemon->reports == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = eye_workers_join(daemon->workers, daemon->publisher, daemon->reports, ret_error);
    if (result == 0) {
        result = eye_service_join(&daemon->service, daemon->publisher);
    }
    if (result == 0) {
        result = eye_full_join(&daemon->full, daemon->publisher);
    }
    return result == 0 && daemon->config->once ? watch_intervals(daemon, ret_error) : result;
}

/*
 * One daemon at a time: two would tell every number twice. Whoever may not listen at the usual
 * place does without, as a user's own daemon.
 */
static int listen_at_socket(struct daemon *daemon, struct eye_error *ret_error)
{
    const char *path = daemon->config->control.socket;
    bool usual = strcmp(path, EYE_CONTROL_DEFAULT_SOCKET) == 0;
    int result = *path == '\0' ? 0 : eye_control_listen(&daemon->control, path, ret_error);
    if (result == 0 || result == -EEXIST || !usual) {
        return result;
    }
    eye_log_warning("%s; without it `sockeye status` and `sockeye reload` find nobody",
                    ret_error->text);
    ret_error->text[0] = '\0';
    return 0;
}

/* Nobody has time to ask a job. */
static int listen_for_control(struct daemon *daemon, struct eye_error *ret_error)
{
    const struct eye_config *config = daemon->config;
    if (config->once) {
        return 0;
    }
    int result = listen_at_socket(daemon, ret_error);
    return result != 0 || config->control.listen == NULL
               ? result
               : eye_control_listen_on_port(&daemon->control, config->control.listen,
                                            config->control.token_file, ret_error);
}

/* A text of several lines. */
static void say_lines(enum eye_log_level level, const char *subject, const char *text)
{
    for (const char *line = text; *line != '\0'; line += *line == '\n') {
        int length = (int)strcspn(line, "\n");
        if (length > 0) {
            eye_log(level, "%s: %.*s", subject, length, line);
        }
        line += length;
    }
}

/* ---- Reloads ---- */

/* An eye_control_reload, and SIGHUP's. One under way may have read its file before what is there
 * now, so another one will follow it, for all who ask meanwhile. */
static uint64_t ask_for_reload(void *context)
{
    struct daemon *daemon = context;
    if (daemon->asked == daemon->begun) {
        daemon->asked++;
    }
    return daemon->asked;
}

static bool is_reloading(const struct daemon *daemon)
{
    return daemon->begun != daemon->running.reloaded.number;
}

static void put_in_force(struct daemon *daemon)
{
    daemon->config = daemon->reload.config;
    daemon->running.config = daemon->config;
    daemon->running.interval_before_ns = daemon->running.interval_ns;
    daemon->running.interval_ns = daemon->config->interval_ns;
}

static void log_outcome(const struct eye_reload_outcome *outcome)
{
    if (outcome->result != 0) {
        eye_log(outcome->level, "the configuration stays as it was:");
    }
    say_lines(EYE_LOG_WARNING, "reload", eye_text_string(&outcome->warnings));
    say_lines(outcome->level, "reload", eye_text_string(&outcome->words));
}

/* Warnings come first for who asked, too. */
static void end_reload(struct daemon *daemon)
{
    EYE_CLEANUP(eye_text_done) struct eye_text words;
    struct eye_reload_outcome outcome;
    struct eye_reloaded *reloaded = &daemon->running.reloaded;
    eye_text_init(&words, EYE_CONTROL_WORDS_MAX);
    eye_text_init(&outcome.words, EYE_CONTROL_WORDS_MAX);
    eye_text_init(&outcome.warnings, EYE_CONTROL_WORDS_MAX);
    eye_reload_end(&daemon->reload, &outcome);
    if (outcome.result == 0) {
        put_in_force(daemon);
    }
    log_outcome(&outcome);
    eye_text_append(&outcome.warnings, eye_text_string(&outcome.words));
    eye_text_done(&reloaded->words);
    eye_text_done(&outcome.words);
    *reloaded = (struct eye_reloaded){
        .number = daemon->begun,
        .time_ns = eye_clock_wall_ns(),
        .done = outcome.result == 0,
        .words = outcome.warnings,
    };
    eye_control_reloaded(&daemon->control);
}

/* A part of the main loop. */
static void go_on_reloading(struct daemon *daemon)
{
    if (!is_reloading(daemon) && daemon->asked != daemon->begun) {
        daemon->begun = daemon->asked;
        eye_notify_reloading(&daemon->service.notify);
        eye_reload_begin(&daemon->reload);
    }
    if (is_reloading(daemon) && eye_reload_step(&daemon->reload)) {
        end_reload(daemon);
        eye_notify_ready(&daemon->service.notify);
    }
}

/* When there is more to do than to wait for others; UINT64_MAX: never. */
static uint64_t next_reload_step(const struct daemon *daemon)
{
    if (is_reloading(daemon)) {
        return eye_clock_monotonic_ns() + EYE_REPLACEMENT_LOOK_NS;
    }
    return daemon->asked != daemon->begun ? 0 : UINT64_MAX;
}

/* The daemon ends: who waits for a reload is told. */
static void cancel_reloads(struct daemon *daemon, uint64_t deadline_ns)
{
    while (is_reloading(daemon) || daemon->asked != daemon->begun) {
        daemon->begun = is_reloading(daemon) ? daemon->begun : daemon->asked;
        eye_reload_cancel(&daemon->reload, deadline_ns);
        end_reload(daemon);
    }
}

/* An eye_control_watch. */
static int watch(void *context, const struct eye_watch_request *request,
                 struct eye_watch_answer **ret_answer, struct eye_error *ret_error)
{
    struct daemon *daemon = context;
    return eye_collector_watch(daemon->collector, request, ret_answer, ret_error);
}

/* Everything runs: it can be told how it is, and whoever asks is answered from now on. */
static int open_control(struct daemon *daemon, const struct eye_source *source,
                        struct eye_error *ret_error)
{
    int result = eye_view_open(&daemon->view, daemon->publisher);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot look at snapshots: %s", strerror(-result));
    }
    daemon->running = (struct eye_running){
        .config = daemon->config,
        .workers = daemon->workers,
        .tiers = daemon->source->tiers,
        .sight = eye_source_sight(source),
        .source = source,
        .tier = daemon->tier,
        .nat = eye_collector_nat(daemon->collector),
        .view = &daemon->view,
        .started_ns = eye_clock_wall_ns(),
        .monotonic_ns = eye_clock_monotonic_ns(),
        .interval_ns = daemon->config->interval_ns,
    };
    daemon->reload = (struct eye_reload){
        .source = daemon->source,
        .config = daemon->config,
        .collector = daemon->collector,
        .workers = daemon->workers,
        .publisher = daemon->publisher,
        .reports = daemon->reports,
    };
    struct eye_report *report = eye_control_report_new(&daemon->control);
    if (report == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    eye_reports_open(daemon->reports, report);
    eye_control_open(&daemon->control, &daemon->running, ask_for_reload, watch, daemon);
    return 0;
}

static int no_thread(const char *name, int result, struct eye_error *ret_error)
{
    return eye_error_set(ret_error, result, "cannot start a thread for %s: %s; " EYE_REMEDY_THREADS,
                         name, strerror(-result));
}

static int start_threads(struct daemon *daemon, struct eye_error *ret_error)
{
    for (size_t i = 0; i < daemon->workers->count; i++) {
        struct eye_worker *worker = daemon->workers->items[i];
        int result = eye_worker_start(worker);
        if (result != 0) {
            return no_thread(eye_worker_name(worker), result, ret_error);
        }
    }
    int result = eye_collector_start(daemon->collector);
    return result == 0 ? 0 : no_thread("the collector", result, ret_error);
}

/* ---- The start, step by step ---- */

/* A signal waits that asks for the end. It stays there: wait_for_end() and its like read it. */
static bool is_asked_to_end(void)
{
    sigset_t pending;
    bool asked = false;
    sigpending(&pending);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ending_signals); i++) {
        asked |= sigismember(&pending, ending_signals[i]) == 1;
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        asked |= sigismember(&pending, number) == 1;
    }
    return asked;
}

/* An eye_steps of the daemon. Nothing was observed yet that would have to be delivered first. */
static int next_step(void *context, const char *step)
{
    struct daemon *daemon = context;
    char text[128];
    snprintf(text, sizeof(text), "starting: %s", step);
    eye_log_debug("%s", text);
    eye_notify_status(&daemon->service.notify, text);
    eye_notify_extend(&daemon->service.notify, START_STEP_NS);
    return is_asked_to_end() ? -ECANCELED : 0;
}

static int start(struct daemon *daemon, struct eye_error *ret_error)
{
    const struct eye_steps steps = {.next = next_step, .context = daemon};
    if (daemon->signals < 0) {
        return eye_error_set(ret_error, daemon->signals, "cannot listen for signals: %s; %s",
                             strerror(-daemon->signals),
                             eye_remedy(-daemon->signals, "free some memory"));
    }
    struct eye_source *source = NULL;
    int result = listen_for_control(daemon, ret_error);
    if (result == 0) {
        result = next_step(daemon, "asking the kernel what it allows");
    }
    if (result == 0) {
        eye_features_ask_all(&daemon->features);
        result = eye_source_check(&daemon->features, ret_error);
    }
    if (result == 0) {
        result = next_step(daemon, "opening exporters");
    }
    if (result == 0) {
        result = eye_workers_bind(daemon->workers, ret_error);
    }
    if (result == 0) {
        eye_stdout_follow();
        result = join_readers(daemon, ret_error);
    }
    if (result == 0) {
        result = eye_source_open(&daemon->features, &steps, &source, ret_error);
    }
    if (result != 0) {
        return result;
    }
    daemon->tier = eye_source_tier(source);
    daemon->own_namespace = eye_source_sight(source)->own_namespace;
    daemon->whole = eye_source_is_whole(source);
    /* The collector's thread may add to it. */
    const struct eye_sight *sight = eye_source_sight(source);
    size_t not_seen = sight->not_seen_count;
    /* Loading parses the kernel's whole BTF: several MiB that are free now, back to the kernel. */
    malloc_trim(0);
    result = eye_collector_new(daemon->config, source, daemon->publisher, daemon->reports,
                               &daemon->collector, ret_error);
    if (result == 0) {
        result = eye_collector_feed(daemon->collector, &daemon->service.notify);
    }
    if (result == 0) {
        result = start_threads(daemon, ret_error);
    }
    if (result == 0) {
        result = open_control(daemon, source, ret_error);
    }
    /* Of a start that failed its cause is enough. */
    for (size_t i = 0; result == 0 && i < not_seen; i++) {
        eye_log_warning("%s", sight->not_seen[i].text);
    }
    return result;
}

/* Output that cannot be written is a failure of any program. That a receiver is away when the
 * daemon is stopped is none; but what was to be seen and sent once, and was not, is. */
static int exit_code(enum cause cause, bool saw_all, const struct eye_workers_end *end)
{
    bool missed = cause == CAUSE_ONCE && (!saw_all || end->worst >= EYE_WORKER_REFUSED);
    return missed || end->unwritten ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Everything runs. What is raised from now on is raised around the call that needs it. */
static void give_up_privileges(void)
{
    int result = eye_privileges_assume(EYE_ROLE_MAIN);
    if (result != 0) {
        eye_log_warning("cannot give up capabilities, which every thread keeps: capset: %s; %s",
                        strerror(-result), eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
}

/* Returns the exit code. */
static int stop(struct daemon *daemon, enum cause cause)
{
    bool saw_all = false;
    uint64_t timeout_ns = daemon->config->shutdown_timeout_ns;
    uint64_t began_ns = eye_clock_monotonic_ns();
    eye_privileges_raise(EYE_PRIVILEGES_ALL); /* to take away what was made with them */
    eye_service_leave(&daemon->service);
    eye_notify_stopping(&daemon->service.notify, timeout_ns + STOP_GRACE_NS);
    cancel_reloads(daemon, began_ns + timeout_ns);
    uint64_t spent_ns = eye_clock_monotonic_ns() - began_ns;
    timeout_ns -= spent_ns < timeout_ns ? spent_ns : timeout_ns;
    eye_control_close(&daemon->control);
    eye_text_done(&daemon->running.reloaded.words);
    eye_view_close(&daemon->view);
    if (daemon->collector != NULL) {
        eye_collector_stop(daemon->collector);
        saw_all = eye_collector_sees_all(daemon->collector);
    }
    uint64_t deadline = eye_clock_monotonic_ns() + timeout_ns;
    const struct eye_workers_end end = eye_workers_end(daemon->workers, deadline);
    eye_subscription_leave(&daemon->intervals);
    eye_full_leave(&daemon->full);
    eye_collector_free(daemon->collector);
    int code = exit_code(cause, saw_all, &end);
    if (end.worst == EYE_WORKER_STUCK) {
        /* The thread uses the configuration until the process is gone. */
        _exit(code);
    }
    eye_reports_free(daemon->reports);
    eye_publisher_free(daemon->publisher);
    eye_notify_close(&daemon->service.notify);
    if (daemon->published >= 0) {
        close(daemon->published);
    }
    if (daemon->signals >= 0) {
        close(daemon->signals);
    }
    eye_config_unref(daemon->config);
    return code;
}

/* As `sockeye status` prints it. */
static void say_status(struct daemon *daemon)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    json_t *status = eye_status_json(&daemon->running);
    eye_text_init(&text, EYE_STATUS_TEXT_MAX);
    eye_status_write(status, false, &text);
    json_decref(status);
    say_lines(EYE_LOG_INFO, "status", eye_text_string(&text));
}

/* A job has read its configuration for its only interval. */
static void hang_up(struct daemon *daemon)
{
    if (!daemon->config->once) {
        ask_for_reload(daemon);
    }
}

/* What a signal asks for. A daemon that starts reads its configuration, and one that stops has no
 * use for another. */
static void when_up(struct daemon *daemon, void (*act)(struct daemon *daemon))
{
    if (daemon->up) {
        act(daemon);
    }
}

/* The number of a signal that asks for the end; 0: none is there. */
static int next_ending_signal(struct daemon *daemon)
{
    struct signalfd_siginfo info;
    while (read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGUSR1:
            when_up(daemon, say_status);
            break;
        case SIGHUP:
            when_up(daemon, hang_up);
            break;
        default:
            return (int)info.ssi_signo;
        }
    }
    return 0;
}

static void say_stopping(int number)
{
    const char *name = sigabbrev_np(number);
    if (name == NULL) {
        eye_log_info("stopping on SIGRTMIN+%d", number - SIGRTMIN);
    } else {
        eye_log_info("stopping on SIG%s%s", name,
                     number == SIGINT ? "; a second one ends at once" : "");
    }
}

/* What the main thread waits for. */
enum wait { WAIT_SIGNALS, WAIT_INTERVALS, WAIT_STDOUT, WAIT_CONTROL };

#define WAIT_COUNT (WAIT_CONTROL + EYE_CONTROL_FDS)

/* In ms from now, rounded up; -1: as long as it takes. */
static int wait_ms(uint64_t until_ns)
{
    uint64_t now_ns = eye_clock_monotonic_ns();
    uint64_t left_ms =
        until_ns > now_ns ? (until_ns - now_ns + EYE_NS_PER_MS - 1) / EYE_NS_PER_MS : 0;
    return until_ns == UINT64_MAX ? -1 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static enum cause wait_for_end(struct daemon *daemon)
{
    struct pollfd fds[WAIT_COUNT] = {
        [WAIT_SIGNALS] = {.fd = daemon->signals, .events = POLLIN},
        [WAIT_INTERVALS] = {.fd = daemon->published, .events = POLLIN},
    };
    for (;;) {
        /* Without events: the reader has gone, or the terminal was hung up. */
        fds[WAIT_STDOUT] = (struct pollfd){.fd = eye_stdout_is_followed() ? STDOUT_FILENO : -1};
        uint64_t control_ns = eye_control_prepare(&daemon->control, &fds[WAIT_CONTROL]);
        uint64_t reload_ns = next_reload_step(daemon);
        uint64_t until_ns = control_ns < reload_ns ? control_ns : reload_ns;
        if (poll(fds, EYE_ARRAY_LENGTH(fds), wait_ms(until_ns)) < 0) {
            continue; /* EINTR: stopped and continued */
        }
        int number = next_ending_signal(daemon);
        if (number != 0) {
            say_stopping(number);
            return number == SIGINT ? CAUSE_INTERRUPT : CAUSE_SIGNAL;
        }
        if (fds[WAIT_INTERVALS].revents != 0) {
            return CAUSE_ONCE;
        }
        if (fds[WAIT_STDOUT].revents != 0 && eye_stdout_is_followed()) {
            eye_log_info("stopping: nobody reads standard output any more");
            return CAUSE_READER_GONE;
        }
        eye_control_serve(&daemon->control, &fds[WAIT_CONTROL]);
        go_on_reloading(daemon);
    }
}

static void end_now(int number)
{
    _exit(128 + number);
}

/* What @number does to any program, it does to this one again. By itself the kernel does nothing to
 * the first process of a container. */
static void restore_signal(int number)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    signal(number, getpid() == 1 ? end_now : SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

/* From here on SIGINT does not wait for anybody. */
static void allow_interrupt(struct daemon *daemon, enum cause cause)
{
    if (cause == CAUSE_INTERRUPT || cause == CAUSE_READER_GONE) {
        poll(NULL, 0, SAME_INTERRUPT_MS);
        while (next_ending_signal(daemon) != 0) {
        }
    }
    restore_signal(SIGINT);
}

/* DNS is there from the start where it tells names, and so is all of the only interval. */
static bool is_awaited(const struct eye_config *config, int wish, const char *name)
{
    bool names = strcmp(name, "dns") == 0 && eye_config_wants_names(config);
    return wish == EYE_WISH_AUTO && !config->once && !names;
}

/* Which protocols are followed; of a host that has a part of what they need, the log has told. */
static void add_protocols(struct eye_text *line, const struct daemon *daemon)
{
    const struct eye_config *config = daemon->config;
#define X(X, identifier, name, title)                                                              \
    if (daemon->whole && config->protocols.name != EYE_WISH_NEVER) {                               \
        bool awaited = is_awaited(config, config->protocols.name, #name);                          \
        eye_text_appendf(line, ", %s%s", title, awaited ? " once it is seen" : "");                \
    }
    EYE_EACH_PROTOCOL(X, )
#undef X
}

static void say_observing(struct daemon *daemon)
{
    size_t exporters = daemon->config->exporter_count;
    struct eye_text line;
    eye_text_init(&line, 1024);
    eye_text_appendf(&line, "observing %s network namespace, tier %s, NAT by %s",
                     daemon->own_namespace ? "its own" : "every", daemon->tier,
                     atomic_load(eye_collector_nat(daemon->collector)));
    add_protocols(&line, daemon);
    eye_text_appendf(&line, ", %zu exporter%s", exporters, exporters == 1 ? "" : "s");
    eye_log_info("%s", eye_text_string(&line));
    eye_notify_status(&daemon->service.notify, eye_text_string(&line));
    eye_text_done(&line);
}

/* A start that went no further: by a signal, in order, or for want of something. The exit code. */
static int end_of_start(struct daemon *daemon, int result, const struct eye_error *error)
{
    int number = result == -ECANCELED ? next_ending_signal(daemon) : 0;
    if (number != 0) {
        say_stopping(number);
    } else {
        eye_log_error("%s", error->text[0] != '\0' ? error->text : strerror(-result));
    }
    allow_interrupt(daemon, number == SIGINT ? CAUSE_INTERRUPT : CAUSE_SIGNAL);
    stop(daemon, CAUSE_SIGNAL);
    return number != 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int eye_daemon_run(const struct eye_config *config, const struct eye_config_source *source,
                   struct eye_workers *workers)
{
    eye_log_open();
    struct daemon daemon = {.config = eye_config_ref(config),
                            .source = source,
                            .workers = workers,
                            .signals = open_signals(),
                            .published = -1};
    eye_control_init(&daemon.control);
    eye_features_init(&daemon.features, config);
    struct eye_error error = {""};
    if (eye_notify_open(&daemon.service.notify, &error) != 0) {
        eye_log_warning("%s", error.text);
    }
    error.text[0] = '\0';
    int result = start(&daemon, &error);
    if (result != 0) {
        return end_of_start(&daemon, result, &error);
    }
    give_up_privileges();
    say_observing(&daemon);
    eye_notify_ready(&daemon.service.notify);
    daemon.up = true;
    enum cause cause = wait_for_end(&daemon);
    daemon.up = false;
    allow_interrupt(&daemon, cause);
    int code = stop(&daemon, cause);
    if (cause == CAUSE_READER_GONE) {
        /* As any program in a pipe ends. */
        restore_signal(SIGPIPE);
        raise(SIGPIPE);
    }
    return code;
}
