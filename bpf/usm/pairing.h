/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The queue of requests that wait for their responses, which come in order, and when that may be
 * trusted (enum eye_trust). */
#pragma once

#include "bpf/usm/conversation.h"

/* Of a request that one direction gives up while the other one, on another CPU, tells its answer,
 * both take leave: then `popped` runs ahead until the next request begins. */
static __always_inline __u32 eye_waiting(const struct eye_queue *queue)
{
    __s32 waiting = (__s32)(queue->pushed - queue->popped);
    return waiting > 0 ? (__u32)waiting : 0;
}

static __always_inline bool eye_is_paired(const struct eye_queue *queue)
{
    return queue->trust >= EYE_TRUST_PROVEN || queue->by_number;
}

/* Slot @index of the queue; NULL: it lies in @pipeline, and there is none. */
static __always_inline struct eye_request *eye_slot(struct eye_queue *queue,
                                                    struct eye_pipeline *pipeline, __u32 index)
{
    __u64 place = index % EYE_QUEUE_DEPTH;
    if (place == 0) {
        return &queue->first;
    }
    if (!pipeline) {
        return NULL;
    }
    eye_pin(pipeline); /* the verifier wants the check before the arithmetic */
    eye_pin(place);
    return &pipeline->slots[place & (EYE_QUEUE_DEPTH - 1)];
}

/* The next message of @side may need a slot beyond the first one: made before it is read. */
static __always_inline bool eye_needs_pipeline(const struct eye_conversation *conversation,
                                               __u32 side)
{
    const struct eye_queue *queue = &conversation->queue;
    return eye_carries_requests(conversation, side) ? eye_waiting(queue) > 0
                                                    : queue->popped % EYE_QUEUE_DEPTH != 0;
}

/* ---- Trust ---- */

/* Requests whose responses can no longer be told apart. */
static __always_inline void eye_forget_requests(struct eye_conversation *conversation)
{
    struct eye_queue *queue = &conversation->queue;
    __u32 waiting = eye_waiting(queue);
    if (waiting > 0 && conversation->confirmed) {
        eye_note_loss(conversation, EYE_LOST_UNANSWERED, waiting);
    }
    queue->popped = queue->pushed;
    queue->overflow = 0;
    queue->overflow_marks = 0;
}

/* Something was missed: see enum eye_trust. */
static __always_inline void eye_end_trust(struct eye_conversation *conversation, __u32 barrier)
{
    if (!conversation->queue.by_number) {
        eye_forget_requests(conversation);
    }
    conversation->queue.trust =
        conversation->client == EYE_CLIENT_UNKNOWN ? EYE_TRUST_JOINED : EYE_TRUST_BROKEN;
    conversation->queue.barrier = barrier;
}

/* The same as a call. */
EYE_PART int eye_break_trust(struct eye_conversation *conversation, __u32 barrier)
{
    if (conversation) {
        eye_end_trust(conversation, barrier);
    }
    return 0;
}

/* Something was missed before the present segment of @side, which came with @acknowledged. */
static __always_inline void eye_doubt(struct eye_conversation *conversation, __u32 side,
                                      __u32 acknowledged)
{
    __u32 barrier = eye_carries_requests(conversation, side)
                        ? acknowledged
                        : eye_opposite_of(conversation, side)->first_acknowledged;
    eye_break_trust(conversation, barrier);
}

/*
 * @missing bytes before the next ones of a direction will not be seen. True: nothing is lost,
 * because they belong to what is being skipped. In a direction that is lost every gap counts, too:
 * each may hide messages.
 */
static __always_inline bool eye_pass_over(struct eye_conversation *conversation,
                                          struct eye_half *half, __u32 missing)
{
    if (half->phase == EYE_PHASE_IGNORE) {
        return true;
    }
    if (half->phase == EYE_PHASE_SKIP && half->skip >= missing) {
        eye_skip(half, missing);
        return true;
    }
    eye_note_loss(conversation, EYE_LOST_GAP, 1);
    eye_lose_track(half);
    return false;
}

/*
 * A message that begins in the other direction acknowledges bytes of @side that were not seen.
 * What hides in them was sent before it: no request among it acknowledges more than @barrier.
 */
EYE_PART int eye_catch_up(struct eye_conversation *conversation, __u32 side, __u32 acknowledged,
                          __u32 barrier)
{
    if (!conversation) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    __u32 missing = acknowledged - half->next_sequence;
    if (half->synced) {
        half->next_sequence = acknowledged;
        if (!eye_pass_over(conversation, half, missing)) {
            eye_end_trust(conversation, barrier);
        }
    }
    return 0;
}

