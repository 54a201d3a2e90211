/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of Kafka on the host: the engine and the parser over payloads in memory, driven as
 * the kernel's programs drive them (bpf/kafka/kafka.bpf.c); requests that were told, topics that
 * were learnt and losses are collected. Included by tests and fuzzers only.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/engine.h"
#include "bpf/usm/kafka/kafka.h"
#pragma GCC diagnostic pop

#define KAFKA_HOST_RECORDS 1024
#define KAFKA_HOST_TOPICS 512

struct kafka_host_record {
    struct eye_request_head head;
    struct eye_kafka_body body; /* zero behind its name */
    __u32 number;
    __u32 padding;
};

struct kafka_host_topic {
    __u8 id[EYE_KAFKA_ID_BYTES];
    char name[EYE_KAFKA_NAME_BYTES + 1];
};

struct kafka_host {
    struct eye_conversation conversation;
    struct eye_pipeline pipeline;
    struct eye_kafka_walk walk;
    bool joins;   /* the connection is older than the parser */
    bool stopped; /* given up: later payloads are not looked at */
    __u64 clock_ns;
    __u32 sequence[2]; /* by direction: 0 sent by this end, which is the client, 1 received */
    __u32 verdict;
    __u64 losses[EYE_LOST_COUNT];
    size_t record_count;
    size_t topic_count;
    struct kafka_host_record records[KAFKA_HOST_RECORDS];
    struct kafka_host_topic topics[KAFKA_HOST_TOPICS];
};

/* What is kept beside the conversation is dirty. */
static inline void kafka_host_reset(struct kafka_host *host)
{
    memset(host, 0, offsetof(struct kafka_host, records));
    memset(&host->pipeline, 0xa5, sizeof(host->pipeline));
    memset(&host->conversation.queue.first, 0xa5, sizeof(host->conversation.queue.first));
    host->sequence[0] = 0xfffffff0U; /* wraps early: sequence arithmetic must cope */
    host->sequence[1] = 1000;
    eye_begin_conversation(&host->conversation, EYE_PROTOCOL_KAFKA);
    host->conversation.queue.by_number = 1;
    host->conversation.client = EYE_CLIENT_THIS_END; /* as the socket says */
}

static inline struct kafka_host *kafka_host_new(void)
{
    struct kafka_host *host = malloc(sizeof(*host));
    if (host == NULL) {
        abort();
    }
    kafka_host_reset(host);
    return host;
}

static inline void kafka_host_keep(struct kafka_host *host, const struct eye_request *request)
{
    if (request->head.body_bytes > sizeof(struct eye_kafka_body)) {
        abort();
    }
    if (host->record_count < KAFKA_HOST_RECORDS) {
        struct kafka_host_record *record = &host->records[host->record_count];
        memset(record, 0, sizeof(*record));
        record->head = request->head;
        memcpy(&record->body, request->body, request->head.body_bytes);
        record->number = request->number;
    }
    host->record_count++;
}

static inline void kafka_host_teach(struct kafka_host *host, __u32 side)
{
    struct eye_kafka_topic topic;
    __u32 length = eye_kafka_copy_topic(eye_half_of(&host->conversation, side), &topic);
    if (host->topic_count < KAFKA_HOST_TOPICS) {
        struct kafka_host_topic *kept = &host->topics[host->topic_count];
        memcpy(kept->id, topic.id, sizeof(kept->id));
        memcpy(kept->name, topic.name, length);
        kept->name[length] = '\0';
    }
    host->topic_count++;
}

static inline int kafka_host_take_mark(struct kafka_host *host, __u32 side)
{
    struct eye_queue *queue = &host->conversation.queue;
    struct eye_kafka_work work = {.conversation = &host->conversation,
                                  .pipeline = &host->pipeline,
                                  .walk = &host->walk,
                                  .side = side};
    int news = eye_kafka_take_mark(&work);
    if (news == EYE_KAFKA_TOLD) {
        kafka_host_keep(host, eye_slot(queue, &host->pipeline, queue->popped));
        eye_pop(queue);
    } else if (news == EYE_KAFKA_SENT) {
        kafka_host_keep(host, eye_slot(queue, &host->pipeline, queue->pushed));
    } else if (news == EYE_KAFKA_TAUGHT) {
        kafka_host_teach(host, side);
    }
    return news;
}

static inline void kafka_host_read(struct kafka_host *host, struct eye_work *work)
{
    struct eye_half *half = eye_half_of(&host->conversation, work->at->side);
    struct eye_request *answered;
    __u32 steps = 0;
    bool more = true;
    while (more) {
        eye_kafka_measure_payload(half, work->at);
        more = eye_step(work, &answered);
        /* Each step takes a byte at least; requests are none of the engine's. */
        if (answered || steps++ > work->at->end) {
            abort();
        }
        if (half->mark != EYE_KAFKA_NOTHING) {
            int news = kafka_host_take_mark(host, work->at->side);
            half->mark = EYE_KAFKA_NOTHING;
            more = eye_kafka_heed(work->at, news) && more;
        }
    }
}

/* A segment at an explicit sequence number, as it passes by. */
static inline void kafka_host_segment(struct kafka_host *host, __u32 side, __u32 sequence,
                                      const void *bytes, size_t size)
{
    struct eye_receiver receiver = {.first = !host->joins};
    struct eye_cursor at = {.side = side,
                            .end = (__u32)size,
                            .origin = sequence,
                            .acknowledged = host->sequence[side ^ 1]};
    struct eye_work work = {.parser = &eye_kafka_parser,
                            .conversation = &host->conversation,
                            .reader = {.from = bytes,
                                       .time_ns = host->clock_ns,
                                       .bytes = (__u32)size,
                                       .source = EYE_SOURCE_MEMORY},
                            .at = &at};
    if (host->stopped || size == 0 ||
        (!eye_is_next(&host->conversation, &at, sequence) &&
         !eye_resolve(&host->conversation, &at, &receiver, sequence))) {
        return;
    }
    eye_advance_to_new(&host->conversation, &at, sequence);
    kafka_host_read(host, &work);
    for (size_t i = 0; i < EYE_LOST_COUNT; i++) {
        host->losses[i] += host->conversation.lost[i];
        host->conversation.lost[i] = 0;
    }
    host->verdict = at.verdict;
    host->stopped = at.verdict != EYE_VERDICT_GO_ON;
}

/* The next bytes of a direction. */
static inline void kafka_host_send(struct kafka_host *host, __u32 side, const void *bytes,
                                   size_t size)
{
    kafka_host_segment(host, side, host->sequence[side], bytes, size);
    host->sequence[side] += (__u32)size;
}

/* The same, in segments of @piece bytes behind one of @first (0: likewise). */
static inline void kafka_host_send_pieces(struct kafka_host *host, __u32 side, const __u8 *bytes,
                                          size_t size, size_t piece, size_t first)
{
    size_t next = first > 0 ? first : piece;
    for (size_t at = 0; at < size;) {
        size_t part = next < size - at ? next : size - at;
        kafka_host_send(host, side, bytes + at, part);
        at += part;
        next = piece;
    }
}
