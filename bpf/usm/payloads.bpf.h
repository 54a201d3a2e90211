/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of one protocol do with a payload that dispatch.bpf.h has handed to them: its
 * conversation, where it belongs in it, and the steps of the parser. They are in an object of their
 * own, so that a kernel verifies, and memory holds, the protocols alone that a host speaks.
 */
#pragma once

#include "bpf/usm/burst.h"
#include "bpf/usm/holder.bpf.h"
#include "bpf/usm/records.h"
#include "bpf/usm/segment.bpf.h"

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

EYE_PART int eye_resolve_part(eye_payload *payload, struct eye_conversation *conversation,
                              struct eye_cursor *at, __u32 sequence)
{
    eye_holder *holder = eye_holder_of(payload);
    if (!holder || !conversation || !at) {
        return 0;
    }
    __u32 prefix = eye_half_of(conversation, at->side)->synced ? 0 : eye_prefix_of(holder);
    struct eye_receiver receiver = eye_ask_holder(holder, at, sequence, prefix);
    return eye_resolve(conversation, at, &receiver, sequence);
}

/* The slots beyond the first one, when the next step may need them. */
static __always_inline struct eye_pipeline *eye_find_pipeline(eye_holder *holder,
                                                              const struct eye_work *work)
{
    bool many = work->parser->batches && eye_waiting(&work->conversation->queue) > 1;
    if (!many && !eye_needs_pipeline(work->conversation, work->at->side)) {
        return NULL;
    }
    return eye_is_early(holder) ? eye_first_pipeline() : eye_make_state(pipelines, holder);
}

