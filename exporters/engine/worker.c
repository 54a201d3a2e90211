/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue and thread of one exporter. Every number of snapshots in the stats changes under the mutex:
 *
 *   published + replayed = delivered + refused + queued (waiting or in work) + skipped
 */
#include "exporters/engine/worker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/base/text.h"
#include "collector/base/thread.h"
#include "exporters/engine/backlog.h"
#include "exporters/engine/backoff.h"
#include "exporters/engine/news.h"
#include "exporters/engine/queue.h"
#include "exporters/engine/window.h"
#include "exporters/engine/worker_report.h"

/* A delivery that is under way at the deadline may finish: its waits for buffers are this short. */
#define JOIN_GRACE_NS (250 * EYE_NS_PER_MS)

#define NEVER UINT64_MAX

#define NAME_MAX_BYTES 256

struct eye_worker {
    const struct eye_exporter_type *type;
    const struct eye_exporter_config *own;
    char *name;  /* owned */
    void *state; /* of the exporter */
    struct eye_export_stats stats;
    struct eye_deadline deadline;
    pthread_t thread;

    /* Main thread's, but for what the worker says it has delivered. */
    struct eye_subscription subscription;
    struct eye_reports *reports; /* that have `report`; NULL: it was not opened */
    struct eye_report *report;   /* owned until it is opened */

    /* The thread's, which reads and writes the spool without the mutex. */
    struct eye_backlog backlog;
    const struct eye_snapshot *work;   /* in delivery, or failed and kept; NULL: none */
    const struct eye_snapshot *before; /* delivered last; NULL: none */
    const struct eye_snapshot *joined; /* what came before it; NULL: nothing, or it delivered */
    uint64_t retry_at_ns;              /* monotonic; 0: at once */
    struct eye_news news;
    struct eye_window window;
    struct eye_backoff backoff;
    bool resumes;             /* a worker before it left some of this run in the spool */
    bool work_spooled;        /* it is the oldest segment of the backlog */
    bool started;             /* a part of `work` was sent: it cannot be given up */
    bool moved;               /* `work` goes with a later time than its own */
    bool hurries;             /* it has seen that the time left is short */
    uint64_t settled_points;  /* delivered before `work` */
    uint64_t settled_refused; /* points refused before `work` */

    bool job;     /* `run --once`: it has no goodbye */
    bool running; /* main thread's: there is a thread to join */

    bool ended; /* the thread's last word; this and all below under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct eye_queue queue;
    uint64_t run_ns; /* start_ns of what is published */
};

static bool is_stopping(const struct eye_worker *worker)
{
    return atomic_load(&worker->deadline.at_ns) != NEVER;
}

/* Snapshots that were given up: what changed in them goes with a later one. Under the mutex. */
static void count_skipped(struct eye_worker *worker, size_t count)
{
    atomic_fetch_sub(&worker->stats.queued, count);
    atomic_fetch_add(&worker->stats.skipped, count);
}

static void skip(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    eye_snapshot_unref(snapshot);
    count_skipped(worker, 1);
}

/* ---- What to deliver next ---- */

/*
 * Whether @snapshot need not be delivered when a newer one of its run waits. What merely came
 * together goes out in order; only behind a failure or an end is time short.
 */
static bool is_superseded(const struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    if (is_stopping(worker)) {
        /* Without a spool the end of the time left would take the newest counts. */
        return !worker->type->timestamped || worker->backlog.spool == NULL;
    }
    bool behind = worker->retry_at_ns != 0;
    return (behind && !worker->type->timestamped) ||
           snapshot->time_ns < eye_window_oldest(&worker->window);
}

/* Takes from memory what goes next, also instead of a `work` that failed. */
static void choose_from_memory(struct eye_worker *worker)
{
    struct eye_queue *queue = &worker->queue;
    pthread_mutex_lock(&worker->mutex);
    while (queue->count > 0 && (worker->work == NULL || is_superseded(worker, worker->work))) {
        if (worker->work != NULL) {
            skip(worker, worker->work);
        }
        worker->work = eye_queue_pop(queue);
    }
    pthread_mutex_unlock(&worker->mutex);
}

