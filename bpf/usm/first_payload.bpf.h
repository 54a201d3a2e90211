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

#include "bpf/tracer/tcp.bpf.h"
#include "bpf/usm/http/http.bpf.h"

struct eye_first_payload {
    struct eye_socket socket; /* begins as the listener's entry, as the child's does */
    struct eye_http http;     /* in use when socket.protocol says so */
    struct eye_http_pipeline pipeline;
    __be16 source; /* port that it came from */
    bool present;
    __u8 padding[5];
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

/* In place of a socket's pipeline (http.bpf.h). */
static __always_inline struct eye_http_pipeline *eye_http_first_pipeline(void)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    if (!first) {
        return NULL;
    }
    eye_pin(first); /* the verifier wants the check before the arithmetic */
    return &first->pipeline;
}

/* A segment without payload at a listener: the child that it makes has nothing to take. */
static __always_inline void eye_forget_first_payload(void)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    if (first) {
        first->present = false;
    }
}

/* As new; windows and requests are written before they are read. */
static __always_inline void eye_http_begin(struct eye_http *http)
{
    __builtin_memset(&http->streams[0], 0, __builtin_offsetof(struct eye_http_stream, window));
    __builtin_memset(&http->streams[1], 0, __builtin_offsetof(struct eye_http_stream, window));
    __builtin_memset(&http->pushed, 0,
                     __builtin_offsetof(struct eye_http, first) -
                         __builtin_offsetof(struct eye_http, pushed));
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
    eye_http_begin(&first->http);
    first->source = source;
    first->present = true;
    return first;
}

/* Reads a payload that looks like HTTP, wholly by calls: it is rare, and the verifier has seen
 * them. What cannot be followed to its end leaves a socket of which nothing is known. */
static __always_inline void eye_http_read_first(struct __sk_buff *skb,
                                                struct eye_first_payload *first,
                                                const struct eye_segment *segment)
{
    struct eye_http_cursor cursor = eye_http_cursor_at(segment, 1);
    eye_http_resolve_part(skb, &first->http, &cursor, segment->sequence, segment->bytes);
    first->http.streams[1].next_sequence = segment->sequence + segment->bytes;
    eye_http_go_far(skb, &first->http, &first->socket, &cursor);
    if (cursor.verdict == EYE_HTTP_GO_ON && cursor.offset >= cursor.end) {
        return;
    }
    if (cursor.verdict == EYE_HTTP_GO_ON) {
        eye_http_lose(&first->http, EYE_LOSS_HTTP_STEPS, 1);
    }
    eye_http_forget_requests(&first->http);
    first->socket.protocol = EYE_PROTOCOL_UNKNOWN;
    eye_count_look(&first->socket);
}

/* The parser's state moves to the child. */
static __always_inline void eye_adopt_http(struct sock *sk, struct eye_first_payload *first)
{
    bool deep = first->http.pushed + first->http.noted > 1;
    if ((deep &&
         !bpf_sk_storage_get(&http_pipelines, sk, &first->pipeline, BPF_SK_STORAGE_GET_F_CREATE)) ||
        !bpf_sk_storage_get(&http_sockets, sk, &first->http, BPF_SK_STORAGE_GET_F_CREATE)) {
        eye_lose(EYE_LOSS_HTTP_STORAGE, 1);
    }
}

/* LISTEN -> SYN_RECV of a child. Its ports are set behind that on kernels as old as 6.1
 * (inet_csk_clone_lock()): the listener has no peer's. */
static __always_inline void eye_take_first_payload(struct sock *sk, struct eye_socket *socket)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    __be16 peer = sk->__sk_common.skc_dport;
    if (!first || !tcp || !first->present || (peer != 0 && peer != first->source)) {
        return;
    }
    first->present = false;
    *socket = first->socket;
    /* It may answer before it is open, in SYN_RECV. */
    eye_note_incoming(tcp, socket);
    if (socket->protocol == EYE_PROTOCOL_HTTP) {
        eye_adopt_http(sk, first);
    }
}
