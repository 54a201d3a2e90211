/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: lines in the window. */
#pragma once

#include "bpf/usm/http/recognise.h"
#include "bpf/usm/lines.h"

/* " HTTP/1.1\r\n" ends a request line; @end is the LF. A bare LF is tolerated (section 2.2). */
static __always_inline bool eye_http_has_version(const struct eye_half *half, __u32 end)
{
    eye_pin(end);
    if (end == 0 || end >= EYE_WINDOW_BYTES) {
        return false;
    }
    __u32 before = end - 1;
    eye_pin(before);
    __u32 last = half->window[before & (EYE_WINDOW_BYTES - 1)] == '\r' ? 1 : 0;
    __u32 start = end - last - EYE_HTTP_VERSION_BYTES; /* wraps when there is no room for it */
    eye_pin(start);
    return start < EYE_WINDOW_BYTES &&
           eye_load_word(half->window + start) == EYE_HTTP_SPACE_VERSION;
}

/* Of a long line the version may have left the window in part: then a known method must do. */
static __always_inline bool eye_http_version_before(const struct eye_half *half, __u32 end)
{
    return eye_http_has_version(half, end) ||
           (end <= EYE_HTTP_VERSION_BYTES &&
            (half->flags & (EYE_HTTP_LONG | EYE_HTTP_GUESSED)) == EYE_HTTP_LONG);
}

#define EYE_HTTP_TOKEN_COMPLETE (1U << 31)

/*
 * Length of the token that the window starts with, as far as it goes; 0: there is none, or it is
 * longer than any method. With EYE_HTTP_TOKEN_COMPLETE a space follows, and is counted.
 */
EYE_PART __u32 eye_http_find_token(const struct eye_half *half, __u32 filled)
{
    __u32 length = 0;
    if (!half) {
        return 0;
    }
    for (int i = 0; i < EYE_HTTP_METHOD_BYTES; i++) {
        length = eye_forget(length);
        if (length >= filled || length >= EYE_HTTP_METHOD_BYTES) {
            break;
        }
        __u8 byte = half->window[length];
        if (byte == ' ') {
            return length > 0 ? (length + 1) | EYE_HTTP_TOKEN_COMPLETE : 0;
        }
        if (!eye_http_is_token_byte(byte)) {
            return 0;
        }
        length++;
    }
    return length < EYE_HTTP_METHOD_BYTES ? length : 0;
}

/* Does the window begin with a method of EYE_HTTP_TOKENS? */
EYE_PART int eye_http_knows(const struct eye_half *half, __u32 filled)
{
    __u32 length;
    bool partial;
    return half &&
           eye_http_match_method(eye_load_word(half->window), filled, &length, &partial) != 0;
}
