/* SPDX-License-Identifier: Apache-2.0 */
/* The collector thread's loop. */
#include "collector/collector.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "collector/aggregate/aggregate.h"
#include "collector/aggregate/ports.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/loop.h"
#include "collector/base/privileges.h"
#include "collector/base/thread.h"
#include "collector/health.h"
#include "collector/intervals.h"
#include "collector/limits.h"
#include "collector/live_view.h"
#include "collector/monitor.h"
#include "collector/nat/conntracker.h"
#include "collector/source/accounts.h"

/* Rings are read at least this often; a ring that fills faster wakes us. */
#define DRAIN_INTERVAL_NS (100 * EYE_NS_PER_MS)

#define COLLECTOR_NICE (-10)

#define EPHEMERAL_PORTS "/proc/sys/net/ipv4/ip_local_port_range"

/* What wakes the thread. */
enum event_source {
    EVENT_STOP,
    EVENT_RINGS,
    EVENT_DRAIN,
    EVENT_INTERVAL,
    EVENT_WATCHDOG,
    EVENT_ERRAND,
    EVENT_COUNT
};

/* Rows of single connections that could not be opened are tried again after so long: what this
 * kernel never takes costs its verifier's time at each attempt. */
#define ROWS_RETRY_NS (2 * EYE_NS_PER_SECOND)

/* What the main thread, which waits for @done, has done by this one between two events. */
struct errand {
    void (*act)(struct eye_collector *collector, void *subject);
    void *subject;
    sem_t done;
};

/* Another configuration and what it needs, made by the main thread. */
struct change {
    const struct eye_config *config;
    struct eye_usm usm; /* protocols as it wants them; then as they were */
};

/* A client's question for single connections. */
struct watch {
    const struct eye_watch_request *request;
    void *rows; /* opened by the main thread; NULL: not yet */
    bool needs_rows;
    struct eye_watch_answer *answer;
    struct eye_error error;
    int result;
};

struct eye_collector {
    const struct eye_config *config; /* one reference */
    struct eye_source *source;
    struct eye_registry *registry;
    struct eye_processes *processes;
    struct eye_reverse *names; /* of addresses */
    struct eye_aggregate *aggregate;
    struct eye_tracer tracer;
    struct eye_usm usm;
    struct eye_monitor monitor;
    struct eye_conntracker conntracker;
    struct eye_health health;
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct eye_notify *notify; /* whose watchdog is fed; NULL: none */
    pthread_t thread;
    bool running;
    struct eye_loop *loop;
    struct eye_watch watches[EVENT_COUNT]; /* EVENT_RINGS: of the source's descriptor */
    struct errand *errand;                 /* not NULL while one waits to be taken */
    struct eye_live_view live_view;
    struct eye_error no_rows; /* why there are none; the main thread's, as the next one */
    uint64_t rows_retry_ns;   /* monotonic: nothing is tried before */
    uint64_t sequence;
    struct eye_intervals intervals;
    struct eye_passes passes; /* they put right what a lost record left in tcp.connections.active */
    uint64_t elapsed_ns;      /* of all intervals that were published, monotonic */
    bool once;                /* the first interval is the last */
    bool ending;              /* the last interval counts afresh, too */
    bool blind;               /* the last live pass failed */
};

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / EYE_NS_PER_SECOND),
                             .tv_nsec = (long)(ns % EYE_NS_PER_SECOND)};
}

/* Wall-clock time, and told when somebody sets the clock: the boundary then is another. A single
 * interval has no boundary, only its length. */
static int arm_interval(struct eye_collector *collector)
{
    const struct eye_intervals *intervals = &collector->intervals;
    uint64_t next_ns = eye_intervals_next_ns(intervals, eye_clock_wall_ns());
    struct itimerspec timer = {.it_value = timespec_of(next_ns)};
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    if (collector->once) {
        timer.it_value = timespec_of(intervals->length_ns);
        flags = 0;
    }
    return timerfd_settime(collector->watches[EVENT_INTERVAL].fd, flags, &timer, NULL) != 0 ? -errno
                                                                                            : 0;
}

