/* SPDX-License-Identifier: Apache-2.0 */
/* Building snapshots through the real registry. */
#include "tests/unit/exporters/sample.h"

#include <assert.h>
#include <stdlib.h>

struct sample *sample_new(void *values)
{
    static char prefix[] = "sockeye.";
    static char name[] = "sample";
    struct sample *sample = calloc(1, sizeof(*sample));
    assert(sample != NULL);
    sample->start_ns = SAMPLE_TIME_NS - SAMPLE_INTERVAL_NS;
    const struct eye_limits limits = {
        .series_per_metric = 2000, .values_per_tag = 2000, .idle_ns = UINT64_MAX};
    sample->registry = eye_registry_new(&limits);
    assert(sample->registry != NULL);
    sample->group = eye_group_new(sample->registry, NULL, 0);
    assert(sample->group != NULL);
    sample->own.common.prefix = prefix;
    sample->own.name = name;
    sample->own.values = values;
    atomic_store(&sample->deadline.at_ns, UINT64_MAX);
    sample->setup = (struct eye_exporter_setup){
        .config = &sample->config,
        .own = &sample->own,
        .stats = &sample->stats,
        .deadline = &sample->deadline,
    };
    return sample;
}

void sample_free(struct sample *sample)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(sample->snapshots); i++) {
        eye_snapshot_unref(sample->snapshots[i]);
    }
    eye_registry_free(sample->registry);
    free(sample);
}

struct eye_snapshot *sample_take(struct sample *sample)
{
    assert(sample->sequence < EYE_ARRAY_LENGTH(sample->snapshots));
    uint64_t time_ns = SAMPLE_TIME_NS + sample->sequence * SAMPLE_INTERVAL_NS;
    uint64_t sequence = ++sample->sequence;
    eye_registry_close_interval(sample->registry, sequence, sequence, 0);
    struct eye_snapshot *snapshot = eye_snapshot_take(sample->registry, sequence, time_ns,
                                                      SAMPLE_INTERVAL_NS, sample->start_ns);
    assert(snapshot != NULL);
    sample->snapshots[sequence - 1] = snapshot;
    return snapshot;
}

void sample_add(struct sample *sample, enum eye_metric_id metric, double value,
                const struct eye_tag_value *tags)
{
    size_t count = 0;
    while (tags[count].value != NULL) {
        count++;
    }
    struct eye_series *series = eye_group_series(sample->group, metric, tags, count);
    switch (eye_metric(metric)->kind) {
    case EYE_COUNTER:
        eye_counter_add(series, (uint64_t)value);
        break;
    case EYE_GAUGE:
        eye_gauge_set(series, value);
        break;
    case EYE_DISTRIBUTION:
        eye_distribution_add(series, value, 1);
        break;
    }
}

uint64_t sample_growth(const struct eye_snapshot *now, const struct eye_snapshot *before,
                       enum eye_metric_id metric)
{
    struct eye_changes changes;
    struct eye_change change;
    uint64_t growth = 0;
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        growth += change.point->metric->id == metric ? change.counter : 0;
    }
    return growth;
}
