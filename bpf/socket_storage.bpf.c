/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Entry points of the tier "socket-storage": thin sections over the handlers. Kernel 5.12+. */
#include "bpf/process/life.bpf.h"
#include "bpf/tracer/seed.bpf.h"
#include "bpf/tracer/tcp.bpf.h"
#include "bpf/tracer/udp.bpf.h"
#include "bpf/tracer/unsent.bpf.h"
#include "bpf/usm/datagrams.bpf.h"
#include "bpf/usm/dispatch.bpf.h"
#include "bpf/usm/lifecycle.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void on_state(struct sock *sk, struct eye_socket *socket, int old_state,
                                     int new_state)
{
    if (old_state == TCP_LISTEN && new_state == TCP_SYN_RECV) {
        eye_take_first_payload(sk, socket);
    } else if (new_state == TCP_CLOSE && eye_has_protocol(&socket->stream)) {
        eye_end_conversation(sk, socket, old_state); /* first: the last record tells of it */
    } else if (new_state == TCP_SYN_SENT) {
        eye_drop_conversation(sk);
    }
    eye_handle_state(sk, socket, old_state, new_state);
    socket->state = (__u8)new_state;
}

/* Of MPTCP the subflows are what is counted: they are TCP sockets like any other. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int old_state, int new_state)
{
    if (sk->sk_protocol == IPPROTO_MPTCP) {
        eye_note_multipath(sk, new_state);
    }
    if (sk->sk_protocol != IPPROTO_TCP) {
        return 0;
    }
    struct eye_socket *socket =
        eye_begins(old_state, new_state) ? eye_make_socket(sk) : eye_find_socket(sk);
    if (socket) {
        on_state(sk, socket, old_state, new_state);
    }
    return 0;
}

/* Attached behind tcp_state. A state change that interrupts tcp_state on its CPU finds it active,
 * and the kernel skips it; this one is not active then. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state_again, struct sock *sk, int old_state, int new_state)
{
    if (sk->sk_protocol != IPPROTO_TCP) {
        return 0;
    }
    struct eye_socket *socket = eye_find_socket(sk);
    if (!eye_was_skipped(socket ? &socket->state : NULL, old_state, new_state)) {
        return 0;
    }
    if (!socket) {
        socket = eye_make_socket(sk);
    }
    if (socket) {
        on_state(sk, socket, old_state, new_state);
        eye_count(EYE_COUNT_HEALED, 1);
    }
    return 0;
}

SEC("iter/bpf_sk_storage_map")
int tcp_live(struct bpf_iter__bpf_sk_storage_map *context)
{
    struct sock *sk = context->sk;
    struct eye_socket *socket = context->value;
    const struct tcp_sock *tcp = sk && socket ? bpf_skc_to_tcp_sock(sk) : NULL;
    return tcp ? eye_handle_live(tcp, socket, false) : EYE_ITERATE_ON;
}

/* The same, for kernels whose walk over socket storage is not safe: of one network namespace. */
SEC("iter/tcp")
int tcp_live_table(struct bpf_iter__tcp *context)
{
    struct sock_common *common = context->sk_common;
    struct tcp_sock *tcp = common ? bpf_skc_to_tcp_sock(common) : NULL;
    struct eye_socket *socket = tcp ? eye_find_socket((struct sock *)tcp) : NULL;
    return socket ? eye_handle_live(tcp, socket, true) : EYE_ITERATE_ON;
}

SEC("iter/tcp")
int tcp_seed(struct bpf_iter__tcp *context)
{
    struct sock_common *common = context->sk_common;
    if (common) {
        eye_handle_seed(common);
    }
    return 0;
}

SEC("iter/task_file")
int owner_seed(struct bpf_iter__task_file *context)
{
    struct task_struct *task = context->task;
    struct file *file = context->file;
    if (task && file) {
        eye_handle_file(task, file);
    }
    return 0;
}

SEC("iter/bpf_sk_storage_map")
int udp_live(struct bpf_iter__bpf_sk_storage_map *context)
{
    struct sock *sk = context->sk;
    struct eye_udp_socket *socket = context->value;
    return sk && socket ? eye_handle_udp_live(sk, socket) : EYE_ITERATE_ON;
}

/* As tcp_live_table. */
SEC("iter/udp")
int udp_live_table(struct bpf_iter__udp *context)
{
    struct sock *sk = (struct sock *)context->udp_sk;
    struct eye_udp_socket *socket = sk ? bpf_sk_storage_get(&udp_sockets, sk, 0, 0) : NULL;
    return socket ? eye_handle_udp_live(sk, socket) : EYE_ITERATE_ON;
}

/* Not iter/bpf_map_elem, which hardened kernels refuse. */
SEC("syscall")
int udp_flow_live(void *context)
{
    return eye_handle_flows();
}

SEC("tp_btf/udp_fail_queue_rcv_skb")
int BPF_PROG(udp_refused, int error, struct sock *sk)
{
    eye_handle_refused(sk, error);
    return 0;
}

/* The programs of cgroups let everything pass. */
SEC("cgroup/bind4")
int udp_bind4(struct bpf_sock_addr *address)
{
    eye_handle_bind(address);
    return 1;
}

SEC("cgroup/bind6")
int udp_bind6(struct bpf_sock_addr *address)
{
    eye_handle_bind(address);
    return 1;
}

SEC("cgroup/sock_release")
int udp_released(struct bpf_sock *sk)
{
    struct eye_udp_socket *socket =
        eye_is_udp(sk) ? bpf_sk_storage_get(&udp_sockets, sk, 0, 0) : NULL;
    if (socket) {
        eye_handle_released(sk, socket);
    }
    return 1;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec)
{
    eye_handle_exec();
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
    eye_handle_exit(task);
    return 0;
}

SEC("cgroup/connect4")
int tcp_connect4(struct bpf_sock_addr *address)
{
    eye_try_ipv4(address);
    return 1;
}

SEC("cgroup/connect6")
int tcp_connect6(struct bpf_sock_addr *address)
{
    eye_try_ipv6(address);
    return 1;
}

SEC("cgroup/sock_release")
int tcp_released(struct bpf_sock *sk)
{
    struct eye_socket *socket =
        sk->protocol == IPPROTO_TCP ? bpf_sk_storage_get(&sockets, sk, 0, 0) : NULL;
    /* One in another state has sent its SYN, and the kernel skipped the program that sees that. */
    if (socket && sk->state == TCP_CLOSE) {
        eye_end_trying(socket);
    }
    return 1;
}

static __always_inline void on_packet(struct __sk_buff *skb, __u32 side)
{
    if (!skb->sk) {
        return; /* forwarded */
    }
    struct eye_transport transport = eye_find_transport(skb);
    if (transport.protocol == IPPROTO_UDP) {
        eye_handle_datagram(skb, transport.offset, side);
    } else if (transport.protocol == IPPROTO_TCP) {
        eye_handle_segment(skb, transport.offset, side);
    } else if (transport.offset == 0 && transport.protocol == 0) {
        eye_lose(EYE_LOSS_USM_HEADERS, 1);
        eye_lose(EYE_LOSS_UDP_HEADERS, 1);
    }
}

SEC("cgroup_skb/egress")
int payload_sent(struct __sk_buff *skb)
{
    on_packet(skb, EYE_SENT);
    return 1;
}

SEC("cgroup_skb/ingress")
int payload_received(struct __sk_buff *skb)
{
    on_packet(skb, EYE_RECEIVED);
    return 1;
}
