/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of DNS, over UDP and over TCP. A question waits in a map for its answer, under what
 * translation of addresses does not change: its socket, its id, and what it asks.
 */
#include "bpf/usm/dns/dns.h"
#include "bpf/usm/datagram.bpf.h"
#include "bpf/usm/payloads.bpf.h"
#include "bpf/usm/waiting.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct eye_dns_record {
    struct eye_request_head head;
    struct eye_dns_body body;
};

/* One message, and at which end it is. */
struct eye_dns_work {
    struct eye_passed_datagram passed; /* of a segment no offset and no peer */
    struct eye_dns_message message;
    __u64 time_ns;
    __u32 bytes; /* of the message */
    __u16 port;
    __u8 flags; /* enum eye_dns_flag, of what is asked for now */
    bool client;
};

static __always_inline void eye_dns_lose(const struct eye_dns_work *work, enum eye_parser_loss loss,
                                         __u32 amount)
{
    __u32 number = EYE_LOSS_OF_PARSER(EYE_PROTOCOL_DNS) + loss;
    eye_lose(number, amount);
    eye_tell_loss(work->passed.owner, work->port, work->client, number, amount);
}

/* 0: it is no message. On the stack, since runs at egress interrupt each other: what belongs to the
 * CPU would belong to two of them. */
EYE_PART int eye_dns_read(struct __sk_buff *skb, __u32 offset, __u32 bytes,
                          struct eye_dns_message *message)
{
    struct eye_dns_header header = {0};
    struct eye_dns_text text = {0};
    __u8 tail[EYE_DNS_TAIL_BYTES] = {0};
    if (!message || bytes <= EYE_DNS_HEADER_BYTES + EYE_DNS_TAIL_BYTES ||
        bpf_skb_load_bytes(skb, offset, &header, sizeof(header)) != 0 ||
        !eye_dns_read_header(&header, message)) {
        return 0;
    }
    __u32 filled = bytes - EYE_DNS_HEADER_BYTES - EYE_DNS_TAIL_BYTES;
    __u64 count = eye_1_to_256(filled < sizeof(text) ? filled : sizeof(text));
    offset += EYE_DNS_HEADER_BYTES;
    if (bpf_skb_load_bytes(skb, offset, &text, count) != 0) {
        return 0;
    }
    __u64 hash = 0;
    __u32 length = eye_dns_read_name(&text, filled, &hash);
    if (length == 0 || bpf_skb_load_bytes(skb, offset + length, tail, sizeof(tail)) != 0) {
        return 0;
    }
    message->name = hash;
    message->type = eye_dns_number(tail);
    return 1;
}

static __always_inline void eye_dns_fill_key(struct __sk_buff *skb, const struct eye_dns_work *work,
                                             struct eye_waiting_key *ret_key)
{
    __builtin_memset(ret_key, 0, sizeof(*ret_key));
    ret_key->cookie = bpf_get_socket_cookie(skb);
    ret_key->subject = work->message.name;
    ret_key->peer = work->client ? 0 : work->passed.peer;
    ret_key->id = work->message.id;
    ret_key->type = work->message.type;
    ret_key->client = work->client;
}

/* Whoever asks again, or several servers at once, waits since the first time. */
static __always_inline void eye_dns_asked(const struct eye_waiting_key *key,
                                          const struct eye_dns_work *work)
{
    struct eye_waiting *known = bpf_map_lookup_elem(&waiting, key);
    if (known && known->epoch == work->passed.epoch) {
        known->last_ns = work->time_ns;
        return;
    }
    struct eye_waiting request = {
        .first_ns = work->time_ns,
        .last_ns = work->time_ns,
        .head = {.owner = work->passed.owner,
                 .port = work->port,
                 .body_bytes = sizeof(struct eye_dns_body),
                 .protocol = EYE_PROTOCOL_DNS,
                 .flags = work->client ? EYE_REQUEST_CLIENT : 0},
        .epoch = work->passed.epoch,
    };
    struct eye_dns_body *body = (struct eye_dns_body *)request.body;
    body->type = work->message.type;
    body->opcode = work->message.opcode;
    body->flags = work->flags;
    if (bpf_map_update_elem(&waiting, key, &request, BPF_ANY) != 0) {
        eye_dns_lose(work, EYE_LOST_PIPELINE, 1);
    }
}