/* One step of @parser; 0: the payload is used up. */
static __always_inline int eye_take_step(eye_payload *payload,
                                         struct eye_conversation *conversation,
                                         struct eye_cursor *at, const struct eye_parser *parser)
{
    eye_holder *holder = eye_holder_of(payload);
    if (!holder || !conversation || !at) {
        return 0;
    }
    struct eye_work work = {
        .parser = parser,
        .conversation = conversation,
        .reader = eye_reader_of(payload, at->side),
        .at = at,
    };
    if (parser->note) {
        work.pipeline = eye_find_pipeline(holder, &work);
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
static __always_inline int eye_take_burst(eye_payload *payload,
                                          struct eye_conversation *conversation,
                                          struct eye_cursor *at, const struct eye_parser *parser)
{
    eye_holder *holder = eye_holder_of(payload);
    if (!holder || !conversation || !at) {
        return 0;
    }
    struct eye_work work = {
        .parser = parser,
        .conversation = conversation,
        .reader = eye_reader_of(payload, at->side),
        .at = at,
    };
    if (!eye_may_burst(&work)) {
        return 0;
    }
    work.pipeline = eye_is_early(holder) ? eye_first_pipeline() : eye_make_state(pipelines, holder);
    return work.pipeline && eye_burst(&work, eye_tell_of, NULL);
}

/* What takes steps of a parser: a function of its program, a constant wherever it is handed on. */
typedef int eye_taker(eye_payload *payload, struct eye_conversation *conversation,
                      struct eye_cursor *at);

/* It was not that protocol after all, or is no longer. */
static __always_inline void eye_leave_conversation(eye_holder *holder,
                                                   struct eye_conversation *conversation,
                                                   const struct eye_cursor *at)
{
    struct eye_stream *stream = eye_stream_of(holder);
    if (stream) {
        eye_end_protocol(stream, conversation, at);
    }
    eye_forget_requests(conversation);
    if (conversation->troubled) {
        eye_report(conversation);
    }
    eye_delete_conversation(holder);
}

/* Since the payload was handed over, the other direction, on another CPU, may have found that the
 * protocol is over, or another one: no parser reads what is another's. */
static __always_inline bool eye_still_speaks(eye_holder *holder, __u8 protocol)
{
    const struct eye_stream *stream = eye_stream_of(holder);
    return stream && *(const volatile __u8 *)&stream->protocol == protocol;
}

/* The first payload of a protocol. @conversation: of one that is over, or NULL. One without a
 * protocol is new, made by the first payload of the other direction on another CPU: as it is. */
static __always_inline struct eye_conversation *eye_begin(eye_holder *holder,
                                                          struct eye_conversation *conversation,
                                                          __u8 protocol)
{
    if (!eye_still_speaks(holder, protocol)) {
        return NULL;
    }
    if (conversation && conversation->protocol != EYE_PROTOCOL_UNKNOWN) {
        eye_begin_conversation(conversation, protocol);
        return conversation;
    }
    conversation = eye_make_state(conversations, holder);
    if (!conversation) {
        eye_lose(EYE_LOSS_OF_PARSER((__u32)protocol) + EYE_LOST_STORAGE, 1);
        return NULL;
    }
    conversation->protocol = protocol;
    return conversation;
}

static __always_inline struct eye_conversation *eye_find_conversation(eye_holder *holder,
                                                                      __u8 protocol)
{
    struct eye_conversation *conversation = eye_get_state(conversations, holder);
    return conversation && conversation->protocol == protocol
               ? conversation
               : eye_begin(holder, conversation, protocol);
}

/* Which end of the connection asks, by who made it. */
EYE_PART int eye_learn_client(eye_payload *payload, struct eye_conversation *conversation)
{
    eye_holder *holder = eye_holder_of(payload);
    if (!holder || !conversation) {
        return 0;
    }
    if (eye_stream_of(holder)) {
        conversation->client = eye_connected(holder) ? EYE_CLIENT_THIS_END : EYE_CLIENT_PEER;
    }
    return 0;
}

/* The first whole head of a message: what the connection speaks is beyond doubt. */
EYE_PART int eye_note_recognised(eye_payload *payload)
{
    eye_holder *holder = eye_holder_of(payload);
    struct eye_stream *stream = holder ? eye_stream_of(holder) : NULL;
    if (stream) {
        stream->recognised = 1;
    }
    return 0;
}

/* One payload of a socket that speaks @protocol. The first step may be inlined: mostly there is no
 * other one, and a return costs some 20 ns where the kernel has return thunks. @parser NULL: a
 * protocol that pairs by itself, all of whose steps are called. */
static __always_inline void eye_handle_payload(eye_payload *payload, eye_holder *holder,
                                               const struct eye_passed *passed, __u32 side,
                                               __u8 protocol, const struct eye_parser *parser,
                                               eye_taker *all_steps)
{
    const struct eye_segment *segment = &passed->segment;
    struct eye_conversation *conversation = eye_find_conversation(holder, protocol);
    if (!conversation) {
        return;
    }
    eye_note_whose(conversation, passed->owner, passed->port);
    if (!parser && !conversation->queue.by_number) {
        conversation->queue.by_number = 1;
    }
    if (parser && parser->client_connects && conversation->client == EYE_CLIENT_UNKNOWN) {
        eye_learn_client(payload, conversation);
    }
    struct eye_cursor at = eye_cursor_at(segment, side);
    eye_discount_fin(holder, conversation, &at);
    if (!eye_is_next(conversation, &at, segment->sequence) &&
        !eye_resolve_part(payload, conversation, &at, segment->sequence)) {
        return;
    }
    eye_advance_to_new(conversation, &at, segment->sequence);
    bool more = true;
    if (parser && EYE_FIRST_STEP_INLINED) {
        more = eye_take_step(payload, conversation, &at, parser);
        eye_teach(parser, conversation, &at);
    }
    if (more) {
        all_steps(payload, conversation, &at);
    }
    if (at.verdict != EYE_VERDICT_GO_ON) {
        eye_leave_conversation(holder, conversation, &at);
        return;
    }
    eye_exhaust(conversation, &at);
    if (conversation->confirmed != conversation->known) {
        conversation->known = 1;
        eye_note_recognised(payload);
    }
    if (conversation->troubled) {
        eye_report(conversation);
    }
}

#ifdef EYE_INSIDE_TLS
#include "bpf/tls/session_programs.bpf.h"
#else
#include "bpf/usm/socket_programs.bpf.h"
#endif

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
    EYE_PART int eye_##name##_steps(eye_payload *payload, struct eye_conversation *conversation,   \
                                    struct eye_cursor *at)                                         \
    {                                                                                              \
        for (int i = 0; i < EYE_STEPS_AT_ONCE; i++) {                                              \
            if (!eye_##name##_step(payload, conversation, at)) {                                   \
                return 0;                                                                          \
            }                                                                                      \
        }                                                                                          \
        return 1;                                                                                  \
    }                                                                                              \
                                                                                                   \
    EYE_PART int eye_##name##_all_steps(                                                           \
        eye_payload *payload, struct eye_conversation *conversation, struct eye_cursor *at)        \
    {                                                                                              \
        for (int i = 0; i < EYE_STEPS_ROUNDS; i++) {                                               \
            if (!eye_##name##_steps(payload, conversation, at)) {                                  \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
        return 0;                                                                                  \
    }

/* The programs of a protocol that is a parser and nothing else. */
#define EYE_PROTOCOL_PROGRAMS(name)                                                                \
    EYE_PART int eye_##name##_burst(eye_payload *payload, struct eye_conversation *conversation,   \
                                    struct eye_cursor *at)                                         \
    {                                                                                              \
        return eye_take_burst(payload, conversation, at, &eye_##name##_parser);                    \
    }                                                                                              \
                                                                                                   \
    EYE_PART int eye_##name##_one_step(                                                            \
        eye_payload *payload, struct eye_conversation *conversation, struct eye_cursor *at)        \
    {                                                                                              \
        return eye_take_step(payload, conversation, at, &eye_##name##_parser);                     \
    }                                                                                              \
                                                                                                   \
    static __always_inline int eye_##name##_step(                                                  \
        eye_payload *payload, struct eye_conversation *conversation, struct eye_cursor *at)        \
    {                                                                                              \
        if (eye_##name##_parser.simple_request && eye_##name##_burst(payload, conversation, at)) { \
            return 1;                                                                              \
        }                                                                                          \
        int more = eye_##name##_one_step(payload, conversation, at);                               \
        eye_teach(&eye_##name##_parser, conversation, at);                                         \
        return more;                                                                               \
    }                                                                                              \
                                                                                                   \
    EYE_PROTOCOL_STEPS(name)                                                                       \
                                                                                                   \
    EYE_PROTOCOL_ENTRIES(name, EYE_PROTOCOL_OF_##name, &eye_##name##_parser)
