/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of a conversation when the state of its socket changes: it is taken over from the
 * listener, ends with the connection, or is another one's when the socket connects again. */
#pragma once

#include "bpf/tracer/tcp.bpf.h"
#include "bpf/usm/ends.h"
#include "bpf/usm/first_payload.bpf.h"
#include "bpf/usm/switches.bpf.h"

/* The conversation moves to the child. */
static __always_inline void eye_adopt_conversation(struct sock *sk, struct eye_first_payload *first)
{
    const struct eye_queue *queue = &first->conversation.queue;
    bool deep = queue->pushed + queue->noted > 1;
    if ((deep &&
         !bpf_sk_storage_get(&pipelines, sk, &first->pipeline, BPF_SK_STORAGE_GET_F_CREATE)) ||
        (first->multiplexed && (!bpf_sk_storage_get(&http2_received_halves, sk, &first->half,
                                                    BPF_SK_STORAGE_GET_F_CREATE) ||
                                !bpf_sk_storage_get(&http2_requests, sk, &first->streams,
                                                    BPF_SK_STORAGE_GET_F_CREATE))) ||
        !bpf_sk_storage_get(&conversations, sk, &first->conversation,
                            BPF_SK_STORAGE_GET_F_CREATE)) {
        eye_lose(EYE_LOSS_OF_PARSER((__u32)first->conversation.protocol) + EYE_LOST_STORAGE, 1);
    }
}

/* Nobody has taken it, and the payload programs have been there since. */
static __always_inline bool eye_is_fresh(const struct eye_first_payload *first)
{
    return first->present && first->switched == eye_switches && !eye_all_off();
}

/* LISTEN -> SYN_RECV of a child. Its ports are set behind that on kernels as old as 6.1
 * (inet_csk_clone_lock()): the listener has no peer's. */
static __always_inline void eye_take_first_payload(struct sock *sk, struct eye_socket *socket)
{
    struct eye_first_payload *first = eye_first_payload_slot();
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    __be16 peer = sk->__sk_common.skc_dport;
    if (!first || !tcp || !eye_is_fresh(first) || (peer != 0 && peer != first->source)) {
        return;
    }
    first->present = false;
    *socket = first->socket;
    /* It may answer before it is open, in SYN_RECV. */
    eye_note_incoming(tcp, socket);
    if (eye_has_protocol(&socket->stream)) {
        eye_note_whose(&first->conversation, socket->stream.owner, socket->stream.port);
        eye_adopt_conversation(sk, first);
    }
}

/* What ended the connection, seen from a request that waits for its answer. */
static __always_inline __u8 eye_request_error_of(const struct sock *sk,
                                                 const struct eye_conversation *conversation,
                                                 int old_state)
{
    bool client = conversation->client == EYE_CLIENT_THIS_END;
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
static __always_inline bool eye_missed_bytes(const struct eye_conversation *conversation,
                                             const struct tcp_sock *tcp)
{
    bool client = conversation->client == EYE_CLIENT_THIS_END;
    __u32 side = client ? EYE_RECEIVED : EYE_SENT;
    __u32 next = client ? tcp->rcv_nxt : tcp->snd_nxt;
    const struct eye_half *responses = &conversation->halves[side];
    return !responses->synced || responses->phase == EYE_PHASE_IGNORE ||
           eye_is_behind(responses->next_sequence + 1, next);
}

/* The connection is closed. */
static __always_inline void eye_end_conversation(struct sock *sk, struct eye_socket *socket,
                                                 int old_state)
{
    struct eye_stream *stream = &socket->stream;
    struct eye_conversation *conversation = bpf_sk_storage_get(&conversations, sk, 0, 0);
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!conversation || !tcp) {
        return;
    }
    stream->recognised |= conversation->confirmed;
    if (!eye_is_followed(stream, stream->protocol)) {
        return; /* switched off: nobody asks what became of its requests */
    }
    struct eye_http2_requests *streams = bpf_sk_storage_get(&http2_requests, sk, 0, 0);
    bool waits = eye_waiting(&conversation->queue) > 0;
    __u32 error = 0;
    if (waits || streams) {
        eye_learn_closer(socket, sk);
        eye_note_whose(conversation, stream->owner, stream->port);
        if (!eye_missed_bytes(conversation, tcp)) {
            error = eye_request_error_of(sk, conversation, old_state);
        }
    }
    if (waits && error && eye_is_certain(conversation)) {
        eye_end_requests(conversation, bpf_sk_storage_get(&pipelines, sk, 0, 0), error);
    }
    if (waits) {
        eye_forget_requests(conversation);
    }
    if (streams) {
        eye_end_streams(conversation, streams, bpf_sk_storage_get(&http2_more, sk, 0, 0),
                        bpf_sk_storage_get(&http2_most, sk, 0, 0), error);
    }
    if (conversation->troubled) {
        eye_report(conversation);
    }
}

/* A socket that connects, perhaps not for the first time: the last connection's conversation is not
 * this one's. */
static __always_inline void eye_drop_conversation(struct sock *sk)
{
    eye_delete_conversation(sk);
}
