/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: request lines and status lines (RFC 9112 sections 3 and 4), and pairing the two. */
#pragma once

#include "bpf/usm/http/lines.h"
#include "bpf/usm/http/queue.h"

static __always_inline void eye_http_lost(struct eye_http_run *run, struct eye_http_stream *stream)
{
    stream->phase = EYE_HTTP_LOST;
    stream->held = 0;
    run->at.offset = run->at.end;
}

/* What stands here is no message. */
static __always_inline void eye_http_mismatch(struct eye_http_run *run,
                                              struct eye_http_stream *stream)
{
    if (!run->http->confirmed) {
        run->at.verdict = EYE_HTTP_NOT_HTTP;
    } else if (stream->phase != EYE_HTTP_LOST) {
        eye_http_lose(run->http, EYE_LOSS_HTTP_MALFORMED, 1);
        eye_http_doubt(run->http, run->at.stream, run->at.acknowledged);
    }
    eye_http_lost(run, stream);
}

#define EYE_HTTP_TARGET_COMPLETE (1U << 31)

/*
 * Length of the request target at @from: up to a space or line end, at most EYE_HTTP_PATH_BYTES;
 * with EYE_HTTP_TARGET_COMPLETE when its end was seen. Copied to @request (or nowhere) on the way.
 */
EYE_PART __u32 eye_http_copy_target(const struct eye_http_stream *stream,
                                    struct eye_http_request *request, __u32 from, __u32 filled)
{
    __u32 length = 0;
    if (!stream || from > EYE_HTTP_METHOD_BYTES) {
        return 0;
    }
    for (int i = 0; i < EYE_HTTP_PATH_BYTES / 8; i++) {
        length = eye_forget(length);
        if (from + length >= filled || length > EYE_HTTP_PATH_BYTES - 8) {
            break;
        }
        __u64 word = eye_load_word(stream->window + from + length);
        if (request) {
            struct eye_http_request *checked = request;
            eye_pin(checked); /* else clang 19 does its arithmetic before the check */
            eye_store_word(checked->body.path + length, word);
        }
        /* Two searches: each one's lowest mark is right, so the lower of both is. */
        __u64 end = eye_find_byte(word, ' ') | eye_find_byte(word, '\n');
        if (end) {
            length += eye_first_index(end);
            return from + length < filled ? length | EYE_HTTP_TARGET_COMPLETE : length;
        }
        length += 8;
    }
    return length;
}

static __always_inline __u32 eye_http_start_request(struct eye_http_run *run,
                                                    struct eye_http_stream *stream, __u32 filled,
                                                    __u8 method, __u32 token_bytes)
{
    struct eye_http_request *request = eye_http_next_slot(run, stream);
    __u32 length = eye_http_copy_target(stream, request, token_bytes, filled);
    bool complete = length & EYE_HTTP_TARGET_COMPLETE;
    length &= ~EYE_HTTP_TARGET_COMPLETE;
    if (!complete && filled < token_bytes + EYE_HTTP_PATH_BYTES) {
        return 0; /* wait for the rest of the target */
    }
    if (length == 0 || length > EYE_HTTP_PATH_BYTES) {
        eye_http_mismatch(run, stream);
        return 0;
    }
    run->http->noted = request != NULL;
    if (request) {
        request->started_ns = stream->first_ns;
        request->sequence = stream->first_sequence;
        request->acknowledged = stream->first_acknowledged;
        request->head.protocol = EYE_PROTOCOL_HTTP;
        request->head.flags = complete ? 0 : EYE_REQUEST_TRUNCATED;
        request->head.body_bytes = (__u16)(EYE_HTTP_BODY_FIXED + length);
        request->body.method = method;
    }
    __u16 flags = method == EYE_HTTP_HEAD           ? EYE_HTTP_HEADS
                  : method == EYE_HTTP_METHOD_OTHER ? EYE_HTTP_GUESSED
                                                    : 0;
    stream->flags = (__u16)((stream->flags & ~EYE_HTTP_MESSAGE_FLAGS) | flags);
    stream->phase = EYE_HTTP_REQUEST_REST;
    return token_bytes + length;
}

