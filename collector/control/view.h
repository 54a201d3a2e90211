/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last two snapshots, for whoever looks at the running daemon: what is counted, and what the
 * last interval added. A view has no queue and keeps no series alive.
 *
 * open(), read() and close() are one thread's; snapshots come from the collector's.
 */
#pragma once

#include <pthread.h>

#include "collector/publish/publisher.h"

struct eye_view {
    struct eye_subscription subscription;
    pthread_mutex_t mutex;             /* of the two below */
    const struct eye_snapshot *now;    /* one reference; NULL: no interval has ended */
    const struct eye_snapshot *before; /* one reference; NULL: there was one only */
};

/** 0, or -errno of eye_publisher_join(). */
int eye_view_open(struct eye_view *view, struct eye_publisher *publisher);

/** Both come with one reference, or are NULL. */
void eye_view_read(struct eye_view *view, const struct eye_snapshot **ret_now,
                   const struct eye_snapshot **ret_before);

/** Takes a zeroed one. */
void eye_view_close(struct eye_view *view);
