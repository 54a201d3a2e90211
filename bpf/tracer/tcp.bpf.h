/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a TCP connection, from state changes and from the live iterator. The kernel counts
 * bytes, segments, retransmits and RTT in tcp_sock already; here they are only read, once per
 * interval for sockets that moved and once at the end.
 */
#pragma once

#include "bpf/process/owner.bpf.h"
#include "bpf/tracer/counters.bpf.h"
#include "bpf/tracer/gathered.bpf.h"
#include "bpf/tracer/looks.bpf.h"
#include "bpf/tracer/queue.bpf.h"
#include "bpf/tracer/states.h"

#define EYE_CONNECTIONS_WAKE_BYTES (64 * 1024)

/* Written by the collector, but for `met`; see nat.bpf.h. */
struct {
    __u64 layout; /* EYE_CONNTRACK_LAYOUT(); 0: not known yet */
    bool looks;   /* at packets that leave, there are programs for them */
    bool met;     /* an entry, whose fields nobody knew */
} eye_conntrack = {};

static __always_inline bool eye_moved(const struct eye_counters *now,
                                      const struct eye_counters *before)
{
    return now->sent_segments != before->sent_segments ||
           now->received_segments != before->received_segments ||
           now->received_bytes != before->received_bytes || now->sent_bytes != before->sent_bytes;
}

