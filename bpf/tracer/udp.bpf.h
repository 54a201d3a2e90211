/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * UDP sockets. The kernel counts no bytes of theirs, so cgroup_skb does, which sees whole buffers
 * of GSO and GRO before they are cut and after they were joined. A socket has one entry for its
 * first peer, which mostly is its only one; what a tag has to tell apart beyond that is in flows.
 * What is counted is told once per interval, for what moved, and when the socket is closed.
 */
#pragma once

#include "bpf/ip.bpf.h"
#include "bpf/process/owner.bpf.h"
#include "bpf/tracer/counters.bpf.h"
#include "bpf/tracer/tcp.bpf.h"

/* Set by the collector: UDP is counted; and peers are told apart by their addresses. */
bool eye_udp_on = false;
bool eye_udp_by_address = false;

enum eye_udp_flag {
    EYE_UDP_BOUND = 1,  /* bind() asked for its port: it waits for whoever comes */
    EYE_UDP_BEGUN = 2,  /* direction, port, family and remote are known */
    EYE_UDP_QUIC = 4,   /* a datagram of a handshake was recognised */
    EYE_UDP_KERNEL = 8, /* the kernel's own */
};

/* Datagrams of a socket, as long as those of a handshake, that are looked at for QUIC from one look
 * of the iterator to the next: a server's socket has handshakes at any time, and other traffic is
 * not to pay for each datagram. */
#define EYE_QUIC_LOOKS 4
#define EYE_QUIC_FIRST_BYTES 1200 /* RFC 9000, 14.1: what the first ones of both ends have */

struct eye_datagrams {
    __u64 sent_bytes;
    __u64 received_bytes; /* all that came, the failed ones too */
    __u64 failed_bytes;
    __u32 sent;
    __u32 received;
    __u32 failed_buffer;
    __u32 failed_memory;
};

struct eye_udp_reported {
    struct eye_datagrams counters;
    __u32 drops; /* the kernel's own count of them */
    __u32 padding;
};

/* One UDP socket. Any CPU may count in it, so it counts by atomic additions; `claim` and `reported`
 * are as those of struct eye_socket. */
struct eye_udp_socket {
    __u64 owner;
    __u64 claim;
    struct eye_datagrams counters;
    struct eye_udp_reported reported[2];
    __u8 remote[EYE_ADDRESS_BYTES]; /* of the first peer */
    __u32 netns;                    /* as far as an owner or an iterator told */
    __u32 written;                  /* outgoing and bound: whom it sent to last, hashed */
    __be16 remote_port;             /* of the first peer */
    __u16 local_port;               /* host order */
    __u8 flags;                     /* enum eye_udp_flag */
    __u8 direction;
    __u8 family;
    __u8 looks; /* datagrams that were looked at for QUIC since the iterator's last look */
};

EYE_ABI_ASSERT(sizeof(struct eye_udp_socket) + 72 <= 256); /* kmalloc-256 */

/* socket -> struct eye_udp_socket. Written here; freed by the kernel with the socket. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct eye_udp_socket);
} udp_sockets SEC(".maps");

/* What of a socket is told apart from its first peer. */
struct eye_udp_flow_key {
    __u64 cookie;                   /* of the socket */
    __u8 remote[EYE_ADDRESS_BYTES]; /* zero unless addresses are told apart */
    __be16 remote_port;             /* of what goes out; else 0 */
    __u8 family;
    __u8 cast;
    __u8 direction;
    __u8 padding[3];
};

struct eye_udp_flow {
    __u64 owner;
    __u64 moved_ns; /* monotonic: made, or when the walk found last that it had moved */
    struct eye_datagrams counters;
    struct eye_datagrams reported;
    __u32 netns;
    __u16 port; /* of the service */
    __u8 flags; /* enum eye_datagram_flag */
    __u8 padding;
};

/* Written here; idle ones are deleted by the walk. Beyond its size, datagrams are counted as
 * the first peer's, and as lost flows. */
#define EYE_UDP_FLOWS_MAX 65536
#define EYE_UDP_FLOW_IDLE_NS (120ULL * 1000000000)
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, EYE_UDP_FLOWS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct eye_udp_flow_key);
    __type(value, struct eye_udp_flow);
} udp_flows SEC(".maps");