/* The run of what waits in memory; 0: nothing waits. */
static uint64_t run_in_memory(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    uint64_t run_ns = worker->queue.count > 0 ? worker->run_ns : 0;
    pthread_mutex_unlock(&worker->mutex);
    return run_ns;
}

static void settle_skipped(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    count_skipped(worker, worker->backlog.skipped);
    worker->backlog.skipped = 0;
    pthread_mutex_unlock(&worker->mutex);
}

/* Chooses `work`; may find that nothing is to be delivered after all. */
static void choose_work(struct eye_worker *worker)
{
    if (worker->started) {
        return;
    }
    if (eye_backlog_has_work(&worker->backlog) && (worker->work == NULL || worker->work_spooled)) {
        eye_snapshot_unref(EYE_TAKE(worker->work)); /* it is the oldest segment */
        worker->work = eye_backlog_next(&worker->backlog, run_in_memory(worker),
                                        eye_window_oldest(&worker->window));
        worker->work_spooled = worker->work != NULL;
        settle_skipped(worker);
    }
    if (!worker->work_spooled) {
        choose_from_memory(worker);
    }
}

/*
 * Gives `work` a time that the receiver takes: nothing newer carries its changes. 0 or -ENOMEM.
 */
static int choose_time(struct eye_worker *worker)
{
    uint64_t oldest_ns = eye_window_oldest(&worker->window);
    if (worker->work->time_ns >= oldest_ns) {
        worker->moved = worker->moved && worker->started;
        return 0;
    }
    const struct eye_snapshot *moved = eye_snapshot_at(worker->work, oldest_ns);
    if (moved == NULL) {
        return -ENOMEM;
    }
    eye_snapshot_unref(worker->work);
    worker->work = moved;
    worker->moved = true;
    return 0;
}

/* Whether @snapshot goes on where the worker joined, if it is the first one of its run. */
static bool follows_joined(const struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    const struct eye_snapshot *joined = worker->joined;
    return joined != NULL && joined->start_ns == snapshot->start_ns &&
           joined->sequence < snapshot->sequence;
}

/* A run is compared with itself only. */
static void choose_before(struct eye_worker *worker)
{
    if (worker->before != NULL && worker->before->start_ns == worker->work->start_ns) {
        return;
    }
    eye_snapshot_unref(worker->before);
    bool from_spool = worker->work_spooled || worker->resumes;
    worker->before = from_spool ? eye_backlog_before(&worker->backlog, worker->work) : NULL;
    if (worker->before == NULL && follows_joined(worker, worker->work)) {
        worker->before = eye_snapshot_ref(worker->joined);
    }
}

/* ---- The spool ---- */

static bool store(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    bool known = worker->before != NULL && worker->before->start_ns == snapshot->start_ns;
    bool first = !known && follows_joined(worker, snapshot);
    bool stored =
        eye_backlog_store(&worker->backlog, snapshot, first ? worker->joined : worker->before);
    if (worker->work_spooled && !eye_backlog_begins_with(&worker->backlog, worker->work)) {
        /* It went for want of room; `work` is still in memory. */
        worker->work_spooled = false;
        worker->backlog.skipped--;
    }
    settle_skipped(worker);
    return stored;
}

static const struct eye_snapshot *pop(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    const struct eye_snapshot *oldest =
        worker->queue.count > 0 ? eye_queue_pop(&worker->queue) : NULL;
    pthread_mutex_unlock(&worker->mutex);
    return oldest;
}

static void put_back(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    pthread_mutex_lock(&worker->mutex);
    if (eye_queue_has_room(&worker->queue, snapshot->bytes)) {
        eye_queue_push_front(&worker->queue, snapshot);
    } else {
        skip(worker, snapshot);
    }
    pthread_mutex_unlock(&worker->mutex);
}

