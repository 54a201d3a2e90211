/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the probes of TLS and the collector agree on. */
#pragma once

#include "bpf/abi.h"

/* Libraries that are probed at a time, programs of Go among them: their layouts, by number. */
#define EYE_TLS_LIBRARIES_MAX 256

/* Arguments of a function that is probed at its entry. */
enum eye_tls_argument {
    EYE_TLS_SESSION,
    EYE_TLS_BUFFER,
    EYE_TLS_LENGTH,
    EYE_TLS_WRITTEN, /* where a function whose success is 1 leaves the number of bytes */
    EYE_TLS_TYPE,    /* of the record: EYE_TLS_TYPE_DATA alone is plaintext of the program */
};

#define EYE_TLS_TYPE_DATA 23 /* application_data (RFC 8446, B.1) */

/*
 * The cookie of a probe. Of an entry, and of an end, which has a session alone:
 *   0 .. 24   registers of the arguments, 5 bits each (enum eye_tls_argument)
 *   25        it writes
 *   26        1 is success, and the number of bytes is where `written` leads
 *   27        it tells the type of the record
 *   28        the length has 32 bits
 *   29        the session is in no register, but where 40 .. 55 lead from the stack pointer
 *   30        it stands on a branch that is taken when the stack has to grow: then the call begins
 *             anew
 *   31        the session begins, whatever was known of it
 * Of an exit:
 *   0 .. 4    register of the result
 *   5 .. 9    condition: 4 bits of x86's, then whether the branch has to be taken
 *   10        there is a condition
 *   11        the result is the lower half of its register
 * Of both:
 *   40 .. 55  bytes from the stack pointer to that of the caller
 *   56 .. 63  number of the library
 */
#define EYE_TLS_REGISTER_BITS 5
#define EYE_TLS_COOKIE_WRITES (1ULL << 25)
#define EYE_TLS_COOKIE_BY_1 (1ULL << 26)
#define EYE_TLS_COOKIE_TYPED (1ULL << 27)
#define EYE_TLS_CONDITION_SHIFT 5
#define EYE_TLS_COOKIE_TAKEN (1ULL << 9)
#define EYE_TLS_COOKIE_CONDITION (1ULL << 10)
#define EYE_TLS_COOKIE_HALF (1ULL << 11)
#define EYE_TLS_COOKIE_SHORT (1ULL << 28)
#define EYE_TLS_COOKIE_KEPT (1ULL << 29)
#define EYE_TLS_COOKIE_GROWS (1ULL << 30)
#define EYE_TLS_COOKIE_BEGINS (1ULL << 31)
#define EYE_TLS_FRAME_SHIFT 40
#define EYE_TLS_LIBRARY_SHIFT 56

/* What tells the socket of a session. */
enum eye_tls_join {
    EYE_TLS_JOIN_RANDOM, /* of its ClientHello, which was seen on the wire */
    EYE_TLS_JOIN_GO,     /* the descriptor that a Conn of Go leads to */
};

/* What has told it: indices of eye_tls_joined. */
enum eye_tls_means {
    EYE_TLS_UNJOINED,
    EYE_TLS_BY_HELLO,
    EYE_TLS_BY_DESCRIPTOR,
    EYE_TLS_MEANS = 4, /* a power of 2 */
};

/* Where sessions of a library keep what they are told apart by. */
struct eye_tls_layout {
    __u16 random_pointer; /* 0: the random is in the session itself */
    __u16 random_offset;
    __u16 server_offset; /* four bytes; 0: see client_word */
    __u16 client_word;   /* the first int of a session of a client is that (GnuTLS: 2) */
    __u16 bio_offset;    /* OpenSSL: what it reads from; 0: not known */
    __u8 join;           /* enum eye_tls_join */
    __u8 padding;
    __u32 server_mask; /* those of their bits are not 0 at the server's end */
    __u64 since_ns;    /* when all of its probes were there (CLOCK_MONOTONIC); not yet: the most */
};

/* Of one library, by its number, on one CPU: whether its probes see what they should. */
struct eye_tls_tally {
    __u64 entries;    /* calls that were seen to begin, the first ones of each thread */
    __u64 exits;      /* and of these to end */
    __u64 impossible; /* that brought more than was asked for: the result was none */
    __u64 calls;      /* all that were seen to end, whatever they brought */
};

/* Key of all that is kept of a session: the hash maps of the probes' object that have it. */
struct eye_tls_key {
    __u64 session; /* address of its object */
    __u32 tgid;
    __u32 padding;
};
