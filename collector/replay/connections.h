/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP connections of a capture, found by their two ends. A capture has packets, not sockets:
 * each connection is looked at once, as the end sees it that the sink says, wherever the packets
 * were captured. Who has connected is told by a SYN; where none was seen the lower port is taken
 * for the service's. Belongs to one thread.
 */
#pragma once

#include "collector/replay/packet.h"
#include "collector/replay/questions.h"
#include "collector/replay/sink.h"

/* Of which something is remembered. The one that was silent for longest gives way. A connection
 * takes 300 bytes, 5 KB when its protocol is followed, and 40 KB of HTTP/2. */
#define EYE_REPLAY_CONNECTIONS_MAX 65536

struct eye_connection_counts {
    uint64_t seen;         /* connections, in whole or in part */
    uint64_t guessed;      /* of these: without a SYN */
    uint64_t unrecognised; /* of these: payload, and no protocol that is known */
    uint64_t evicted;      /* of these: forgotten before their end, for want of room */
    uint64_t cut;          /* packets whose payload was not captured whole (snaplen) */
    uint64_t lost_memory;  /* packets of connections that there was no memory for */
    uint64_t waiting;      /* requests that were not answered when the capture ended */
};

struct eye_connections;

/** @sink and @questions outlive it. NULL when out of memory. */
struct eye_connections *eye_connections_new(const struct eye_replay_sink *sink,
                                            struct eye_questions *questions);

/** Takes NULL. */
void eye_connections_free(struct eye_connections *connections);

/** A packet of TCP. */
void eye_connections_take(struct eye_connections *connections, const struct eye_packet *packet);

/** The capture has ended: nothing else follows. */
void eye_connections_end(struct eye_connections *connections,
                         struct eye_connection_counts *ret_counts);
