/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a TCP connection, from state changes and from the live iterator. The kernel counts
 * bytes, segments, retransmits and RTT in tcp_sock already; here they are only read, once per
 * interval for sockets that moved and once at the end.
 */
#pragma once

#include "bpf/maps.bpf.h"
#include "bpf/process/owner.bpf.h"

#define EYE_CONNECTIONS_WAKE_BYTES (64 * 1024)

static __always_inline bool eye_is_mapped(const struct in6_addr *address)
{
    return address->in6_u.u6_addr32[0] == 0 && address->in6_u.u6_addr32[1] == 0 &&
           address->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

static __always_inline __u8 eye_family_of(const struct sock_common *common)
{
    return common->skc_family == AF_INET || eye_is_mapped(&common->skc_v6_daddr) ? EYE_IPV4
                                                                                 : EYE_IPV6;
}

/* A process or a softirq is at work on the socket now. */
static __always_inline bool eye_is_locked(const struct sock *sk)
{
    return sk->sk_lock.owned || (bpf_core_field_exists(sk->sk_lock.slock.rlock) &&
                                 sk->sk_lock.slock.rlock.raw_lock.val.counter);
}

/*
 * bytes_received counts the FIN as one byte; tcp_fin() leaves SOCK_DONE behind, a moment later. So
 * of a socket that is at work on another CPU meanwhile the last byte waits for the next look.
 */
static __always_inline __u64 eye_read_received(const struct tcp_sock *tcp, bool at_work_elsewhere)
{
    const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
    __u64 received = tcp->bytes_received;
    barrier();
    bool waits = at_work_elsewhere && eye_is_locked(sk);
    barrier();
    bool fin = sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
    return received > 0 ? received - (fin || waits) : 0;
}

/* @at_work_elsewhere: nobody keeps other CPUs from the socket. */
static __always_inline void eye_read_counters(const struct tcp_sock *tcp, bool at_work_elsewhere,
                                              struct eye_counters *counters)
{
    counters->received_bytes = eye_read_received(tcp, at_work_elsewhere);
    counters->sent_bytes = tcp->bytes_sent;
    barrier(); /* a retransmission counts in bytes_retrans first */
    counters->sent_bytes -= tcp->bytes_retrans;
    counters->sent_segments = tcp->segs_out;
    counters->received_segments = tcp->segs_in;
    counters->retransmits = tcp->total_retrans;
    counters->padding = 0;
}

static __always_inline bool eye_moved(const struct eye_counters *now,
                                      const struct eye_counters *before)
{
    return now->sent_segments != before->sent_segments ||
           now->received_segments != before->received_segments ||
           now->received_bytes != before->received_bytes || now->sent_bytes != before->sent_bytes;
}

static __always_inline void eye_fill_remote(struct eye_connection_record *record,
                                            const struct sock_common *common)
{
    if (common->skc_family == AF_INET) {
        __u32 *words = (__u32 *)record->remote;
        words[0] = 0;
        words[1] = 0;
        words[2] = bpf_htonl(0xffff);
        words[3] = common->skc_daddr;
    } else {
        __u64 *words = (__u64 *)record->remote;
        const __u64 *address = (const __u64 *)&common->skc_v6_daddr;
        words[0] = address[0];
        words[1] = address[1];
    }
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

/* Everything but flags and counters of the pass. The record must be zeroed. */
static __always_inline void eye_fill_record(struct eye_connection_record *record,
                                            const struct eye_socket *socket,
                                            const struct tcp_sock *tcp,
                                            const struct eye_counters *now)
{
    const struct sock_common *common = &tcp->inet_conn.icsk_inet.sk.__sk_common;
    record->sent_bytes = eye_increase(now->sent_bytes, socket->reported.sent_bytes);
    record->received_bytes = eye_increase(now->received_bytes, socket->reported.received_bytes);
    record->sent_segments = now->sent_segments - socket->reported.sent_segments;
    record->received_segments = now->received_segments - socket->reported.received_segments;
    record->retransmits = now->retransmits - socket->reported.retransmits;
    record->rtt_us = tcp->srtt_us >> 3;
    record->owner = socket->owner;
    record->previous_owner = socket->counted_owner;
    record->pass = eye_pass;
    record->netns = common->skc_net.net->ns.inum;
    record->port = socket->port;
    record->direction = socket->direction;
    record->family = socket->family;
    eye_fill_remote(record, common);
    if (!(socket->flags & EYE_SOCKET_OLDER) && socket->pass == 0) {
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
        return EYE_FAILURE_UNREACHABLE;
    case ECONNABORTED: /* ss -K */
        return EYE_FAILURE_CANCELLED;
    default:
        return EYE_FAILURE_OTHER;
    }
}

static __always_inline void eye_send_record(struct eye_connection_record *record)
{
    __u64 wake = eye_wake_flag(&connections, EYE_CONNECTIONS_WAKE_BYTES);
    if (bpf_ringbuf_output(&connections, record, sizeof(*record), wake) != 0) {
        eye_lose(EYE_LOSS_TCP_RING, 1);
    }
}

/* The last record of an established connection. */
static __always_inline void eye_report_closed(const struct eye_socket *socket,
                                              const struct tcp_sock *tcp)
{
    struct eye_connection_record record = {.kind = EYE_CONNECTION_CLOSED};
    struct eye_counters now;
    eye_read_counters(tcp, false, &now);
    eye_fill_record(&record, socket, tcp, &now);
    record.failure = eye_failure_of(tcp->inet_conn.icsk_inet.sk.sk_err);
    record.flags |= socket->pass == record.pass ? EYE_CONNECTION_LEAVES : 0;
    record.lifetime_ns = socket->since_ns ? bpf_ktime_get_ns() - socket->since_ns : 0;
    eye_send_record(&record);
}

static __always_inline void eye_report_failed(const struct eye_socket *socket,
                                              const struct tcp_sock *tcp)
{
    struct eye_connection_record record = {.kind = EYE_CONNECTION_FAILED};
    struct eye_counters now;
    __u8 failure = eye_failure_of(tcp->inet_conn.icsk_inet.sk.sk_err);
    eye_read_counters(tcp, false, &now);
    eye_fill_record(&record, socket, tcp, &now);
    record.flags = 0;
    record.failure = failure == EYE_FAILURE_NONE ? EYE_FAILURE_CANCELLED : failure;
    eye_send_record(&record);
}

static __always_inline struct eye_socket *eye_make_socket(struct sock *sk)
{
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!socket) {
        eye_lose(EYE_LOSS_TCP_STORAGE, 1);
    }
    return socket;
}

/* connect(): process context, so the current process is the owner. */
static __always_inline void eye_on_connect(struct sock *sk)
{
    struct eye_socket *socket = eye_make_socket(sk);
    if (!socket) {
        return;
    }
    __builtin_memset(socket, 0, sizeof(*socket));
    socket->phase = EYE_SOCKET_CONNECTING;
    socket->direction = EYE_OUTGOING;
    socket->family = eye_family_of(&sk->__sk_common);
    socket->port = bpf_ntohs(sk->__sk_common.skc_dport);
    socket->since_ns = bpf_ktime_get_ns();
    eye_set_owner(socket, sk);
}

/* listen(): process context. Children inherit the entry. */
static __always_inline void eye_on_listen(struct sock *sk)
{
    struct eye_socket *socket = eye_make_socket(sk);
    if (!socket) {
        return;
    }
    __builtin_memset(socket, 0, sizeof(*socket));
    socket->phase = EYE_SOCKET_LISTENING;
    eye_set_owner(socket, sk);
}

static __always_inline void eye_enter(struct eye_socket *socket)
{
    socket->phase = EYE_SOCKET_ESTABLISHED;
    eye_count(EYE_COUNT_ENTERED, 1);
}

/* An accepted child reaches ESTABLISHED in softirq, where the current process means nothing. */
static __always_inline void eye_on_established(struct sock *sk, int old_state)
{
    struct eye_socket *socket = eye_make_socket(sk);
    if (!socket) {
        return;
    }
    if (old_state == TCP_SYN_SENT && socket->phase == EYE_SOCKET_NEW) {
        /* Its SYN left before we were attached, and the seed iterator has not met it yet. */
        socket->phase = EYE_SOCKET_CONNECTING;
        socket->direction = EYE_OUTGOING;
        socket->family = eye_family_of(&sk->__sk_common);
        socket->port = bpf_ntohs(sk->__sk_common.skc_dport);
    }
    __u64 now = bpf_ktime_get_ns();
    if (socket->phase == EYE_SOCKET_CONNECTING) {
        socket->connect_us = socket->since_ns ? (now - socket->since_ns) / 1000 : 0;
    } else {
        socket->claim = EYE_CLAIM_FREE;
        socket->direction = EYE_INCOMING;
        socket->family = eye_family_of(&sk->__sk_common);
        socket->port = sk->__sk_common.skc_num;
        socket->flags = 0;
    }
    socket->since_ns = now;
    eye_enter(socket);
}

/*
 * A socket that we know from its beginning and that leaves a state behind ESTABLISHED was
 * established, though that change was missed. When is not known.
 */
static __always_inline void eye_make_good(struct sock *sk, struct eye_socket *socket, int old_state)
{
    __u64 since_ns = socket->phase == EYE_SOCKET_CONNECTING ? socket->since_ns : 0;
    if ((socket->phase != EYE_SOCKET_CONNECTING && socket->phase != EYE_SOCKET_LISTENING) ||
        old_state == TCP_SYN_SENT || old_state == TCP_SYN_RECV || old_state == TCP_LISTEN) {
        return;
    }
    eye_on_established(sk, old_state);
    socket->connect_us = 0;
    socket->since_ns = since_ns;
}

static __always_inline void eye_on_close(struct sock *sk, int old_state)
{
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!socket || !tcp) {
        return;
    }
    eye_make_good(sk, socket, old_state);
    __u8 phase = socket->phase;
    if (phase == EYE_SOCKET_ESTABLISHED) {
        eye_count(EYE_COUNT_LEFT, 1);
    }
    socket->phase = EYE_SOCKET_NEW;
    eye_learn_owner(socket, sk);
    if (phase == EYE_SOCKET_CONNECTING) {
        eye_report_failed(socket, tcp);
    } else if (phase == EYE_SOCKET_ESTABLISHED &&
               __sync_lock_test_and_set(&socket->claim, EYE_CLAIM_CLOSED) == EYE_CLAIM_FREE) {
        eye_report_closed(socket, tcp);
    }
}

