/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What cgroup_skb shows of a TCP segment. */
#pragma once

#include "bpf/ip.bpf.h"

#define EYE_TCP_SYN 2
#define EYE_TCP_RST 4
#define EYE_TCP_ACK 16

struct eye_tcp_header {
    __be16 source;
    __be16 destination;
    __be32 sequence;
    __be32 acknowledged;
    __u8 data_offset; /* high half, in words of 4 bytes */
    __u8 flags;
    __u8 rest[6];
};

struct eye_segment {
    __u32 sequence; /* of the first byte of payload */
    __u32 acknowledged;
    __u32 offset; /* of the payload in the skb */
    __u32 bytes;
    __be16 source; /* port */
    bool opening;  /* a SYN that acknowledges nothing */
};

/* @offset: of its header. False: it has no payload. */
static __always_inline bool eye_read_segment(struct __sk_buff *skb, __u32 offset,
                                             struct eye_segment *ret_segment)
{
    const void *data = (const void *)(long)skb->data;
    const void *data_end = (const void *)(long)skb->data_end;
    const struct eye_tcp_header *tcp = data + offset;
    if ((const void *)(tcp + 1) > data_end) {
        return false;
    }
    __u32 payload = offset + (tcp->data_offset >> 4) * 4;
    if (payload >= skb->len) {
        return false; /* a pure acknowledgement */
    }
    /* A SYN takes a number of its own, which the data of a fast open come behind (RFC 7413). */
    ret_segment->sequence = bpf_ntohl(tcp->sequence) + (tcp->flags & EYE_TCP_SYN ? 1 : 0);
    ret_segment->source = tcp->source;
    ret_segment->opening = (tcp->flags & (EYE_TCP_SYN | EYE_TCP_ACK)) == EYE_TCP_SYN;
    ret_segment->acknowledged = bpf_ntohl(tcp->acknowledged);
    ret_segment->offset = payload;
    ret_segment->bytes = skb->len - payload;
    return true;
}

/* What a program that is reached by a tail call gets from the one before it. */
struct eye_passed {
    struct eye_segment segment; /* without source */
    __u64 owner;                /* of the stream */
    __u16 port;                 /* likewise */
};

/* skb->cb is the programs' own while they run (bpf_prog_run_save_cb()): five words. */
enum eye_passed_word {
    EYE_PASSED_SEQUENCE,
    EYE_PASSED_ACKNOWLEDGED,
    EYE_PASSED_SMALL, /* port << 16 | opening << 15 | offset */
    EYE_PASSED_OWNER_LOW,
    EYE_PASSED_OWNER_HIGH,
};

#define EYE_PASSED_PORT_SHIFT 16
#define EYE_PASSED_OPENING_BIT (1U << 15)
/* Of a payload: behind the extension headers, TCP's own and its options. */
EYE_ABI_ASSERT(EYE_EXTENSIONS_BYTES + 15 * 4 < EYE_PASSED_OPENING_BIT);

static __always_inline void eye_put_passed(struct __sk_buff *skb, const struct eye_segment *segment,
                                           __u64 owner, __u16 port)
{
    skb->cb[EYE_PASSED_SEQUENCE] = segment->sequence;
    skb->cb[EYE_PASSED_ACKNOWLEDGED] = segment->acknowledged;
    skb->cb[EYE_PASSED_SMALL] = (__u32)port << EYE_PASSED_PORT_SHIFT |
                                (segment->opening ? EYE_PASSED_OPENING_BIT : 0) | segment->offset;
    skb->cb[EYE_PASSED_OWNER_LOW] = (__u32)owner;
    skb->cb[EYE_PASSED_OWNER_HIGH] = owner >> 32;
}

static __always_inline struct eye_passed eye_take_passed(const struct __sk_buff *skb)
{
    __u32 small = skb->cb[EYE_PASSED_SMALL];
    struct eye_passed passed = {
        .segment = {.sequence = skb->cb[EYE_PASSED_SEQUENCE],
                    .acknowledged = skb->cb[EYE_PASSED_ACKNOWLEDGED],
                    .offset = small & (EYE_PASSED_OPENING_BIT - 1),
                    .opening = (small & EYE_PASSED_OPENING_BIT) != 0},
        .owner = (__u64)skb->cb[EYE_PASSED_OWNER_HIGH] << 32 | skb->cb[EYE_PASSED_OWNER_LOW],
        .port = (__u16)(small >> EYE_PASSED_PORT_SHIFT),
    };
    passed.segment.bytes = skb->len - passed.segment.offset;
    return passed;
}
