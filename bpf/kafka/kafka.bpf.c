/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of Kafka. The frame of streams finds where messages and what matters of them stand;
 * requests wait in its queue, where the number of an answer finds them.
 */
#include "bpf/usm/kafka/kafka.h"
#include "bpf/usm/payloads.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct eye_kafka_message {
    struct eye_request_head head;
    struct eye_kafka_topic topic;
};

/* What an id means, for whoever names topics. What finds no room comes again, with the next
 * metadata. */
EYE_PART int eye_kafka_teach(struct eye_conversation *conversation, __u32 side)
{
    if (!conversation) {
        return 0;
    }
    struct eye_kafka_message *message = bpf_ringbuf_reserve(&requests, sizeof(*message), 0);
    if (!message) {
        eye_note_loss_part(conversation, EYE_LOST_RING, 1);
        return 0;
    }
    __builtin_memset(&message->head, 0, sizeof(message->head));
    __u32 length = eye_kafka_copy_topic(eye_half_of(conversation, side), &message->topic);
    message->head.owner = conversation->owner;
    message->head.port = conversation->port;
    message->head.body_bytes = (__u16)(EYE_KAFKA_ID_BYTES + length);
    message->head.protocol = EYE_PROTOCOL_KAFKA;
    message->head.flags = EYE_REQUEST_MESSAGE;
    bpf_ringbuf_submit(message, eye_wake_flag(&requests, EYE_REQUESTS_WAKE_BYTES));
    return 0;
}

/* The slots beyond the first one, if one more request, or any that waits, is there. */
static __always_inline struct eye_pipeline *eye_kafka_pipeline(
    struct bpf_sock *sk, const struct eye_conversation *conversation, __u8 mark)
{
    const struct eye_queue *queue = &conversation->queue;
    __u32 waiting = eye_waiting(queue);
    bool many =
        mark == EYE_KAFKA_ASKED ? waiting > 0 : waiting > 1 || queue->popped % EYE_QUEUE_DEPTH != 0;
    if (!many) {
        return NULL;
    }
    return sk->state == TCP_LISTEN
               ? eye_first_pipeline()
               : bpf_sk_storage_get(&pipelines, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* Before a socket there are requests alone. */
static __always_inline struct eye_kafka_walk *eye_kafka_find_walk(struct bpf_sock *sk,
                                                                  const struct eye_half *half)
{
    return half->mark == EYE_KAFKA_ASKED || sk->state == TCP_LISTEN
               ? NULL
               : bpf_sk_storage_get(&kafka_walks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* Tells the request that waits longest, or the one behind all that wait. */
static __always_inline void eye_kafka_tell(struct eye_kafka_work *work, int news)
{
    struct eye_queue *queue = &work->conversation->queue;
    __u32 index = news == EYE_KAFKA_TOLD ? queue->popped : queue->pushed;
    struct eye_request *request = eye_slot(queue, work->pipeline, index);
    if (request) {
        eye_tell(work->conversation, request);
    }
    if (news == EYE_KAFKA_TOLD) {
        eye_pop(queue);
    }
}

/* What the parser has marked in the direction: enum eye_kafka_news. */
static __always_inline int eye_kafka_handle(struct bpf_sock *sk,
                                            struct eye_conversation *conversation, __u32 side)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_kafka_work work = {.conversation = conversation, .side = side};
    work.pipeline = eye_kafka_pipeline(sk, conversation, half->mark);
    work.walk = eye_kafka_find_walk(sk, half);
    int news = eye_kafka_take_mark(&work);
    if (news == EYE_KAFKA_TOLD || news == EYE_KAFKA_SENT) {
        eye_kafka_tell(&work, news);
    }
    return news;
}

/* Before a step. An answer may look like a request: who connected is the client. */
EYE_PART int eye_kafka_prepare(struct __sk_buff *skb, struct eye_conversation *conversation,
                               const struct eye_cursor *at)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation || !at) {
        return 0;
    }
    if (conversation->client == EYE_CLIENT_UNKNOWN && sk->state != TCP_LISTEN) {
        eye_learn_client(skb, conversation);
    }
    eye_kafka_measure_payload(eye_half_of(conversation, at->side), at);
    return 0;
}

EYE_PART int eye_kafka_frame_step(struct __sk_buff *skb, struct eye_conversation *conversation,
                                  struct eye_cursor *at)
{
    return eye_take_step(skb, conversation, at, &eye_kafka_parser);
}

/* Behind a step, which may have marked something. 0: there is nothing more to read. */
EYE_PART int eye_kafka_take(struct __sk_buff *skb, struct eye_conversation *conversation,
                            struct eye_cursor *at)
{
    struct bpf_sock *sk = skb->sk;
    if (!sk || !conversation || !at) {
        return 0;
    }
    if (eye_half_of(conversation, at->side)->mark == EYE_KAFKA_NOTHING) {
        return at->verdict == EYE_VERDICT_GO_ON && at->offset < at->end;
    }
    int news = eye_kafka_handle(sk, conversation, at->side);
    if (news == EYE_KAFKA_TAUGHT) {
        eye_kafka_teach(conversation, at->side);
    }
    eye_half_of(conversation, at->side)->mark = EYE_KAFKA_NOTHING;
    return eye_kafka_heed(at, news);
}

/* Few branches: on older kernels the verifier follows each of them anew in every round of the loop
 * around this. */
static __always_inline int eye_kafka_step(struct __sk_buff *skb,
                                          struct eye_conversation *conversation,
                                          struct eye_cursor *at)
{
    if (!conversation || !at) {
        return 0;
    }
    eye_kafka_prepare(skb, conversation, at);
    eye_kafka_frame_step(skb, conversation, at);
    return eye_kafka_take(skb, conversation, at);
}

EYE_PROTOCOL_STEPS(kafka)

SEC("cgroup_skb/egress")
int kafka_sent(struct __sk_buff *skb)
{
    eye_handle_passed(skb, EYE_SENT, EYE_PROTOCOL_KAFKA, NULL, eye_kafka_all_steps);
    return 1;
}

SEC("cgroup_skb/ingress")
int kafka_received(struct __sk_buff *skb)
{
    eye_handle_passed(skb, EYE_RECEIVED, EYE_PROTOCOL_KAFKA, NULL, eye_kafka_all_steps);
    return 1;
}
