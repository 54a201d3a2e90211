/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way anything is counted: groups make series, series take values. Everything here
 * belongs to the collector thread; other threads see snapshots (collector/snapshot).
 *
 *   registry -> group (common tags) -> series (metric + tag set) -> value
 *
 * Cardinality is bounded per metric. A tag value beyond the tag's budget, and a series beyond the
 * metric's, is counted under the same metric with that tag set to "__other__", so sums stay whole;
 * sockeye.series.overflow names the metric and the tag. Budgets are shared: what a service's
 * clients choose has a share per service, and idle series make room (budget.h). Metrics of the
 * daemon itself have no budget: their tags are few by construction (enum eye_series_bound).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/telemetry/catalogue.h"
#include "collector/telemetry/distribution.h"
#include "collector/telemetry/tag_set.h"

struct eye_registry;
struct eye_group;

struct eye_limits {
    uint32_t series_per_metric; /* default 2000 */
    uint32_t values_per_tag;    /* distinct values of one tag within one metric; default 1000 */
    uint64_t idle_ns;           /* series unchanged for so long may expire; default 5 min */
    uint64_t volume_bytes;      /* of all series with a budget: page and memory; 0: no limit */
};

/* The keys of the configuration that these come from, as sockeye.series.overflow names them: the
 * volume grows with the series. */
#define EYE_LIMIT_SERIES "limits.series"
#define EYE_LIMIT_TAG_VALUES "limits.tag_values"

/* Who chose a tag's value. */
enum eye_choice {
    EYE_CHOICE_OURS,    /* a program, the configuration, the kernel: the metric's budget */
    EYE_CHOICE_CLIENTS, /* whoever talks to a service: that service's share of the budget */
    EYE_CHOICE_REFUSED, /* the same, and the service refused it: the first quarter of the share */
};

struct eye_holder;

struct eye_series {
    const struct eye_metric *metric;
    struct eye_tag_set *tags;  /* one reference */
    uint64_t id;               /* never reused; larger is younger */
    uint64_t changed_sequence; /* the snapshot that will first hold the last change */
    uint64_t changed_ns;       /* when, monotonic, to the precision of a snapshot */
    union {
        uint64_t counter;
        double gauge;
        struct eye_distribution distribution;
    };
    struct eye_distribution *frozen; /* last picture of the distribution; NULL: changed since */
    struct eye_holder *holder;       /* whose share it counts in; NULL: without budget */
    uint32_t intervals;              /* in which it changed */
    uint32_t volume_bytes;
    bool chosen;             /* clients chose the value of a tag */
    bool crowded;            /* in its first interval others found no place */
    bool changed;            /* since the last snapshot */
    bool kept_elsewhere;     /* made anew, its whole total would be counted again */
    uint64_t *lost;          /* of its registry */
    struct eye_series *next; /* in the metric's list, oldest first */
    struct eye_series *previous;
};

/** NULL when out of memory. */
struct eye_registry *eye_registry_new(const struct eye_limits *limits);

/**
 * Other limits from now on. What is there stays, beyond a smaller budget too: it goes when it is
 * idle (sooner where others need its place), and until there is room again all newcomers are
 * counted under __other__. Larger ones hold from the next look-up on.
 */
void eye_registry_set_limits(struct eye_registry *registry, const struct eye_limits *limits);

/** Frees registry, groups and series. Frozen pictures that a snapshot holds live on. */
void eye_registry_free(struct eye_registry *registry);

/** A group whose series all carry @tags (copied; may be none). Freed with the registry. NULL when
 * out of memory. */
struct eye_group *eye_group_new(struct eye_registry *registry, const struct eye_tag_value *tags,
                                size_t count);

/**
 * The series of @metric with the group's tags and @tags, made when new; budgets apply. The tags
 * must be among those that the catalogue lists for the metric. A NULL value leaves a tag out. Never
 * NULL: when out of memory it is a scratch series that is in no snapshot, and eye_registry_lost()
 * grows.
 *
 * The pointer is good until eye_registry_generation() changes.
 */
struct eye_series *eye_group_series(struct eye_group *group, enum eye_metric_id metric,
                                    const struct eye_tag_value *tags, size_t count);

/**
 * The same, where the value of the tag @chosen (one of those in budget.c) was not chosen on this
 * host.
 */
struct eye_series *eye_group_series_chosen(struct eye_group *group, enum eye_metric_id metric,
                                           const struct eye_tag_value *tags, size_t count,
                                           enum eye_tag chosen, enum eye_choice choice);

/** Whether a series of @metric and @service has this value of @tag, or one of any service has it
 * that no client chose. */
bool eye_group_knows(const struct eye_group *group, enum eye_metric_id metric, const char *service,
                     enum eye_tag tag, const char *value);

/** How many values of @tag (EYE_TAG_ROUTE, _METHOD, _REMOTE or _TYPE) clients of @service have
 * chosen. */
uint32_t eye_group_chosen(const struct eye_group *group, enum eye_metric_id metric,
                          const char *service, enum eye_tag tag);

/**
 * Grows whenever series were removed, or may be had that were refused: cached series pointers are
 * then void. A look-up that makes a series may remove idle ones of the same metric.
 */
uint64_t eye_registry_generation(const struct eye_registry *registry);

/** Look-ups and values lost because memory ran out. */
uint64_t eye_registry_lost(const struct eye_registry *registry);

void eye_counter_add(struct eye_series *series, uint64_t amount);

/** For counters kept elsewhere (kernel, other threads): takes the absolute value; smaller ones are
 * ignored. Such a series never expires. */
void eye_counter_set(struct eye_series *series, uint64_t total);

/**
 * The same where who keeps it may go, and another one begin at 0 under the same name: adds what
 * @total has grown by since *@told, and keeps it there.
 */
void eye_counter_follow(struct eye_series *series, uint64_t total, uint64_t *told);

void eye_gauge_set(struct eye_series *series, double value);
void eye_gauge_add(struct eye_series *series, double amount);
void eye_distribution_add(struct eye_series *series, double value, uint64_t weight);

/** Removes a series whose subject is gone (a gauge must not stay at its last value). */
void eye_series_remove(struct eye_registry *registry, struct eye_series *series);

/** The subject of a series that was kept elsewhere is gone: a gauge is removed, a counter may
 * expire as any other, when every reader has its last value. */
void eye_series_retire(struct eye_registry *registry, struct eye_series *series);

/**
 * Marks the end of an interval: called by the snapshot with its sequence number and the monotonic
 * time, before it copies. Removes series idle for limits.idle_ns whose last change is in a
 * snapshot that every reader has delivered (@delivered_sequence or older), and sooner where a
 * budget runs short. Gauges at zero expire like counters; other gauges stay.
 */
void eye_registry_close_interval(struct eye_registry *registry, uint64_t sequence, uint64_t now_ns,
                                 uint64_t delivered_sequence);

/** First series of a metric, oldest first; follow `next`. NULL when it has none. */
struct eye_series *eye_registry_first(const struct eye_registry *registry,
                                      enum eye_metric_id metric);
size_t eye_registry_count(const struct eye_registry *registry, enum eye_metric_id metric);
