/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a worker: made, bound, joined, started, freed; and what others ask it meanwhile. */
#include "exporters/engine/worker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/base/text.h"
#include "collector/base/thread.h"
#include "exporters/engine/worker_handover.h"
#include "exporters/engine/worker_report.h"
#include "exporters/engine/worker_state.h"

#define NAME_MAX_BYTES 256

int eye_worker_start(struct eye_worker *worker)
{
    assert(!worker->running);
    int result = eye_thread_start(worker->name, eye_worker_run, worker, &worker->thread);
    worker->running = result == 0;
    return result;
}

/* ---- The other threads' side ---- */

void eye_worker_publish(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    pthread_mutex_lock(&worker->mutex);
    /* One that is to go takes nothing more, but series wait for it until it has gone. */
    if (!worker->pausing || worker->yields) {
        eye_worker_enqueue(worker, eye_snapshot_ref(snapshot));
    }
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

static void take(void *context, const struct eye_snapshot *snapshot)
{
    eye_worker_publish(context, snapshot);
}

int eye_worker_join(struct eye_worker *worker, struct eye_publisher *publisher,
                    struct eye_reports *reports, struct eye_error *ret_error)
{
    assert(!worker->running && worker->reports == NULL);
    int result = eye_publisher_join(publisher, &worker->subscription, &worker->joined);
    if (result != 0) {
        return eye_error_set(
            ret_error, result,
            "exporter %s: snapshots have %d readers already, which is all that there may be; "
            "configure fewer exporters",
            worker->name, EYE_READERS_MAX);
    }
    if (worker->joined != NULL && eye_backlog_has_run(&worker->backlog, worker->joined->start_ns)) {
        worker->resumes = true;
        eye_snapshot_unref(EYE_TAKE(worker->joined));
    }
    eye_worker_report_to(worker, reports);
    return 0;
}

void eye_worker_report_to(struct eye_worker *worker, struct eye_reports *reports)
{
    worker->reports = reports;
    eye_reports_open(reports, worker->report);
}

void eye_worker_stop_reporting(struct eye_worker *worker)
{
    if (worker->reports != NULL) {
        eye_reports_close(worker->reports, EYE_TAKE(worker->report));
        worker->reports = NULL;
    }
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
    worker->pausing = false;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

const char *eye_worker_name(const struct eye_worker *worker)
{
    return worker->name;
}

const struct eye_exporter_config *eye_worker_config(const struct eye_worker *worker)
{
    return worker->setup.own;
}

unsigned eye_worker_lane(const struct eye_worker *worker)
{
    return worker->setup.lane;
}

const struct eye_exporter_type *eye_worker_type(const struct eye_worker *worker)
{
    return worker->type;
}

void eye_worker_read_cause(struct eye_worker *worker, struct eye_error *ret_cause)
{
    pthread_mutex_lock(&worker->mutex);
    *ret_cause = worker->cause;
    pthread_mutex_unlock(&worker->mutex);
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
    eye_worker_stop_reporting(worker);
    eye_worker_report_free(worker->report);
    eye_exporter_close(worker->type, worker->state);
    eye_backlog_close(&worker->backlog);
    eye_queue_done(&worker->queue);
    eye_snapshot_unref(worker->work);
    eye_snapshot_unref(worker->before);
    eye_snapshot_unref(worker->joined);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->mutex);
    eye_config_unref(worker->setup.config);
    free(worker->name);
    free(worker);
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
                                      const struct eye_config *config,
                                      const struct eye_exporter_config *own, unsigned lane)
{
    struct eye_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return NULL;
    }
    init_sync(worker);
    worker->type = type;
    worker->setup = (struct eye_exporter_setup){
        .config = eye_config_ref(config),
        .own = own,
        .lane = lane,
        .stats = &worker->stats,
        .deadline = &worker->deadline,
    };
    worker->job = config->once;
    worker->silent = worker->job;
    worker->name = make_name(type, own->name, lane);
    worker->subscription = (struct eye_subscription){.take = take, .context = worker};
    worker->news.name = worker->name;
    worker->window.max_age_ns = max_age_of(type, own);
    worker->backoff.max_ns = type->retry_max_ns > 0 ? type->retry_max_ns : EYE_RETRY_DEFAULT_MAX_NS;
    atomic_store(&worker->deadline.at_ns, EYE_WORKER_NEVER);
    worker->report = worker->name == NULL ? NULL : eye_worker_report_new(worker);
    if (worker->report == NULL ||
        eye_queue_init(&worker->queue, own->common.queue_snapshots, own->common.queue_bytes) != 0) {
        destroy(worker);
        return NULL;
    }
    return worker;
}

