/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Graphite encoder: changes of one snapshot to a payload of lines "path value time", or to a
 * pickle message. All points of a snapshot have one time. The same change always gives the same
 * bytes. Used by one worker thread.
 */
#pragma once

#include "exporters/encode/identities.h"
#include "exporters/graphite/values.h"

enum eye_graphite_protocol { EYE_GRAPHITE_LINES, EYE_GRAPHITE_PICKLE };

/* carbon ends the connection at a longer line. */
#define EYE_GRAPHITE_LINE_MAX_BYTES 16384

/* What a point of a distribution has besides its path, in either protocol; a gauge without
 * exponent may have more. */
#define EYE_GRAPHITE_POINT_BYTES 96
#define EYE_GRAPHITE_GAUGE_BYTES 384

struct eye_graphite_points {
    enum eye_graphite_protocol protocol;
    enum eye_graphite_counters counters;
    struct eye_bin_texts bins;
    struct eye_text payload; /* storage for its maximum and the end of a message */
    size_t count;            /* points of Graphite's in it */
    size_t empty;            /* its length without any */
    int64_t time_s;
    char line_end[24]; /* " TIME\n" */
    size_t line_end_length;
};

/** @max_bytes: of a payload of lines; messages have their own limit. 0 or -ENOMEM. */
int eye_graphite_points_init(struct eye_graphite_points *points,
                             enum eye_graphite_protocol protocol,
                             enum eye_graphite_counters counters, size_t max_bytes);

/** Takes a zeroed one. */
void eye_graphite_points_done(struct eye_graphite_points *points);

/** The longest identity that fits. */
size_t eye_graphite_points_max_path(const struct eye_graphite_points *points);

/** Starts an empty payload of points at @time_s, seconds since 1970. */
void eye_graphite_points_begin(struct eye_graphite_points *points, int64_t time_s);

/** The add() of exporters/engine/delivery.h. */
int eye_graphite_points_add(struct eye_graphite_points *points, const struct eye_identity *identity,
                            const struct eye_change *change, size_t *part);

/** Makes the payload ready to be sent. */
void eye_graphite_points_end(struct eye_graphite_points *points);