/* Of two clocks, or CPUs, that may disagree by some nanoseconds. */
static __always_inline __u64 eye_elapsed(__u64 now_ns, __u64 then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* What is true by @claim. Of what an iterator gets the verifier takes constant offsets only, so no
 * arithmetic may come of the choice. */
static __always_inline struct eye_reported *eye_reported_by(struct eye_socket *socket, __u64 claim)
{
    struct eye_reported *reported = &socket->reported[0];
    if (claim & EYE_CLAIM_SECOND) {
        reported = &socket->reported[1];
        eye_pin(reported);
    }
    return reported;
}

/* 64-bit counters of one socket never go back; if they do, the difference is unknown. */
static __always_inline __u64 eye_increase(__u64 now, __u64 before)
{
    if (now < before) {
        eye_lose(EYE_LOSS_TCP_COUNTERS, 1);
        return 0;
    }
    return now - before;
}

/* Within a pass it stays what it was counted as. */
static __always_inline __u8 eye_nat_in(const struct eye_socket *socket,
                                       const struct eye_reported *reported, __u32 pass)
{
    if (reported->pass == pass) {
        return reported->nat;
    }
    bool known = eye_conntrack.looks && (eye_conntrack.layout || !eye_conntrack.met);
    return known ? socket->nat : EYE_NAT_UNKNOWN;
}

/* Everything but flags and counters of the pass. The record must be zeroed. */
static __always_inline void eye_fill_record(struct eye_connection_record *record,
                                            const struct eye_socket *socket,
                                            const struct eye_reported *reported,
                                            const struct tcp_sock *tcp,
                                            const struct eye_counters *now)
{
    const struct eye_counters *before = &reported->counters;
    const struct inet_sock *inet = &tcp->inet_conn.icsk_inet;
    const struct sock_common *common = &inet->sk.__sk_common;
    record->sent_bytes = eye_increase(now->sent_bytes, before->sent_bytes);
    record->received_bytes = eye_increase(now->received_bytes, before->received_bytes);
    record->sent_segments = now->sent_segments - before->sent_segments;
    record->received_segments = now->received_segments - before->received_segments;
    record->retransmits = now->retransmits - before->retransmits;
    record->rtt_us = tcp->srtt_us >> 3;
    record->owner = socket->stream.owner;
    record->previous_owner = reported->counted_owner;
    record->protocol = eye_spoken(&socket->stream);
    record->previous_protocol = reported->counted_protocol;
    record->pass = eye_pass;
    record->netns = common->skc_net.net->ns.inum;
    record->port = socket->stream.port;
    record->direction = socket->direction;
    record->family = socket->family;
    record->local_port = bpf_ntohs(inet->inet_sport); /* not skc_num, which is zero at the close */
    record->remote_port = bpf_ntohs(common->skc_dport);
    eye_fill_remote(record->remote, common);
    eye_fill_address(record->local, common->skc_family, common->skc_rcv_saddr,
                     &common->skc_v6_rcv_saddr);
    record->nat = eye_nat_in(socket, reported, record->pass);
    if (record->nat & EYE_NAT_DESTINATION) {
        eye_fill_translation(tcp, record->remote, &record->port);
    }
    if (!(socket->flags & EYE_SOCKET_OLDER) && reported->pass == 0) {
        record->flags |= EYE_CONNECTION_OPENED;
        record->connect_us = socket->connect_us;
    }
}

static __always_inline __u8 eye_failure_of(int error)
{
    switch (error) {
    case 0:
        return EYE_FAILURE_NONE;
    case ECONNREFUSED:
        return EYE_FAILURE_REFUSED;
    case ETIMEDOUT:
        return EYE_FAILURE_TIMEOUT;
    case ECONNRESET:
    case EPIPE: /* tcp_reset() in CLOSE_WAIT */
        return EYE_FAILURE_RESET;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EACCES: /* ICMPv6: prohibited; of IPv4 that is EHOSTUNREACH */
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT:
        return EYE_FAILURE_UNREACHABLE;
    case ECONNABORTED: /* ss -K */
        return EYE_FAILURE_CANCELLED;
    default:
        return EYE_FAILURE_OTHER;
    }
}

static __always_inline bool eye_is_icmp_error(const struct sock_extended_err *error)
{
    return error->ee_origin == SO_EE_ORIGIN_ICMP || error->ee_origin == SO_EE_ORIGIN_ICMP6;
}

/*
 * The ICMP error that came since connect(), out of the socket's error queue; 0: none. From 5.17 on
 * (45af29ca761c) IPv4 leaves each one there, and wakes the program; of IPv6 only sockets with
 * IPV6_RECVERR have them.
 */
static __always_inline int eye_icmp_error_of(const struct sock *sk, const struct eye_socket *socket)
{
    const struct sk_buff_head *queue = &sk->sk_error_queue;
    if (!bpf_core_type_exists(struct sock_exterr_skb) || queue->qlen == 0 ||
        (__u8)queue->qlen == socket->errors_before) {
        return 0;
    }
    const struct sock_exterr_skb *newest = (const struct sock_exterr_skb *)queue->prev->cb;
    return eye_is_icmp_error(&newest->ee) ? (int)newest->ee.ee_errno : 0;
}

/*
 * Why there was no connection, as its program was told. An ICMP error that finds the socket in use
 * (in connect(): whenever the router is a namespace or a rule of this host) does not end it: it is
 * left in sk_err_soft. SO_ERROR clears that, so the close which follows finds it in the error queue
 * only. What connect() returns itself is nowhere.
 */
static __always_inline __u8 eye_failure_to_connect(const struct sock *sk,
                                                   const struct eye_socket *socket)
{
    int error = sk->sk_err;
    if (error == 0) {
        error = sk->sk_err_soft;
    }
    if (error == 0) {
        error = eye_icmp_error_of(sk, socket);
    }
    if (error == 0) {
        return sk->sk_socket->state == SS_UNCONNECTED ? EYE_FAILURE_OTHER : EYE_FAILURE_CANCELLED;
    }
    return eye_failure_of(error);
}

/* The last record of a socket, written in the ring itself: established ones close, others fail. */
static __always_inline void eye_report_end(const struct eye_socket *socket,
                                           const struct eye_reported *reported,
                                           const struct tcp_sock *tcp, __u8 kind)
{
    struct eye_connection_record *record = bpf_ringbuf_reserve(&connections, sizeof(*record), 0);
    if (!record) {
        eye_lose(EYE_LOSS_TCP_RING, 1);
        return;
    }
    struct eye_counters now;
    const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
    __builtin_memset(record, 0, sizeof(*record));
    eye_read_counters(tcp, false, &now);
    eye_fill_record(record, socket, reported, tcp, &now);
    record->kind = kind;
    if (kind == EYE_CONNECTION_CLOSED) {
        record->failure = eye_failure_of(sk->sk_err);
        record->flags |= reported->pass == record->pass ? EYE_CONNECTION_LEAVES : 0;
        record->flags |= eye_is_unrecognised(&socket->stream) ? EYE_CONNECTION_UNRECOGNISED : 0;
        record->lifetime_ns =
            socket->since_ns ? eye_elapsed(bpf_ktime_get_ns(), socket->since_ns) : 0;
    } else {
        record->failure = eye_failure_to_connect(sk, socket);
        record->flags = 0;
    }
    bpf_ringbuf_submit(record, eye_wake_flag(&connections, EYE_CONNECTIONS_WAKE_BYTES));
}

static __always_inline struct eye_socket *eye_find_socket(struct sock *sk)
{
    return bpf_sk_storage_get(&sockets, sk, 0, 0);
}

static __always_inline struct eye_socket *eye_make_socket(struct sock *sk)
{
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!socket) {
        eye_lose(EYE_LOSS_TCP_STORAGE, 1);
    }
    return socket;
}

