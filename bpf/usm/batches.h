/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests that come in batches (eye_parser.batches): behind an error the server passes over what
 * is left of the batch, and says when that is over. Both directions count the ends of batches
 * (eye_half.left): of the requests seen by what the client sent, of the answers by what the server
 * did. A request keeps the lowest byte of the number of its batch as its mark, and is answered by
 * answers of that batch alone: so nothing that has no answer shifts another one's.
 *
 * It also proves pairs behind a gap: when the server was idle, and the client has received all,
 * nothing is under way, and both counts are the same.
 */
#pragma once

#include "bpf/usm/pairing.h"

/* eye_half.flags of answers, set by the parser: a batch has ended, and nothing came since. */
#define EYE_BATCHES_IDLE 0x8000U

/* A request begins on @side while nothing is proved. 1: it proves that nothing is under way. */
EYE_PART int eye_prove_batches(struct eye_conversation *conversation, __u32 side)
{
    if (!conversation) {
        return 0;
    }
    struct eye_queue *queue = &conversation->queue;
    const struct eye_half *requests = eye_half_of(conversation, side);
    struct eye_half *responses = eye_opposite_of(conversation, side);
    __u32 acknowledged = requests->first_acknowledged;
    if (!responses->synced) {
        /* Nobody has answered since we came: the answer begins where the client expects it. */
        responses->synced = 1;
        responses->next_sequence = acknowledged;
        responses->read_end = acknowledged;
    } else if (responses->phase != EYE_PHASE_START || responses->held > 0 ||
               !(responses->flags & EYE_BATCHES_IDLE) || acknowledged != responses->next_sequence) {
        return 0;
    }
    if (queue->trust == EYE_TRUST_BROKEN && !eye_is_behind(queue->barrier, acknowledged)) {
        return 0;
    }
    eye_forget_requests(conversation);
    responses->left = requests->left;
    queue->trust = EYE_TRUST_PROVEN;
    return 1;
}

/* As eye_open_request(), of a parser of batches. */
static __always_inline struct eye_request *eye_open_in_batch(struct eye_conversation *conversation,
                                                             struct eye_pipeline *pipeline,
                                                             __u32 side)
{
    struct eye_queue *queue = &conversation->queue;
    const struct eye_half *responses = eye_opposite_of(conversation, side);
    __u32 acknowledged = eye_half_of(conversation, side)->first_acknowledged;
    if (responses->synced && eye_is_behind(responses->next_sequence, acknowledged)) {
        eye_catch_up(conversation, side ^ 1, acknowledged, responses->next_sequence);
    }
    if (!eye_is_paired(queue) && !eye_prove_batches(conversation, side)) {
        return NULL;
    }
    if (queue->overflow > 0 || eye_waiting(queue) >= EYE_QUEUE_DEPTH) {
        return NULL;
    }
    if (eye_waiting(queue) == 0) {
        queue->popped = 0;
        queue->pushed = 0;
    }
    return eye_slot(queue, pipeline, queue->pushed);
}

/* How many wait, from the first one on, that are of @batch. Older ones will not be answered; one
 * that is told only when it fails is forgotten when others of its batch stand behind it. */
EYE_PART __u32 eye_count_batch(struct eye_conversation *conversation, struct eye_pipeline *pipeline,
                               __u32 batch)
{
    __u32 count = 0;
    __u32 only_errors = 0; /* the first one of them is such */
    if (!conversation) {
        return 0;
    }
    struct eye_queue *queue = &conversation->queue;
    for (int i = 0; i < EYE_QUEUE_DEPTH; i++) {
        count = eye_forget(count);
        if (count >= eye_waiting(queue)) {
            break;
        }
        const struct eye_request *request = eye_slot(queue, pipeline, queue->popped + count);
        if (!request) {
            break;
        }
        __u8 ahead = (__u8)(request->mark - batch);
        only_errors = eye_forget(only_errors);
        if (count == 0 && ahead >= 128) {
            queue->popped++;
            eye_note_loss(conversation, EYE_LOST_UNANSWERED, !request->only_errors);
        } else if (ahead == 0) {
            queue->popped += only_errors;
            count += !only_errors;
            only_errors = (count == 1) & request->only_errors;
        } else {
            break;
        }
    }
    return count;
}

/* The requests that wait of the batch whose answer has begun. */
static __always_inline __u32 eye_waiting_of_batch(struct eye_conversation *conversation,
                                                  struct eye_pipeline *pipeline, __u8 batch)
{
    struct eye_queue *queue = &conversation->queue;
    __u32 waiting = eye_waiting(queue);
    if (waiting == 0) {
        return 0;
    }
    if (waiting == 1 && queue->popped % EYE_QUEUE_DEPTH == 0 && queue->first.mark == batch) {
        return 1;
    }
    return eye_count_batch(conversation, pipeline, batch);
}

/* The rest of a batch, @count requests, was passed over by the server. */
static __always_inline void eye_skip_requests(struct eye_conversation *conversation, __u32 count)
{
    if (count > 0) {
        eye_note_loss_part(conversation, EYE_LOST_UNANSWERED, count);
    }
}

/* A batch of the answers on @side has ended. When no other one is under way, those that had no slot
 * are over, too. */
static __always_inline void eye_end_batch(struct eye_conversation *conversation, __u32 side)
{
    struct eye_queue *queue = &conversation->queue;
    struct eye_half *responses = eye_half_of(conversation, side);
    responses->left++;
    if (queue->overflow > 0 && responses->left == eye_opposite_of(conversation, side)->left) {
        queue->overflow = 0;
        queue->overflow_marks = 0;
    }
}
