/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log says of an exporter's deliveries: changes, not attempts. Failing and recovering are
 * told once each, and so are points that the receiver refuses for good; as long as it does, once an
 * hour again with their number. Used by one worker thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct eye_news {
    const char *name;          /* of the exporter; outlives this */
    uint64_t failing_since_ns; /* monotonic; 0: not failing */
    bool refusing;             /* the receiver refused points of the last delivery */
    uint64_t refusing_told_ns; /* monotonic; when the log said so last */
};

/** An attempt failed, and will be made again. */
void eye_news_failed(struct eye_news *news, const char *cause);

/**
 * A delivery came to its end. @cause: why the receiver refused points of it, "" when it took all;
 * @refused_points: since the start. @whole: it refused all of them, so it is in reach, but nothing
 * was delivered.
 */
void eye_news_settled(struct eye_news *news, const char *cause, uint64_t refused_points,
                      bool whole);
