/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two versions of the protocol have in common, and the table of functions that each is. An
 * encoder makes one body after the other; it belongs to one worker thread.
 *
 * A counter or gauge is one series. A distribution is one native histogram, or the series of a
 * classic one: a bucket for each boundary, one for +Inf, the sum and the count.
 *
 * Source: https://prometheus.io/docs/specs/prw/remote_write_spec/ and remote_write_spec_2_0/.
 */
#pragma once

#include "exporters/encode/buckets.h"
#include "exporters/encode/identities.h"
#include "exporters/remote_write/histogram.h"
#include "exporters/remote_write/labels.h"

/* Of a body before compression. Receivers take more, but keep all of it in memory. */
#define EYE_WRITE_BODY_BYTES ((size_t)1 << 20)

/* Of an identity. A point's bytes never come near those of a body. */
#define EYE_WRITE_IDENTITY_BYTES ((size_t)16 << 10)

/* The series of a classic histogram, in this order. */
enum eye_write_part {
    EYE_WRITE_BUCKET_INF = EYE_BOUNDARY_COUNT,
    EYE_WRITE_SUM,
    EYE_WRITE_COUNT,
    EYE_WRITE_PARTS,
};

/* What both encoders need. Outlives them. */
struct eye_write_shared {
    const struct eye_selection *selection;
    bool native; /* distributions are native histograms */
    struct eye_write_labels labels;
    struct eye_write_histogram *histogram; /* owned */
    struct eye_text family[EYE_METRIC_COUNT];
};

/** 0 or -ENOMEM. @selection must outlive @shared. */
int eye_write_shared_init(struct eye_write_shared *shared, const struct eye_selection *selection,
                          bool native);

/** Takes a zeroed one. */
void eye_write_shared_done(struct eye_write_shared *shared);

/** How many series @metric's points are. */
size_t eye_write_part_count(const struct eye_write_shared *shared, const struct eye_metric *metric);

/** What a series is called behind its family: "_total", "_bucket", "_sum", "_count" or "". */
const char *eye_write_suffix(const struct eye_metric *metric, size_t part, size_t part_count);

/** The value of `le` of a bucket; NULL for other series. */
const char *eye_write_le(size_t part, size_t part_count);

/** The values of all series of a point; not for native histograms. */
void eye_write_values(const struct eye_point *point, double ret_values[EYE_WRITE_PARTS]);

/** EyeWrite__Type of @metric. */
EyeWrite__Type eye_write_type(const struct eye_metric *metric);

/** The value that says that a series ended: one certain not-a-number. */
double eye_write_stale_marker(void);

struct eye_write_time {
    int64_t now_ms;   /* of the samples; since 1970 */
    int64_t start_ms; /* when counting began; never later */
};

struct eye_write_version {
    const char *content_type;
    const char *number; /* of X-Prometheus-Remote-Write-Version */

    /** 0 or -ENOMEM. @shared must outlive the encoder. */
    int (*open)(struct eye_write_shared *shared, void **ret_encoder);

    /** Takes NULL. */
    void (*close)(void *encoder);

    /** Of eye_identities; the context is the encoder. */
    eye_identity_write *identity;

    /** Starts an empty body. */
    void (*begin)(void *encoder, const struct eye_write_time *time);

    /** Adds type, help and unit of all metrics; NULL: add() does. */
    void (*describe)(void *encoder);

    /**
     * Adds the series of @point, with their values or, @ended, with the marker that they ended. 0,
     * or -ENOBUFS: no room is left, the body is as it was.
     */
    int (*add)(void *encoder, const struct eye_identity *identity, const struct eye_point *point,
               bool ended);

    /** The body, valid until the next call; NULL: memory ran out while it was made. */
    const struct eye_text *(*body)(void *encoder);
};

extern const struct eye_write_version eye_write_version_1;
extern const struct eye_write_version eye_write_version_2;
