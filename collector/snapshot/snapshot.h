/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An immutable, reference-counted picture of every series at the end of one interval. The
 * collector makes it; exporter threads read it. Nothing is reset by reading: what changed is found
 * by comparing with the last snapshot that the same reader delivered, so skipping one costs time
 * resolution and never counts.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/telemetry/telemetry.h"

struct eye_point {
    const struct eye_metric *metric;
    struct eye_tag_set *tags; /* one reference */
    uint64_t id;              /* of the series; the same series has the same id in every snapshot */
    union {
        uint64_t counter; /* cumulative, in metric->scale units */
        double gauge;
        struct eye_distribution *distribution; /* cumulative, immutable; one reference */
    };
};

struct eye_snapshot {
    atomic_uint references;
    uint64_t sequence;    /* 1, 2, 3, ... */
    uint64_t time_ns;     /* end of the interval, wall clock, ns since 1970 */
    uint64_t interval_ns; /* its length, whatever was done to the wall clock */
    uint64_t start_ns;    /* when counting began, wall clock */
    uint64_t elapsed_ns;  /* since then, by a clock that nobody sets */
    size_t bytes;         /* memory of this snapshot alone, shared distributions included */
    size_t count;
    struct eye_point points[]; /* by metric id, then by series id */
};

/**
 * Takes the picture. Owned by the caller with one reference; NULL when out of memory (nothing is
 * lost: the next snapshot holds the same cumulative values). elapsed_ns is by the wall clock; who
 * knows better sets it before anybody else has the snapshot.
 */
struct eye_snapshot *eye_snapshot_take(struct eye_registry *registry, uint64_t sequence,
                                       uint64_t time_ns, uint64_t interval_ns, uint64_t start_ns);

/**
 * How long the changes from @before (NULL, or of another run: all that was counted) to @now took,
 * by a clock that nobody sets; more than 0.
 */
uint64_t eye_snapshot_span_ns(const struct eye_snapshot *now, const struct eye_snapshot *before);

/* Only the number of references of a snapshot ever changes, so readers hold it const. */
const struct eye_snapshot *eye_snapshot_ref(const struct eye_snapshot *snapshot);

/** Takes NULL. */
void eye_snapshot_unref(const struct eye_snapshot *snapshot);

/*
 * What changed from @before (may be NULL: everything) to @now, in the order of @now's points.
 * A counter or distribution whose series is not in @before counts from zero.
 */
struct eye_change {
    const struct eye_point *point;
    uint64_t counter;                      /* increase, in metric->scale units */
    uint64_t count;                        /* of a distribution: values recorded */
    double sum;                            /* of a distribution */
    const struct eye_distribution *before; /* for eye_distribution_*_since(); NULL: all of it */
};

struct eye_changes {
    const struct eye_snapshot *now;
    const struct eye_snapshot *before;
    size_t index;
    size_t before_index;
};

void eye_changes_begin(struct eye_changes *changes, const struct eye_snapshot *now,
                       const struct eye_snapshot *before);

/** The next point with its change, unchanged ones included; false at the end. O(1) amortised, no
 * allocation. */
bool eye_changes_next(struct eye_changes *changes, struct eye_change *ret_change);

/** Whether an interval without @change would look the same; a gauge tells about now. */
static inline bool eye_change_has_news(const struct eye_change *change)
{
    return change->point->metric->kind == EYE_GAUGE || change->counter > 0 || change->count > 0;
}

/**
 * The series of @before that are not in @now, with the values they had, as a snapshot with the
 * sequence and times of @now: for formats that say when a series ended. 0 with NULL when none is
 * gone (@before may be NULL), else owned by the caller with one reference; or -ENOMEM.
 */
int eye_snapshot_gone(const struct eye_snapshot *now, const struct eye_snapshot *before,
                      const struct eye_snapshot **ret_gone);

/**
 * The same points with another time. Owned by the caller with one reference; NULL when out of
 * memory.
 */
const struct eye_snapshot *eye_snapshot_at(const struct eye_snapshot *snapshot, uint64_t time_ns);

/** The value of a counter in the metric's unit. */
static inline double eye_counter_value(const struct eye_metric *metric, uint64_t counter)
{
    return (double)counter * metric->scale;
}
