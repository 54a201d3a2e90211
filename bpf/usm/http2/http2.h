/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/2 (RFC 9113) with HPACK (RFC 7541), and gRPC over it. A parser as bpf/usm/parser.h says, of
 * the kind that pairs by number: frames.h finds frames and header blocks, streams.h pairs.
 */
#pragma once

#include "bpf/usm/http2/streams.h"

/* A whole frame at @at of the glance, of a kind that is seen at the start of a payload, and either
 * another one behind it, or the payload's end. */
static __always_inline bool eye_http2_is_chain(const struct eye_glance *glance, __u32 bytes)
{
    struct eye_http2_frame frame;
    eye_http2_read_head(glance->bytes, &frame);
    if (!eye_http2_is_likely(&frame)) {
        return false;
    }
    __u64 next = EYE_HTTP2_HEAD_BYTES + frame.length;
    if (next == bytes && bytes < EYE_LOOK_BYTES) {
        return frame.type != EYE_HTTP2_WINDOW_UPDATE && frame.length > 0;
    }
    if (next + EYE_HTTP2_HEAD_BYTES > bytes) {
        return frame.type == EYE_HTTP2_SETTINGS;
    }
    eye_pin(next);
    next &= EYE_LOOK_BYTES - 1;
    eye_pin(next);
    eye_http2_read_head(glance->bytes + next, &frame);
    return eye_http2_is_likely(&frame);
}

/* A client's first bytes, or what may stand where a frame begins: of a server, whose settings may
 * come first, or of a connection that is older than the daemon. */
static __always_inline int eye_http2_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    if (bytes >= 8 &&
        eye_load_word(glance->bytes) == EYE_WORD('P', 'R', 'I', ' ', '*', ' ', 'H', 'T')) {
        return 1;
    }
    return bytes >= EYE_HTTP2_HEAD_BYTES && eye_http2_is_chain(glance, bytes);
}

static const struct eye_parser eye_http2_parser = {.read = eye_http2_read};
