/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: request lines and status lines (RFC 9112 sections 3 and 4). */
#pragma once

#include "bpf/usm/http/lines.h"

#define EYE_HTTP_TARGET_COMPLETE (1U << 31)

/*
 * Length of the request target at @from: up to a space or line end, at most EYE_HTTP_PATH_BYTES;
 * with EYE_HTTP_TARGET_COMPLETE when its end was seen. Copied to @request, or nowhere, on the way.
 */
EYE_PART __u32 eye_http_copy_target(const struct eye_half *half, struct eye_request *request,
                                    __u32 from, __u32 filled)
{
    __u32 length = 0;
    if (!half || from > EYE_HTTP_METHOD_BYTES) {
        return 0;
    }
    for (int i = 0; i < EYE_HTTP_PATH_BYTES / 8; i++) {
        length = eye_forget(length);
        if (from + length >= filled || length > EYE_HTTP_PATH_BYTES - 8) {
            break;
        }
        __u64 word = eye_load_word(half->window + from + length);
        if (request) {
            struct eye_request *checked = request;
            eye_pin(checked); /* else clang 19 does its arithmetic before the check */
            eye_store_word(checked->body + EYE_HTTP_BODY_FIXED + length, word);
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

/* "HTTP/1.1 200" (RFC 9112 section 4). */
#define EYE_HTTP_STATUS_BYTES 12

static __always_inline __u16 eye_http_parse_status(const __u8 *digits)
{
    __u32 a = (__u32)digits[0] - '0';
    __u32 b = (__u32)digits[1] - '0';
    __u32 c = (__u32)digits[2] - '0';
    return a >= 1 && a <= 9 && b <= 9 && c <= 9 ? (__u16)(a * 100 + b * 10 + c) : 0;
}

#define EYE_HTTP_PREFIX_NONE (1U << 31)
#define EYE_HTTP_PREFIX_BROKEN (1U << 30)

/*
 * What a load balancer put before the first message, in pieces (whole, dispatch.bpf.h has taken it
 * off): the bytes of it to skip, 0 when more must come, EYE_HTTP_PREFIX_NONE, or
 * EYE_HTTP_PREFIX_BROKEN when it only began so.
 */
EYE_PART __u32 eye_http_read_prefix(struct eye_half *half, __u32 filled)
{
    if (!half) {
        return EYE_HTTP_PREFIX_NONE;
    }
    __u64 word = eye_load_word(half->window);
    __u32 compared = filled < sizeof(word) ? filled : sizeof(word);
    if (filled >= EYE_PROXY_CERTAIN_BYTES &&
        eye_first_bytes(word, compared) == eye_first_bytes(EYE_PROXY_SIGNATURE, compared)) {
        if (filled < EYE_PROXY_HEADER_BYTES) {
            return 0;
        }
        eye_skip_next(half, (__u32)half->window[14] << 8 | half->window[15], EYE_PHASE_START);
        return EYE_PROXY_HEADER_BYTES;
    }
    if (filled < EYE_PROXY_WORD_BYTES ||
        eye_first_bytes(word, EYE_PROXY_WORD_BYTES) != EYE_PROXY_WORD) {
        return EYE_HTTP_PREFIX_NONE;
    }
    __u32 end = eye_find_line_end(half, 0, filled);
    if (end < filled) {
        return end + 1;
    }
    return filled > EYE_PROXY_LINE_MAX ? EYE_HTTP_PREFIX_BROKEN : 0;
}

/* eye_http_read_method(): the method is the lowest byte, the length with the space (at most
 * EYE_HTTP_METHOD_BYTES; 0: there is none) the bits above it. */
#define EYE_HTTP_METHOD_PARTIAL (1U << 31) /* what there is could still become one */
#define EYE_HTTP_METHOD_LENGTH_SHIFT 8
#define EYE_HTTP_METHOD_LENGTH_MASK 31

/* The method at the start of the window. @lost: only a known one may be a partial one. */
EYE_PART __u32 eye_http_read_method(const struct eye_half *half, __u32 filled, bool lost)
{
    __u32 bytes = 0;
    bool partial = false;
    if (!half) {
        return 0;
    }
    __u8 method = eye_http_match_method(eye_load_word(half->window), filled, &bytes, &partial);
    if (method == 0 && !partial) {
        __u32 token = eye_http_find_token(half, filled);
        if (token & EYE_HTTP_TOKEN_COMPLETE) {
            bytes = token & ~EYE_HTTP_TOKEN_COMPLETE;
        } else {
            partial = token > 0 && !lost; /* else anything could */
        }
    }
    return method | bytes << EYE_HTTP_METHOD_LENGTH_SHIFT | (partial ? EYE_HTTP_METHOD_PARTIAL : 0);
}

/*
 * Where the next message starts is not known. Is the word of @bytes at the start of @side, a known
 * method or not, that of a request? Its line must say so; and the rest of a method, whose first
 * letters were missed, is a word, too.
 */
EYE_PART int eye_http_is_plausible(const struct eye_conversation *conversation, __u32 side,
                                   __u32 filled, __u32 bytes, bool known)
{
    if (!conversation) {
        return 0;
    }
    const struct eye_half *requests = &conversation->halves[side & 1];
    __u32 end = eye_find_line_end(requests, 0, filled);
    if (end == filled) {
        return known;
    }
    /* Behind the word at least one byte of a target, the version, and perhaps a CR. */
    return end > bytes + EYE_HTTP_VERSION_BYTES && eye_http_has_version(requests, end) &&
           (known || eye_is_behind(conversation->queue.barrier, requests->first_acknowledged));
}

/* "HTTP/1." is here. */
static __always_inline void eye_http_read_status(const struct eye_half *half, __u32 filled,
                                                 struct eye_found *found)
{
    if (filled < EYE_HTTP_STATUS_BYTES) {
        return;
    }
    __u16 status = eye_http_parse_status(half->window + 9);
    if (status == 0 || half->window[8] != ' ') {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    bool interim = status < 200 && status != 101;
    found->what = interim ? EYE_FOUND_INTERIM : EYE_FOUND_RESPONSE;
    found->code = status;
    found->used = EYE_HTTP_STATUS_BYTES;
}

/* A message may start with the window. */
static __always_inline void eye_http_start(struct eye_conversation *conversation, __u32 side,
                                           __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    if (!conversation->confirmed) {
        __u32 used = eye_http_read_prefix(half, filled);
        if (used == EYE_HTTP_PREFIX_BROKEN) {
            found->what = EYE_FOUND_MISMATCH;
            return;
        }
        if (used != EYE_HTTP_PREFIX_NONE) {
            found->used = used;
            return;
        }
    }
    if (half->window[0] == '\r' || half->window[0] == '\n') {
        found->used = 1; /* RFC 9112 section 2.2: empty lines before a request line */
        return;
    }
    if (eye_may_carry(conversation, side, false) &&
        eye_http_is_version(eye_load_word(half->window), filled)) {
        eye_http_read_status(half, filled, found);
        return;
    }
    bool partial = false;
    if (eye_may_carry(conversation, side, true)) {
        bool lost = half->phase == EYE_PHASE_LOST;
        __u32 method = eye_http_read_method(half, filled, lost);
        __u32 bytes = method >> EYE_HTTP_METHOD_LENGTH_SHIFT & EYE_HTTP_METHOD_LENGTH_MASK;
        partial = method & EYE_HTTP_METHOD_PARTIAL;
        if (bytes > 0 && (!lost || eye_http_is_plausible(conversation, side, filled, bytes,
                                                         (__u8)method != 0))) {
            found->what = EYE_FOUND_REQUEST;
            found->scratch = method;
            return;
        }
    }
    if (!partial) {
        found->what = EYE_FOUND_MISMATCH;
    }
}

/* As parser.h says: the method is known, the target follows. */
static __always_inline void eye_http_note(struct eye_conversation *conversation, __u32 side,
                                          struct eye_request *request, __u32 filled,
                                          struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    __u8 method = (__u8)found->scratch;
    __u32 from = found->scratch >> EYE_HTTP_METHOD_LENGTH_SHIFT & EYE_HTTP_METHOD_LENGTH_MASK;
    __u32 length = eye_http_copy_target(half, request, from, filled);
    bool complete = length & EYE_HTTP_TARGET_COMPLETE;
    length &= ~EYE_HTTP_TARGET_COMPLETE;
    if (!complete && filled < from + EYE_HTTP_PATH_BYTES) {
        return; /* wait for the rest of the target */
    }
    if (length == 0 || length > EYE_HTTP_PATH_BYTES) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    if (request) {
        request->head.flags = complete ? 0 : EYE_REQUEST_TRUNCATED;
        request->head.body_bytes = (__u16)(EYE_HTTP_BODY_FIXED + length);
        request->body[0] = method;
    }
    half->mark = method == EYE_HTTP_HEAD      ? EYE_HTTP_MARK_HEAD
                 : method == EYE_HTTP_CONNECT ? EYE_HTTP_MARK_CONNECT
                                              : 0;
    half->flags = method == EYE_HTTP_METHOD_OTHER ? EYE_HTTP_GUESSED : 0;
    half->begun = 0;
    half->phase = EYE_HTTP_REQUEST_REST;
    found->used = from + length;
}

/*
 * A final answer before the body's first byte: a client that expected 100 Continue may keep the
 * body for itself and go on with the next request (RFC 9110 section 10.1.1).
 */
static __always_inline void eye_http_expect_no_body(struct eye_half *requests, bool last)
{
    if ((requests->phase == EYE_PHASE_SKIP || requests->phase == EYE_HTTP_CHUNK_SIZE) &&
        !requests->begun && last) {
        requests->phase = EYE_PHASE_WITHHELD;
    }
}

/* Behind the status of a response on @side: where it will end. */
static __always_inline void eye_http_begin_response(struct eye_conversation *conversation,
                                                    __u32 side, __u32 filled,
                                                    const struct eye_found *found)
{
    __u16 status = found->code;
    struct eye_half *half = eye_half_of(conversation, side);
    /* 205 has none (RFC 9110 section 15.3.6). */
    __u16 flags = status == 205 ? 0 : EYE_HTTP_UNBOUNDED;
    if (status == 101) {
        flags |= EYE_HTTP_TUNNEL;
    } else if (status < 200) {
        flags |= EYE_HTTP_BODYLESS; /* an interim response: the final one is still to come */
    } else {
        bool bodyless = found->mark & EYE_HTTP_MARK_HEAD || status == 204 || status == 304;
        bool tunnel = found->mark & EYE_HTTP_MARK_CONNECT && status < 300;
        eye_http_expect_no_body(eye_opposite_of(conversation, side), found->last);
        flags |= bodyless ? EYE_HTTP_BODYLESS : 0;
        flags |= tunnel ? EYE_HTTP_TUNNEL : 0;
    }
    half->flags = flags;
    half->begun = 0;
    /* The reason phrase begins with a space, so it passes for a header line of no interest. */
    bool reason = filled > EYE_HTTP_STATUS_BYTES && half->window[EYE_HTTP_STATUS_BYTES] == ' ';
    half->phase = reason ? EYE_HTTP_HEADERS : EYE_HTTP_SKIP_LINE;
}
