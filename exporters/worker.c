/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue and thread of one exporter. Everything that two threads touch is changed under the mutex,
 * and so is every number of snapshots in the stats:
 *
 *   published = delivered + queued (waiting or in work) + skipped
 */
#include "exporters/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/text.h"
#include "collector/base/thread.h"

#define FIRST_RETRY_NS (100 * EYE_NS_PER_MS)
#define LAST_RETRY_NS (5 * EYE_NS_PER_SECOND)

/* A delivery that is under way at the deadline may finish: its waits for buffers are this short. */
#define JOIN_GRACE_NS (250 * EYE_NS_PER_MS)

#define NEVER UINT64_MAX

/* The kernel's limit for names of threads, with the NUL. */

/* Snapshots waiting, oldest first. */
struct queue {
    struct eye_snapshot **slots; /* ring; each holds a reference */
    size_t capacity;
    size_t head;
    size_t count;
    size_t bytes;
    size_t max_bytes;
};

struct eye_worker {
    const struct eye_exporter_type *type;
    const char *name;
    void *state;               /* of the exporter; the thread's */
    uint64_t failing_since_ns; /* monotonic; 0: not failing; the thread's */
    struct eye_export_stats stats;

    pthread_t thread;
    bool running; /* main thread's: there is a thread to join */

    pthread_mutex_t mutex; /* over everything below */
    pthread_cond_t wake;
    struct queue queue;
    struct eye_snapshot *work;   /* in delivery, or failed and kept; NULL: none */
    struct eye_snapshot *before; /* delivered last; NULL: none */
    bool started;                /* a part of `work` was sent: it cannot be given up */
    uint64_t retry_at_ns;        /* monotonic; 0: at once */
    uint64_t retry_delay_ns;
    bool stopping;
    uint64_t deadline_ns; /* monotonic, while stopping */
    bool ended;           /* the thread's last word */
};

/* ---- Queue ---- */

static int queue_init(struct queue *queue, const struct eye_exporter_common *common)
{
    queue->capacity = common->queue_snapshots > 0 ? common->queue_snapshots : 1;
    queue->max_bytes = common->queue_bytes;
    queue->slots = calloc(queue->capacity, sizeof(struct eye_snapshot *));
    return queue->slots == NULL ? -ENOMEM : 0;
}

