/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What crosses the border between kernel programs and the collector: records, settings and the
 * names of losses. Compiled on both sides; sizes and late offsets are asserted on both. Integers
 * are in host byte order unless a field says otherwise; padding is explicit and zero.
 */
#pragma once

#ifdef __bpf__
#include "bpf/vmlinux.h"
#else
#include <assert.h>
#include <linux/types.h>
#include <stddef.h>
#endif

#define EYE_COMM_BYTES 16    /* TASK_COMM_LEN, with its NUL */
#define EYE_ADDRESS_BYTES 16 /* IPv4 as ::ffff:a.b.c.d */

enum eye_direction { EYE_INCOMING = 1, EYE_OUTGOING = 2 };
enum eye_family { EYE_IPV4 = 4, EYE_IPV6 = 6 };

/* Why a connection was not established, or ended by an error. */
enum eye_failure {
    EYE_FAILURE_NONE,
    EYE_FAILURE_REFUSED,     /* RST or ICMP port unreachable answered the SYN */
    EYE_FAILURE_TIMEOUT,     /* retransmissions used up */
    EYE_FAILURE_RESET,       /* RST on an established connection */
    EYE_FAILURE_UNREACHABLE, /* ICMP host or network unreachable, neighbour not found */
    EYE_FAILURE_CANCELLED,   /* closed by its own process before it was established */
    EYE_FAILURE_OTHER,
    EYE_FAILURE_COUNT,
};

enum eye_connection_kind {
    EYE_CONNECTION_LIVE,   /* from the iterator: moved since its last record */
    EYE_CONNECTION_CLOSED, /* was established, has ended */
    EYE_CONNECTION_FAILED, /* was never established */
};

/* eye_connection_record.flags; pass rules are at struct eye_socket in bpf/tracer/tcp.bpf.h. */
enum eye_connection_flag {
    EYE_CONNECTION_OPENED = 1, /* first record of a connection whose start was seen */
    EYE_CONNECTION_ENTERS = 2, /* counts as active from now on */
    EYE_CONNECTION_MOVES = 4,  /* was counted active under previous_pid, now under pid */
    EYE_CONNECTION_LEAVES = 8, /* was counted active under previous_pid, no longer */
};

/* One connection: what happened since its last record. Ring "connections" and the live iterator. */
struct eye_connection_record {
    __u64 sent_bytes;     /* payload, each byte once */
    __u64 received_bytes; /* payload in order, without the FIN that tcp_sock counts */
    __u64 lifetime_ns;    /* CLOSED: established to closed; else 0 */
    __u32 sent_segments;
    __u32 received_segments;
    __u32 retransmits;  /* segments */
    __u32 rtt_us;       /* smoothed; 0: not measured yet */
    __u32 connect_us;   /* SYN to established, once, in the OPENED record; 0: incoming */
    __u32 pid;          /* owner (thread group), root pid namespace; 0: unknown or the kernel */
    __u32 previous_pid; /* MOVES, LEAVES */
    __u32 pass;         /* number of the counting pass that the flags refer to */
    __u32 netns;        /* inode number */
    __u16 port;         /* of the service: local when incoming, remote when outgoing */
    __u8 kind;          /* enum eye_connection_kind */
    __u8 flags;         /* enum eye_connection_flag */
    __u8 direction;     /* enum eye_direction */
    __u8 family;        /* enum eye_family */
    __u8 failure;       /* enum eye_failure */
    __u8 padding[5];
    __u8 remote[EYE_ADDRESS_BYTES]; /* network byte order */
    char comm[EYE_COMM_BYTES];      /* command name of the owner when it took the socket */
};

enum eye_http_method {
    EYE_HTTP_METHOD_OTHER,
    EYE_HTTP_GET,
    EYE_HTTP_POST,
    EYE_HTTP_PUT,
    EYE_HTTP_HEAD,
    EYE_HTTP_DELETE,
    EYE_HTTP_OPTIONS,
    EYE_HTTP_PATCH,
    EYE_HTTP_TRACE,
    EYE_HTTP_CONNECT,
    EYE_HTTP_METHOD_COUNT,
};