/* A response that belongs to no request that waits. Returns the method that it answers. */
static __always_inline __u8 eye_http_answer_none(struct eye_http *http)
{
    if (http->overflow > 0) {
        /* Its request is among the lost. */
        __u8 method = http->overflow_heads & 1 ? EYE_HTTP_HEAD : EYE_HTTP_METHOD_OTHER;
        http->overflow_heads >>= 1;
        http->overflow--;
        return method;
    }
    eye_http_lose(http, EYE_LOSS_HTTP_UNMATCHED, 1);
    return EYE_HTTP_METHOD_OTHER;
}

/* Pairs a final response with its request and sends the record. Returns the request's method. */
static __always_inline __u8 eye_http_answer(struct eye_http_run *run,
                                            const struct eye_http_stream *stream, __u16 status)
{
    struct eye_http *http = run->http;
    if (eye_http_waiting(http) == 0) {
        return eye_http_answer_none(http);
    }
    struct eye_http_request *request = eye_http_slot(run, http->popped);
    if (!request) {
        http->popped++; /* cannot be: what was pushed has its slot */
        eye_http_lose(http, EYE_LOSS_HTTP_STORAGE, 1);
        return EYE_HTTP_METHOD_OTHER;
    }
    if (!eye_http_is_answer(http, stream, request)) {
        eye_http_lose(http, EYE_LOSS_HTTP_UNMATCHED, 1);
        if (!eye_http_is_paired(http)) {
            eye_http_forget_requests(http);
        }
        return EYE_HTTP_METHOD_OTHER;
    }
    __u8 method = request->body.method;
    __u64 duration = stream->first_ns - request->started_ns;
    /* Two clocks readings on two CPUs may disagree by some nanoseconds. */
    request->head.duration_ns = (__s64)duration < 0 ? 0 : duration;
    request->head.code = status;
    eye_http_emit(run, request);
    http->popped++; /* now the other direction, perhaps on another CPU, may use the slot again */
    return method;
}

/* An interim response proves as much as a final one. */
static __always_inline void eye_http_hint(struct eye_http *http,
                                          const struct eye_http_stream *stream)
{
    if (!eye_http_is_paired(http) && eye_http_waiting(http) > 0) {
        eye_http_is_answer(http, stream, &http->first);
    }
}

/*
 * A final answer before the body's first byte: a client that expected 100 Continue may keep the
 * body for itself and go on with the next request (RFC 9110 section 10.1.1).
 */
static __always_inline void eye_http_expect_no_body(struct eye_http_run *run)
{
    struct eye_http_stream *requests = &run->http->streams[(run->at.stream ^ 1) & 1];
    if ((requests->phase == EYE_HTTP_BODY || requests->phase == EYE_HTTP_CHUNK_SIZE) &&
        !(requests->flags & EYE_HTTP_BEGUN) && eye_http_waiting(run->http) == 0) {
        requests->phase = EYE_HTTP_WITHHELD;
    }
}

/* "HTTP/1.1 200" (RFC 9112 section 4). */
#define EYE_HTTP_STATUS_BYTES 12

static __always_inline __u16 eye_http_parse_status(const __u8 *digits)
{
    __u32 a = (__u32)digits[0] - '0';
    __u32 b = (__u32)digits[1] - '0';
    __u32 c = (__u32)digits[2] - '0';
    return a >= 1 && a <= 9 && b <= 9 && c <= 9 ? (__u16)(a * 100 + b * 10 + c) : 0;
}