/* close() and shutdown() of an established socket come from its owner. */
static __always_inline void eye_on_shutdown(struct sock *sk, int old_state)
{
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!socket) {
        return;
    }
    eye_make_good(sk, socket, old_state);
    if (socket->phase == EYE_SOCKET_ESTABLISHED) {
        eye_learn_owner(socket, sk);
    }
}

static __always_inline void eye_handle_state(struct sock *sk, int old_state, int new_state)
{
    if (new_state == TCP_SYN_SENT) {
        eye_on_connect(sk);
    } else if (new_state == TCP_LISTEN) {
        eye_on_listen(sk);
    } else if (new_state == TCP_ESTABLISHED) {
        eye_on_established(sk, old_state);
    } else if (new_state == TCP_CLOSE) {
        eye_on_close(sk, old_state);
    } else if (new_state == TCP_FIN_WAIT1 || new_state == TCP_LAST_ACK) {
        eye_on_shutdown(sk, old_state);
    }
}

/* This state change has been handled. */
static __always_inline void eye_note_state(struct sock *sk, int new_state)
{
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (socket) {
        socket->state = new_state;
    }
}

/* A socket without an entry gets one at the states that begin something. */
static __always_inline bool eye_was_skipped(struct sock *sk, int new_state)
{
    const struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (socket) {
        return socket->state != new_state;
    }
    return new_state == TCP_SYN_SENT || new_state == TCP_LISTEN || new_state == TCP_ESTABLISHED;
}

