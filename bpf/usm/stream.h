/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A stream is what a parser works on, and all that it knows of where the bytes come from: a TCP
 * socket today; later a session of TLS, or the two ends of a packet. Every payload looks at it, on
 * whichever CPU, so what changes with every payload is elsewhere: where the two directions stand is
 * in the conversation, each in lines of its own.
 */
#pragma once

#include "bpf/abi.h"
#include "bpf/either.h"

/* Index of a direction. */
enum eye_side {
    EYE_SENT,     /* by this end */
    EYE_RECEIVED, /* by this end */
};

/*
 * eye_stream.protocol: as far as its first bytes told, an enum eye_protocol of bpf/abi.h
 * (EYE_PROTOCOL_UNKNOWN: every payload is looked at), or one of these.
 *
 *   UNKNOWN --looks like one--> a protocol --said that another follows--> TUNNEL, for good
 *      ^  ^                         |
 *      |  +------ was not it -------+
 *      |
 *      +-- the turn changed -- NONE <-- EYE_LOOKS_MAX payloads looked like none -- UNKNOWN
 */
enum eye_no_protocol {
    EYE_PROTOCOL_NONE =
        EYE_PROTOCOL_COUNT, /* the first payload of each turn is looked at: the other end spoke */
    EYE_PROTOCOL_TUNNEL,    /* a protocol said that something else follows: nothing is */
};

/* Payloads that match nothing before a stream is only looked at when the turn changes. More than
 * one: proxies put lines of their own before the first request. */
#define EYE_LOOKS_MAX 16

/* Who sent the last payload that was looked at. */
enum eye_spoke { EYE_SPOKE_NOBODY, EYE_SPOKE_THIS_END, EYE_SPOKE_PEER };

/* Which end asks. */
enum eye_client { EYE_CLIENT_UNKNOWN, EYE_CLIENT_THIS_END, EYE_CLIENT_PEER };

struct eye_stream {
    __u64 owner; /* who used it last; of an accepted socket first who used the listener */
    __u16 port;  /* of the service; host order */
    __u8 protocol;
    __u8 looks;      /* payloads that matched no protocol, at most EYE_LOOKS_MAX */
    __u8 spoke;      /* enum eye_spoke */
    __u8 client;     /* enum eye_client */
    __u8 confirmed;  /* a whole head of a message was valid */
    __u8 recognised; /* a protocol was recognised beyond doubt */
};

EYE_ABI_ASSERT(sizeof(struct eye_stream) == 16);

/* @b lies behind @a: sequence numbers wrap. */
static __always_inline bool eye_is_behind(__u32 a, __u32 b)
{
    return (__s32)(b - a) > 0;
}

static __always_inline enum eye_client eye_client_of(__u32 side, bool requests)
{
    return requests == (side == EYE_SENT) ? EYE_CLIENT_THIS_END : EYE_CLIENT_PEER;
}

/* The direction is known to carry requests. */
static __always_inline bool eye_carries_requests(const struct eye_stream *stream, __u32 side)
{
    return stream->client == eye_client_of(side, true);
}

/* Written when it changes only: a cache line that all payloads read. */
static __always_inline void eye_know(struct eye_stream *stream, __u32 side, bool requests)
{
    __u8 client = eye_client_of(side, requests);
    if (stream->client != client) {
        stream->client = client;
    }
}

static __always_inline void eye_confirm(struct eye_stream *stream)
{
    if (!stream->confirmed) {
        stream->confirmed = 1;
    }
}

/* It may carry requests, or else responses. */
static __always_inline bool eye_may_carry(const struct eye_stream *stream, __u32 side,
                                          bool requests)
{
    return stream->client == EYE_CLIENT_UNKNOWN || stream->client == eye_client_of(side, requests);
}

static __always_inline bool eye_is_protocol(__u32 protocol)
{
    return protocol != EYE_PROTOCOL_UNKNOWN && protocol < EYE_PROTOCOL_COUNT;
}

/* A parser follows it. */
static __always_inline bool eye_has_protocol(const struct eye_stream *stream)
{
    return eye_is_protocol(stream->protocol);
}

static __always_inline void eye_count_look(struct eye_stream *stream)
{
    if (stream->looks < EYE_LOOKS_MAX) {
        stream->looks++;
    }
    if (stream->looks == EYE_LOOKS_MAX) {
        stream->protocol = EYE_PROTOCOL_NONE;
    }
}

/* Payload went by, and none of it told what protocol it is. */
static __always_inline bool eye_is_unrecognised(const struct eye_stream *stream)
{
    return !stream->recognised && (stream->looks > 0 || stream->protocol != EYE_PROTOCOL_UNKNOWN);
}

/* The protocol is over, or was none. */
static __always_inline void eye_forget_protocol(struct eye_stream *stream)
{
    stream->client = EYE_CLIENT_UNKNOWN;
    stream->confirmed = 0;
}
