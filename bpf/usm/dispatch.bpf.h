/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plaintext protocols, from cgroup_skb on the root of the cgroup v2 tree: every payload of every
 * container with its socket attached. Recognises the protocol by the first bytes, then hands each
 * payload to the protocol's own program (payloads.bpf.h). A socket that speaks none costs one
 * look-up.
 */
#pragma once

#include "bpf/tls/hello.bpf.h"
#include "bpf/tracer/nat.bpf.h"
#include "bpf/usm/first_payload.bpf.h"
#include "bpf/usm/looks.h"
#include "bpf/usm/records.h"
#include "bpf/usm/segment.bpf.h"
#include "bpf/usm/switches.bpf.h"

/* enum eye_protocol -> its program for what is sent, and for what is received: from 6.18 on the
 * programs of an array have one direction. Filled by the collector when a protocol is first seen,
 * or before. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, EYE_PROTOCOL_COUNT);
    __type(key, __u32);
    __type(value, __u32);
} senders SEC(".maps"), receivers SEC(".maps");

/* __u32, an enum eye_protocol: recognised, and its programs are not there. Written by
 * dispatch.bpf.h, read by the collector. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} wishes SEC(".maps");

/* Bits by enum eye_protocol: the collector was told, and has not taken it back. */
__u32 eye_protocols_wished = 0;

/* Likewise, set by the collector: the last attempt failed. Whose payloads pass is not told then:
 * that would be a record for each of them, for as long as it lasts. */
__u32 eye_protocols_refused = 0;

/* Which of the protocols @wanted (bits) a payload begins like, as far as EYE_LOOK_BYTES of it tell:
 * an enum eye_protocol or eye_class, or EYE_SEEN_PROXY. */
EYE_PART int eye_look(struct __sk_buff *skb, __u32 offset, __u32 bytes, __u32 wanted)
{
    struct eye_glance glance = {.payload_bytes = bytes};
    __u64 count = eye_bytes_to_look_at(bytes);
    if (bpf_skb_load_bytes(skb, offset, &glance, count) != 0) {
        return EYE_PROTOCOL_UNKNOWN;
    }
    return eye_look_at(&glance, count, wanted & ~eye_protocols_off);
}

/* The bytes of what a load balancer has put at @offset, of @bytes; 0: nothing that is here as a
 * whole. A function of its own: the stack of those that look has no room for its window. */
EYE_PART __u32 eye_measure_proxy(struct __sk_buff *skb, __u32 offset, __u32 bytes)
{
    struct eye_proxy_window window = {0};
    __u64 count = bytes;
    eye_pin(count);
    count = count < EYE_PROXY_LINE_MAX ? count : EYE_PROXY_LINE_MAX;
    eye_pin(count);
    count = (count - 1) & (EYE_PROXY_WINDOW_BYTES - 1);
    eye_pin(count);
    count++;
    if (bpf_skb_load_bytes(skb, offset, &window, count) != 0) {
        return 0;
    }
    return eye_proxy_measure(&window, count);
}

/*
 * The same behind what a load balancer has put before the first byte of a payload: the segment
 * begins behind that from here on. The pieces of a header that has not come whole are HTTP/1's to
 * put together.
 */
static __always_inline __u32 eye_look_behind_proxy(struct __sk_buff *skb, struct eye_stream *stream,
                                                   struct eye_segment *segment, __u32 wanted)
{
    __u32 prefix = eye_measure_proxy(skb, segment->offset, segment->bytes);
    if (prefix == 0 || prefix > EYE_PROXY_STRIPPED_MAX || prefix > segment->bytes) {
        return wanted & ~eye_protocols_off & 1U << EYE_PROTOCOL_HTTP ? EYE_PROTOCOL_HTTP
                                                                     : EYE_PROTOCOL_UNKNOWN;
    }
    stream->prefix = (__u16)prefix;
    segment->offset += prefix;
    segment->sequence += prefix;
    segment->bytes -= prefix;
    if (segment->bytes == 0) {
        return EYE_SEEN_PROXY;
    }
    __u32 seen = eye_look(skb, segment->offset, segment->bytes, wanted);
    return seen == EYE_SEEN_PROXY ? EYE_PROTOCOL_UNKNOWN : seen;
}

/* Set by the collector before loading: somebody wants to know which sockets sessions of TLS have.
 */
const volatile bool eye_reads_tls = false;

