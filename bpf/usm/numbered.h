/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests whose answers say which number they have, and come in order all the same: they wait in
 * the queue (bpf/usm/pairing.h), and a number finds them. What a gap hides shifts nothing, since a
 * number that does not wait answers nobody.
 */
#pragma once

#include "bpf/usm/pairing.h"

/* The slot for the next request; NULL: there is none. */
static __always_inline struct eye_request *eye_open_numbered(struct eye_queue *queue,
                                                             struct eye_pipeline *pipeline)
{
    __u32 waiting = eye_waiting(queue);
    if (waiting >= EYE_QUEUE_DEPTH) {
        return NULL;
    }
    if (waiting == 0) {
        queue->popped = 0;
        queue->pushed = 0;
    }
    return eye_slot(queue, pipeline, queue->pushed);
}

/* How many wait before the request with @number; EYE_QUEUE_DEPTH: it does not wait. */
EYE_PART __u32 eye_count_before(struct eye_conversation *conversation,
                                struct eye_pipeline *pipeline, __u32 number)
{
    if (!conversation) {
        return EYE_QUEUE_DEPTH;
    }
    struct eye_queue *queue = &conversation->queue;
    __u32 count = 0;
    for (int i = 0; i < EYE_QUEUE_DEPTH; i++) {
        count = eye_forget(count);
        if (count >= eye_waiting(queue)) {
            break;
        }
        const struct eye_request *request = eye_slot(queue, pipeline, queue->popped + count);
        if (!request) {
            break;
        }
        if (request->number == number) {
            return count;
        }
        count++;
    }
    return EYE_QUEUE_DEPTH;
}

/* The request with @number is the first one then: what waited before it has no answer any more.
 * NULL: it does not wait. */
static __always_inline struct eye_request *eye_find_numbered(struct eye_conversation *conversation,
                                                             struct eye_pipeline *pipeline,
                                                             __u32 number)
{
    struct eye_queue *queue = &conversation->queue;
    __u32 before = eye_count_before(conversation, pipeline, number);
    if (before >= EYE_QUEUE_DEPTH) {
        return NULL;
    }
    if (before > 0) {
        queue->popped += before;
        eye_note_loss_part(conversation, EYE_LOST_UNANSWERED, before);
    }
    return eye_slot(queue, pipeline, queue->popped);
}