/* Whom a bound socket that spoke first has written to, beyond the last one: key struct
 * eye_udp_written. Written and read here. Who asks more than these is soon taken for a server, and
 * closed sockets' entries are the first to go. */
#define EYE_UDP_WRITTEN_MAX 4096
struct eye_udp_written {
    __u64 cookie; /* of the socket */
    __u32 peer;   /* hashed */
    __u32 padding;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, EYE_UDP_WRITTEN_MAX);
    __type(key, struct eye_udp_written);
    __type(value, __u8);
} udp_written SEC(".maps");

/* What ingress counted last on this CPU, for udp_refused, which follows in the same softirq run
 * when the socket has no room: older kernels do not show it the buffer. */
struct eye_udp_arrival {
    struct eye_udp_flow_key flow;
    __u32 bytes;
    __u32 datagrams;
    bool present;
    bool in_flow;
    __u8 padding[6];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct eye_udp_arrival);
} udp_arrivals SEC(".maps");

struct eye_udp_header {
    __be16 source;
    __be16 destination;
    __be16 length;
    __be16 checksum;
};

/* What cgroup_skb shows of one buffer: a datagram, or several of one size. */
struct eye_datagram {
    __u8 remote[EYE_ADDRESS_BYTES] __attribute__((aligned(8)));
    __u32 offset; /* of the payload in the skb */
    __u32 bytes;  /* of payload, all together */
    __u32 count;
    __be16 remote_port;
    __u16 local_port; /* host order */
    __u8 family;
    __u8 cast;
};

static __always_inline __u8 eye_cast_of_ipv4(const struct __sk_buff *skb, __be32 destination)
{
    if ((destination & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000)) {
        return EYE_MULTICAST;
    }
    return destination == 0xffffffff || skb->pkt_type == PACKET_BROADCAST ? EYE_BROADCAST
                                                                          : EYE_UNICAST;
}

/* Which end of the packet is the other one: the group, of what is sent to one. */
static __always_inline bool eye_read_addresses(struct __sk_buff *skb, __u32 side,
                                               struct eye_datagram *datagram)
{
    const void *data = (const void *)(long)skb->data;
    const void *data_end = (const void *)(long)skb->data_end;
    __u32 *remote = (__u32 *)datagram->remote;
    if (skb->protocol == bpf_htons(EYE_ETH_P_IP)) {
        const struct eye_ipv4_header *ip = data;
        if ((const void *)(ip + 1) > data_end) {
            return false;
        }
        datagram->family = EYE_IPV4;
        datagram->cast = eye_cast_of_ipv4(skb, ip->destination);
        remote[0] = 0;
        remote[1] = 0;
        remote[2] = bpf_htonl(0xffff);
        remote[3] = side == EYE_SENT ? ip->destination : ip->source;
        return true;
    }
    const struct eye_ipv6_header *ip = data;
    if ((const void *)(ip + 1) > data_end) {
        return false;
    }
    datagram->family = EYE_IPV6;
    datagram->cast = (ip->destination[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000)
                         ? EYE_MULTICAST
                         : EYE_UNICAST;
    for (int i = 0; i < 4; i++) {
        remote[i] = side == EYE_SENT ? ip->destination[i] : ip->source[i];
    }
    return true;
}

/* @offset: of its header. */
static __always_inline bool eye_read_datagram(struct __sk_buff *skb, __u32 offset, __u32 side,
                                              struct eye_datagram *ret_datagram)
{
    const void *data = (const void *)(long)skb->data;
    const void *data_end = (const void *)(long)skb->data_end;
    const struct eye_udp_header *udp = data + offset;
    if ((const void *)(udp + 1) > data_end) {
        return false;
    }
    ret_datagram->offset = offset + sizeof(*udp);
    ret_datagram->bytes = skb->len - ret_datagram->offset;
    ret_datagram->remote_port = side == EYE_SENT ? udp->destination : udp->source;
    ret_datagram->local_port = bpf_ntohs(side == EYE_SENT ? udp->source : udp->destination);
    __u32 segment = skb->gso_size;
    ret_datagram->count =
        segment > 0 && ret_datagram->bytes > 0 ? (ret_datagram->bytes + segment - 1) / segment : 1;
    return eye_read_addresses(skb, side, ret_datagram);
}

/* ---- QUIC ---- */

struct eye_quic_header {
    __u8 first;
    __u8 version[4]; /* big endian */
    __u8 destination_id_bytes;
};

static __always_inline bool eye_is_quic_version(const __u8 *version)
{
    __u32 number = (__u32)version[0] << 24 | version[1] << 16 | version[2] << 8 | version[3];
    return number == 1 || number == 0x6b3343cf /* RFC 9369 */ ||
           (number & 0xffffff00) == 0xff000000 /* drafts */;
}

/* A long header (RFC 9000, 17.2) of a version that is spoken, in a datagram as long as those of a
 * handshake are. Short headers look like anything. */
EYE_PART int eye_look_for_quic(struct __sk_buff *skb, __u32 offset)
{
    struct eye_quic_header header;
    return bpf_skb_load_bytes(skb, offset, &header, sizeof(header)) == 0 &&
           (header.first & 0xc0) == 0xc0 && header.destination_id_bytes <= 20 &&
           eye_is_quic_version(header.version);
}

static __always_inline void eye_recognise_quic(struct __sk_buff *skb, struct eye_udp_socket *socket,
                                               const struct eye_datagram *datagram)
{
    if (datagram->bytes < EYE_QUIC_FIRST_BYTES || socket->looks >= EYE_QUIC_LOOKS ||
        socket->flags & EYE_UDP_QUIC) {
        return;
    }
    socket->looks++;
    if (eye_look_for_quic(skb, datagram->offset)) {
        socket->flags |= EYE_UDP_QUIC;
    }
}

/* ---- whose, and which way ---- */

/* The current process uses the socket. */
static __always_inline void eye_learn_user(struct eye_udp_socket *socket)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    __u64 owner = eye_owner_of(task);
    if (socket->owner == owner || socket->flags & EYE_UDP_KERNEL || task->flags & PF_KTHREAD) {
        return;
    }
    socket->owner = owner;
    const struct nsproxy *spaces = task->nsproxy;
    if (socket->netns == 0 && spaces) {
        socket->netns = spaces->net_ns->ns.inum;
    }
    eye_introduce_sender();
}

