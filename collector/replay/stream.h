/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP connection as one of its ends sees it: its payloads, in the order in which they were
 * captured, go through the recognition, the parsers and the pairing of the kernel side
 * (parsers.h), and what those tell goes to the sink. Belongs to one thread.
 */
#pragma once

#include "collector/replay/questions.h"
#include "collector/replay/sink.h"

/* What is looked at is the end that `sink.client_end` says. */
struct eye_replay_ends {
    bool guessed;    /* who has connected: its SYN was not seen */
    bool likely;     /* and the ports leave little doubt */
    uint16_t local;  /* port of the end that is looked at */
    uint16_t remote; /* port of the other one */
};

/* A payload that passed by. */
struct eye_replay_segment {
    uint64_t time_ns;
    const uint8_t *bytes;
    uint32_t size; /* that were captured, 1 or more */
    uint32_t sequence;
    uint32_t acknowledged; /* without a FIN, which has a number, too */
    bool sent;             /* by the end that is looked at */
    bool opening;          /* with the SYN */
    bool first;            /* known to be the connection's first payload */
};

/* How a connection ended. */
struct eye_replay_ending {
    uint64_t time_ns;
    uint8_t error;         /* enum eye_request_error; 0: nobody knows */
    uint32_t sent_end;     /* sequence number behind the last byte that this end sent */
    uint32_t received_end; /* likewise */
};

struct eye_replay_stream;

/** @sink and @questions outlive it. NULL when out of memory. */
struct eye_replay_stream *eye_replay_stream_new(const struct eye_replay_sink *sink,
                                                struct eye_questions *questions,
                                                const struct eye_replay_ends *ends);

/** Takes NULL. */
void eye_replay_stream_free(struct eye_replay_stream *stream);

void eye_replay_stream_take(struct eye_replay_stream *stream,
                            const struct eye_replay_segment *captured);

/** The connection is closed: tells of the requests that wait. */
void eye_replay_stream_end(struct eye_replay_stream *stream,
                           const struct eye_replay_ending *ending);

/** Requests that wait for their answers. */
uint32_t eye_replay_stream_waiting(const struct eye_replay_stream *stream);

/** Payload went by, and no protocol was recognised. */
bool eye_replay_stream_is_unrecognised(const struct eye_replay_stream *stream);
