/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager is told while the daemon runs: a line about every interval, if it is
 * another one than before, made of the interval's snapshot.
 */
#pragma once

#include "collector/base/notify.h"
#include "collector/publish/publisher.h"

/* Longer ones are cut. */
#define EYE_STATUS_LINE_BYTES 384

struct eye_service {
    struct eye_notify notify;

    /* A reader of snapshots, where somebody wants to know. */
    struct eye_subscription subscription;
    char told[EYE_STATUS_LINE_BYTES]; /* the collector thread's */
};

/** For people: "12 connections active, 345 series; failing: otlp". */
void eye_status_line(const struct eye_snapshot *snapshot, char ret_line[EYE_STATUS_LINE_BYTES]);

/** From now on a line for every interval of @publisher, which outlives it. The manager was opened
 * (eye_notify_open()). 0, or -errno of eye_publisher_join(). The main thread's. */
int eye_service_join(struct eye_service *service, struct eye_publisher *publisher);

/** No line comes behind it. Takes one that did not join. The main thread's. */
void eye_service_leave(struct eye_service *service);
