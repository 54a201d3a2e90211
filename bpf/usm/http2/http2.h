/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/2 (RFC 9113) with HPACK (RFC 7541), and gRPC over it. A parser as bpf/usm/parser.h says. */
#pragma once

#include "bpf/usm/http2/streams.h"

struct eye_http2_record {
    struct eye_request_head head;
    struct eye_http2_body body;
};

/* A client's first bytes, or a server's: its settings may come first. */
static __always_inline int eye_http2_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    struct eye_http2_frame frame;
    if (bytes >= 8 &&
        eye_load_word(glance->bytes) == EYE_WORD('P', 'R', 'I', ' ', '*', ' ', 'H', 'T')) {
        return 1;
    }
    if (bytes < EYE_HTTP2_HEAD_BYTES) {
        return 0;
    }
    eye_http2_read_head(glance->bytes, &frame);
    return frame.type == EYE_HTTP2_SETTINGS && eye_http2_is_likely(&frame);
}

/* Neither follows: nothing is found that they would be asked about. */
static __always_inline void eye_http2_note(struct eye_conversation *conversation, __u32 side,
                                           struct eye_request *request, __u32 filled,
                                           struct eye_found *found)
{
    (void)conversation;
    (void)side;
    (void)request;
    (void)filled;
    (void)found;
}

static __always_inline void eye_http2_go_on(struct eye_conversation *conversation, __u32 side,
                                            __u32 filled, struct eye_found *found)
{
    eye_http2_note(conversation, side, NULL, filled, found);
}

static const struct eye_parser eye_http2_parser = {
    .read = eye_http2_read,
    .note = eye_http2_note,
    .go_on = eye_http2_go_on,
};