static __always_inline __u32 eye_peer_hash(const struct eye_datagram *datagram)
{
    const __u32 *words = (const __u32 *)datagram->remote;
    __u32 hash = words[3] ^ words[2] * 31 ^ words[1] * 961 ^ words[0] * 29791;
    return hash ^ (__u32)datagram->remote_port << 8;
}

/* Several may be asked before the first one answers, so all are remembered. */
static __always_inline void eye_note_written(struct __sk_buff *skb, struct eye_udp_socket *socket,
                                             __u32 peer)
{
    if (socket->written == peer) {
        return;
    }
    const struct eye_udp_written key = {.cookie = bpf_get_socket_cookie(skb), .peer = peer};
    const __u8 yes = 1;
    bpf_map_update_elem(&udp_written, &key, &yes, BPF_ANY);
    socket->written = peer;
}

static __always_inline bool eye_has_written(struct __sk_buff *skb,
                                            const struct eye_udp_socket *socket, __u32 peer)
{
    const struct eye_udp_written key = {.cookie = bpf_get_socket_cookie(skb), .peer = peer};
    return socket->written == peer || bpf_map_lookup_elem(&udp_written, &key) != NULL;
}

/* Who spoke first tells which way it goes, until somebody comes whom a bound socket never wrote to.
 */
static __always_inline void eye_note_direction(struct __sk_buff *skb, struct eye_udp_socket *socket,
                                               const struct eye_datagram *datagram, __u32 side)
{
    if (!(socket->flags & EYE_UDP_BEGUN)) {
        socket->direction = side == EYE_RECEIVED ? EYE_INCOMING : EYE_OUTGOING;
        socket->family = datagram->family;
        socket->remote_port = datagram->remote_port;
        socket->local_port = datagram->local_port;
        __builtin_memcpy(socket->remote, datagram->remote, sizeof(socket->remote));
        socket->flags |= EYE_UDP_BEGUN;
    }
    if (!(socket->flags & EYE_UDP_BOUND) || socket->direction != EYE_OUTGOING) {
        return;
    }
    __u32 peer = eye_peer_hash(datagram);
    if (side == EYE_SENT) {
        eye_note_written(skb, socket, peer);
    } else if (!eye_has_written(skb, socket, peer)) {
        socket->direction = EYE_INCOMING;
    }
}

