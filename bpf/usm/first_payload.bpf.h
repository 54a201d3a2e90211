/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Data that come before their socket. Until a handshake is complete there is only a request socket,
 * and cgroup_skb gets the listener: with TCP_DEFER_ACCEPT, with fast open, and when the bare
 * acknowledgement is lost or withheld, a connection's first payload is filtered there and never
 * again. What the parser makes of it waits in a slot of this CPU, for the child that the same
 * softirq run makes next: ingress(listener) -> LISTEN -> SYN_RECV(child) -> ESTABLISHED(child).
 * A segment that makes no child is one that the kernel refused; the next one takes its place.
 */
#pragma once

#include "bpf/usm/conversations.bpf.h"

struct eye_first_payload {
    struct eye_socket socket;             /* begins as the listener's entry, as the child's does */
    struct eye_conversation conversation; /* in use when the stream has a protocol */
    struct eye_pipeline pipeline;
    struct eye_http2_half half;
    struct eye_http2_requests streams;
    __be16 source; /* port that it came from */
    bool present;
    bool multiplexed; /* `half` and `streams` are in use */
    __u8 switched;    /* eye_switches, when it was left */
    __u8 padding[3];
};

/* 0 -> the last payload filtered at a listener. Written by ingress on listeners, taken by the
 * child. Both run in softirq, of which a CPU has one at a time. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct eye_first_payload);
} first_payloads SEC(".maps");

static __always_inline struct eye_first_payload *eye_first_payload_slot(void)
{
    __u32 only = 0;
    return bpf_map_lookup_elem(&first_payloads, &only);
}

/* In place of a socket's pipeline. */
static __always_inline struct eye_pipeline *eye_first_pipeline(void)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    if (!first) {
        return NULL;
    }
    eye_pin(first); /* the verifier wants the check before the arithmetic */
    return &first->pipeline;
}

/* In place of what a socket has for HTTP/2. */
static __always_inline struct eye_first_payload *eye_first_streams(void)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    if (first && !first->multiplexed) {
        eye_http2_clear(&first->half, &first->streams);
        first->multiplexed = true;
    }
    return first;
}

/* A segment without payload at a listener: the child that it makes has nothing to take. */
static __always_inline void eye_forget_first_payload(void)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    if (first) {
        first->present = false;
    }
}

/* An empty slot for a payload from port @source to a listener, whose entry may be missing. */
static __always_inline struct eye_first_payload *eye_begin_first_payload(
    const struct eye_socket *listener, __be16 source)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    if (!first) {
        return NULL;
    }
    if (listener) {
        first->socket = *listener;
    } else {
        __builtin_memset(&first->socket, 0, sizeof(first->socket));
    }
    first->socket.phase = EYE_SOCKET_LISTENING;
    first->source = source;
    first->present = true;
    first->multiplexed = false;
    return first;
}
