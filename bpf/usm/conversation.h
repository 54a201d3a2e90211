/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept of a stream once its protocol is known: the two directions and the requests that
 * wait. The same for all protocols. A direction is read through a small window; what a protocol
 * says nobody needs to look at (a body) is passed over by its length.
 *
 * The states of a direction (eye_half.phase; the protocol has more of its own):
 *
 *      +--------> START --head--> own phases --body--> SKIP ---+
 *      |            ^                  |                       |
 *      |            +------------------+-----------------------+
 *      |                               +--body without an end--> IGNORE
 *      +-- LOST <-- bytes not seen, no message, too many, a request that contradicts IGNORE
 */
#pragma once

#include "bpf/losses.h"
#include "bpf/usm/bytes.h"
#include "bpf/usm/stream.h"

/* More than the longest head that must be seen whole: of HTTP a method, a path, a space. */
#define EYE_WINDOW_BYTES 256
/* Added to an incomplete head at once. */
#define EYE_REFILL_BYTES 64
/* Slack for loading whole words behind the last byte. */
#define EYE_WINDOW_SLACK 19
/* Requests that wait on one connection; the usual client benchmarks pipeline 16. */
#define EYE_QUEUE_DEPTH 16
/* Requests beyond those: not kept, but their answers are known to come last, and the lowest bit of
 * their marks, which has to be 0 behind these. The bits of eye_queue.overflow_marks. */
#define EYE_QUEUE_OVERFLOW_MAX 64

enum eye_phase {
    EYE_PHASE_START,    /* before the first byte of a message, or within its first line */
    EYE_PHASE_LOST,     /* a message may start at the next segment */
    EYE_PHASE_WITHHELD, /* SKIP may follow, or a message instead: the last of those that may start
                         * one */
    EYE_PHASE_SKIP,     /* `skip` bytes that nobody looks at; then `behind` */
    EYE_PHASE_IGNORE,   /* whatever comes until the connection closes, or a request contradicts */
    EYE_PHASE_OWN,      /* this and more: the protocol's */
};

/* One direction. Sequence numbers are TCP's. */
struct eye_half {
    __u64 first_ns;           /* first byte of the present message */
    __u64 skip;               /* SKIP: bytes still to come */
    __u32 next_sequence;      /* of the next byte */
    __u32 read_end;           /* behind the last byte that was read, not passed over */
    __u32 first_sequence;     /* of the first byte of the present message */
    __u32 first_acknowledged; /* what the segment with that byte acknowledged */
    __u32 left;               /* the protocol's own: what of the present message is to come */
    __u16 held;               /* bytes of an incomplete head in the window */
    __u16 flags;              /* the protocol's own */
    __u8 phase;               /* enum eye_phase, or the protocol's own */
    __u8 behind;              /* SKIP: the phase that follows */
    __u8 begun;               /* a byte of what is skipped has passed */
    __u8 mark;                /* of the present request: what its answer's parser must know; where
                               * a protocol is over, an enum eye_class if it said what follows */
    __u8 synced;              /* next_sequence and read_end are known */
    __u8 window[EYE_WINDOW_BYTES + EYE_WINDOW_SLACK];
};

