/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Conversations of TCP sockets: where they are kept, how an skb is read, what the socket is asked,
 * and how a conversation ends. */
#pragma once

#include "bpf/tracer/tcp.bpf.h"
#include "bpf/usm/records.bpf.h"
#include "bpf/usm/segment.bpf.h"

/*
 * Steps per payload behind the first one, a product because the verifier follows every round of a
 * loop, but a function only once. 64 KiB hold 4681 of HTTP's shortest messages ("X / HTTP/1.1" and
 * "HTTP/1.1 200", each with two LFs); larger buffers of such (BIG TCP) are cut, counted.
 */
#define EYE_STEPS_AT_ONCE 64
#define EYE_STEPS_ROUNDS 80

/* socket -> struct eye_conversation. Made when the first bytes look like a protocol. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_conversation);
} conversations SEC(".maps");

/* socket -> struct eye_pipeline. Made when a second request is in flight. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_pipeline);
} pipelines SEC(".maps");

/* Of what a listener receives (first_payload.bpf.h). */
static __always_inline struct eye_pipeline *eye_first_pipeline(void);

/* ---- Payloads ---- */

/*
 * TCP stamps a segment with CLOCK_MONOTONIC just before it leaves (skb->tstamp, the departure
 * time, __tcp_transmit_skb): free, where reading the clock costs more than the parsing.
 */
static __always_inline struct eye_reader eye_skb_reader(struct __sk_buff *skb, __u32 side)
{
    struct eye_reader reader = {
        .from = skb,
        .time_ns = side == EYE_SENT ? skb->tstamp : 0,
        .source = EYE_SOURCE_SKB,
    };
    return reader;
}

static __always_inline struct eye_cursor eye_cursor_at(const struct eye_segment *segment,
                                                       __u32 side)
{
    struct eye_cursor cursor = {
        .side = side,
        .offset = segment->offset,
        .end = segment->offset + segment->bytes,
        .origin = segment->sequence - segment->offset,
        .acknowledged = segment->acknowledged,
        .opening = segment->opening,
    };
    return cursor;
}

/* Bytes sent count from the moment at which the segment is handed down, so this one's do. A subflow
 * of MPTCP may begin in the midst of messages, and hold the answers of other ones. */
static __always_inline bool eye_is_first(const struct tcp_sock *tcp, const struct eye_cursor *at,
                                         __u32 sequence)
{
    if (tcp->bytes_received != 0 || eye_is_subflow(tcp)) {
        return false;
    }
    return at->side == EYE_SENT ? tcp->bytes_sent == at->end - at->offset
                                : tcp->bytes_sent == 0 && tcp->rcv_nxt == sequence;
}

/* What is sent needs no question: the socket itself made it. A segment waits in the backlog while a
 * process uses the socket, so what is accepted may lag behind, and never runs ahead. */
static __always_inline struct eye_receiver eye_ask_socket(struct bpf_sock *sk,
                                                          const struct eye_cursor *at,
                                                          __u32 sequence)
{
    struct eye_receiver receiver = {.first = sk->state == TCP_LISTEN};
    struct tcp_sock *tcp = receiver.first ? NULL : bpf_skc_to_tcp_sock(sk);
    if (!tcp) {
        return receiver;
    }
    receiver.first = eye_is_first(tcp, at, sequence);
    receiver.known = at->side == EYE_RECEIVED && sk->state != TCP_SYN_SENT;
    receiver.accepted = tcp->rcv_nxt;
    receiver.end = tcp->rcv_wup + tcp->rcv_wnd;
    /* Not snd_nxt, which the kernel sets after the segment has left. */
    receiver.sent = tcp->write_seq;
    return receiver;
}

EYE_PART int eye_resolve_part(struct __sk_buff *skb, struct eye_stream *stream,
                              struct eye_conversation *conversation, struct eye_cursor *at,
                              __u32 sequence)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !stream || !conversation || !at) {
        return 0;
    }
    struct eye_receiver receiver = eye_ask_socket(sk, at, sequence);
    return eye_resolve(stream, conversation, at, &receiver, sequence);
}