/*
 * Moves what waits in memory to disk, oldest first, as long as that works: first `work`, which
 * failed, then the queue.
 */
static void spill(struct eye_worker *worker)
{
    if (worker->backlog.spool == NULL) {
        return;
    }
    if (worker->work != NULL && !worker->work_spooled && !eye_backlog_has_work(&worker->backlog)) {
        if (!store(worker, worker->work)) {
            return;
        }
        worker->work_spooled = true;
    }
    const struct eye_snapshot *oldest;
    while ((oldest = pop(worker)) != NULL) {
        if (!store(worker, oldest)) {
            put_back(worker, oldest);
            return;
        }
        eye_snapshot_unref(oldest);
    }
}

/*
 * Between the waits of a delivery. One that takes longer than an interval may never end, and the
 * daemon may be killed before it is known to have failed: what has come meanwhile goes to disk.
 */
static void save_meanwhile(void *context)
{
    struct eye_worker *worker = context;
    if (!worker->backlog.failing && run_in_memory(worker) != 0) {
        spill(worker);
    }
}

/* ---- Deliveries ---- */

/* Whether the receiver took nothing of `work`, which is settled, and refused some. */
static bool is_refused_whole(const struct eye_worker *worker)
{
    return atomic_load(&worker->stats.points) == worker->settled_points &&
           atomic_load(&worker->stats.refused_points) > worker->settled_refused;
}

static void count_settled(struct eye_worker *worker, bool refused)
{
    struct eye_export_stats *stats = &worker->stats;
    pthread_mutex_lock(&worker->mutex);
    if (worker->before->start_ns == worker->run_ns) {
        eye_subscription_deliver(&worker->subscription, worker->before->sequence);
    }
    atomic_fetch_sub(&stats->queued, 1);
    atomic_fetch_add(refused ? &stats->refused : &stats->delivered, 1);
    pthread_mutex_unlock(&worker->mutex);
}

/* `work` is delivered, or @refused whole: either way the next one is compared with it. */
static void finish_work(struct eye_worker *worker, bool refused)
{
    eye_snapshot_unref(worker->before);
    worker->before = EYE_TAKE(worker->work);
    if (follows_joined(worker, worker->before)) {
        eye_snapshot_unref(EYE_TAKE(worker->joined));
    }
    if (worker->moved) {
        worker->window.floor_ns = worker->before->time_ns + worker->before->interval_ns;
        worker->moved = false;
    }
    if (worker->work_spooled) {
        eye_backlog_delivered(&worker->backlog);
    }
    worker->work_spooled = false;
    worker->started = false;
    worker->retry_at_ns = 0;
    eye_backoff_succeed(&worker->backoff);
    atomic_store(&worker->stats.failing, refused ? atomic_load(&worker->stats.failing) + 1 : 0);
    worker->settled_points = atomic_load(&worker->stats.points);
    worker->settled_refused = atomic_load(&worker->stats.refused_points);
    count_settled(worker, refused);
}

/* `work` is not, or not all of it. */
static void postpone_work(struct eye_worker *worker, const struct eye_export_failure *failure)
{
    worker->started = worker->started || failure->started;
    uint64_t pause_ns = eye_backoff_fail(&worker->backoff, failure->retry_after_ns);
    worker->retry_at_ns = eye_clock_monotonic_ns() + pause_ns;
    atomic_fetch_add(&worker->stats.failing, 1);
    atomic_fetch_add(&worker->stats.failures[failure->reason], 1);
    spill(worker);
}

/* There will be nobody for `work`, nor for what follows until the daemon has ended. */
static void give_up_work(struct eye_worker *worker, enum eye_export_reason reason)
{
    worker->started = false;
    atomic_fetch_add(&worker->stats.failures[reason], 1);
    pthread_mutex_lock(&worker->mutex);
    skip(worker, EYE_TAKE(worker->work));
    pthread_mutex_unlock(&worker->mutex);
}