int eye_worker_fail(const struct eye_worker *worker, int result, const struct eye_error *cause,
                    struct eye_error *ret_error)
{
    return eye_error_set(ret_error, result, "%s: exporter %s: %s", worker->setup.own->origin,
                         worker->setup.own->name, cause->text);
}

static int open_worker(struct eye_worker *worker, struct eye_error *ret_error)
{
    struct eye_error cause = {0};
    int result = 0;
    if (worker->setup.own->common.spool_path != NULL && !worker->type->remote) {
        result = eye_error_set(&cause, -EINVAL,
                               "`spool` has no use here: nothing waits for a receiver; remove it");
    }
    if (result == 0) {
        result = eye_exporter_open(worker->type, &worker->setup, &worker->state, &cause);
    }
    return result == 0 ? 0 : eye_worker_fail(worker, result, &cause, ret_error);
}

int eye_worker_new_behind(struct eye_worker *old, const struct eye_exporter_type *type,
                          const struct eye_config *config, const struct eye_exporter_config *own,
                          unsigned lane, struct eye_worker **ret_worker,
                          struct eye_error *ret_error)
{
    struct eye_worker *worker = make_worker(type, config, own, lane);
    if (worker == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "exporter %s: out of memory", own->name);
    }
    worker->follows = old;
    worker->setup.successor = old != NULL;
    int result = open_worker(worker, ret_error);
    if (result != 0) {
        destroy(worker);
        return result;
    }
    *ret_worker = worker;
    return 0;
}

int eye_worker_new(const struct eye_exporter_type *type, const struct eye_config *config,
                   const struct eye_exporter_config *own, unsigned lane,
                   struct eye_worker **ret_worker, struct eye_error *ret_error)
{
    return eye_worker_new_behind(NULL, type, config, own, lane, ret_worker, ret_error);
}

/* The spool of the one before it comes with the rest. */
static int open_backlog(struct eye_worker *worker, struct eye_error *ret_error)
{
    struct eye_worker *old = worker->follows;
    eye_backlog_init(&worker->backlog, worker->type, worker->setup.own, worker->name,
                     &worker->stats);
    if (old == NULL || !eye_worker_shares_spool(old, worker)) {
        return eye_backlog_open(&worker->backlog, worker->setup.own, ret_error);
    }
    return eye_worker_is_paused(old)
               ? 0
               : eye_error_set(ret_error, -EBUSY,
                               "it hangs in a call, and still has its spool; try again later");
}

int eye_worker_bind(struct eye_worker *worker, struct eye_error *ret_error)
{
    struct eye_error cause = {0};
    int result = worker->type->bind == NULL ? 0 : worker->type->bind(worker->state, &cause);
    if (result == 0) {
        result = open_backlog(worker, &cause);
    }
    eye_worker_save_meanwhile(worker);
    return result == 0 ? 0 : eye_worker_fail(worker, result, &cause, ret_error);
}

static bool join_thread(struct eye_worker *worker)
{
    return eye_worker_wait_ended(worker) && pthread_join(worker->thread, NULL) == 0;
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
    if (!began || !eye_worker_has_work(worker)) {
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
    if (worker->running && (!eye_worker_is_stopping(worker) || worker->pausing)) {
        eye_worker_stop(worker, eye_clock_monotonic_ns());
    }
    if (worker->running && !join_thread(worker)) {
        eye_log_warning(
            "exporter %s hangs and could not deliver everything: snapshots left behind: "
            "%" PRIuFAST64,
            worker->name, atomic_load(&worker->stats.queued));
        eye_worker_abandon(worker);
        return EYE_WORKER_STUCK;
    }
    enum eye_worker_end end = say_end(worker);
    destroy(worker);
    return end;
}

void eye_worker_discard(struct eye_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    eye_worker_leave(worker);
    if (worker->running) {
        worker->silent = true;
        eye_worker_stop(worker, 0);
        pthread_join(worker->thread, NULL);
    }
    destroy(worker);
}

bool eye_worker_reap(struct eye_worker *worker)
{
    bool ended = eye_worker_has_ended(worker);
    if (ended) {
        pthread_join(worker->thread, NULL);
        destroy(worker);
    }
    return ended;
}
