/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single connections for whoever watches: from the source's rows to an answer with names. The rows
 * are there while somebody watches. Belongs to the collector's thread.
 */
#pragma once

#include "collector/aggregate/aggregate.h"
#include "collector/base/error.h"
#include "collector/control/watchers.h"
#include "collector/source/source.h"

struct eye_live_view {
    const struct eye_source *source; /* borrowed, as the next one */
    struct eye_aggregate *aggregate;
    uint64_t keep_ns; /* a client is remembered after it last asked */
    void *rows;       /* of the source; owned; NULL: nobody watches */
    struct eye_watchers watchers;
};

/** An answer to @request; the rows are there. 0, or -errno with a message. @ret_answer is the
 * caller's (free()). */
int eye_live_view_answer(struct eye_live_view *view, const struct eye_watch_request *request,
                         struct eye_watch_answer **ret_answer, struct eye_error *ret_error);

/** Several times a second: takes what the kernel side tells, and gives it back when nobody watches
 * any more. */
void eye_live_view_tick(struct eye_live_view *view);

/** Takes a zeroed one. */
void eye_live_view_close(struct eye_live_view *view);
