/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Graphite gets of one change: one number for a counter or gauge, some for a distribution,
 * each with the ending of its name. Durations are in seconds, like everything that is not StatsD.
 * No state, any thread.
 */
#pragma once

#include "exporters/encode/bins.h"

/*
 * Order of the choices of `counters`. The increase of each slot is what StatsD leaves in
 * Graphite and what sumSeries() and summarize() add up; a restart of ours makes no step in it.
 */
enum eye_graphite_counters { EYE_GRAPHITE_DELTA, EYE_GRAPHITE_TOTAL };

/* Of a number that is no bin's. */
#define EYE_GRAPHITE_NO_BIN UINT32_MAX

struct eye_graphite_value {
    const char *ending; /* "", ".p50", ... */
    uint32_t bin;       /* the number is the value of this bin */
    double number;      /* otherwise */
};

/* Quantiles, count and sum. */
#define EYE_GRAPHITE_VALUES_MAX (EYE_QUANTILE_COUNT + 2)

/**
 * Returns how many values @change has: at least one. Quantiles are of the change, and left out
 * when nothing happened.
 */
size_t eye_graphite_values(const struct eye_change *change, enum eye_graphite_counters counters,
                           struct eye_graphite_value ret_values[EYE_GRAPHITE_VALUES_MAX]);
