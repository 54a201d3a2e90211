/* SPDX-License-Identifier: Apache-2.0 */
/* A subscriber of the running daemon: one reading after the other. Not shared between threads. */
#pragma once

#include <jansson.h>

/* A daemon that answers answers at once, unless it starts, stops or reloads. Who waits at the keys
 * waits no longer than this for it. */
#define EYE_FEED_LIVE_TIMEOUT_S 1
#define EYE_FEED_TIMEOUT_S 10

struct eye_feed {
    const char *path; /* of the control socket */
    unsigned timeout_s;
    char client[32];   /* who we are to the daemon */
    json_int_t number; /* of the last answer about connections that arrived; 0: none */
};

/** @path must outlive the feed. */
void eye_feed_init(struct eye_feed *feed, const char *path, unsigned timeout_s);

/**
 * What the daemon says now: {"status", "connections", "requests", "message"}. What it did not
 * answer is null, and the message says why; else that is "". Changes of connections are those since
 * the last reading. The caller's; NULL when out of memory.
 */
json_t *eye_feed_read(struct eye_feed *feed);
