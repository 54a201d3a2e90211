/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a protocol supplies, in bpf/usm/<name>/<name>.h: eye_<name>_looks_like() for the look at the
 * first bytes, and a const eye_<name>_parser. All of it is plain C over memory: a parser asks no
 * socket, reads no clock and sends no records. It says what it found. Those of SQL alone look
 * something up, and tell() of it (bpf/usm/statement_table.h).
 *
 *   EYE_PART int eye_<name>_looks_like(const struct eye_glance *glance, __u32 bytes)
 *       Could this be the first payload of a direction? Cheap: asked before any state is made. The
 *       glance holds @bytes (1 .. EYE_LOOK_BYTES), the rest is zero.
 */
#pragma once

#include "bpf/usm/batches.h"

/* The first bytes of a payload, before there is a window for them. */
#define EYE_LOOK_BYTES 64
/* Behind them, so that an index that is masked is within bounds whatever is read there. */
#define EYE_LOOK_SLACK 16

struct eye_glance {
    __u8 bytes[EYE_LOOK_BYTES + EYE_LOOK_SLACK];
    __u32 payload_bytes; /* of which these are the first ones */
};

/* How many of @bytes, 1 or more, a glance has room for: bounds that every verifier follows. */
static __always_inline __u64 eye_bytes_to_look_at(__u64 bytes)
{
    eye_pin(bytes);
    bytes = bytes < EYE_LOOK_BYTES ? bytes : EYE_LOOK_BYTES;
    eye_pin(bytes);
    bytes = (bytes - 1) & (EYE_LOOK_BYTES - 1);
    eye_pin(bytes);
    return bytes + 1;
}

enum eye_what {
    EYE_FOUND_NOTHING, /* used bytes are of no further interest; none used: more have to come */
    EYE_FOUND_REQUEST,
    EYE_FOUND_RESPONSE,
    EYE_FOUND_INTERIM,
    EYE_FOUND_MISMATCH,  /* what stands here is no message */
    EYE_FOUND_END,       /* of the protocol: something else follows; see eye_half.mark */
    EYE_FOUND_BATCH_END, /* of answers, and nothing else: what still waits of it has none */
};

struct eye_found {
    __u32 used;    /* bytes of the window */
    __u32 scratch; /* the parser's own, from one call to the next of a step */
    __u16 code;    /* RESPONSE, INTERIM: for the record's head */
    __u8 what;     /* enum eye_what */
    __u8 asked;    /* set: the head of a request is complete */
    __u8 mark;     /* go_on behind a RESPONSE: the mark of its request, 0 when it is not known;
                    * read of an answer, before it begins (eye_parser.asks_mark): likewise */
    __u8 last;     /* likewise: no other request waits */
    __u8 ends;     /* RESPONSE of a batch: nothing else of the batch is answered */
    __u8 closes;   /* likewise: and the batch is over */
    __u8 late;     /* RESPONSE: it ends with this payload, and began with an earlier one */
};

/*
 * The functions of one parser. They are inlined where the table is a constant, and belong to the
 * step then: a return costs more than most of what they do where the kernel has return thunks.
 * Their own loops are parts (EYE_PART).
 *
 * Of a protocol whose answers say which request they belong to, the parser finds where messages
 * stand and leaves a mark in the direction; the protocol's own programs take it and pair. It never
 * finds requests and responses, and has neither note() nor go_on().
 */
struct eye_parser {
    /** Bytes do not tell requests from responses: whoever connected is the client. */
    bool client_connects;

    /** It keeps statements of SQL (bpf/usm/statements.h): the number of a request's stands in its
     * body, behind eight bytes. */
    bool statements;

    /** Requests come in batches (bpf/usm/batches.h): answers are of batch number eye_half.left of
     * their direction, which the engine counts on, and requests of that of theirs, which go_on()
     * does. An answer that belongs to no request is no loss. */
    bool batches;

    /** Where a response ends depends on its request: read() is told the mark of the one that waits
     * first. */
    bool asks_mark;

    /** Answers are timed by their ends (eye_found.late). */
    bool times_ends;

    /** A request alone does not show that it is the protocol; an answer does. */
    bool answers_confirm;

    /** The window of the direction holds @filled bytes, the last ones new. Uses what it can, says
     * how much, and stops where it found what changes the queue:
     *   EYE_FOUND_REQUEST   a request begins: note() follows
     *   EYE_FOUND_RESPONSE  a response begins, with its code: go_on() follows
     *   EYE_FOUND_INTERIM   a response that another one follows: likewise */
    void (*read)(struct eye_conversation *conversation, __u32 side, __u32 filled,
                 struct eye_found *found);

    /** Fills the body of the request's record with its length and flags, or only follows it when
     * @request is NULL. When more of it has to come, nothing is used, and EYE_FOUND_REQUEST will be
     * found again. Sets the direction's mark. */
    void (*note)(struct eye_conversation *conversation, __u32 side, struct eye_request *request,
                 __u32 filled, struct eye_found *found);

    /** Behind a request that was noted, or a response that was paired: the rest of the window. */
    void (*go_on)(struct eye_conversation *conversation, __u32 side, __u32 filled,
                  struct eye_found *found);

    /** NULL, or: the answer, or interim answer, at the start of the window says something about its
     * request, which goes into the body of the record. Of batches only. */
    void (*complete)(const struct eye_half *half, __u32 filled, struct eye_request *request);

    /** NULL, or: tells the collector what it has to know beside records, behind each step. */
    void (*tell)(struct eye_conversation *conversation, __u32 side);

    /** A parser whose messages often come many at a time has these, too (bpf/usm/burst.h). At @from
     * (below @filled) in the window of a direction stands a message that is here as a whole, has
     * the mark 0 and changes nothing for those behind it: its bytes. 0: it is not so simple, and
     * the three above have to look. A request is noted in @request, which may be written to in any
     * case; an answer has the code 0. @asks: the flags of the other direction. */
    __u32 (*simple_request)(struct eye_half *half, __u32 from, __u32 filled,
                            struct eye_request *request);
    __u32 (*simple_answer)(struct eye_half *half, __u16 asks, __u32 from, __u32 filled);
};
