/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel itself knows of a socket: who its ends are, and what it has counted. */
#pragma once

#include "bpf/maps.bpf.h"

/* bpf_probe_read_kernel() in programs of cgroups: those of packets, and of sockets' ends. */
const volatile bool eye_packets_read_memory = false;

static __always_inline bool eye_is_mapped(const struct in6_addr *address)
{
    return address->in6_u.u6_addr32[0] == 0 && address->in6_u.u6_addr32[1] == 0 &&
           address->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

static __always_inline __u8 eye_family_of(const struct sock_common *common)
{
    return common->skc_family == AF_INET || eye_is_mapped(&common->skc_v6_daddr) ? EYE_IPV4
                                                                                 : EYE_IPV6;
}

/* A process or a softirq is at work on the socket now. */
static __always_inline bool eye_is_locked(const struct sock *sk)
{
    return sk->sk_lock.owned || (bpf_core_field_exists(sk->sk_lock.slock.rlock) &&
                                 sk->sk_lock.slock.rlock.raw_lock.val.counter);
}

/*
 * bytes_received counts the FIN as one byte; tcp_fin() leaves SOCK_DONE behind, a moment later. So
 * of a socket that is at work on another CPU meanwhile the last byte waits for the next look.
 */
static __always_inline __u64 eye_read_received(const struct tcp_sock *tcp, bool at_work_elsewhere)
{
    const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
    __u64 received = tcp->bytes_received;
    barrier();
    bool waits = at_work_elsewhere && eye_is_locked(sk);
    barrier();
    bool fin = sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
    return received > 0 ? received - (fin || waits) : 0;
}

/* @at_work_elsewhere: nobody keeps other CPUs from the socket. */
static __always_inline void eye_read_counters(const struct tcp_sock *tcp, bool at_work_elsewhere,
                                              struct eye_counters *counters)
{
    counters->received_bytes = eye_read_received(tcp, at_work_elsewhere);
    counters->sent_bytes = tcp->bytes_sent;
    barrier(); /* a retransmission counts in bytes_retrans first */
    counters->sent_bytes -= tcp->bytes_retrans;
    counters->sent_segments = tcp->segs_out;
    counters->received_segments = tcp->segs_in;
    counters->retransmits = tcp->total_retrans;
    counters->padding = 0;
}

/* All that the kernel dropped at this socket, for whatever reason. */
static __always_inline __u32 eye_drops_of(const struct sock *sk)
{
    __u32 drops = sk->sk_drops.counter;
    if (bpf_core_field_exists(sk->sk_drop_counters) && sk->sk_drop_counters) {
        drops += sk->sk_drop_counters->drops0 + sk->sk_drop_counters->drops1;
    }
    return drops;
}

/* The same, for programs that see the socket as struct bpf_sock alone; they may read memory. */
static __always_inline __u32 eye_read_drops(const struct sock *sk)
{
    __u32 drops = 0;
    const struct numa_drop_counters *counters = NULL;
    struct numa_drop_counters more = {0};
    bpf_core_read(&drops, sizeof(drops), &sk->sk_drops.counter);
    if (bpf_core_field_exists(sk->sk_drop_counters)) {
        bpf_core_read(&counters, sizeof(counters), &sk->sk_drop_counters);
        bpf_probe_read_kernel(&more, sizeof(more), counters);
    }
    return drops + (__u32)(more.drops0 + more.drops1);
}

/* Of a socket's address, IPv4 as ::ffff:a.b.c.d. */
static __always_inline void eye_fill_address(__u8 *address, __u16 family, __be32 ipv4,
                                             const struct in6_addr *ipv6)
{
    if (family == AF_INET) {
        __u32 *words = (__u32 *)address;
        words[0] = 0;
        words[1] = 0;
        words[2] = bpf_htonl(0xffff);
        words[3] = ipv4;
    } else {
        __u64 *words = (__u64 *)address;
        const __u64 *bytes = (const __u64 *)ipv6;
        words[0] = bytes[0];
        words[1] = bytes[1];
    }
}

static __always_inline void eye_fill_remote(__u8 *address, const struct sock_common *common)
{
    eye_fill_address(address, common->skc_family, common->skc_daddr, &common->skc_v6_daddr);
}

/* If it is a client whose packets NAT gives to somebody else: that one. */
static __always_inline bool eye_fill_translation(const struct tcp_sock *tcp, __u8 *remote,
                                                 __u16 *ret_port)
{
    const struct eye_translation *translation =
        bpf_sk_storage_get(&translations, (void *)(long)tcp, 0, 0);
    if (translation) {
        __builtin_memcpy(remote, translation->remote, EYE_ADDRESS_BYTES);
        *ret_port = translation->port;
    }
    return translation != NULL;
}
