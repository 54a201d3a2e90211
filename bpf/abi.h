/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What crosses the border between kernel programs and the collector: records, settings and the
 * names of losses. Compiled on both sides; sizes and late offsets are asserted on both. Integers
 * are in host byte order unless a field says otherwise; padding is explicit and zero.
 */
#pragma once

#include "bpf/protocols.h"

#ifdef __bpf__
#include "bpf/vmlinux.h"
#else
#include <assert.h>
#include <linux/types.h>
#include <stddef.h>
#endif

#define EYE_ADDRESS_BYTES 16 /* IPv4 as ::ffff:a.b.c.d */

/*
 * The owner of a socket is one program: a process from one exec to the next. Its key, made in the
 * kernel:
 *
 *   bits 63..42  thread group id in the root pid namespace (at most 2^22: PID_MAX_LIMIT)
 *   bits 41..12  start of the process since boot in units of 2^20 ns, modulo 2^30 (13 days)
 *   bits 11..0   execs of the process and of those that it was forked from (self_exec_id),
 *                modulo 2^12
 *
 * Two programs share one only when a pid is given again within the same millisecond, or 13 days
 * later to the millisecond, or when a process execs 4096 times.
 */
#define EYE_OWNER_PID_SHIFT 42
#define EYE_OWNER_START_SHIFT 12
#define EYE_OWNER_START_BITS 30
#define EYE_OWNER_START_UNIT_SHIFT 20
#define EYE_OWNER_START_MASK ((1U << EYE_OWNER_START_BITS) - 1)
#define EYE_OWNER_EXEC_MASK ((1U << EYE_OWNER_START_SHIFT) - 1)

/* No process has pid 0. */
#define EYE_OWNER_UNKNOWN 0
#define EYE_OWNER_KERNEL 1 /* a socket of the kernel's own: NFS, tunnels */

static inline __u64 eye_owner_key(__u32 pid, __u64 start_ns, __u64 execs)
{
    return (__u64)pid << EYE_OWNER_PID_SHIFT |
           (start_ns >> EYE_OWNER_START_UNIT_SHIFT & EYE_OWNER_START_MASK)
               << EYE_OWNER_START_SHIFT |
           (execs & EYE_OWNER_EXEC_MASK);
}

/* ip_local_port_range of a kernel that nobody has configured: what it gives to clients. */
#define EYE_EPHEMERAL_FIRST 32768
#define EYE_EPHEMERAL_LAST 60999

enum eye_direction { EYE_INCOMING = 1, EYE_OUTGOING = 2 };
enum eye_family { EYE_IPV4 = 4, EYE_IPV6 = 6 };

/* Why a connection was not established, or ended by an error. */
enum eye_failure {
    EYE_FAILURE_NONE,
    EYE_FAILURE_REFUSED,     /* RST or ICMP port unreachable answered the SYN */
    EYE_FAILURE_TIMEOUT,     /* retransmissions used up */
    EYE_FAILURE_RESET,       /* RST on an established connection */
    EYE_FAILURE_UNREACHABLE, /* any other ICMP unreachable, neighbour not found */
    EYE_FAILURE_CANCELLED,   /* closed by its own process before it was established */
    EYE_FAILURE_OTHER,       /* connect() itself failed (no free local port), or rare errors */
    EYE_FAILURE_LOCAL,       /* connect() failed before a SYN was sent: no route, or refused here */
    EYE_FAILURE_COUNT,
};

/* What the host's own NAT does to a connection: bits. */
enum eye_nat {
    EYE_NAT_NONE = 0,
    EYE_NAT_SOURCE = 1,
    EYE_NAT_DESTINATION = 2,
    EYE_NAT_BOTH = EYE_NAT_SOURCE | EYE_NAT_DESTINATION,
    EYE_NAT_UNKNOWN, /* nobody looks, or does not know how yet */
    EYE_NAT_COUNT,
};

/* Offsets in struct nf_conn, in one word, so that they are known together: of `status`, and of the
 * tuple that answers come with. */
#define EYE_CONNTRACK_LAYOUT(status, answer) ((__u64)(answer) << 32 | (__u64)(status))