/* An eye_introductions: a program may introduce itself and close while a drain goes on. */
static void take_introductions(void *source)
{
    eye_source_drain_owners(source);
}

static void set_ephemeral_ports(struct eye_collector *collector)
{
    uint16_t first;
    uint16_t last;
    int result = eye_ports_read_range(EPHEMERAL_PORTS, &first, &last);
    if (result != 0) {
        eye_log_info("cannot read " EPHEMERAL_PORTS ": %s; taking %d to %d for ephemeral ports",
                     strerror(-result), EYE_EPHEMERAL_FIRST, EYE_EPHEMERAL_LAST);
        return;
    }
    eye_aggregate_set_ephemeral_ports(collector->aggregate, first, last);
}

static void connect_rings(struct eye_collector *collector)
{
    struct eye_source *source = collector->source;
    eye_source_on_record(source, EYE_RING_OWNERS, eye_processes_take, collector->processes);
    eye_processes_on_unknown(collector->processes, take_introductions, source);
    eye_source_on_record(source, EYE_RING_CONNECTIONS, eye_conntracker_take,
                         &collector->conntracker);
    eye_source_on_record(source, EYE_RING_REQUESTS, eye_usm_take, &collector->usm);
    eye_source_on_record(source, EYE_RING_PROCESSES, eye_processes_take_end, collector->processes);
}

/* Nobody pays for names that are not told. */
static void refresh_names(struct eye_collector *collector, uint64_t now_ns)
{
    if (eye_config_wants_names(collector->config)) {
        eye_reverse_refresh(collector->names, now_ns);
    }
}

/* An eye_name_handler. */
static void learn_name(void *context, const uint8_t *address, const char *name, size_t length,
                       uint64_t ttl_ns)
{
    eye_reverse_learn(context, address, name, length, ttl_ns, eye_clock_monotonic_ns());
}

static int make_stages(struct eye_collector *collector)
{
    const struct eye_limits limits = eye_limits_of(collector->config);
    collector->registry = eye_registry_new(&limits);
    collector->processes =
        eye_processes_new(eye_source_proc(collector->source), collector->config->source.root);
    collector->names = eye_reverse_new(collector->config->source.root);
    if (collector->registry == NULL || collector->processes == NULL || collector->names == NULL) {
        return -ENOMEM;
    }
    refresh_names(collector, eye_clock_monotonic_ns());
    collector->aggregate = eye_aggregate_new(collector->config, collector->registry,
                                             collector->processes, collector->names);
    struct eye_group *health_group = eye_group_new(collector->registry, NULL, 0);
    if (collector->aggregate == NULL || health_group == NULL) {
        return -ENOMEM;
    }
    set_ephemeral_ports(collector);
    collector->tracer = (struct eye_tracer){.on_connection = eye_aggregate_connection,
                                            .on_listener = eye_aggregate_listener,
                                            .on_datagrams = eye_aggregate_datagrams,
                                            .context = collector->aggregate};
    collector->usm = (struct eye_usm){.on_request = eye_aggregate_request,
                                      .on_loss = eye_aggregate_loss,
                                      .context = collector->aggregate,
                                      .on_name = learn_name,
                                      .name_context = collector->names};
    if (eye_usm_open(&collector->usm, collector->config) != 0) {
        return -ENOMEM;
    }
    collector->health = (struct eye_health){
        .registry = collector->registry,
        .group = health_group,
        .source = collector->source,
        .processes = collector->processes,
        .monitor = &collector->monitor,
        .conntracker = &collector->conntracker,
        .tracer = &collector->tracer,
        .usm = &collector->usm,
        .aggregate = collector->aggregate,
        .names = collector->names,
        .reports = collector->reports,
    };
    collector->live_view = (struct eye_live_view){.source = collector->source,
                                                  .aggregate = collector->aggregate,
                                                  .keep_ns = EYE_WATCHER_KEEP_NS};
    collector->conntracker.next = eye_tracer_take;
    collector->conntracker.next_context = &collector->tracer;
    eye_conntracker_open(&collector->conntracker, collector->config, collector->source);
    connect_rings(collector);
    eye_monitor_open(&collector->monitor, collector->config, collector->source,
                     collector->processes);
    return 0;
}