/* How this socket's record changes what is counted active. */
static __always_inline __u8 eye_pass_flags(const struct eye_socket *socket)
{
    if (socket->pass != eye_pass) {
        return EYE_CONNECTION_ENTERS;
    }
    return socket->counted_owner != socket->owner ? EYE_CONNECTION_MOVES : 0;
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

static __always_inline void eye_report_live(struct seq_file *seq, struct eye_socket *socket,
                                            const struct tcp_sock *tcp)
{
    struct eye_connection_record record = {.kind = EYE_CONNECTION_LIVE};
    struct eye_counters now;
    eye_read_counters(tcp, true, &now);
    eye_keep_reported(&now, &socket->reported);
    record.flags = eye_pass_flags(socket);
    bool due = eye_pass_full || socket->pass == 0;
    if (!eye_moved(&now, &socket->reported) &&
        !(due ? record.flags != 0 : record.flags == EYE_CONNECTION_MOVES)) {
        return;
    }
    eye_fill_record(&record, socket, tcp, &now);
    /* A full seq_file runs the program again for this socket: advance only what was taken. */
    if (bpf_seq_write(seq, &record, sizeof(record)) == 0) {
        socket->reported = now;
        socket->pass = record.pass;
        socket->counted_owner = record.owner;
    }
}

static __always_inline void eye_handle_live(struct seq_file *seq, struct sock *sk,
                                            struct eye_socket *socket)
{
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!tcp || socket->phase != EYE_SOCKET_ESTABLISHED ||
        __sync_val_compare_and_swap(&socket->claim, EYE_CLAIM_FREE, EYE_CLAIM_ITERATING) !=
            EYE_CLAIM_FREE) {
        return;
    }
    eye_report_live(seq, socket, tcp);
    if (__sync_val_compare_and_swap(&socket->claim, EYE_CLAIM_ITERATING, EYE_CLAIM_FREE) ==
        EYE_CLAIM_CLOSED) {
        eye_report_closed(socket, tcp);
    }
}
