/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distributions as native histograms: schema 5, whose buckets grow by 2^(1/32) = 1.0219, spans and
 * deltas. Used by one worker thread.
 */
#pragma once

#include "exporters/encode/buckets.h"
#include "exporters/remote_write/write.pb-c.h"

/* Everything that a message points to, kept to be used again. */
struct eye_write_histogram {
    struct eye_exponential buckets;
    EyeWrite__Histogram message;
    EyeWrite__BucketSpan spans[EYE_EXPONENTIAL_MAX];
    EyeWrite__BucketSpan *span_list[EYE_EXPONENTIAL_MAX]; /* to each of spans */
    int64_t deltas[EYE_EXPONENTIAL_MAX];
};

/** NULL when out of memory; to be released with free(). */
struct eye_write_histogram *eye_write_histogram_new(void);

/** Makes `message` out of all values of @distribution. The times are the caller's to set. */
void eye_write_histogram_fill(struct eye_write_histogram *histogram,
                              const struct eye_distribution *distribution);

/** Makes `message` say that the series ended: a sum of @marker, and nothing else. */
void eye_write_histogram_end(struct eye_write_histogram *histogram, double marker);