/* The slots beyond the first one, when the next step may need them. */
static __always_inline struct eye_pipeline *eye_find_pipeline(struct bpf_sock *sk,
                                                              const struct eye_work *work)
{
    if (!eye_needs_pipeline(work->stream, &work->conversation->queue, work->at->side)) {
        return NULL;
    }
    return sk->state == TCP_LISTEN
               ? eye_first_pipeline()
               : bpf_sk_storage_get(&pipelines, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* One step; 0: the payload is used up. Verified once, not once per round of the loop around it. */
EYE_PART int eye_step_part(struct __sk_buff *skb, struct eye_stream *stream,
                           struct eye_conversation *conversation, struct eye_cursor *at)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !stream || !conversation || !at) {
        return 0;
    }
    struct eye_work work = {
        .stream = stream,
        .conversation = conversation,
        .reader = eye_skb_reader(skb, at->side),
        .at = at,
    };
    work.pipeline = eye_find_pipeline(sk, &work);
    return eye_step_and_tell(&work);
}

/* The steps behind the first one. Kernel 7.2 verifies nearly a million instructions when
 * bpf_loop() calls the step (8 times what 6.18 does), and 5.17 is the first that has it. */
EYE_PART int eye_steps(struct __sk_buff *skb, struct eye_stream *stream,
                       struct eye_conversation *conversation, struct eye_cursor *at)
{
    for (int i = 0; i < EYE_STEPS_AT_ONCE; i++) {
        if (!eye_step_part(skb, stream, conversation, at)) {
            return 0;
        }
    }
    return 1;
}

EYE_PART int eye_all_steps(struct __sk_buff *skb, struct eye_stream *stream,
                           struct eye_conversation *conversation, struct eye_cursor *at)
{
    for (int i = 0; i < EYE_STEPS_ROUNDS; i++) {
        if (!eye_steps(skb, stream, conversation, at)) {
            break;
        }
    }
    return 0;
}

