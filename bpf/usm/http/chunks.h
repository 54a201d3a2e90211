/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: the sizes of chunks (RFC 9112 section 7.1). */
#pragma once

#include "bpf/usm/http/fields.h"

static __always_inline __u32 eye_http_hex_digit(__u8 byte)
{
    if (byte >= '0' && byte <= '9') {
        return (__u32)byte - '0';
    }
    __u32 letter = ((__u32)byte | 0x20) - 'a';
    return letter < 6 ? letter + 10 : 16;
}

static __always_inline void eye_http_chunk_size(struct eye_half *half, __u32 filled,
                                                struct eye_found *found)
{
    __u32 end = eye_find_line_end(half, 0, filled);
    if (end == filled && filled < EYE_WINDOW_BYTES) {
        return;
    }
    __u64 size = 0;
    bool digits = false;
    for (int i = 0; i < 16; i++) {
        size = eye_forget(size);
        __u32 digit = eye_http_hex_digit(half->window[i]);
        if (digit == 16) {
            break;
        }
        size = size << 4 | digit;
        digits = true;
    }
    if (!digits || end == filled) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    half->begun = 1;
    if (size == 0) {
        half->phase = EYE_HTTP_HEADERS;
        half->flags |= EYE_HTTP_TRAILERS;
    } else {
        /* CR LF behind the data */
        eye_skip_next(half, size + 2, EYE_HTTP_CHUNK_SIZE);
    }
    found->used = end + 1;
}