static __always_inline void eye_note_outgoing(struct sock *sk, struct eye_socket *socket)
{
    socket->phase = EYE_SOCKET_CONNECTING;
    socket->errors_before = (__u8)sk->sk_error_queue.qlen;
    socket->direction = EYE_OUTGOING;
    socket->family = eye_family_of(&sk->__sk_common);
    socket->stream.port = bpf_ntohs(sk->__sk_common.skc_dport);
}

/* A listener's child: its owner is the listener's until it shows itself. */
static __always_inline void eye_note_incoming(const struct tcp_sock *tcp, struct eye_socket *socket)
{
    const struct inet_sock *inet = &tcp->inet_conn.icsk_inet;
    socket->direction = EYE_INCOMING;
    socket->connect_us = 0; /* a listener has something else there */
    socket->family = eye_family_of(&inet->sk.__sk_common);
    /* Not skc_num, which is zero at the close. */
    socket->stream.port = socket->port_is_chosen ? 0 : bpf_ntohs(inet->inet_sport);
    socket->flags = EYE_SOCKET_INHERITED;
}

/* connect(): process context, so the current process is the owner. */
static __always_inline void eye_on_connect(struct sock *sk, struct eye_socket *socket)
{
    __builtin_memset(socket, 0, sizeof(*socket));
    eye_note_outgoing(sk, socket);
    socket->since_ns = bpf_ktime_get_ns();
    eye_set_owner(socket, sk);
}

/* The kernel chose the port of this listener. Its children do not know: sk_clone_lock() clears it.
 */
static __always_inline __u8 eye_port_is_chosen(struct sock *sk)
{
    return (BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK) == 0;
}

/* listen(): process context. Children inherit the entry. */
static __always_inline void eye_on_listen(struct sock *sk, struct eye_socket *socket)
{
    __builtin_memset(socket, 0, sizeof(*socket));
    socket->phase = EYE_SOCKET_LISTENING;
    socket->port_is_chosen = eye_port_is_chosen(sk);
    socket->told = EYE_TOLD(eye_drops_of(sk), 0);
    eye_set_owner(socket, sk);
}

static __always_inline void eye_enter(struct eye_socket *socket)
{
    socket->phase = EYE_SOCKET_ESTABLISHED;
    eye_count(EYE_COUNT_ENTERED, 1);
}

/*
 * Mostly a connection opens by reaching ESTABLISHED; with fast open it may be answered and closed
 * before the handshake's last segment, and goes from SYN_RECV to FIN_WAIT1 or CLOSE_WAIT. A change
 * that was missed shows at the next one, if the socket is known from its beginning.
 */
static __always_inline bool eye_opens(const struct eye_socket *socket, int old_state, int new_state)
{
    if (socket->phase == EYE_SOCKET_ESTABLISHED) {
        return false;
    }
    return eye_is_open(old_state) ? socket->phase != EYE_SOCKET_NEW : eye_is_open(new_state);
}

/* The other end's SYN was answered, or ours. In softirq: the current process means nothing. */
static __always_inline void eye_on_open(struct sock *sk, struct eye_socket *socket, int old_state)
{
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!tcp) {
        return;
    }
    if (socket->phase == EYE_SOCKET_NEW) {
        __builtin_memset(socket, 0, sizeof(*socket)); /* of a former life */
        if (old_state == TCP_SYN_SENT) {
            /* Its SYN left before we were attached, and the seed iterator has not met it yet. */
            eye_note_outgoing(sk, socket);
        }
    }
    __u64 syn_ns = 0;
    if (socket->phase == EYE_SOCKET_CONNECTING) {
        syn_ns = socket->since_ns;
    } else {
        eye_note_incoming(tcp, socket);
    }
    socket->since_ns = syn_ns;
    if (!eye_is_open(old_state)) {               /* else nobody knows when */
        socket->since_ns = tcp->tcp_clock_cache; /* read for the segment that is in work */
        socket->connect_us = syn_ns ? eye_elapsed(socket->since_ns, syn_ns) / 1000 : 0;
    }
    eye_enter(socket);
}

/* Opened since the present look began. */
static __always_inline bool eye_is_young(const struct eye_socket *socket)
{
    return socket->since_ns > eye_live_began_ns;
}