/* The parser has nothing more to do here: it was not that protocol after all, or is no longer. */
static __always_inline void eye_leave_conversation(struct bpf_sock *sk, struct eye_stream *stream,
                                                   struct eye_conversation *conversation,
                                                   __u32 verdict)
{
    if (verdict == EYE_VERDICT_ENDED) {
        stream->protocol = EYE_PROTOCOL_TUNNEL;
        stream->recognised = 1;
    } else {
        stream->protocol = EYE_PROTOCOL_UNKNOWN;
        eye_count_look(stream);
    }
    eye_forget_requests(conversation);
    if (conversation->troubled) {
        eye_report(stream, conversation);
    }
    eye_forget_protocol(stream);
    bpf_sk_storage_delete(&conversations, sk);
    bpf_sk_storage_delete(&pipelines, sk);
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

static __always_inline struct eye_conversation *eye_find_conversation(struct bpf_sock *sk,
                                                                      __u8 protocol)
{
    struct eye_conversation *conversation =
        bpf_sk_storage_get(&conversations, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!conversation) {
        eye_lose(EYE_LOSS_OF_PARSER((__u32)protocol) + EYE_LOST_STORAGE, 1);
        return NULL;
    }
    if (conversation->protocol == protocol) {
        return conversation;
    }
    if (conversation->protocol != EYE_PROTOCOL_UNKNOWN) {
        eye_begin_conversation(conversation, protocol); /* of a protocol that is over */
    } else {
        conversation->protocol = protocol; /* just made */
    }
    return conversation;
}

/* One payload of a stream whose protocol is known. */
static __always_inline void eye_handle_payload(struct __sk_buff *skb, struct bpf_sock *sk,
                                               struct eye_stream *stream,
                                               const struct eye_segment *segment, __u32 side)
{
    /* Read once: the other direction, on another CPU, may find that it is over. */
    __u8 protocol = *(const volatile __u8 *)&stream->protocol;
    if (protocol == EYE_PROTOCOL_UNKNOWN || protocol >= EYE_PROTOCOL_COUNT) {
        return;
    }
    struct eye_conversation *conversation = eye_find_conversation(sk, protocol);
    if (!conversation) {
        return;
    }
    struct eye_cursor at = eye_cursor_at(segment, side);
    eye_discount_fin(sk, conversation, &at);
    if (!eye_is_next(conversation, &at, segment->sequence) &&
        !eye_resolve_part(skb, stream, conversation, &at, segment->sequence)) {
        return;
    }
    eye_advance_to_new(conversation, &at, segment->sequence);
    /* Mostly the payload is one message and one step. */
    if (eye_step_part(skb, stream, conversation, &at)) {
        eye_all_steps(skb, stream, conversation, &at);
    }
    if (at.verdict != EYE_VERDICT_GO_ON) {
        eye_leave_conversation(sk, stream, conversation, at.verdict);
        return;
    }
    eye_exhaust(stream, conversation, &at);
    if (conversation->troubled) {
        eye_report(stream, conversation);
    }
}

/* ---- Ends ---- */

/* What ended the connection, seen from a request that waits for its answer. */
static __always_inline __u8 eye_request_error_of(const struct sock *sk,
                                                 const struct eye_stream *stream, int old_state)
{
    bool client = stream->client == EYE_CLIENT_THIS_END;
    bool peer_first = old_state == TCP_LAST_ACK || old_state == TCP_CLOSE_WAIT;
    switch (sk->sk_err) {
    case 0:
        break;
    case ECONNRESET:
    case EPIPE: /* tcp_reset() in CLOSE_WAIT */
        return EYE_REQUEST_RESET;
    case ETIMEDOUT:
        return EYE_REQUEST_TIMEOUT;
    default:
        return EYE_REQUEST_FAILED;
    }
    if (client != peer_first) {
        return EYE_REQUEST_CANCELLED;
    }
    /* A server that leaves ESTABLISHED for CLOSE at once has sent a reset. */
    return old_state == TCP_ESTABLISHED ? EYE_REQUEST_RESET : EYE_REQUEST_CLOSED;
}

/* Were bytes of responses sent or received that the parser has not read? A FIN counts as one. What
 * was taken for a body without an end may have held responses. */
static __always_inline bool eye_missed_bytes(const struct eye_stream *stream,
                                             const struct eye_conversation *conversation,
                                             const struct tcp_sock *tcp)
{
    bool client = stream->client == EYE_CLIENT_THIS_END;
    __u32 side = client ? EYE_RECEIVED : EYE_SENT;
    __u32 next = client ? tcp->rcv_nxt : tcp->snd_nxt;
    const struct eye_half *responses = &conversation->halves[side];
    return !responses->synced || responses->phase == EYE_PHASE_IGNORE ||
           eye_is_behind(responses->next_sequence + 1, next);
}

EYE_PART int eye_end_request(const struct eye_stream *stream, struct eye_conversation *conversation,
                             struct eye_request *request, __u64 now_ns, __u32 error)
{
    if (!stream || !conversation || !request) {
        return 0;
    }
    request->head.duration_ns = now_ns - request->started_ns;
    request->head.code = error;
    request->head.flags |= EYE_REQUEST_UNANSWERED;
    eye_tell(stream, conversation, request);
    return 0;
}

/* The requests that wait will not be answered: each is reported with what ended the connection. */
static __always_inline void eye_end_requests(struct sock *sk, const struct eye_stream *stream,
                                             struct eye_conversation *conversation, __u8 error)
{
    struct eye_queue *queue = &conversation->queue;
    struct eye_pipeline *pipeline = bpf_sk_storage_get(&pipelines, sk, 0, 0);
    __u64 now_ns = bpf_ktime_get_ns();
    for (int i = 0; i < EYE_QUEUE_DEPTH; i++) {
        if (eye_waiting(queue) == 0) {
            break;
        }
        struct eye_request *request = eye_slot(queue, pipeline, queue->popped);
        queue->popped++;
        eye_end_request(stream, conversation, request, now_ns, error);
    }
}

/* The connection is closed. */
static __always_inline void eye_end_conversation(struct sock *sk, struct eye_socket *socket,
                                                 int old_state)
{
    struct eye_stream *stream = &socket->stream;
    struct eye_conversation *conversation = bpf_sk_storage_get(&conversations, sk, 0, 0);
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!conversation || !tcp) {
        return;
    }
    stream->recognised |= stream->confirmed;
    if (eye_waiting(&conversation->queue) > 0) {
        eye_learn_closer(socket, sk);
        if (eye_is_paired(&conversation->queue) && !eye_missed_bytes(stream, conversation, tcp)) {
            eye_end_requests(sk, stream, conversation, eye_request_error_of(sk, stream, old_state));
        }
        eye_forget_requests(conversation);
    }
    if (conversation->troubled) {
        eye_report(stream, conversation);
    }
}

/* A socket that connects, perhaps not for the first time: the last connection's conversation is not
 * this one's. */
static __always_inline void eye_drop_conversation(struct sock *sk)
{
    bpf_sk_storage_delete(&conversations, sk);
    bpf_sk_storage_delete(&pipelines, sk);
}
