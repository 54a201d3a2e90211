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

/* Offset of @wanted's header behind IPv6 extension headers; 0: another protocol, or too many. */
EYE_PART __u32 eye_follow_extensions(struct __sk_buff *skb, __u32 next_header, __u32 wanted,
                                     __u32 loss)
{
    __u32 offset = sizeof(struct eye_ipv6_header);
    for (int i = 0; i < EYE_EXTENSIONS_MAX && eye_is_extension(next_header); i++) {
        struct eye_extension_header header;
        offset = eye_forget(offset);
        if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)) != 0) {
            return 0;
        }
        offset += next_header == EYE_IPPROTO_AH ? (header.length + 2) * 4 : (header.length + 1) * 8;
        next_header = header.next_header;
    }
    if (next_header != wanted && !eye_is_extension(next_header)) {
        return 0;
    }
    if (next_header != wanted || offset >= EYE_EXTENSIONS_BYTES) {
        eye_lose(loss, 1);
        return 0;
    }
    return offset;
}

/* Offset of the header of @wanted (IPPROTO_*); 0: another protocol. @loss: what packets are counted
 * as whose extension headers are too many. */
static __always_inline __u32 eye_find_transport(struct __sk_buff *skb, __u8 wanted,
                                                enum eye_loss loss)
{
    const void *data = (const void *)(long)skb->data;
    const void *data_end = (const void *)(long)skb->data_end;
    if (skb->protocol == bpf_htons(EYE_ETH_P_IP)) {
        const struct eye_ipv4_header *ip = data;
        if ((const void *)(ip + 1) > data_end || ip->protocol != wanted) {
            return 0;
        }
        return (ip->version_ihl & 15) * 4;
    }
    const struct eye_ipv6_header *ip = data;
    if ((const void *)(ip + 1) > data_end) {
        return 0;
    }
    if (ip->next_header == wanted) {
        return sizeof(*ip);
    }
    if (!eye_is_extension(ip->next_header)) {
        return 0;
    }
    __u32 offset = eye_follow_extensions(skb, ip->next_header, wanted, loss);
    eye_pin(offset); /* the verifier wants the mask that clang knows to do nothing */
    return offset & (EYE_EXTENSIONS_BYTES - 1);
}
