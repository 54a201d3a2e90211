/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exporter's thread and its queue: a reader of what the publisher publishes. publish() and
 * stop() are called by the collector and main threads and never wait for the network; everything
 * else happens in the worker.
 *
 * The queue is bounded in snapshots and bytes; when it is full the oldest goes, which costs time
 * resolution only, because changes are taken against the last delivered snapshot. With a spool
 * (exporters/engine/backlog.h) what waits for a receiver that is away lies on disk instead, and
 * what is left at the end waits there for the next run.
 *
 * A failed delivery is tried again after a pause that grows (exporters/engine/backoff.h). Failing
 * and recovering are logged once each, and so are points that the receiver refuses for good; as
 * long as it does, once an hour again with their number.
 */
#pragma once

#include "collector/publish/publisher.h"
#include "collector/publish/reports.h"
#include "exporters/exporter.h"

struct eye_worker;

/* The longest pause between two attempts where the type names none. */
#define EYE_RETRY_DEFAULT_MAX_NS UINT64_C(5000000000)

/** How many workers a configured exporter of @type needs: one per lane. */
unsigned eye_worker_lanes(const struct eye_exporter_type *type);

/**
 * Opens lane @lane of the exporter and makes its worker. 0, or -errno with a message that names the
 * exporter and its place in the configuration: it cannot be used as it is configured.
 */
int eye_worker_new(const struct eye_exporter_type *type, const struct eye_config *config,
                   const struct eye_exporter_config *own, unsigned lane,
                   struct eye_worker **ret_worker, struct eye_error *ret_error);

/** Takes what only one process may have, and the spool. 0, or -errno with a message as above. */
int eye_worker_bind(struct eye_worker *worker, struct eye_error *ret_error);

/**
 * Once bound, before it starts: from now on every snapshot of @publisher is queued, and the first
 * delivery has what changed since the one that was published last. @reports tells its numbers
 * until it is freed. Both outlive it. 0, or -errno of eye_publisher_join() with a message.
 */
int eye_worker_join(struct eye_worker *worker, struct eye_publisher *publisher,
                    struct eye_reports *reports, struct eye_error *ret_error);

/** Nothing more is queued, and no series lives on for it; what is queued will be delivered. Takes
 * one that did not join. */
void eye_worker_leave(struct eye_worker *worker);

/** Once bound. 0 or -errno of pthread_create. */
int eye_worker_start(struct eye_worker *worker);

/** Queues a snapshot (takes its own reference). Never blocks on I/O. */
void eye_worker_publish(struct eye_worker *worker, const struct eye_snapshot *snapshot);

/** Asks the thread to deliver what is queued and end by @deadline_ns (monotonic). Returns at once.
 */
void eye_worker_stop(struct eye_worker *worker, uint64_t deadline_ns);

enum eye_worker_end {
    EYE_WORKER_DELIVERED, /* everything */
    EYE_WORKER_SPOOLED,   /* something was left; the next run delivers it */
    EYE_WORKER_REFUSED,   /* by the receiver, something of a job's only interval */
    EYE_WORKER_BEHIND,    /* something was left when time was up, and is lost */
    EYE_WORKER_UNWRITTEN, /* the same, and it was for a file or standard output: writing failed */
    EYE_WORKER_STUCK,     /* its thread hangs in a call and still uses worker and configuration */
};

/**
 * Leaves, waits for the thread until shortly after the deadline given to stop (if it was started),
 * says what was left behind, and frees everything. After EYE_WORKER_STUCK nothing was freed, nor
 * the configuration, to which it refers: eye_worker_reap() does when the thread has ended after
 * all.
 */
enum eye_worker_end eye_worker_free(struct eye_worker *worker);

/** The exporter's name, and behind a dot its lane's. */
const char *eye_worker_name(const struct eye_worker *worker);

/** What it was made for; the configuration's. */
const struct eye_exporter_config *eye_worker_config(const struct eye_worker *worker);

unsigned eye_worker_lane(const struct eye_worker *worker);
const struct eye_exporter_type *eye_worker_type(const struct eye_worker *worker);
const struct eye_export_stats *eye_worker_stats(const struct eye_worker *worker);

/** Why the last attempt failed, or points were refused; "" when all is well. */
void eye_worker_read_cause(struct eye_worker *worker, struct eye_error *ret_cause);

/** The newest snapshot of this run that was delivered, by its sequence. Any thread. */
uint64_t eye_worker_delivered(const struct eye_worker *worker);

/* Snapshots at one moment: what was published, and replayed, is their sum. */
struct eye_worker_counts {
    uint64_t delivered;
    uint64_t refused; /* the receiver took none of the points, and never will */
    uint64_t queued;  /* waiting or in work */
    uint64_t skipped;
};

/** Reads them together, so that their sum holds. */
struct eye_worker_counts eye_worker_count(struct eye_worker *worker);
