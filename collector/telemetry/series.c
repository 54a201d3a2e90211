/* SPDX-License-Identifier: Apache-2.0 */
/* A series takes values, and is freed. */
#include <assert.h>
#include <stdlib.h>

#include "collector/telemetry/registry.h"

void eye_series_free(struct eye_series *series)
{
    if (series->metric->kind == EYE_DISTRIBUTION) {
        eye_distribution_done(&series->distribution);
        eye_distribution_unref(series->frozen);
    }
    eye_tag_set_unref(series->tags);
    free(series);
}

void eye_counter_add(struct eye_series *series, uint64_t amount)
{
    assert(series->metric->kind == EYE_COUNTER);
    series->counter += amount;
    series->changed |= amount != 0;
}

void eye_counter_set(struct eye_series *series, uint64_t total)
{
    series->kept_elsewhere = true;
    if (total > series->counter) {
        eye_counter_add(series, total - series->counter);
    }
}

/* What the scratch series gets when memory is out is told again when there is some. */
void eye_counter_follow(struct eye_series *series, uint64_t total, uint64_t *told)
{
    if (series->tags == NULL) {
        return;
    }
    series->kept_elsewhere = true;
    if (total > *told) {
        eye_counter_add(series, total - *told);
        *told = total;
    }
}

void eye_series_retire(struct eye_registry *registry, struct eye_series *series)
{
    if (series->tags == NULL) {
        return;
    }
    series->kept_elsewhere = false;
    if (series->metric->kind == EYE_GAUGE) {
        eye_series_remove(registry, series);
    }
}

void eye_gauge_set(struct eye_series *series, double value)
{
    assert(series->metric->kind == EYE_GAUGE);
    series->changed |= series->gauge != value;
    series->gauge = value;
}

void eye_gauge_add(struct eye_series *series, double amount)
{
    eye_gauge_set(series, series->gauge + amount);
}

void eye_distribution_add(struct eye_series *series, double value, uint64_t weight)
{
    assert(series->metric->kind == EYE_DISTRIBUTION);
    if (eye_distribution_record(&series->distribution, value, weight) == 0) {
        series->changed = true;
    } else {
        ++*series->lost;
    }
}