static __always_inline bool eye_is_client_hello(struct __sk_buff *skb, __u32 offset)
{
    __u8 head[EYE_TLS_HELLO_BYTES] = {0};
    return bpf_skb_load_bytes(skb, offset, head, sizeof(head)) == 0 && eye_tls_is_head(head) &&
           eye_tls_is_client_hello(head);
}

/* A payload that looks like TLS: when it is a ClientHello, its random tells the session later which
 * socket it has. */
EYE_PART int eye_note_hello(struct __sk_buff *skb, struct eye_socket *socket, __u32 offset,
                            __u32 side)
{
    struct eye_hello_key key = {.side = side};
    if (!socket || !eye_is_client_hello(skb, offset) ||
        bpf_skb_load_bytes(skb, offset + EYE_HELLO_RANDOM_AT, key.random, sizeof(key.random)) !=
            0) {
        return 0;
    }
    __u64 cookie = bpf_get_socket_cookie(skb);
    struct eye_hello *known = bpf_map_lookup_elem(&hellos, &key);
    if (known && known->cookie == cookie) {
        return 0; /* sent again, or asked for again */
    }
    __sync_fetch_and_add(&eye_hellos_seen, 1);
    if (known) { /* of whoever hands it on as it is, or of somebody who has seen it */
        known->cookie = cookie;
        known->port = 0;
        return 0;
    }
    struct eye_hello hello = {
        .seen_ns = bpf_ktime_get_ns(),
        .cookie = cookie,
        .port = socket->stream.port,
        .protocol = socket->stream.inside,
    };
    bpf_map_update_elem(&hellos, &key, &hello, BPF_ANY);
    return 0;
}

/* Looks at the first bytes of a payload; true when the stream speaks, or may speak, a protocol. The
 * segment is what it speaks, without what a load balancer put before. */
static __always_inline bool eye_recognise(struct __sk_buff *skb, struct eye_socket *socket,
                                          struct eye_segment *segment, __u32 side)
{
    struct eye_stream *stream = &socket->stream;
    __u8 speaks = side == EYE_SENT ? EYE_SPOKE_THIS_END : EYE_SPOKE_PEER;
    if (!eye_is_worth_a_look(stream, speaks) || eye_all_off()) {
        return false;
    }
    stream->spoke = speaks;
    bool tunnel = stream->protocol == EYE_PROTOCOL_TUNNEL;
    __u8 expected = tunnel ? EYE_PROTOCOL_HTTP2 : eye_protocol_of_port(stream->port);
    __u32 wanted = expected ? 1U << (expected & (EYE_PROTOCOLS_MAX - 1)) : ~0U;
    __u32 seen = eye_look(skb, segment->offset, segment->bytes, wanted);
    if (seen == EYE_SEEN_PROXY) {
        seen = eye_look_behind_proxy(skb, stream, segment, wanted);
        if (segment->bytes == 0) {
            return false; /* what it speaks comes with the next one */
        }
    }
    if (seen == EYE_PROTOCOL_UNKNOWN && expected && !tunnel && !eye_is_off(expected)) {
        seen = expected;
    }
    if (seen == EYE_PROTOCOL_UNKNOWN) {
        eye_count_look(stream);
        return false;
    }
    if (!eye_is_protocol(seen)) {
        eye_note_class(stream, seen);
        if (seen == EYE_CLASS_TLS && eye_reads_tls) {
            eye_note_hello(skb, socket, segment->offset, side);
        }
        return false;
    }
    stream->epoch = eye_epoch_of(seen);
    stream->protocol = seen;
    return true;
}

/* Its protocol was switched off since it was recognised, and perhaps on again: what the parser
 * knows of it ends behind the last byte that was read. */
EYE_PART int eye_follow_no_more(struct __sk_buff *skb, struct eye_stream *stream)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !stream) {
        return 0;
    }
    stream->protocol = EYE_PROTOCOL_UNKNOWN;
    stream->class = EYE_PROTOCOL_UNKNOWN;
    stream->recognised = 1; /* what is not followed is not what nobody knows */
    eye_delete_conversation(sk);
    return 0;
}

/* Counted for each payload until the collector has brought the programs; not when it has taken
 * them away. @client: this end connected. */
