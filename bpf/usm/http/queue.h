/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: the queue of requests that wait for their responses, and when it may be trusted. */
#pragma once

#include "bpf/usm/http/state.h"

static __always_inline __u32 eye_http_waiting(const struct eye_http *http)
{
    return http->pushed - http->popped;
}

static __always_inline bool eye_http_is_paired(const struct eye_http *http)
{
    return http->pairing >= EYE_HTTP_PROVEN;
}

static __always_inline bool eye_http_carries_requests(const struct eye_http *http, __u32 stream)
{
    return http->requests_in == (stream == 0 ? EYE_HTTP_REQUESTS_SENT : EYE_HTTP_REQUESTS_RECEIVED);
}

/* Requests whose responses can no longer be told apart. */
static __always_inline void eye_http_forget_requests(struct eye_http *http)
{
    __u32 waiting = eye_http_waiting(http);
    if (waiting > 0) {
        eye_http_note_loss(http, EYE_LOSS_HTTP_UNANSWERED, waiting);
    }
    http->popped = http->pushed;
    http->overflow = 0;
    http->overflow_heads = 0;
}

/* Something was missed: see enum eye_http_pairing. */
static __always_inline void eye_http_end_trust(struct eye_http *http, __u32 barrier)
{
    eye_http_forget_requests(http);
    http->pairing =
        http->requests_in == EYE_HTTP_REQUESTS_UNKNOWN ? EYE_HTTP_JOINED : EYE_HTTP_BROKEN;
    http->barrier = barrier;
}

/* The same as a call. */
EYE_PART int eye_http_break(struct eye_http *http, __u32 barrier)
{
    if (http) {
        eye_http_end_trust(http, barrier);
    }
    return 0;
}

/* Something was missed before the present segment of @stream, which came with @acknowledged. */
static __always_inline void eye_http_doubt(struct eye_http *http, __u32 stream, __u32 acknowledged)
{
    const struct eye_http_stream *other = &http->streams[(stream ^ 1) & 1];
    eye_http_break(http, eye_http_carries_requests(http, stream) ? acknowledged
                                                                 : other->first_acknowledged);
}

/* The next @bytes of a body, 1 or more, are passed over. */
static __always_inline void eye_http_skip(struct eye_http_stream *stream, __u32 bytes)
{
    stream->flags |= EYE_HTTP_BEGUN;
    stream->body -= bytes;
    if (stream->body == 0) {
        stream->phase = stream->flags & EYE_HTTP_CHUNKED ? EYE_HTTP_CHUNK_SIZE : EYE_HTTP_START;
    }
}

/*
 * @missing bytes before the next ones of a stream will not be seen. True: nothing is lost, because
 * they belong to a body that is being skipped. In a stream that is lost every gap counts, too: each
 * may hide messages.
 */
static __always_inline bool eye_http_pass_over(struct eye_http *http,
                                               struct eye_http_stream *stream, __u32 missing)
{
    if (stream->phase == EYE_HTTP_IGNORE) {
        return true;
    }
    if (stream->phase == EYE_HTTP_BODY && stream->body >= missing) {
        eye_http_skip(stream, missing);
        return true;
    }
    eye_http_note_loss(http, EYE_LOSS_HTTP_GAP, 1);
    stream->phase = EYE_HTTP_LOST;
    stream->held = 0;
    return false;
}

/*
 * A message that begins in the other direction acknowledges bytes of @stream that were not seen.
 * What hides in them was sent before it: no request among it acknowledges more than @barrier.
 */
EYE_PART int eye_http_catch_up(struct eye_http *http, __u32 stream, __u32 acknowledged,
                               __u32 barrier)
{
    if (!http) {
        return 0;
    }
    struct eye_http_stream *behind = &http->streams[stream & 1];
    __u32 missing = acknowledged - behind->next_sequence;
    if (behind->flags & EYE_HTTP_SYNCED) {
        behind->next_sequence = acknowledged;
        if (!eye_http_pass_over(http, behind, missing)) {
            eye_http_end_trust(http, barrier);
        }
    }
    return 0;
}

/*
 * A request that acknowledges some of a response whose end nobody could tell: the connection goes
 * on, so the response has ended. Which message of the server is the next one, only a proof tells;
 * no request was missed that acknowledged more than the response's start.
 */
