/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls into libraries of TLS, and the sessions that they are made for. */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/tls/abi.h"

/* Calls of one thread that are under way: within each other (TLS in TLS needs two), and on stacks
 * of coroutines. */
#define EYE_TLS_CALLS 8

struct eye_tls_session {
    struct eye_stream stream;
    __u32 position[2]; /* bytes of plaintext so far, by enum eye_side, modulo 2^32 */
    __u8 client;       /* this end connected */
    __u8 joined;       /* enum eye_tls_means: what has told its socket */
    __u8 gap[2];       /* in `position`, likewise, and nothing was seen behind it */
    __u8 late;         /* it had begun before its probes were there */
    __u8 padding[3];
};

/* A call that has begun; when it is over, the plaintext that it brought. */
struct eye_tls_call {
    struct eye_tls_key key;
    __u64 frame;   /* the stack pointer of its caller, which no other has; 0: none is under way */
    __u64 buffer;  /* of plaintext, in the process */
    __u64 length;  /* of it, as far as it may be used */
    __u64 written; /* where it leaves the number of bytes; 0: it returns that */
    __u64 owner;
    __u32 bytes; /* of plaintext */
    __u32 sequence;
    __u32 acknowledged;
    __u16 port;
    __u8 side; /* enum eye_side */
    __u8 library;
    __u8 judged; /* it is in the library's tally */
    __u8 padding[7];
};

/* So many calls of a thread tell whether its library's probes see what they should: one program
 * that leaves its calls by exceptions does not speak for all others. */
#define EYE_TLS_JUDGED 64

struct eye_tls_calls {
    __u32 turn;   /* whose place is taken when none is free */
    __u32 judged; /* calls, up to EYE_TLS_JUDGED */
    struct eye_tls_call items[EYE_TLS_CALLS];
    struct eye_tls_call ended; /* what the programs of protocols read */
};

/* task -> struct eye_tls_calls. Freed by the kernel with the task. */
struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_tls_calls);
} tls_calls SEC(".maps");

#define EYE_TLS_SESSIONS_MAX 16384

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, EYE_TLS_SESSIONS_MAX);
    __type(key, struct eye_tls_key);
    __type(value, struct eye_tls_session);
} tls_sessions SEC(".maps");

static __always_inline struct eye_tls_calls *eye_tls_calls_of_task(void)
{
    return bpf_task_storage_get(&tls_calls, bpf_get_current_task_btf(), 0, 0);
}

/* enum eye_protocol -> its program for sessions. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, EYE_PROTOCOL_COUNT);
    __type(key, __u32);
    __type(value, __u32);
} insiders SEC(".maps");

/*
 * Each program of a probe begins with that, or has another tail call: so its frames are on the
 * stack of the task. From Linux 6.13 on programs of this type have frames of their own, one for
 * each CPU (enum priv_stack_mode of the verifier), unless one of them has a tail call. Those are
 * for programs that are not run again before they are done, and a probe of a process may be
 * preempted by another thread's: it finds that one's pointers then, and the kernel does what it is
 * told with them (an oops within seconds on a preemptible 7.2). Nothing is called: no program has
 * that number.
 */
static __always_inline void eye_tls_use_stack_of_task(struct pt_regs *regs)
{
    bpf_tail_call(regs, &insiders, EYE_PROTOCOL_UNKNOWN);
}