/* Whom the present look has met already is in its balance; who leaves unmet must not be missed. */
static __always_inline void eye_leave(const struct eye_socket *socket)
{
    eye_count(EYE_COUNT_LEFT, 1);
    if (socket->met != eye_live_look && !eye_is_young(socket)) {
        eye_count(EYE_COUNT_UNMET, 1);
    }
}

/* @record: zeroed. */
static __always_inline void eye_fill_listener(struct eye_connection_record *record,
                                              const struct tcp_sock *tcp, struct eye_socket *socket)
{
    const struct inet_sock *inet = &tcp->inet_conn.icsk_inet;
    const struct sock *sk = &inet->sk;
    record->kind = EYE_CONNECTION_LISTENS;
    record->owner = socket->stream.owner;
    record->netns = sk->__sk_common.skc_net.net->ns.inum;
    record->port = socket->port_is_chosen ? 0 : bpf_ntohs(inet->inet_sport);
    record->direction = EYE_INCOMING;
    record->family = eye_family_of(&sk->__sk_common);
    record->waiting = sk->sk_ack_backlog;
    record->room = sk->sk_max_ack_backlog;
    eye_tell_drops(sk, socket, &record->dropped, &record->overflowed);
}

/* What waits in a listener's queue, at each look. */
static __always_inline enum eye_iteration eye_handle_listener(const struct tcp_sock *tcp,
                                                              struct eye_socket *socket)
{
    if (eye_live_again && socket->met == eye_live_look) {
        return EYE_ITERATE_ON;
    }
    union eye_gathered *room = eye_room_to_gather();
    if (!room) {
        return EYE_ITERATE_AGAIN;
    }
    socket->met = eye_live_look;
    __builtin_memset(&room->connection, 0, sizeof(room->connection));
    eye_fill_listener(&room->connection, tcp, socket);
    eye_keep_gathered();
    return EYE_ITERATE_ON;
}

/* A listener ends: nobody waits there any more. */
static __always_inline void eye_on_unlisten(struct sock *sk, struct eye_socket *socket)
{
    const struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!tcp) {
        return;
    }
    struct eye_connection_record *record = bpf_ringbuf_reserve(&connections, sizeof(*record), 0);
    if (!record) {
        eye_lose(EYE_LOSS_LISTENER_RING, 1);
        return;
    }
    __builtin_memset(record, 0, sizeof(*record));
    eye_fill_listener(record, tcp, socket);
    record->waiting = 0;
    record->room = 0;
    bpf_ringbuf_submit(record, eye_wake_flag(&connections, EYE_CONNECTIONS_WAKE_BYTES));
}

static __always_inline void eye_on_close(struct sock *sk, struct eye_socket *socket)
{
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    __u8 phase = socket->phase;
    if (!tcp) {
        return;
    }
    if (phase == EYE_SOCKET_ESTABLISHED) {
        eye_leave(socket);
    }
    socket->phase = EYE_SOCKET_NEW;
    eye_learn_closer(socket, sk);
    if (phase == EYE_SOCKET_CONNECTING) {
        eye_report_end(socket, &socket->reported[0], tcp, EYE_CONNECTION_FAILED);
    } else if (phase == EYE_SOCKET_ESTABLISHED) {
        __u64 claim = __sync_lock_test_and_set(&socket->claim, EYE_CLAIM_CLOSED);
        eye_report_end(socket, eye_reported_by(socket, claim), tcp, EYE_CONNECTION_CLOSED);
    }
}

static __always_inline void eye_handle_state(struct sock *sk, struct eye_socket *socket,
                                             int old_state, int new_state)
{
    if (new_state == TCP_SYN_SENT) {
        eye_on_connect(sk, socket);
    } else if (new_state == TCP_LISTEN) {
        eye_on_listen(sk, socket);
    } else if (eye_opens(socket, old_state, new_state)) {
        eye_on_open(sk, socket, old_state);
    }
    if (new_state == TCP_CLOSE) {
        if (old_state == TCP_LISTEN) {
            eye_on_unlisten(sk, socket);
        }
        eye_on_close(sk, socket);
    } else if ((new_state == TCP_FIN_WAIT1 || new_state == TCP_LAST_ACK) &&
               socket->phase == EYE_SOCKET_ESTABLISHED) {
        eye_learn_closer(socket, sk);
    }
}

/* How the record of a socket that is @owner's and speaks @protocol changes what is counted active.
 */