/*
 * A request that acknowledges some of a response whose end nobody could tell: the connection goes
 * on, so the response has ended. Which message of the server is the next one, only a proof tells;
 * no request was missed that acknowledged more than the response's start.
 */
EYE_PART int eye_contradict(struct eye_conversation *conversation, __u32 side)
{
    if (!conversation) {
        return 0;
    }
    struct eye_half *responses = eye_half_of(conversation, side);
    eye_lose_track(responses);
    if (eye_is_paired(&conversation->queue)) {
        eye_end_trust(conversation, responses->first_sequence);
    }
    return 0;
}

/* ---- Requests ---- */

/*
 * A request with @acknowledged begins behind others, or while the pairing is not known from the
 * start. 1: it may be queued. What waits before it will not be answered any more, or the client
 * pipelines: then its answer is still to come, and nothing can be proved.
 */
EYE_PART int eye_admit(struct eye_conversation *conversation, __u32 acknowledged)
{
    if (!conversation) {
        return 0;
    }
    struct eye_queue *queue = &conversation->queue;
    if (eye_waiting(queue) > 0) {
        if (eye_is_paired(queue) || queue->first.acknowledged == acknowledged) {
            queue->pipelined = 1;
        }
        if (queue->trust != EYE_TRUST_FROM_START) {
            eye_end_trust(conversation, acknowledged);
        }
    }
    return eye_is_paired(queue) ||
           (!queue->pipelined &&
            (queue->trust == EYE_TRUST_JOINED || eye_is_behind(queue->barrier, acknowledged)));
}

/* A request begins on @side. The slot for it; NULL when it cannot be queued. */
static __always_inline struct eye_request *eye_open_request(struct eye_conversation *conversation,
                                                            struct eye_pipeline *pipeline,
                                                            __u32 side)
{
    struct eye_queue *queue = &conversation->queue;
    const struct eye_half *requests = eye_half_of(conversation, side);
    const struct eye_half *responses = eye_opposite_of(conversation, side);
    __u32 acknowledged = requests->first_acknowledged;
    if (eye_is_behind(responses->next_sequence, acknowledged)) {
        eye_catch_up(conversation, side ^ 1, acknowledged, responses->next_sequence);
    }
    if (responses->phase == EYE_PHASE_IGNORE &&
        eye_is_behind(responses->first_sequence, acknowledged)) {
        eye_contradict(conversation, side ^ 1);
    }
    if ((queue->trust != EYE_TRUST_FROM_START || eye_waiting(queue) > 0) &&
        !eye_admit(conversation, acknowledged)) {
        return NULL;
    }
    if (queue->overflow > 0 || eye_waiting(queue) >= EYE_QUEUE_DEPTH) {
        return NULL;
    }
    if (eye_waiting(queue) == 0) {
        /* Nothing waits: start over, so that traffic without pipelining needs the first slot only.
         */
        queue->popped = 0;
        queue->pushed = 0;
    }
    return eye_slot(queue, pipeline, queue->pushed);
}

/* A request of @side that has no slot. */
EYE_PART int eye_overflow(struct eye_conversation *conversation, __u32 side)
{
    if (!conversation) {
        return 0;
    }
    struct eye_queue *queue = &conversation->queue;
    const struct eye_half *requests = eye_half_of(conversation, side);
    if (!eye_is_paired(queue)) {
        eye_note_loss(conversation, EYE_LOST_UNANSWERED, 1);
        return 0;
    }
    eye_note_loss(conversation, EYE_LOST_PIPELINE, 1);
    __u64 mark = requests->mark & 1;
    if (queue->overflow < EYE_QUEUE_OVERFLOW_MAX) {
        queue->overflow_marks |= mark << (queue->overflow & (EYE_QUEUE_OVERFLOW_MAX - 1));
    } else if (mark != 0) {
        eye_end_trust(conversation, requests->first_acknowledged);
        return 0;
    }
    queue->overflow++;
    return 0;
}

/* The head of the request is complete. Room that came free since its start is too late: its slot
 * was not filled then. */
static __always_inline void eye_push(struct eye_conversation *conversation, __u32 side)
{
    struct eye_queue *queue = &conversation->queue;
    if (queue->noted) {
        queue->noted = 0;
        queue->pushed++;
    } else {
        eye_overflow(conversation, side);
    }
}

/* ---- Responses ---- */

