/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The queue of a listener overflows. The kernel counts that for a namespace; of one listener it
 * counts all that was dropped (sk_drops, tcp_listendrop()), and says of none why. But for a SYN or
 * a last acknowledgement there is one question, sk_acceptq_is_full() (tcp_conn_request(),
 * tcp_v4_syn_recv_sock()), and cgroup_skb's ingress stands right before it, in the same softirq
 * run. So what came while there was no room is counted there, and of these as many as were dropped
 * between two looks have overflowed. What may be wrong: some that the kernel did not drop (a SYN
 * that came twice, and whose answer it sends again), if between the same looks as many others were
 * dropped for another reason; and the one that another CPU is at work on during a look.
 */
#pragma once

#include "bpf/tracer/counters.bpf.h"
#include "bpf/usm/segment.bpf.h"

/* Of a listener's drops and knocks: so many have been told of, or were there before. In one word,
 * so that whoever exchanges it, iterator or close, tells of both. */
#define EYE_TOLD(drops, knocks) ((__u64)(drops) << 32 | (__u32)(knocks))

/* What a full queue makes the kernel drop. */
static __always_inline bool eye_wants_room(struct __sk_buff *skb, __u32 offset)
{
    const struct eye_tcp_header *tcp = (const void *)(long)skb->data + offset;
    if ((const void *)(tcp + 1) > (const void *)(long)skb->data_end) {
        return false;
    }
    return tcp->flags & (EYE_TCP_SYN | EYE_TCP_ACK) && !(tcp->flags & EYE_TCP_RST);
}

/* A segment at a listener; @offset: of its TCP header. Where there is room, which is the rule, that
 * is two loads. */
static __always_inline void eye_note_knock(struct __sk_buff *skb, struct bpf_sock *sk, __u32 offset)
{
    const struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (!tcp) {
        return;
    }
    const struct sock *listener = &tcp->inet_conn.icsk_inet.sk;
    if (listener->sk_ack_backlog <= listener->sk_max_ack_backlog || !eye_wants_room(skb, offset)) {
        return;
    }
    struct eye_socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (socket) {
        __sync_fetch_and_add(&socket->knocks, 1);
    }
}

/* An iterator that the close has overtaken has gained nothing. */
static __always_inline __u32 eye_gained(__u32 now, __u32 before)
{
    __s32 gained = (__s32)(now - before);
    return gained > 0 ? (__u32)gained : 0;
}

static __always_inline void eye_tell_drops(const struct sock *sk, struct eye_socket *socket,
                                           __u32 *ret_dropped, __u32 *ret_overflowed)
{
    __u32 knocks = socket->knocks;
    barrier(); /* they are counted before what they become */
    __u32 drops = eye_drops_of(sk);
    __u64 told = __sync_lock_test_and_set(&socket->told, EYE_TOLD(drops, knocks));
    __u32 dropped = eye_gained(drops, (__u32)(told >> 32));
    __u32 knocked = eye_gained(knocks, (__u32)told);
    *ret_dropped = dropped;
    *ret_overflowed = dropped < knocked ? dropped : knocked;
}