const _Atomic(const char *) *eye_collector_nat(const struct eye_collector *collector)
{
    return &collector->conntracker.name;
}

bool eye_collector_sees_all(const struct eye_collector *collector)
{
    return eye_source_is_whole(collector->source);
}

static void drain(struct eye_collector *collector)
{
    eye_source_drain(collector->source);
}

/* Live sockets. The ring is read first: its closes belong to the time before. */
static void read_live(struct eye_collector *collector, uint64_t now_ns)
{
    uint64_t losses[EYE_LOSS_COUNT];
    drain(collector);
    eye_source_losses(collector->source, losses);
    bool full =
        eye_passes_begin(&collector->passes, losses, eye_aggregate_doubts(collector->aggregate),
                         now_ns, collector->ending);
    if (full) {
        eye_aggregate_begin_pass(collector->aggregate, collector->passes.number);
        eye_aggregate_judge_ports(collector->aggregate, now_ns);
    }
    eye_aggregate_begin_look(collector->aggregate);
    int result = eye_source_read_live(collector->source, collector->passes.number, full,
                                      eye_conntracker_take, &collector->conntracker);
    if (result != 0 && !collector->blind) {
        eye_log_error("cannot read live sockets: %s; what they did is told when this is over",
                      strerror(-result));
    } else if (result == 0 && collector->blind) {
        eye_log_info("live sockets can be read again");
    }
    collector->blind = result != 0;
    if (collector->ending) {
        drain(collector); /* who ended during the look: no other interval tells of them */
    }
}

/* @moment_ns: the end by the monotonic clock. */
static void publish(struct eye_collector *collector, uint64_t end_ns, uint64_t moment_ns)
{
    struct eye_intervals *intervals = &collector->intervals;
    uint64_t span_ns = eye_intervals_span_ns(intervals, moment_ns);
    struct eye_snapshot *snapshot = eye_snapshot_take(collector->registry, collector->sequence,
                                                      end_ns, span_ns, intervals->start_ns);
    if (snapshot == NULL) {
        eye_log_error("cannot take snapshot %llu: out of memory; the next one holds its changes",
                      (unsigned long long)collector->sequence);
        return;
    }
    collector->elapsed_ns += span_ns;
    snapshot->elapsed_ns = collector->elapsed_ns;
    intervals->previous_ns = end_ns;
    intervals->moment_ns = moment_ns;
    eye_publisher_publish(collector->publisher, snapshot);
    eye_log_debug("interval %llu: %zu points, published %llu ms after its end",
                  (unsigned long long)collector->sequence, snapshot->count,
                  (unsigned long long)((eye_clock_monotonic_ns() - moment_ns) / EYE_NS_PER_MS));
    eye_snapshot_unref(snapshot);
}

static void retry(struct eye_collector *collector)
{
    const struct eye_sight *sight = eye_source_sight(collector->source);
    size_t known = sight->not_seen_count;
    if (!eye_source_retry(collector->source)) {
        return;
    }
    eye_log_info("requests of protocols are seen from now on");
    for (size_t i = known; i < sight->not_seen_count; i++) {
        eye_log_warning("%s", sight->not_seen[i].text);
    }
}

/* Ends the interval at @end_ns (wall clock), a little before @now. */
static void end_interval(struct eye_collector *collector, uint64_t end_ns,
                         const struct eye_moment *now)
{
    uint64_t now_ns = now->monotonic_ns;
    retry(collector);
    eye_processes_refresh(collector->processes, now_ns);
    refresh_names(collector, now_ns);
    read_live(collector, now_ns);
    eye_conntracker_tick(&collector->conntracker, now_ns);
    eye_monitor_tick(&collector->monitor, now_ns);
    eye_monitor_check(&collector->monitor);
    eye_health_update(&collector->health);
    uint64_t delivered = eye_publisher_delivered(collector->publisher);
    collector->sequence++;
    eye_registry_close_interval(collector->registry, collector->sequence, now_ns, delivered);
    publish(collector, end_ns, eye_intervals_moment_ns(end_ns, now));
}

