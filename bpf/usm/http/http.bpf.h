/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1 in the kernel: where parser state lives, how an skb is read, how a record is sent. */
#pragma once

#include "bpf/tracer/tcp.bpf.h"

#include "bpf/usm/http/http.h"
#include "bpf/usm/segment.bpf.h"

#define EYE_REQUESTS_WAKE_BYTES (256 * 1024)

/*
 * Steps per payload behind the first one, a product because the verifier follows every round of a
 * loop, but a function only once. 64 KiB hold 4681 of the shortest messages ("X / HTTP/1.1" and
 * "HTTP/1.1 200", each with two LFs); larger buffers of such (BIG TCP) are cut, counted.
 */
#define EYE_HTTP_STEPS_AT_ONCE 64
#define EYE_HTTP_STEPS_ROUNDS 80

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

static __always_inline bool eye_http_send(struct eye_http *http, struct eye_socket *socket,
                                          struct eye_http_request *request)
{
    struct eye_request_head *head = &request->head;
    head->owner = socket->owner;
    head->port = socket->port;
    head->flags |= http->requests_in == EYE_HTTP_REQUESTS_SENT ? EYE_REQUEST_CLIENT : 0;
    __u64 wake = eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES);
    __u64 body_bytes = head->body_bytes; /* read here: 6.1 forgets the bounds of what is spilled */
    eye_pin(body_bytes);
    if (body_bytes > sizeof(request->body)) {
        return true;
    }
    if (bpf_ringbuf_output(&requests, head, sizeof(*head) + body_bytes, wake) != 0) {
        return false;
    }
    return true;
}

static __always_inline void eye_http_emit(struct eye_http_run *run,
                                          struct eye_http_request *request)
{
    if (!eye_http_send(run->http, eye_http_environment(run)->socket, request)) {
        eye_http_lose(run->http, EYE_LOSS_HTTP_RING, 1);
    }
}

/* Bytes sent count from the moment at which the segment is handed down, so this one's do. A subflow
 * of MPTCP may begin in the midst of messages, and hold the answers of other ones. */
static __always_inline bool eye_http_is_first(struct eye_http_run *run)
{
    struct eye_http_skb *environment = eye_http_environment(run);
    if (environment->listener) {
        return true;
    }
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(environment->sk);
    if (!tcp || tcp->bytes_received != 0 || eye_is_subflow(tcp)) {
        return false;
    }
    __u32 sequence = run->at.origin + run->at.offset;
    return run->at.stream == 0 ? tcp->bytes_sent == run->at.end - run->at.offset
                               : tcp->bytes_sent == 0 && tcp->rcv_nxt == sequence;
}

/* What is sent needs no such question: the socket itself made it. A segment waits in the backlog
 * while a process uses the socket, so what is accepted may lag behind, and never runs ahead. */
static __always_inline bool eye_http_ask_receiver(struct eye_http_run *run,
                                                  struct eye_http_receiver *ret_receiver)
{
    struct eye_http_skb *environment = eye_http_environment(run);
    if (run->at.stream == 0 || environment->listener || environment->sk->state == TCP_SYN_SENT) {
        return false;
    }
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(environment->sk);
    if (!tcp) {
        return false;
    }
    ret_receiver->accepted = tcp->rcv_nxt;
    ret_receiver->end = tcp->rcv_wup + tcp->rcv_wnd;
    /* Not snd_nxt, which the kernel sets after the segment has left. */
    ret_receiver->sent = tcp->write_seq;
    return true;
}

EYE_PART int eye_http_resolve_part(struct __sk_buff *skb, struct eye_http *http,
                                   struct eye_http_cursor *cursor, __u32 sequence, __u32 bytes)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !http || !cursor) {
        return 0;
    }
    struct eye_http_skb environment = {.skb = skb, .sk = sk, .listener = sk->state == TCP_LISTEN};
    struct eye_http_run run = {.http = http, .environment = &environment, .at = *cursor};
    return eye_http_resolve(&run, sequence, bytes);
}

static __always_inline bool eye_http_place_odd(struct eye_http_run *run, __u32 sequence,
                                               __u32 bytes)
{
    struct eye_http_cursor cursor = run->at;
    return eye_http_resolve_part(eye_http_environment(run)->skb, run->http, &cursor, sequence,
                                 bytes);
}

