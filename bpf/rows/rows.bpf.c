/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Single connections, for whoever watches: an object of its own, with the maps of the tier, that is
 * loaded while somebody does. Its programs read what the tier's leave in a socket's entry, and
 * change nothing of it.
 */
#include "bpf/tracer/counters.bpf.h"
#include "bpf/tracer/states.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* struct eye_row: connections that ended. Written below, read by the collector ten times a second,
 * so nobody is woken: there is room for 33 000 of them in a second. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 512 * 1024);
} ended SEC(".maps");

/* Rows of `ended` that had no room. */
__u64 eye_rows_lost = 0;

/* Everything but the end. @row: zeroed. */
static __always_inline void eye_fill_row(struct eye_row *row, const struct eye_socket *socket,
                                         const struct tcp_sock *tcp, bool at_work_elsewhere)
{
    const struct inet_sock *inet = &tcp->inet_conn.icsk_inet;
    const struct sock_common *common = &inet->sk.__sk_common;
    struct eye_counters now;
    eye_read_counters(tcp, at_work_elsewhere, &now);
    row->socket = (__u64)tcp;
    row->since_ns = socket->since_ns;
    row->owner = socket->stream.owner;
    row->sent_bytes = now.sent_bytes;
    row->received_bytes = now.received_bytes;
    row->sent_segments = now.sent_segments;
    row->received_segments = now.received_segments;
    row->retransmits = now.retransmits;
    row->rtt_us = tcp->srtt_us >> 3;
    row->netns = common->skc_net.net->ns.inum;
    row->port = socket->stream.port;
    row->local_port = bpf_ntohs(inet->inet_sport); /* not skc_num, which is zero at the close */
    row->remote_port = bpf_ntohs(common->skc_dport);
    row->direction = socket->direction;
    row->family = socket->family;
    row->protocol = eye_spoken(&socket->stream);
    eye_fill_address(row->local, common->skc_family, common->skc_rcv_saddr,
                     &common->skc_v6_rcv_saddr);
    eye_fill_remote(row->remote, common);
    if (socket->nat & EYE_NAT_DESTINATION && eye_fill_translation(tcp, row->remote, &row->port)) {
        row->remote_port = row->port;
    }
}

static __always_inline bool eye_is_established(const struct eye_socket *socket)
{
    return *(const volatile __u8 *)&socket->phase == EYE_SOCKET_ESTABLISHED;
}

/* Behind a close the memory may be another socket's at once, so what was read counts only when the
 * close had not come by then. */
static __always_inline void eye_write_row(struct seq_file *seq, const struct eye_socket *socket,
                                          const struct tcp_sock *tcp, bool at_work_elsewhere)
{
    if (!eye_is_established(socket)) {
        return;
    }
    struct eye_row row = {};
    eye_fill_row(&row, socket, tcp, at_work_elsewhere);
    barrier();
    if (eye_is_established(socket)) {
        bpf_seq_write(seq, &row, sizeof(row)); /* full: it is run again for this socket */
    }
}

/* Every connection that is open. */
SEC("iter/bpf_sk_storage_map")
int row_open(struct bpf_iter__bpf_sk_storage_map *context)
{
    struct sock *sk = context->sk;
    const struct eye_socket *socket = context->value;
    const struct tcp_sock *tcp = sk && socket ? bpf_skc_to_tcp_sock(sk) : NULL;
    if (tcp) {
        eye_write_row(context->meta->seq, socket, tcp, true);
    }
    return 0;
}

/* As tcp_live_table: of one network namespace, with the socket's lock. */
SEC("iter/tcp")
int row_open_table(struct bpf_iter__tcp *context)
{
    struct sock_common *common = context->sk_common;
    const struct tcp_sock *tcp = common ? bpf_skc_to_tcp_sock(common) : NULL;
    const struct eye_socket *socket =
        tcp ? bpf_sk_storage_get(&sockets, (struct sock *)tcp, 0, 0) : NULL;
    if (socket) {
        eye_write_row(context->meta->seq, socket, tcp, false);
    }
    return 0;
}

/* Attached behind tcp_state, which leaves EYE_CLAIM_CLOSED in the entry of a connection that was
 * established and has ended. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(row_ended, struct sock *sk, int old_state, int new_state)
{
    if (new_state != TCP_CLOSE || !eye_is_open(old_state) || sk->sk_protocol != IPPROTO_TCP) {
        return 0;
    }
    const struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    const struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!socket || !tcp || !(socket->claim & EYE_CLAIM_CLOSED)) {
        return 0;
    }
    struct eye_row *row = bpf_ringbuf_reserve(&ended, sizeof(*row), 0);
    if (!row) {
        __sync_fetch_and_add(&eye_rows_lost, 1);
        return 0;
    }
    __builtin_memset(row, 0, sizeof(*row));
    eye_fill_row(row, socket, tcp, false);
    row->ended_ns = bpf_ktime_get_ns();
    bpf_ringbuf_submit(row, BPF_RB_NO_WAKEUP);
    return 0;
}