static struct eye_moment read_clocks(void)
{
    return (struct eye_moment){eye_clock_wall_ns(), eye_clock_monotonic_ns()};
}

/* ---- What wakes the thread ---- */

static bool on_stop(void *context)
{
    (void)context;
    return false;
}

static bool on_rings(void *context)
{
    drain(context);
    return true;
}

/* Of a timer or an eventfd; nobody counts them. */
static void take_expirations(const struct eye_watch *timer)
{
    uint64_t expirations;
    ssize_t ignored = read(timer->fd, &expirations, sizeof(expirations));
    (void)ignored;
}

static bool on_drain_timer(void *context)
{
    struct eye_collector *collector = context;
    take_expirations(&collector->watches[EVENT_DRAIN]);
    drain(collector);
    uint64_t now_ns = eye_clock_monotonic_ns();
    eye_conntracker_tick(&collector->conntracker, now_ns);
    eye_monitor_tick(&collector->monitor, now_ns);
    eye_live_view_tick(&collector->live_view);
    return true;
}

/* What the manager does not take now is so little late that the next one is early enough. */
static bool on_watchdog(void *context)
{
    struct eye_collector *collector = context;
    take_expirations(&collector->watches[EVENT_WATCHDOG]);
    eye_notify_watchdog(collector->notify);
    return true;
}

static void arm_next_interval(struct eye_collector *collector)
{
    int result = arm_interval(collector);
    if (result != 0) {
        eye_log_error("cannot arm the interval timer: %s", strerror(-result));
    }
}

/* False when it was the only one: it ends as the last one does. */
static bool on_interval(void *context)
{
    struct eye_collector *collector = context;
    uint64_t expirations;
    ssize_t got = read(collector->watches[EVENT_INTERVAL].fd, &expirations, sizeof(expirations));
    /* ECANCELED: the clock was set; only the next boundary is another. */
    if (got > 0 && collector->once) {
        return false;
    }
    if (got > 0) {
        const struct eye_moment now = read_clocks();
        end_interval(collector, eye_intervals_end_ns(&collector->intervals, now.wall_ns), &now);
    }
    arm_next_interval(collector);
    return true;
}

/* What the kernel told of before is named as after: a record has a name when it is read. */
static void take_change(struct eye_collector *collector, void *subject)
{
    struct change *change = subject;
    const struct eye_config *config = change->config;
    const struct eye_limits limits = eye_limits_of(config);
    eye_source_apply(collector->source);
    eye_usm_exchange(&collector->usm, &change->usm);
    eye_registry_set_limits(collector->registry, &limits);
    eye_aggregate_reconfigure(collector->aggregate, config);
    collector->config = config;
    refresh_names(collector, eye_clock_monotonic_ns());
    if (collector->intervals.length_ns != config->interval_ns) {
        collector->intervals.length_ns = config->interval_ns;
        arm_next_interval(collector);
    }
}

static void take_watch(struct eye_collector *collector, void *subject)
{
    struct watch *watch = subject;
    struct eye_live_view *view = &collector->live_view;
    if (view->rows == NULL) {
        view->rows = EYE_TAKE(watch->rows);
    }
    watch->needs_rows = view->rows == NULL;
    if (!watch->needs_rows) {
        watch->result = eye_live_view_answer(view, watch->request, &watch->answer, &watch->error);
    }
}

static bool on_errand(void *context)
{
    struct eye_collector *collector = context;
    take_expirations(&collector->watches[EVENT_ERRAND]);
    struct errand *errand = EYE_TAKE(collector->errand);
    errand->act(collector, errand->subject);
    sem_post(&errand->done);
    return true;
}

