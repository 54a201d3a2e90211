/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that do nothing, of the types and at the places of the daemon's. */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(empty_state, struct sock *sk, int old_state, int new_state)
{
    return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(empty_again, struct sock *sk, int old_state, int new_state)
{
    return 0;
}

SEC("cgroup_skb/egress")
int empty_sent(struct __sk_buff *skb)
{
    return 1;
}

SEC("cgroup_skb/ingress")
int empty_received(struct __sk_buff *skb)
{
    return 1;
}
