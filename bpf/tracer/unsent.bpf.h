/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connects that end before a SYN is sent: no route, an address that cannot be, a policy. The socket
 * never changes its state, so what connect() tried is left in its entry, for SYN_SENT to take away.
 */
#pragma once

#include "bpf/tracer/tcp.bpf.h"

static __always_inline void eye_report_unsent(const struct eye_socket *socket)
{
    struct eye_connection_record *record = bpf_ringbuf_reserve(&connections, sizeof(*record), 0);
    if (!record) {
        eye_lose(EYE_LOSS_TCP_RING, 1);
        return;
    }
    const struct nsproxy *spaces = bpf_get_current_task_btf()->nsproxy;
    __builtin_memset(record, 0, sizeof(*record));
    record->owner = socket->stream.owner;
    record->pass = eye_pass;
    record->netns = spaces ? spaces->net_ns->ns.inum : 0; /* that of who closes it */
    record->port = socket->stream.port;
    record->kind = EYE_CONNECTION_FAILED;
    record->direction = EYE_OUTGOING;
    record->family = socket->family;
    record->failure = EYE_FAILURE_LOCAL;
    record->nat = EYE_NAT_UNKNOWN;
    __builtin_memcpy(record->remote, socket->reported[0].tried, sizeof(record->remote));
    bpf_ringbuf_submit(record, eye_wake_flag(&connections, EYE_CONNECTIONS_WAKE_BYTES));
}

/* Whom the entry says it tried has not answered: nobody was asked. */
static __always_inline void eye_end_trying(struct eye_socket *socket)
{
    if (socket->phase == EYE_SOCKET_TRYING) {
        eye_report_unsent(socket);
        socket->phase = EYE_SOCKET_NEW;
    }
}

static __always_inline bool eye_is_tcp(const struct bpf_sock_addr *address)
{
    return address->protocol == IPPROTO_TCP && address->sk;
}

/* connect(): process context. The kernel calls this for sockets that are not connected. */
static __always_inline struct eye_socket *eye_begin_trying(struct bpf_sock_addr *address)
{
    struct bpf_sock *sk = address->sk;
    struct eye_socket *socket =
        sk ? bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : NULL;
    if (!socket) {
        eye_lose(EYE_LOSS_TCP_STORAGE, 1);
        return NULL;
    }
    eye_end_trying(socket);
    if (socket->phase != EYE_SOCKET_NEW) {
        return NULL;
    }
    const struct task_struct *task = bpf_get_current_task_btf();
    socket->phase = EYE_SOCKET_TRYING;
    socket->stream.port = bpf_ntohs((__be16)address->user_port);
    socket->stream.owner = task->flags & PF_KTHREAD ? EYE_OWNER_KERNEL : eye_owner_of(task);
    return socket;
}

static __always_inline void eye_try_ipv4(struct bpf_sock_addr *address)
{
    struct eye_socket *socket = eye_is_tcp(address) ? eye_begin_trying(address) : NULL;
    if (socket) {
        socket->family = EYE_IPV4;
        eye_fill_address(socket->reported[0].tried, AF_INET, address->user_ip4, NULL);
        eye_introduce_sender();
    }
}

static __always_inline void eye_try_ipv6(struct bpf_sock_addr *address)
{
    struct eye_socket *socket = eye_is_tcp(address) ? eye_begin_trying(address) : NULL;
    if (socket) {
        __u32 *words = (__u32 *)socket->reported[0].tried;
        words[0] = address->user_ip6[0];
        words[1] = address->user_ip6[1];
        words[2] = address->user_ip6[2];
        words[3] = address->user_ip6[3];
        bool mapped = words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
        socket->family = mapped ? EYE_IPV4 : EYE_IPV6;
        eye_introduce_sender();
    }
}