static __always_inline __u32 eye_http_start_response(struct eye_http_run *run,
                                                     struct eye_http_stream *stream, __u32 filled)
{
    __u16 status = eye_http_parse_status(stream->window + 9);
    if (status == 0 || stream->window[8] != ' ') {
        eye_http_mismatch(run, stream);
        return 0;
    }
    run->http->confirmed = 1;
    const struct eye_http_stream *requests = &run->http->streams[(run->at.stream ^ 1) & 1];
    if (eye_http_is_behind(requests->next_sequence, stream->first_acknowledged)) {
        eye_http_catch_up(run->http, run->at.stream ^ 1, stream->first_acknowledged,
                          stream->first_sequence);
    }
    /* 205 has none (RFC 9110 section 15.3.6). */
    __u16 flags = status == 205 ? 0 : EYE_HTTP_UNBOUNDED;
    if (status == 101) {
        eye_http_answer(run, stream, status);
        flags |= EYE_HTTP_TUNNEL;
    } else if (status < 200) {
        flags |= EYE_HTTP_BODYLESS; /* an interim response: the final one is still to come */
        eye_http_hint(run->http, stream);
    } else {
        __u8 method = eye_http_answer(run, stream, status);
        eye_http_expect_no_body(run);
        flags |= method == EYE_HTTP_HEAD || status == 204 || status == 304 ? EYE_HTTP_BODYLESS : 0;
        flags |= method == EYE_HTTP_CONNECT && status < 300 ? EYE_HTTP_TUNNEL : 0;
    }
    stream->flags = (__u16)((stream->flags & ~EYE_HTTP_MESSAGE_FLAGS) | flags);
    /* The reason phrase begins with a space, so it passes for a header line of no interest. */
    bool reason = filled > EYE_HTTP_STATUS_BYTES && stream->window[EYE_HTTP_STATUS_BYTES] == ' ';
    stream->phase = reason ? EYE_HTTP_HEADERS : EYE_HTTP_SKIP_LINE;
    return EYE_HTTP_STATUS_BYTES;
}

/* What the stream carries, once the first message has told which end is the client. */
static __always_inline bool eye_http_may_carry(const struct eye_http *http, __u32 stream,
                                               bool requests)
{
    __u8 wanted = requests == (stream == 0) ? EYE_HTTP_REQUESTS_SENT : EYE_HTTP_REQUESTS_RECEIVED;
    return http->requests_in == EYE_HTTP_REQUESTS_UNKNOWN || http->requests_in == wanted;
}

static __always_inline void eye_http_fix_carrier(struct eye_http *http, __u32 stream, bool requests)
{
    http->requests_in =
        requests == (stream == 0) ? EYE_HTTP_REQUESTS_SENT : EYE_HTTP_REQUESTS_RECEIVED;
}

/* A message begins with the byte that comes next. */
static __always_inline void eye_http_mark_start(struct eye_http_run *run,
                                                struct eye_http_stream *stream)
{
    stream->first_ns = eye_http_time(run);
    stream->first_sequence = run->at.origin + run->at.offset;
    stream->first_acknowledged = run->at.acknowledged;
}

#define EYE_HTTP_PREFIX_NONE (1U << 31)
#define EYE_HTTP_PREFIX_BROKEN (1U << 30)

/*
 * What a load balancer put before the first message: the bytes of it to skip, 0 when more must
 * come, EYE_HTTP_PREFIX_NONE, or EYE_HTTP_PREFIX_BROKEN when it only began so.
 */
EYE_PART __u32 eye_http_read_prefix(struct eye_http_stream *stream, __u32 filled)
{
    if (!stream) {
        return EYE_HTTP_PREFIX_NONE;
    }
    __u64 word = eye_load_word(stream->window);
    __u32 compared = filled < sizeof(word) ? filled : sizeof(word);
    if (filled >= EYE_HTTP_PROXY_CERTAIN_BYTES &&
        eye_first_bytes(word, compared) == eye_first_bytes(EYE_HTTP_PROXY_SIGNATURE, compared)) {
        if (filled < EYE_HTTP_PROXY_HEADER_BYTES) {
            return 0;
        }
        stream->body = (__u32)stream->window[14] << 8 | stream->window[15];
        stream->phase = stream->body > 0 ? EYE_HTTP_BODY : EYE_HTTP_START;
        return EYE_HTTP_PROXY_HEADER_BYTES;
    }
    if (filled < EYE_HTTP_PROXY_WORD_BYTES ||
        eye_first_bytes(word, EYE_HTTP_PROXY_WORD_BYTES) != EYE_HTTP_PROXY_WORD) {
        return EYE_HTTP_PREFIX_NONE;
    }
    __u32 end = eye_http_find_line_end(stream, 0, filled);
    if (end < filled) {
        return end + 1;
    }
    return filled > EYE_HTTP_PROXY_LINE_MAX ? EYE_HTTP_PREFIX_BROKEN : 0;
}

