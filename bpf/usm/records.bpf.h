/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a kernel program tells the collector of a stream, whatever the source of its bytes is. */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/usm/engine.h"
#include "bpf/usm/http2/streams.h"

/* A request wakes the collector within so many bytes behind each multiple of this fill. */
#define EYE_REQUESTS_WAKE_BYTES (1U << 18)
#define EYE_REQUESTS_WAKE_SPAN (1U << 15)

/* Of so many requests one asks how full the ring is (15 to 20 ns): 5 within a span of the longest,
 * 16 of usual ones. */
#define EYE_REQUESTS_ASK_SHIFT 5

/*
 * Which one asks is chosen by bits that differ within a connection, however coarse the clock is,
 * and within a pipeline, whose requests may all take equally long. No counter: CPUs would share it.
 */
static __always_inline bool eye_asks(const struct eye_request *request)
{
    __u32 mixed = ((__u32)request->head.duration_ns + request->sequence) * 2654435769U;
    return mixed >> (32 - EYE_REQUESTS_ASK_SHIFT) == 0;
}

static __always_inline __u64 eye_request_wake_flag(const struct eye_request *request)
{
    if (!eye_asks(request)) {
        return BPF_RB_NO_WAKEUP;
    }
    __u64 used = bpf_ringbuf_query(&requests, BPF_RB_AVAIL_DATA);
    return used >= EYE_REQUESTS_WAKE_BYTES &&
                   used % EYE_REQUESTS_WAKE_BYTES < EYE_REQUESTS_WAKE_SPAN
               ? BPF_RB_FORCE_WAKEUP
               : BPF_RB_NO_WAKEUP;
}

static __always_inline bool eye_send(const struct eye_conversation *conversation,
                                     struct eye_request *request)
{
    struct eye_request_head *head = &request->head;
    head->owner = conversation->owner;
    head->port = conversation->port;
    head->flags |= conversation->client == EYE_CLIENT_THIS_END ? EYE_REQUEST_CLIENT : 0;
    __u64 wake = eye_request_wake_flag(request);
    __u64 body_bytes = head->body_bytes; /* read here: 6.1 forgets the bounds of what is spilled */
    eye_pin(body_bytes);
    if (body_bytes > sizeof(request->body)) {
        return true;
    }
    return bpf_ringbuf_output(&requests, head, sizeof(*head) + body_bytes, wake) == 0;
}

static __always_inline void eye_tell(struct eye_conversation *conversation,
                                     struct eye_request *request)
{
    if (!eye_send(conversation, request)) {
        eye_note_loss_part(conversation, EYE_LOST_RING, 1);
    }
}

/* A request of HTTP/2 whose record is made; its slot is free then. */
static __always_inline void eye_tell_stream(struct eye_conversation *conversation,
                                            struct eye_http2_request *request)
{
    __u64 body_bytes = request->head.body_bytes;
    eye_pin(body_bytes);
    if (body_bytes <= sizeof(request->body) &&
        bpf_ringbuf_output(&requests, &request->head, sizeof(request->head) + body_bytes,
                           eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES)) != 0) {
        eye_note_loss_part(conversation, EYE_LOST_RING, 1);
    }
    request->stream = 0; /* last: the next request, on another CPU, may take it */
}

/* Tells who suffers of what the counters have already. False: the ring has no room. */
static __always_inline bool eye_tell_loss(__u64 owner, __u16 port, bool client, __u32 loss,
                                          __u32 amount)
{
    struct eye_loss_record record = {
        .owner = owner,
        .amount = amount,
        .port = port,
        .loss = (__u8)loss,
        .client = client,
    };
    return bpf_ringbuf_output(&requests, &record, sizeof(record),
                              eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES)) == 0;
}

/* The losses of this connection since the last time that the ring took them. */
EYE_PART int eye_report(struct eye_conversation *conversation)
{
    if (!conversation) {
        return 0;
    }
    conversation->troubled = 0;
    for (__u32 i = 0; i < EYE_LOST_COUNT; i++) {
        if (conversation->lost[i] == 0) {
            continue;
        }
        if (eye_tell_loss(conversation->owner, conversation->port,
                          conversation->client == EYE_CLIENT_THIS_END,
                          EYE_LOSS_OF_PARSER(conversation->protocol) + i, conversation->lost[i])) {
            conversation->lost[i] = 0;
        } else {
            conversation->troubled = 1; /* again with the next payload */
        }
    }
    return 0;
}

/* One step, and what it answered is told. False: the payload is used up. */
static __always_inline bool eye_step_and_tell(struct eye_work *work)
{
    struct eye_request *answered;
    bool more = eye_step(work, &answered);
    if (answered) {
        eye_tell(work->conversation, answered);
        eye_pop(&work->conversation->queue);
    }
    return more;
}