enum eye_connection_kind {
    EYE_CONNECTION_LIVE,    /* from the iterator: moved since its last record */
    EYE_CONNECTION_CLOSED,  /* was established, has ended */
    EYE_CONNECTION_FAILED,  /* was never established */
    EYE_CONNECTION_LISTENS, /* none: a listener, told by each look, and when it is closed */
};

/* eye_connection_record.flags; pass rules are at struct eye_socket in bpf/tracer/tcp.bpf.h. */
enum eye_connection_flag {
    EYE_CONNECTION_OPENED = 1,        /* first record of a connection whose start was seen */
    EYE_CONNECTION_ENTERS = 2,        /* counts as active from now on */
    EYE_CONNECTION_MOVES = 4,         /* was counted active as previous_*, now as owner, protocol */
    EYE_CONNECTION_LEAVES = 8,        /* was counted active as previous_*, no longer */
    EYE_CONNECTION_UNRECOGNISED = 16, /* CLOSED: payload went by, no protocol was recognised */
};

/* One connection: what happened since its last record. Ring "connections" and the live iterator. */
struct eye_connection_record {
    __u64 sent_bytes;     /* payload, each byte once */
    __u64 received_bytes; /* payload in order, without the FIN that tcp_sock counts */
    __u64 lifetime_ns;    /* CLOSED: established to closed; else 0 */
    __u64 owner;          /* key, or EYE_OWNER_UNKNOWN, EYE_OWNER_KERNEL */
    __u64 previous_owner; /* MOVES, LEAVES */
    union {
        struct {
            __u32 sent_segments;
            __u32 received_segments;
            __u32 retransmits; /* segments */
            __u32 rtt_us;      /* smoothed; 0: not measured yet */
        };
        struct {              /* LISTENS */
            __u32 waiting;    /* established, and not accepted yet */
            __u32 room;       /* for so many (the backlog of listen()) */
            __u32 dropped;    /* since its last record: segments, for whatever reason */
            __u32 overflowed; /* of these: since its queue was full */
        };
    };
    __u32 connect_us; /* SYN to established, once, in the OPENED record; 0: incoming */
    __u32 pass;       /* number of the counting pass that the flags refer to */
    __u32 netns;      /* inode number */
    __u16 port;       /* of the service: local when incoming, remote when outgoing; 0: the kernel
                       * chose it for the listener */
    __u8 kind;        /* enum eye_connection_kind */
    __u8 flags;       /* enum eye_connection_flag */
    __u8 direction;   /* enum eye_direction */
    __u8 family;      /* enum eye_family */
    __u8 failure;     /* enum eye_failure */
    __u8 nat;         /* enum eye_nat; within a pass always the same */
    __u16 local_port; /* host order, both as the socket has them; 0: not known */
    __u16 remote_port;
    __u8 remote[EYE_ADDRESS_BYTES]; /* network byte order, as `port` behind NAT */
    __u8 local[EYE_ADDRESS_BYTES];  /* the same, as the socket has it */
    __u8 protocol;                  /* enum eye_protocol, enum eye_class; 0: not known */
    __u8 previous_protocol;         /* MOVES, LEAVES */
    __u8 padding[6];
};

/*
 * One connection as it is now, for whoever watches: all counters since it began. The socket's
 * address and since_ns tell it from all others of this run. Ring "ended" and the iterator row_open.
 */
struct eye_row {
    __u64 socket;   /* its address: not to be shown */
    __u64 since_ns; /* monotonic: established; 0: not known, older than the daemon */
    __u64 ended_ns; /* monotonic; 0: it is open */
    __u64 owner;    /* as in eye_connection_record, and so is all that has a name from there */
    __u64 sent_bytes;
    __u64 received_bytes;
    __u32 sent_segments;
    __u32 received_segments;
    __u32 retransmits;
    __u32 rtt_us;
    __u32 netns;
    __u16 port;
    __u16 local_port; /* host order */
    __u16 remote_port;
    __u8 direction;
    __u8 family;
    __u8 protocol;
    __u8 padding[3];
    __u8 local[EYE_ADDRESS_BYTES]; /* network byte order */
    __u8 remote[EYE_ADDRESS_BYTES];
};