EYE_PART int eye_wish(struct eye_stream *stream, __u32 client, __u32 protocol)
{
    if (!stream) {
        return 0;
    }
    stream->recognised = 1; /* what is not followed is not what nobody knows */
    if (eye_is_off(protocol)) {
        return 0;
    }
    eye_lose(EYE_LOSS_NOT_LOADED(protocol), 1);
    __u32 bit = 1U << (protocol & (EYE_PROTOCOLS_MAX - 1));
    if (!(eye_protocols_refused & bit)) {
        eye_tell_loss(stream->owner, stream->port, client, EYE_LOSS_NOT_LOADED(protocol), 1);
    }
    if (!(eye_protocols_wished & bit) && !(__sync_fetch_and_or(&eye_protocols_wished, bit) & bit) &&
        bpf_ringbuf_output(&wishes, &protocol, sizeof(protocol), BPF_RB_FORCE_WAKEUP) != 0) {
        __sync_fetch_and_and(&eye_protocols_wished, ~bit); /* nobody was told: the next one tells */
    }
    return 0;
}

/* A payload of a protocol that has no program yet: a ClientHello is what it has asked for in the
 * clear, which its parser would have followed. */
EYE_PART int eye_follow_into_tls(struct __sk_buff *skb, struct eye_socket *socket, __u32 offset,
                                 __u32 side)
{
    if (!socket || !eye_is_client_hello(skb, offset)) {
        return false;
    }
    socket->stream.inside = socket->stream.protocol;
    eye_note_class(&socket->stream, EYE_CLASS_TLS);
    if (eye_reads_tls) {
        eye_note_hello(skb, socket, offset, side);
    }
    return true;
}

/* Comes back only when the protocol has no program. A constant slot is a jump in the kernel's code,
 * one out of a register an indirect call, which costs more than the look-ups where it is guarded
 * against speculation. */
static __always_inline void eye_hand_over(struct __sk_buff *skb, struct eye_socket *socket,
                                          const struct eye_segment *segment, __u32 side,
                                          __u32 protocol)
{
    struct eye_stream *stream = &socket->stream;
    eye_put_passed(skb, segment, stream->owner, stream->port);
#define X(identifier, name)                                                                        \
    if (protocol == EYE_PROTOCOL_##identifier) {                                                   \
        if (side == EYE_SENT) {                                                                    \
            bpf_tail_call_static(skb, &senders, EYE_PROTOCOL_##identifier);                        \
        } else {                                                                                   \
            bpf_tail_call_static(skb, &receivers, EYE_PROTOCOL_##identifier);                      \
        }                                                                                          \
    }
    EYE_PROTOCOLS(X)
#undef X
    if (eye_follow_into_tls(skb, socket, segment->offset, side)) {
        return;
    }
    eye_wish(stream, socket->direction == EYE_OUTGOING, protocol);
}

/* A payload that comes before its socket (first_payload.bpf.h). */
static __always_inline void eye_handle_first_payload(struct __sk_buff *skb, struct bpf_sock *sk,
                                                     struct eye_segment *segment)
{
    struct eye_first_payload *first =
        eye_begin_first_payload(bpf_sk_storage_get(&sockets, sk, 0, 0), segment->source);
    if (!first) {
        return;
    }
    first->switched = eye_switches;
    first->socket.stream.port = first->socket.port_is_chosen ? 0 : (__u16)sk->src_port;
    if (eye_recognise(skb, &first->socket, segment, EYE_RECEIVED)) {
        eye_hand_over(skb, &first->socket, segment, EYE_RECEIVED, first->socket.stream.protocol);
        first->socket.stream.protocol = EYE_PROTOCOL_UNKNOWN;
    }
}

/* @offset: of the TCP header. */
static __always_inline void eye_handle_segment(struct __sk_buff *skb, __u32 offset, __u32 side)
{
    struct eye_segment segment;
    struct bpf_sock *sk = skb->sk;
    if (!sk) {
        return;
    }
    bool listener = side == EYE_RECEIVED && sk->state == TCP_LISTEN;
    if (listener) {
        eye_note_knock(skb, sk, offset);
    }
    if (!eye_read_segment(skb, offset, &segment)) {
        if (listener) {
            eye_forget_first_payload();
        } else if (side == EYE_SENT) {
            eye_look_for_nat(skb);
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
        eye_look_once_for_nat(skb, socket);
        eye_learn_sender(socket, sk);
    }
    struct eye_stream *stream = &socket->stream;
    /* Read once: the other direction, on another CPU, may find that it is over. */
    __u32 protocol = *(const volatile __u8 *)&stream->protocol;
    if (!eye_is_followed(stream, protocol)) {
        if (eye_is_protocol(protocol)) {
            eye_follow_no_more(skb, stream);
        }
        if (!eye_recognise(skb, socket, &segment, side)) {
            return;
        }
        protocol = stream->protocol;
    }
    eye_hand_over(skb, socket, &segment, side, protocol);
}
