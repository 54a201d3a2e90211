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

/* include/uapi/linux/net.h; while connect() is at work the socket is still unconnected */
enum socket_state { SS_FREE, SS_UNCONNECTED };

struct numa_drop_counters; /* below */

#ifdef __TARGET_ARCH_x86
/* What a probe in a process gets: arch/x86/include/asm/ptrace.h. It is a context, no structure of
 * the kernel's memory, and its layout belongs to the user space interface. */
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs;
    unsigned long flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
/* arch/arm64/include/uapi/asm/ptrace.h: what of it programs may read. */
struct pt_regs {
    __u64 regs[31];
    __u64 sp;
    __u64 pc;
    __u64 pstate;
};
#endif

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
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
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

struct sk_buff {
    unsigned long _nfct; /* of conntrack: its entry, and three bits */
    char cb[48];         /* what it holds depends on the queue that the buffer is in */
};

struct sk_buff_head {
    struct sk_buff *prev; /* the newest */
    __u32 qlen;
};

struct sock_extended_err {
    __u32 ee_errno;
    __u8 ee_origin;
};

/* The cb of what is in sk_error_queue. */
struct sock_exterr_skb {
    struct sock_extended_err ee;
};

struct socket;

struct sock {
    struct sock_common __sk_common;
    socket_lock_t sk_lock;
    /* A bit field in 6.1, a byte of its own in 6.18: to be read with BPF_CORE_READ_BITFIELD. */
    unsigned char sk_userlocks : 4;
    int sk_err;
    int sk_err_soft;
    struct sk_buff_head sk_error_queue;
    struct socket *sk_socket;
    __u8 sk_kern_sock : 1;
    __u16 sk_type;
    __u16 sk_protocol;
    atomic_t sk_drops;
    __u32 sk_ack_backlog;
    __u32 sk_max_ack_backlog;
    struct numa_drop_counters *sk_drop_counters;
};

struct inet_sock {
    struct sock sk;
    __be16 inet_sport;
};

struct inet_connection_sock {
    struct inet_sock icsk_inet;
    void *icsk_ulp_data;
};

struct mptcp_subflow_context {
    struct sock *conn;
};

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u64 tcp_clock_cache; /* CLOCK_MONOTONIC, ns */
    __u64 bytes_sent;
    __u64 bytes_retrans;
    __u64 bytes_received;
    __u32 segs_in;
    __u32 segs_out;
    __u32 rcv_nxt;
    __u32 rcv_wup;
    __u32 rcv_wnd;
    __u32 write_seq;
    __u32 snd_nxt;
    __u32 total_retrans;
    __u32 srtt_us; /* << 3 */
    bool is_mptcp; /* CONFIG_MPTCP */
};

struct socket {
    enum socket_state state;
    struct sock *sk;
};

struct qstr {
    __u32 len;
    const unsigned char *name;
};

/* Short names lie in the dentry itself: as d_iname, from 6.14 on as d_shortname. */
struct dentry {
    struct qstr d_name;
    unsigned char d_iname[32];
};

union shortname_store {
    unsigned char string[32];
};

struct dentry___shortname {
    union shortname_store d_shortname;
};

struct path {
    struct dentry *dentry;
};

struct inode {
    unsigned short i_mode;
};

struct file {
    struct path f_path;
    struct inode *f_inode;
    void *private_data;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};

struct files_struct {
    struct fdtable *fdt;
};

struct mm_struct {
    unsigned long env_start;
    unsigned long env_end;
    struct file *exe_file;
};

/* `parent` until 6.14, `__parent` after it. */
struct kernfs_node {
    const char *name;
    struct kernfs_node *__parent;
};

struct kernfs_node___parent {
    struct kernfs_node *parent;
};

struct cgroup {
    struct kernfs_node *kn;
};

struct cgroup_subsys_state {
    struct cgroup *cgroup;
};

struct css_set {
    struct cgroup_subsys_state *subsys[1]; /* longer: indexed by hand */
    struct cgroup *dfl_cgrp;
};

struct nsproxy {
    struct net *net_ns;
};

struct signal_struct {
    atomic_t live;
    struct task_struct *group_exec_task;
};

struct task_struct {
    unsigned int flags;
    int pid;
    int tgid;
    __u64 start_boottime;
    __u64 self_exec_id;
    __u64 parent_exec_id;
    struct task_struct *group_leader;
    struct task_struct *real_parent;
    struct mm_struct *mm;
    struct files_struct *files;
    struct css_set *cgroups;
    struct nsproxy *nsproxy;
    struct signal_struct *signal;
};

struct seq_file {
    __kernel_size_t size;
    __kernel_size_t count;
};

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

struct bpf_iter__udp {
    struct bpf_iter_meta *meta;
    struct udp_sock *udp_sk;
};

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

#pragma clang attribute pop

/*
 * From 6.18 on UDP counts what it drops here, behind sk_drop_counters: one in each cache line (64
 * bytes on x86 and arm64, SMP). Not relocated: of a structure that this kernel does not have libbpf
 * asks the modules, which takes cap_sys_admin.
 */
struct numa_drop_counters {
    int drops0;
    int padding[15];
    int drops1;
};

/* include/net/tcp_states.h */
enum {
    TCP_ESTABLISHED = 1,
    TCP_SYN_SENT = 2,
    TCP_SYN_RECV = 3,
    TCP_FIN_WAIT1 = 4,
    TCP_FIN_WAIT2 = 5,
    TCP_TIME_WAIT = 6,
    TCP_CLOSE = 7,
    TCP_CLOSE_WAIT = 8,
    TCP_LAST_ACK = 9,
    TCP_LISTEN = 10,
    TCP_CLOSING = 11,
    TCP_NEW_SYN_RECV = 12,
};

/* include/net/sock.h; tcp_fin() alone sets SOCK_DONE on a TCP socket. */
enum sock_flags { SOCK_DEAD, SOCK_DONE };

/* include/linux/cgroup_subsys.h: the number depends on the configuration. */
enum cgroup_subsys_id { pids_cgrp_id = 0 };

/* include/linux/sched.h */
#define PF_KTHREAD 0x00200000

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262

/* include/net/sock.h; bind() to a port other than 0 alone sets it */
#define SOCK_BINDPORT_LOCK 8

/* include/linux/net.h */
#define SOCK_DGRAM 2

/* include/linux/skbuff.h */
#define PACKET_BROADCAST 1

/* include/uapi/linux/errqueue.h */
#define SO_EE_ORIGIN_ICMP 2
#define SO_EE_ORIGIN_ICMP6 3

/* include/linux/socket.h, include/uapi/asm-generic/errno.h */
#define AF_INET 2
#define AF_INET6 10
#define ENOMEM 12
#define EACCES 13
#define EPIPE 32
#define ENONET 64
#define ENOPROTOOPT 92
#define ENETUNREACH 101
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTDOWN 112
#define EHOSTUNREACH 113
