/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/1: what is kept of a connection, and its limits. The file that includes this one supplies
 * the functions declared at the end, and eye_lose(): kernel programs in http.bpf.h, tests in
 * tests/support/http_host.h.
 */
#pragma once

#include "bpf/abi.h"
#include "bpf/usm/bytes.h"
#include "bpf/usm/http/record.h"

/* More than the longest line that must be seen whole: method, EYE_HTTP_PATH_BYTES, a space. */
#define EYE_HTTP_WINDOW_BYTES 256
/* Added to an incomplete line at once; also slack for loading whole words at the end. */
#define EYE_HTTP_REFILL_BYTES 64
/* Requests in flight on one connection; the usual client benchmarks pipeline 16. */
#define EYE_HTTP_PIPELINE 16
/* Requests in flight beyond those: not kept, but their answers are known to come last, and which of
 * them have no body. The bits of eye_http.overflow_heads. */
#define EYE_HTTP_OVERFLOW_MAX 64
/* Longest method, its space included. The longest of the IANA registry is UPDATEREDIRECTREF. */
#define EYE_HTTP_METHOD_BYTES 24
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
    EYE_HTTP_WITHHELD,     /* the answer came before the body began: it may never come */
    EYE_HTTP_IGNORE,       /* body until the connection closes, or a request contradicts that */
    EYE_HTTP_LOST,         /* a message may start at the next segment */
};

enum eye_http_flag {
    EYE_HTTP_SYNCED = 1, /* next_sequence is known */
    EYE_HTTP_CHUNKED = 2,
    EYE_HTTP_LENGTH = 4, /* Content-Length was given */
    EYE_HTTP_TRAILERS = 8,
    EYE_HTTP_BODYLESS = 16,  /* no body whatever the header says */
    EYE_HTTP_UNBOUNDED = 32, /* without a length the body ends with the connection */
    EYE_HTTP_TUNNEL = 64,    /* the header's end is the end of HTTP */
    EYE_HTTP_LONG = 128,     /* part of the request line has left the window */
    EYE_HTTP_BEGUN = 256,    /* a byte of the body has been seen */
    EYE_HTTP_HEADS = 512,    /* the request's method is HEAD */
    EYE_HTTP_GUESSED = 1024, /* the request's method is none that we know */
};
/* What belongs to one message only. */
#define EYE_HTTP_MESSAGE_FLAGS                                                                     \
    (EYE_HTTP_CHUNKED | EYE_HTTP_LENGTH | EYE_HTTP_TRAILERS | EYE_HTTP_BODYLESS |                  \
     EYE_HTTP_UNBOUNDED | EYE_HTTP_TUNNEL | EYE_HTTP_LONG | EYE_HTTP_BEGUN | EYE_HTTP_HEADS |      \
     EYE_HTTP_GUESSED)

/* One direction of a connection. */
struct eye_http_stream {
    __u64 first_ns;           /* first byte of the present message */
    __u64 body;               /* bytes of a body or chunk still to come */
    __u32 next_sequence;      /* TCP sequence number of the next byte */
    __u32 read_end;           /* behind the last byte that was read, not passed over in a body */
    __u32 first_sequence;     /* of the first byte of the present message */
    __u32 first_acknowledged; /* what the segment with that byte acknowledged */
    __u16 held;               /* bytes of an incomplete line in the window */
    __u16 flags;              /* enum eye_http_flag */
    __u8 phase;               /* enum eye_http_phase */
    __u8 padding[3];
    __u8 window[EYE_HTTP_WINDOW_BYTES + EYE_HTTP_REFILL_BYTES];
};

/* A request waiting for its response; head and body together are what the ring gets. */
struct eye_http_request {
    __u64 started_ns;
    __u32 sequence;     /* of its first byte */
    __u32 acknowledged; /* by the segment with that byte */
    struct eye_request_head head;
    struct eye_http_body body;
};

enum eye_http_requests_in {
    EYE_HTTP_REQUESTS_UNKNOWN,
    EYE_HTTP_REQUESTS_SENT,     /* this end is the client */
    EYE_HTTP_REQUESTS_RECEIVED, /* this end is the server */
};

