/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What NAT in a socket's own network namespace makes of its connection: each packet that leaves
 * carries the entry of conntrack (skb->_nfct), and the hook is behind POSTROUTING, so that
 * everything is decided from the SYN on. Packets that arrive have lost it by then. What another
 * namespace translates (a pod's node) is not in it.
 *
 * The entry may be a type of a module, which libbpf looks for with rights that the daemon lacks:
 * where its fields are comes from user space, once an entry was met.
 */
#pragma once

#include "bpf/tracer/tcp.bpf.h"

#define EYE_NFCT_INFO_BITS 7UL /* of skb->_nfct: enum ip_conntrack_info */

/* Bits of nf_conn.status (linux/netfilter/nf_conntrack_common.h), part of the kernel's API. */
#define EYE_IPS_SRC_NAT (1UL << 4)
#define EYE_IPS_DST_NAT (1UL << 5)

/* struct nf_conntrack_tuple (include/net/netfilter/nf_conntrack_tuple.h). */
struct eye_conntrack_tuple {
    union {
        __be32 source_ipv4;
        struct in6_addr source;
    };
    __be16 source_port;
    __u16 family;
    __u8 destination[EYE_ADDRESS_BYTES];
    __be16 destination_port;
    __u8 protocol;
    __u8 direction;
};

/* The entry that a packet carries; 0: none. */
static __always_inline unsigned long eye_entry_of(const struct sk_buff *skb)
{
    unsigned long entry = 0;
    if (bpf_core_field_exists(skb->_nfct)) {
        bpf_core_read(&entry, sizeof(entry), &skb->_nfct);
    }
    return entry & ~EYE_NFCT_INFO_BITS;
}

/* enum eye_nat, EYE_NAT_NONE also where nobody knows. @status: where the entry has it. */
static __always_inline __u8 eye_nat_at(unsigned long status)
{
    unsigned long bits = 0;
    bpf_probe_read_kernel(&bits, sizeof(bits), (void *)status);
    return (bits & EYE_IPS_SRC_NAT ? EYE_NAT_SOURCE : 0) |
           (bits & EYE_IPS_DST_NAT ? EYE_NAT_DESTINATION : 0);
}

/* A client's packets go to whom the answers come from. @tuple: where the entry has that. */
static __always_inline void eye_translate(struct bpf_sock *sk, struct eye_socket *socket,
                                          unsigned long tuple)
{
    struct eye_conntrack_tuple answer;
    bool found = bpf_probe_read_kernel(&answer, sizeof(answer), (void *)tuple) == 0;
    struct eye_translation *translation =
        found ? bpf_sk_storage_get(&translations, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : NULL;
    if (!translation) {
        eye_lose(EYE_LOSS_TCP_STORAGE, 1); /* it is told as it was asked for */
        return;
    }
    eye_fill_address(translation->remote, answer.family, answer.source_ipv4, &answer.source);
    translation->port = bpf_ntohs(answer.source_port);
    if (socket->phase == EYE_SOCKET_CONNECTING) { /* nothing was told under the other one */
        socket->stream.port = translation->port;
    }
}

/* Once per translated socket. */
static __always_inline void eye_note_nat(struct bpf_sock *sk, unsigned long entry, __u64 layout)
{
    __u8 nat = eye_nat_at(entry + (__u32)layout);
    struct eye_socket *socket = nat != EYE_NAT_NONE ? bpf_sk_storage_get(&sockets, sk, 0, 0) : NULL;
    if (!socket || socket->nat != EYE_NAT_NONE) {
        return;
    }
    if (socket->direction == EYE_OUTGOING && nat & EYE_NAT_DESTINATION) {
        eye_translate(sk, socket, entry + (layout >> 32));
    }
    socket->nat = nat;
}

/* Of a TCP packet that leaves. True: nothing else will come of looking at the next one. A part: the
 * stack of whoever looks at payloads has no room for it. */
EYE_PART int eye_look_for_nat(struct __sk_buff *packet)
{
    struct bpf_sock *sk = packet->sk;
    if (!eye_packets_read_memory || !eye_conntrack.looks || !sk ||
        sk->state == TCP_LISTEN) { /* its children tell */
        return false;
    }
    unsigned long entry = eye_entry_of((const struct sk_buff *)packet);
    __u64 layout = *(const volatile __u64 *)&eye_conntrack.layout;
    if (!entry) {
        return true;
    }
    if (layout) {
        eye_note_nat(sk, entry, layout);
        return true;
    }
    if (!eye_conntrack.met) {
        eye_conntrack.met = true;
    }
    return false;
}

/* Of one with a payload, once per connection: finding the entry takes a twentieth of the time that
 * a request costs. */
static __always_inline void eye_look_once_for_nat(struct __sk_buff *packet,
                                                  struct eye_socket *socket)
{
    if (!(socket->flags & EYE_SOCKET_NAT_KNOWN) && eye_look_for_nat(packet)) {
        socket->flags |= EYE_SOCKET_NAT_KNOWN;
    }
}
