/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs of a protocol get of a datagram from the one that hands it over. */
#pragma once

#include "bpf/maps.bpf.h"

/* Which ends of a service this end of the datagram may be. */
enum eye_datagram_end {
    EYE_END_CLIENT = 1, /* the service's port is the other end's */
    EYE_END_SERVER = 2, /* it is this end's */
    EYE_END_LEARNS = 4, /* and the collector wants names of addresses */
};

struct eye_passed_datagram {
    __u64 owner;
    __u32 peer;   /* its address and port, hashed */
    __u16 offset; /* of the payload in the skb */
    __u8 epoch;   /* of the protocol */
    __u8 ends;    /* enum eye_datagram_end, together */
};

/* As those of a segment (segment.bpf.h), in skb->cb. */
enum eye_passed_datagram_word {
    EYE_PASSED_DATAGRAM_PEER,
    EYE_PASSED_DATAGRAM_SMALL, /* ends << 24 | epoch << 16 | offset */
    EYE_PASSED_DATAGRAM_OWNER_LOW,
    EYE_PASSED_DATAGRAM_OWNER_HIGH,
};

static __always_inline void eye_put_datagram(struct __sk_buff *skb,
                                             const struct eye_passed_datagram *passed)
{
    skb->cb[EYE_PASSED_DATAGRAM_PEER] = passed->peer;
    skb->cb[EYE_PASSED_DATAGRAM_SMALL] =
        (__u32)passed->ends << 24 | (__u32)passed->epoch << 16 | passed->offset;
    skb->cb[EYE_PASSED_DATAGRAM_OWNER_LOW] = (__u32)passed->owner;
    skb->cb[EYE_PASSED_DATAGRAM_OWNER_HIGH] = passed->owner >> 32;
}

static __always_inline struct eye_passed_datagram eye_take_datagram(const struct __sk_buff *skb)
{
    __u32 small = skb->cb[EYE_PASSED_DATAGRAM_SMALL];
    struct eye_passed_datagram passed = {
        .owner = (__u64)skb->cb[EYE_PASSED_DATAGRAM_OWNER_HIGH] << 32 |
                 skb->cb[EYE_PASSED_DATAGRAM_OWNER_LOW],
        .peer = skb->cb[EYE_PASSED_DATAGRAM_PEER],
        .offset = (__u16)small,
        .epoch = (__u8)(small >> 16),
        .ends = (__u8)(small >> 24),
    };
    return passed;
}