static int watch(struct eye_collector *collector, enum event_source source, int fd,
                 bool (*on_readable)(void *context))
{
    if (fd < 0) {
        return -errno;
    }
    struct eye_watch *watch = &collector->watches[source];
    *watch = (struct eye_watch){.fd = fd, .on_readable = on_readable, .context = collector};
    return eye_loop_join(collector->loop, watch);
}

/* Again and again, monotonic. */
static int arm_every(const struct eye_watch *timer, uint64_t ns)
{
    const struct itimerspec every = {.it_interval = timespec_of(ns), .it_value = timespec_of(ns)};
    return timerfd_settime(timer->fd, 0, &every, NULL) != 0 ? -errno : 0;
}

static int open_events(struct eye_collector *collector)
{
    collector->loop = eye_loop_new();
    if (collector->loop == NULL) {
        return -errno;
    }
    int result = watch(collector, EVENT_STOP, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_stop);
    if (result == 0) {
        result = watch(collector, EVENT_RINGS, eye_source_descriptor(collector->source), on_rings);
    }
    if (result == 0) {
        result = watch(collector, EVENT_DRAIN,
                       timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_drain_timer);
    }
    if (result == 0) {
        result = watch(collector, EVENT_INTERVAL,
                       timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK), on_interval);
    }
    if (result == 0) {
        result = watch(collector, EVENT_ERRAND, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_errand);
    }
    if (result == 0) {
        result = arm_every(&collector->watches[EVENT_DRAIN], DRAIN_INTERVAL_NS);
    }
    return result == 0 ? arm_interval(collector) : result;
}

int eye_collector_feed(struct eye_collector *collector, struct eye_notify *notify)
{
    if (notify->watchdog_ns == 0) {
        return 0;
    }
    collector->notify = notify;
    int result = watch(collector, EVENT_WATCHDOG,
                       timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_watchdog);
    /* sd_watchdog_enabled(3): half of the time. */
    return result == 0 ? arm_every(&collector->watches[EVENT_WATCHDOG], notify->watchdog_ns / 2)
                       : result;
}

