/* SPDX-License-Identifier: Apache-2.0 */
/* From changes to numbers. */
#include "exporters/graphite/values.h"

static const char *const endings[EYE_QUANTILE_COUNT] = {
    [EYE_P50] = ".p50",
    [EYE_P95] = ".p95",
    [EYE_P99] = ".p99",
    [EYE_MAX] = ".max",
};

static struct eye_graphite_value number(const char *ending, double value)
{
    return (struct eye_graphite_value){ending, EYE_GRAPHITE_NO_BIN, value};
}

static size_t of_distribution(const struct eye_change *change, enum eye_graphite_counters counters,
                              struct eye_graphite_value *ret_values)
{
    const struct eye_distribution *now = change->point->distribution;
    bool total = counters == EYE_GRAPHITE_TOTAL;
    size_t count = 0;
    ret_values[count++] = number(".count", (double)(total ? now->count : change->count));
    ret_values[count++] = number(".sum", total ? now->sum : change->sum);
    if (change->count > 0) {
        uint32_t keys[EYE_QUANTILE_COUNT];
        eye_bins_quantiles(change, keys);
        for (size_t i = 0; i < EYE_QUANTILE_COUNT; i++) {
            ret_values[count++] = (struct eye_graphite_value){.ending = endings[i], .bin = keys[i]};
        }
        double mean = change->sum / (double)change->count;
        if (eye_distribution_greatest(keys[EYE_MAX], mean) == mean) {
            ret_values[count - 1] = number(endings[EYE_MAX], mean);
        }
    }
    return count;
}

size_t eye_graphite_values(const struct eye_change *change, enum eye_graphite_counters counters,
                           struct eye_graphite_value ret_values[EYE_GRAPHITE_VALUES_MAX])
{
    const struct eye_point *point = change->point;
    switch (point->metric->kind) {
    case EYE_COUNTER: {
        uint64_t counter = counters == EYE_GRAPHITE_TOTAL ? point->counter : change->counter;
        ret_values[0] = number("", eye_counter_value(point->metric, counter));
        return 1;
    }
    case EYE_GAUGE:
        ret_values[0] = number("", point->gauge);
        return 1;
    case EYE_DISTRIBUTION:
        return of_distribution(change, counters, ret_values);
    }
    return 0;
}
