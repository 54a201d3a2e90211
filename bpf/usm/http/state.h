/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: what its parser keeps in a direction (bpf/usm/conversation.h), and its limits. */
#pragma once

#include "bpf/usm/conversation.h"
#include "bpf/usm/http/record.h"

/* Longest method, its space included. The longest of the IANA registry is UPDATEREDIRECTREF. */
#define EYE_HTTP_METHOD_BYTES 24
/* Lines, words and control characters looked at in one step; the next step goes on. */
#define EYE_HTTP_SCAN_LOOPS 96
/* The rest of a request line after the target is " HTTP/1.1\r\n"; longer is a long target's tail.
 */
#define EYE_HTTP_LINE_REST 64
#define EYE_HTTP_USUAL_REST 11

/* The longest request line whose target is seen whole. */
EYE_ABI_ASSERT(EYE_HTTP_METHOD_BYTES + EYE_HTTP_PATH_BYTES < EYE_WINDOW_BYTES);

/* eye_half.phase, beside enum eye_phase. */
enum eye_http_phase {
    EYE_HTTP_REQUEST_REST = EYE_PHASE_OWN, /* behind the target, looking for the version and LF */
    EYE_HTTP_SKIP_LINE,                    /* within a line of no interest */
    EYE_HTTP_HEADERS,                      /* at the start of a header (or trailer) line */
    EYE_HTTP_CHUNK_SIZE,                   /* at the start of a chunk-size line */
};

/* eye_half.flags: what belongs to one message. */
enum eye_http_flag {
    EYE_HTTP_CHUNKED = 1,
    EYE_HTTP_LENGTH = 2, /* Content-Length was given */
    EYE_HTTP_TRAILERS = 4,
    EYE_HTTP_BODYLESS = 8,   /* no body whatever the header says */
    EYE_HTTP_UNBOUNDED = 16, /* without a length the body ends with the connection */
    EYE_HTTP_TUNNEL = 32,    /* the header's end is the end of HTTP */
    EYE_HTTP_LONG = 64,      /* part of the request line has left the window */
    EYE_HTTP_GUESSED = 128,  /* the request's method is none that we know */
};

/* eye_half.mark: the methods whose responses are framed otherwise. */
enum eye_http_mark {
    EYE_HTTP_MARK_HEAD = 1, /* the lowest bit: known of a request beyond the queue, too */
    EYE_HTTP_MARK_CONNECT = 2,
};
