/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of one request to Datadog's intake: points are appended until a limit of the endpoint is
 * reached. Series (counters and gauges) are written as JSON or protobuf, distributions as sketches
 * with our own bins. Used by one worker thread.
 *
 * Source: https://docs.datadoghq.com/api/latest/metrics/#submit-metrics and DataDog/agent-payload.
 */
#pragma once

#include "exporters/datadog/labels.h"
#include "exporters/encode/identities.h"

struct eye_datadog_body;

/* One way to write a body. */
struct eye_datadog_encoding {
    const char *path; /* of the endpoint */
    const char *content_type;
    size_t plain_max;  /* bytes of a body */
    size_t packed_max; /* bytes on the wire, compressed */
    size_t points_max;
    const char *end;    /* what closes a body */
    bool distributions; /* it writes these and nothing else, or everything else */

    /** The context is the body. */
    eye_identity_write *write_identity;

    /** Opens an empty body; its time and interval are set. */
    void (*begin)(struct eye_datadog_body *body);

    /** Appends one point; body->bytes.failed when it does not fit. 0, or -EINVAL. */
    int (*append)(struct eye_datadog_body *body, const struct eye_identity *identity,
                  const struct eye_change *change);
};

extern const struct eye_datadog_encoding eye_datadog_series_json;
extern const struct eye_datadog_encoding eye_datadog_series_protobuf;
extern const struct eye_datadog_encoding eye_datadog_sketches;

/* The longest identity: labels with every character escaped. */
#define EYE_DATADOG_IDENTITY_MAX_BYTES ((size_t)32 << 10)

/* Of one sketch: every bin, and as many again for bins of more values than one entry can count. */
#define EYE_DATADOG_BINS_MAX ((size_t)2 * EYE_DISTRIBUTION_KEYS)

struct eye_datadog_bins {
    int32_t keys[EYE_DATADOG_BINS_MAX];
    uint32_t counts[EYE_DATADOG_BINS_MAX];
};

/* A bin takes less packed than here; the rest of a sketch takes less than 256 bytes. */
#define EYE_DATADOG_ENTRY_MAX_BYTES                                                                \
    (EYE_DATADOG_IDENTITY_MAX_BYTES + sizeof(struct eye_datadog_bins) + 256)

struct eye_datadog_body {
    const struct eye_datadog_encoding *encoding;
    struct eye_datadog_labels labels;
    struct eye_text bytes;
    struct eye_text middle;        /* JSON: what stands between identity and value in each point */
    uint8_t *entry;                /* scratch of protobuf: the entry being made; owned */
    size_t points;                 /* in bytes */
    uint64_t time_s;               /* of the points, since 1970 */
    uint64_t interval_s;           /* that counts cover */
    struct eye_datadog_bins *bins; /* scratch of sketches; owned */
};

/** @selection must outlive the body; @plain_max is at most that of the encoding. 0 or -ENOMEM. */
int eye_datadog_body_init(struct eye_datadog_body *body,
                          const struct eye_datadog_encoding *encoding,
                          const struct eye_selection *selection, size_t plain_max);

/** Takes a zeroed one. */
void eye_datadog_body_done(struct eye_datadog_body *body);

/** The time of the points to come: those of @now, counted since @before (may be NULL). */
void eye_datadog_body_set_time(struct eye_datadog_body *body, const struct eye_snapshot *now,
                               const struct eye_snapshot *before);

/** Empties the body. */
void eye_datadog_body_begin(struct eye_datadog_body *body);

/** As add() of exporters/engine/delivery.h; points have one part. */
int eye_datadog_body_add(struct eye_datadog_body *body, const struct eye_identity *identity,
                         const struct eye_change *change);

/** Closes the body: bytes is ready to be sent until the next begin. */
void eye_datadog_body_end(struct eye_datadog_body *body);

/** The number that series have for a metric's kind: 1 count, 3 gauge. */
int eye_datadog_type(enum eye_metric_kind kind);

/** The value of a counter or gauge. */
double eye_datadog_value(const struct eye_change *change);
