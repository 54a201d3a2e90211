/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of exporters start from: a registry whose intervals end at fixed times, and the setup
 * that open() gets.
 */
#pragma once

#include "exporters/exporter.h"

/* The first interval ends here: 2026-08-02 12:00:10 UTC. */
#define SAMPLE_TIME_NS (UINT64_C(1785672010) * 1000000000)
#define SAMPLE_INTERVAL_NS (UINT64_C(10) * 1000000000)

struct sample {
    struct eye_registry *registry;
    struct eye_group *group;
    uint64_t sequence;
    uint64_t start_ns; /* of the run; a test may set it */
    struct eye_config config;
    struct eye_exporter_config own;
    struct eye_export_stats stats;
    struct eye_deadline deadline;
    struct eye_exporter_setup setup;
    struct eye_snapshot *snapshots[8]; /* unreferenced by sample_free() */
};

/** Aborts the test when it fails. @values: of the exporter's own keys; may be NULL. */
struct sample *sample_new(void *values);
void sample_free(struct sample *sample);

/** The picture at the end of the next interval. Freed with the sample. */
struct eye_snapshot *sample_take(struct sample *sample);

/** One value for the series of @metric with @tags, a list that ends with a NULL value. */
void sample_add(struct sample *sample, enum eye_metric_id metric, double value,
                const struct eye_tag_value *tags);

/** By how much @metric, a counter, has grown from @before (may be NULL) to @now, over all series.
 */
uint64_t sample_growth(const struct eye_snapshot *now, const struct eye_snapshot *before,
                       enum eye_metric_id metric);

/* clang-format off */
#define SAMPLE_TAGS(...) ((const struct eye_tag_value[]){__VA_ARGS__ __VA_OPT__(,) {0, NULL}})
/* clang-format on */
