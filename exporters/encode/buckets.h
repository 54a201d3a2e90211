/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our bins as the buckets of other formats: fixed boundaries (Prometheus classic, OTLP explicit)
 * and powers of two (Prometheus native, OTLP exponential). A bin goes whole into one bucket, the
 * one that holds its value, so counts are exact and a value moves by at most half a bin (0.8 %). No
 * state but tables made once. Any thread.
 */
#pragma once

#include "collector/telemetry/distribution.h"

struct eye_boundary {
    double value;
    const char *text; /* canonical: Go's %g, with ".0" where it would look like an integer */
};

/* Never change between releases: dashboards add buckets of several hosts. */
#define EYE_BOUNDARY_COUNT 21
extern const struct eye_boundary eye_boundaries[EYE_BOUNDARY_COUNT];

/**
 * Counts since @before (NULL: all) up to and including each boundary: cumulative, so the last one
 * differs from the total count by what is above it.
 */
void eye_buckets_classic(const struct eye_distribution *now, const struct eye_distribution *before,
                         uint64_t ret_counts[EYE_BOUNDARY_COUNT]);

/* Buckets (2^(2^-scale))^i < x <= (2^(2^-scale))^(i+1) have index i here, as OTLP counts;
 * Prometheus counts by the upper bound: i + 1. */
#define EYE_EXPONENTIAL_SCALE 5
/* Keys 1 .. 4095 span 91.6 doublings of 32 buckets each: 2931. */
#define EYE_EXPONENTIAL_MAX 3072

struct eye_exponential {
    int32_t offset; /* index of counts[0] */
    uint32_t size;  /* counts used; 0: none */
    uint64_t zero;  /* values below 1e-9 */
    uint64_t counts[EYE_EXPONENTIAL_MAX];
};

/** Fills @ret_buckets with what happened since @before (NULL: all). Sparse ends are cut. */
void eye_buckets_exponential(const struct eye_distribution *now,
                             const struct eye_distribution *before,
                             struct eye_exponential *ret_buckets);
