/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of HTTP/2 and gRPC. The frame of streams finds where frames and header blocks stand;
 * what they tell is kept beside the conversation.
 */
#include "bpf/usm/http2/http2.h"
#include "bpf/usm/payloads.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline struct eye_http2_half *eye_http2_half_of(eye_holder *holder, __u32 side)
{
    return side == EYE_SENT ? eye_make_state(http2_sent_halves, holder)
                            : eye_make_state(http2_received_halves, holder);
}

/* A request wants a place of @stream's. */
static __always_inline bool eye_http2_is_full(const struct eye_http2_work *work, __u32 stream,
                                              __u32 first, __u32 behind)
{
    for (__u32 i = first; i < behind; i++) {
        const struct eye_http2_request *request = eye_http2_place(work, stream, i);
        if (!request || request->stream == 0) {
            return !request;
        }
    }
    return true;
}

/* Places beyond the usual one, unless @stream has that. A new request makes them. */
static __always_inline void eye_http2_find_more(eye_holder *holder, struct eye_http2_work *work,
                                                __u32 stream)
{
    bool asks =
        eye_carries_requests(work->conversation, work->side) && stream > work->requests->newest;
    if (eye_http2_slot(work->requests, stream)->stream == stream ||
        (asks && !eye_http2_is_full(work, stream, 0, EYE_HTTP2_PLACES_MORE))) {
        return;
    }
    work->more = asks ? eye_make_state(http2_more, holder) : eye_get_state(http2_more, holder);
    if (!work->more ||
        (asks && !eye_http2_is_full(work, stream, EYE_HTTP2_PLACES_MORE, EYE_HTTP2_PLACES_MOST))) {
        return;
    }
    work->most = asks ? eye_make_state(http2_most, holder) : eye_get_state(http2_most, holder);
}

/* Finds where the direction's block and the requests are kept, or makes that. */
static __always_inline void eye_http2_find_places(eye_holder *holder, struct eye_http2_work *work)
{
    if (!eye_is_early(holder)) {
        work->half = eye_http2_half_of(holder, work->side);
        work->requests = eye_make_state(http2_requests, holder);
        return;
    }
    struct eye_first_payload *first = eye_first_streams();
    if (first) {
        eye_pin(first); /* the verifier wants the check before the arithmetic */
        work->half = &first->half;
        work->requests = &first->streams;
    }
}

/* What the parser has marked in the direction of @side. */
EYE_PART int eye_http2_handle(eye_payload *payload, struct eye_conversation *conversation,
                              __u32 side)
{
    eye_holder *holder = eye_holder_of(payload);
    struct eye_http2_frame frame;
    if (!holder || !conversation) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    eye_http2_read_mark(half, &frame);
    if (!eye_http2_matters(&frame)) {
        return 0;
    }
    struct eye_http2_work work = {.conversation = conversation, .side = side};
    eye_http2_find_places(holder, &work);
    if (!work.half || !work.requests) {
        eye_note_loss_part(conversation, EYE_LOST_STORAGE, 1);
        return 0;
    }
    __u32 stream = half->mark == EYE_HTTP2_FRAME ? frame.stream : work.half->block.stream;
    if (!eye_is_early(holder)) {
        eye_http2_find_more(holder, &work, stream);
    }
    struct eye_http2_ended ended = eye_http2_take_mark(&work, &frame);
    if (ended.request) {
        eye_http2_fill_head(conversation, &ended);
        eye_tell_stream(conversation, ended.request);
    }
    return 0;
}

/* Bytes of the direction were missed. */
EYE_PART int eye_http2_forget(eye_payload *payload, const struct eye_conversation *conversation,
                              __u32 side)
{
    eye_holder *holder = eye_holder_of(payload);
    if (!holder || !conversation) {
        return 0;
    }
    struct eye_http2_requests *requests = eye_get_state(http2_requests, holder);
    struct eye_http2_half *half = side == EYE_SENT ? eye_get_state(http2_sent_halves, holder)
                                                   : eye_get_state(http2_received_halves, holder);
    eye_http2_miss(conversation, half, requests, side);
    return 0;
}

EYE_PART int eye_http2_frame_step(eye_payload *payload, struct eye_conversation *conversation,
                                  struct eye_cursor *at)
{
    return eye_take_step(payload, conversation, at, &eye_http2_parser);
}

static __always_inline int eye_http2_step(eye_payload *payload,
                                          struct eye_conversation *conversation,
                                          struct eye_cursor *at)
{
    if (!conversation || !at) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, at->side);
    if (half->phase == EYE_PHASE_LOST) {
        eye_http2_forget(payload, conversation, at->side);
    }
    int more = eye_http2_frame_step(payload, conversation, at);
    if (half->mark != EYE_HTTP2_NOTHING) {
        eye_http2_handle(payload, conversation, at->side);
        half->mark = EYE_HTTP2_NOTHING;
    }
    return more;
}

EYE_PROTOCOL_STEPS(http2)

EYE_PROTOCOL_ENTRIES(http2, EYE_PROTOCOL_HTTP2, NULL)