/* When it went well last, or since when it does not. @begin_ns: monotonic, of the attempt. */
static void note_times(struct eye_export_stats *stats, uint64_t begin_ns)
{
    uint64_t now_ns = eye_clock_wall_ns();
    atomic_store(&stats->attempt_ns, eye_clock_monotonic_ns() - begin_ns);
    if (atomic_load(&stats->failing) == 0) {
        atomic_store(&stats->succeeded_ns, now_ns);
        atomic_store(&stats->failing_since_ns, 0);
    } else if (atomic_load(&stats->failing_since_ns) == 0) {
        atomic_store(&stats->failing_since_ns, now_ns);
    }
}

static void attempt(struct eye_worker *worker)
{
    struct eye_export_failure failure = {.reason = EYE_EXPORT_OTHER};
    uint64_t begin_ns = eye_clock_monotonic_ns();
    int result = choose_time(worker);
    if (result == 0) {
        result = worker->type->deliver(worker->state, worker->work, worker->before, &failure);
    }
    const char *cause = failure.cause.text;
    if (result == 0) {
        bool refused = is_refused_whole(worker);
        eye_news_settled(&worker->news, cause, atomic_load(&worker->stats.refused_points), refused);
        finish_work(worker, refused);
    } else if (failure.gone) {
        give_up_work(worker, failure.reason);
    } else {
        eye_news_failed(&worker->news, cause[0] != '\0' ? cause : strerror(-result));
        postpone_work(worker, &failure);
    }
    note_times(&worker->stats, begin_ns);
}

/* ---- Thread ---- */

static bool has_work(const struct eye_worker *worker)
{
    return worker->work != NULL || worker->queue.count > 0 ||
           eye_backlog_has_work(&worker->backlog);
}

static bool is_over(const struct eye_worker *worker)
{
    return is_stopping(worker) &&
           (!has_work(worker) || eye_clock_monotonic_ns() >= atomic_load(&worker->deadline.at_ns));
}

/* Sleeps with the mutex given up; may wake early. @until_ns: monotonic. */
static void wait_until(struct eye_worker *worker, uint64_t until_ns)
{
    if (until_ns == NEVER) {
        pthread_cond_wait(&worker->wake, &worker->mutex);
        return;
    }
    const struct timespec until = {
        .tv_sec = (time_t)(until_ns / EYE_NS_PER_SECOND),
        .tv_nsec = (long)(until_ns % EYE_NS_PER_SECOND),
    };
    pthread_cond_timedwait(&worker->wake, &worker->mutex, &until);
}

/* The time left is short: try at once, and often. */
static void hurry(struct eye_worker *worker)
{
    if (is_stopping(worker) && !worker->hurries) {
        worker->hurries = true;
        worker->retry_at_ns = 0;
        worker->backoff.failures = 0;
    }
}

enum step { STEP_DELIVER, STEP_SPILL, STEP_END };

/* Sleeps until there is something to do. */
static enum step wait_for_step(struct eye_worker *worker)
{
    enum step step = STEP_END;
    pthread_mutex_lock(&worker->mutex);
    while (!is_over(worker)) {
        hurry(worker);
        bool due = eye_clock_monotonic_ns() >= worker->retry_at_ns;
        if (has_work(worker) && due) {
            step = STEP_DELIVER;
            break;
        }
        if (!due && worker->queue.count > 0 && worker->backlog.spool != NULL &&
            !worker->backlog.failing) {
            step = STEP_SPILL;
            break;
        }
        uint64_t until_ns = has_work(worker) ? worker->retry_at_ns : NEVER;
        uint64_t deadline_ns = atomic_load(&worker->deadline.at_ns);
        wait_until(worker, deadline_ns < until_ns ? deadline_ns : until_ns);
    }
    pthread_mutex_unlock(&worker->mutex);
    return step;
}