/* The caller gets the reference. */
static struct eye_snapshot *queue_pop(struct queue *queue)
{
    struct eye_snapshot *oldest = queue->slots[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    queue->bytes -= oldest->bytes;
    return oldest;
}

/* Takes the reference. There is room. */
static void queue_push(struct queue *queue, struct eye_snapshot *snapshot)
{
    queue->slots[(queue->head + queue->count) % queue->capacity] = snapshot;
    queue->count++;
    queue->bytes += snapshot->bytes;
}

static bool queue_has_room(const struct queue *queue, size_t bytes)
{
    return queue->count < queue->capacity && queue->bytes + bytes <= queue->max_bytes;
}

/* Gives up a snapshot: what changed in it goes with a later one. */
static void skip(struct eye_worker *worker, struct eye_snapshot *snapshot)
{
    eye_snapshot_unref(snapshot);
    atomic_fetch_sub(&worker->stats.queued, 1);
    atomic_fetch_add(&worker->stats.skipped, 1);
}

/* ---- Deliveries ---- */

/* Chooses what to deliver next; there is something. Behind, only the newest counts. */
static void choose_work(struct eye_worker *worker)
{
    struct queue *queue = &worker->queue;
    if (worker->work != NULL && (worker->started || queue->count == 0)) {
        return;
    }
    bool behind = worker->work != NULL || worker->stopping;
    if (worker->work != NULL) {
        skip(worker, EYE_TAKE(worker->work));
    }
    while (behind && queue->count > 1) {
        skip(worker, queue_pop(queue));
    }
    worker->work = queue_pop(queue);
}

static void finish_work(struct eye_worker *worker)
{
    eye_snapshot_unref(worker->before);
    worker->before = EYE_TAKE(worker->work);
    worker->started = false;
    worker->retry_at_ns = 0;
    worker->retry_delay_ns = FIRST_RETRY_NS;
    atomic_store(&worker->stats.delivered_sequence, worker->before->sequence);
    atomic_fetch_sub(&worker->stats.queued, 1);
    atomic_fetch_add(&worker->stats.delivered, 1);
}

static void postpone_work(struct eye_worker *worker, bool started)
{
    worker->started = worker->started || started;
    worker->retry_at_ns = eye_clock_monotonic_ns() + worker->retry_delay_ns;
    uint64_t doubled = worker->retry_delay_ns * 2;
    worker->retry_delay_ns = doubled < LAST_RETRY_NS ? doubled : LAST_RETRY_NS;
}

static void note_success(struct eye_worker *worker)
{
    if (worker->failing_since_ns != 0) {
        uint64_t failing_ns = eye_clock_monotonic_ns() - worker->failing_since_ns;
        eye_log_info("exporter %s: delivering again after %.1f s", worker->name,
                     (double)failing_ns / (double)EYE_NS_PER_SECOND);
        worker->failing_since_ns = 0;
    }
}

static void note_failure(struct eye_worker *worker, const char *cause)
{
    if (worker->failing_since_ns == 0) {
        eye_log_warning("exporter %s: cannot deliver, retrying: %s", worker->name, cause);
        worker->failing_since_ns = eye_clock_monotonic_ns();
    }
}

/* One attempt, without the mutex: `work` and `before` change in this thread only. */
static void attempt(struct eye_worker *worker)
{
    struct eye_error cause = {0};
    bool started = false;
    int result =
        worker->type->deliver(worker->state, worker->work, worker->before, &started, &cause);
    if (result == 0) {
        note_success(worker);
    } else {
        note_failure(worker, cause.text[0] != '\0' ? cause.text : strerror(-result));
    }
    pthread_mutex_lock(&worker->mutex);
    if (result == 0) {
        finish_work(worker);
    } else {
        postpone_work(worker, started);
    }
    pthread_mutex_unlock(&worker->mutex);
}

/* ---- Thread ---- */

static bool has_work(const struct eye_worker *worker)
{
    return worker->work != NULL || worker->queue.count > 0;
}

static bool is_over(const struct eye_worker *worker)
{
    return worker->stopping &&
           (!has_work(worker) || eye_clock_monotonic_ns() >= worker->deadline_ns);
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

/* Sleeps until there is something to do. */
static void wait_for_change(struct eye_worker *worker)
{
    uint64_t until_ns = has_work(worker) ? worker->retry_at_ns : NEVER;
    if (worker->stopping && worker->deadline_ns < until_ns) {
        until_ns = worker->deadline_ns;
    }
    wait_until(worker, until_ns);
}

/* Waits until `work` is to be delivered; false when the thread shall end. */
static bool take_work(struct eye_worker *worker)
{
    bool taken = false;
    pthread_mutex_lock(&worker->mutex);
    while (!taken && !is_over(worker)) {
        if (has_work(worker) && eye_clock_monotonic_ns() >= worker->retry_at_ns) {
            choose_work(worker);
            taken = true;
        } else {
            wait_for_change(worker);
        }
    }
    pthread_mutex_unlock(&worker->mutex);
    return taken;
}

static void *run(void *argument)
{
    struct eye_worker *worker = argument;
    while (take_work(worker)) {
        attempt(worker);
    }
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

void eye_worker_publish(struct eye_worker *worker, struct eye_snapshot *snapshot)
{
    struct queue *queue = &worker->queue;
    pthread_mutex_lock(&worker->mutex);
    while (queue->count > 0 && !queue_has_room(queue, snapshot->bytes)) {
        skip(worker, queue_pop(queue));
    }
    queue_push(queue, eye_snapshot_ref(snapshot));
    atomic_fetch_add(&worker->stats.queued, 1);
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->mutex);
}

void eye_worker_stop(struct eye_worker *worker, uint64_t deadline_ns)
{
    pthread_mutex_lock(&worker->mutex);
    worker->stopping = true;
    worker->deadline_ns = deadline_ns;
    /* The time left is short: try at once, and often. */
    worker->retry_at_ns = 0;
    worker->retry_delay_ns = FIRST_RETRY_NS;
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

/* There is no thread (any more). */
static void destroy(struct eye_worker *worker)
{
    worker->type->close(worker->state);
    while (worker->queue.count > 0) {
        eye_snapshot_unref(queue_pop(&worker->queue));
    }
    eye_snapshot_unref(worker->work);
    eye_snapshot_unref(worker->before);
    free(worker->queue.slots);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

int eye_worker_new(const struct eye_exporter_type *type, const struct eye_config *config,
                   const struct eye_exporter_config *own, struct eye_worker **ret_worker,
                   struct eye_error *ret_error)
{
    EYE_AUTOFREE struct eye_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "exporter %s: out of memory", own->name);
    }
    worker->type = type;
    worker->name = own->name;
    worker->retry_delay_ns = FIRST_RETRY_NS;
    const struct eye_exporter_setup setup = {config, own, &worker->stats};
    struct eye_error cause = {0};
    int result = type->open(&setup, &worker->state, &cause);
    if (result != 0) {
        return eye_error_set(ret_error, result, "%s: exporter %s: %s", own->origin, own->name,
                             cause.text);
    }
    if (queue_init(&worker->queue, &own->common) != 0) {
        type->close(worker->state);
        return eye_error_set(ret_error, -ENOMEM, "exporter %s: out of memory", own->name);
    }
    init_sync(worker);
    *ret_worker = EYE_TAKE(worker);
    return 0;
}

/* False when the thread hangs in a call that does not end in time (a name server that is silent).
 */
static bool join_thread(struct eye_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    uint64_t until_ns = worker->deadline_ns + JOIN_GRACE_NS;
    while (!worker->ended && eye_clock_monotonic_ns() < until_ns) {
        wait_until(worker, until_ns);
    }
    bool ended = worker->ended;
    pthread_mutex_unlock(&worker->mutex);
    return ended && pthread_join(worker->thread, NULL) == 0;
}

enum eye_worker_end eye_worker_free(struct eye_worker *worker)
{
    if (worker == NULL) {
        return EYE_WORKER_DELIVERED;
    }
    if (worker->running && !worker->stopping) {
        eye_worker_stop(worker, eye_clock_monotonic_ns());
    }
    if (worker->running && !join_thread(worker)) {
        pthread_detach(worker->thread);
        return EYE_WORKER_STUCK;
    }
    enum eye_worker_end end = has_work(worker) ? EYE_WORKER_BEHIND : EYE_WORKER_DELIVERED;
    destroy(worker);
    return end;
}
