/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two pictures of a registry made from the bytes of a fuzzer: series with tag values of any bytes,
 * values at the ends of their ranges, and a prefix and fixed tags that the configuration accepts.
 * The same bytes always make the same world. Fails by abort.
 */
#pragma once

#include "exporters/encode/selection.h"
#include "exporters/exporter.h"

/* Series of the metric groups; each has a point in one or both of the snapshots. */
#define HOSTILE_SERIES_MAX 16

/* More of them, for an input that asks for a crowd. */
#define HOSTILE_CROWD_MAX 240

#define HOSTILE_POINTS_MAX (HOSTILE_SERIES_MAX + HOSTILE_CROWD_MAX)

#define HOSTILE_FIXED_MAX 3

/* Name and tags of a point are shorter. */
#define HOSTILE_BYTES_MAX ((size_t)8 << 10)

struct hostile {
    const uint8_t *bytes; /* not used yet */
    size_t left;
    struct eye_registry *registry;
    struct eye_config config; /* with the daemon's tags */
    struct eye_exporter_config own;
    struct eye_exporter_setup setup;
    struct eye_selection selection;
    const struct eye_snapshot *before; /* NULL: the first delivery */
    const struct eye_snapshot *now;
    uint32_t retries; /* bit i: payload i is sent again after a failure */
};

/** Settings of the format under test are taken first, by hostile_choice(). */
void hostile_init(struct hostile *world, const uint8_t *bytes, size_t size);

/** 0 .. @count - 1, from the end of the input. */
size_t hostile_choice(struct hostile *world, size_t count);

/**
 * Makes selection and snapshots out of what is left of the input. @crowd: how many series of the
 * longest tags fill several payloads of the format; at most HOSTILE_CROWD_MAX.
 */
void hostile_make(struct hostile *world, size_t crowd);
void hostile_done(struct hostile *world);
