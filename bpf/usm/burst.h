/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Many short messages in one payload: pipelines. A step for each would cost several times what
 * there is to do. So of a parser that knows simple messages (eye_parser.simple_request,
 * .simple_answer), a window's worth of them is taken at once while the pairing is beyond doubt.
 * Whatever is not as simple is left to the steps, which would make the same of all of it.
 *
 * Requests of one payload that are answered by one payload have the same clock: neighbours that ask
 * for the same are told as one record (eye_request_head.more), since a record costs more than all
 * else that is done for them.
 */
#pragma once

#include "bpf/usm/engine.h"

/* Messages taken from one window. The shortest request that is simple has 14 bytes. */
#define EYE_BURST_MESSAGES 5

/* Who is told of a request that was answered; a constant wherever it is handed on. */
typedef void eye_teller(void *context, struct eye_conversation *conversation,
                        struct eye_request *request);

/* Nothing is in doubt, and the next byte begins a message. */
static __always_inline bool eye_may_burst(const struct eye_work *work)
{
    const struct eye_conversation *conversation = work->conversation;
    const struct eye_queue *queue = &conversation->queue;
    const struct eye_half *half = &conversation->halves[work->at->side & 1];
    const struct eye_half *other = &conversation->halves[(work->at->side ^ 1) & 1];
    return work->at->verdict == EYE_VERDICT_GO_ON && work->at->offset < work->at->end &&
           half->phase == EYE_PHASE_START && half->held == 0 && conversation->confirmed &&
           queue->trust == EYE_TRUST_FROM_START && queue->overflow == 0 &&
           other->phase != EYE_PHASE_IGNORE &&
           !eye_is_behind(other->next_sequence, work->at->acknowledged);
}

/* The slot of the next request; NULL: there is none. */
static __always_inline struct eye_request *eye_burst_slot(struct eye_work *work)
{
    struct eye_queue *queue = &work->conversation->queue;
    __u32 waiting = eye_waiting(queue);
    if (waiting >= EYE_QUEUE_DEPTH) {
        return NULL;
    }
    if (waiting == 0) {
        queue->popped = 0;
        queue->pushed = 0;
    } else if (!queue->pipelined) {
        queue->pipelined = 1;
    }
    return eye_slot(queue, work->pipeline, queue->pushed);
}

/* Requests from the start of the window on. Returns the bytes taken. */
static __always_inline __u32 eye_burst_requests(struct eye_work *work, struct eye_half *half,
                                                __u32 filled, __u64 now_ns)
{
    __u32 from = 0;
    for (int i = 0; i < EYE_BURST_MESSAGES; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from >= filled || from >= EYE_WINDOW_BYTES) {
            break;
        }
        struct eye_request *request = eye_burst_slot(work);
        if (!request) {
            break;
        }
        __u32 bytes = eye_forget(work->parser->simple_request(half, from, filled, request));
        if (bytes == 0) {
            break;
        }
        request->started_ns = now_ns;
        request->sequence = work->at->origin + work->at->offset + from;
        request->acknowledged = work->at->acknowledged;
        request->head.protocol = work->conversation->protocol;
        request->mark = 0;
        half->first_sequence = request->sequence;
        work->conversation->queue.pushed++;
        from += bytes;
    }
    return from;
}

/* What is told of a simple request, whose body has so many bytes: kept in words, since the verifier
 * follows every pointer on its own. */
#define EYE_BURST_BODY_BYTES 24

struct eye_burst_group {
    __u64 started_ns;
    __u64 head;
    __u64 body[EYE_BURST_BODY_BYTES / 8];
    __u32 count; /* the last ones that were answered, alike, and not told yet */
};

/* Puts @request into the group. Returns 0 when it is like the others. */
static __always_inline __u64 eye_group(struct eye_burst_group *group,
                                       const struct eye_request *request)
{
    __u64 head = (__u64)request->head.body_bytes << 8 | request->head.flags;
    __u64 differs = (group->started_ns ^ request->started_ns) | (group->head ^ head) |
                    (request->head.body_bytes ^ EYE_BURST_BODY_BYTES);
    group->started_ns = request->started_ns;
    group->head = head;
    for (__u32 i = 0; i < EYE_BURST_BODY_BYTES / 8; i++) {
        __u64 word = eye_load_word(request->body + 8 * i);
        differs |= group->body[i] ^ word;
        group->body[i] = word;
    }
    return eye_forget(differs);
}

/* Tells of @count that are alike, before number @end of the queue. */
static __always_inline void eye_tell_group(struct eye_work *work, __u32 end, __u32 count,
                                           eye_teller *tell, void *context)
{
    struct eye_queue *queue = &work->conversation->queue;
    struct eye_request *last = eye_slot(queue, work->pipeline, end - 1);
    if (last && count > 0) {
        last->head.more = count - 1;
        tell(context, work->conversation, last);
    }
}

/* Answers from the start of the window on. Returns the bytes taken. */
static __always_inline __u32 eye_burst_answers(struct eye_work *work, struct eye_half *half,
                                               __u32 filled, __u64 now_ns, eye_teller *tell,
                                               void *context)
{
    struct eye_conversation *conversation = work->conversation;
    struct eye_queue *queue = &conversation->queue;
    __u16 asks = eye_opposite_of(conversation, work->at->side)->flags;
    __u32 from = 0;
    __u32 answered = 0;
    struct eye_burst_group group = {0};
    for (int i = 0; i < EYE_BURST_MESSAGES; i++) {
        from = eye_forget(from);
        answered = eye_forget(answered);
        group.count = eye_forget(group.count);
        eye_pin(from);
        if (from >= filled || from >= EYE_WINDOW_BYTES || eye_waiting(queue) <= answered) {
            break;
        }
        struct eye_request *request = eye_slot(queue, work->pipeline, queue->popped + answered);
        if (!request || !eye_is_behind(request->sequence, work->at->acknowledged)) {
            break;
        }
        __u32 bytes = eye_forget(work->parser->simple_answer(half, asks, from, filled));
        if (bytes == 0) {
            break;
        }
        half->first_sequence = work->at->origin + work->at->offset + from;
        eye_time_answer(request, now_ns, 0);
        if (eye_group(&group, request)) {
            eye_tell_group(work, queue->popped + answered, group.count, tell, context);
            group.count = 0;
        }
        group.count++;
        answered++;
        from += bytes;
    }
    eye_tell_group(work, queue->popped + answered, group.count, tell, context);
    queue->popped += answered; /* now the other direction, perhaps on another CPU, may use them */
    return from;
}

/* Takes simple messages from what comes next. False: there was none. */
static __always_inline bool eye_burst(struct eye_work *work, eye_teller *tell, void *context)
{
    struct eye_half *half = eye_half_of(work->conversation, work->at->side);
    __u32 filled = work->at->end - work->at->offset;
    eye_pin(filled);
    filled = filled < EYE_WINDOW_BYTES ? filled : EYE_WINDOW_BYTES;
    if (eye_read(&work->reader, work->at->offset, half->window, eye_1_to_256(filled)) != 0) {
        return false;
    }
    __u64 now_ns = eye_read_time(&work->reader);
    __u32 taken = eye_carries_requests(work->conversation, work->at->side)
                      ? eye_burst_requests(work, half, filled, now_ns)
                      : eye_burst_answers(work, half, filled, now_ns, tell, context);
    if (taken == 0) {
        return false;
    }
    half->first_ns = now_ns;
    half->first_acknowledged = work->at->acknowledged;
    work->at->offset += taken;
    half->read_end = work->at->origin + work->at->offset;
    return work->at->offset < work->at->end;
}
