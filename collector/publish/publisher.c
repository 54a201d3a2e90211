/* SPDX-License-Identifier: Apache-2.0 */
/* A list under a lock. */
#include "collector/publish/publisher.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct eye_publisher {
    pthread_mutex_t mutex;
    struct eye_subscription *first; /* oldest first */
    size_t count;
    const struct eye_snapshot *last; /* published; one reference; NULL: none */
};

struct eye_publisher *eye_publisher_new(void)
{
    struct eye_publisher *publisher = calloc(1, sizeof(*publisher));
    if (publisher != NULL) {
        pthread_mutex_init(&publisher->mutex, NULL);
    }
    return publisher;
}

void eye_publisher_free(struct eye_publisher *publisher)
{
    if (publisher == NULL) {
        return;
    }
    assert(publisher->first == NULL);
    eye_snapshot_unref(publisher->last);
    pthread_mutex_destroy(&publisher->mutex);
    free(publisher);
}

static uint64_t sequence_of(const struct eye_snapshot *snapshot)
{
    return snapshot == NULL ? 0 : snapshot->sequence;
}

/* Under the lock. */
static const struct eye_snapshot *ref_last(const struct eye_publisher *publisher)
{
    return publisher->last == NULL ? NULL : eye_snapshot_ref(publisher->last);
}

/* The place in the list where @subscription stands, or the end. */
static struct eye_subscription **find(struct eye_publisher *publisher,
                                      const struct eye_subscription *subscription)
{
    struct eye_subscription **place = &publisher->first;
    while (*place != NULL && *place != subscription) {
        place = &(*place)->next;
    }
    return place;
}

int eye_publisher_join(struct eye_publisher *publisher, struct eye_subscription *subscription,
                       const struct eye_snapshot **ret_before)
{
    assert(subscription->publisher == NULL);
    pthread_mutex_lock(&publisher->mutex);
    if (publisher->count == EYE_READERS_MAX) {
        pthread_mutex_unlock(&publisher->mutex);
        return -EUSERS;
    }
    *ret_before = ref_last(publisher);
    atomic_store(&subscription->delivered, sequence_of(publisher->last));
    subscription->publisher = publisher;
    subscription->next = NULL;
    *find(publisher, NULL) = subscription;
    publisher->count++;
    pthread_mutex_unlock(&publisher->mutex);
    return 0;
}

void eye_subscription_leave(struct eye_subscription *subscription)
{
    struct eye_publisher *publisher = subscription->publisher;
    if (publisher == NULL) {
        return;
    }
    pthread_mutex_lock(&publisher->mutex);
    *find(publisher, subscription) = subscription->next;
    publisher->count--;
    pthread_mutex_unlock(&publisher->mutex);
    subscription->publisher = NULL;
}

void eye_subscription_hand_over(struct eye_subscription *from, struct eye_subscription *to,
                                void (*hand)(void *from, void *to),
                                const struct eye_snapshot **ret_last)
{
    struct eye_publisher *publisher = from->publisher;
    assert(publisher != NULL && to->publisher == NULL);
    pthread_mutex_lock(&publisher->mutex);
    atomic_store(&to->delivered, atomic_load(&from->delivered));
    to->publisher = publisher;
    to->next = from->next;
    *find(publisher, from) = to;
    from->publisher = NULL;
    hand(from->context, to->context);
    *ret_last = ref_last(publisher);
    pthread_mutex_unlock(&publisher->mutex);
}

void eye_subscription_deliver(struct eye_subscription *subscription, uint64_t sequence)
{
    if (sequence > atomic_load(&subscription->delivered)) {
        atomic_store(&subscription->delivered, sequence);
    }
}

void eye_publisher_publish(struct eye_publisher *publisher, const struct eye_snapshot *snapshot)
{
    pthread_mutex_lock(&publisher->mutex);
    const struct eye_snapshot *previous = publisher->last;
    publisher->last = eye_snapshot_ref(snapshot);
    struct eye_subscription *subscription = publisher->first;
    for (; subscription != NULL; subscription = subscription->next) {
        subscription->take(subscription->context, snapshot);
    }
    pthread_mutex_unlock(&publisher->mutex);
    eye_snapshot_unref(previous);
}

uint64_t eye_publisher_delivered(struct eye_publisher *publisher)
{
    pthread_mutex_lock(&publisher->mutex);
    uint64_t delivered = sequence_of(publisher->last);
    const struct eye_subscription *subscription = publisher->first;
    for (; subscription != NULL; subscription = subscription->next) {
        uint64_t own = atomic_load(&subscription->delivered);
        delivered = own < delivered ? own : delivered;
    }
    pthread_mutex_unlock(&publisher->mutex);
    return delivered;
}