EYE_PART int eye_http_contradict(struct eye_http *http, __u32 stream)
{
    if (!http) {
        return 0;
    }
    struct eye_http_stream *responses = &http->streams[stream & 1];
    responses->phase = EYE_HTTP_LOST;
    responses->held = 0;
    if (eye_http_is_paired(http)) {
        eye_http_end_trust(http, responses->first_sequence);
    }
    return 0;
}

/*
 * A request with @acknowledged begins behind others, or while the pairing is not known from the
 * start. 1: it may be queued. What waits before it will not be answered any more, or the client
 * pipelines: then its answer is still to come, and nothing can be proved.
 */
EYE_PART int eye_http_admit(struct eye_http *http, __u32 acknowledged)
{
    if (!http) {
        return 0;
    }
    if (eye_http_waiting(http) > 0) {
        if (eye_http_is_paired(http) || http->first.acknowledged == acknowledged) {
            http->pipelined = 1;
        }
        if (http->pairing != EYE_HTTP_FROM_START) {
            eye_http_end_trust(http, acknowledged);
        }
    }
    return eye_http_is_paired(http) ||
           (!http->pipelined &&
            (http->pairing == EYE_HTTP_JOINED || eye_http_is_behind(http->barrier, acknowledged)));
}

/* The slot for the request that begins; NULL when it cannot be queued. */
static __always_inline struct eye_http_request *eye_http_next_slot(
    struct eye_http_run *run, const struct eye_http_stream *stream)
{
    struct eye_http *http = run->http;
    const struct eye_http_stream *responses = &http->streams[(run->at.stream ^ 1) & 1];
    __u32 acknowledged = stream->first_acknowledged;
    if (eye_http_is_behind(responses->next_sequence, acknowledged)) {
        eye_http_catch_up(http, run->at.stream ^ 1, acknowledged, responses->next_sequence);
    }
    if (responses->phase == EYE_HTTP_IGNORE &&
        eye_http_is_behind(responses->first_sequence, acknowledged)) {
        eye_http_contradict(http, run->at.stream ^ 1);
    }
    if ((http->pairing != EYE_HTTP_FROM_START || eye_http_waiting(http) > 0) &&
        !eye_http_admit(http, acknowledged)) {
        return NULL;
    }
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

/* A request of @stream that has no slot. */
EYE_PART int eye_http_overflow(struct eye_http *http, __u32 stream)
{
    if (!http) {
        return 0;
    }
    const struct eye_http_stream *requests = &http->streams[stream & 1];
    if (!eye_http_is_paired(http)) {
        eye_http_note_loss(http, EYE_LOSS_HTTP_UNANSWERED, 1);
        return 0;
    }
    eye_http_note_loss(http, EYE_LOSS_HTTP_PIPELINE, 1);
    if (http->overflow >= EYE_HTTP_OVERFLOW_MAX) {
        eye_http_end_trust(http, requests->first_acknowledged);
        return 0;
    }
    __u64 heads = requests->flags & EYE_HTTP_HEADS ? 1 : 0;
    http->overflow_heads |= heads << (http->overflow & (EYE_HTTP_OVERFLOW_MAX - 1));
    http->overflow++;
    return 0;
}

/* The request line is complete. Room that came free since its start is too late: its slot was not
 * filled then. */
static __always_inline void eye_http_push(struct eye_http_run *run)
{
    struct eye_http *http = run->http;
    if (http->noted) {
        http->noted = 0;
        http->pushed++;
    } else {
        eye_http_overflow(http, run->at.stream);
    }
}

/* A response has begun. Does it answer the first request that waits, or can it be proved to? */
static __always_inline bool eye_http_is_answer(struct eye_http *http,
                                               const struct eye_http_stream *stream,
                                               const struct eye_http_request *request)
{
    if (!eye_http_is_behind(request->sequence, stream->first_acknowledged)) {
        return false; /* sent before the request arrived: an idle connection's 408 */
    }
    if (eye_http_is_paired(http)) {
        return true;
    }
    if (request->acknowledged != stream->first_sequence) {
        return false;
    }
    http->pairing = EYE_HTTP_PROVEN;
    return true;
}