/* eye_request_record.flags */
enum eye_request_flag {
    EYE_REQUEST_CLIENT = 1,    /* seen at the client's end */
    EYE_REQUEST_TRUNCATED = 2, /* the path was longer than EYE_HTTP_PATH_BYTES */
    EYE_REQUEST_COMM = 4,      /* EYE_COMM_BYTES of command name follow the path */
};

#define EYE_HTTP_PATH_BYTES 160 /* longer request targets are cut */

/* One answered request, as long as its content. Ring "requests". */
struct eye_request_record {
    __u64 duration_ns; /* first byte of the request to first byte of the response */
    __u32 pid;         /* as in eye_connection_record */
    __u16 port;        /* as in eye_connection_record */
    __u16 status;      /* 100 .. 999 */
    __u8 method;       /* enum eye_http_method */
    __u8 flags;        /* enum eye_request_flag */
    __u16 path_bytes;  /* at most EYE_HTTP_PATH_BYTES */
    __u32 padding;
    /* path_bytes of the request target as on the wire, then the command name if flagged */
};

/*
 * X(identifier, program, reason): what the kernel side saw and could not hand on. One per-CPU
 * counter each; shown as sockeye.kernel.lost.
 */
#define EYE_LOSSES(X)                                                                              \
    X(TCP_STORAGE, "tcp", "no_storage")      /* no memory for a socket's state: not seen */        \
    X(TCP_RING, "tcp", "ring_full")          /* record of a close or failure */                    \
    X(TCP_RECURSION, "tcp", "recursion")     /* skipped by the kernel: the program was running */  \
    X(TCP_VANISHED, "tcp", "vanished")       /* established, gone, and its end was not seen */     \
    X(TCP_COUNTERS, "tcp", "counters_reset") /* a socket's counters went backwards */              \
    X(SEED_LISTENERS, "seed", "listeners_full") /* direction of older sockets guessed */           \
    X(HTTP_STORAGE, "http", "no_storage")       /* no memory for a socket's parser */              \
    X(HTTP_RING, "http", "ring_full")           /* one answered request */                         \
    X(HTTP_PIPELINE, "http", "pipeline_full")   /* a request beyond the pipeline's depth */        \
    X(HTTP_UNMATCHED, "http", "response_alone") /* response whose request was not seen */          \
    X(HTTP_UNANSWERED, "http", "request_alone") /* request without response at close or gap */     \
    X(HTTP_GAP, "http", "gap")                  /* bytes not seen where a message could start */   \
    X(HTTP_MALFORMED, "http", "malformed")      /* bytes that are no message in an HTTP stream */  \
    X(HTTP_STEPS, "http", "too_many_messages")  /* rest of a buffer beyond the work allowed */

enum eye_loss {
#define X(identifier, program, reason) EYE_LOSS_##identifier,
    EYE_LOSSES(X)
#undef X
        EYE_LOSS_COUNT,
};

/* Counted beside the losses. */
enum eye_count {
    EYE_COUNT_HEALED =
        EYE_LOSS_COUNT, /* state changes that tcp_state_again handled for tcp_state */
    EYE_COUNT_ENTERED,  /* sockets that became established, counted just after */
    EYE_COUNT_LEFT,     /* and no longer are, counted just before */
    EYE_COUNT_COUNT,
};

#ifdef __bpf__
#define EYE_ABI_ASSERT(condition) _Static_assert(condition, #condition)
#else
#define EYE_ABI_ASSERT(condition) static_assert(condition, #condition)
#endif

EYE_ABI_ASSERT(sizeof(struct eye_connection_record) == 104);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_connection_record, remote) == 72);
EYE_ABI_ASSERT(sizeof(struct eye_request_record) == 24);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_request_record, path_bytes) == 18);
