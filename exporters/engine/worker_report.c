/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters follow what the worker counts, so that an exporter that is made anew under the same name
 * goes on where the one before it ended.
 */
#include "exporters/engine/worker_report.h"

#include <stdlib.h>
#include <string.h>

struct counters {
    uint64_t delivered;
    uint64_t refused;
    uint64_t skipped;
    uint64_t points;
    uint64_t seen;
    uint64_t replayed;
    uint64_t bytes;
    uint64_t failures[EYE_EXPORT_REASON_COUNT];
    uint64_t dropped[EYE_EXPORT_REASON_COUNT];
};

struct worker_report {
    struct eye_report report; /* first: this is what the list has */
    struct eye_worker *worker;
    char *name; /* owned */
    struct counters now;
    struct counters told;
    uint64_t queued;
    uint64_t failing;
    uint64_t spooled_bytes;
};

static struct worker_report *own(struct eye_report *report)
{
    return (struct worker_report *)report;
}

static void read_reasons(const atomic_uint_fast64_t *counts, uint64_t *ret_counts)
{
    for (size_t i = 0; i < EYE_EXPORT_REASON_COUNT; i++) {
        ret_counts[i] = atomic_load(&counts[i]);
    }
}

static void read_worker(struct eye_report *report)
{
    struct worker_report *mine = own(report);
    struct counters *now = &mine->now;
    const struct eye_export_stats *stats = eye_worker_stats(mine->worker);
    const struct eye_worker_counts snapshots = eye_worker_count(mine->worker);
    now->delivered = snapshots.delivered;
    now->refused = snapshots.refused;
    now->skipped = snapshots.skipped;
    mine->queued = snapshots.queued;
    now->points = atomic_load(&stats->points);
    now->seen = atomic_load(&stats->seen);
    mine->failing = atomic_load(&stats->failing);
    now->replayed = atomic_load(&stats->replayed);
    mine->spooled_bytes = atomic_load(&stats->spooled_bytes);
    now->bytes = atomic_load(&stats->bytes);
    read_reasons(stats->failures, now->failures);
    read_reasons(stats->dropped, now->dropped);
}

/* ---- Series ---- */

static struct eye_series *series(const struct worker_report *mine, struct eye_group *group,
                                 enum eye_metric_id metric)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_EXPORTER, mine->name}};
    return eye_group_series(group, metric, tags, 1);
}

static struct eye_series *series_of(const struct worker_report *mine, struct eye_group *group,
                                    enum eye_metric_id metric, enum eye_tag tag, const char *value)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_EXPORTER, mine->name}, {tag, value}};
    return eye_group_series(group, metric, tags, 2);
}

/* One counter of all: what is done with it is the same for each. */
typedef void counter_fn(void *context, struct eye_series *series, uint64_t now, uint64_t *told);

static void visit_reasons(struct worker_report *mine, struct eye_group *group,
                          enum eye_metric_id metric, const uint64_t *now, uint64_t *told,
                          counter_fn *visit, void *context)
{
    for (size_t i = 0; i < EYE_EXPORT_REASON_COUNT; i++) {
        if (now[i] > 0) {
            const char *reason = eye_export_reason_name((enum eye_export_reason)i);
            visit(context, series_of(mine, group, metric, EYE_TAG_REASON, reason), now[i],
                  &told[i]);
        }
    }
}

static void visit_counters(struct worker_report *mine, struct eye_group *group, counter_fn *visit,
                           void *context)
{
    const struct counters *now = &mine->now;
    struct counters *told = &mine->told;
    const struct {
        const char *outcome; /* NULL: the metric has none */
        enum eye_metric_id metric;
        uint64_t now;
        uint64_t *told;
    } all[] = {
        {"delivered", EYE_METRIC_SELF_SNAPSHOTS, now->delivered, &told->delivered},
        {"refused", EYE_METRIC_SELF_SNAPSHOTS, now->refused, &told->refused},
        {"skipped", EYE_METRIC_SELF_SNAPSHOTS, now->skipped, &told->skipped},
        {NULL, EYE_METRIC_SELF_POINTS, now->points, &told->points},
        {NULL, EYE_METRIC_SELF_POINTS_SEEN, now->seen, &told->seen},
        {NULL, EYE_METRIC_SELF_REPLAYED, now->replayed, &told->replayed},
        {NULL, EYE_METRIC_SELF_SENT_BYTES, now->bytes, &told->bytes},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(all); i++) {
        struct eye_series *counter =
            all[i].outcome == NULL
                ? series(mine, group, all[i].metric)
                : series_of(mine, group, all[i].metric, EYE_TAG_OUTCOME, all[i].outcome);
        visit(context, counter, all[i].now, all[i].told);
    }
    visit_reasons(mine, group, EYE_METRIC_SELF_FAILURES, now->failures, told->failures, visit,
                  context);
    visit_reasons(mine, group, EYE_METRIC_SELF_DROPPED, now->dropped, told->dropped, visit,
                  context);
}

static void follow(void *context, struct eye_series *counter, uint64_t now, uint64_t *told)
{
    (void)context;
    eye_counter_follow(counter, now, told);
}

static void tell(struct eye_report *report, struct eye_group *group)
{
    struct worker_report *mine = own(report);
    visit_counters(mine, group, follow, NULL);
    eye_gauge_set(series(mine, group, EYE_METRIC_SELF_QUEUED), (double)mine->queued);
    eye_gauge_set(series(mine, group, EYE_METRIC_SELF_FAILING), (double)mine->failing);
    eye_gauge_set(series(mine, group, EYE_METRIC_SELF_SPOOL), (double)mine->spooled_bytes);
}

static void let_go(void *context, struct eye_series *counter, uint64_t now, uint64_t *told)
{
    (void)now;
    (void)told;
    struct eye_registry *registry = context;
    eye_series_retire(registry, counter);
}

static void retire(struct eye_report *report, struct eye_registry *registry,
                   struct eye_group *group)
{
    struct worker_report *mine = own(report);
    visit_counters(mine, group, let_go, registry);
    eye_series_retire(registry, series(mine, group, EYE_METRIC_SELF_QUEUED));
    eye_series_retire(registry, series(mine, group, EYE_METRIC_SELF_FAILING));
    eye_series_retire(registry, series(mine, group, EYE_METRIC_SELF_SPOOL));
}

/* ---- Life ---- */

void eye_worker_report_free(struct eye_report *report)
{
    if (report != NULL) {
        free(own(report)->name);
        free(report);
    }
}

static const struct eye_report_type type = {
    .read = read_worker,
    .tell = tell,
    .retire = retire,
    .free = eye_worker_report_free,
};

struct eye_report *eye_worker_report_new(struct eye_worker *worker)
{
    struct worker_report *mine = calloc(1, sizeof(*mine));
    if (mine == NULL) {
        return NULL;
    }
    mine->report.type = &type;
    mine->worker = worker;
    mine->name = strdup(eye_worker_name(worker));
    if (mine->name == NULL) {
        free(mine);
        return NULL;
    }
    return &mine->report;
}
