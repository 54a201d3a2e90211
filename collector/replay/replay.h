/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture through the parsers of the kernel side: records come out as its ring has them. Belongs
 * to one thread.
 */
#pragma once

#include "collector/replay/connections.h"
#include "collector/replay/packet.h"
#include "collector/replay/sink.h"

/* What there was, and what nothing could be made of. */
struct eye_replay_summary {
    uint64_t packets;
    uint64_t bytes; /* on the wire */
    uint64_t tcp;
    uint64_t dns;      /* datagrams of DNS; other ones are counted in `packets` alone */
    uint64_t first_ns; /* wall clock; 0: there was no packet */
    uint64_t last_ns;  /* the latest */
    uint64_t unusable[EYE_PACKET_UNUSABLE_COUNT]; /* packets */
    uint64_t cut_datagrams;                       /* of DNS, not captured whole */
    struct eye_connection_counts connections;
    uint64_t questions_waiting;         /* of DNS, when the capture ended */
    char problem[EYE_ERROR_TEXT_BYTES]; /* why it ended before the file did; empty: it did not */
};

/* Told now and then; @done: 0 .. 1, or below 0 when it is not known. */
typedef void eye_replay_progress(void *context, double done, uint64_t packets);

struct eye_replay_settings {
    struct eye_replay_sink sink;
    uint64_t dns_timeout_ns;
    eye_replay_progress *on_progress; /* NULL: nobody is told */
    void *progress_context;
};

/** Reads @capture to its end. 0, or -ENOMEM. That the file is damaged or cut is no failure: the
 * summary says so. */
int eye_replay_run(struct eye_capture *capture, const struct eye_replay_settings *settings,
                   struct eye_replay_summary *ret_summary);
