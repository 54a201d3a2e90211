/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/1: what is kept of a connection, and its limits. The file that includes this one supplies
 * the functions declared at the end, and eye_lose(): kernel programs in http.bpf.h, tests in
 * tests/support/http_host.h.
 */
#pragma once

#include "bpf/abi.h"
#include "bpf/usm/bytes.h"

/* More than the longest line that must be seen whole: method, EYE_HTTP_PATH_BYTES, a space. */
#define EYE_HTTP_WINDOW_BYTES 256
/* Added to an incomplete line at once; also slack for loading whole words at the end. */
#define EYE_HTTP_REFILL_BYTES 64
/* Requests in flight on one connection; the usual client benchmarks pipeline 16. */
#define EYE_HTTP_PIPELINE 16
/* Lines and words looked at in one step; the next step goes on. */
#define EYE_HTTP_SCAN_LOOPS 96
/* The rest of a request line after the target is " HTTP/1.1\r\n"; longer is a long target's tail.
 */
#define EYE_HTTP_LINE_REST 64
#define EYE_HTTP_USUAL_REST 11

enum eye_http_phase {
    EYE_HTTP_START,        /* before the first byte of a message, or within its first line */
    EYE_HTTP_REQUEST_REST, /* behind the request target, looking for the version and LF */
    EYE_HTTP_SKIP_LINE,    /* within a line of no interest */
    EYE_HTTP_HEADERS,      /* at the start of a header (or trailer) line */
    EYE_HTTP_CHUNK_SIZE,   /* at the start of a chunk-size line */
    EYE_HTTP_BODY,         /* `body` bytes to skip */
    EYE_HTTP_IGNORE,       /* body until the connection closes */
    EYE_HTTP_LOST,         /* a message may start at the next segment */
};

enum eye_http_flag {
    EYE_HTTP_SYNCED = 1, /* next_sequence is known */
    EYE_HTTP_CHUNKED = 2,
    EYE_HTTP_LENGTH = 4, /* Content-Length was given */
    EYE_HTTP_TRAILERS = 8,
    EYE_HTTP_BODYLESS = 16, /* no body whatever the header says */
    EYE_HTTP_RESPONSE = 32, /* the message is a response */
    EYE_HTTP_TUNNEL = 64,   /* the header's end is the end of HTTP */
    EYE_HTTP_LONG = 128,    /* part of the request line has left the window */
};
/* What belongs to one message only. */
#define EYE_HTTP_MESSAGE_FLAGS                                                                     \
    (EYE_HTTP_CHUNKED | EYE_HTTP_LENGTH | EYE_HTTP_TRAILERS | EYE_HTTP_BODYLESS |                  \
     EYE_HTTP_RESPONSE | EYE_HTTP_TUNNEL | EYE_HTTP_LONG)

/* One direction of a connection. */
struct eye_http_stream {
    __u64 first_ns;      /* first byte of the present message */
    __u64 body;          /* bytes of a body or chunk still to come */
    __u32 next_sequence; /* TCP sequence number of the next byte */
    __u16 held;          /* bytes of an incomplete line in the window */
    __u8 phase;          /* enum eye_http_phase */
    __u8 flags;          /* enum eye_http_flag */
    __u8 window[EYE_HTTP_WINDOW_BYTES + EYE_HTTP_REFILL_BYTES];
};

/* A request waiting for its response; record and bytes together are what the ring gets. */
struct eye_http_request {
    __u64 started_ns;
    struct eye_request_record record;
    __u8 bytes[EYE_HTTP_PATH_BYTES];
};

enum eye_http_requests_in {
    EYE_HTTP_REQUESTS_UNKNOWN,
    EYE_HTTP_REQUESTS_SENT,     /* this end is the client */
    EYE_HTTP_REQUESTS_RECEIVED, /* this end is the server */
};

/* One connection. Requests `popped` .. `pushed` wait; slot i holds request number i modulo the
 * depth. */
struct eye_http {
    struct eye_http_stream streams[2]; /* sent by this end, received by it */
    __u32 pushed;
    __u32 popped;
    __u32 overflow; /* requests beyond the pipeline, whose responses come last */
    __u8 requests_in;
    __u8 confirmed; /* a whole first line was valid */
    __u8 noted;     /* slot `pushed` holds the request whose line is being read */
    __u8 padding;
    struct eye_http_request first;
};

/* The slots that only a pipelining connection needs. The first one is never used (struct eye_http
 * has it): an index that is masked, not compared, is what every verifier follows. */
struct eye_http_pipeline {
    struct eye_http_request slots[EYE_HTTP_PIPELINE];
};

enum eye_http_verdict {
    EYE_HTTP_GO_ON,
    EYE_HTTP_NOT_HTTP, /* never was */
    EYE_HTTP_ENDED,    /* upgraded or tunnelled */
};

/* Where the work on a payload stands. */
struct eye_http_cursor {
    __u64 now_ns;  /* 0: not read yet */
    __u32 stream;  /* index into http->streams */
    __u32 offset;  /* next byte to load */
    __u32 end;     /* behind the last byte */
    __u32 verdict; /* enum eye_http_verdict */
};

/* One payload in work. */
struct eye_http_run {
    struct eye_http *http;
    void *environment;
    struct eye_http_cursor at;
};

static __always_inline long eye_http_load(struct eye_http_run *run, __u32 offset, void *target,
                                          __u32 bytes);
static __always_inline __u64 eye_http_time(struct eye_http_run *run);
static __always_inline struct eye_http_request *eye_http_slot(struct eye_http_run *run,
                                                              __u32 index);
static __always_inline void eye_http_emit(struct eye_http_run *run,
                                          struct eye_http_request *request);
