/* SPDX-License-Identifier: Apache-2.0 */
/* Series, names and values, the same in both versions. */
#include "exporters/remote_write/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/prometheus/names.h"

#define FAMILY_MAX_BYTES 1024

int eye_write_shared_init(struct eye_write_shared *shared, const struct eye_selection *selection,
                          bool native)
{
    *shared = (struct eye_write_shared){
        .selection = selection,
        .native = native,
        .histogram = eye_write_histogram_new(),
    };
    bool failed = shared->histogram == NULL;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        eye_text_init(&shared->family[i], FAMILY_MAX_BYTES);
        eye_prometheus_append_family(selection, eye_metric((enum eye_metric_id)i),
                                     &shared->family[i]);
        failed |= shared->family[i].failed;
    }
    failed |= eye_write_labels_init(&shared->labels, selection) != 0;
    return failed ? -ENOMEM : 0;
}

void eye_write_shared_done(struct eye_write_shared *shared)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        eye_text_done(&shared->family[i]);
    }
    eye_write_labels_done(&shared->labels);
    free(shared->histogram);
    shared->histogram = NULL;
}

size_t eye_write_part_count(const struct eye_write_shared *shared, const struct eye_metric *metric)
{
    return metric->kind == EYE_DISTRIBUTION && !shared->native ? EYE_WRITE_PARTS : 1;
}

const char *eye_write_suffix(const struct eye_metric *metric, size_t part, size_t part_count)
{
    if (part_count == 1) {
        return metric->kind == EYE_COUNTER ? "_total" : "";
    }
    if (part <= EYE_WRITE_BUCKET_INF) {
        return "_bucket";
    }
    return part == EYE_WRITE_SUM ? "_sum" : "_count";
}

const char *eye_write_le(size_t part, size_t part_count)
{
    if (part_count == 1 || part > EYE_WRITE_BUCKET_INF) {
        return NULL;
    }
    return part < EYE_WRITE_BUCKET_INF ? eye_boundaries[part].text : "+Inf";
}

static void histogram_values(const struct eye_distribution *distribution,
                             double ret_values[EYE_WRITE_PARTS])
{
    uint64_t counts[EYE_BOUNDARY_COUNT];
    eye_buckets_classic(distribution, NULL, counts);
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        ret_values[i] = (double)counts[i];
    }
    ret_values[EYE_WRITE_BUCKET_INF] = (double)distribution->count;
    ret_values[EYE_WRITE_SUM] = distribution->sum;
    ret_values[EYE_WRITE_COUNT] = (double)distribution->count;
}

void eye_write_values(const struct eye_point *point, double ret_values[EYE_WRITE_PARTS])
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        ret_values[0] = eye_counter_value(point->metric, point->counter);
        break;
    case EYE_GAUGE:
        ret_values[0] = point->gauge;
        break;
    case EYE_DISTRIBUTION:
        histogram_values(point->distribution, ret_values);
        break;
    }
}

EyeWrite__Type eye_write_type(const struct eye_metric *metric)
{
    static const EyeWrite__Type types[] = {
        [EYE_COUNTER] = EYE_WRITE__TYPE__COUNTER,
        [EYE_GAUGE] = EYE_WRITE__TYPE__GAUGE,
        [EYE_DISTRIBUTION] = EYE_WRITE__TYPE__HISTOGRAM,
    };
    return types[metric->kind];
}

double eye_write_stale_marker(void)
{
    /* prometheus/model/value: StaleNaN. */
    const uint64_t bits = UINT64_C(0x7ff0000000000002);
    double marker;
    memcpy(&marker, &bits, sizeof(marker));
    return marker;
}
