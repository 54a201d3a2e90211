/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel structures that our programs read, with just the members that they read. Offsets
 * are not taken from here: preserve_access_index makes libbpf relocate every access against the
 * running kernel's BTF, so a build needs no BTF of the build machine.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
    union {
        __u8 u6_addr8[16];
        __be32 u6_addr32[4];
    } in6_u;
};

struct ns_common {
    unsigned int inum;
};

struct net {
    struct ns_common ns;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct sock_common {
    __be32 skc_daddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr;
    unsigned long skc_flags;
};

typedef struct {
    int counter;
} atomic_t;

struct qspinlock {
    atomic_t val;
};

typedef struct qspinlock arch_spinlock_t;

struct raw_spinlock {
    arch_spinlock_t raw_lock;
};

struct spinlock {
    struct raw_spinlock rlock; /* absent from CONFIG_PREEMPT_RT */
};

typedef struct spinlock spinlock_t;

typedef struct {
    spinlock_t slock;
    int owned;
} socket_lock_t;

struct sock {
    struct sock_common __sk_common;
    socket_lock_t sk_lock;
    int sk_err;
};

struct inet_sock {
    struct sock sk;
};

struct inet_connection_sock {
    struct inet_sock icsk_inet;
};

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u64 bytes_sent;
    __u64 bytes_retrans;
    __u64 bytes_received;
    __u32 segs_in;
    __u32 segs_out;
    __u32 total_retrans;
    __u32 srtt_us; /* << 3 */
};

struct socket {
    struct sock *sk;
};

struct file;

struct task_struct {
    int tgid;
    struct task_struct *group_leader;
    char comm[16];
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
    struct sock *sk;
    void *value;
};

struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
};

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

#pragma clang attribute pop

/* include/net/tcp_states.h */
enum {
    TCP_ESTABLISHED = 1,
    TCP_SYN_SENT = 2,
    TCP_SYN_RECV = 3,
    TCP_FIN_WAIT1 = 4,
    TCP_TIME_WAIT = 6,
    TCP_CLOSE = 7,
    TCP_LAST_ACK = 9,
    TCP_LISTEN = 10,
    TCP_NEW_SYN_RECV = 12,
};

/* include/net/sock.h; tcp_fin() alone sets SOCK_DONE on a TCP socket. */
enum sock_flags { SOCK_DEAD, SOCK_DONE };

/* include/linux/socket.h, include/uapi/asm-generic/errno.h */
#define AF_INET 2
#define AF_INET6 10
#define EPIPE 32
#define ENETUNREACH 101
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTUNREACH 113
