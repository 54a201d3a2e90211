/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the collector is told of a stream, whatever the source of its bytes is. */
#pragma once

#include "bpf/usm/engine.h"
#include "bpf/usm/http2/streams.h"
#include "bpf/usm/ring.h"

/* Flags of all records of this source of bytes (holder.bpf.h). */
#ifndef EYE_SOURCE_FLAGS
#define EYE_SOURCE_FLAGS 0
#endif

static __always_inline bool eye_send(const struct eye_conversation *conversation,
                                     struct eye_request *request)
{
    struct eye_request_head *head = &request->head;
    head->owner = conversation->owner;
    head->port = conversation->port;
    head->flags |=
        EYE_SOURCE_FLAGS | (conversation->client == EYE_CLIENT_THIS_END ? EYE_REQUEST_CLIENT : 0);
    __u64 wake = eye_request_wake_flag(request);
    __u64 body_bytes = head->body_bytes; /* read here: 6.1 forgets the bounds of what is spilled */
    eye_pin(body_bytes);
    if (body_bytes > sizeof(request->body)) {
        return true;
    }
    return eye_put(head, sizeof(*head) + body_bytes, wake);
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
    request->head.flags |= EYE_SOURCE_FLAGS;
    eye_pin(body_bytes);
    if (body_bytes <= sizeof(request->body) &&
        !eye_put(&request->head, sizeof(request->head) + body_bytes, eye_usual_wake_flag())) {
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
    return eye_put(&record, sizeof(record), eye_usual_wake_flag());
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
        eye_pop_answered(work);
    }
    return more;
}

/* What the collector has to know beside records, behind each step. Not a part of the step, whose
 * stack is full. */
static __always_inline void eye_teach(const struct eye_parser *parser,
                                      struct eye_conversation *conversation,
                                      const struct eye_cursor *at)
{
    if (parser->tell && conversation && at) {
        parser->tell(conversation, at->side);
    }
}