/* The service's port. One that the kernel chose is no name. */
static __always_inline __u16 eye_udp_port(const struct eye_udp_socket *socket, __u8 direction,
                                          __u16 local_port, __be16 remote_port)
{
    if (direction == EYE_OUTGOING) {
        return bpf_ntohs(remote_port);
    }
    return socket->flags & EYE_UDP_BOUND ? local_port : 0;
}

/* ---- counting ---- */

static __always_inline void eye_count_datagram(struct eye_datagrams *counters,
                                               const struct eye_datagram *datagram, __u32 side)
{
    if (side == EYE_SENT) {
        __sync_fetch_and_add(&counters->sent_bytes, datagram->bytes);
        __sync_fetch_and_add(&counters->sent, datagram->count);
    } else {
        __sync_fetch_and_add(&counters->received_bytes, datagram->bytes);
        __sync_fetch_and_add(&counters->received, datagram->count);
    }
}

static __always_inline bool eye_is_same_address(const __u8 *a, const __u8 *b)
{
    const __u32 *x = (const __u32 *)a;
    const __u32 *y = (const __u32 *)b;
    return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

/* It belongs to what the socket's own entry counts. */
static __always_inline bool eye_is_first_peers(const struct eye_udp_socket *socket,
                                               const struct eye_datagram *datagram)
{
    if (datagram->cast != EYE_UNICAST || datagram->family != socket->family) {
        return false;
    }
    if (socket->direction == EYE_OUTGOING && datagram->remote_port != socket->remote_port) {
        return false;
    }
    return !eye_udp_by_address || eye_is_same_address(datagram->remote, socket->remote);
}

/* As old as it is: the iterator, which may meet it before its first datagram is counted, takes what
 * never moved for idle otherwise. */
static __always_inline struct eye_udp_flow *eye_make_flow(const struct eye_udp_socket *socket,
                                                          struct eye_udp_flow_key *key,
                                                          const struct eye_datagram *datagram)
{
    struct eye_udp_flow flow = {
        .owner = socket->owner,
        .moved_ns = bpf_ktime_get_ns(),
        .netns = socket->netns,
        .port = eye_udp_port(socket, key->direction, datagram->local_port, datagram->remote_port),
        .flags = socket->flags & EYE_UDP_QUIC ? EYE_DATAGRAM_QUIC : 0,
    };
    bpf_map_update_elem(&udp_flows, key, &flow, BPF_NOEXIST);
    return bpf_map_lookup_elem(&udp_flows, key);
}

static __always_inline void eye_fill_flow_key(struct __sk_buff *skb,
                                              const struct eye_udp_socket *socket,
                                              const struct eye_datagram *datagram, __u32 side,
                                              struct eye_udp_flow_key *ret_key)
{
    bool grouped = datagram->cast != EYE_UNICAST;
    __builtin_memset(ret_key, 0, sizeof(*ret_key));
    ret_key->cookie = bpf_get_socket_cookie(skb);
    ret_key->family = datagram->family;
    ret_key->cast = datagram->cast;
    /* To a group one speaks, or listens: neither says anything of the socket's other traffic. */
    ret_key->direction = !grouped           ? socket->direction
                         : side == EYE_SENT ? EYE_OUTGOING
                                            : EYE_INCOMING;
    if (ret_key->direction == EYE_OUTGOING) {
        ret_key->remote_port = datagram->remote_port;
    }
    if (eye_udp_by_address) {
        __builtin_memcpy(ret_key->remote, datagram->remote, sizeof(ret_key->remote));
    }
}

EYE_PART int eye_count_in_flow(struct __sk_buff *skb, struct eye_udp_socket *socket,
                               const struct eye_datagram *datagram, __u32 side)
{
    __u32 only = 0;
    struct eye_udp_arrival *arrival = bpf_map_lookup_elem(&udp_arrivals, &only);
    if (!socket || !datagram || !arrival) {
        return 0;
    }
    struct eye_udp_flow_key key;
    eye_fill_flow_key(skb, socket, datagram, side, &key);
    struct eye_udp_flow *flow = bpf_map_lookup_elem(&udp_flows, &key);
    if (!flow) {
        flow = eye_make_flow(socket, &key, datagram);
    }
    if (!flow) {
        eye_lose(EYE_LOSS_UDP_FLOWS, datagram->count);
        return 0;
    }
    flow->owner = socket->owner;
    eye_count_datagram(&flow->counters, datagram, side);
    if (side == EYE_RECEIVED) {
        arrival->flow = key;
        arrival->in_flow = true;
    }
    return 1;
}

static __always_inline void eye_note_arrival(const struct eye_datagram *datagram)
{
    __u32 only = 0;
    struct eye_udp_arrival *arrival = bpf_map_lookup_elem(&udp_arrivals, &only);
    if (arrival) {
        arrival->bytes = datagram->bytes;
        arrival->datagrams = datagram->count;
        arrival->in_flow = false;
        arrival->present = true;
    }
}

static __always_inline bool eye_is_udp(const struct bpf_sock *sk)
{
    __u32 type = sk->type;
    __u32 protocol = sk->protocol;
    eye_pin(type);
    eye_pin(protocol);
    return type == SOCK_DGRAM && protocol == IPPROTO_UDP;
}

/* Of the skb's socket; NULL: it is no UDP socket, or there is no memory. @count: datagrams that are
 * lost then. */
static __always_inline struct eye_udp_socket *eye_make_udp(struct __sk_buff *skb, __u32 count)
{
    struct bpf_sock *sk = skb->sk;
    sk = sk ? bpf_sk_fullsock(sk) : NULL;
    if (!sk || !eye_is_udp(sk)) {
        return NULL;
    }
    struct eye_udp_socket *socket =
        bpf_sk_storage_get(&udp_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!socket) {
        eye_lose(EYE_LOSS_UDP_STORAGE, count);
    }
    return socket;
}

/* As eye_make_udp(), which only the first datagram asks. */
static __always_inline struct eye_udp_socket *eye_find_udp(struct __sk_buff *skb, __u32 side,
                                                           __u32 count)
{
    struct bpf_sock *sk = skb->sk;
    struct eye_udp_socket *socket = sk ? bpf_sk_storage_get(&udp_sockets, sk, 0, 0) : NULL;
    if (!socket) {
        socket = eye_make_udp(skb, count);
    }
    if (socket && side == EYE_SENT) {
        eye_learn_user(socket);
    }
    return socket;
}

static __always_inline void eye_count_udp(struct __sk_buff *skb, struct eye_udp_socket *socket,
                                          const struct eye_datagram *datagram, __u32 side)
{
    if (side == EYE_RECEIVED) {
        eye_note_arrival(datagram);
    }
    if (datagram->cast == EYE_UNICAST) {
        eye_note_direction(skb, socket, datagram, side);
        eye_recognise_quic(skb, socket, datagram);
    }
    if (!eye_is_first_peers(socket, datagram) && eye_count_in_flow(skb, socket, datagram, side)) {
        return;
    }
    eye_count_datagram(&socket->counters, datagram, side);
}

static __always_inline void eye_count_failed(struct eye_datagrams *counters,
                                             const struct eye_udp_arrival *arrival, int error)
{
    __sync_fetch_and_add(&counters->failed_bytes, arrival->bytes);
    if (error == -ENOMEM) {
        __sync_fetch_and_add(&counters->failed_buffer, arrival->datagrams);
    } else {
        __sync_fetch_and_add(&counters->failed_memory, arrival->datagrams);
    }
}

/* The datagram that ingress has just counted finds no room. */
static __always_inline void eye_handle_refused(struct sock *sk, int error)
{
    __u32 only = 0;
    struct eye_udp_arrival *arrival = bpf_map_lookup_elem(&udp_arrivals, &only);
    struct eye_udp_socket *socket = bpf_sk_storage_get(&udp_sockets, sk, 0, 0);
    if (!arrival || !socket || !arrival->present) {
        return;
    }
    arrival->present = false;
    struct eye_udp_flow *flow =
        arrival->in_flow ? bpf_map_lookup_elem(&udp_flows, &arrival->flow) : NULL;
    eye_count_failed(flow ? &flow->counters : &socket->counters, arrival, error);
}

/* ---- telling ---- */

static __always_inline bool eye_has_moved(const struct eye_datagrams *now,
                                          const struct eye_datagrams *before)
{
    return now->sent != before->sent || now->received != before->received ||
           now->failed_buffer != before->failed_buffer ||
           now->failed_memory != before->failed_memory;
}

/* Of counters that other CPUs add to: what is received, without what was refused. Refusals are read
 * first, since they follow; one that is on its way still makes the rest too large for a moment. */
static __always_inline void eye_copy_datagrams(const struct eye_datagrams *from,
                                               struct eye_datagrams *ret_copy)
{
    const volatile struct eye_datagrams *now = from;
    ret_copy->failed_buffer = now->failed_buffer;
    ret_copy->failed_memory = now->failed_memory;
    ret_copy->failed_bytes = now->failed_bytes;
    ret_copy->sent = now->sent;
    ret_copy->sent_bytes = now->sent_bytes;
    ret_copy->received = now->received - ret_copy->failed_buffer - ret_copy->failed_memory;
    ret_copy->received_bytes = now->received_bytes - ret_copy->failed_bytes;
}

/* What was told is not taken back: the next record is less by it. */
static __always_inline void eye_keep_received(struct eye_datagrams *now,
                                              const struct eye_datagrams *reported)
{
    if ((__s32)(now->received - reported->received) < 0) {
        now->received = reported->received;
    }
    if (now->received_bytes < reported->received_bytes) {
        now->received_bytes = reported->received_bytes;
    }
}

static __always_inline void eye_fill_datagrams(struct eye_datagram_record *record,
                                               const struct eye_datagrams *now,
                                               const struct eye_datagrams *before)
{
    record->sent_bytes = now->sent_bytes - before->sent_bytes;
    record->received_bytes = now->received_bytes - before->received_bytes;
    record->sent = now->sent - before->sent;
    record->received = now->received - before->received;
    record->dropped_buffer = now->failed_buffer - before->failed_buffer;
    record->dropped_memory = now->failed_memory - before->failed_memory;
}

static __always_inline void eye_fill_datagram_record(struct eye_datagram_record *record,
                                                     const struct eye_udp_socket *socket)
{
    record->owner = socket->flags & EYE_UDP_KERNEL ? EYE_OWNER_KERNEL : socket->owner;
    record->netns = socket->netns;
    record->port = eye_udp_port(socket, socket->direction, socket->local_port, socket->remote_port);
    record->direction = socket->direction;
    record->family = socket->family;
    record->flags = socket->flags & EYE_UDP_QUIC ? EYE_DATAGRAM_QUIC : 0;
    __builtin_memcpy(record->remote, socket->remote, sizeof(record->remote));
}

static __always_inline struct eye_udp_reported *eye_udp_reported_by(struct eye_udp_socket *socket,
                                                                    __u64 claim)
{
    struct eye_udp_reported *reported = &socket->reported[0];
    if (claim & EYE_CLAIM_SECOND) {
        reported = &socket->reported[1];
        eye_pin(reported);
    }
    return reported;
}

/* What only a look at the socket itself tells: whether bind() asked for the port, whose it is. */
static __always_inline void eye_look_at_udp(struct sock *sk, struct eye_udp_socket *socket)
{
    if (BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK) {
        socket->flags |= EYE_UDP_BOUND;
    } else {
        socket->flags &= ~EYE_UDP_BOUND; /* bind() was refused */
    }
    if (BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)) {
        socket->flags |= EYE_UDP_KERNEL;
    }
    socket->netns = sk->__sk_common.skc_net.net->ns.inum;
}