static void deliver_next(struct eye_worker *worker)
{
    choose_work(worker);
    if (worker->work == NULL) {
        return;
    }
    choose_before(worker);
    attempt(worker);
}

static void *run(void *argument)
{
    struct eye_worker *worker = argument;
    enum step step;
    eye_privileges_assume(EYE_ROLE_DELIVERY);
    while ((step = wait_for_step(worker)) != STEP_END) {
        if (step == STEP_DELIVER) {
            deliver_next(worker);
        } else {
            spill(worker);
        }
    }
    if (worker->type->finish != NULL && !worker->job) {
        worker->type->finish(worker->state, worker->before);
    }
    spill(worker);
    pthread_mutex_lock(&worker->mutex);
    worker->ended = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

int eye_worker_start(struct eye_worker *worker)
{
    assert(!worker->running);
    int result = eye_thread_start(worker->name, run, worker, &worker->thread);
    worker->running = result == 0;
    return result;
}

/* ---- The other threads' side ---- */

void eye_worker_publish(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    struct eye_queue *queue = &worker->queue;
    pthread_mutex_lock(&worker->mutex);
    while (!eye_queue_has_room(queue, snapshot->bytes)) {
        skip(worker, eye_queue_pop(queue));
    }
    eye_queue_push(queue, eye_snapshot_ref(snapshot));
    worker->run_ns = snapshot->start_ns;
    atomic_fetch_add(&worker->stats.queued, 1);
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

static void take(void *context, const struct eye_snapshot *snapshot)
{
    eye_worker_publish(context, snapshot);
}

int eye_worker_join(struct eye_worker *worker, struct eye_publisher *publisher,
                    struct eye_reports *reports)
{
    assert(!worker->running && worker->reports == NULL);
    int result = eye_publisher_join(publisher, &worker->subscription, &worker->joined);
    if (result != 0) {
        return result;
    }
    if (worker->joined != NULL && eye_backlog_has_run(&worker->backlog, worker->joined->start_ns)) {
        worker->resumes = true;
        eye_snapshot_unref(EYE_TAKE(worker->joined));
    }
    worker->reports = reports;
    eye_reports_open(reports, worker->report);
    return 0;
}

void eye_worker_leave(struct eye_worker *worker)
{
    eye_subscription_leave(&worker->subscription);
}

uint64_t eye_worker_delivered(const struct eye_worker *worker)
{
    return atomic_load(&worker->subscription.delivered);
}

void eye_worker_stop(struct eye_worker *worker, uint64_t deadline_ns)
{
    pthread_mutex_lock(&worker->mutex);
    atomic_store(&worker->deadline.at_ns, deadline_ns);
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

const char *eye_worker_name(const struct eye_worker *worker)
{
    return worker->name;
}

const struct eye_export_stats *eye_worker_stats(const struct eye_worker *worker)
{
    return &worker->stats;
}

struct eye_worker_counts eye_worker_count(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    struct eye_worker_counts counts = {
        .delivered = atomic_load(&worker->stats.delivered),
        .refused = atomic_load(&worker->stats.refused),
        .queued = atomic_load(&worker->stats.queued),
        .skipped = atomic_load(&worker->stats.skipped),
    };
    pthread_mutex_unlock(&worker->mutex);
    return counts;
}

/* ---- Life ---- */

static void init_sync(struct eye_worker *worker)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&worker->mutex, NULL);
}

/* There is no thread (any more). Takes one that is half made. */
static void destroy(struct eye_worker *worker)
{
    if (worker->reports != NULL) {
        eye_reports_close(worker->reports, worker->report);
    } else {
        eye_worker_report_free(worker->report);
    }
    eye_exporter_close(worker->type, worker->state);
    eye_backlog_close(&worker->backlog);
    eye_queue_done(&worker->queue);
    eye_snapshot_unref(worker->work);
    eye_snapshot_unref(worker->before);
    eye_snapshot_unref(worker->joined);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->mutex);
    free(worker->name);
    free(worker);
}

