/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Payloads are packets, and their streams are kept by sockets (holder.bpf.h). */
#pragma once

#include "bpf/mptcp.bpf.h"
#include "bpf/usm/first_payload.bpf.h"
#include "bpf/usm/place.h"
#include "bpf/usm/reader.h"

#define EYE_FIRST_STEP_INLINED true

#define eye_payload struct __sk_buff
#define eye_holder struct bpf_sock

#define eye_holder_of(payload) ((payload)->sk)
#define eye_get_state(map, holder) bpf_sk_storage_get(&(map), holder, 0, 0)
#define eye_make_state(map, holder)                                                                \
    bpf_sk_storage_get(&(map), holder, 0, BPF_SK_STORAGE_GET_F_CREATE)

static __always_inline bool eye_is_early(const struct bpf_sock *sk)
{
    return sk->state == TCP_LISTEN;
}

static __always_inline struct eye_stream *eye_stream_of(struct bpf_sock *sk)
{
    struct eye_socket *socket = eye_get_state(sockets, sk);
    return socket ? &socket->stream : NULL;
}

static __always_inline bool eye_connected(struct bpf_sock *sk)
{
    const struct eye_socket *socket = eye_get_state(sockets, sk);
    return socket && socket->direction == EYE_OUTGOING;
}

/*
 * TCP stamps a segment with CLOCK_MONOTONIC just before it leaves (skb->tstamp, the departure
 * time, __tcp_transmit_skb): free, where reading the clock costs more than the parsing.
 */
static __always_inline struct eye_reader eye_reader_of(struct __sk_buff *skb, __u32 side)
{
    struct eye_reader reader = {
        .from = skb,
        .time_ns = side == EYE_SENT ? skb->tstamp : 0,
        .source = EYE_SOURCE_SKB,
    };
    return reader;
}

/* Bytes sent count from the moment at which the segment is handed down, so this one's do. A subflow
 * of MPTCP may begin in the midst of messages, and hold the answers of other ones. @prefix: bytes
 * that stood before, in this segment or in one of their own. */
static __always_inline bool eye_is_first(const struct tcp_sock *tcp, const struct eye_cursor *at,
                                         __u32 sequence, __u32 prefix)
{
    __u64 received = tcp->bytes_received;
    if (eye_is_subflow(tcp)) {
        return false;
    }
    if (at->side == EYE_SENT) {
        return received == 0 && tcp->bytes_sent == prefix + (at->end - at->offset);
    }
    return tcp->bytes_sent == 0 && received <= prefix &&
           (__u32)received + (sequence - tcp->rcv_nxt) == prefix;
}

static __always_inline __u32 eye_prefix_of(struct bpf_sock *sk)
{
    const struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    return socket ? socket->stream.prefix : 0;
}

/* What is sent needs no question: the socket itself made it. A segment waits in the backlog while a
 * process uses the socket, so what is accepted may lag behind, and never runs ahead. */
static __always_inline struct eye_receiver eye_ask_holder(struct bpf_sock *sk,
                                                          const struct eye_cursor *at,
                                                          __u32 sequence, __u32 prefix)
{
    struct eye_receiver receiver = {.first = sk->state == TCP_LISTEN};
    struct tcp_sock *tcp = receiver.first ? NULL : bpf_skc_to_tcp_sock(sk);
    if (!tcp) {
        return receiver;
    }
    receiver.first = eye_is_first(tcp, at, sequence, prefix);
    receiver.known = at->side == EYE_RECEIVED && sk->state != TCP_SYN_SENT;
    receiver.accepted = tcp->rcv_nxt;
    receiver.end = tcp->rcv_wup + tcp->rcv_wnd;
    /* Not snd_nxt, which the kernel sets after the segment has left. */
    receiver.sent = tcp->write_seq;
    return receiver;
}

/* The FIN of a direction that is closed takes a number, too: whoever acknowledges it has not seen a
 * byte more than we have. */
static __always_inline void eye_discount_fin(const struct bpf_sock *sk,
                                             const struct eye_conversation *conversation,
                                             struct eye_cursor *at)
{
    __u32 next = conversation->halves[(at->side ^ 1) & 1].next_sequence;
    if (sk->state != TCP_ESTABLISHED && at->acknowledged == next + 1) {
        at->acknowledged--;
    }
}