/* Drops beyond those that udp_refused counted. It may have counted one more than is read here. */
static __always_inline __u32 eye_other_drops(const struct eye_udp_reported *now,
                                             const struct eye_udp_reported *before)
{
    __u32 all = now->drops - before->drops;
    __u32 known = now->counters.failed_buffer - before->counters.failed_buffer +
                  now->counters.failed_memory - before->counters.failed_memory;
    return (__s32)(all - known) > 0 ? all - known : 0;
}

static __always_inline bool eye_give_back_udp(struct eye_udp_socket *socket, __u64 claim,
                                              __u64 next)
{
    return __sync_val_compare_and_swap(&socket->claim, claim | EYE_CLAIM_ITERATING, next) ==
           (claim | EYE_CLAIM_ITERATING);
}

static __always_inline enum eye_iteration eye_report_udp(struct sock *sk,
                                                         struct eye_udp_socket *socket, __u64 claim)
{
    struct eye_udp_reported now = {0};
    const struct eye_udp_reported *reported = eye_udp_reported_by(socket, claim);
    struct eye_udp_reported *next = eye_udp_reported_by(socket, claim ^ EYE_CLAIM_SECOND);
    now.drops = eye_drops_of(sk);
    eye_copy_datagrams(&socket->counters, &now.counters);
    eye_keep_received(&now.counters, &reported->counters);
    if (now.drops == reported->drops && !eye_has_moved(&now.counters, &reported->counters)) {
        eye_give_back_udp(socket, claim, claim);
        return EYE_ITERATE_ON;
    }
    union eye_gathered *room = eye_room_to_gather();
    if (!room) {
        eye_give_back_udp(socket, claim, claim);
        return EYE_ITERATE_AGAIN;
    }
    struct eye_datagram_record *record = &room->datagram;
    __builtin_memset(record, 0, sizeof(*record));
    socket->looks = 0;
    eye_look_at_udp(sk, socket);
    eye_fill_datagram_record(record, socket);
    eye_fill_datagrams(record, &now.counters, &reported->counters);
    record->dropped_other = eye_other_drops(&now, reported);
    *next = now;
    if (eye_give_back_udp(socket, claim, claim ^ EYE_CLAIM_SECOND)) {
        eye_keep_gathered();
    }
    return EYE_ITERATE_ON;
}

