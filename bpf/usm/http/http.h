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
    __u32 left = run->at.end - run->at.offset;
    __u32 skipped = stream->body < left ? (__u32)stream->body : left;
    if (skipped > 0) {
        eye_http_skip(stream, skipped);
        run->at.offset += skipped;
    }
}

/*
 * Is what comes the body after all, or the next request? Only a whole request line says so. Sets
 * the phase once that is known; returns the bytes of a body that were used.
 */
EYE_PART __u32 eye_http_decide_withheld(struct eye_http_stream *stream, __u32 filled)
{
    if (!stream) {
        return 0;
    }
    __u32 end = eye_http_find_line_end(stream, 0, filled);
    bool word = eye_http_find_token(stream, filled) != 0;
    bool chunked = stream->flags & EYE_HTTP_CHUNKED;
    /* The line of a request that stands behind a short body begins with that body. */
    if (word && end < filled && (chunked || end < stream->body || eye_http_knows(stream, filled)) &&
        eye_http_has_version(stream, end)) {
        stream->phase = EYE_HTTP_START;
        return 0;
    }
    if (word && end == filled && filled < EYE_HTTP_WINDOW_BYTES &&
        (chunked || filled < stream->body)) {
        return 0; /* more of the line must come */
    }
    if (chunked) {
        stream->phase = EYE_HTTP_CHUNK_SIZE;
        return 0;
    }
    __u32 used = stream->body < filled ? (__u32)stream->body : filled;
    stream->phase = EYE_HTTP_BODY;
    eye_http_skip(stream, used);
    return used;
}

/* Uses what the window holds; returns the bytes used. */
static __always_inline __u32 eye_http_use_window(struct eye_http_run *run,
                                                 struct eye_http_stream *stream, __u32 filled)
{
    __u32 used = 0;
    if (stream->phase == EYE_HTTP_WITHHELD) {
        if (stream->held == 0) {
            eye_http_mark_start(run, stream);
        }
        used = eye_http_decide_withheld(stream, filled);
        if (used > 0 || stream->phase == EYE_HTTP_WITHHELD) {
            return used;
        }
    }
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
    stream->read_end = run->at.origin + run->at.offset;
    if (stream->phase == EYE_HTTP_BODY) {
        eye_http_skip_body(run, stream);
    }
    return run->at.offset < run->at.end;
}

/* The first payload that the parser sees of a direction. */
static __always_inline void eye_http_join(struct eye_http_run *run, struct eye_http_stream *stream,
                                          __u32 sequence)
{
    struct eye_http *http = run->http;
    struct eye_http_stream *other = &http->streams[(run->at.stream ^ 1) & 1];
    stream->flags |= EYE_HTTP_SYNCED;
    stream->next_sequence = sequence;
    stream->read_end = sequence;
    if (!(other->flags & EYE_HTTP_SYNCED) && eye_http_is_first(run)) {
        if (!run->at.opening) {
            other->flags |= EYE_HTTP_SYNCED;
            other->next_sequence = run->at.acknowledged;
            other->read_end = run->at.acknowledged;
        }
        http->pairing = EYE_HTTP_FROM_START;
    }
}

/*
 * While nothing is proved, a stream may be in the midst of a message that is none: a body that
 * looked like one, an answer whose request was not known to be a HEAD. The other direction tells
 * where the next message starts. @sequence: of the first byte that was not seen before.
 */
static __always_inline void eye_http_realign(struct eye_http_run *run,
                                             struct eye_http_stream *stream, __u32 sequence)
{
    struct eye_http *http = run->http;
    bool starts;
    if (stream->phase == EYE_HTTP_START || stream->phase == EYE_HTTP_LOST) {
        return;
    }
    if (eye_http_carries_requests(http, run->at.stream)) {
        starts = eye_http_is_behind(stream->first_acknowledged, run->at.acknowledged);
    } else {
        starts = eye_http_waiting(http) > 0 && http->first.acknowledged == sequence;
    }
    if (starts) {
        stream->phase = EYE_HTTP_LOST;
        stream->held = 0;
    }
}

/*
 * A window is read while another CPU may be moving it, and some kernels keep to a promise that they
 * have since reduced: by so much a segment may lie beyond it. The largest one without BIG TCP.
 */
#define EYE_HTTP_WINDOW_SLACK 65536

