/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/1 (RFC 9112): where messages start and end, what is asked and what is answered. Bodies are
 * never looked at: their length is known before they come. A parser as bpf/usm/parser.h says.
 */
#pragma once

#include "bpf/usm/http/chunks.h"
#include "bpf/usm/http/first_line.h"

/*
 * Is what comes the body after all, or the next request? Only a whole request line says so. Sets
 * the phase once that is known; returns the bytes of a body that were used.
 */
EYE_PART __u32 eye_http_decide_withheld(struct eye_half *half, __u32 filled)
{
    if (!half) {
        return 0;
    }
    __u32 end = eye_find_line_end(half, 0, filled);
    bool word = eye_http_find_token(half, filled) != 0;
    bool chunked = half->flags & EYE_HTTP_CHUNKED;
    /* The line of a request that stands behind a short body begins with that body. */
    if (word && end < filled && (chunked || end < half->skip || eye_http_knows(half, filled)) &&
        eye_http_has_version(half, end)) {
        half->phase = EYE_PHASE_START;
        return 0;
    }
    if (word && end == filled && filled < EYE_WINDOW_BYTES && (chunked || filled < half->skip)) {
        return 0; /* more of the line must come */
    }
    if (chunked) {
        half->phase = EYE_HTTP_CHUNK_SIZE;
        return 0;
    }
    __u32 used = half->skip < filled ? (__u32)half->skip : filled;
    half->phase = EYE_PHASE_SKIP;
    eye_skip(half, used);
    return used;
}

static __always_inline void eye_http_read(struct eye_conversation *conversation, __u32 side,
                                          __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    if (half->phase == EYE_PHASE_WITHHELD) {
        found->used = eye_http_decide_withheld(half, filled);
        if (found->used > 0 || half->phase == EYE_PHASE_WITHHELD) {
            return;
        }
    }
    if (half->phase == EYE_HTTP_CHUNK_SIZE) {
        eye_http_chunk_size(half, filled, found);
    } else if (half->phase <= EYE_PHASE_LOST) {
        eye_http_start(conversation, side, filled, found);
    } else {
        eye_http_read_lines(half, 0, filled, found);
    }
}

static __always_inline void eye_http_go_on(struct eye_conversation *conversation, __u32 side,
                                           __u32 filled, struct eye_found *found)
{
    if (found->what != EYE_FOUND_REQUEST) {
        eye_http_begin_response(conversation, side, filled, found);
    }
    eye_http_read_lines(eye_half_of(conversation, side), found->used, filled, found);
}

static const struct eye_parser eye_http_parser = {
    .read = eye_http_read,
    .note = eye_http_note,
    .go_on = eye_http_go_on,
};