const struct eye_exporter_type *eye_worker_type(const struct eye_worker *worker)
{
    return worker->type;
}

unsigned eye_worker_lanes(const struct eye_exporter_type *type)
{
    unsigned count = 0;
    while (type->lanes != NULL && type->lanes[count] != NULL) {
        count++;
    }
    return count > 0 ? count : 1;
}

static char *make_name(const struct eye_exporter_type *type, const char *exporter, unsigned lane)
{
    struct eye_text name;
    eye_text_init(&name, NAME_MAX_BYTES);
    eye_text_append(&name, exporter);
    if (type->lanes != NULL) {
        eye_text_append_char(&name, '.');
        eye_text_append(&name, type->lanes[lane]);
    }
    return name.failed ? NULL : name.data;
}

static uint64_t max_age_of(const struct eye_exporter_type *type,
                           const struct eye_exporter_config *own)
{
    if (own->common.queue_age_ns > 0) {
        return own->common.queue_age_ns;
    }
    return type->max_age_ns > 0 ? type->max_age_ns : EYE_DEFAULT_MAX_AGE_NS;
}

static struct eye_worker *make_worker(const struct eye_exporter_type *type,
                                      const struct eye_exporter_config *own, unsigned lane)
{
    struct eye_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return NULL;
    }
    init_sync(worker);
    worker->type = type;
    worker->own = own;
    worker->name = make_name(type, own->name, lane);
    worker->subscription = (struct eye_subscription){.take = take, .context = worker};
    worker->news.name = worker->name;
    worker->window.max_age_ns = max_age_of(type, own);
    worker->backoff.max_ns = type->retry_max_ns > 0 ? type->retry_max_ns : EYE_RETRY_DEFAULT_MAX_NS;
    atomic_store(&worker->deadline.at_ns, NEVER);
    worker->report = worker->name == NULL ? NULL : eye_worker_report_new(worker);
    if (worker->report == NULL ||
        eye_queue_init(&worker->queue, own->common.queue_snapshots, own->common.queue_bytes) != 0) {
        destroy(worker);
        return NULL;
    }
    return worker;
}

static int tell(const struct eye_worker *worker, int result, const struct eye_error *cause,
                struct eye_error *ret_error)
{
    return result == 0 ? 0
                       : eye_error_set(ret_error, result, "%s: exporter %s: %s",
                                       worker->own->origin, worker->own->name, cause->text);
}

static int open_worker(struct eye_worker *worker, const struct eye_exporter_setup *setup,
                       struct eye_error *ret_error)
{
    struct eye_error cause = {0};
    int result = 0;
    if (setup->own->common.spool_path != NULL && !worker->type->remote) {
        result = eye_error_set(&cause, -EINVAL,
                               "`spool` has no use here: nothing waits for a receiver; remove it");
    }
    if (result == 0) {
        result = eye_exporter_open(worker->type, setup, &worker->state, &cause);
    }
    return tell(worker, result, &cause, ret_error);
}

int eye_worker_new(const struct eye_exporter_type *type, const struct eye_config *config,
                   const struct eye_exporter_config *own, unsigned lane,
                   struct eye_worker **ret_worker, struct eye_error *ret_error)
{
    struct eye_worker *worker = make_worker(type, own, lane);
    if (worker == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "exporter %s: out of memory", own->name);
    }
    const struct eye_exporter_setup setup = {
        .config = config,
        .own = own,
        .lane = lane,
        .stats = &worker->stats,
        .deadline = &worker->deadline,
    };
    worker->job = config->once;
    int result = open_worker(worker, &setup, ret_error);
    if (result != 0) {
        destroy(worker);
        return result;
    }
    *ret_worker = worker;
    return 0;
}

