/* SPDX-License-Identifier: Apache-2.0 */
/* The ring. */
#include "exporters/engine/queue.h"

#include <errno.h>
#include <stdlib.h>

int eye_queue_init(struct eye_queue *queue, size_t capacity, size_t max_bytes)
{
    *queue = (struct eye_queue){.capacity = capacity > 0 ? capacity : 1, .max_bytes = max_bytes};
    queue->slots = calloc(queue->capacity, sizeof(struct eye_snapshot *));
    return queue->slots == NULL ? -ENOMEM : 0;
}

void eye_queue_done(struct eye_queue *queue)
{
    while (queue->count > 0) {
        eye_snapshot_unref(eye_queue_pop(queue));
    }
    free(queue->slots);
    queue->slots = NULL;
}

bool eye_queue_has_room(const struct eye_queue *queue, size_t bytes)
{
    return queue->count == 0 ||
           (queue->count < queue->capacity && queue->bytes + bytes <= queue->max_bytes);
}

void eye_queue_push(struct eye_queue *queue, const struct eye_snapshot *snapshot)
{
    queue->slots[(queue->head + queue->count) % queue->capacity] = snapshot;
    queue->count++;
    queue->bytes += snapshot->bytes;
}

const struct eye_snapshot *eye_queue_pop(struct eye_queue *queue)
{
    const struct eye_snapshot *oldest = queue->slots[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    queue->bytes -= oldest->bytes;
    return oldest;
}

void eye_queue_push_front(struct eye_queue *queue, const struct eye_snapshot *snapshot)
{
    queue->head = (queue->head + queue->capacity - 1) % queue->capacity;
    queue->slots[queue->head] = snapshot;
    queue->count++;
    queue->bytes += snapshot->bytes;
}
