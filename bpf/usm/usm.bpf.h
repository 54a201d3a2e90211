/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plaintext protocols, from cgroup_skb on the root of the cgroup v2 tree: every payload of every
 * container with its socket attached. Recognises the protocol by the first bytes, then hands each
 * payload to its parser. A socket that speaks none costs one look-up.
 */
#pragma once

#include "bpf/tracer/tcp.bpf.h"
#include "bpf/usm/first_payload.bpf.h"
#include "bpf/usm/segment.bpf.h"

/* Does a payload begin like a message of HTTP, as far as EYE_HTTP_LOOK_BYTES of it tell? */
EYE_PART int eye_look(struct __sk_buff *skb, __u32 offset, __u32 bytes)
{
    struct eye_http_glance glance = {0};
    __u64 count = bytes;
    eye_pin(count);
    count = count < EYE_HTTP_LOOK_BYTES ? count : EYE_HTTP_LOOK_BYTES;
    eye_pin(count);
    count = (count - 1) & (EYE_HTTP_LOOK_BYTES - 1);
    eye_pin(count);
    count++;
    if (bpf_skb_load_bytes(skb, offset, &glance, count) != 0) {
        return 0;
    }
    __u32 word_bytes = count < sizeof(__u64) ? count : sizeof(__u64);
    return eye_http_looks_like(eye_load_word(glance.bytes), word_bytes) &&
           !eye_http_is_other_line(&glance, count);
}

/* Looks at the first bytes of a payload; true when the socket speaks (or may speak) HTTP. */
static __always_inline bool eye_recognise(struct __sk_buff *skb, struct eye_socket *socket,
                                          const struct eye_segment *segment, __u32 stream)
{
    __u8 speaks = stream == 0 ? EYE_SPOKE_THIS_END : EYE_SPOKE_PEER;
    if (socket->protocol == EYE_PROTOCOL_NONE && socket->spoke == speaks) {
        return false;
    }
    socket->spoke = speaks;
    if (eye_look(skb, segment->offset, segment->bytes)) {
        socket->protocol = EYE_PROTOCOL_HTTP;
        return true;
    }
    eye_count_look(socket);
    return false;
}

/* A payload that comes before its socket (first_payload.bpf.h). */
static __always_inline void eye_handle_first_payload(struct __sk_buff *skb, struct bpf_sock *sk,
                                                     const struct eye_segment *segment)
{
    struct eye_first_payload *first =
        eye_begin_first_payload(bpf_sk_storage_get(&sockets, sk, 0, 0), segment->source);
    if (first && eye_recognise(skb, &first->socket, segment, 1)) {
        eye_http_read_first(skb, first, segment);
    }
}

static __always_inline void eye_handle_segment(struct __sk_buff *skb, __u32 stream)
{
    struct eye_segment segment;
    struct bpf_sock *sk = skb->sk;
    if (!sk) {
        return;
    }
    bool listener = stream == 1 && sk->state == TCP_LISTEN;
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
    if (stream == 0) {
        eye_learn_sender(socket, sk);
    }
    if (socket->protocol == EYE_PROTOCOL_TUNNEL ||
        (socket->protocol != EYE_PROTOCOL_HTTP && !eye_recognise(skb, socket, &segment, stream))) {
        return;
    }
    eye_handle_http(skb, sk, socket, &segment, stream);
}
