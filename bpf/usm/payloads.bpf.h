/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of one protocol do with a payload that dispatch.bpf.h has handed to them: its
 * conversation, where it belongs in it, and the steps of the parser. They are in an object of their
 * own, so that a kernel verifies, and memory holds, the protocols alone that a host speaks.
 */
#pragma once

#include "bpf/mptcp.bpf.h"
#include "bpf/usm/burst.h"
#include "bpf/usm/first_payload.bpf.h"
#include "bpf/usm/records.h"
#include "bpf/usm/segment.bpf.h"

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
static __always_inline struct eye_receiver eye_ask_socket(struct bpf_sock *sk,
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

EYE_PART int eye_resolve_part(struct __sk_buff *skb, struct eye_conversation *conversation,
                              struct eye_cursor *at, __u32 sequence)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation || !at) {
        return 0;
    }
    __u32 prefix = eye_half_of(conversation, at->side)->synced ? 0 : eye_prefix_of(sk);
    struct eye_receiver receiver = eye_ask_socket(sk, at, sequence, prefix);
    return eye_resolve(conversation, at, &receiver, sequence);
}

/* The slots beyond the first one, when the next step may need them. */
static __always_inline struct eye_pipeline *eye_find_pipeline(struct bpf_sock *sk,
                                                              const struct eye_work *work)
{
    bool many = work->parser->batches && eye_waiting(&work->conversation->queue) > 1;
    if (!many && !eye_needs_pipeline(work->conversation, work->at->side)) {
        return NULL;
    }
    return sk->state == TCP_LISTEN
               ? eye_first_pipeline()
               : bpf_sk_storage_get(&pipelines, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* One step of @parser; 0: the payload is used up. */
static __always_inline int eye_take_step(struct __sk_buff *skb,
                                         struct eye_conversation *conversation,
                                         struct eye_cursor *at, const struct eye_parser *parser)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation || !at) {
        return 0;
    }
    struct eye_work work = {
        .parser = parser,
        .conversation = conversation,
        .reader = eye_skb_reader(skb, at->side),
        .at = at,
    };
    if (parser->note) {
        work.pipeline = eye_find_pipeline(sk, &work);
    }
    return eye_step_and_tell(&work);
}

/* A function of its own: the verifier would follow it for each message of a burst. */
EYE_PART int eye_tell_apart(struct eye_conversation *conversation, struct eye_request *request)
{
    if (conversation && request) {
        eye_tell(conversation, request);
    }
    return 0;
}

static __always_inline void eye_tell_of(void *context, struct eye_conversation *conversation,
                                        struct eye_request *request)
{
    (void)context;
    eye_tell_apart(conversation, request);
}

/* Simple messages of @parser, if what comes next may be some. */
static __always_inline int eye_take_burst(struct __sk_buff *skb,
                                          struct eye_conversation *conversation,
                                          struct eye_cursor *at, const struct eye_parser *parser)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation || !at) {
        return 0;
    }
    struct eye_work work = {
        .parser = parser,
        .conversation = conversation,
        .reader = eye_skb_reader(skb, at->side),
        .at = at,
    };
    if (!eye_may_burst(&work)) {
        return 0;
    }
    work.pipeline = sk->state == TCP_LISTEN
                        ? eye_first_pipeline()
                        : bpf_sk_storage_get(&pipelines, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    return work.pipeline && eye_burst(&work, eye_tell_of, NULL);
}

/* What takes steps of a parser: a function of its program, a constant wherever it is handed on. */
typedef int eye_taker(struct __sk_buff *skb, struct eye_conversation *conversation,
                      struct eye_cursor *at);

