/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plaintext protocols, from cgroup_skb on the root of the cgroup v2 tree: every payload of every
 * container with its socket attached. Recognises the protocol by the first bytes, then hands each
 * payload to its parser. A socket that speaks none costs one look-up.
 */
#pragma once

#include "bpf/tracer/tcp.bpf.h"
#include "bpf/usm/first_payload.bpf.h"

#define EYE_ETH_P_IP 0x0800
#define EYE_ETH_P_IPV6 0x86dd

struct eye_ipv4_header {
    __u8 version_ihl;
    __u8 tos;
    __be16 total_length;
    __u8 skipped[5];
    __u8 protocol;
    __u8 rest[10];
};

struct eye_ipv6_header {
    __u8 skipped[6];
    __u8 next_header;
    __u8 rest[33];
};

#define EYE_TCP_SYN 2

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
    __u32 offset;   /* of the payload in the skb */
    __u32 bytes;
    __be16 source; /* port */
};

/* Offset of the TCP header; 0: not TCP. IPv6 extension headers before TCP are not followed. */
static __always_inline __u32 eye_find_tcp(const struct __sk_buff *skb)
{
    const void *data = (const void *)(long)skb->data;
    const void *data_end = (const void *)(long)skb->data_end;
    if (skb->protocol == bpf_htons(EYE_ETH_P_IP)) {
        const struct eye_ipv4_header *ip = data;
        if ((const void *)(ip + 1) > data_end || ip->protocol != IPPROTO_TCP) {
            return 0;
        }
        return (ip->version_ihl & 15) * 4;
    }
    const struct eye_ipv6_header *ip = data;
    if ((const void *)(ip + 1) > data_end || ip->next_header != IPPROTO_TCP) {
        return 0;
    }
    return sizeof(*ip);
}

static __always_inline bool eye_read_segment(const struct __sk_buff *skb,
                                             struct eye_segment *ret_segment)
{
    __u32 offset = eye_find_tcp(skb);
    const void *data = (const void *)(long)skb->data;
    const void *data_end = (const void *)(long)skb->data_end;
    const struct eye_tcp_header *tcp = data + offset;
    if (offset == 0 || (const void *)(tcp + 1) > data_end) {
        return false;
    }
    __u32 payload = offset + (tcp->data_offset >> 4) * 4;
    if (payload >= skb->len) {
        return false; /* a pure acknowledgement */
    }
    /* A SYN takes a number of its own, which the data of a fast open come behind (RFC 7413). */
    ret_segment->sequence = bpf_ntohl(tcp->sequence) + (tcp->flags & EYE_TCP_SYN ? 1 : 0);
    ret_segment->offset = payload;
    ret_segment->bytes = skb->len - payload;
    ret_segment->source = tcp->source;
    return true;
}

/* Looks at the first bytes of a payload; true when the socket speaks (or may speak) HTTP. */
static __always_inline bool eye_recognise(struct __sk_buff *skb, struct eye_socket *socket,
                                          const struct eye_segment *segment)
{
    __u64 word = 0;
    __u32 bytes = segment->bytes < sizeof(word) ? segment->bytes : sizeof(word);
    long failed = bytes == sizeof(word)
                      ? bpf_skb_load_bytes(skb, segment->offset, &word, sizeof(word))
                      : bpf_skb_load_bytes(skb, segment->offset, &word, 1);
    /* Of a shorter payload the first byte decides whether it is worth a parser. */
    if (failed == 0 && eye_http_looks_like(word, bytes == sizeof(word) ? bytes : 1)) {
        socket->protocol = EYE_PROTOCOL_HTTP;
        return true;
    }
    eye_count_look(socket);
    return false;
}

/* A payload that comes before its socket (first_payload.bpf.h). */
static __always_inline void eye_handle_first_payload(struct __sk_buff *skb, struct bpf_sock *sk,
                                                     const struct eye_segment *segment)
{
    struct eye_first_payload *first =
        eye_begin_first_payload(bpf_sk_storage_get(&sockets, sk, 0, 0), segment->source);
    if (first && eye_recognise(skb, &first->socket, segment)) {
        eye_http_read_first(skb, first, segment->sequence, segment->offset, segment->bytes);
    }
}

static __always_inline void eye_handle_segment(struct __sk_buff *skb, __u32 stream)
{
    struct eye_segment segment;
    struct bpf_sock *sk = skb->sk;
    if (!sk) {
        return;
    }
    bool listener = stream == 1 && sk->state == TCP_LISTEN;
    if (!eye_read_segment(skb, &segment)) {
        if (listener) {
            eye_forget_first_payload();
        }
        return;
    }
    if (listener) {
        eye_handle_first_payload(skb, sk, &segment);
        return;
    }
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!socket) {
        return;
    }
    if (stream == 0) {
        eye_learn_sender(socket, sk);
    }
    if (socket->protocol == EYE_PROTOCOL_NONE ||
        (socket->protocol == EYE_PROTOCOL_UNKNOWN && !eye_recognise(skb, socket, &segment))) {
        return;
    }
    eye_handle_http(skb, sk, socket, segment.sequence, segment.offset, segment.bytes, stream);
}
