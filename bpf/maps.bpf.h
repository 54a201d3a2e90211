/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps, the settings and the loss counters that every handler shares. */
#pragma once

#include "bpf/losses.h"
#include "bpf/usm/stream.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum eye_socket_phase {
    EYE_SOCKET_NEW,        /* cloned from a listener, or just made */
    EYE_SOCKET_TRYING,     /* connect() was called, and no SYN was sent yet */
    EYE_SOCKET_CONNECTING, /* SYN sent */
    EYE_SOCKET_LISTENING,
    EYE_SOCKET_ESTABLISHED, /* and every state after it until CLOSE */
};

enum eye_socket_flag {
    EYE_SOCKET_OLDER = 1,     /* established before the daemon looked: never "opened" */
    EYE_SOCKET_INHERITED = 2, /* nobody has used it; its owner is its listener's */
    EYE_SOCKET_FOUND = 4,     /* the same, of an older one; its owner is who held it */
    EYE_SOCKET_NAT_KNOWN = 8, /* a payload that left has told what NAT makes of it */
};

/* Nobody has used it since we look. */
#define EYE_SOCKET_UNUSED (EYE_SOCKET_INHERITED | EYE_SOCKET_FOUND)

/* Counters of tcp_sock. */
struct eye_counters {
    __u64 sent_bytes;
    __u64 received_bytes;
    __u32 sent_segments;
    __u32 received_segments;
    __u32 retransmits;
    __u32 padding;
};

/* What was last reported of a socket. */
struct eye_reported {
    union {
        struct eye_counters counters;
        __u8 tried[EYE_ADDRESS_BYTES]; /* TRYING: whom */
    };
    __u64 counted_owner; /* under which it was counted active */
    __u32 pass;
    __u8 nat;              /* as which it was counted in that pass */
    __u8 counted_protocol; /* likewise, active */
    __u8 padding[2];
};

/*
 * One TCP socket. `claim` orders the iterator and the close, which may run at once on two CPUs, so
 * that each byte is reported once, and by who may still read the socket: behind its close the
 * memory may be another one's at once (SLAB_TYPESAFE_BY_RCU). Of `reported` the lowest bit of the
 * claim says which one is true. The iterator takes the claim, prepares the other one, and gives
 * the claim back with the bit turned; only then does it write its record. The close takes the
 * claim for good: what the iterator has not given back by then does not count.
 *
 * `pass` is the number of the counting pass in which the socket was counted active; 0: never, and
 * then its opening was not reported either. (No flag says that: the iterator writes none, since the
 * socket's own CPU may be writing them.) The collector numbers its full passes; a socket that was
 * not counted in the present pass enters it at its next record, and only one counted in the present
 * pass leaves it.
 */
struct eye_socket {
    struct eye_stream stream; /* what every payload looks at */
    __u64 claim; /* enum eye_claim; 64 bits because older JITs exchange nothing smaller */
    union {
        __u64 since_ns; /* SYN sent while CONNECTING, established afterwards; 0: not seen */
        __u64 told;     /* LISTENING: EYE_TOLD() */
    };
    struct eye_reported reported[2];
    union {
        __u32 connect_us;
        __u32 knocks; /* LISTENING: segments that came while its queue was full; see queue.bpf.h */
    };
    __u32 met; /* number of the look in which the live iterator met it last */
    __u8 phase;
    __u8 flags;
    __u8 direction;
    __u8 family;
    __u8 state;          /* of the last change that was handled (include/net/tcp_states.h) */
    __u8 port_is_chosen; /* the listener was bound to port 0: the number is no name */
    __u8 errors_before;  /* CONNECTING: length of its error queue when it began, modulo 256 */
    __u8 nat;            /* enum eye_nat, but for UNKNOWN; see nat.bpf.h */
};

enum eye_claim {
    EYE_CLAIM_SECOND = 1, /* reported[1] is true, else reported[0] */
    EYE_CLAIM_ITERATING = 2,
    EYE_CLAIM_CLOSED = 4,
};

/*
 * socket -> struct eye_socket. Written by tcp.bpf.h, seed.bpf.h and the programs of payloads; freed
 * by the kernel with the socket. CLONE: an accepted child starts with its listener's entry.
 */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct eye_socket);
} sockets SEC(".maps");

/* Whom destination NAT gives a client's packets to. */
struct eye_translation {
    __u8 remote[EYE_ADDRESS_BYTES];
    __u16 port;
};

/* socket -> struct eye_translation, of those alone. Written by nat.bpf.h. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_translation);
} translations SEC(".maps");

/* struct eye_connection_record: closes and failures. Written by tcp.bpf.h, read by the collector.
 */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 512 * 1024);
} connections SEC(".maps");

/* struct eye_owner_record and an environment. Written by process/owner.bpf.h, read by the collector
 * before the other rings. Mapped twice, as all of them: its size is memory of the daemon. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1024 * 1024);
} owners SEC(".maps");

/* struct eye_request_head and a body. Written by the protocol programs, read by the collector. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1024 * 1024);
} requests SEC(".maps");

/*
 * Wakes the collector when a ring passes this fill, and for the next kilobyte in case two CPUs
 * crossed it together; below it the collector's own timer reads.
 */
#define EYE_WAKE_WINDOW 1024

static __always_inline __u64 eye_wake_flag(void *ring, __u64 wake_bytes)
{
    __u64 used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
    return used - wake_bytes < EYE_WAKE_WINDOW ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}
