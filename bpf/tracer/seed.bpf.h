/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets older than the daemon, once at start: iter/tcp makes their entries (one network
 * namespace per run; listeners come first), iter/task_file finds their owners. Their present
 * counters are the baseline, so nothing jumps.
 */
#pragma once

#include "bpf/tracer/tcp.bpf.h"
#include "bpf/tracer/udp.bpf.h"

struct eye_listener {
    __u32 netns;
    __u16 port; /* host order */
    __u16 padding;
};

/* Listening ports by namespace, and whether the kernel chose them: tell the direction and the port
 * of older sockets. Filled and read by the seed iterator only, never emptied; beyond its size
 * directions are guessed from the ports, counted. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct eye_listener);
    __type(value, __u8);
} listeners SEC(".maps");

static __always_inline struct eye_listener eye_listener_of(const struct sock_common *common)
{
    struct eye_listener key = {
        .netns = common->skc_net.net->ns.inum,
        .port = common->skc_num,
    };
    return key;
}

static __always_inline void eye_seed_listener(struct sock *sk)
{
    struct eye_listener key = eye_listener_of(&sk->__sk_common);
    __u8 is_chosen = eye_port_is_chosen(sk);
    if (bpf_map_update_elem(&listeners, &key, &is_chosen, BPF_ANY) != 0) {
        eye_lose(EYE_LOSS_SEED_LISTENERS, 1);
    }
    struct eye_socket *socket = eye_make_socket(sk);
    if (socket) {
        socket->phase = EYE_SOCKET_LISTENING;
        socket->port_is_chosen = is_chosen;
        socket->told = EYE_TOLD(eye_drops_of(sk), socket->knocks);
    }
}

/* When its listener is gone, the ports tell what they can. */
static __always_inline bool eye_is_incoming(__u16 local_port, __u16 remote_port)
{
    return local_port < EYE_EPHEMERAL_FIRST && remote_port >= EYE_EPHEMERAL_FIRST;
}

static __always_inline void eye_seed_connection(struct sock *sk, const struct tcp_sock *tcp)
{
    struct eye_socket *socket = eye_make_socket(sk);
    if (!socket || socket->phase != EYE_SOCKET_NEW) {
        return;
    }
    struct eye_listener key = eye_listener_of(&sk->__sk_common);
    __u16 remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
    const __u8 *port_is_chosen = bpf_map_lookup_elem(&listeners, &key);
    bool incoming = port_is_chosen || eye_is_incoming(key.port, remote_port);
    __u16 local_port = port_is_chosen && *port_is_chosen ? 0 : key.port;
    socket->direction = incoming ? EYE_INCOMING : EYE_OUTGOING;
    socket->stream.port = incoming ? local_port : remote_port;
    socket->family = eye_family_of(&sk->__sk_common);
    eye_read_counters(tcp, false, &socket->reported[0].counters);
    if (sk->__sk_common.skc_state == TCP_SYN_SENT) {
        socket->phase = EYE_SOCKET_CONNECTING;
        return;
    }
    socket->flags = EYE_SOCKET_OLDER | (incoming ? EYE_SOCKET_INHERITED : EYE_SOCKET_FOUND);
    eye_enter(socket);
}

static __always_inline void eye_handle_seed(struct sock_common *common)
{
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(common);
    if (!tcp) {
        return; /* TIME_WAIT and half-open requests are no full sockets */
    }
    struct sock *sk = (struct sock *)tcp;
    __u8 state = common->skc_state;
    if (state == TCP_LISTEN) {
        eye_seed_listener(sk);
    } else if (state != TCP_CLOSE && state != TCP_SYN_RECV) {
        eye_seed_connection(sk, tcp);
    }
}

static __always_inline void eye_handle_file(struct task_struct *task, struct file *file)
{
    struct socket *file_socket = bpf_sock_from_file(file);
    if (!file_socket || !file_socket->sk) {
        return;
    }
    struct sock *sk = file_socket->sk;
    if (eye_udp_on && sk->sk_type == SOCK_DGRAM && sk->sk_protocol == IPPROTO_UDP) {
        eye_seed_udp(task, sk);
        return;
    }
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (socket && socket->stream.owner == EYE_OWNER_UNKNOWN && !(task->flags & PF_KTHREAD)) {
        socket->stream.owner = eye_owner_of(task);
        eye_introduce(task);
    }
}
