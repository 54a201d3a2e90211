/* SPDX-License-Identifier: Apache-2.0 */
/* The order of what waits on disk, and what of it can go. */
#include "exporters/engine/backlog.h"

#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"

void eye_backlog_init(struct eye_backlog *backlog, const struct eye_exporter_type *type,
                      const struct eye_exporter_config *own, const char *name,
                      struct eye_export_stats *stats)
{
    *backlog = (struct eye_backlog){
        .stats = stats,
        .name = name,
        .max_bytes = own->common.spool_bytes,
        .max_age_ns = own->common.spool_age_ns,
        .timestamped = type->timestamped,
    };
}

static size_t waiting(const struct eye_backlog *backlog)
{
    size_t count = 0;
    if (backlog->spool != NULL) {
        eye_spool_waiting(backlog->spool, &count);
    }
    return count;
}

static void update_bytes(const struct eye_backlog *backlog)
{
    atomic_store(&backlog->stats->spooled_bytes,
                 backlog->spool == NULL ? 0 : eye_spool_bytes(backlog->spool));
}

int eye_backlog_open(struct eye_backlog *backlog, const struct eye_exporter_config *own,
                     struct eye_error *ret_error)
{
    const char *path = own->common.spool_path;
    if (path == NULL) {
        return 0;
    }
    int result =
        eye_spool_open(path, backlog->name, backlog->max_bytes, &backlog->spool, ret_error);
    if (result == 0) {
        size_t count = waiting(backlog);
        atomic_fetch_add(&backlog->stats->replayed, count);
        atomic_fetch_add(&backlog->stats->queued, count);
        update_bytes(backlog);
    }
    return result;
}

size_t eye_backlog_move(struct eye_backlog *backlog, struct eye_backlog *from)
{
    backlog->spool = EYE_TAKE(from->spool);
    backlog->failing = from->failing;
    eye_spool_limit(backlog->spool, backlog->max_bytes);
    update_bytes(from);
    update_bytes(backlog);
    return waiting(backlog);
}

void eye_backlog_close(struct eye_backlog *backlog)
{
    eye_spool_close(backlog->spool);
    backlog->spool = NULL;
}

bool eye_backlog_has_work(const struct eye_backlog *backlog)
{
    return waiting(backlog) > 0;
}

bool eye_backlog_begins_with(const struct eye_backlog *backlog, const struct eye_snapshot *snapshot)
{
    size_t count;
    const struct eye_spool_segment *segments = eye_spool_waiting(backlog->spool, &count);
    return count > 0 && segments[0].start_ns == snapshot->start_ns &&
           segments[0].sequence == snapshot->sequence;
}

bool eye_backlog_has_run(const struct eye_backlog *backlog, uint64_t start_ns)
{
    size_t count = 0;
    const struct eye_spool_segment *segments =
        backlog->spool == NULL ? NULL : eye_spool_waiting(backlog->spool, &count);
    for (size_t i = 0; i < count; i++) {
        if (segments[i].start_ns == start_ns) {
            return true;
        }
    }
    return false;
}

/* ---- Writing ---- */

static void note_written(struct eye_backlog *backlog, int result)
{
    if (result != 0) {
        atomic_fetch_add(&backlog->stats->failures[EYE_EXPORT_SPOOL], 1);
    }
    if (result != 0 && !backlog->failing) {
        eye_log_warning("exporter %s: cannot write its spool: %s; snapshots wait in memory",
                        backlog->name,
                        result == -ENOSPC ? "no room within spool.max_size or the disk's share"
                                          : strerror(-result));
    } else if (result == 0 && backlog->failing) {
        eye_log_info("exporter %s: its spool can be written again", backlog->name);
    }
    backlog->failing = result != 0;
}

bool eye_backlog_store(struct eye_backlog *backlog, const struct eye_snapshot *snapshot,
                       const struct eye_snapshot *before)
{
    size_t evicted = 0;
    int result = 0;
    bool first = !eye_backlog_has_work(backlog);
    if (first && before != NULL && before->start_ns == snapshot->start_ns) {
        result = eye_spool_set_delivered(backlog->spool, before);
    }
    if (result == 0) {
        result = eye_spool_append(backlog->spool, snapshot, &evicted);
        backlog->skipped += evicted;
    }
    note_written(backlog, result);
    update_bytes(backlog);
    return result == 0;
}

/* ---- Choosing ---- */

/* Whether another snapshot of the run that the oldest segment belongs to will be delivered. */
static bool is_last_of_run(const struct eye_backlog *backlog, uint64_t memory_run_ns)
{
    size_t count;
    const struct eye_spool_segment *segments = eye_spool_waiting(backlog->spool, &count);
    if (count > 1) {
        return segments[1].start_ns != segments[0].start_ns;
    }
    return memory_run_ns != segments[0].start_ns;
}

