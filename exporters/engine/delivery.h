/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a snapshot to payloads that are delivered one after the other: what all formats over a
 * network have in common. A payload is the unit that a receiver takes whole or not at all: a
 * datagram, the body of a request, a piece of a stream.
 *
 * The place that everything before is settled at (delivered, or given up and counted) survives a
 * failed attempt, so the next one goes on there. Encoding is deterministic: going to the same place
 * of the same two snapshots makes the same payload. A payload that the receiver finds too large is
 * made again with half as many points, and so are all later ones.
 *
 * Used by one worker thread.
 */
#pragma once

#include "collector/base/text.h"
#include "exporters/exporter.h"

/* The first thing of a snapshot that is not in any settled payload. */
struct eye_cursor {
    size_t point; /* index among the snapshot's points */
    size_t part;  /* of that point: formats that need several lines for one number them */
};

enum eye_verdict {
    EYE_VERDICT_DONE,      /* the payload is sent; with confirm(): its arrival is not certain yet */
    EYE_VERDICT_RETRY,     /* the same payload, later */
    EYE_VERDICT_GIVE_UP,   /* the receiver will never take it: drop its points with the reason */
    EYE_VERDICT_TOO_LARGE, /* smaller payloads may be taken */
};

enum eye_confirmation {
    EYE_CONFIRMED, /* everything sent so far arrived */
    EYE_UNHEARD,   /* not known yet; never the answer when waiting */
    EYE_LOST,      /* nothing since the last confirmation is certain; @failure says why */
};

struct eye_payload_format {
    /** Starts an empty payload with points of @now. */
    void (*begin)(void *state, const struct eye_snapshot *now);

    /** Whether @change makes points in this format. NULL: the delivery decides (`wanted`). */
    bool (*wants)(void *state, const struct eye_change *change);

    /**
     * Appends @change, which stands at @index of the snapshot, from part *@part on. No allocation.
     * 0: all of it is in the payload. -ENOBUFS: the payload is full and *@part is the first part
     * that is not in it; the payload is sent and add() called again on an empty one, which takes at
     * least one part. -EMSGSIZE (does not fit any payload), -EINVAL (a value that the format cannot
     * say), -EEXIST (another series has its name): the payload is as it was.
     */
    int (*add)(void *state, size_t index, const struct eye_change *change, size_t *part);

    /**
     * Sends the payload, in which @points points end (0: it holds parts of one alone); @failure is
     * filled unless it is done. The format counts stats->bytes. Points that the receiver took out
     * of a payload that is done go to *@ret_rejected, with a cause in @failure.
     */
    enum eye_verdict (*send)(void *state, uint64_t points, uint64_t *ret_rejected,
                             struct eye_export_failure *failure);

    /** Asks what became of all payloads sent; @wait: until that is known. NULL: send() knows. */
    enum eye_confirmation (*confirm)(void *state, bool wait, struct eye_export_failure *failure);
};

/* What one or more payloads carry. */
struct eye_payload_tally {
    struct eye_cursor next;                    /* behind them */
    uint64_t seen;                             /* points that the walk met and that end in them */
    uint64_t points;                           /* that end in them */
    uint64_t refused;                          /* of those given up: by the receiver */
    uint64_t dropped[EYE_EXPORT_REASON_COUNT]; /* given up on the way */
};

struct eye_delivery {
    const struct eye_payload_format *format;
    void *state;        /* of the format */
    const bool *wanted; /* by metric id: those that have news make points, */
    bool idle_too;      /* or all of them; false unless the owner sets it */
    struct eye_export_stats *stats;
    size_t points_max;                /* of one payload; learnt from EYE_VERDICT_TOO_LARGE */
    struct eye_cursor settled;        /* of the snapshot that was begun; zero: none is */
    struct eye_payload_tally filling; /* the payload being made, and what it follows on */
    struct eye_payload_tally unheard; /* sent, not confirmed */
    bool refused;                     /* something was given up: failure.cause says what */
};

/** @wanted: of the selection, EYE_METRIC_COUNT entries; NULL for a format that has wants(). All
 * must outlive it. */
void eye_delivery_init(struct eye_delivery *delivery, const struct eye_payload_format *format,
                       void *state, const bool *wanted, struct eye_export_stats *stats);

/** An empty payload of up to @max_bytes, all allocated: no append allocates. 0 or -ENOMEM. */
int eye_payload_init(struct eye_text *payload, size_t max_bytes);

/** The exporter's deliver(): see exporters/exporter.h. */
int eye_delivery_run(struct eye_delivery *delivery, const struct eye_snapshot *now,
                     const struct eye_snapshot *before, struct eye_export_failure *failure);
