/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker delivers next, from memory or from its spool, and what it compares that with. */
#include "exporters/engine/worker_state.h"

/* Snapshots that were given up: what changed in them goes with a later one. Under the mutex. */
static void count_skipped(struct eye_worker *worker, size_t count)
{
    atomic_fetch_sub(&worker->stats.queued, count);
    atomic_fetch_add(&worker->stats.skipped, count);
}

void eye_worker_skip(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    eye_snapshot_unref(snapshot);
    count_skipped(worker, 1);
}

void eye_worker_enqueue(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    struct eye_queue *queue = &worker->queue;
    while (!eye_queue_has_room(queue, snapshot->bytes)) {
        eye_worker_skip(worker, eye_queue_pop(queue));
    }
    eye_queue_push(queue, snapshot);
    worker->run_ns = snapshot->start_ns;
    atomic_fetch_add(&worker->stats.queued, 1);
}

/* ---- What to deliver next ---- */

/*
 * Whether @snapshot need not be delivered when a newer one of its run waits. What merely came
 * together goes out in order; only behind a failure or an end is time short.
 */
static bool is_superseded(const struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    if (eye_worker_is_stopping(worker) && !worker->yields) {
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
            eye_worker_skip(worker, worker->work);
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

void eye_worker_settle_skipped(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    count_skipped(worker, worker->backlog.skipped);
    worker->backlog.skipped = 0;
    pthread_mutex_unlock(&worker->mutex);
}

/* Chooses `work`. */
static void choose(struct eye_worker *worker)
{
    if (worker->started) {
        return;
    }
    if (eye_backlog_has_work(&worker->backlog) && (worker->work == NULL || worker->work_spooled)) {
        eye_snapshot_unref(EYE_TAKE(worker->work)); /* it is the oldest segment */
        worker->work = eye_backlog_next(&worker->backlog, run_in_memory(worker),
                                        eye_window_oldest(&worker->window));
        worker->work_spooled = worker->work != NULL;
        eye_worker_settle_skipped(worker);
    }
    if (!worker->work_spooled) {
        choose_from_memory(worker);
    }
}

bool eye_worker_follows_joined(const struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    const struct eye_snapshot *joined = worker->joined;
    return joined != NULL && joined->start_ns == snapshot->start_ns &&
           joined->sequence < snapshot->sequence;
}

void eye_worker_set_before(struct eye_worker *worker, const struct eye_snapshot *before)
{
    pthread_mutex_lock(&worker->mutex);
    const struct eye_snapshot *old = worker->before;
    worker->before = before;
    pthread_mutex_unlock(&worker->mutex);
    eye_snapshot_unref(old);
}

/* A run is compared with itself only. */
static void choose_before(struct eye_worker *worker)
{
    if (worker->before != NULL && worker->before->start_ns == worker->work->start_ns) {
        return;
    }
    bool from_spool = worker->work_spooled || worker->resumes;
    const struct eye_snapshot *before =
        from_spool ? eye_backlog_before(&worker->backlog, worker->work) : NULL;
    if (before == NULL && eye_worker_follows_joined(worker, worker->work)) {
        before = eye_snapshot_ref(worker->joined);
    }
    eye_worker_set_before(worker, before);
}

void eye_worker_choose_work(struct eye_worker *worker)
{
    choose(worker);
    if (worker->work != NULL) {
        choose_before(worker);
    }
}

/* ---- The spool ---- */

static bool store(struct eye_worker *worker, const struct eye_snapshot *snapshot)
{
    bool known = worker->before != NULL && worker->before->start_ns == snapshot->start_ns;
    bool first = !known && eye_worker_follows_joined(worker, snapshot);
    bool stored =
        eye_backlog_store(&worker->backlog, snapshot, first ? worker->joined : worker->before);
    if (worker->work_spooled && !eye_backlog_begins_with(&worker->backlog, worker->work)) {
        /* It went for want of room; `work` is still in memory. */
        worker->work_spooled = false;
        worker->backlog.skipped--;
    }
    eye_worker_settle_skipped(worker);
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
        eye_worker_skip(worker, snapshot);
    }
    pthread_mutex_unlock(&worker->mutex);
}

/*
 * Moves what waits in memory to disk, oldest first, as long as that works: first `work`, which
 * failed, then the queue.
 */
void eye_worker_spill(struct eye_worker *worker)
{
    if (worker->backlog.spool == NULL || atomic_load(&worker->abandoned)) {
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
        eye_worker_spill(worker);
    }
}

void eye_worker_save_meanwhile(struct eye_worker *worker)
{
    if (worker->backlog.spool != NULL) {
        worker->deadline.meanwhile = save_meanwhile;
        worker->deadline.context = worker;
    }
}