/* Tells who suffers: the losses of this connection since the last time that the ring took them. */
EYE_PART int eye_http_report(struct eye_http *http, struct eye_socket *socket)
{
    if (!http || !socket) {
        return 0;
    }
    http->troubled = 0;
    for (__u32 i = 0; i < EYE_HTTP_LOSS_COUNT; i++) {
        if (http->lost[i] == 0) {
            continue;
        }
        struct eye_loss_record record = {
            .owner = socket->owner,
            .amount = http->lost[i],
            .port = socket->port,
            .loss = EYE_HTTP_LOSS_FIRST + i,
            .client = http->requests_in == EYE_HTTP_REQUESTS_SENT,
        };
        if (bpf_ringbuf_output(&requests, &record, sizeof(record),
                               eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES)) != 0) {
            http->troubled = 1; /* again with the next payload */
            continue;
        }
        http->lost[i] = 0;
    }
    return 0;
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
    for (int i = 0; i < EYE_HTTP_STEPS_AT_ONCE; i++) {
        if (!eye_http_advance(skb, http, socket, cursor)) {
            return 0;
        }
    }
    return 1;
}

EYE_PART int eye_http_go_far(struct __sk_buff *skb, struct eye_http *http,
                             struct eye_socket *socket, struct eye_http_cursor *cursor)
{
    for (int i = 0; i < EYE_HTTP_STEPS_ROUNDS; i++) {
        if (!eye_http_go_on(skb, http, socket, cursor)) {
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
    if (verdict == EYE_HTTP_ENDED) {
        socket->protocol = EYE_PROTOCOL_TUNNEL;
        socket->flags |= EYE_SOCKET_RECOGNISED;
    } else {
        socket->protocol = EYE_PROTOCOL_UNKNOWN;
        eye_count_look(socket);
    }
    eye_http_forget_requests(http);
    if (http->troubled) {
        eye_http_report(http, socket);
    }
    bpf_sk_storage_delete(&http_sockets, environment->sk);
    bpf_sk_storage_delete(&http_pipelines, environment->sk);
}

/* More messages in one payload than the work allowed: where the next one starts is not known. */
static __always_inline void eye_http_exhaust(struct eye_http_run *run,
                                             struct eye_http_stream *stream)
{
    eye_http_lose(run->http, EYE_LOSS_HTTP_STEPS, 1);
    eye_http_doubt(run->http, run->at.stream, run->at.acknowledged);
    stream->phase = EYE_HTTP_LOST;
    stream->held = 0;
}

static __always_inline struct eye_http_cursor eye_http_cursor_at(const struct eye_segment *segment,
                                                                 __u32 stream)
{
    struct eye_http_cursor cursor = {
        .stream = stream,
        .offset = segment->offset,
        .end = segment->offset + segment->bytes,
        .origin = segment->sequence - segment->offset,
        .acknowledged = segment->acknowledged,
        .opening = segment->opening,
    };
    return cursor;
}

/* The FIN of a direction that is closed takes a number, too: whoever acknowledges it has not seen a
 * byte more than we have. */
static __always_inline void eye_http_discount_fin(struct eye_http_run *run,
                                                  const struct bpf_sock *sk)
{
    const struct eye_http_stream *other = &run->http->streams[(run->at.stream ^ 1) & 1];
    if (sk->state != TCP_ESTABLISHED && run->at.acknowledged == other->next_sequence + 1) {
        run->at.acknowledged--;
    }
}

/* One payload of a socket that speaks HTTP. @stream: 0 sent, 1 received. */
static __always_inline void eye_handle_http(struct __sk_buff *skb, struct bpf_sock *sk,
                                            struct eye_socket *socket,
                                            const struct eye_segment *segment, __u32 stream)
{
    struct eye_http *http = bpf_sk_storage_get(&http_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!http) {
        eye_lose(EYE_LOSS_HTTP_STORAGE, 1);
        return;
    }
    struct eye_http_skb environment = {.skb = skb, .sk = sk, .socket = socket};
    struct eye_http_run run = {
        .http = http,
        .environment = &environment,
        .at = eye_http_cursor_at(segment, stream),
    };
    eye_http_discount_fin(&run, sk);
    run.at.offset += eye_forget(eye_http_place(&run, segment->sequence, segment->bytes));
    /* Mostly the payload is one message and one step. */
    if (eye_http_step(&run)) {
        struct eye_http_cursor cursor = run.at; /* a copy, so that run.at can live in registers */
        eye_http_go_far(skb, http, socket, &cursor);
        run.at = cursor;
    }
    if (run.at.verdict != EYE_HTTP_GO_ON) {
        eye_http_leave(&environment, http, run.at.verdict);
        return;
    }
    struct eye_http_stream *at = &http->streams[stream & 1];
    if (run.at.offset < run.at.end && at->phase != EYE_HTTP_IGNORE) {
        eye_http_exhaust(&run, at);
    }
    if (http->troubled) {
        eye_http_report(http, socket);
    }
}

/* What ended the connection, seen from a request that waits for its answer. */
static __always_inline __u8 eye_http_error_of(const struct sock *sk, const struct eye_http *http,
                                              int old_state)
{
    bool client = http->requests_in == EYE_HTTP_REQUESTS_SENT;
    bool peer_first = old_state == TCP_LAST_ACK || old_state == TCP_CLOSE_WAIT;
    switch (sk->sk_err) {
    case 0:
        break;
    case ECONNRESET:
    case EPIPE: /* tcp_reset() in CLOSE_WAIT */
        return EYE_REQUEST_RESET;
    case ETIMEDOUT:
        return EYE_REQUEST_TIMEOUT;
    default:
        return EYE_REQUEST_FAILED;
    }
    if (client != peer_first) {
        return EYE_REQUEST_CANCELLED;
    }
    /* A server that leaves ESTABLISHED for CLOSE at once has sent a reset. */
    return old_state == TCP_ESTABLISHED ? EYE_REQUEST_RESET : EYE_REQUEST_CLOSED;
}

/* Were bytes of responses sent or received that the parser has not read? A FIN counts as one. What
 * was taken for a body without an end may have held responses. */
static __always_inline bool eye_http_missed_bytes(const struct eye_http *http,
                                                  const struct tcp_sock *tcp)
{
    bool client = http->requests_in == EYE_HTTP_REQUESTS_SENT;
    const struct eye_http_stream *responses = &http->streams[client ? 1 : 0];
    __u32 next = client ? tcp->rcv_nxt : tcp->snd_nxt;
    return !(responses->flags & EYE_HTTP_SYNCED) || responses->phase == EYE_HTTP_IGNORE ||
           eye_http_is_behind(responses->next_sequence + 1, next);
}

EYE_PART int eye_http_end_request(struct eye_http *http, struct eye_socket *socket,
                                  struct eye_http_request *request, __u64 now_ns, __u32 error)
{
    if (!http || !socket || !request) {
        return 0;
    }
    request->head.duration_ns = now_ns - request->started_ns;
    request->head.code = error;
    request->head.flags |= EYE_REQUEST_UNANSWERED;
    if (!eye_http_send(http, socket, request)) {
        eye_http_lose(http, EYE_LOSS_HTTP_RING, 1);
    }
    return 0;
}

/* The requests that wait will not be answered: each is reported with what ended the connection. */
static __always_inline void eye_http_end_requests(struct sock *sk, struct eye_http *http,
                                                  struct eye_socket *socket, __u8 error)
{
    struct eye_http_pipeline *pipeline = bpf_sk_storage_get(&http_pipelines, sk, 0, 0);
    __u64 now_ns = bpf_ktime_get_ns();
    for (int i = 0; i < EYE_HTTP_PIPELINE; i++) {
        __u64 place = http->popped % EYE_HTTP_PIPELINE;
        if (http->popped == http->pushed) {
            break;
        }
        http->popped++;
        if (place == 0) {
            eye_http_end_request(http, socket, &http->first, now_ns, error);
        } else if (pipeline) {
            eye_pin(place);
            eye_http_end_request(http, socket, &pipeline->slots[place & (EYE_HTTP_PIPELINE - 1)],
                                 now_ns, error);
        }
    }
}

/* The connection is closed. */
static __always_inline void eye_http_on_close(struct sock *sk, struct eye_socket *socket,
                                              int old_state)
{
    struct eye_http *http = bpf_sk_storage_get(&http_sockets, sk, 0, 0);
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!http || !tcp) {
        return;
    }
    socket->flags |= http->confirmed ? EYE_SOCKET_RECOGNISED : 0;
    if (eye_http_waiting(http) > 0) {
        eye_learn_closer(socket, sk);
        if (eye_http_is_paired(http) && !eye_http_missed_bytes(http, tcp)) {
            eye_http_end_requests(sk, http, socket, eye_http_error_of(sk, http, old_state));
        }
        eye_http_forget_requests(http);
    }
    if (http->troubled) {
        eye_http_report(http, socket);
    }
}

/* A socket that connects, perhaps not for the first time: the last connection's parser is not this
 * one's. */
static __always_inline void eye_http_on_connect(struct sock *sk)
{
    bpf_sk_storage_delete(&http_sockets, sk);
    bpf_sk_storage_delete(&http_pipelines, sk);
}
