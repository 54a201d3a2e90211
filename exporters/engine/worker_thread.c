/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's thread: one delivery after the other, pauses, the end. */
#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/privileges.h"
#include "collector/base/text.h"
#include "exporters/engine/worker_state.h"

/* ---- Deliveries ---- */

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

/* Whether the receiver took nothing of `work`, which is settled, and refused some. */
static bool is_refused_whole(const struct eye_worker *worker)
{
    return atomic_load(&worker->stats.points) == worker->settled_points &&
           atomic_load(&worker->stats.refused_points) > worker->settled_refused;
}

/* `work` is what the next one is compared with. */
static void settle(struct eye_worker *worker, bool refused)
{
    struct eye_export_stats *stats = &worker->stats;
    const struct eye_snapshot *settled = EYE_TAKE(worker->work);
    eye_worker_set_before(worker, settled);
    pthread_mutex_lock(&worker->mutex);
    if (eye_worker_follows_joined(worker, settled)) {
        eye_snapshot_unref(EYE_TAKE(worker->joined));
    }
    if (settled->start_ns == worker->run_ns) {
        eye_subscription_deliver(&worker->subscription, settled->sequence);
    }
    atomic_fetch_sub(&stats->queued, 1);
    atomic_fetch_add(refused ? &stats->refused : &stats->delivered, 1);
    pthread_mutex_unlock(&worker->mutex);
}

