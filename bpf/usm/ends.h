/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of the requests that wait when their connection ends. */
#pragma once

#include "bpf/usm/http2/http2.h"
#include "bpf/usm/records.h"

/* Whoever waits has no answer; else it may have been missed, or nobody ever answered like that. */
static __always_inline bool eye_is_certain(const struct eye_conversation *conversation)
{
    const struct eye_queue *queue = &conversation->queue;
    return eye_is_paired(queue) && conversation->confirmed &&
           !(queue->by_number && queue->trust == EYE_TRUST_BROKEN);
}

/* The requests that wait will not be answered: each is reported with @error, which ended the
 * connection. A part, because each way to find out the error would be one more through the loop. */
EYE_PART int eye_end_requests(struct eye_conversation *conversation, struct eye_pipeline *pipeline,
                              __u32 error)
{
    if (!conversation) {
        return 0;
    }
    struct eye_queue *queue = &conversation->queue;
    __u64 now_ns = eye_now_ns();
    for (int i = 0; i < EYE_QUEUE_DEPTH; i++) {
        if (eye_waiting(queue) == 0) {
            break;
        }
        struct eye_request *request = eye_slot(queue, pipeline, queue->popped);
        queue->popped++;
        if (request) {
            eye_set_duration(&request->head, (__s64)(now_ns - request->started_ns));
            request->head.code = error;
            request->head.flags |= EYE_REQUEST_UNANSWERED;
            eye_tell(conversation, request);
        }
    }
    return 0;
}

/* A stream of HTTP/2 likewise; @error 0: nobody knows what became of it. One whose answer has begun
 * is answered, but for calls of gRPC, which have a status at their end. */
EYE_PART int eye_end_stream(struct eye_conversation *conversation,
                            struct eye_http2_request *request, __u32 error)
{
    if (!conversation || !request) {
        return 0;
    }
    __u32 stream = request->stream;
    if (stream == 0 || stream == EYE_HTTP2_TELLING || !eye_http2_claim(request, stream)) {
        return 0;
    }
    bool answered = request->answered_ns != 0 && !(request->body.flags & EYE_HTTP2_GRPC);
    struct eye_http2_ended ended =
        eye_http2_end(request, stream, answered ? request->answered_ns : eye_now_ns());
    if (!answered && !error) {
        request->stream = 0;
        eye_note_loss_part(conversation, EYE_LOST_UNANSWERED, 1);
        return 0;
    }
    eye_http2_fill_head(conversation, &ended);
    if (!answered) {
        request->head.code = (__u16)error;
        request->head.flags |= EYE_REQUEST_UNANSWERED;
    }
    eye_tell_stream(conversation, request);
    return 0;
}

/* All that wait; @error of those whose answers were not missed. */
EYE_PART int eye_end_streams(struct eye_conversation *conversation,
                             struct eye_http2_requests *usual, struct eye_http2_more *more,
                             struct eye_http2_most *most, __u32 error)
{
    if (!conversation || !usual) {
        return 0;
    }
    for (int i = 0; i < EYE_HTTP2_SLOTS; i++) {
        struct eye_http2_request *request = &usual->slots[i];
        eye_end_stream(conversation, request, request->stream > usual->doubted ? error : 0);
    }
    for (int i = 0; more && i < EYE_HTTP2_MORE_SLOTS; i++) {
        struct eye_http2_request *request = &more->slots[i];
        eye_end_stream(conversation, request, request->stream > usual->doubted ? error : 0);
    }
    for (int i = 0; most && i < EYE_HTTP2_MOST_SLOTS; i++) {
        struct eye_http2_request *request = &most->slots[i];
        eye_end_stream(conversation, request, request->stream > usual->doubted ? error : 0);
    }
    return 0;
}