/* To whom a datagram goes, by its destination address. */
enum eye_cast { EYE_UNICAST, EYE_MULTICAST, EYE_BROADCAST, EYE_CAST_COUNT };

/* eye_datagram_record.flags */
enum eye_datagram_flag {
    EYE_DATAGRAM_QUIC = 1, /* the socket speaks QUIC */
};

/*
 * What one UDP socket sent and received since its last record, to and from whom the fields behind
 * the counters tell: the ring "connections", told apart by its size, and the live iterators of UDP.
 * Received is what was queued for its program: what came, less what was dropped for want of room.
 */
struct eye_datagram_record {
    __u64 owner;      /* as in eye_connection_record */
    __u64 sent_bytes; /* payload */
    __u64 received_bytes;
    __u32 sent; /* datagrams, those of a segmented buffer each */
    __u32 received;
    __u32 dropped_buffer; /* datagrams: the socket's receive buffer was full */
    __u32 dropped_memory; /* UDP's memory was used up (net.ipv4.udp_mem) */
    __u32 dropped_other;  /* a wrong checksum, or a filter of the program's own */
    __u32 netns;
    __u16 port; /* of the service, as in eye_connection_record */
    __u8 direction;
    __u8 family;
    __u8 cast;  /* enum eye_cast */
    __u8 flags; /* enum eye_datagram_flag */
    __u8 padding[2];
    __u8
        remote[EYE_ADDRESS_BYTES]; /* network byte order; of the first peer unless flows are kept */
};

/* What one read of an iterator gathers at most; a power of two. Together 240 KiB, which are memory
 * of the daemon, too. */
#define EYE_GATHERED_MAX 2048

/* One of these: a look asks TCP's sockets first, then those of UDP and their flows. */
union eye_gathered {
    struct eye_connection_record connection;
    struct eye_datagram_record datagram;
};

#define EYE_EXECUTABLE_BYTES 64   /* longer names are cut */
#define EYE_CGROUP_LEVELS 4       /* the innermost ones tell unit and container */
#define EYE_CGROUP_NAME_BYTES 128 /* longer names are cut, flagged */

/* eye_owner_record.flags */
enum eye_owner_flag {
    EYE_OWNER_NO_ENVIRONMENT = 1,  /* unreadable, out of reach, or given back at the end */
    EYE_OWNER_CUT_ENVIRONMENT = 2, /* more than fits */
    EYE_OWNER_CUT_CGROUP = 4,      /* a name is cut, or there are more levels */
    EYE_OWNER_NO_CGROUP = 8,       /* lockdown keeps its names from us */
    EYE_OWNER_EXECUTED = 16,       /* introduced at its exec: it may never use a socket */
};

/*
 * Who a key is, written when the process first uses a socket, while all of it is true. Ring
 * "owners". Texts end with a NUL; what is behind it means nothing.
 */
struct eye_owner_record {
    __u64 owner;
    __u64 parent; /* the process that it was forked from and runs the same program; 0: none */
    __u32 environment_bytes;               /* that follow the record: "NAME=value", NUL, ... */
    __u32 flags;                           /* enum eye_owner_flag */
    char executable[EYE_EXECUTABLE_BYTES]; /* basename; "": not known */
    /* Innermost first; the root has none. */
    char cgroups[EYE_CGROUP_LEVELS][EYE_CGROUP_NAME_BYTES];
};

/* A program that was introduced has ended: by its process' end, or by an exec. What it did with
 * sockets may be told later: they are closed behind this. Ring "processes". */
struct eye_ended_record {
    __u64 owner;
};

/* Room for the environment behind a record: the smallest that holds it is taken. */
#define EYE_ENVIRONMENT_SMALL 1024
#define EYE_ENVIRONMENT_USUAL 4096
#define EYE_ENVIRONMENT_LARGE 32768 /* Kubernetes names every service seven times */