/* It was not that protocol after all, or is no longer. */
static __always_inline void eye_leave_conversation(struct bpf_sock *sk,
                                                   struct eye_conversation *conversation,
                                                   const struct eye_cursor *at)
{
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (socket) {
        eye_end_protocol(&socket->stream, conversation, at);
    }
    eye_forget_requests(conversation);
    if (conversation->troubled) {
        eye_report(conversation);
    }
    eye_delete_conversation(sk);
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

/* Since the payload was handed over, the other direction, on another CPU, may have found that the
 * protocol is over, or another one: no parser reads what is another's. */
static __always_inline bool eye_still_speaks(struct bpf_sock *sk, __u8 protocol)
{
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    return socket && *(const volatile __u8 *)&socket->stream.protocol == protocol;
}

/* The first payload of a protocol. @conversation: of one that is over, or NULL. One without a
 * protocol is new, made by the first payload of the other direction on another CPU: as it is. */
static __always_inline struct eye_conversation *eye_begin(struct bpf_sock *sk,
                                                          struct eye_conversation *conversation,
                                                          __u8 protocol)
{
    if (!eye_still_speaks(sk, protocol)) {
        return NULL;
    }
    if (conversation && conversation->protocol != EYE_PROTOCOL_UNKNOWN) {
        eye_begin_conversation(conversation, protocol);
        return conversation;
    }
    conversation = bpf_sk_storage_get(&conversations, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!conversation) {
        eye_lose(EYE_LOSS_OF_PARSER((__u32)protocol) + EYE_LOST_STORAGE, 1);
        return NULL;
    }
    conversation->protocol = protocol;
    return conversation;
}

static __always_inline struct eye_conversation *eye_find_conversation(struct bpf_sock *sk,
                                                                      __u8 protocol)
{
    struct eye_conversation *conversation = bpf_sk_storage_get(&conversations, sk, 0, 0);
    return conversation && conversation->protocol == protocol
               ? conversation
               : eye_begin(sk, conversation, protocol);
}

/* Which end of the connection asks, by who made it. */
EYE_PART int eye_learn_client(struct __sk_buff *skb, struct eye_conversation *conversation)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation) {
        return 0;
    }
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (socket) {
        conversation->client =
            socket->direction == EYE_OUTGOING ? EYE_CLIENT_THIS_END : EYE_CLIENT_PEER;
    }
    return 0;
}

/* The first whole head of a message: what the connection speaks is beyond doubt. */
EYE_PART int eye_note_recognised(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;
    struct eye_socket *socket = sk ? bpf_sk_storage_get(&sockets, sk, 0, 0) : NULL;
    if (socket) {
        socket->stream.recognised = 1;
    }
    return 0;
}

/* One payload of a socket that speaks @protocol. The first step is inlined: mostly there is no
 * other one, and a return costs some 20 ns where the kernel has return thunks. @parser NULL: a
 * protocol that pairs by itself, all of whose steps are called. */
static __always_inline void eye_handle_payload(struct __sk_buff *skb, struct bpf_sock *sk,
                                               const struct eye_passed *passed, __u32 side,
                                               __u8 protocol, const struct eye_parser *parser,
                                               eye_taker *all_steps)
{
    const struct eye_segment *segment = &passed->segment;
    struct eye_conversation *conversation = eye_find_conversation(sk, protocol);
    if (!conversation) {
        return;
    }
    eye_note_whose(conversation, passed->owner, passed->port);
    if (!parser && !conversation->queue.by_number) {
        conversation->queue.by_number = 1;
    }
    if (parser && parser->client_connects && conversation->client == EYE_CLIENT_UNKNOWN) {
        eye_learn_client(skb, conversation);
    }
    struct eye_cursor at = eye_cursor_at(segment, side);
    eye_discount_fin(sk, conversation, &at);
    if (!eye_is_next(conversation, &at, segment->sequence) &&
        !eye_resolve_part(skb, conversation, &at, segment->sequence)) {
        return;
    }
    eye_advance_to_new(conversation, &at, segment->sequence);
    bool more = !parser || eye_take_step(skb, conversation, &at, parser);
    if (parser) {
        eye_teach(parser, conversation, &at);
    }
    if (more) {
        all_steps(skb, conversation, &at);
    }
    if (at.verdict != EYE_VERDICT_GO_ON) {
        eye_leave_conversation(sk, conversation, &at);
        return;
    }
    eye_exhaust(conversation, &at);
    if (conversation->confirmed != conversation->known) {
        conversation->known = 1;
        eye_note_recognised(skb);
    }
    if (conversation->troubled) {
        eye_report(conversation);
    }
}

/* Reads a payload that looks like a protocol, wholly by calls: it is rare, and the verifier has
 * seen them. What cannot be followed to its end leaves a socket of which nothing is known. */
static __always_inline void eye_read_first(struct __sk_buff *skb, struct eye_first_payload *first,
                                           const struct eye_passed *passed,
                                           const struct eye_parser *parser, eye_taker *all_steps)
{
    struct eye_stream *stream = &first->socket.stream;
    const struct eye_segment *segment = &passed->segment;
    struct eye_conversation *conversation = &first->conversation;
    struct eye_cursor at = eye_cursor_at(segment, EYE_RECEIVED);
    eye_begin_conversation(conversation, stream->protocol);
    conversation->queue.by_number = !parser;
    if (parser && parser->client_connects) {
        conversation->client = EYE_CLIENT_PEER; /* somebody has connected to a listener */
    }
    eye_note_whose(conversation, passed->owner, passed->port);
    eye_resolve_part(skb, conversation, &at, segment->sequence);
    conversation->halves[EYE_RECEIVED].next_sequence = segment->sequence + segment->bytes;
    all_steps(skb, conversation, &at);
    if (at.verdict == EYE_VERDICT_GO_ON && at.offset >= at.end) {
        stream->recognised = conversation->confirmed;
        return;
    }
    if (at.verdict == EYE_VERDICT_GO_ON) {
        eye_note_loss_part(conversation, EYE_LOST_STEPS, 1);
    }
    eye_forget_requests(conversation);
    at.verdict = EYE_VERDICT_NOT_IT;
    eye_end_protocol(stream, conversation, &at);
}