/*
 * May the order of requests and responses be trusted? Once bytes were missed it may not, in either
 * direction, and what waits is dropped. What brings it back is a proof. A client that does not
 * pipeline has received all that it waited for when it asks: its request acknowledges the byte at
 * which the response will start. So a request and a response belong together when
 *  - the response starts at the byte that the request acknowledged,
 *  - no other request waits, and none was ever seen to be sent before the answer to the last one,
 *  - no request that acknowledged the same can have been missed (`barrier`),
 *  - the response acknowledges the request: it was sent when the request had arrived.
 * What a proof assumes is that a client of which no pipelining was ever seen does not pipeline.
 */
enum eye_http_pairing {
    EYE_HTTP_JOINED,     /* not since the connection's first byte: no proof yet */
    EYE_HTTP_BROKEN,     /* something was missed: no proof since */
    EYE_HTTP_PROVEN,     /* by a proof, as long as the client does not pipeline */
    EYE_HTTP_FROM_START, /* every byte was seen */
};

/* One connection. Requests `popped` .. `pushed` wait; slot i holds request number i modulo the
 * depth. While pairing is below EYE_HTTP_PROVEN at most one waits, in `first`. */
struct eye_http {
    struct eye_http_stream streams[2]; /* sent by this end, received by it */
    __u32 pushed;
    __u32 popped;
    __u64 overflow_heads; /* bit i: request i of the overflow is a HEAD */
    __u32 overflow;       /* requests beyond the pipeline, whose responses come last */
    __u32 barrier;        /* BROKEN: only requests that acknowledge more than this prove anything */
    __u8 requests_in;
    __u8 confirmed; /* a whole first line was valid */
    __u8 noted;     /* slot `pushed` holds the request whose line is being read */
    __u8 pairing;   /* enum eye_http_pairing */
    __u8 pipelined; /* a request was sent before the answer to the last one */
    __u8 troubled;  /* some of `lost` is not 0 */
    __u8 padding[2];
    __u32 lost[EYE_HTTP_LOSS_COUNT]; /* not reported yet; from EYE_HTTP_LOSS_FIRST on */
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
    __u64 now_ns;       /* 0: not read yet */
    __u32 stream;       /* index into http->streams */
    __u32 offset;       /* next byte to load */
    __u32 end;          /* behind the last byte */
    __u32 verdict;      /* enum eye_http_verdict */
    __u32 origin;       /* sequence number of the byte at offset 0 */
    __u32 acknowledged; /* by this segment */
    __u32 opening;      /* 1: a SYN with data, which acknowledges nothing */
    __u32 padding;
};

/* What the socket says of the direction that it receives. */
struct eye_http_receiver {
    __u32 accepted; /* behind the last byte that it has taken, without a hole before it */
    __u32 end;      /* of its window */
    __u32 sent;     /* behind the last byte that it may have sent: nobody acknowledges more */
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
/* The present payload is the first one of the connection in either direction. */
static __always_inline bool eye_http_is_first(struct eye_http_run *run);
/* False: nothing is known, because this end sent the payload, or has no window yet. */
static __always_inline bool eye_http_ask_receiver(struct eye_http_run *run,
                                                  struct eye_http_receiver *ret_receiver);
/* Calls eye_http_resolve(), which is too large to be part of every payload's way. */
static __always_inline bool eye_http_place_odd(struct eye_http_run *run, __u32 sequence,
                                               __u32 bytes);

/* @b lies behind @a: sequence numbers wrap. */
static __always_inline bool eye_http_is_behind(__u32 a, __u32 b)
{
    return (__s32)(b - a) > 0;
}

/* Counts a loss, and remembers it for the report of who suffers. Part of the functions that are
 * called, because all frames of a chain of calls share 512 bytes, 32 at least each. */
static __always_inline void eye_http_note_loss(struct eye_http *http, __u32 loss, __u32 amount)
{
    eye_lose((enum eye_loss)loss, amount);
    http->lost[(loss - EYE_HTTP_LOSS_FIRST) & (EYE_HTTP_LOSS_COUNT - 1)] += amount;
    http->troubled = 1;
}

/* The same as a call. */
EYE_PART int eye_http_lose(struct eye_http *http, __u32 loss, __u32 amount)
{
    if (http) {
        eye_http_note_loss(http, loss, amount);
    }
    return 0; /* a global function of a kernel program returns a number */
}