/* bpf/protocols.h */
enum eye_protocol {
    EYE_PROTOCOL_UNKNOWN,
#define X(identifier, name) EYE_PROTOCOL_##identifier,
    EYE_PROTOCOLS(X)
#undef X
        EYE_PROTOCOL_COUNT,
};

/* bpf/protocols.h: behind the protocols, so that one number tells what a connection speaks. */
enum eye_class {
    EYE_CLASS_BEFORE = EYE_PROTOCOL_COUNT - 1,
#define X(identifier, name) EYE_CLASS_##identifier,
    EYE_CLASSES(X)
#undef X
        EYE_SPOKEN_COUNT,
};

/* eye_request_head.flags */
enum eye_request_flag {
    EYE_REQUEST_CLIENT = 1,     /* seen at the client's end */
    EYE_REQUEST_TRUNCATED = 2,  /* the last text of the body is cut */
    EYE_REQUEST_UNANSWERED = 4, /* the code is an enum eye_request_error */
    EYE_REQUEST_MESSAGE = 8,    /* no request: the body is a message of the protocol, as it came */
    EYE_REQUEST_TLS = 16,       /* read inside TLS */
};

/* Why a request has no answer: what ended its connection. */
enum eye_request_error {
    EYE_REQUEST_CANCELLED = 1, /* the client closed first */
    EYE_REQUEST_CLOSED,        /* the server closed first, in order */
    EYE_REQUEST_RESET,         /* an RST, whoever sent it */
    EYE_REQUEST_TIMEOUT,       /* TCP gave up: nothing was acknowledged any more */
    EYE_REQUEST_FAILED,        /* another error of the socket */
    EYE_REQUEST_ERROR_COUNT,
};

/* The longest body of any protocol: a name of 160 bytes and what stands before it. */
#define EYE_REQUEST_BODY_MAX 167

/*
 * One request, answered or ended with its connection: what all protocols have. body_bytes of the
 * protocol's own follow at once. Ring "requests".
 */
struct eye_request_head {
    __u64 duration_ns : 56; /* first byte of the request to first byte of the response, or to the
                             * end; set by eye_set_duration() */
    __u64 more : 8;         /* others of the same connection that this record stands for, too */
    __u64 owner;            /* as in eye_connection_record */
    __u16 port;             /* as in eye_connection_record */
    __u16 code;             /* the protocol's own; UNANSWERED: enum eye_request_error */
    __u16 body_bytes;       /* at most EYE_REQUEST_BODY_MAX; of a MESSAGE, at most what follows */
    __u8 protocol;          /* enum eye_protocol */
    __u8 flags;             /* enum eye_request_flag */
};

/* As long as it took, below zero too: the clocks of two CPUs may disagree by some nanoseconds. For
 * one request alone. */
static inline void eye_set_duration(struct eye_request_head *head, __s64 ns)
{
    /* Without a branch, which the verifier would follow twice. */
    head->duration_ns = (__u64)(ns & ~(ns >> 63)) & ((1ULL << 56) - 1);
    head->more = 0;
}

/*
 * A request that waits for its answer where no connection tells when to give up: from whom, or to
 * whom, and what was asked. The map "waiting". The answer, or the collector when none has come in
 * time, takes it out, and who took it out tells of it.
 */
struct eye_waiting_key {
    __u64 cookie;  /* of the socket */
    __u64 subject; /* hash of what is asked about */
    __u32 peer;    /* who asks, hashed; at the client's end 0: translation changes whom it asks */
    __u16 id;
    __u16 type;
    __u8 client; /* 1: seen at the client's end */
    __u8 padding[7];
};

#define EYE_WAITING_BODY_BYTES 4

struct eye_waiting {
    __u64 first_ns;               /* monotonic: when it was asked */
    __u64 last_ns;                /* and for the last time */
    struct eye_request_head head; /* without duration and code */
    __u8 body[EYE_WAITING_BODY_BYTES];
    __u8 epoch; /* of the protocol (eye_epochs): while it was off answers went by unseen */
    __u8 padding[3];
};

/* Beyond that many, a request is lost as pipeline_full. */
#define EYE_WAITING_MAX 16384

