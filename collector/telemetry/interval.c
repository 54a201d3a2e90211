/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an interval: what changed is noted, what is idle for long goes. */
#include "collector/telemetry/expiry.h"

static void note_change(struct eye_registry *registry, struct eye_series *series)
{
    series->changed = false;
    series->changed_sequence = registry->rules.sequence;
    series->changed_ns = registry->closed_ns;
    series->crowded |= series->intervals == 0 && eye_metric_has_budget(series->metric) &&
                       eye_budget_was_refused(&registry->metrics[series->metric->id].budget,
                                              &registry->rules, series);
    series->intervals += series->intervals < UINT32_MAX ? 1 : 0;
    if (series->metric->kind == EYE_DISTRIBUTION) {
        eye_distribution_unref(series->frozen);
        series->frozen = NULL;
    }
}

static void close_series(struct eye_registry *registry, struct eye_series *series)
{
    if (series->changed) {
        note_change(registry, series);
    } else if (eye_series_may_go(registry, series) &&
               registry->closed_ns - series->changed_ns >= registry->limits.idle_ns) {
        eye_series_expire(registry, series);
    }
}

/* What was refused is asked for anew: the answer may be another now. */
static void begin_interval(struct eye_registry *registry)
{
    registry->generation += registry->rules.refused ? 1 : 0;
    registry->rules.refused = false;
    registry->rules.sequence++;
}

void eye_registry_close_interval(struct eye_registry *registry, uint64_t sequence, uint64_t now_ns,
                                 uint64_t delivered_sequence)
{
    registry->rules.sequence = sequence;
    registry->closed_ns = now_ns;
    registry->delivered_sequence = delivered_sequence;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        struct eye_series *series = registry->metrics[i].first;
        while (series != NULL) {
            struct eye_series *next = series->next;
            close_series(registry, series);
            series = next;
        }
    }
    begin_interval(registry);
    if (registry->expired > 0) {
        eye_counter_set(eye_group_series(registry->self, EYE_METRIC_SELF_EXPIRED, NULL, 0),
                        registry->expired);
    }
}
