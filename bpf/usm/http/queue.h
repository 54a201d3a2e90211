/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: the queue of requests that wait for their responses. */
#pragma once

#include "bpf/usm/http/state.h"

static __always_inline __u32 eye_http_waiting(const struct eye_http *http)
{
    return http->pushed - http->popped;
}

/* Requests whose responses can no longer be told apart. */
static __always_inline void eye_http_forget_requests(struct eye_http *http)
{
    __u32 waiting = eye_http_waiting(http);
    if (waiting > 0) {
        eye_lose(EYE_LOSS_HTTP_UNANSWERED, waiting);
    }
    http->popped = http->pushed;
    http->overflow = 0;
}

/* The slot for the next request, NULL when the pipeline is full or has no memory. */
static __always_inline struct eye_http_request *eye_http_next_slot(struct eye_http_run *run)
{
    struct eye_http *http = run->http;
    if (http->overflow > 0 || eye_http_waiting(http) >= EYE_HTTP_PIPELINE) {
        return NULL;
    }
    if (http->pushed == http->popped) {
        /* Nothing waits: start over, so that traffic without pipelining needs the first slot only.
         */
        http->popped = 0;
        http->pushed = 0;
    }
    return eye_http_slot(run, http->pushed);
}

/* The request line is complete. Room that came free since its start is too late: its slot was not
 * filled then. */
static __always_inline void eye_http_push(struct eye_http_run *run)
{
    struct eye_http *http = run->http;
    if (!http->noted) {
        http->overflow++;
        eye_lose(EYE_LOSS_HTTP_PIPELINE, 1);
        return;
    }
    http->noted = 0;
    http->pushed++;
}