/* Losses of one connection's parser: who suffers. Ring "requests", told apart by its size. The sums
 * over all services are the loss counters. */
struct eye_loss_record {
    __u64 owner;  /* as in eye_connection_record */
    __u32 amount; /* 1 or more */
    __u16 port;   /* as in eye_connection_record */
    __u8 loss;    /* enum eye_loss, of a parser's */
    __u8 client;  /* 1: seen at the client's end */
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
    X(TCP_LOOK, "tcp", "look_incomplete")    /* live sockets, of which some may be missed */       \
    X(TCP_COUNTERS, "tcp", "counters_reset") /* a socket's counters went backwards */              \
    X(OWNER_RING, "owner", "ring_full")      /* who a process is: asked of /proc instead */        \
    X(OWNER_ENVIRONMENT, "owner", "environment") /* not readable, too long: asked of /proc */      \
    X(PROCESS_RING, "process", "ring_full")      /* the end of a program: asked of /proc */        \
    X(SEED_LISTENERS, "seed", "listeners_full")  /* direction of older sockets guessed */          \
    X(DIAG_OVERFLOW, "diag", "overflow")         /* sockets whose end was not told */              \
    X(DIAG_RESET, "diag", "reset")         /* what a connection did before it reset itself */      \
    X(DIAG_VANISHED, "diag", "vanished")   /* gone from the dumps, and its end was not told */     \
    X(DIAG_TABLE, "diag", "table_full")    /* a connection that is told of at its end alone */     \
    X(DIAG_MALFORMED, "diag", "malformed") /* a message that is cut, none, or not the kernel's */  \
    X(DIAG_OWNERS, "diag", "owners")       /* sockets whose processes were not all looked at */    \
    X(LISTENER_RING, "listener", "ring_full")   /* what it dropped before its end */               \
    X(UDP_STORAGE, "udp", "no_storage")         /* no memory for a socket's state: not counted */  \
    X(UDP_RING, "udp", "ring_full")             /* the last record of a socket */                  \
    X(UDP_FLOWS, "udp", "flows_full")           /* datagrams counted as the first peer's */        \
    X(UDP_HEADERS, "udp", "extension_headers")  /* as below */                                     \
    X(DNS_NAMES, "dns", "names_unread")         /* an answer whose names are not told */           \
    X(MYSQL_COMPRESSED, "mysql", "compressed")  /* a connection whose commands cannot be read */   \
    X(TLS_UNJOINED, "tls", "unjoined")          /* a session whose socket is not known */          \
    X(TLS_LATE, "tls", "late")                  /* a session that had begun before its probes */   \
    X(TLS_STORAGE, "tls", "no_storage")         /* no memory for a call or a session */            \
    X(TLS_UNREADABLE, "tls", "unreadable")      /* memory of a process that was not there */       \
    X(TLS_DEEP, "tls", "too_deep")              /* a call within more calls than are remembered */ \
    X(USM_HEADERS, "http", "extension_headers") /* IPv6 packet with more of them than followed */  \
    EYE_EACH_PROTOCOL(EYE_PARSER_LOSSES, X)                                                        \
    EYE_EACH_PROTOCOL(EYE_DISPATCH_LOSSES, X)

/* What each protocol has for itself, as enum eye_parser_loss names them. */
#define EYE_PARSER_LOSSES(X, protocol, name, title)                                                \
    X(protocol##_STORAGE, #name, "no_storage")       /* no memory for a socket's parser */         \
    X(protocol##_RING, #name, "ring_full")           /* one request */                             \
    X(protocol##_PIPELINE, #name, "pipeline_full")   /* a request beyond the queue's depth */      \
    X(protocol##_UNMATCHED, #name, "response_alone") /* response that no request is known for */   \
    X(protocol##_UNANSWERED, #name, "request_alone") /* request whose response cannot be told */   \
    X(protocol##_GAP, #name, "gap")                  /* bytes missed where a message may start */  \
    X(protocol##_MALFORMED, #name, "malformed")      /* bytes that are no message of it */         \
    X(protocol##_STEPS, #name, "too_many_messages")  /* rest of a buffer beyond the work allowed */

/* And before its parser. */
#define EYE_DISPATCH_LOSSES(X, protocol, name, title)                                              \
    X(protocol##_NOT_LOADED, #name, "not_loaded") /* payload that came before the programs */

enum eye_loss {
#define X(identifier, program, reason) EYE_LOSS_##identifier,
    EYE_LOSSES(X)
#undef X
        EYE_LOSS_COUNT,
};

enum eye_parser_loss {
    EYE_LOST_STORAGE,
    EYE_LOST_RING,
    EYE_LOST_PIPELINE,
    EYE_LOST_UNMATCHED,
    EYE_LOST_UNANSWERED,
    EYE_LOST_GAP,
    EYE_LOST_MALFORMED,
    EYE_LOST_STEPS,
    EYE_LOST_COUNT,
};

/* The enum eye_loss of enum eye_parser_loss 0 of @protocol (enum eye_protocol). */
#define EYE_LOSS_OF_PARSER(protocol)                                                               \
    (EYE_LOSS_USM_HEADERS + 1 + ((protocol)-EYE_PROTOCOL_UNKNOWN - 1) * EYE_LOST_COUNT)

#define EYE_LOSS_NOT_LOADED(protocol)                                                              \
    (EYE_LOSS_OF_PARSER(EYE_PROTOCOL_COUNT) + (protocol)-EYE_PROTOCOL_UNKNOWN - 1)

/* Counted beside the losses. */
enum eye_count {
    EYE_COUNT_HEALED =
        EYE_LOSS_COUNT, /* state changes that tcp_state_again handled for tcp_state */
    EYE_COUNT_ENTERED,  /* sockets that became established, counted just after */
    EYE_COUNT_LEFT,     /* and no longer are, counted just before */
    EYE_COUNT_UNMET,    /* of these: older than the present look, which had not met them */
    EYE_COUNT_EXECS,    /* of all processes */
    EYE_COUNT_EXITS,    /* of processes: all of their threads are gone, or about to go */
    EYE_COUNT_COUNT,
};

#ifdef __bpf__
#define EYE_ABI_ASSERT(condition) _Static_assert(condition, #condition)
#else
#define EYE_ABI_ASSERT(condition) static_assert(condition, #condition)
#endif

EYE_ABI_ASSERT(sizeof(struct eye_connection_record) == 120);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_connection_record, protocol) == 112);
EYE_ABI_ASSERT(sizeof(struct eye_datagram_record) == 72);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_datagram_record, remote) == 56);
EYE_ABI_ASSERT(sizeof(struct eye_row) == 112);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_row, remote) == 96);
EYE_ABI_ASSERT(sizeof(struct eye_owner_record) == 600);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_owner_record, cgroups) == 88);
EYE_ABI_ASSERT(sizeof(struct eye_ended_record) == 8);
EYE_ABI_ASSERT(sizeof(struct eye_request_head) == 24);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_request_head, owner) == 8);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_request_head, flags) == 23);
EYE_ABI_ASSERT(sizeof(struct eye_waiting_key) == 32);
EYE_ABI_ASSERT(sizeof(struct eye_waiting) == 48);
EYE_ABI_ASSERT(__builtin_offsetof(struct eye_waiting, body) ==
               __builtin_offsetof(struct eye_waiting, head) + sizeof(struct eye_request_head));
EYE_ABI_ASSERT(sizeof(struct eye_loss_record) == 16);
EYE_ABI_ASSERT(EYE_LOSS_OF_PARSER(EYE_PROTOCOL_HTTP) + EYE_LOST_STEPS == EYE_LOSS_HTTP_STEPS);
EYE_ABI_ASSERT(EYE_LOSS_NOT_LOADED(EYE_PROTOCOL_HTTP) == EYE_LOSS_HTTP_NOT_LOADED);
EYE_ABI_ASSERT(EYE_LOSS_NOT_LOADED(EYE_PROTOCOL_COUNT) == EYE_LOSS_COUNT);
EYE_ABI_ASSERT(EYE_LOSS_COUNT <= 256); /* eye_loss_record.loss */
