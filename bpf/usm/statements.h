/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept of statements of SQL. A statement is known by a number that is made of its text, and
 * its operation is in it; the collector is told the text when it was not for a while. Who prepares
 * a statement executes it by what it is called on that connection, so the number is found by that
 * (bpf/usm/statement_table.h).
 */
#pragma once

#include "bpf/usm/conversation.h"
#include "bpf/usm/sql.h"

enum eye_sql_end { EYE_SQL_GOES_ON, EYE_SQL_LITERAL, EYE_SQL_NUL };

/* Where the reading of a text stands. Not on the stack, of which parsers have little left. */
struct eye_sql_scan {
    __u64 hash; /* of the words that were read */
    __u64 word; /* the last one, */
    __u32 from; /* and where the next one begins */
    __u8 numbers;
    __u8 within; /* 1: the last number goes on */
    __u8 ended;  /* enum eye_sql_end */
    __u8 padding;
};

/* What the parsers of SQL keep of a connection begins with this (eye_kept_of()). */
struct eye_sql_kept {
    __u64 names;     /* mixed into what statements are called on it; 0: nothing was prepared */
    __u64 statement; /* whose text is in the window of the client's direction */
    __u64 answered;  /* of the request that is answered; 0: unknown */
    struct eye_sql_scan scan;
    __u16 from;   /* where the text stands, */
    __u16 end;    /* and ends; 0: there is none */
    __u8 quote;   /* what begins a literal, beside ' */
    __u8 goes_on; /* the text, behind the window */
    __u8 padding[2];
};

static __always_inline struct eye_sql_kept *eye_sql_kept_of(struct eye_conversation *conversation)
{
    return eye_kept_of(conversation);
}

/* A message of a protocol of SQL (EYE_REQUEST_MESSAGE). */
struct eye_statement_message {
    struct eye_request_head head;
    struct eye_statement_text text;
};

static __always_inline __u64 eye_statement_mix(__u64 hash, __u64 word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

/* The key of what is called @name on a connection; @half: the direction of its client. A connection
 * is told from others by when, and at which byte, it first prepared something. */
static __always_inline __u64 eye_statement_key(struct eye_sql_kept *kept,
                                               const struct eye_half *half, __u64 name)
{
    if (kept->names == 0) {
        __u64 since = eye_statement_mix(0, half->first_ns);
        kept->names = eye_statement_mix(since, half->first_sequence) | 1;
    }
    return eye_statement_mix(eye_statement_mix(kept->names, name), 1);
}

/* What was prepared on the connection cannot be found any more. */
static __always_inline void eye_forget_statements(struct eye_sql_kept *kept)
{
    kept->names = 0;
}

static __always_inline __u8 eye_statement_operation(__u64 statement)
{
    return (__u8)statement; /* enum eye_sql_operation; EYE_SQL_UNKNOWN of one that is not known */
}
