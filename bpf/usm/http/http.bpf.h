/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1 in the kernel: where parser state lives, how an skb is read, how a record is sent. */
#pragma once

#include "bpf/maps.bpf.h"

#include "bpf/usm/http/http.h"

#define EYE_REQUESTS_WAKE_BYTES (256 * 1024)

/* Steps per payload; 64 KiB of the shortest pipelined requests are about 3000. */
#define EYE_HTTP_STEPS_MAX 4096

/* socket -> struct eye_http. Made when the first bytes look like HTTP/1. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_http);
} http_sockets SEC(".maps");

/* socket -> struct eye_http_pipeline. Made when a second request is in flight. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_http_pipeline);
} http_pipelines SEC(".maps");

/* What the parser's callbacks need. */
struct eye_http_skb {
    struct __sk_buff *skb;
    struct bpf_sock *sk;
    struct eye_socket *socket;
    bool listener; /* sk has not made the socket yet that this belongs to */
};

/* Of what a listener receives (first_payload.bpf.h). */
static __always_inline struct eye_http_pipeline *eye_http_first_pipeline(void);

static __always_inline struct eye_http_skb *eye_http_environment(struct eye_http_run *run)
{
    return run->environment;
}

static __always_inline long eye_http_load(struct eye_http_run *run, __u32 offset, void *target,
                                          __u32 bytes)
{
    struct eye_http_skb *environment = eye_http_environment(run);
    return bpf_skb_load_bytes(environment->skb, offset, target, bytes);
}

/*
 * TCP stamps a segment with CLOCK_MONOTONIC just before it leaves (skb->tstamp, the departure
 * time, __tcp_transmit_skb): free, where reading the clock costs more than the parsing.
 */
static __always_inline __u64 eye_http_time(struct eye_http_run *run)
{
    if (run->at.now_ns == 0) {
        struct eye_http_skb *environment = eye_http_environment(run);
        __u64 departure = run->at.stream == 0 ? environment->skb->tstamp : 0;
        run->at.now_ns = departure ? departure : bpf_ktime_get_ns();
    }
    return run->at.now_ns;
}

static __always_inline struct eye_http_request *eye_http_slot(struct eye_http_run *run, __u32 index)
{
    __u64 place = index % EYE_HTTP_PIPELINE;
    if (place == 0) {
        return &run->http->first;
    }
    struct eye_http_skb *environment = eye_http_environment(run);
    struct eye_http_pipeline *pipeline =
        environment->listener
            ? eye_http_first_pipeline()
            : bpf_sk_storage_get(&http_pipelines, environment->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!pipeline) {
        return NULL;
    }
    eye_pin(pipeline); /* the verifier wants the check before the arithmetic */
    eye_pin(place);
    return &pipeline->slots[place & (EYE_HTTP_PIPELINE - 1)];
}

static __always_inline void eye_http_emit(struct eye_http_run *run,
                                          struct eye_http_request *request)
{
    struct eye_socket *socket = eye_http_environment(run)->socket;
    struct eye_request_record *record = &request->record;
    record->owner = socket->owner;
    record->port = socket->port;
    if (run->http->requests_in == EYE_HTTP_REQUESTS_SENT) {
        record->flags |= EYE_REQUEST_CLIENT;
    }
    __u64 wake = eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES);
    __u64 path_bytes =
        record->path_bytes; /* read here: 6.1 forgets the bounds of what is spilled */
    eye_pin(path_bytes);
    if (path_bytes > EYE_HTTP_PATH_BYTES) {
        return;
    }
    if (bpf_ringbuf_output(&requests, record, sizeof(*record) + path_bytes, wake) != 0) {
        eye_lose(EYE_LOSS_HTTP_RING, 1);
    }
}

/* One step; 0: the payload is used up. Verified once, not once per round of the loop around it. */
EYE_PART int eye_http_advance(struct __sk_buff *skb, struct eye_http *http,
                              struct eye_socket *socket, struct eye_http_cursor *cursor)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !http || !socket || !cursor) {
        return 0;
    }
    struct eye_http_skb environment = {
        .skb = skb, .sk = sk, .socket = socket, .listener = sk->state == TCP_LISTEN};
    struct eye_http_run run = {.http = http, .environment = &environment, .at = *cursor};
    int more = eye_http_step(&run);
    *cursor = run.at;
    return more;
}

/* The steps behind the first one. Kernel 7.2 verifies nearly a million instructions when
 * bpf_loop() calls the step (8 times what 6.18 does), and 5.17 is the first that has it. */
EYE_PART int eye_http_go_on(struct __sk_buff *skb, struct eye_http *http, struct eye_socket *socket,
                            struct eye_http_cursor *cursor)
{
    for (int i = 0; i < EYE_HTTP_STEPS_MAX; i++) {
        if (!eye_http_advance(skb, http, socket, cursor)) {
            break;
        }
    }
    return 0;
}

/* The parser has nothing more to do here: not HTTP after all, or no longer. */
static __always_inline void eye_http_leave(struct eye_http_skb *environment, struct eye_http *http,
                                           __u32 verdict)
{
    struct eye_socket *socket = environment->socket;
    socket->protocol = verdict == EYE_HTTP_ENDED ? EYE_PROTOCOL_NONE : EYE_PROTOCOL_UNKNOWN;
    eye_count_look(socket);
    eye_http_forget_requests(http);
    bpf_sk_storage_delete(&http_sockets, environment->sk);
}

/* One payload of a socket that speaks HTTP. @stream: 0 sent, 1 received. */
static __always_inline void eye_handle_http(struct __sk_buff *skb, struct bpf_sock *sk,
                                            struct eye_socket *socket, __u32 sequence, __u32 offset,
                                            __u32 bytes, __u32 stream)
{
    struct eye_http *http = bpf_sk_storage_get(&http_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!http) {
        eye_lose(EYE_LOSS_HTTP_STORAGE, 1);
        return;
    }
    __u32 seen = eye_http_place(http, stream, sequence, bytes);
    if (seen >= bytes) {
        return;
    }
    struct eye_http_skb environment = {.skb = skb, .sk = sk, .socket = socket};
    struct eye_http_run run = {
        .http = http,
        .environment = &environment,
        .at = {.stream = stream, .offset = offset + seen, .end = offset + bytes},
    };
    /* Mostly the payload is one message and one step. */
    if (eye_http_step(&run)) {
        struct eye_http_cursor cursor = run.at; /* a copy, so that run.at can live in registers */
        eye_http_go_on(skb, http, socket, &cursor);
        run.at = cursor;
    }
    if (run.at.verdict != EYE_HTTP_GO_ON) {
        eye_http_leave(&environment, http, run.at.verdict);
    } else if (run.at.offset < run.at.end && http->streams[stream & 1].phase != EYE_HTTP_IGNORE) {
        eye_lose(EYE_LOSS_HTTP_STEPS, 1);
        eye_http_forget_requests(http);
        http->streams[stream & 1].phase = EYE_HTTP_LOST;
    }
}

/* The connection is closed: requests that wait will not be answered. */
static __always_inline void eye_http_on_close(struct sock *sk)
{
    struct eye_http *http = bpf_sk_storage_get(&http_sockets, sk, 0, 0);
    if (http) {
        eye_http_forget_requests(http);
    }
}
