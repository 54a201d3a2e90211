/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way through the headers of IPv4 and IPv6 that stand before what cgroup_skb is asked for. */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/usm/bytes.h"

#define EYE_ETH_P_IP 0x0800
#define EYE_ETH_P_IPV6 0x86dd
#define EYE_IPPROTO_HOPOPTS 0 /* BIG TCP puts one before TCP: packets of more than 64 KiB */
#define EYE_IPPROTO_ROUTING 43
#define EYE_IPPROTO_FRAGMENT 44
#define EYE_IPPROTO_AH 51
#define EYE_IPPROTO_NONE 59
#define EYE_IPPROTO_DSTOPTS 60
#define EYE_IPPROTO_MOBILITY 135

/* IPv6 extension headers that are followed: each kind once, and the destination options twice. */
#define EYE_EXTENSIONS_MAX 4
/* And how far. */
#define EYE_EXTENSIONS_BYTES 1024

struct eye_ipv4_header {
    __u8 version_ihl;
    __u8 tos;
    __be16 total_length;
    __u8 skipped[5];
    __u8 protocol;
    __be16 checksum;
    __be32 source;
    __be32 destination;
};

struct eye_ipv6_header {
    __u8 skipped[6];
    __u8 next_header;
    __u8 hop_limit;
    __be32 source[4];
    __be32 destination[4];
};

struct eye_extension_header {
    __u8 next_header;
    __u8 length; /* behind the first 8 bytes, in units of 8; of an AH in units of 4 */
};

static __always_inline bool eye_is_extension(__u8 header)
{
    return header == EYE_IPPROTO_HOPOPTS || header == EYE_IPPROTO_ROUTING ||
           header == EYE_IPPROTO_FRAGMENT || header == EYE_IPPROTO_AH ||
           header == EYE_IPPROTO_DSTOPTS || header == EYE_IPPROTO_MOBILITY;
}

/* What is behind the headers of IP; nothing but zeros behind more extension headers than are
 * followed. */
struct eye_transport {
    __u32 offset; /* of its header */
    __u8 protocol;
};

/* The same in one number, which is all that a part returns: the protocol is in the lowest byte. */
EYE_PART __u32 eye_follow_extensions(struct __sk_buff *skb, __u32 next_header)
{
    __u32 offset = sizeof(struct eye_ipv6_header);
    for (int i = 0; i < EYE_EXTENSIONS_MAX && eye_is_extension(next_header); i++) {
        struct eye_extension_header header;
        offset = eye_forget(offset);
        if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)) != 0) {
            return EYE_IPPROTO_NONE;
        }
        offset += next_header == EYE_IPPROTO_AH ? (header.length + 2) * 4 : (header.length + 1) * 8;
        next_header = header.next_header;
    }
    return eye_is_extension(next_header) || offset >= EYE_EXTENSIONS_BYTES
               ? 0
               : offset << 8 | (next_header & 0xff);
}

static __always_inline struct eye_transport eye_find_transport(struct __sk_buff *skb)
{
    const void *data = (const void *)(long)skb->data;
    const void *data_end = (const void *)(long)skb->data_end;
    struct eye_transport transport = {.protocol = EYE_IPPROTO_NONE};
    if (skb->protocol == bpf_htons(EYE_ETH_P_IP)) {
        const struct eye_ipv4_header *ip = data;
        if ((const void *)(ip + 1) <= data_end) {
            transport.offset = (ip->version_ihl & 15) * 4;
            transport.protocol = ip->protocol;
        }
        return transport;
    }
    const struct eye_ipv6_header *ip = data;
    if ((const void *)(ip + 1) > data_end) {
        return transport;
    }
    transport.offset = sizeof(*ip);
    transport.protocol = ip->next_header;
    if (eye_is_extension(ip->next_header)) {
        __u32 found = eye_follow_extensions(skb, ip->next_header);
        transport.offset = found >> 8;
        transport.protocol = (__u8)found;
    }
    eye_pin(transport.offset); /* the verifier wants the mask that clang knows to do nothing */
    transport.offset &= EYE_EXTENSIONS_BYTES - 1;
    return transport;
}