static void drop_oldest(struct eye_backlog *backlog)
{
    eye_spool_drop_oldest(backlog->spool);
    backlog->skipped++;
    update_bytes(backlog);
}

static bool is_expired(const struct eye_backlog *backlog, const struct eye_snapshot *snapshot)
{
    uint64_t now_ns = eye_clock_wall_ns();
    return now_ns > snapshot->time_ns && now_ns - snapshot->time_ns > backlog->max_age_ns;
}

/* Points that are lost with the last snapshot of a run: those that changed since its delivery. */
static uint64_t count_changes(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    uint64_t count = 0;
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        count += change.counter > 0 || change.count > 0;
    }
    return count;
}

static void expire(struct eye_backlog *backlog, const struct eye_snapshot *snapshot, bool last)
{
    if (last) {
        const struct eye_snapshot *before = eye_backlog_before(backlog, snapshot);
        uint64_t lost = count_changes(snapshot, before);
        eye_snapshot_unref(before);
        atomic_fetch_add(&backlog->stats->seen, lost);
        atomic_fetch_add(&backlog->stats->dropped[EYE_EXPORT_EXPIRED], lost);
        eye_log_warning("exporter %s: gave up %llu point%s of an earlier run: older than "
                        "spool.max_age",
                        backlog->name, (unsigned long long)lost, lost == 1 ? "" : "s");
    }
    drop_oldest(backlog);
}

static void tell_unreadable(struct eye_backlog *backlog, int problem)
{
    atomic_fetch_add(&backlog->stats->failures[EYE_EXPORT_SPOOL], 1);
    eye_log_warning("exporter %s: skipped a segment of its spool: %s", backlog->name,
                    problem == -EBADMSG ? "its checksum or content is wrong" : strerror(-problem));
}

/* The oldest segment if it is to be delivered; else it is gone and NULL comes back. */
static const struct eye_snapshot *consider_oldest(struct eye_backlog *backlog,
                                                  uint64_t memory_run_ns, uint64_t oldest_ns)
{
    bool last = is_last_of_run(backlog, memory_run_ns);
    if (!last && !backlog->timestamped) {
        drop_oldest(backlog);
        return NULL;
    }
    const struct eye_snapshot *snapshot = NULL;
    int result = eye_spool_read_oldest(backlog->spool, &snapshot);
    if (result != 0) {
        tell_unreadable(backlog, result);
        drop_oldest(backlog);
        return NULL;
    }
    if (is_expired(backlog, snapshot) || (!last && snapshot->time_ns < oldest_ns)) {
        expire(backlog, snapshot, last);
        eye_snapshot_unref(snapshot);
        return NULL;
    }
    return snapshot;
}

const struct eye_snapshot *eye_backlog_next(struct eye_backlog *backlog, uint64_t memory_run_ns,
                                            uint64_t oldest_ns)
{
    const struct eye_snapshot *next = NULL;
    while (next == NULL && eye_backlog_has_work(backlog)) {
        next = consider_oldest(backlog, memory_run_ns, oldest_ns);
    }
    return next;
}

const struct eye_snapshot *eye_backlog_before(struct eye_backlog *backlog,
                                              const struct eye_snapshot *snapshot)
{
    const struct eye_snapshot *before = NULL;
    if (backlog->spool == NULL) {
        return NULL;
    }
    int result = eye_spool_read_delivered(backlog->spool, snapshot->start_ns, &before);
    if (result == 0 || result == -ENOENT) {
        return before;
    }
    /* From zero on, everything that was delivered would count twice. */
    atomic_fetch_add(&backlog->stats->failures[EYE_EXPORT_SPOOL], 1);
    eye_log_warning("exporter %s: cannot read what its spool says was delivered last: %s; what "
                    "changed in the interval after it is lost",
                    backlog->name, strerror(-result));
    return eye_snapshot_ref(snapshot);
}

void eye_backlog_delivered(struct eye_backlog *backlog)
{
    int result = eye_spool_advance(backlog->spool);
    if (result != 0) {
        note_written(backlog, result);
    }
    if (!eye_backlog_has_work(backlog)) {
        eye_spool_forget_delivered(backlog->spool);
    }
    update_bytes(backlog);
}

const struct eye_snapshot *eye_backlog_take_newest(struct eye_backlog *backlog, uint64_t start_ns)
{
    const struct eye_snapshot *newest = NULL;
    int result;
    while ((result = eye_spool_take_newest(backlog->spool, start_ns, &newest)) != 0 &&
           result != -ENOENT) {
        tell_unreadable(backlog, result);
        backlog->skipped++;
    }
    if (result != 0) {
        eye_spool_forget_run(backlog->spool, start_ns);
    }
    update_bytes(backlog);
    return newest;
}