/* A request waiting for its response; head and body together are what the ring gets. */
struct eye_request {
    __u64 started_ns;
    __u32 sequence; /* of its first byte */
    union {
        __u32 acknowledged; /* by the segment with that byte */
        __u32 number;       /* eye_queue.by_number: as its answer repeats it */
    };
    struct eye_request_head head;
    __u8 body[EYE_REQUEST_BODY_MAX]; /* the protocol's: bpf/usm/<protocol>/record.h */
    __u8 mark;                       /* as in eye_half */
    __u8 only_errors;                /* of a batch: told when it fails, and else forgotten */
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
enum eye_trust {
    EYE_TRUST_JOINED,     /* not since the connection's first byte: no proof yet */
    EYE_TRUST_BROKEN,     /* something was missed: no proof since */
    EYE_TRUST_PROVEN,     /* by a proof, as long as the client does not pipeline */
    EYE_TRUST_FROM_START, /* every byte was seen */
};

/* Requests `popped` .. `pushed` wait; slot i holds request number i modulo the depth. While trust
 * is below EYE_TRUST_PROVEN at most one waits, in `first`. */
struct eye_queue {
    __u32 pushed;
    __u32 popped;
    __u64 overflow_marks; /* bit i: the lowest bit of the mark of request i of the overflow */
    __u32 overflow;       /* requests beyond the depth, whose responses come last */
    __u32 barrier;        /* BROKEN: only requests that acknowledge more than this prove anything */
    __u8 trust;           /* enum eye_trust */
    __u8 noted;           /* slot `pushed` holds the request whose head is being read */
    __u8 pipelined;       /* a request was sent before the answer to the last one */
    __u8 by_number;       /* answers say whose they are: order proves nothing (numbered.h) */
    __u8 skipped;         /* behind the one that is being told: its batch was passed over */
    __u8 padding[3];
    struct eye_request first;
};

/* Which end asks. */
enum eye_client { EYE_CLIENT_UNKNOWN, EYE_CLIENT_THIS_END, EYE_CLIENT_PEER };

struct eye_conversation {
    struct eye_half halves[2];  /* by enum eye_side */
    __u32 lost[EYE_LOST_COUNT]; /* of this connection, not told yet */
    __u64 owner;                /* as in struct eye_stream, as of the last payload */
    __u16 port;                 /* likewise */
    __u8 protocol;              /* enum eye_protocol */
    __u8 client;                /* enum eye_client */
    __u8 confirmed;             /* a whole head of a message was valid */
    __u8 troubled;              /* some of `lost` is not 0 */
    __u8 known;                 /* the stream was told that it is confirmed */
    __u8 padding;
    struct eye_queue queue;
};

/* The slots that only a pipelining connection needs. The first one is never used (struct eye_queue
 * has it): an index that is masked, not compared, is what every verifier follows. */
struct eye_pipeline {
    struct eye_request slots[EYE_QUEUE_DEPTH];
};

/* With the kernel's 72 bytes it has to fit kmalloc-1k. */
EYE_ABI_ASSERT(sizeof(struct eye_conversation) <= 1024 - 72);
EYE_ABI_ASSERT(sizeof(struct eye_half) == 320);
/* Of one connection; all storages of a socket share optmem_max, 20 480 bytes on many kernels. */
EYE_ABI_ASSERT(sizeof(struct eye_conversation) + sizeof(struct eye_pipeline) <= 12 * 1024 - 512);

enum eye_verdict {
    EYE_VERDICT_GO_ON,
    EYE_VERDICT_NOT_IT, /* never was that protocol */
    EYE_VERDICT_ENDED,  /* upgraded or tunnelled */
};

/* Where the work on a payload stands. */
struct eye_cursor {
    __u32 side;         /* enum eye_side */
    __u32 offset;       /* next byte to load */
    __u32 end;          /* behind the last byte */
    __u32 verdict;      /* enum eye_verdict */
    __u32 origin;       /* sequence number of the byte at offset 0 */
    __u32 acknowledged; /* by this segment */
    __u32 opening;      /* 1: a SYN with data, which acknowledges nothing */
    __u32 padding;
};

static __always_inline struct eye_half *eye_half_of(struct eye_conversation *conversation,
                                                    __u32 side)
{
    return &conversation->halves[side & 1];
}

/* What a parser keeps of the connection beside its halves, where bodies are so short that the first
 * slot has room for it behind its own: zero at first. */
#define EYE_KEPT_FROM 16
#define EYE_KEPT_BYTES (EYE_REQUEST_BODY_MAX - EYE_KEPT_FROM)

static __always_inline void *eye_kept_of(struct eye_conversation *conversation)
{
    return conversation->queue.first.body + EYE_KEPT_FROM;
}

static __always_inline struct eye_half *eye_opposite_of(struct eye_conversation *conversation,
                                                        __u32 side)
{
    return &conversation->halves[(side ^ 1) & 1];
}

static __always_inline enum eye_client eye_client_of(__u32 side, bool requests)
{
    return requests == (side == EYE_SENT) ? EYE_CLIENT_THIS_END : EYE_CLIENT_PEER;
}

/* The direction is known to carry requests. */
static __always_inline bool eye_carries_requests(const struct eye_conversation *conversation,
                                                 __u32 side)
{
    return conversation->client == eye_client_of(side, true);
}

/* Written when it changes only: a cache line that all payloads read. */
static __always_inline void eye_know(struct eye_conversation *conversation, __u32 side,
                                     bool requests)
{
    __u8 client = (__u8)eye_client_of(side, requests);
    if (conversation->client != client) {
        conversation->client = client;
    }
}

static __always_inline void eye_confirm(struct eye_conversation *conversation)
{
    if (!conversation->confirmed) {
        conversation->confirmed = 1;
    }
}

/* It may carry requests, or else responses. */
static __always_inline bool eye_may_carry(const struct eye_conversation *conversation, __u32 side,
                                          bool requests)
{
    return conversation->client == EYE_CLIENT_UNKNOWN ||
           conversation->client == eye_client_of(side, requests);
}

/* Written when it changes only, as the client is. */
static __always_inline void eye_note_whose(struct eye_conversation *conversation, __u64 owner,
                                           __u16 port)
{
    if (conversation->owner != owner) {
        conversation->owner = owner;
    }
    if (conversation->port != port) {
        conversation->port = port;
    }
}

/* As new; windows and requests are written before they are read, but for what is kept. */
static __always_inline void eye_begin_conversation(struct eye_conversation *conversation,
                                                   __u8 protocol)
{
    __builtin_memset(&conversation->halves[0], 0, __builtin_offsetof(struct eye_half, window));
    __builtin_memset(&conversation->halves[1], 0, __builtin_offsetof(struct eye_half, window));
    __builtin_memset(&conversation->lost, 0,
                     __builtin_offsetof(struct eye_conversation, queue.first) -
                         __builtin_offsetof(struct eye_conversation, lost));
    __builtin_memset(eye_kept_of(conversation), 0, EYE_KEPT_BYTES);
    conversation->protocol = protocol;
}

/* Counts a loss, and remembers it for the report of who suffers. Part of the functions that are
 * called, because all frames of a chain of calls share 512 bytes, 32 at least each. */
static __always_inline void eye_note_loss(struct eye_conversation *conversation,
                                          enum eye_parser_loss loss, __u32 amount)
{
    eye_lose((enum eye_loss)(EYE_LOSS_OF_PARSER((__u32)conversation->protocol) + loss), amount);
    conversation->lost[loss & (EYE_LOST_COUNT - 1)] += amount;
    conversation->troubled = 1;
}

/* The same as a call. */
EYE_PART int eye_note_loss_part(struct eye_conversation *conversation, __u32 loss, __u32 amount)
{
    if (conversation) {
        eye_note_loss(conversation, (enum eye_parser_loss)loss, amount);
    }
    return 0; /* a global function of a kernel program returns a number */
}

/* A message begins with the byte that comes next. */
static __always_inline void eye_mark_start(struct eye_half *half, const struct eye_cursor *at,
                                           __u64 now_ns)
{
    half->first_ns = now_ns;
    half->first_sequence = at->origin + at->offset;
    half->first_acknowledged = at->acknowledged;
}

/* Where the next message of the direction starts is not known any more. */
static __always_inline void eye_lose_track(struct eye_half *half)
{
    half->phase = EYE_PHASE_LOST;
    half->held = 0;
}

/* The next @bytes of what is skipped, 1 or more, are passed over. */
static __always_inline void eye_skip(struct eye_half *half, __u64 bytes)
{
    half->begun = 1;
    half->skip -= bytes;
    if (half->skip == 0) {
        half->phase = half->behind;
    }
}

/* The next @bytes are of no interest; then comes @behind. */
static __always_inline void eye_skip_next(struct eye_half *half, __u64 bytes, __u8 behind)
{
    half->skip = bytes;
    half->behind = behind;
    half->phase = bytes > 0 ? EYE_PHASE_SKIP : behind;
}