static __always_inline enum eye_iteration eye_handle_udp_live(struct sock *sk,
                                                              struct eye_udp_socket *socket)
{
    __u64 claim = socket->claim;
    if (claim <= EYE_CLAIM_SECOND &&
        __sync_val_compare_and_swap(&socket->claim, claim, claim | EYE_CLAIM_ITERATING) == claim) {
        return eye_report_udp(sk, socket, claim);
    }
    return EYE_ITERATE_ON;
}

/* A walk over the map of flows: it ends for want of room, and goes on behind those it has met. */
struct eye_flow_walk {
    __u64 met;
    __u64 now_ns;
    bool ended; /* on its way */
    bool deletes;
    struct eye_udp_flow_key idle; /* to delete once the walk stands on it no more */
};

__u64 eye_flows_passed = 0; /* by the runs before, of the same walk */

static __always_inline void eye_tell_flow(const struct eye_udp_flow_key *key,
                                          struct eye_udp_flow *flow,
                                          const struct eye_datagrams *now,
                                          struct eye_datagram_record *record)
{
    __builtin_memset(record, 0, sizeof(*record));
    record->owner = flow->owner;
    record->netns = flow->netns;
    record->port = flow->port;
    record->direction = key->direction;
    record->family = key->family;
    record->cast = key->cast;
    record->flags = flow->flags;
    __builtin_memcpy(record->remote, key->remote, sizeof(record->remote));
    eye_fill_datagrams(record, now, &flow->reported);
}