int eye_collector_new(const struct eye_config *config, struct eye_source *source,
                      struct eye_publisher *publisher, struct eye_reports *reports,
                      struct eye_collector **ret_collector, struct eye_error *ret_error)
{
    struct eye_collector *collector = calloc(1, sizeof(*collector));
    if (collector == NULL) {
        eye_source_close(source);
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    collector->config = eye_config_ref(config);
    collector->source = source;
    collector->publisher = publisher;
    collector->reports = reports;
    collector->once = config->once;
    collector->monitor.connector.fd = -1;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        collector->watches[i].fd = -1;
    }
    uint64_t since_ns = eye_source_sight(source)->since_ns;
    uint64_t start_ns = eye_clock_wall_ns() - (eye_clock_monotonic_ns() - since_ns);
    collector->intervals =
        (struct eye_intervals){config->interval_ns, start_ns, start_ns, since_ns};
    int result = make_stages(collector);
    if (result == 0) {
        result = open_events(collector);
    }
    if (result != 0) {
        eye_collector_free(collector);
        return eye_error_set(ret_error, result, "cannot start the collector: %s",
                             strerror(-result));
    }
    *ret_collector = collector;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void eye_collector_free(struct eye_collector *collector)
{
    if (collector == NULL) {
        return;
    }
    eye_live_view_close(&collector->live_view);
    eye_aggregate_free(collector->aggregate);
    eye_reverse_free(collector->names);
    eye_usm_close(&collector->usm);
    eye_monitor_close(&collector->monitor);
    eye_conntracker_close(&collector->conntracker);
    eye_processes_free(collector->processes);
    eye_registry_free(collector->registry);
    eye_loop_free(collector->loop);
    close_fd(collector->watches[EVENT_STOP].fd);
    close_fd(collector->watches[EVENT_DRAIN].fd);
    close_fd(collector->watches[EVENT_INTERVAL].fd);
    close_fd(collector->watches[EVENT_WATCHDOG].fd);
    close_fd(collector->watches[EVENT_ERRAND].fd);
    eye_source_close(collector->source);
    eye_config_unref(collector->config);
    free(collector);
}

/* ---- The thread ---- */

/* A host with more runnable tasks than CPUs must not keep us from the rings until they are full.
 * Without cap_sys_nice it stays as it is, and what is lost is counted. */
static void ask_for_precedence(void)
{
    setpriority(PRIO_PROCESS, (id_t)gettid(), COLLECTOR_NICE);
}

/* Before 5.19 ("bpf: refine kernel.unprivileged_bpf_disabled behaviour") the kernel refuses every
 * bpf(2) to whoever lacks CAP_BPF, from then on loading alone. */
static void give_up_privileges(const struct eye_collector *collector)
{
    eye_privileges_assume(eye_source_role(collector->source));
    if (!eye_source_is_readable(collector->source)) {
        eye_privileges_raise(EYE_CAPABILITY(CAP_BPF));
    }
}

static void *run(void *context)
{
    struct eye_collector *collector = context;
    ask_for_precedence();
    give_up_privileges(collector);
    eye_loop_run(collector->loop);
    collector->ending = true;
    const struct eye_moment now = read_clocks();
    end_interval(collector, now.wall_ns, &now);
    return NULL;
}

int eye_collector_start(struct eye_collector *collector)
{
    int result = eye_thread_start("collector", run, collector, &collector->thread);
    collector->running = result == 0;
    return result;
}

static void wake(const struct eye_collector *collector, enum event_source source)
{
    uint64_t one = 1;
    ssize_t ignored = write(collector->watches[source].fd, &one, sizeof(one));
    (void)ignored;
}

/* The thread takes it between two events. */
static void hand_over(struct eye_collector *collector,
                      void (*act)(struct eye_collector *collector, void *subject), void *subject)
{
    struct errand errand = {.act = act, .subject = subject};
    sem_init(&errand.done, 0, 0);
    collector->errand = &errand;
    wake(collector, EVENT_ERRAND);
    while (sem_wait(&errand.done) != 0) {
    }
    sem_destroy(&errand.done);
}

int eye_collector_reconfigure(struct eye_collector *collector, const struct eye_config *config,
                              struct eye_error *ret_error)
{
    const struct eye_config *before = collector->config;
    struct change change = {.config = config};
    assert(collector->running && !collector->once);
    assert(eye_config_needs_restart(before, config, NULL) == 0);
    if (eye_usm_open(&change.usm, config) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = eye_source_prepare(collector->source, config, ret_error);
    if (result == 0) {
        eye_config_ref(config);
        hand_over(collector, take_change, &change);
    }
    eye_source_settle(collector->source);
    eye_usm_close(&change.usm);
    if (result == 0) {
        eye_config_unref(before);
    }
    return result;
}

/* What was refused is refused in the same words until it is tried again. */
static int open_rows(struct eye_collector *collector, void **ret_rows)
{
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (now_ns < collector->rows_retry_ns) {
        return -EAGAIN;
    }
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    int result = eye_source_open_rows(collector->source, ret_rows, &collector->no_rows);
    eye_privileges_lower(privileges);
    collector->rows_retry_ns = result == 0 ? 0 : eye_clock_monotonic_ns() + ROWS_RETRY_NS;
    return result;
}

int eye_collector_watch(struct eye_collector *collector, const struct eye_watch_request *request,
                        struct eye_watch_answer **ret_answer, struct eye_error *ret_error)
{
    struct watch watch = {.request = request};
    assert(collector->running && !collector->once);
    hand_over(collector, take_watch, &watch);
    if (watch.needs_rows) {
        int result = open_rows(collector, &watch.rows);
        if (result != 0) {
            *ret_error = collector->no_rows;
            return result;
        }
        hand_over(collector, take_watch, &watch);
    }
    if (watch.result != 0) {
        *ret_error = watch.error;
        return watch.result;
    }
    *ret_answer = watch.answer;
    return 0;
}

void eye_collector_stop(struct eye_collector *collector)
{
    if (!collector->running) {
        return;
    }
    wake(collector, EVENT_STOP);
    pthread_join(collector->thread, NULL);
    collector->running = false;
}
