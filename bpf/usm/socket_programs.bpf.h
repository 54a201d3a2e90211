/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two programs of a protocol that packets are handed to, name_sent and name_received. */
#pragma once

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
    if (side == EYE_SENT || !eye_is_early(sk)) {
        eye_handle_payload(skb, sk, &passed, side, protocol, parser, all_steps);
        return;
    }
    struct eye_first_payload *first = eye_first_payload_slot();
    if (first) {
        eye_read_first(skb, first, &passed, parser, all_steps);
    }
}

/* @parser NULL: as in eye_handle_payload(). The steps are eye_name_all_steps(). */
#define EYE_PROTOCOL_ENTRIES(name, protocol, parser)                                               \
    SEC("cgroup_skb/egress")                                                                       \
    int name##_sent(struct __sk_buff *skb)                                                         \
    {                                                                                              \
        eye_handle_passed(skb, EYE_SENT, protocol, parser, eye_##name##_all_steps);                \
        return 1;                                                                                  \
    }                                                                                              \
                                                                                                   \
    SEC("cgroup_skb/ingress")                                                                      \
    int name##_received(struct __sk_buff *skb)                                                     \
    {                                                                                              \
        eye_handle_passed(skb, EYE_RECEIVED, protocol, parser, eye_##name##_all_steps);            \
        return 1;                                                                                  \
    }