/* The whole answer, into @room bytes of the ring, for the names that it tells. */
static __always_inline bool eye_dns_copy(struct __sk_buff *skb, const struct eye_dns_work *work,
                                         __u32 room)
{
    struct eye_request_head *head = bpf_ringbuf_reserve(&requests, sizeof(*head) + room, 0);
    if (!head) {
        return false;
    }
    __builtin_memset(head, 0, sizeof(*head));
    head->owner = work->passed.owner;
    head->port = EYE_DNS_PORT;
    head->body_bytes = (__u16)work->bytes;
    head->protocol = EYE_PROTOCOL_DNS;
    head->flags = EYE_REQUEST_CLIENT | EYE_REQUEST_MESSAGE;
    __u64 count = work->bytes;
    eye_pin(count);
    count = (count - 1) & (room - 1);
    eye_pin(count);
    if (bpf_skb_load_bytes(skb, work->passed.offset, head + 1, count + 1) != 0) {
        bpf_ringbuf_discard(head, 0);
        return false;
    }
    bpf_ringbuf_submit(head, eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES));
    return true;
}

static __always_inline bool eye_dns_tells_names(const struct eye_dns_work *work)
{
    const struct eye_dns_message *message = &work->message;
    return work->client && work->passed.ends & EYE_END_LEARNS && message->opcode == EYE_DNS_QUERY &&
           message->code == 0 && !message->truncated &&
           (message->type == EYE_DNS_A || message->type == EYE_DNS_AAAA);
}

/* It answers a question of this host: who was not asked tells no names. */
static __always_inline void eye_dns_learn(struct __sk_buff *skb, const struct eye_dns_work *work)
{
    if (!eye_dns_tells_names(work)) {
        return;
    }
    bool told = work->bytes <= EYE_DNS_MESSAGE_USUAL
                    ? eye_dns_copy(skb, work, EYE_DNS_MESSAGE_USUAL)
                : work->bytes <= EYE_DNS_MESSAGE_MAX ? eye_dns_copy(skb, work, EYE_DNS_MESSAGE_MAX)
                                                     : false;
    if (!told) {
        eye_lose(EYE_LOSS_DNS_NAMES, 1);
    }
}

/* A server that was older than the daemon is known by its answer at last. False: nobody asked. */
static __always_inline bool eye_dns_answered(const struct eye_waiting_key *key,
                                             const struct eye_dns_work *work)
{
    struct eye_waiting *known = bpf_map_lookup_elem(&waiting, key);
    struct eye_dns_record record = {0};
    if (known) {
        record.head = known->head;
        __builtin_memcpy(&record.body, known->body, sizeof(record.body));
        eye_set_duration(&record.head, (__s64)(work->time_ns - known->first_ns));
    }
    if (!known || bpf_map_delete_elem(&waiting, key) != 0) {
        eye_dns_lose(work, EYE_LOST_UNMATCHED, 1);
        return false;
    }
    if (work->passed.owner != EYE_OWNER_UNKNOWN) {
        record.head.owner = work->passed.owner;
    }
    record.head.code = work->message.code;
    record.body.flags |= work->message.truncated ? EYE_DNS_TRUNCATED : 0;
    if (bpf_ringbuf_output(&requests, &record, sizeof(record.head) + sizeof(record.body),
                           eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES)) != 0) {
        eye_dns_lose(work, EYE_LOST_RING, 1);
    }
    return true;
}

/* Of a buffer of several datagrams the first one is read: who asks in such ones is rare. */
static __always_inline __u32 eye_dns_first_bytes(struct __sk_buff *skb,
                                                 const struct eye_dns_work *work)
{
    __u32 bytes = skb->len - work->passed.offset;
    __u32 segment = skb->gso_size;
    if (segment == 0 || bytes <= segment) {
        return bytes;
    }
    eye_dns_lose(work, EYE_LOST_STEPS, (bytes - 1) / segment);
    return segment;
}