static __always_inline void eye_delete_idle(struct eye_flow_walk *walk)
{
    if (walk->deletes) {
        bpf_map_delete_elem(&udp_flows, &walk->idle);
        walk->deletes = false;
    }
}

/* Of bpf_for_each_map_elem(): 1 ends the walk. It alone writes what was reported of a flow, so
 * nobody has to be kept from it. */
static long eye_handle_flow(struct bpf_map *map, const struct eye_udp_flow_key *key,
                            struct eye_udp_flow *flow, struct eye_flow_walk *walk)
{
    eye_delete_idle(walk);
    if (walk->met++ < eye_flows_passed) {
        return 0;
    }
    struct eye_datagrams now = {0};
    eye_copy_datagrams(&flow->counters, &now);
    eye_keep_received(&now, &flow->reported);
    if (!eye_has_moved(&now, &flow->reported)) {
        walk->deletes = walk->now_ns - flow->moved_ns > EYE_UDP_FLOW_IDLE_NS;
        walk->met -= walk->deletes;
        walk->idle = *key;
        return 0;
    }
    union eye_gathered *room = eye_room_to_gather();
    if (!room) {
        walk->ended = true;
        walk->met--;
        return 1;
    }
    eye_tell_flow(key, flow, &now, &room->datagram);
    flow->reported = now;
    flow->moved_ns = walk->now_ns;
    eye_keep_gathered();
    return 0;
}

