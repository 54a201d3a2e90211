/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registry is made of, and how a series comes in and goes. Private to
 * collector/telemetry, collector thread.
 */
#pragma once

#include "collector/base/table.h"
#include "collector/telemetry/budget.h"

struct eye_series_key;

struct eye_metric_state {
    struct eye_series *first;
    struct eye_series *last;
    struct eye_series *overflow; /* youngest whose tags are all __other__; NULL: none yet */
    struct eye_budget budget;
};

struct eye_group {
    struct eye_registry *registry;
    struct eye_group *next;
    size_t tag_count;
    struct eye_tag_set *tags; /* NULL when it has none */
};

struct eye_registry {
    struct eye_limits limits;
    struct eye_group *groups;
    struct eye_table series; /* struct eye_series by metric and tags */
    struct eye_metric_state metrics[EYE_METRIC_COUNT];
    struct eye_budget_rules rules;
    uint64_t closed_ns;          /* end of the last interval, monotonic */
    uint64_t delivered_sequence; /* by every reader, when it ended */
    uint64_t next_id;
    uint64_t generation;
    uint64_t lost;
    uint64_t expired;
    struct eye_group *self;                      /* for the counters about series */
    struct eye_series scratch[EYE_METRIC_COUNT]; /* where values go when memory is out */
};

static inline bool eye_metric_has_budget(const struct eye_metric *metric)
{
    return metric->bound == EYE_SERIES_BUDGETED;
}

/** A new series of @key, which its budget takes and whose hash is @hash; counted in. NULL when out
 * of memory. */
struct eye_series *eye_registry_add(struct eye_registry *registry, const struct eye_series_key *key,
                                    uint64_t hash);

/** Frees a series that is in no list of a registry any more, made whole or in part. */
void eye_series_free(struct eye_series *series);
