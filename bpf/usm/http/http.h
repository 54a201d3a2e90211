/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/1 (RFC 9112), the framing half: finds where messages start and end in the two directions
 * of one connection, pairs requests with responses, takes the time. Plain C over bytes: compiled
 * into the kernel programs, and on the host for tests and fuzzers.
 *
 * A direction is read through a small window kept with the socket. Bodies are never looked at:
 * their length is known before they come. What a step cannot use yet (an incomplete line) stays
 * in the window until more bytes come, so a message may arrive in pieces of any size.
 */
#pragma once

#include "bpf/usm/http/chunks.h"

/* Skips what of the body lies in this payload. */
static __always_inline void eye_http_skip_body(struct eye_http_run *run,
                                               struct eye_http_stream *stream)
{
    __u64 left = run->at.end - run->at.offset;
    __u64 skipped = stream->body < left ? stream->body : left;
    stream->body -= skipped;
    run->at.offset += (__u32)skipped;
    if (stream->body == 0) {
        stream->phase = stream->flags & EYE_HTTP_CHUNKED ? EYE_HTTP_CHUNK_SIZE : EYE_HTTP_START;
    }
}

/* Uses what the window holds; returns the bytes used. */
static __always_inline __u32 eye_http_use_window(struct eye_http_run *run,
                                                 struct eye_http_stream *stream, __u32 filled)
{
    __u32 used = 0;
    if (stream->phase == EYE_HTTP_CHUNK_SIZE) {
        return eye_http_chunk_size(run, stream, filled);
    }
    if (stream->phase == EYE_HTTP_START || stream->phase == EYE_HTTP_LOST) {
        used = eye_http_start(run, stream, filled);
    }
    if (stream->phase == EYE_HTTP_REQUEST_REST) {
        used = eye_http_request_rest(run, stream, used, filled);
    }
    if (stream->phase == EYE_HTTP_SKIP_LINE) {
        used = eye_http_skip_line(stream, used, filled);
    }
    if (stream->phase == EYE_HTTP_HEADERS) {
        used = eye_http_headers(run, stream, used, filled);
    }
    return used;
}

/* One step: a body skipped, or one window's worth of lines and the body behind them; so a message
 * in one payload is one step. False: the payload is used up. */
static __always_inline bool eye_http_step(struct eye_http_run *run)
{
    struct eye_http_stream *stream = &run->http->streams[run->at.stream & 1];
    if (run->at.offset >= run->at.end || run->at.verdict != EYE_HTTP_GO_ON ||
        stream->phase == EYE_HTTP_IGNORE) {
        return false;
    }
    if (stream->phase == EYE_HTTP_BODY) {
        eye_http_skip_body(run, stream);
        return run->at.offset < run->at.end;
    }
    __u32 held = stream->held;
    if (held >= EYE_HTTP_WINDOW_BYTES) {
        eye_http_mismatch(run, stream);
        return false;
    }
    /* Never beyond the window's size: every line in it can be read whole. */
    __u32 room = EYE_HTTP_WINDOW_BYTES - held;
    if (held > 0 && room > EYE_HTTP_REFILL_BYTES) {
        room = EYE_HTTP_REFILL_BYTES;
    }
    __u32 bytes = run->at.end - run->at.offset;
    eye_pin(bytes);
    bytes = bytes < room ? bytes : room;
    if (eye_http_load(run, run->at.offset, stream->window + held, eye_1_to_256(bytes)) != 0) {
        eye_http_mismatch(run, stream);
        return false;
    }
    __u32 used = eye_http_use_window(run, stream, held + bytes);
    if (run->at.offset >= run->at.end) {
        return false; /* given up */
    }
    if (used > held) {
        stream->held = 0;
        run->at.offset += used - held;
    } else {
        stream->held = (__u16)(held + bytes);
        run->at.offset += bytes;
    }
    if (stream->phase == EYE_HTTP_BODY) {
        eye_http_skip_body(run, stream);
    }
    return run->at.offset < run->at.end;
}

/*
 * Bytes were missed before the present payload (a gap of @missing): nothing is lost when they
 * belong to a body that is being skipped.
 */
static __always_inline void eye_http_gap(struct eye_http *http, struct eye_http_stream *stream,
                                         __u32 missing)
{
    if (stream->phase == EYE_HTTP_IGNORE || stream->phase == EYE_HTTP_LOST) {
        return;
    }
    if (stream->phase == EYE_HTTP_BODY && stream->body > missing) {
        stream->body -= missing;
        return;
    }
    eye_lose(EYE_LOSS_HTTP_GAP, 1);
    eye_http_forget_requests(http);
    stream->phase = EYE_HTTP_LOST;
    stream->held = 0;
}

/*
 * Places a segment of @bytes at TCP sequence number @sequence in its stream. Returns how many of
 * its first bytes were seen before: @bytes when it is a retransmission.
 */
static __always_inline __u32 eye_http_place(struct eye_http *http, __u32 stream_index,
                                            __u32 sequence, __u32 bytes)
{
    struct eye_http_stream *stream = &http->streams[stream_index & 1];
    if (!(stream->flags & EYE_HTTP_SYNCED)) {
        stream->flags |= EYE_HTTP_SYNCED;
        stream->next_sequence = sequence;
    }
    __s32 ahead = (__s32)(sequence - stream->next_sequence);
    __u32 seen = 0;
    if (ahead > 0) {
        eye_http_gap(http, stream, (__u32)ahead);
    } else {
        seen = (__u32)-ahead;
        if (seen >= bytes) {
            return bytes;
        }
    }
    stream->next_sequence = sequence + bytes;
    return seen;
}
