/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside a worker, for the files that make one: worker.c (its life), worker_work.c (what is
 * next), worker_thread.c (the thread), worker_handover.c (standing still, and a successor). Every
 * number of snapshots in the stats changes under the mutex:
 *
 *   published + replayed = delivered + refused + queued (waiting or in work) + skipped
 *
 * What is handed to a successor counts there as it did here: the sum over both holds.
 */
#pragma once

#include <pthread.h>

#include "exporters/engine/backlog.h"
#include "exporters/engine/backoff.h"
#include "exporters/engine/news.h"
#include "exporters/engine/queue.h"
#include "exporters/engine/window.h"
#include "exporters/engine/worker.h"

#define EYE_WORKER_NEVER UINT64_MAX

/* A delivery that is under way at the deadline may finish: its waits for buffers are this short. */
#define EYE_WORKER_GRACE_NS (250 * EYE_NS_PER_MS)

struct eye_worker {
    const struct eye_exporter_type *type;
    struct eye_exporter_setup setup; /* its configuration is one reference */
    char *name;                      /* owned */
    void *state;                     /* of the exporter; NULL: released */
    struct eye_export_stats stats;
    struct eye_deadline deadline;
    pthread_t thread;

    /* Main thread's, but for what the worker says it has delivered. */
    struct eye_subscription subscription;
    struct eye_reports *reports; /* that have `report`; NULL: it was not opened */
    struct eye_report *report;   /* owned until it is opened */
    struct eye_worker *follows;  /* until it goes on for that one; NULL: nobody */
    bool running;                /* there is a thread to join */

    /* The thread's, which reads and writes the spool without the mutex. While it stands still they
     * are the main thread's. */
    struct eye_backlog backlog;
    const struct eye_snapshot *work; /* in delivery, or failed and kept; NULL: none */
    uint64_t retry_at_ns;            /* monotonic; 0: at once */
    struct eye_news news;
    struct eye_window window;
    struct eye_backoff backoff;
    bool resumes;             /* a worker before it left some of this run in the spool */
    bool work_spooled;        /* it is the oldest segment of the backlog */
    bool started;             /* a part of `work` was sent: it cannot be given up */
    bool moved;               /* `work` goes with a later time than its own */
    uint64_t settled_points;  /* delivered before `work` */
    uint64_t settled_refused; /* points refused before `work` */

    /* The thread's, which changes them under the mutex: of one that hangs they are read there. */
    const struct eye_snapshot *before; /* delivered last; NULL: none */
    const struct eye_snapshot *joined; /* what came before it; NULL: nothing, or it delivered */

    atomic_bool abandoned; /* it was left behind, hanging: what it does counts no more */
    bool silent;           /* it has no goodbye: a job, or another one goes on for it */
    bool job;              /* `run --once` */

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t wake;
    bool pausing; /* it is to stand still */
    bool yields;  /* another one will have what it does not deliver */
    bool paused;  /* it does */
    bool ended;   /* the thread's last word */
    bool hurries; /* it has seen that the time left is short */
    struct eye_queue queue;
    uint64_t run_ns;        /* start_ns of what is published */
    struct eye_error cause; /* of the last attempt, if it failed or points were refused */
};

static inline bool eye_worker_is_stopping(const struct eye_worker *worker)
{
    return atomic_load(&worker->deadline.at_ns) != EYE_WORKER_NEVER;
}

/** Whether anything waits or is in work. The thread's, or of one that stands still. */
static inline bool eye_worker_has_work(const struct eye_worker *worker)
{
    return worker->work != NULL || worker->queue.count > 0 ||
           eye_backlog_has_work(&worker->backlog);
}

/* ---- worker.c ---- */

/** "PLACE: exporter NAME: @cause" and @result, which is -errno. */
int eye_worker_fail(const struct eye_worker *worker, int result, const struct eye_error *cause,
                    struct eye_error *ret_error);

/* ---- worker_work.c ---- */

/** Queues @snapshot, and takes its reference; the oldest give way. Under the mutex. */
void eye_worker_enqueue(struct eye_worker *worker, const struct eye_snapshot *snapshot);

/** Gives up @snapshot: what changed in it goes with a later one. Under the mutex. */
void eye_worker_skip(struct eye_worker *worker, const struct eye_snapshot *snapshot);

/** Counts what the backlog gave up. */
void eye_worker_settle_skipped(struct eye_worker *worker);

/** Chooses `work` and `before`; there may be nothing to deliver after all: then `work` is NULL. */
void eye_worker_choose_work(struct eye_worker *worker);

/** `before` is delivered, or what deliveries count from. Takes the reference; may be NULL. */
void eye_worker_set_before(struct eye_worker *worker, const struct eye_snapshot *before);

/** Whether @snapshot goes on where the worker joined, if it is the first one of its run. */
bool eye_worker_follows_joined(const struct eye_worker *worker,
                               const struct eye_snapshot *snapshot);

/** Moves what waits in memory to the spool, if there is one. */
void eye_worker_spill(struct eye_worker *worker);

/** Sets the deadline's `meanwhile`, when there is a spool. */
void eye_worker_save_meanwhile(struct eye_worker *worker);

/* ---- worker_thread.c ---- */

/** The thread. @worker: struct eye_worker. */
void *eye_worker_run(void *worker);

/**
 * Waits until shortly after the deadline for the thread's end. False when it hangs in a call that
 * does not end in time (a name server that is silent).
 */
bool eye_worker_wait_ended(struct eye_worker *worker);
