/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plaintext protocols, from cgroup_skb on the root of the cgroup v2 tree: every payload of every
 * container with its socket attached. Recognises the protocol by the first bytes, then hands each
 * payload to its parser. A socket that speaks none costs one look-up.
 */
#pragma once

#include "bpf/tracer/tcp.bpf.h"
#include "bpf/usm/first_payload.bpf.h"

/* Bits by enum eye_protocol. */
const volatile __u32 eye_protocols_wanted = ~0U;

/* What a payload begins like, as far as EYE_LOOK_BYTES of it tell: an enum eye_protocol. */
EYE_PART int eye_look(struct __sk_buff *skb, __u32 offset, __u32 bytes)
{
    struct eye_glance glance = {0};
    __u64 count = bytes;
    eye_pin(count);
    count = count < EYE_LOOK_BYTES ? count : EYE_LOOK_BYTES;
    eye_pin(count);
    count = (count - 1) & (EYE_LOOK_BYTES - 1);
    eye_pin(count);
    count++;
    if (bpf_skb_load_bytes(skb, offset, &glance, count) != 0) {
        return EYE_PROTOCOL_UNKNOWN;
    }
    return eye_parser_recognise(&glance, count, eye_protocols_wanted);
}

/* Looks at the first bytes of a payload; true when the stream speaks, or may speak, a protocol. */
static __always_inline bool eye_recognise(struct __sk_buff *skb, struct eye_stream *stream,
                                          const struct eye_segment *segment, __u32 side)
{
    __u8 speaks = side == EYE_SENT ? EYE_SPOKE_THIS_END : EYE_SPOKE_PEER;
    if (stream->protocol == EYE_PROTOCOL_NONE && stream->spoke == speaks) {
        return false;
    }
    stream->spoke = speaks;
    __u8 protocol = eye_look(skb, segment->offset, segment->bytes);
    if (protocol == EYE_PROTOCOL_UNKNOWN) {
        eye_count_look(stream);
        return false;
    }
    stream->protocol = protocol;
    return true;
}

/* A payload that comes before its socket (first_payload.bpf.h). */
static __always_inline void eye_handle_first_payload(struct __sk_buff *skb, struct bpf_sock *sk,
                                                     const struct eye_segment *segment)
{
    struct eye_first_payload *first =
        eye_begin_first_payload(bpf_sk_storage_get(&sockets, sk, 0, 0), segment->source);
    if (first && eye_recognise(skb, &first->socket.stream, segment, EYE_RECEIVED)) {
        eye_read_first(skb, first, segment);
    }
}

static __always_inline void eye_handle_segment(struct __sk_buff *skb, __u32 side)
{
    struct eye_segment segment;
    struct bpf_sock *sk = skb->sk;
    if (!sk) {
        return;
    }
    bool listener = side == EYE_RECEIVED && sk->state == TCP_LISTEN;
    if (!eye_read_segment(skb, &segment)) {
        if (listener) {
            eye_forget_first_payload();
        }
        return;
    }
    if (listener) {
        eye_handle_first_payload(skb, sk, &segment);
        return;
    }
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!socket) {
        return;
    }
    if (side == EYE_SENT) {
        eye_learn_sender(socket, sk);
    }
    struct eye_stream *stream = &socket->stream;
    if (stream->protocol == EYE_PROTOCOL_TUNNEL ||
        (!eye_has_protocol(stream) && !eye_recognise(skb, stream, &segment, side))) {
        return;
    }
    eye_handle_payload(skb, sk, stream, &segment, side);
}
