/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A stream is where bytes come from: a TCP socket today; later a session of TLS, or the two ends of
 * a packet. It knows whose it is and which protocol is spoken, if any. Every payload looks at it,
 * on whichever CPU, so what changes with every payload is elsewhere: in the conversation, which is
 * all that a parser sees.
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
 *   UNKNOWN --looks like one--> a protocol --said that another follows--> TUNNEL; HTTP/2, or what
 *      ^  ^                         |                                     has no parser, may follow
 *      |  +------ was not it, ------+
 *      |          or is not followed any more
 *      |
 *      +-- the turn changed -- NONE <-- EYE_LOOKS_MAX payloads looked like none, -- UNKNOWN
 *                                       or one like what has no parser
 */
enum eye_no_protocol {
    EYE_PROTOCOL_NONE =
        EYE_PROTOCOL_COUNT, /* the first payload of each turn is looked at: the other end spoke */
    EYE_PROTOCOL_TUNNEL,    /* a protocol said that something else follows: HTTP/2, or nothing */
};

/* Payloads that match nothing before a stream is only looked at when the turn changes. More than
 * one: proxies put lines of their own before the first request. */
#define EYE_LOOKS_MAX 16

/* Who sent the last payload that was looked at. */
enum eye_spoke { EYE_SPOKE_NOBODY, EYE_SPOKE_THIS_END, EYE_SPOKE_PEER };

struct eye_stream {
    __u64 owner; /* who used it last; of an accepted socket first who used the listener */
    __u16 port;  /* of the service; host order */
    __u8 protocol;
    __u8 looks;      /* payloads that matched no protocol, at most EYE_LOOKS_MAX */
    __u8 spoke;      /* enum eye_spoke */
    __u8 recognised; /* a protocol was recognised beyond doubt */
    __u8 epoch;      /* of the protocol, when it was recognised: see eye_epochs */
    __u8 class;   /* while no parser follows it: an enum eye_class, the protocol that is over, 0 */
    __u16 prefix; /* bytes that a load balancer put before its first one (proxy.h) */
    __u8 inside;  /* enum eye_protocol that has asked for TLS, and goes on in it; 0: none has */
    __u8 padding[5];
};

EYE_ABI_ASSERT(sizeof(struct eye_stream) == 24);

/* @b lies behind @a: sequence numbers wrap. */
static __always_inline bool eye_is_behind(__u32 a, __u32 b)
{
    return (__s32)(b - a) > 0;
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
    if (stream->looks == EYE_LOOKS_MAX && stream->protocol != EYE_PROTOCOL_TUNNEL) {
        stream->protocol = EYE_PROTOCOL_NONE;
    }
}

/* What has no parser is looked at no more than what nobody knows. Once it is known, only TLS, which
 * others turn into, takes its place. */
static __always_inline void eye_note_class(struct eye_stream *stream, __u8 class)
{
    bool known = stream->class == class && stream->looks == EYE_LOOKS_MAX;
    if (known || (stream->class > EYE_CLASS_BEFORE && class != EYE_CLASS_TLS)) {
        return;
    }
    stream->class = class;
    stream->recognised = 1;
    stream->looks = EYE_LOOKS_MAX;
    if (stream->protocol != EYE_PROTOCOL_TUNNEL) {
        stream->protocol = EYE_PROTOCOL_NONE;
    }
}

/* What the stream speaks, as far as that is beyond doubt: an enum eye_protocol or eye_class. */
static __always_inline __u8 eye_spoken(const struct eye_stream *stream)
{
    __u8 protocol = *(const volatile __u8 *)&stream->protocol;
    if (!stream->recognised) {
        return EYE_PROTOCOL_UNKNOWN;
    }
    return eye_is_protocol(protocol) ? protocol : stream->class;
}

/* Payload went by, and none of it told what protocol it is. */
static __always_inline bool eye_is_unrecognised(const struct eye_stream *stream)
{
    return !stream->recognised && (stream->looks > 0 || stream->protocol != EYE_PROTOCOL_UNKNOWN);
}
