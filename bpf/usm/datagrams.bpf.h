/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Protocols in datagrams, which are known by the port of the service: each is counted as a
 * datagram, and one to or from such a port is handed over to the protocol's own program. All others
 * cost three compares.
 */
#pragma once

#include "bpf/tracer/udp.bpf.h"
#include "bpf/usm/datagram.bpf.h"
#include "bpf/usm/dispatch.bpf.h"
#include "bpf/usm/dns/dns.h"
#include "bpf/usm/waiting.bpf.h"

/* A client whose datagrams are translated on this host sends them to another port than it knows,
 * so what it is connected to counts as well. Groups have protocols of their own (mDNS, LLMNR). */
static __always_inline __u8 eye_dns_ends(const struct __sk_buff *skb,
                                         const struct eye_datagram *datagram)
{
    const __be16 port = bpf_htons(EYE_DNS_PORT);
    struct bpf_sock *sk = skb->sk;
    __u8 ends = 0;
    if (datagram->cast != EYE_UNICAST || eye_is_off(EYE_PROTOCOL_DNS)) {
        return 0;
    }
    if (datagram->remote_port == port || (sk && (__be16)sk->dst_port == port)) {
        ends |= EYE_END_CLIENT | (eye_names_on ? EYE_END_LEARNS : 0);
    }
    return datagram->local_port == EYE_DNS_PORT ? ends | EYE_END_SERVER : ends;
}

/* Comes back only when the protocol has no program. */
static __always_inline void eye_hand_over_datagram(struct __sk_buff *skb,
                                                   const struct eye_udp_socket *socket,
                                                   const struct eye_datagram *datagram, __u32 side,
                                                   __u8 ends)
{
    const struct eye_passed_datagram passed = {
        .owner = socket->owner,
        .peer = eye_peer_hash(datagram),
        .offset = (__u16)datagram->offset,
        .epoch = eye_epoch_of(EYE_PROTOCOL_DNS),
        .ends = ends,
    };
    struct eye_stream stream = {.owner = socket->owner, .port = EYE_DNS_PORT};
    eye_put_datagram(skb, &passed);
    if (side == EYE_SENT) {
        bpf_tail_call_static(skb, &senders, EYE_PROTOCOL_DNS);
    } else {
        bpf_tail_call_static(skb, &receivers, EYE_PROTOCOL_DNS);
    }
    eye_wish(&stream, ends & EYE_END_CLIENT, EYE_PROTOCOL_DNS);
}

/* @offset: of the header of UDP. */
static __always_inline void eye_handle_datagram(struct __sk_buff *skb, __u32 offset, __u32 side)
{
    struct eye_datagram datagram;
    if ((!eye_udp_on && eye_is_off(EYE_PROTOCOL_DNS)) ||
        !eye_read_datagram(skb, offset, side, &datagram)) {
        return;
    }
    __u8 ends = eye_dns_ends(skb, &datagram);
    struct eye_udp_socket *socket =
        eye_udp_on || ends ? eye_find_udp(skb, side, datagram.count) : NULL;
    if (!socket) {
        return;
    }
    if (eye_udp_on) {
        eye_count_udp(skb, socket, &datagram, side);
    }
    if (ends) {
        eye_hand_over_datagram(skb, socket, &datagram, side, ends);
    }
}
