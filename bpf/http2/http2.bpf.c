/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of HTTP/2 and gRPC. The frame of streams finds where frames and header blocks stand;
 * what they tell is kept beside the conversation, for as long as the socket lives.
 */
#include "bpf/usm/http2/http2.h"
#include "bpf/usm/payloads.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* socket -> struct eye_http2, of those that speak it. Written below; freed by the kernel. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_http2);
} http2s SEC(".maps");

/* Into the ring's own memory: a record is too long for the stack. */
static __always_inline void eye_http2_tell(struct eye_conversation *conversation,
                                           const struct eye_http2_ended *ended)
{
    struct eye_http2_record *record = bpf_ringbuf_reserve(&requests, sizeof(*record), 0);
    if (!record) {
        eye_note_loss_part(conversation, EYE_LOST_RING, 1);
        return;
    }
    const struct eye_http2_request *request = ended->request;
    bool client = conversation->client == EYE_CLIENT_THIS_END;
    record->head.duration_ns = ended->duration_ns;
    record->head.owner = conversation->owner;
    record->head.port = conversation->port;
    record->head.code = request->status;
    record->head.body_bytes = EYE_HTTP2_BODY_FIXED + request->body.path_length;
    record->head.protocol = EYE_PROTOCOL_HTTP2;
    record->head.flags = client ? EYE_REQUEST_CLIENT : 0;
    record->body = request->body;
    bpf_ringbuf_submit(record, eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES));
}

/* What the parser has marked in the direction of @side. */
EYE_PART int eye_http2_handle(struct __sk_buff *skb, struct eye_conversation *conversation,
                              __u32 side)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation) {
        return 0;
    }
    struct eye_http2 *http2 = sk->state == TCP_LISTEN
                                  ? NULL
                                  : bpf_sk_storage_get(&http2s, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!http2) {
        eye_note_loss_part(conversation, EYE_LOST_STORAGE, 1);
        return 0;
    }
    struct eye_http2_ended ended = eye_http2_take_mark(http2, conversation, side);
    if (ended.request) {
        eye_http2_tell(conversation, &ended);
        ended.request->stream = 0;
    }
    return 0;
}

/* Bytes of the direction were missed. */
EYE_PART int eye_http2_forget(struct __sk_buff *skb, __u32 side)
{
    struct bpf_sock *sk = skb->sk;
    struct eye_http2 *http2 = sk ? bpf_sk_storage_get(&http2s, sk, 0, 0) : NULL;
    if (http2) {
        eye_http2_lose(http2, side);
    }
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
        eye_http2_forget(skb, at->side);
    }
    int more = eye_http2_frame_step(skb, conversation, at);
    if (half->mark != EYE_HTTP2_NOTHING) {
        eye_http2_handle(skb, conversation, at->side);
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
