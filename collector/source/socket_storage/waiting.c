/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/waiting.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

/* More than any bucket of the map has: the kernel hands out whole ones. */
#define BATCH 128

struct record {
    struct eye_request_head head;
    __u8 body[EYE_WAITING_BODY_BYTES];
};

static bool is_void(const struct eye_waiting *request, const struct eye_waiting_limits *limits)
{
    return request->head.protocol >= EYE_PROTOCOL_COUNT ||
           request->epoch != limits->epochs[request->head.protocol];
}

/* Asked after the sweep began: not yet. */
static bool is_over(const struct eye_waiting *request, const struct eye_waiting_limits *limits)
{
    return request->last_ns < limits->now_ns &&
           limits->now_ns - request->last_ns >= limits->timeout_ns;
}

/* As long as it waited since it was asked first, which is not known better than to the sweep. */
static void tell(const struct eye_waiting *request, const struct eye_waiting_limits *limits,
                 struct eye_rings *rings)
{
    struct record record = {.head = request->head};
    eye_set_duration(&record.head,
                     (int64_t)(request->last_ns - request->first_ns + limits->timeout_ns));
    record.head.flags |= EYE_REQUEST_UNANSWERED;
    record.head.code = EYE_REQUEST_TIMEOUT;
    memcpy(record.body, request->body, sizeof(record.body));
    eye_rings_hand_on(rings, EYE_RING_REQUESTS, &record,
                      sizeof(record.head) + record.head.body_bytes);
}

/* It is another one by now, asked after the sweep had looked. One that was asked since waits for
 * both; where others took the room, it is lost. */
static void put_back(int map, const struct eye_waiting_key *key, const struct eye_waiting *request,
                     struct eye_waiting_losses *losses, struct eye_rings *rings)
{
    if (bpf_map_update_elem(map, key, request, BPF_NOEXIST) == 0 || errno == EEXIST) {
        return;
    }
    const struct eye_request_head *head = &request->head;
    const struct eye_loss_record record = {
        .owner = head->owner,
        .amount = 1,
        .port = head->port,
        .loss = (__u8)(EYE_LOSS_OF_PARSER(head->protocol) + EYE_LOST_PIPELINE),
        .client = (head->flags & EYE_REQUEST_CLIENT) != 0,
    };
    losses->pipeline[head->protocol]++;
    eye_rings_hand_on(rings, EYE_RING_REQUESTS, &record, sizeof(record));
}

/* Who deletes it tells of it, so one that was answered meanwhile is told once. */
static void take_out(int map, const struct eye_waiting_key *key,
                     const struct eye_waiting_limits *limits, struct eye_waiting_losses *losses,
                     struct eye_rings *rings)
{
    struct eye_waiting request;
    if (bpf_map_lookup_and_delete_elem(map, key, &request) != 0 || is_void(&request, limits)) {
        return;
    }
    if (is_over(&request, limits)) {
        tell(&request, limits, rings);
    } else {
        put_back(map, key, &request, losses, rings);
    }
}

int eye_waiting_sweep(int map, const struct eye_waiting_limits *limits,
                      struct eye_waiting_losses *losses, struct eye_rings *rings)
{
    struct eye_waiting_key keys[BATCH];
    struct eye_waiting requests[BATCH];
    __u32 position;
    void *from = NULL;
    int result = 0;
    while (result == 0) {
        __u32 count = BATCH;
        result = bpf_map_lookup_batch(map, from, &position, keys, requests, &count, NULL);
        if (result != 0 && result != -ENOENT) {
            return result;
        }
        for (__u32 i = 0; i < count; i++) {
            if (is_void(&requests[i], limits) || is_over(&requests[i], limits)) {
                take_out(map, &keys[i], limits, losses, rings);
            }
        }
        from = &position;
    }
    return 0;
}
