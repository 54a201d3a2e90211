/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says in the log which limit of the configuration was used up first: once for each limit, since a
 * full one stays so until somebody raises it. A reader of snapshots; the collector thread's from
 * join to leave, which are the main thread's.
 */
#pragma once

#include "collector/publish/publisher.h"

#define EYE_FULL_LIMITS 2

struct eye_full {
    struct eye_subscription subscription;
    bool told[EYE_FULL_LIMITS];
};

/** @publisher outlives it. 0, or -errno of eye_publisher_join(). */
int eye_full_join(struct eye_full *full, struct eye_publisher *publisher);

/** No line comes behind it. Takes one that did not join. */
void eye_full_leave(struct eye_full *full);