/* eye_http_read_method(): the method is the lowest byte, the length with the space (at most
 * EYE_HTTP_METHOD_BYTES; 0: there is none) the bits above it. */
#define EYE_HTTP_METHOD_PARTIAL (1U << 31) /* what there is could still become one */
#define EYE_HTTP_METHOD_LENGTH_SHIFT 8
#define EYE_HTTP_METHOD_LENGTH_MASK 31

/* The method at the start of the window. @lost: only a known one may be a partial one. */
EYE_PART __u32 eye_http_read_method(const struct eye_http_stream *stream, __u32 filled, bool lost)
{
    __u32 bytes = 0;
    bool partial = false;
    if (!stream) {
        return 0;
    }
    __u8 method = eye_http_match_method(eye_load_word(stream->window), filled, &bytes, &partial);
    if (method == 0 && !partial) {
        __u32 token = eye_http_find_token(stream, filled);
        if (token & EYE_HTTP_TOKEN_COMPLETE) {
            bytes = token & ~EYE_HTTP_TOKEN_COMPLETE;
        } else {
            partial = token > 0 && !lost; /* else anything could */
        }
    }
    return method | bytes << EYE_HTTP_METHOD_LENGTH_SHIFT | (partial ? EYE_HTTP_METHOD_PARTIAL : 0);
}

/*
 * Where the next message starts is not known. Is the word of @bytes at the start of @stream, a
 * known method or not, that of a request? Its line must say so; and the rest of a method, whose
 * first letters were missed, is a word, too.
 */
EYE_PART int eye_http_is_plausible(const struct eye_http *http, __u32 stream, __u32 filled,
                                   __u32 bytes, bool known)
{
    if (!http) {
        return 0;
    }
    const struct eye_http_stream *requests = &http->streams[stream & 1];
    __u32 end = eye_http_find_line_end(requests, 0, filled);
    if (end == filled) {
        return known;
    }
    /* Behind the word at least one byte of a target, the version, and perhaps a CR. */
    return end > bytes + EYE_HTTP_VERSION_BYTES && eye_http_has_version(requests, end) &&
           (known || eye_http_is_behind(http->barrier, requests->first_acknowledged));
}

/* Returns the bytes used; 0: more are needed, or this is no message. */
static __always_inline __u32 eye_http_start(struct eye_http_run *run,
                                            struct eye_http_stream *stream, __u32 filled)
{
    if (stream->held == 0) {
        eye_http_mark_start(run, stream);
    }
    __u64 word = eye_load_word(stream->window);
    if (!run->http->confirmed) {
        __u32 used = eye_http_read_prefix(stream, filled);
        if (used == EYE_HTTP_PREFIX_BROKEN) {
            eye_http_mismatch(run, stream);
            return 0;
        }
        if (used != EYE_HTTP_PREFIX_NONE) {
            return used;
        }
    }
    if (stream->window[0] == '\r' || stream->window[0] == '\n') {
        return 1; /* RFC 9112 section 2.2: empty lines before a request line */
    }
    bool partial = false;
    if (eye_http_may_carry(run->http, run->at.stream, false) && eye_http_is_version(word, filled)) {
        if (filled >= EYE_HTTP_STATUS_BYTES) {
            eye_http_fix_carrier(run->http, run->at.stream, false);
            return eye_http_start_response(run, stream, filled);
        }
        partial = true;
    }
    if (!partial && eye_http_may_carry(run->http, run->at.stream, true)) {
        bool lost = stream->phase == EYE_HTTP_LOST;
        __u32 found = eye_http_read_method(stream, filled, lost);
        __u32 bytes = found >> EYE_HTTP_METHOD_LENGTH_SHIFT & EYE_HTTP_METHOD_LENGTH_MASK;
        __u8 method = (__u8)found;
        partial = found & EYE_HTTP_METHOD_PARTIAL;
        if (bytes > 0 && (!lost || eye_http_is_plausible(run->http, run->at.stream, filled, bytes,
                                                         method != 0))) {
            eye_http_fix_carrier(run->http, run->at.stream, true);
            return eye_http_start_request(run, stream, filled, method, bytes);
        }
    }
    if (!partial) {
        eye_http_mismatch(run, stream);
    }
    return 0;
}