/* Will the socket drop this segment? It has all of it, or has no room, or never sent what it
 * acknowledges (RFC 9293 section 3.10.7.4). */
static __always_inline bool eye_http_is_stray(const struct eye_http_run *run,
                                              const struct eye_http_receiver *receiver,
                                              __u32 sequence, __u32 bytes)
{
    return !eye_http_is_behind(receiver->accepted, sequence + bytes) ||
           eye_http_is_behind(receiver->end + EYE_HTTP_WINDOW_SLACK, sequence) ||
           eye_http_is_behind(receiver->sent, run->at.acknowledged);
}

/*
 * A segment at @sequence brings the byte that the socket still waits for. Was it read already? Then
 * the socket dropped what was read: its checksum was wrong (cgroup_skb comes before most checks of
 * it), or there was no memory. What a body passes over may come in any order.
 */
static __always_inline bool eye_http_was_refused(const struct eye_http_stream *stream,
                                                 const struct eye_http_receiver *receiver,
                                                 __u32 sequence)
{
    __u32 refused = stream->next_sequence - receiver->accepted;
    __u32 unread = stream->next_sequence - stream->read_end;
    return eye_http_is_behind(receiver->accepted, stream->next_sequence) &&
           !eye_http_is_behind(receiver->accepted, sequence) && unread < refused;
}

/*
 * Reads again, from the first byte on that the socket did not take. When that is the start of the
 * only request that waits, it takes the place of what was read; else what was read is in doubt.
 */
static __always_inline void eye_http_read_again(struct eye_http_run *run,
                                                struct eye_http_stream *stream, __u32 accepted)
{
    struct eye_http *http = run->http;
    bool whole = eye_http_carries_requests(http, run->at.stream) && eye_http_waiting(http) == 1 &&
                 http->popped == 0 && http->overflow == 0 && http->first.sequence == accepted &&
                 stream->first_sequence == accepted;
    if (whole) {
        http->pushed = 0;
        stream->phase = EYE_HTTP_START;
    } else {
        eye_http_note_loss(http, EYE_LOSS_HTTP_GAP, 1);
        eye_http_doubt(http, run->at.stream, run->at.acknowledged);
        stream->phase = EYE_HTTP_LOST;
    }
    stream->held = 0;
    stream->next_sequence = accepted;
    stream->read_end = accepted;
}

/* A segment at @sequence that is not the next one of a stream that is followed without doubt.
 * False: the socket will drop it, so nothing is to be made of it. */
static __always_inline bool eye_http_resolve(struct eye_http_run *run, __u32 sequence, __u32 bytes)
{
    struct eye_http_stream *stream = &run->http->streams[run->at.stream & 1];
    struct eye_http_receiver receiver;
    bool asked = eye_http_ask_receiver(run, &receiver);
    if (asked && eye_http_is_stray(run, &receiver, sequence, bytes)) {
        return false;
    }
    if (!(stream->flags & EYE_HTTP_SYNCED)) {
        eye_http_join(run, stream, sequence);
    } else if (asked && eye_http_was_refused(stream, &receiver, sequence)) {
        eye_http_read_again(run, stream, receiver.accepted);
    }
    __u32 missing = sequence - stream->next_sequence;
    if (eye_http_is_behind(stream->next_sequence, sequence)) {
        stream->next_sequence = sequence;
        if (!eye_http_pass_over(run->http, stream, missing)) {
            eye_http_doubt(run->http, run->at.stream, run->at.acknowledged);
        }
    }
    if (eye_http_is_behind(stream->next_sequence, sequence + bytes) &&
        !eye_http_is_paired(run->http)) {
        eye_http_realign(run, stream, stream->next_sequence);
    }
    return true;
}

/*
 * Places a segment of @bytes at TCP sequence number @sequence in its stream. Returns how many of
 * its first bytes are of no interest: @bytes when it is a retransmission, or will be dropped.
 */
static __always_inline __u32 eye_http_place(struct eye_http_run *run, __u32 sequence, __u32 bytes)
{
    struct eye_http_stream *stream = &run->http->streams[run->at.stream & 1];
    if ((sequence != stream->next_sequence || !eye_http_is_paired(run->http)) &&
        !eye_http_place_odd(run, sequence, bytes)) {
        return bytes;
    }
    __u32 seen = stream->next_sequence - sequence;
    if (seen >= bytes) {
        return bytes;
    }
    stream->next_sequence = sequence + bytes;
    return seen;
}