int eye_worker_bind(struct eye_worker *worker, struct eye_error *ret_error)
{
    struct eye_error cause = {0};
    int result = worker->type->bind == NULL ? 0 : worker->type->bind(worker->state, &cause);
    if (result == 0) {
        result = eye_backlog_open(&worker->backlog, worker->type, worker->own, worker->name,
                                  &worker->stats, &cause);
    }
    if (worker->backlog.spool != NULL) {
        worker->deadline.meanwhile = save_meanwhile;
        worker->deadline.context = worker;
    }
    return tell(worker, result, &cause, ret_error);
}

/* False when the thread hangs in a call that does not end in time (a name server that is silent).
 */
static bool join_thread(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    uint64_t until_ns = atomic_load(&worker->deadline.at_ns) + JOIN_GRACE_NS;
    while (!worker->ended && eye_clock_monotonic_ns() < until_ns) {
        wait_until(worker, until_ns);
    }
    bool ended = worker->ended;
    pthread_mutex_unlock(&worker->mutex);
    return ended && pthread_join(worker->thread, NULL) == 0;
}

/*
 * Series that changed in what is in memory and was not delivered, which is given up here: the
 * newest snapshot has all changes. How many points they would be only the format knows.
 */
static size_t count_changed(struct eye_worker *worker)
{
    const struct eye_snapshot *newest = EYE_TAKE(worker->work);
    while (worker->queue.count > 0) {
        eye_snapshot_unref(newest);
        newest = eye_queue_pop(&worker->queue);
    }
    if (newest == NULL) {
        return 0;
    }
    bool comparable = worker->before != NULL && worker->before->start_ns == newest->start_ns;
    struct eye_changes changes;
    struct eye_change change;
    size_t changed = 0;
    eye_changes_begin(&changes, newest, comparable ? worker->before : NULL);
    while (eye_changes_next(&changes, &change)) {
        changed += eye_change_has_news(&change) ? 1 : 0;
    }
    eye_snapshot_unref(newest);
    return changed;
}

static enum eye_worker_end say_end(struct eye_worker *worker)
{
    size_t left = atomic_load(&worker->stats.queued);
    const char *plural = left == 1 ? "" : "s";
    /* What an earlier run left in the spool is no news of one that did not begin. */
    bool began = worker->running || worker->queue.count > 0;
    if (!began || !has_work(worker)) {
        bool refused = atomic_load(&worker->stats.refused_points) > 0;
        return worker->job && refused ? EYE_WORKER_REFUSED : EYE_WORKER_DELIVERED;
    }
    if (worker->queue.count == 0 && (worker->work == NULL || worker->work_spooled)) {
        eye_log_warning("exporter %s: what could not be delivered waits in its spool for the next "
                        "run: %zu snapshot%s",
                        worker->name, left, plural);
        return EYE_WORKER_SPOOLED;
    }
    bool unwritten = !worker->type->remote && atomic_load(&worker->stats.failing) > 0;
    size_t changed = count_changed(worker);
    eye_log_warning("exporter %s could not %s everything before shutdown_timeout: %zu snapshot%s "
                    "left behind, with %zu changed series",
                    worker->name, unwritten ? "write" : "deliver", left, plural, changed);
    return unwritten ? EYE_WORKER_UNWRITTEN : EYE_WORKER_BEHIND;
}

enum eye_worker_end eye_worker_free(struct eye_worker *worker)
{
    if (worker == NULL) {
        return EYE_WORKER_DELIVERED;
    }
    eye_worker_leave(worker);
    if (worker->running && !is_stopping(worker)) {
        eye_worker_stop(worker, eye_clock_monotonic_ns());
    }
    if (worker->running && !join_thread(worker)) {
        pthread_detach(worker->thread);
        eye_log_warning(
            "exporter %s hangs and could not deliver everything: snapshots left behind: "
            "%" PRIuFAST64,
            worker->name, atomic_load(&worker->stats.queued));
        return EYE_WORKER_STUCK;
    }
    enum eye_worker_end end = say_end(worker);
    destroy(worker);
    return end;
}
