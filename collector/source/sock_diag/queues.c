/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/sock_diag/queues.h"

#include <stdlib.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"

/* A dump passes over sockets when others come and go in their bucket. */
#define LOOKS_UNMET_MAX 2

struct queue {
    uint64_t cookie;
    uint64_t owner;
    uint32_t inode;
    uint32_t look; /* that met it last */
    uint32_t waiting;
    uint32_t room;
    uint32_t drops;
    uint32_t reported; /* of these */
    uint16_t port;
    uint8_t family;
    bool asked; /* for its owner */
};

static uint64_t hash_of(uint64_t cookie)
{
    return eye_hash_bytes(&cookie, sizeof(cookie));
}

static bool has_cookie(const void *item, const void *key)
{
    const struct queue *queue = item;
    const uint64_t *cookie = key;
    return queue->cookie == *cookie;
}

void eye_diag_queues_done(struct eye_diag_queues *queues)
{
    void *item;
    eye_table_for_each (&queues->table, item) {
        free(item);
    }
    eye_table_done(&queues->table);
}

static struct queue *add(struct eye_diag_queues *queues, uint64_t cookie)
{
    bool room = queues->table.count < EYE_DIAG_QUEUES_MAX;
    struct queue *queue = room ? calloc(1, sizeof(*queue)) : NULL;
    if (queue == NULL || eye_table_insert(&queues->table, hash_of(cookie), queue) != 0) {
        free(queue);
        return NULL;
    }
    queue->cookie = cookie;
    queue->owner = EYE_OWNER_UNKNOWN;
    return queue;
}

bool eye_diag_queues_meet(struct eye_diag_queues *queues, uint32_t look, bool older,
                          const struct eye_diag_socket *socket)
{
    uint64_t cookie = socket->cookie;
    struct queue *queue = eye_table_find(&queues->table, hash_of(cookie), has_cookie, &cookie);
    if (queue == NULL) {
        queue = add(queues, cookie);
        if (queue == NULL) {
            return false;
        }
        queue->reported = older ? socket->drops : 0;
    }
    queue->look = look;
    queue->inode = socket->inode;
    queue->waiting = socket->waiting;
    queue->room = socket->room;
    queue->drops = socket->drops;
    queue->port = socket->local_port;
    queue->family = socket->family;
    return true;
}

void eye_diag_queues_want(struct eye_diag_queues *queues, bool all,
                          void (*want)(void *context, uint32_t inode), void *context)
{
    struct queue *queue;
    eye_table_for_each (&queues->table, queue) {
        queue->asked &= !all;
        if (!queue->asked && queue->inode != 0) {
            want(context, queue->inode);
        }
    }
}

void eye_diag_queues_own(struct eye_diag_queues *queues,
                         uint64_t (*find)(void *context, uint32_t inode), void *context)
{
    struct queue *queue;
    eye_table_for_each (&queues->table, queue) {
        uint64_t owner = queue->asked ? EYE_OWNER_UNKNOWN : find(context, queue->inode);
        queue->owner = owner != EYE_OWNER_UNKNOWN ? owner : queue->owner;
        queue->asked = true;
    }
}

/* Why they were dropped nobody tells here, so `overflowed` stays as nothing. */
static void report(struct queue *queue, uint32_t netns, eye_record_handler *handler, void *context)
{
    const struct eye_connection_record record = {
        .kind = EYE_CONNECTION_LISTENS,
        .nat = EYE_NAT_UNKNOWN,
        .owner = queue->owner,
        .netns = netns,
        .port = queue->port,
        .direction = EYE_INCOMING,
        .family = queue->family,
        .waiting = queue->waiting,
        .room = queue->room,
        .dropped = queue->drops - queue->reported, /* the kernel's counter wraps as this does */
    };
    queue->reported = queue->drops;
    handler(context, &record, sizeof(record));
}

/* A removal moves others into its slot, so the same slot is looked at until it holds who stays. */
static void sweep(struct eye_diag_queues *queues, uint32_t look)
{
    for (size_t slot = 0; slot < queues->table.capacity;) {
        struct queue *queue = queues->table.slots[slot].item;
        if (queue == NULL || queue->look + LOOKS_UNMET_MAX > look) {
            slot++;
            continue;
        }
        eye_table_remove(&queues->table, hash_of(queue->cookie), queue);
        free(queue);
    }
}

uint64_t eye_diag_queues_report(struct eye_diag_queues *queues, uint32_t look, uint32_t netns,
                                eye_record_handler *handler, void *context)
{
    struct queue *queue;
    uint64_t records = 0;
    sweep(queues, look);
    eye_table_for_each (&queues->table, queue) {
        if (queue->look >= look) {
            report(queue, netns, handler, context);
            records++;
        }
    }
    return records;
}
