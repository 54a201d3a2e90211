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
    eye_holder *holder, const struct eye_conversation *conversation, __u8 mark)
{
    const struct eye_queue *queue = &conversation->queue;
    __u32 waiting = eye_waiting(queue);
    bool many =
        mark == EYE_KAFKA_ASKED ? waiting > 0 : waiting > 1 || queue->popped % EYE_QUEUE_DEPTH != 0;
    if (!many) {
        return NULL;
    }
    return eye_is_early(holder) ? eye_first_pipeline() : eye_make_state(pipelines, holder);
}

/* Before a socket there are requests alone. */
static __always_inline struct eye_kafka_walk *eye_kafka_find_walk(eye_holder *holder,
                                                                  const struct eye_half *half)
{
    return half->mark == EYE_KAFKA_ASKED || eye_is_early(holder)
               ? NULL
               : eye_make_state(kafka_walks, holder);
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
static __always_inline int eye_kafka_handle(eye_holder *holder,
                                            struct eye_conversation *conversation, __u32 side)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_kafka_work work = {.conversation = conversation, .side = side};
    work.pipeline = eye_kafka_pipeline(holder, conversation, half->mark);
    work.walk = eye_kafka_find_walk(holder, half);
    int news = eye_kafka_take_mark(&work);
    if (news == EYE_KAFKA_TOLD || news == EYE_KAFKA_SENT) {
        eye_kafka_tell(&work, news);
    }
    return news;
}

/* Before a step. An answer may look like a request: who connected is the client. */
EYE_PART int eye_kafka_prepare(eye_payload *payload, struct eye_conversation *conversation,
                               const struct eye_cursor *at)
{
    eye_holder *holder = eye_holder_of(payload);
    if (!holder || !conversation || !at) {
        return 0;
    }
    if (conversation->client == EYE_CLIENT_UNKNOWN && !eye_is_early(holder)) {
        eye_learn_client(payload, conversation);
    }
    eye_kafka_measure_payload(eye_half_of(conversation, at->side), at);
    return 0;
}

EYE_PART int eye_kafka_frame_step(eye_payload *payload, struct eye_conversation *conversation,
                                  struct eye_cursor *at)
{
    return eye_take_step(payload, conversation, at, &eye_kafka_parser);
}

/* Behind a step, which may have marked something. 0: there is nothing more to read. */
EYE_PART int eye_kafka_take(eye_payload *payload, struct eye_conversation *conversation,
                            struct eye_cursor *at)
{
    eye_holder *holder = eye_holder_of(payload);
    if (!holder || !conversation || !at) {
        return 0;
    }
    if (eye_half_of(conversation, at->side)->mark == EYE_KAFKA_NOTHING) {
        return at->verdict == EYE_VERDICT_GO_ON && at->offset < at->end;
    }
    int news = eye_kafka_handle(holder, conversation, at->side);
    if (news == EYE_KAFKA_TAUGHT) {
        eye_kafka_teach(conversation, at->side);
    }
    eye_half_of(conversation, at->side)->mark = EYE_KAFKA_NOTHING;
    return eye_kafka_heed(at, news);
}

/* Few branches: on older kernels the verifier follows each of them anew in every round of the loop
 * around this. */
static __always_inline int eye_kafka_step(eye_payload *payload,
                                          struct eye_conversation *conversation,
                                          struct eye_cursor *at)
{
    if (!conversation || !at) {
        return 0;
    }
    eye_kafka_prepare(payload, conversation, at);
    eye_kafka_frame_step(payload, conversation, at);
    return eye_kafka_take(payload, conversation, at);
}

EYE_PROTOCOL_STEPS(kafka)

EYE_PROTOCOL_ENTRIES(kafka, EYE_PROTOCOL_KAFKA, NULL)
