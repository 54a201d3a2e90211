/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands every snapshot to who subscribed: exporters, views, whoever comes. The collector publishes
 * and knows nobody; readers join and leave while it runs.
 *
 * A subscription belongs to its reader, which lets it live until it has left. A reader sees time
 * from the snapshot on that was the last one when it joined: that is its first "before", and what
 * is published next is the first that it takes. What it has taken is its own: leaving ends what
 * comes, not what waits in the reader's queue, and each snapshot there is whole.
 *
 * Threads: publish() and delivered() are the collector's. Any thread may join or leave, one at a
 * time for the same subscription. All wait for each other, and never for a reader's work.
 */
#pragma once

#include "collector/snapshot/snapshot.h"

/* More than the workers of a configuration (64 exporters, two lanes) twice, while one replaces the
 * other, and 32 others. A snapshot is handed to all of them under one lock. */
#define EYE_READERS_MAX 288

struct eye_publisher;

struct eye_subscription {
    /**
     * Hands over a snapshot; the reader takes a reference of its own to keep it. The collector
     * thread calls it under the publisher's lock: it must not wait, join or leave.
     */
    void (*take)(void *context, const struct eye_snapshot *snapshot);
    void *context;

    /* The publisher's. */
    atomic_uint_fast64_t delivered; /* sequence; see eye_subscription_deliver() */
    struct eye_publisher *publisher;
    struct eye_subscription *next;
};

/** NULL when out of memory. */
struct eye_publisher *eye_publisher_new(void);

/** Takes NULL. All readers have left. */
void eye_publisher_free(struct eye_publisher *publisher);

/**
 * From the next snapshot on @subscription takes all. @ret_before: the last one before that, with
 * one reference; NULL when nothing was published yet, and everything that was counted is news. 0;
 * or -EUSERS when there are EYE_READERS_MAX already, with @ret_before untouched.
 */
int eye_publisher_join(struct eye_publisher *publisher, struct eye_subscription *subscription,
                       const struct eye_snapshot **ret_before);

/** When it returns, take() is not running and never will again, and no series is kept for this
 * reader. Takes one that did not join or has left. */
void eye_subscription_leave(struct eye_subscription *subscription);

/**
 * @to, which did not join, takes the place of @from, which did: no snapshot comes to both or to
 * none, and series wait for @to as they did for @from. @hand gets both contexts between the last
 * snapshot of the one and the first of the other, under the publisher's lock, to move what waits.
 * @ret_last: the snapshot published last, with one reference; NULL: none was.
 */
void eye_subscription_hand_over(struct eye_subscription *from, struct eye_subscription *to,
                                void (*hand)(void *from, void *to),
                                const struct eye_snapshot **ret_last);

/**
 * The reader has no more use for series that went after snapshot @sequence: it, or a later one, is
 * what it compares with from now on. Until then series live that changed since. The reader's
 * thread's; takes no lock; a number smaller than the last one changes nothing.
 */
void eye_subscription_deliver(struct eye_subscription *subscription, uint64_t sequence);

/** Hands @snapshot to all, and keeps a reference for those who join before the next one. */
void eye_publisher_publish(struct eye_publisher *publisher, const struct eye_snapshot *snapshot);

/** The newest snapshot that every reader has delivered, by its sequence; the last one where there
 * are no readers: that is what the next reader starts from. 0: none yet. */
uint64_t eye_publisher_delivered(struct eye_publisher *publisher);