static __always_inline __u8 eye_pass_flags(const struct eye_reported *reported, __u32 pass,
                                           __u64 owner, __u8 protocol)
{
    if (reported->pass != pass) {
        return EYE_CONNECTION_ENTERS;
    }
    return reported->counted_owner != owner || reported->counted_protocol != protocol
               ? EYE_CONNECTION_MOVES
               : 0;
}

/* What is read while another CPU changes it may be too little; the next look finds the rest. */
static __always_inline void eye_keep_reported(struct eye_counters *now,
                                              const struct eye_counters *reported)
{
    if (now->sent_bytes < reported->sent_bytes) {
        now->sent_bytes = reported->sent_bytes;
    }
    if (now->received_bytes < reported->received_bytes) {
        now->received_bytes = reported->received_bytes;
    }
}

static __always_inline void eye_meet(struct eye_socket *socket)
{
    if (socket->met != eye_live_look) {
        socket->met = eye_live_look;
        __sync_fetch_and_add(&eye_live_met, !eye_is_young(socket));
    }
}

/* Gives the claim back as @next; false: the close has it, and reports all. */
static __always_inline bool eye_give_back(struct eye_socket *socket, __u64 claim, __u64 next)
{
    return __sync_val_compare_and_swap(&socket->claim, claim | EYE_CLAIM_ITERATING, next) ==
           (claim | EYE_CLAIM_ITERATING);
}

static __always_inline enum eye_iteration eye_report_live(struct eye_socket *socket,
                                                          const struct tcp_sock *tcp, __u64 claim,
                                                          bool is_held)
{
    const struct eye_reported *reported = eye_reported_by(socket, claim);
    struct eye_reported *next = eye_reported_by(socket, claim ^ EYE_CLAIM_SECOND);
    struct eye_counters now;
    eye_read_counters(tcp, !is_held, &now);
    eye_keep_reported(&now, &reported->counters);
    __u8 flags =
        eye_pass_flags(reported, eye_pass, socket->stream.owner, eye_spoken(&socket->stream));
    if (flags == 0 && !eye_moved(&now, &reported->counters)) {
        eye_meet(socket);
        eye_give_back(socket, claim, claim);
        return EYE_ITERATE_ON;
    }
    union eye_gathered *room = eye_room_to_gather();
    if (!room) {
        eye_give_back(socket, claim, claim);
        return EYE_ITERATE_AGAIN;
    }
    struct eye_connection_record *record = &room->connection;
    __builtin_memset(record, 0, sizeof(*record));
    record->kind = EYE_CONNECTION_LIVE;
    eye_fill_record(record, socket, reported, tcp, &now);
    /* By what it tells, which another CPU may have changed meanwhile. */
    record->flags |= eye_pass_flags(reported, record->pass, record->owner, record->protocol);
    next->counters = now;
    next->pass = record->pass;
    next->counted_owner = record->owner;
    next->nat = record->nat;
    next->counted_protocol = record->protocol;
    if (eye_give_back(socket, claim, claim ^ EYE_CLAIM_SECOND)) {
        eye_meet(socket);
        eye_keep_gathered();
    }
    return EYE_ITERATE_ON;
}

/* Of a look that goes on: what it has met already, and what came since it began. The latter is the
 * next look's, so that even a host with very many new connections comes to an end. */
static __always_inline bool eye_is_done_with(struct eye_socket *socket, __u64 claim)
{
    return eye_live_again && (socket->met == eye_live_look ||
                              (eye_reported_by(socket, claim)->pass == 0 && eye_is_young(socket)));
}

/* @is_held: nobody else is at work on the socket, the iterator has its lock. */
static __always_inline enum eye_iteration eye_handle_live(const struct tcp_sock *tcp,
                                                          struct eye_socket *socket, bool is_held)
{
    __u64 claim = socket->claim;
    if (tcp->inet_conn.icsk_inet.sk.__sk_common.skc_state == TCP_LISTEN) {
        return eye_handle_listener(tcp, socket); /* nor is its child, before it opens */
    }
    if (socket->phase == EYE_SOCKET_ESTABLISHED && claim <= EYE_CLAIM_SECOND &&
        !eye_is_done_with(socket, claim) &&
        __sync_val_compare_and_swap(&socket->claim, claim, claim | EYE_CLAIM_ITERATING) == claim) {
        return eye_report_live(socket, tcp, claim, is_held);
    }
    return EYE_ITERATE_ON;
}
