/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots that wait in memory for one exporter, oldest first, bounded in number and bytes. Plain
 * data under the lock of its owner.
 */
#pragma once

#include "collector/snapshot/snapshot.h"

struct eye_queue {
    const struct eye_snapshot **slots; /* ring; each holds a reference */
    size_t capacity;
    size_t head;
    size_t count;
    size_t bytes;
    size_t max_bytes;
};

/** 0 or -ENOMEM. @capacity: snapshots, at least one. */
int eye_queue_init(struct eye_queue *queue, size_t capacity, size_t max_bytes);

/** Takes a zeroed one. */
void eye_queue_done(struct eye_queue *queue);

/** Whether @bytes more fit; an empty queue takes a snapshot of any size. */
bool eye_queue_has_room(const struct eye_queue *queue, size_t bytes);

/** Takes the reference. There is room. */
void eye_queue_push(struct eye_queue *queue, const struct eye_snapshot *snapshot);

/** The oldest; the caller gets the reference. There is one. */
const struct eye_snapshot *eye_queue_pop(struct eye_queue *queue);

/** Puts back what was popped last; takes the reference. There is room. */
void eye_queue_push_front(struct eye_queue *queue, const struct eye_snapshot *snapshot);
