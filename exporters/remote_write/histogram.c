/* SPDX-License-Identifier: Apache-2.0 */
/* Counts as deltas, in spans of buckets that are not empty. */
#include "exporters/remote_write/histogram.h"

#include <stdlib.h>

/* Below this a value counts as zero: key 0 of our bins. */
#define ZERO_THRESHOLD 1e-9

/* A shorter run of empty buckets costs less than a new span. */
#define GAP_MIN 3

struct eye_write_histogram *eye_write_histogram_new(void)
{
    struct eye_write_histogram *histogram = malloc(sizeof(*histogram));
    if (histogram == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < EYE_EXPONENTIAL_MAX; i++) {
        eye_write__bucket_span__init(&histogram->spans[i]);
        histogram->span_list[i] = &histogram->spans[i];
    }
    return histogram;
}

static void reset(struct eye_write_histogram *histogram)
{
    eye_write__histogram__init(&histogram->message);
    histogram->message.schema = EYE_EXPONENTIAL_SCALE;
    histogram->message.zero_threshold = ZERO_THRESHOLD;
    histogram->message.positive_spans = histogram->span_list;
    histogram->message.positive_deltas = histogram->deltas;
}

/* How many buckets from @start on are empty. */
static uint32_t empty_run(const struct eye_exponential *buckets, uint32_t start)
{
    uint32_t end = start;
    while (end < buckets->size && buckets->counts[end] == 0) {
        end++;
    }
    return end - start;
}

static void begin_span(EyeWrite__Histogram *message, int32_t offset)
{
    EyeWrite__BucketSpan *span = message->positive_spans[message->n_positive_spans++];
    span->offset = offset;
    span->length = 0;
}

static void add_bucket(EyeWrite__Histogram *message, uint64_t count, uint64_t previous)
{
    message->positive_deltas[message->n_positive_deltas++] = (int64_t)(count - previous);
    message->positive_spans[message->n_positive_spans - 1]->length++;
}

static void fill_buckets(EyeWrite__Histogram *message, const struct eye_exponential *buckets)
{
    uint64_t previous = 0;
    if (buckets->size > 0) {
        /* Prometheus counts buckets by their upper bounds. */
        begin_span(message, buckets->offset + 1);
    }
    for (uint32_t i = 0; i < buckets->size; i++) {
        uint32_t gap = empty_run(buckets, i);
        if (gap >= GAP_MIN) {
            begin_span(message, (int32_t)gap);
            i += gap;
        }
        add_bucket(message, buckets->counts[i], previous);
        previous = buckets->counts[i];
    }
}

void eye_write_histogram_fill(struct eye_write_histogram *histogram,
                              const struct eye_distribution *distribution)
{
    struct eye_exponential *buckets = &histogram->buckets;
    reset(histogram);
    eye_buckets_exponential(distribution, NULL, buckets);
    histogram->message.count_int = distribution->count;
    histogram->message.sum = distribution->sum;
    histogram->message.zero_count_int = buckets->zero;
    fill_buckets(&histogram->message, buckets);
}

void eye_write_histogram_end(struct eye_write_histogram *histogram, double marker)
{
    reset(histogram);
    histogram->message.sum = marker;
}