/* `work` is delivered, or @refused whole: either way the next one is compared with it. */
static void finish_work(struct eye_worker *worker, bool refused)
{
    if (worker->moved) {
        worker->window.floor_ns = worker->work->time_ns + worker->work->interval_ns;
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
    settle(worker, refused);
}

/* `work` is not, or not all of it. */
static void postpone_work(struct eye_worker *worker, const struct eye_export_failure *failure)
{
    worker->started = worker->started || failure->started;
    uint64_t pause_ns = eye_backoff_fail(&worker->backoff, failure->retry_after_ns);
    worker->retry_at_ns = eye_clock_monotonic_ns() + pause_ns;
    atomic_fetch_add(&worker->stats.failing, 1);
    atomic_fetch_add(&worker->stats.failures[failure->reason], 1);
    eye_worker_spill(worker);
}

/* There will be nobody for `work`, nor for what follows until the daemon has ended. */
static void give_up_work(struct eye_worker *worker, enum eye_export_reason reason)
{
    worker->started = false;
    atomic_fetch_add(&worker->stats.failures[reason], 1);
    pthread_mutex_lock(&worker->mutex);
    eye_worker_skip(worker, EYE_TAKE(worker->work));
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

static void note_cause(struct eye_worker *worker, const char *cause)
{
    pthread_mutex_lock(&worker->mutex);
    eye_copy_string(worker->cause.text, sizeof(worker->cause.text), cause);
    pthread_mutex_unlock(&worker->mutex);
}

static void attempt(struct eye_worker *worker)
{
    struct eye_export_failure failure = {.reason = EYE_EXPORT_OTHER};
    uint64_t begin_ns = eye_clock_monotonic_ns();
    atomic_store(&worker->stats.attempt_began_ns, begin_ns);
    int result = choose_time(worker);
    if (result == 0) {
        result = worker->type->deliver(worker->state, worker->work, worker->before, &failure);
    }
    atomic_store(&worker->stats.attempt_began_ns, 0);
    const char *cause = failure.cause.text;
    cause = result != 0 && cause[0] == '\0' ? strerror(-result) : cause;
    note_cause(worker, cause);
    if (result == 0) {
        bool refused = is_refused_whole(worker);
        eye_news_settled(&worker->news, cause, atomic_load(&worker->stats.refused_points), refused);
        finish_work(worker, refused);
    } else if (failure.gone) {
        give_up_work(worker, failure.reason);
    } else {
        eye_news_failed(&worker->news, cause);
        postpone_work(worker, &failure);
    }
    if (!failure.gone) {
        note_times(&worker->stats, begin_ns);
    }
}

/* ---- Thread ---- */

static bool is_late(const struct eye_worker *worker)
{
    return eye_clock_monotonic_ns() >= atomic_load(&worker->deadline.at_ns);
}

static bool is_over(const struct eye_worker *worker)
{
    return !worker->pausing && eye_worker_is_stopping(worker) &&
           (!eye_worker_has_work(worker) || is_late(worker));
}

/* A successor may have better luck with what has failed, unless a part of it was sent. */
static bool is_to_pause(const struct eye_worker *worker)
{
    bool yields = worker->yields && worker->retry_at_ns != 0 && !worker->started;
    return worker->pausing && (!eye_worker_has_work(worker) || is_late(worker) || yields);
}

/* Sleeps with the mutex given up; may wake early. @until_ns: monotonic. */
static void wait_until(struct eye_worker *worker, uint64_t until_ns)
{
    if (until_ns == EYE_WORKER_NEVER) {
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
    if (eye_worker_is_stopping(worker) && !worker->hurries) {
        worker->hurries = true;
        worker->retry_at_ns = 0;
        worker->backoff.failures = 0;
    }
}

/* The main thread has the worker until it says go on, or end. */
static void stand_still(struct eye_worker *worker)
{
    worker->paused = true;
    pthread_cond_broadcast(&worker->wake);
    while (worker->pausing) {
        pthread_cond_wait(&worker->wake, &worker->mutex);
    }
    worker->paused = false;
    worker->hurries = false;
}

enum step { STEP_DELIVER, STEP_SPILL, STEP_END };

/* Sleeps until there is something to do. */
static enum step wait_for_step(struct eye_worker *worker)
{
    enum step step = STEP_END;
    pthread_mutex_lock(&worker->mutex);
    while (!is_over(worker)) {
        if (is_to_pause(worker)) {
            stand_still(worker);
            continue;
        }
        hurry(worker);
        bool due = eye_clock_monotonic_ns() >= worker->retry_at_ns;
        if (eye_worker_has_work(worker) && due) {
            step = STEP_DELIVER;
            break;
        }
        if (!due && worker->queue.count > 0 && worker->backlog.spool != NULL &&
            !worker->backlog.failing) {
            step = STEP_SPILL;
            break;
        }
        uint64_t until_ns = eye_worker_has_work(worker) ? worker->retry_at_ns : EYE_WORKER_NEVER;
        uint64_t deadline_ns = atomic_load(&worker->deadline.at_ns);
        wait_until(worker, deadline_ns < until_ns ? deadline_ns : until_ns);
    }
    pthread_mutex_unlock(&worker->mutex);
    return step;
}

static void deliver_next(struct eye_worker *worker)
{
    eye_worker_choose_work(worker);
    if (worker->work != NULL) {
        attempt(worker);
    }
}

/* ---- Goodbye ---- */

/* False: time is up before the pause that @failure asks for is over. */
static bool pause_goodbye(struct eye_worker *worker, const struct eye_export_failure *failure)
{
    uint64_t pause_ns = eye_backoff_fail(&worker->backoff, failure->retry_after_ns);
    uint64_t until_ns = eye_clock_monotonic_ns() + pause_ns;
    pthread_mutex_lock(&worker->mutex);
    while (eye_clock_monotonic_ns() < until_ns && until_ns < atomic_load(&worker->deadline.at_ns)) {
        wait_until(worker, until_ns);
    }
    pthread_mutex_unlock(&worker->mutex);
    return !is_late(worker) && until_ns < atomic_load(&worker->deadline.at_ns);
}

static void say_goodbye(struct eye_worker *worker)
{
    struct eye_export_failure failure;
    int result;
    do {
        failure = (struct eye_export_failure){.reason = EYE_EXPORT_OTHER};
        result = worker->type->finish(worker->state, worker->before, &failure);
        if (result != 0) {
            atomic_fetch_add(&worker->stats.failures[failure.reason], 1);
        }
    } while (result != 0 && !failure.gone && pause_goodbye(worker, &failure));
    const char *cause = failure.cause.text;
    if (result != 0 || cause[0] != '\0') {
        eye_log_warning("exporter %s: the receiver goes on showing what it got last, as nothing "
                        "told it in time that this ends: %s",
                        worker->name, cause[0] == '\0' ? strerror(-result) : cause);
    }
}

static bool has_goodbye(const struct eye_worker *worker)
{
    return worker->type->finish != NULL && !worker->silent && !atomic_load(&worker->abandoned);
}

void *eye_worker_run(void *argument)
{
    struct eye_worker *worker = argument;
    enum step step;
    eye_privileges_assume(EYE_ROLE_DELIVERY);
    while ((step = wait_for_step(worker)) != STEP_END) {
        if (step == STEP_DELIVER) {
            deliver_next(worker);
        } else {
            eye_worker_spill(worker);
        }
    }
    if (has_goodbye(worker)) {
        say_goodbye(worker);
    }
    eye_worker_spill(worker);
    pthread_mutex_lock(&worker->mutex);
    worker->ended = true;
    pthread_cond_broadcast(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

bool eye_worker_wait_ended(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    uint64_t until_ns = atomic_load(&worker->deadline.at_ns) + EYE_WORKER_GRACE_NS;
    while (!worker->ended && eye_clock_monotonic_ns() < until_ns) {
        wait_until(worker, until_ns);
    }
    bool ended = worker->ended;
    pthread_mutex_unlock(&worker->mutex);
    return ended;
}
