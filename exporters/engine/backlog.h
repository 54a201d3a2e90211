/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits in an exporter's spool, and which of it is delivered next. Used by one worker thread.
 */
#pragma once

#include "exporters/engine/spool.h"
#include "exporters/exporter.h"

struct eye_backlog {
    struct eye_spool *spool; /* NULL: none is configured, and nothing ever waits here */
    struct eye_export_stats *stats;
    const char *name;    /* of the exporter */
    uint64_t max_bytes;  /* spool.max_size */
    uint64_t max_age_ns; /* spool.max_age */
    bool timestamped;
    bool failing;   /* the spool cannot be written; said once */
    size_t skipped; /* segments given up; the worker moves them to the stats */
};

/** Nothing waits, and there is no spool yet. @name must outlive it. */
void eye_backlog_init(struct eye_backlog *backlog, const struct eye_exporter_type *type,
                      const struct eye_exporter_config *own, const char *name,
                      struct eye_export_stats *stats);

/** Opens the spool that @own asks for, if any; what an earlier run left is counted as replayed. 0,
 * or -errno with a message. */
int eye_backlog_open(struct eye_backlog *backlog, const struct eye_exporter_config *own,
                     struct eye_error *ret_error);

/** @backlog, which is initialised, takes over the spool of @from, with its own limits. How many
 * snapshots wait there. */
size_t eye_backlog_move(struct eye_backlog *backlog, struct eye_backlog *from);

void eye_backlog_close(struct eye_backlog *backlog);

/** True when the oldest segment holds @snapshot. */
bool eye_backlog_begins_with(const struct eye_backlog *backlog,
                             const struct eye_snapshot *snapshot);

/** True when something waits. */
bool eye_backlog_has_work(const struct eye_backlog *backlog);

/** True when something of the run that began at @start_ns waits. */
bool eye_backlog_has_run(const struct eye_backlog *backlog, uint64_t start_ns);

/**
 * Takes the newest of that run out: one reference. When none is left, NULL, and forgets what was
 * delivered of it. Those that cannot be read are counted as skipped on the way.
 */
const struct eye_snapshot *eye_backlog_take_newest(struct eye_backlog *backlog, uint64_t start_ns);

/**
 * Puts @snapshot on disk, and before it @before (may be NULL) as the one delivered last when
 * nothing waited. True when it is there; then the caller's reference is no longer needed.
 */
bool eye_backlog_store(struct eye_backlog *backlog, const struct eye_snapshot *snapshot,
                       const struct eye_snapshot *before);

/**
 * Reads the snapshot to deliver next, with one reference, or NULL when nothing is left. On the way
 * goes what need not be delivered: segments that cannot be read, those older than max_age_ns, and
 * those whose changes a newer one of the same run carries when the format has no time or they are
 * older than @oldest_ns (wall clock; the last of a run comes all the same). @memory_run_ns: the run
 * of newer ones that wait in memory; 0: none wait.
 */
const struct eye_snapshot *eye_backlog_next(struct eye_backlog *backlog, uint64_t memory_run_ns,
                                            uint64_t oldest_ns);

/**
 * What a delivery of @snapshot, the first of its run in this process, compares with: what an
 * earlier process delivered last, or NULL for nothing; with one reference. When that cannot be read
 * it is @snapshot itself: a loss of one interval, counted, rather than a run that counts twice.
 */
const struct eye_snapshot *eye_backlog_before(struct eye_backlog *backlog,
                                              const struct eye_snapshot *snapshot);

/** The snapshot that eye_backlog_next() gave is delivered. */
void eye_backlog_delivered(struct eye_backlog *backlog);
