/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a DogStatsD client tells about itself: datadog.dogstatsd.client.*, counts since the last
 * time they got through. A datagram that could not be written counts as dropped although its points
 * go again later: the names are the official clients', and there it means that writing failed. Used
 * by one worker.
 */
#pragma once

#include "collector/telemetry/catalogue.h"
#include "exporters/dogstatsd/labels.h"

/* X(identifier, name, tag of its own or NULL) */
#define EYE_DD_CLIENT_COUNTS(X)                                                                    \
    X(METRICS, "metrics", NULL)                                                                    \
    X(COUNTERS, "metrics_by_type", "count")                                                        \
    X(GAUGES, "metrics_by_type", "gauge")                                                          \
    X(DISTRIBUTIONS, "metrics_by_type", "distribution")                                            \
    X(EVENTS, "events", NULL)                                                                      \
    X(CHECKS, "service_checks", NULL)                                                              \
    X(PACKETS_SENT, "packets_sent", NULL)                                                          \
    X(PACKETS_DROPPED, "packets_dropped", NULL)                                                    \
    X(PACKETS_DROPPED_WRITER, "packets_dropped_writer", NULL)                                      \
    X(BYTES_SENT, "bytes_sent", NULL)                                                              \
    X(BYTES_DROPPED, "bytes_dropped", NULL)                                                        \
    X(BYTES_DROPPED_WRITER, "bytes_dropped_writer", NULL)

enum eye_dd_client_count {
#define X(identifier, name, type) EYE_DD_CLIENT_##identifier,
    EYE_DD_CLIENT_COUNTS(X)
#undef X
        EYE_DD_CLIENT_COUNT,
};

struct eye_dd_client {
    uint64_t counted[EYE_DD_CLIENT_COUNT];  /* since the start */
    uint64_t written[EYE_DD_CLIENT_COUNT];  /* of that, what the lines written last say */
    uint64_t reported[EYE_DD_CLIENT_COUNT]; /* of that, what got through */
};

/** Counts a payload of @bytes that was sent, or that could not be. */
void eye_dd_client_count_packet(struct eye_dd_client *client, size_t bytes, bool sent);

/** Counts @count points of @kind that were sent. */
void eye_dd_client_count_points(struct eye_dd_client *client, enum eye_metric_kind kind,
                                uint64_t count);

/** Appends a line for the count @which, nothing when it has not changed since it was reported. */
void eye_dd_client_write(struct eye_dd_client *client, enum eye_dd_client_count which,
                         const struct eye_labels *labels, const char *transport,
                         struct eye_text *text);

/** The lines written last got through. */
void eye_dd_client_report(struct eye_dd_client *client);

/** The lines written last got lost: what they said is written again. */
void eye_dd_client_retract(struct eye_dd_client *client);