/* A payload that was handed over to @protocol, of a socket or of a listener. */
static __always_inline void eye_handle_passed(struct __sk_buff *skb, __u32 side, __u8 protocol,
                                              const struct eye_parser *parser, eye_taker *all_steps)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk) {
        return;
    }
    struct eye_passed passed = eye_take_passed(skb);
    if (side == EYE_SENT || sk->state != TCP_LISTEN) {
        eye_handle_payload(skb, sk, &passed, side, protocol, parser, all_steps);
        return;
    }
    struct eye_first_payload *first = eye_first_payload_slot();
    if (first) {
        eye_read_first(skb, first, &passed, parser, all_steps);
    }
}

/* By the name of its folder, which is what its programs know of themselves. */
enum eye_protocol_of {
#define X(identifier, name) EYE_PROTOCOL_OF_##name = EYE_PROTOCOL_##identifier,
    EYE_PROTOCOLS(X)
#undef X
};

/* As many steps as a payload may need, a function eye_name_all_steps() out of eye_name_step(): 1:
 * go on. Steps are functions: verified once, not once per round of the loops around them.
 * (Kernel 7.2 verifies nearly a million instructions when bpf_loop() calls the step, 8 times
 * what 6.18 does, and 5.17 is the first that has it.) */
#define EYE_PROTOCOL_STEPS(name)                                                                   \
    EYE_PART int eye_##name##_steps(struct __sk_buff *skb, struct eye_conversation *conversation,  \
                                    struct eye_cursor *at)                                         \
    {                                                                                              \
        for (int i = 0; i < EYE_STEPS_AT_ONCE; i++) {                                              \
            if (!eye_##name##_step(skb, conversation, at)) {                                       \
                return 0;                                                                          \
            }                                                                                      \
        }                                                                                          \
        return 1;                                                                                  \
    }                                                                                              \
                                                                                                   \
    EYE_PART int eye_##name##_all_steps(                                                           \
        struct __sk_buff *skb, struct eye_conversation *conversation, struct eye_cursor *at)       \
    {                                                                                              \
        for (int i = 0; i < EYE_STEPS_ROUNDS; i++) {                                               \
            if (!eye_##name##_steps(skb, conversation, at)) {                                      \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        return 0;                                                                                  \
    }

/* The two programs of a protocol that is a parser and nothing else, name_sent and name_received. */
#define EYE_PROTOCOL_PROGRAMS(name)                                                                \
    EYE_PART int eye_##name##_burst(struct __sk_buff *skb, struct eye_conversation *conversation,  \
                                    struct eye_cursor *at)                                         \
    {                                                                                              \
        return eye_take_burst(skb, conversation, at, &eye_##name##_parser);                        \
    }                                                                                              \
                                                                                                   \
    EYE_PART int eye_##name##_one_step(                                                            \
        struct __sk_buff *skb, struct eye_conversation *conversation, struct eye_cursor *at)       \
    {                                                                                              \
        return eye_take_step(skb, conversation, at, &eye_##name##_parser);                         \
    }                                                                                              \
                                                                                                   \
    static __always_inline int eye_##name##_step(                                                  \
        struct __sk_buff *skb, struct eye_conversation *conversation, struct eye_cursor *at)       \
    {                                                                                              \
        if (eye_##name##_parser.simple_request && eye_##name##_burst(skb, conversation, at)) {     \
            return 1;                                                                              \
        }                                                                                          \
        int more = eye_##name##_one_step(skb, conversation, at);                                   \
        eye_teach(&eye_##name##_parser, conversation, at);                                         \
        return more;                                                                               \
    }                                                                                              \
                                                                                                   \
    EYE_PROTOCOL_STEPS(name)                                                                       \
                                                                                                   \
    SEC("cgroup_skb/egress")                                                                       \
    int name##_sent(struct __sk_buff *skb)                                                         \
    {                                                                                              \
        eye_handle_passed(skb, EYE_SENT, EYE_PROTOCOL_OF_##name, &eye_##name##_parser,             \
                          eye_##name##_all_steps);                                                 \
        return 1;                                                                                  \
    }                                                                                              \
                                                                                                   \
    SEC("cgroup_skb/ingress")                                                                      \
    int name##_received(struct __sk_buff *skb)                                                     \
    {                                                                                              \
        eye_handle_passed(skb, EYE_RECEIVED, EYE_PROTOCOL_OF_##name, &eye_##name##_parser,         \
                          eye_##name##_all_steps);                                                 \
        return 1;                                                                                  \
    }