static __always_inline void eye_dns_handle_datagram(struct __sk_buff *skb, __u32 side)
{
    struct eye_dns_work work = {
        .passed = eye_take_datagram(skb),
        .port = EYE_DNS_PORT,
        .time_ns = bpf_ktime_get_ns(),
    };
    struct eye_waiting_key key;
    work.client = work.passed.ends & EYE_END_CLIENT;
    work.bytes = eye_dns_first_bytes(skb, &work);
    if (!eye_dns_read(skb, work.passed.offset, work.bytes, &work.message)) {
        eye_dns_lose(&work, EYE_LOST_MALFORMED, 1);
        return;
    }
    /* Clients send questions. */
    work.client = (side == EYE_SENT) != work.message.answer;
    if (!(work.passed.ends & (work.client ? EYE_END_CLIENT : EYE_END_SERVER))) {
        eye_dns_lose(&work, EYE_LOST_MALFORMED, 1);
        return;
    }
    eye_dns_fill_key(skb, &work, &key);
    if (!work.message.answer) {
        eye_dns_asked(&key, &work);
    } else if (eye_dns_answered(&key, &work)) {
        eye_dns_learn(skb, &work);
    }
}

/* ---- Over TCP ---- */

/* The message that the window of @side begins with. What comes before its socket
 * (first_payload.bpf.h) has no cookie to wait under. */
EYE_PART int eye_dns_handle_message(struct __sk_buff *skb, struct eye_conversation *conversation,
                                    __u32 side)
{
    struct bpf_sock *sk = skb->sk;
    struct eye_dns_work work = {.flags = EYE_DNS_OVER_TCP};
    struct eye_waiting_key key;
    if (!sk || !conversation) {
        return 0;
    }
    const struct eye_half *half = eye_half_of(conversation, side);
    struct eye_socket *socket =
        sk->state == TCP_LISTEN ? NULL : bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!socket) {
        eye_note_loss_part(conversation, EYE_LOST_GAP, 1);
        return 0;
    }
    if (!eye_dns_take_message(half, &work.message)) {
        eye_note_loss_part(conversation, EYE_LOST_MALFORMED, 1);
        return 0;
    }
    work.port = conversation->port;
    work.passed.owner = conversation->owner;
    work.passed.epoch = socket->stream.epoch;
    work.time_ns = half->first_ns;
    work.client = (side == EYE_SENT) != work.message.answer;
    eye_know(conversation, side, !work.message.answer);
    eye_dns_fill_key(skb, &work, &key);
    if (!work.message.answer) {
        eye_dns_asked(&key, &work);
    } else if (eye_dns_answered(&key, &work)) {
        eye_confirm(conversation);
    }
    return 0;
}

EYE_PART int eye_dns_frame_step(struct __sk_buff *skb, struct eye_conversation *conversation,
                                struct eye_cursor *at)
{
    return eye_take_step(skb, conversation, at, &eye_dns_parser);
}

/* One step of the frame, and the message that it may have found. Beside each other, not one in the
 * other: what a chain of calls has on the stack is 512 bytes at most. */
static __always_inline int eye_dns_step(struct __sk_buff *skb,
                                        struct eye_conversation *conversation,
                                        struct eye_cursor *at)
{
    int more = eye_dns_frame_step(skb, conversation, at);
    if (!conversation || !at) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, at->side);
    if (half->mark == EYE_DNS_FOUND) {
        half->mark = 0;
        eye_dns_handle_message(skb, conversation, at->side);
    }
    return more;
}

EYE_PROTOCOL_STEPS(dns)

static __always_inline void eye_dns_handle(struct __sk_buff *skb, __u32 side)
{
    struct bpf_sock *sk = skb->sk;
    sk = sk ? bpf_sk_fullsock(sk) : NULL;
    if (sk && sk->protocol == IPPROTO_TCP) {
        eye_handle_passed(skb, side, EYE_PROTOCOL_DNS, NULL, eye_dns_all_steps);
    } else {
        eye_dns_handle_datagram(skb, side);
    }
}

SEC("cgroup_skb/egress")
int dns_sent(struct __sk_buff *skb)
{
    eye_dns_handle(skb, EYE_SENT);
    return 1;
}

SEC("cgroup_skb/ingress")
int dns_received(struct __sk_buff *skb)
{
    eye_dns_handle(skb, EYE_RECEIVED);
    return 1;
}
