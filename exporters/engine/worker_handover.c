/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that stands still, and one that goes on for it. */
#include "exporters/engine/worker_handover.h"

#include <assert.h>
#include <string.h>

#include "collector/base/clock.h"
#include "exporters/engine/worker_state.h"

/* ---- Which one ---- */

static const char *lane_name(const struct eye_exporter_type *type, unsigned lane)
{
    return type->lanes == NULL ? "" : type->lanes[lane];
}

bool eye_worker_is_lane(const struct eye_worker *worker, const struct eye_exporter_type *type,
                        const char *exporter, unsigned lane)
{
    return strcmp(worker->setup.own->name, exporter) == 0 &&
           strcmp(lane_name(worker->type, worker->setup.lane), lane_name(type, lane)) == 0;
}

bool eye_worker_is_configured(const struct eye_worker *worker, const struct eye_config *config,
                              const struct eye_exporter_config *own)
{
    return eye_config_same_for_exporters(worker->setup.config, config) &&
           eye_exporter_config_equal(worker->setup.own, own);
}

/* ---- Standing still ---- */

void eye_worker_pause(struct eye_worker *worker, uint64_t deadline_ns, bool yields)
{
    pthread_mutex_lock(&worker->mutex);
    atomic_store(&worker->deadline.at_ns, deadline_ns);
    worker->pausing = true;
    worker->yields = yields;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

static bool read_flag(struct eye_worker *worker, const bool *flag)
{
    pthread_mutex_lock(&worker->mutex);
    bool set = *flag;
    pthread_mutex_unlock(&worker->mutex);
    return set;
}

bool eye_worker_is_paused(struct eye_worker *worker)
{
    return read_flag(worker, &worker->paused);
}

bool eye_worker_has_ended(struct eye_worker *worker)
{
    return read_flag(worker, &worker->ended);
}

bool eye_worker_is_overdue(const struct eye_worker *worker)
{
    return eye_clock_monotonic_ns() - EYE_WORKER_GRACE_NS >= atomic_load(&worker->deadline.at_ns);
}

void eye_worker_hurry(struct eye_worker *worker, uint64_t deadline_ns)
{
    pthread_mutex_lock(&worker->mutex);
    if (deadline_ns < atomic_load(&worker->deadline.at_ns)) {
        atomic_store(&worker->deadline.at_ns, deadline_ns);
        pthread_cond_broadcast(&worker->wake);
    }
    pthread_mutex_unlock(&worker->mutex);
}

void eye_worker_resume(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    atomic_store(&worker->deadline.at_ns, EYE_WORKER_NEVER);
    worker->pausing = false;
    worker->yields = false;
    worker->hurries = false; /* the next time that is short is another one */
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

void eye_worker_release(struct eye_worker *worker)
{
    if (worker->type->bind != NULL && eye_worker_is_paused(worker)) {
        assert(worker->type->finish == NULL);
        eye_exporter_close(worker->type, EYE_TAKE(worker->state));
    }
}

/* Who fetches finds nothing at an exporter that is new: what was delivered last is shown again. */
static void show_again(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    if (worker->type->fetched && worker->before != NULL && worker->queue.count == 0) {
        eye_worker_enqueue(worker, eye_snapshot_ref(worker->before));
    }
    pthread_mutex_unlock(&worker->mutex);
}

int eye_worker_retake(struct eye_worker *worker, struct eye_error *ret_error)
{
    if (worker->state != NULL) {
        return 0;
    }
    struct eye_error cause = {0};
    int result = eye_exporter_open(worker->type, &worker->setup, &worker->state, &cause);
    if (result == 0) {
        result = worker->type->bind(worker->state, &cause);
    }
    if (result != 0) {
        eye_exporter_close(worker->type, EYE_TAKE(worker->state));
        return eye_worker_fail(worker, result, &cause, ret_error);
    }
    show_again(worker);
    return 0;
}

/* ---- A successor ---- */

bool eye_worker_shares_spool(const struct eye_worker *worker, const struct eye_worker *other)
{
    const char *path = worker->setup.own->common.spool_path;
    const char *other_path = other->setup.own->common.spool_path;
    return path != NULL && other_path != NULL && strcmp(path, other_path) == 0;
}

static const struct eye_snapshot *ref_if_any(const struct eye_snapshot *snapshot)
{
    return snapshot == NULL ? NULL : eye_snapshot_ref(snapshot);
}

/* Under both mutexes. Of one that hangs the thread still has what is in work. */
static void hand_queue(struct eye_worker *old, struct eye_worker *successor)
{
    size_t count = 0;
    bool hangs = atomic_load(&old->abandoned);
    if (!hangs && old->work != NULL && !old->work_spooled) {
        eye_worker_enqueue(successor, EYE_TAKE(old->work));
        count++;
    }
    while (old->queue.count > 0) {
        eye_worker_enqueue(successor, eye_queue_pop(&old->queue));
        count++;
    }
    atomic_fetch_sub(&old->stats.queued, count);
    successor->run_ns = old->run_ns;
}

/* The same. */
static void hand_position(struct eye_worker *old, struct eye_worker *successor)
{
    assert(successor->before == NULL && successor->joined == NULL);
    successor->before = ref_if_any(old->before);
    successor->joined = ref_if_any(old->joined);
    successor->resumes = old->resumes;
    if (!atomic_load(&old->abandoned)) {
        successor->window.floor_ns = old->window.floor_ns;
    }
}

/* Under the publisher's lock: nobody takes. */
static void hand(void *from, void *to)
{
    struct eye_worker *old = from;
    struct eye_worker *successor = to;
    pthread_mutex_lock(&old->mutex);
    pthread_mutex_lock(&successor->mutex);
    hand_queue(old, successor);
    hand_position(old, successor);
    pthread_mutex_unlock(&successor->mutex);
    pthread_mutex_unlock(&old->mutex);
}

static void move_count(struct eye_worker *old, struct eye_worker *successor, size_t count)
{
    atomic_fetch_sub(&old->stats.queued, count);
    atomic_fetch_add(&successor->stats.queued, count);
}

/* What was delivered of @last's run is on disk alone when a worker of this run left it there. */
static void read_position(struct eye_worker *old, struct eye_worker *successor,
                          const struct eye_snapshot *last)
{
    const struct eye_snapshot *before = successor->before;
    if (old->resumes && (before == NULL || before->start_ns != last->start_ns)) {
        eye_worker_set_before(successor, eye_backlog_before(&old->backlog, last));
    }
}

/* In front of all others. Behind the newest the rest can be done without. */
static bool take_older(struct eye_worker *successor, const struct eye_snapshot *snapshot)
{
    pthread_mutex_lock(&successor->mutex);
    bool has_room = eye_queue_has_room(&successor->queue, snapshot->bytes);
    if (has_room) {
        eye_queue_push_front(&successor->queue, snapshot);
        atomic_fetch_add(&successor->stats.queued, 1);
    }
    pthread_mutex_unlock(&successor->mutex);
    return has_room;
}

/* What a spool has of this run goes back to memory: left where it is, it would count again when
 * somebody uses that spool. Earlier runs stay there, for who does. */
static void leave_spool(struct eye_worker *old, struct eye_worker *successor,
                        const struct eye_snapshot *last)
{
    if (last == NULL || !eye_backlog_has_run(&old->backlog, last->start_ns)) {
        return;
    }
    const struct eye_snapshot *newest;
    read_position(old, successor, last);
    while ((newest = eye_backlog_take_newest(&old->backlog, last->start_ns)) != NULL) {
        if (take_older(successor, newest)) {
            atomic_fetch_sub(&old->stats.queued, 1);
        } else {
            eye_snapshot_unref(newest);
            old->backlog.skipped++;
        }
    }
    eye_worker_settle_skipped(old);
}

static void hand_spool(struct eye_worker *old, struct eye_worker *successor,
                       const struct eye_snapshot *last)
{
    if (old->work_spooled) {
        eye_snapshot_unref(EYE_TAKE(old->work)); /* it is the oldest segment */
        old->work_spooled = false;
    }
    if (eye_worker_shares_spool(old, successor)) {
        move_count(old, successor, eye_backlog_move(&successor->backlog, &old->backlog));
        eye_worker_save_meanwhile(successor);
    } else {
        leave_spool(old, successor, last);
    }
}

/* Nothing newer than @last will come when the daemon is to end now, so it is not left out. */
static void take_last(struct eye_worker *successor, const struct eye_snapshot *last)
{
    pthread_mutex_lock(&successor->mutex);
    if (last != NULL && successor->queue.count == 0 &&
        last->sequence > eye_worker_delivered(successor) &&
        !eye_backlog_has_run(&successor->backlog, last->start_ns)) {
        eye_worker_enqueue(successor, eye_snapshot_ref(last));
    }
    pthread_mutex_unlock(&successor->mutex);
}

/*
 * A receiver is not to believe that the daemon has ended; but who names another receiver, or other
 * series, leaves series behind, and only a goodbye takes them away where they stay.
 */
static bool needs_goodbye(const struct eye_worker *old, const struct eye_worker *successor)
{
    return old->type->lingers &&
           !(eye_exporter_config_same_series(old->setup.own, successor->setup.own) &&
             eye_text_list_equal(&old->setup.config->tags, &successor->setup.config->tags));
}

/* From now on what its thread does counts nowhere. False: it stands still, or has ended. */
static bool give_up_hanging(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    bool hangs = !worker->paused && !worker->ended;
    if (hangs) {
        atomic_store(&worker->abandoned, true);
        atomic_store(&worker->deadline.at_ns, 0);
        worker->pausing = false;
    }
    pthread_mutex_unlock(&worker->mutex);
    return hangs;
}

void eye_worker_succeed(struct eye_worker *successor)
{
    struct eye_worker *old = EYE_TAKE(successor->follows);
    const struct eye_snapshot *last;
    bool hangs = give_up_hanging(old);
    eye_subscription_hand_over(&old->subscription, &successor->subscription, hand, &last);
    if (!hangs) {
        hand_spool(old, successor, last);
        old->silent = old->silent || !needs_goodbye(old, successor);
    }
    take_last(successor, last);
    show_again(successor);
    eye_snapshot_unref(last);
}

/* ---- The end ---- */

/* The deadline is what its end is waited for, so without time left it is now, not long ago. */
void eye_worker_dismiss(struct eye_worker *worker, uint64_t deadline_ns)
{
    bool can_deliver = worker->state != NULL && eye_worker_is_paused(worker);
    eye_worker_leave(worker);
    eye_worker_stop(worker, can_deliver ? deadline_ns : eye_clock_monotonic_ns());
}

void eye_worker_abandon(struct eye_worker *worker)
{
    give_up_hanging(worker);
    eye_worker_leave(worker);
    eye_worker_stop_reporting(worker);
}