/* A response has begun. Does it answer the first request that waits, or can it be proved to? */
static __always_inline bool eye_is_answer(struct eye_queue *queue, const struct eye_half *responses,
                                          const struct eye_request *request)
{
    if (!eye_is_behind(request->sequence, responses->first_acknowledged)) {
        return false; /* sent before the request arrived: HTTP's 408 of an idle connection */
    }
    if (eye_is_paired(queue)) {
        return true;
    }
    if (request->acknowledged != responses->first_sequence) {
        return false;
    }
    queue->trust = EYE_TRUST_PROVEN;
    return true;
}

/* What is known of the request whose response has begun. */
struct eye_answered {
    struct eye_request *request; /* complete, to be told and then popped; or NULL */
    __u8 mark;                   /* of the request; 0: not known */
    bool last;                   /* nobody else waits */
};

/* A response that belongs to no request that waits. Returns the mark of the one that it answers. */
static __always_inline __u8 eye_answer_none(struct eye_conversation *conversation)
{
    struct eye_queue *queue = &conversation->queue;
    if (queue->overflow > 0) {
        /* Its request is among the lost. */
        __u8 mark = queue->overflow_marks & 1;
        queue->overflow_marks >>= 1;
        queue->overflow--;
        return mark;
    }
    eye_note_loss_part(conversation, EYE_LOST_UNMATCHED, 1);
    return 0;
}

/* A response begins on @side: it shows what of the requests was missed. */
static __always_inline void eye_open_response(struct eye_conversation *conversation, __u32 side)
{
    const struct eye_half *responses = eye_half_of(conversation, side);
    if (eye_is_behind(eye_opposite_of(conversation, side)->next_sequence,
                      responses->first_acknowledged)) {
        eye_catch_up(conversation, side ^ 1, responses->first_acknowledged,
                     responses->first_sequence);
    }
}

/* A response with @code, which began at @now_ns, answers it. */
static __always_inline void eye_time_answer(struct eye_request *request, __u64 now_ns, __u16 code)
{
    eye_set_duration(&request->head, (__s64)(now_ns - request->started_ns));
    request->head.code = code;
}

/* Pairs a final response of @side, with @code, with its request. */
static __always_inline struct eye_answered eye_answer(struct eye_conversation *conversation,
                                                      struct eye_pipeline *pipeline, __u32 side,
                                                      __u16 code)
{
    struct eye_queue *queue = &conversation->queue;
    const struct eye_half *responses = eye_half_of(conversation, side);
    struct eye_answered answered = {.last = eye_waiting(queue) == 0};
    if (answered.last) {
        answered.mark = eye_answer_none(conversation);
        return answered;
    }
    struct eye_request *request = eye_slot(queue, pipeline, queue->popped);
    if (!request) {
        queue->popped++; /* there was no memory for the pipeline */
        eye_note_loss_part(conversation, EYE_LOST_STORAGE, 1);
        answered.last = eye_waiting(queue) == 0;
        return answered;
    }
    if (!eye_is_answer(queue, responses, request)) {
        eye_note_loss_part(conversation, EYE_LOST_UNMATCHED, 1);
        if (!eye_is_paired(queue)) {
            eye_forget_requests(conversation);
        }
        answered.last = eye_waiting(queue) == 0;
        return answered;
    }
    eye_time_answer(request, responses->first_ns, code);
    answered.request = request;
    answered.mark = request->mark;
    answered.last = eye_waiting(queue) == 1;
    return answered;
}

/* The mark of the request that waits first; 0: there is none, or it is not known. */
static __always_inline __u8 eye_next_mark(struct eye_conversation *conversation,
                                          struct eye_pipeline *pipeline)
{
    struct eye_queue *queue = &conversation->queue;
    if (eye_waiting(queue) == 0) {
        return queue->overflow > 0 ? queue->overflow_marks & 1 : 0;
    }
    const struct eye_request *request = eye_slot(queue, pipeline, queue->popped);
    eye_pin(request);
    return request ? request->mark : 0;
}

/* The request was told: now the other direction, perhaps on another CPU, may use its slot. */
static __always_inline void eye_pop(struct eye_queue *queue)
{
    queue->popped++;
}

/* An interim response proves as much as a final one. */
static __always_inline void eye_hint(struct eye_queue *queue, const struct eye_half *responses)
{
    if (!eye_is_paired(queue) && eye_waiting(queue) > 0) {
        eye_is_answer(queue, responses, &queue->first);
    }
}