/* 1: it ended on its way. */
static __always_inline int eye_handle_flows(void)
{
    struct eye_flow_walk walk = {.now_ns = bpf_ktime_get_ns()};
    bpf_for_each_map_elem(&udp_flows, eye_handle_flow, &walk, 0);
    eye_delete_idle(&walk);
    eye_flows_passed = walk.ended ? walk.met : 0;
    return walk.ended;
}

/* The last record of a socket: its last close, in process context. */
static __always_inline void eye_handle_released(struct bpf_sock *sk, struct eye_udp_socket *socket)
{
    __u64 claim = __sync_lock_test_and_set(&socket->claim, EYE_CLAIM_CLOSED);
    const struct eye_udp_reported *reported = eye_udp_reported_by(socket, claim);
    struct eye_udp_reported now = {.drops = reported->drops};
    if (eye_packets_read_memory) {
        now.drops = eye_read_drops((const struct sock *)sk);
    }
    eye_copy_datagrams(&socket->counters, &now.counters);
    eye_keep_received(&now.counters, &reported->counters);
    if (now.drops == reported->drops && !eye_has_moved(&now.counters, &reported->counters)) {
        return;
    }
    struct eye_datagram_record *record = bpf_ringbuf_reserve(&connections, sizeof(*record), 0);
    if (!record) {
        eye_lose(EYE_LOSS_UDP_RING, 1);
        return;
    }
    __builtin_memset(record, 0, sizeof(*record));
    eye_fill_datagram_record(record, socket);
    eye_fill_datagrams(record, &now.counters, &reported->counters);
    record->dropped_other = eye_other_drops(&now, reported);
    bpf_ringbuf_submit(record, eye_wake_flag(&connections, EYE_CONNECTIONS_WAKE_BYTES));
}

/* bind(): process context. Port 0 leaves the choice to the kernel. */
static __always_inline void eye_handle_bind(struct bpf_sock_addr *address)
{
    struct bpf_sock *sk = address->sk;
    if (!eye_udp_on || !sk || address->type != SOCK_DGRAM || address->protocol != IPPROTO_UDP) {
        return;
    }
    struct eye_udp_socket *socket =
        bpf_sk_storage_get(&udp_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!socket) {
        return; /* its first datagram asks again */
    }
    if (address->user_port) {
        socket->flags |= EYE_UDP_BOUND;
    } else {
        socket->flags &= ~EYE_UDP_BOUND;
    }
    eye_learn_user(socket);
}

/* Of a socket older than the daemon: @task holds it. A bound one that has no peer waits for whoever
 * comes, one that has a peer and no port of its own has asked it. */
static __always_inline void eye_seed_udp(struct task_struct *task, struct sock *sk)
{
    struct eye_udp_socket *socket =
        bpf_sk_storage_get(&udp_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!socket || socket->owner != EYE_OWNER_UNKNOWN) {
        return;
    }
    const struct sock_common *common = &sk->__sk_common;
    eye_look_at_udp(sk, socket);
    socket->owner = eye_owner_of(task);
    socket->reported[0].drops = eye_drops_of(sk);
    eye_introduce(task);
    bool bound = socket->flags & EYE_UDP_BOUND;
    if (socket->flags & EYE_UDP_BEGUN || bound == (common->skc_dport != 0)) {
        return; /* its next datagram tells */
    }
    socket->direction = bound ? EYE_INCOMING : EYE_OUTGOING;
    socket->family = eye_family_of(common);
    socket->local_port = common->skc_num;
    socket->remote_port = common->skc_dport;
    eye_fill_remote(socket->remote, common);
    socket->flags |= EYE_UDP_BEGUN;
}
