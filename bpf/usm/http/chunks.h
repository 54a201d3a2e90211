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

static __always_inline __u32 eye_http_chunk_size(struct eye_http_run *run,
                                                 struct eye_http_stream *stream, __u32 filled)
{
    __u32 end = eye_http_find_line_end(stream, 0, filled);
    if (end == filled && filled < EYE_HTTP_WINDOW_BYTES) {
        return 0;
    }
    __u64 size = 0;
    bool digits = false;
    for (int i = 0; i < 16; i++) {
        size = eye_forget(size);
        __u32 digit = eye_http_hex_digit(stream->window[i]);
        if (digit == 16) {
            break;
        }
        size = size << 4 | digit;
        digits = true;
    }
    if (!digits || end == filled) {
        eye_http_mismatch(run, stream);
        return 0;
    }
    stream->flags |= EYE_HTTP_BEGUN;
    stream->body = size + 2; /* CR LF behind the data */
    stream->phase = EYE_HTTP_BODY;
    if (size == 0) {
        stream->phase = EYE_HTTP_HEADERS;
        stream->flags |= EYE_HTTP_TRAILERS;
    }
    return end + 1;
}
