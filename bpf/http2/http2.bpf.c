/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of HTTP/2 and gRPC. The frame of streams finds where frames and header blocks stand;
 * what they tell is kept beside the conversation.
 */
#include "bpf/usm/http2/http2.h"
#include "bpf/usm/payloads.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline struct eye_http2_half *eye_http2_half_of(struct bpf_sock *sk, __u32 side)
{
    return side == EYE_SENT
               ? bpf_sk_storage_get(&http2_sent_halves, sk, 0, BPF_SK_STORAGE_GET_F_CREATE)
               : bpf_sk_storage_get(&http2_received_halves, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
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
static __always_inline void eye_http2_find_more(struct bpf_sock *sk, struct eye_http2_work *work,
                                                __u32 stream)
{
    bool asks =
        eye_carries_requests(work->conversation, work->side) && stream > work->requests->newest;
    if (eye_http2_slot(work->requests, stream)->stream == stream ||
        (asks && !eye_http2_is_full(work, stream, 0, EYE_HTTP2_PLACES_MORE))) {
        return;
    }
    work->more = bpf_sk_storage_get(&http2_more, sk, 0, asks ? BPF_SK_STORAGE_GET_F_CREATE : 0);
    if (!work->more ||
        (asks && !eye_http2_is_full(work, stream, EYE_HTTP2_PLACES_MORE, EYE_HTTP2_PLACES_MOST))) {
        return;
    }
    work->most = bpf_sk_storage_get(&http2_most, sk, 0, asks ? BPF_SK_STORAGE_GET_F_CREATE : 0);
}

/* Finds where the direction's block and the requests are kept, or makes that. */
static __always_inline void eye_http2_find_places(struct bpf_sock *sk, struct eye_http2_work *work)
{
    if (sk->state != TCP_LISTEN) {
        work->half = eye_http2_half_of(sk, work->side);
        work->requests = bpf_sk_storage_get(&http2_requests, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
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
EYE_PART int eye_http2_handle(struct __sk_buff *skb, struct eye_conversation *conversation,
                              __u32 side)
{
    struct bpf_sock *sk = skb->sk;
    struct eye_http2_frame frame;
    if (!sk || !conversation) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    eye_http2_read_mark(half, &frame);
    if (!eye_http2_matters(&frame)) {
        return 0;
    }
    struct eye_http2_work work = {.conversation = conversation, .side = side};
    eye_http2_find_places(sk, &work);
    if (!work.half || !work.requests) {
        eye_note_loss_part(conversation, EYE_LOST_STORAGE, 1);
        return 0;
    }
    __u32 stream = half->mark == EYE_HTTP2_FRAME ? frame.stream : work.half->block.stream;
    if (sk->state != TCP_LISTEN) {
        eye_http2_find_more(sk, &work, stream);
    }
    struct eye_http2_ended ended = eye_http2_take_mark(&work, &frame);
    if (ended.request) {
        eye_http2_fill_head(conversation, &ended);
        eye_tell_stream(conversation, ended.request);
    }
    return 0;
}

/* Bytes of the direction were missed. */
EYE_PART int eye_http2_forget(struct __sk_buff *skb, const struct eye_conversation *conversation,
                              __u32 side)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation) {
        return 0;
    }
    struct eye_http2_requests *requests = bpf_sk_storage_get(&http2_requests, sk, 0, 0);
    struct eye_http2_half *half = side == EYE_SENT
                                      ? bpf_sk_storage_get(&http2_sent_halves, sk, 0, 0)
                                      : bpf_sk_storage_get(&http2_received_halves, sk, 0, 0);
    eye_http2_miss(conversation, half, requests, side);
    return 0;
}

EYE_PART int eye_http2_frame_step(struct __sk_buff *skb, struct eye_conversation *conversation,
                                  struct eye_cursor *at)
{
    return eye_take_step(skb, conversation, at, &eye_http2_parser);
}

static __always_inline int eye_http2_step(struct __sk_buff *skb,
                                          struct eye_conversation *conversation,
                                          struct eye_cursor *at)
{
    if (!conversation || !at) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, at->side);
    if (half->phase == EYE_PHASE_LOST) {
        eye_http2_forget(skb, conversation, at->side);
    }
    int more = eye_http2_frame_step(skb, conversation, at);
    if (half->mark != EYE_HTTP2_NOTHING) {
        eye_http2_handle(skb, conversation, at->side);
        half->mark = EYE_HTTP2_NOTHING;
    }
    return more;
}

EYE_PROTOCOL_STEPS(http2)

SEC("cgroup_skb/egress")
int http2_sent(struct __sk_buff *skb)
{
    eye_handle_passed(skb, EYE_SENT, EYE_PROTOCOL_HTTP2, NULL, eye_http2_all_steps);
    return 1;
}

SEC("cgroup_skb/ingress")
int http2_received(struct __sk_buff *skb)
{
    eye_handle_passed(skb, EYE_RECEIVED, EYE_PROTOCOL_HTTP2, NULL, eye_http2_all_steps);
    return 1;
}
