/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the DogStatsD exporter share: a registry to count in, and a reader of lines. */
#pragma once

#include "collector/snapshot/snapshot.h"
#include "exporters/encode/selection.h"

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    uint64_t sequence;
};

void world_init(struct world *world);
void world_done(struct world *world);

/* Counts in the series of @metric with the one tag @tag (EYE_TAG_COUNT: none). */
struct eye_series *world_series(struct world *world, enum eye_metric_id metric, enum eye_tag tag,
                                const char *value);

struct eye_snapshot *world_snapshot(struct world *world);

/* Everything wanted, prefix "sockeye.", the given fixed tags. */
struct eye_selection world_selection(struct eye_fixed_tag *fixed, size_t count);

/* Sums per name, type and tags of all lines read. */
struct tally_entry {
    char *key;       /* "name|type|#tags"; owned */
    double sum;      /* values times weights; of gauges the last value */
    uint64_t weight; /* values */
};

struct tally {
    struct tally_entry *entries;
    size_t count;
    size_t lines;  /* of metrics */
    size_t times;  /* lines with a time */
    size_t fields; /* c:, e: and card: */
    size_t events;
    char event[64]; /* title of the last one */
    size_t checks;
    struct tally *client; /* gets datadog.dogstatsd.client.*; NULL: they count like any other */
};

void tally_done(struct tally *tally);

/* Reads a datagram; false when one of its lines is not well-formed. */
bool tally_read(struct tally *tally, const char *bytes, size_t length);

const struct tally_entry *tally_find(const struct tally *tally, const char *key);
