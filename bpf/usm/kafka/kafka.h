/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kafka (https://kafka.apache.org/protocol). A parser as bpf/usm/parser.h says, of the kind that
 * pairs by number: requests.h and answers.h find where messages and what matters of them stand,
 * and leave a mark; what is made of it is here.
 */
#pragma once

#include "bpf/usm/kafka/answers.h"
#include "bpf/usm/kafka/walk.h"
#include "bpf/usm/numbered.h"

/* Topics of one answer with metadata whose ids are learnt. */
#define EYE_KAFKA_TOPICS_MAX 256

/* What the work on one mark needs. Pointers of the kernel's are not passed on in memory, so it is
 * never more than the arguments of functions that are inlined. */
struct eye_kafka_work {
    struct eye_conversation *conversation;
    struct eye_pipeline *pipeline; /* NULL: there was no need for it, or no memory */
    struct eye_kafka_walk *walk;   /* NULL: likewise; of answers only */
    __u32 side;
};

/* What a mark comes to. */
enum eye_kafka_news {
    EYE_KAFKA_NO_NEWS,
    EYE_KAFKA_TOLD,       /* the first request that waits is answered: told, then popped */
    EYE_KAFKA_SENT,       /* the slot behind those that wait has one that nobody answers */
    EYE_KAFKA_TAUGHT,     /* the window begins with a topic and its id */
    EYE_KAFKA_NOT_IT,     /* this is not Kafka */
    EYE_KAFKA_STILL_LOST, /* what was taken for an answer is none */
};

/* ---- Recognised ---- */

/* The client's name, as far as it is there. Words of the stack have to be aligned. */
static __always_inline bool eye_kafka_glance_name(const struct eye_glance *glance, __u32 length)
{
    __u64 third = eye_load_word(glance->bytes + 16);
    __u64 first = eye_load_word(glance->bytes + 8) >> 48 | third << 16;
    __u64 second = third >> 48 | eye_load_word(glance->bytes + 24) << 16;
    return eye_kafka_is_printable(first, length < 8 ? length : 8) &&
           eye_kafka_is_printable(second, length < 8    ? 0
                                          : length < 16 ? length - 8
                                                        : 8);
}

static __always_inline __u64 eye_kafka_glance_word(const struct eye_glance *glance, __u32 at)
{
    __u64 index = at;
    eye_pin(index);
    index &= EYE_LOOK_BYTES - 1;
    eye_pin(index);
    return eye_load_word(glance->bytes + index);
}

/* Where it says in the glance who has to acknowledge a batch, if what @head begins is one;
 * EYE_LOOK_BYTES: beyond it. A transaction with a name of 127 bytes or more is, too. */
static __always_inline __u32 eye_kafka_glance_acks(const struct eye_glance *glance,
                                                   const struct eye_kafka_head *head)
{
    bool flexible = head->version >= eye_kafka_layout_of(EYE_KAFKA_PRODUCE)->flexible;
    __u32 at = EYE_KAFKA_HEAD_BYTES + head->client;
    if (head->version >= EYE_KAFKA_TRANSACTIONS && at < EYE_LOOK_BYTES) {
        __u64 word = eye_kafka_glance_word(glance, at);
        __u16 length = flexible ? (__u8)(word >> 8) : (__u16)(eye_kafka_big_16(word) + 1);
        at += 2 + (length == 0 ? 0 : length - 1);
    }
    return at < EYE_LOOK_BYTES ? at : EYE_LOOK_BYTES;
}

/* What begins like a produced batch may be one: zeros and small numbers are others', too, as the
 * requests of ZooKeeper. */
EYE_PART int eye_kafka_glance_batch(const struct eye_glance *glance)
{
    struct eye_kafka_head head;
    if (!glance) {
        return 0;
    }
    eye_kafka_read_head(eye_load_word(glance->bytes), eye_load_word(glance->bytes + 8), &head);
    bool flexible = head.version >= eye_kafka_layout_of(EYE_KAFKA_PRODUCE)->flexible;
    __u32 at = eye_kafka_glance_acks(glance, &head);
    if (at + 10 > EYE_LOOK_BYTES) {
        return head.client > 0;
    }
    __u64 word = eye_kafka_glance_word(glance, at);
    __u32 topics = eye_kafka_big_32(word >> 48 | eye_kafka_glance_word(glance, at + 8) << 16);
    return at + 6 < EYE_KAFKA_SIZE_BYTES + head.size && eye_kafka_is_acks(eye_kafka_big_16(word)) &&
           (flexible || (topics > 0 && topics <= EYE_KAFKA_LIKELY_TOPICS));
}

/* The payload of @bytes begins with a batch, and with enough of it to know. */
EYE_PART int eye_kafka_glance_begins_batch(const struct eye_glance *glance, __u32 bytes)
{
    struct eye_kafka_head head;
    if (!glance) {
        return 0;
    }
    eye_kafka_read_head(eye_load_word(glance->bytes), eye_load_word(glance->bytes + 8), &head);
    __u32 at = EYE_KAFKA_HEAD_BYTES + head.client;
    return at + EYE_KAFKA_BATCH_BYTES <= bytes &&
           eye_kafka_is_batch(&head, eye_kafka_glance_word(glance, at),
                              eye_kafka_glance_word(glance, at + 8));
}

/* As parser.h says: a request that ends with its payload, or the beginning of a batch, of which
 * there is much or what nothing else has. */
static __always_inline int eye_kafka_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    struct eye_kafka_head head;
    eye_kafka_read_head(eye_load_word(glance->bytes), eye_load_word(glance->bytes + 8), &head);
    if (bytes < EYE_KAFKA_HEAD_BYTES || !eye_kafka_is_likely(&head) ||
        !eye_kafka_glance_name(glance, head.client)) {
        return 0;
    }
    return eye_kafka_fits(&head, glance->payload_bytes)
               ? head.key != EYE_KAFKA_PRODUCE || eye_kafka_glance_batch(glance)
               : eye_kafka_glance_begins_batch(glance, bytes);
}

/* ---- Requests ---- */

static __always_inline bool eye_kafka_starts_raw(const struct eye_half *half)
{
    return eye_load_word(half->window) >> 32 == (__u64)EYE_KAFKA_SASL_HANDSHAKE << 8;
}

static __always_inline void eye_kafka_fill(const struct eye_conversation *conversation,
                                           const struct eye_half *half, struct eye_request *request)
{
    request->started_ns = half->first_ns;
    request->sequence = half->first_sequence;
    request->number = half->left;
    request->mark = 0;
    eye_set_duration(&request->head, 0);
    request->head.protocol = conversation->protocol;
}

/* Of the body: as long as its name. */
static __always_inline void eye_kafka_measure_body(struct eye_request *request)
{
    request->head.body_bytes = EYE_KAFKA_BODY_FIXED + request->body[3];
}

/* Answers that are not found, or have been passed, give back no room: the one that waits longest
 * makes some. */
static __always_inline void eye_kafka_make_room(struct eye_conversation *conversation, __u32 side)
{
    if (eye_waiting(&conversation->queue) >= EYE_QUEUE_DEPTH &&
        eye_opposite_of(conversation, side)->phase == EYE_PHASE_LOST) {
        conversation->queue.popped++;
        eye_note_loss_part(conversation, EYE_LOST_UNANSWERED, 1);
    }
}

/* A request is in the window, or as much of it as matters. */
EYE_PART int eye_kafka_ask(struct eye_conversation *conversation, struct eye_pipeline *pipeline,
                           __u32 side)
{
    if (!conversation) {
        return EYE_KAFKA_NO_NEWS;
    }
    struct eye_queue *queue = &conversation->queue;
    struct eye_half *half = eye_half_of(conversation, side);
    eye_know(conversation, side, true);
    half->left = eye_kafka_big_32(eye_load_word(half->window + 8));
    if (eye_kafka_starts_raw(half)) {
        half->flags = EYE_KAFKA_RAW;
    }
    eye_kafka_make_room(conversation, side);
    struct eye_request *request = eye_open_numbered(queue, pipeline);
    eye_pin(request);
    if (!request) {
        eye_note_loss_part(conversation, EYE_LOST_PIPELINE, 1);
        return EYE_KAFKA_NO_NEWS;
    }
    eye_kafka_note_request(half, request);
    eye_kafka_fill(conversation, half, request);
    eye_kafka_measure_body(request);
    if (!(request->body[2] & EYE_KAFKA_UNACKNOWLEDGED)) {
        queue->pushed++;
        return EYE_KAFKA_NO_NEWS;
    }
    if (!conversation->confirmed && eye_kafka_shows_itself(half, request)) {
        eye_confirm(conversation); /* who sends nothing else never gets an answer */
    }
    if (conversation->confirmed) {
        return EYE_KAFKA_SENT;
    }
    eye_note_loss_part(conversation, EYE_LOST_UNANSWERED, 1);
    return EYE_KAFKA_NO_NEWS;
}

/* ---- Answers ---- */

/* The answer goes on with @phase, behind what is passed over and @more bytes. */
static __always_inline void eye_kafka_go_on(struct eye_half *half, __u8 phase, __u32 more)
{
    more = more < half->left ? more : half->left;
    half->left -= more;
    if (half->left == 0) {
        phase = EYE_PHASE_START;
    }
    if (half->phase == EYE_PHASE_SKIP) {
        half->skip += more;
        half->behind = phase;
    } else {
        eye_skip_next(half, more, phase);
    }
}

/* All that matters of the answer is known. */
static __always_inline enum eye_kafka_news eye_kafka_finish(struct eye_half *half,
                                                            struct eye_request *request, __u16 code,
                                                            bool empty)
{
    eye_kafka_go_on(half, EYE_PHASE_START, half->left);
    request->head.code = code;
    request->body[2] |= empty && code == 0 ? EYE_KAFKA_EMPTY : 0;
    eye_kafka_measure_body(request);
    return EYE_KAFKA_TOLD;
}

/* An answer that belongs to no request that waits. What was sent before we came, or has been given
 * up, or wants no answer, may have one. */
static __always_inline enum eye_kafka_news eye_kafka_answer_none(
    struct eye_conversation *conversation, struct eye_half *half, __s32 ahead)
{
    if (half->mark != EYE_KAFKA_ANSWERED) {
        eye_lose_track(half);
        return EYE_KAFKA_STILL_LOST;
    }
    if (!conversation->confirmed) {
        return EYE_KAFKA_NOT_IT;
    }
    if (ahead > 0) {
        eye_note_loss_part(conversation, EYE_LOST_UNMATCHED, 1);
    }
    eye_kafka_go_on(half, EYE_PHASE_START, half->left);
    return EYE_KAFKA_NO_NEWS;
}

/* An answer to what was asked behind all that wait, and had no room: since answers come in order,
 * those have none, as batches whose acknowledgement stands too far behind a long name. */
static __always_inline void eye_kafka_pass(struct eye_conversation *conversation,
                                           struct eye_pipeline *pipeline, __u32 number)
{
    struct eye_queue *queue = &conversation->queue;
    if (eye_waiting(queue) < EYE_QUEUE_DEPTH) {
        return;
    }
    const struct eye_request *last = eye_slot(queue, pipeline, queue->pushed - 1);
    if (last && (__s32)(number - last->number) > 0) {
        queue->popped = queue->pushed;
        eye_note_loss_part(conversation, EYE_LOST_UNANSWERED, EYE_QUEUE_DEPTH);
    }
}

/* Does anything of the answer matter beyond that it is there? */
static __always_inline bool eye_kafka_matters(const struct eye_request *request)
{
    __u32 key = request->body[0];
    __u32 version = request->body[1];
    const struct eye_kafka_layout *layout = eye_kafka_layout_of(key);
    return key == EYE_KAFKA_FETCH
               ? version <= EYE_KAFKA_VERSION_MAX
               : layout->error != EYE_KAFKA_ERROR_NOWHERE && version <= layout->until;
}

/* The head of an answer is in the window. */
EYE_PART int eye_kafka_answer(struct eye_conversation *conversation, struct eye_pipeline *pipeline,
                              struct eye_kafka_walk *walk, __u32 side)
{
    if (!conversation) {
        return EYE_KAFKA_NO_NEWS;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    const struct eye_half *asks = eye_opposite_of(conversation, side);
    __u32 number = eye_kafka_big_32(eye_load_word(half->window) >> 32);
    struct eye_request *request = eye_find_numbered(conversation, pipeline, number);
    eye_pin(request);
    if (request && half->mark == EYE_KAFKA_GUESSED_LONG && request->body[0] != EYE_KAFKA_FETCH) {
        request = NULL;
    }
    if (!request && half->mark == EYE_KAFKA_ANSWERED && conversation->confirmed) {
        eye_kafka_pass(conversation, pipeline, number);
    }
    if (!request || !walk) {
        return eye_kafka_answer_none(conversation, half, (__s32)(number - asks->left));
    }
    eye_know(conversation, side, false);
    eye_confirm(conversation);
    eye_time_answer(request, half->first_ns, 0);
    half->flags = (__u16)(request->body[0] | request->body[1] << 8);
    walk->number = number;
    walk->topics = 0;
    walk->partitions = 0;
    if (half->left > 0 && eye_kafka_tells_ids(request->body[0], request->body[1])) {
        return EYE_KAFKA_TOLD; /* what follows is walked, and says nothing of the request */
    }
    /* Whether a fetch that is not read had waited for records, nobody knows: it is not timed. */
    return half->left > 0 && eye_kafka_matters(request)
               ? EYE_KAFKA_NO_NEWS
               : eye_kafka_finish(half, request, 0, request->body[0] == EYE_KAFKA_FETCH);
}

/* ---- A fetch ---- */

/* Its answer has begun: whom it tells of follows, if there is no error. */
static __always_inline enum eye_kafka_news eye_kafka_begin_fetch(struct eye_half *half,
                                                                 struct eye_kafka_walk *walk,
                                                                 struct eye_request *request)
{
    __u32 version = eye_kafka_version_of(half);
    __u32 error_at = eye_kafka_is_flexible(EYE_KAFKA_FETCH, version) ? 5 : 4;
    __u16 error = version >= 7 ? eye_kafka_take_16(half, &error_at) : 0;
    __u32 at = 0;
    walk->topics = eye_kafka_take_fetch(half, &at);
    return error != 0 || walk->topics == 0 || half->left == 0
               ? eye_kafka_finish(half, request, error, true)
               : EYE_KAFKA_NO_NEWS;
}

/* A topic without records has passed. */
static __always_inline enum eye_kafka_news eye_kafka_end_topic(struct eye_half *half,
                                                               struct eye_kafka_walk *walk,
                                                               struct eye_request *request)
{
    bool flexible = eye_kafka_is_flexible(EYE_KAFKA_FETCH, eye_kafka_version_of(half));
    walk->topics--;
    if (walk->topics == 0 || half->left <= flexible) {
        return eye_kafka_finish(half, request, 0, true);
    }
    eye_kafka_go_on(half, EYE_KAFKA_AT_TOPIC, flexible);
    return EYE_KAFKA_NO_NEWS;
}

/* What the answer brings tells more than what was asked for: a session asks for what is new, and
 * of several topics this one may be the one that has records. */
static __always_inline enum eye_kafka_news eye_kafka_begin_topic(struct eye_half *half,
                                                                 struct eye_kafka_walk *walk,
                                                                 struct eye_request *request)
{
    __u32 at = 0;
    walk->partitions = eye_kafka_take_topic(half, &at);
    request->body[2] = 0;
    request->body[3] = 0;
    request->head.flags = 0;
    eye_kafka_note_topic(half, 0, EYE_WINDOW_BYTES, request);
    return walk->partitions == 0 || half->left == 0 ? eye_kafka_end_topic(half, walk, request)
                                                    : EYE_KAFKA_NO_NEWS;
}

/* A partition has passed, or a part of it; those behind records are not looked at. */
static __always_inline enum eye_kafka_news eye_kafka_pass_partition(struct eye_half *half,
                                                                    struct eye_kafka_walk *walk,
                                                                    struct eye_request *request)
{
    __u32 at = 4;
    bool begins = half->mark <= EYE_KAFKA_PART;
    bool full = half->mark == EYE_KAFKA_FULL_PART || half->mark == EYE_KAFKA_FULL_REST;
    __u16 error = begins ? eye_kafka_take_16(half, &at) : 0;
    if (error != 0 || full || half->left == 0) {
        return eye_kafka_finish(half, request, error, !full);
    }
    if (half->mark == EYE_KAFKA_PART) {
        return EYE_KAFKA_NO_NEWS;
    }
    walk->partitions--;
    return walk->partitions == 0 ? eye_kafka_end_topic(half, walk, request) : EYE_KAFKA_NO_NEWS;
}

/* The request whose answer is being read, unless it was given up meanwhile. */
static __always_inline struct eye_request *eye_kafka_present(struct eye_conversation *conversation,
                                                             struct eye_pipeline *pipeline,
                                                             const struct eye_kafka_walk *walk)
{
    struct eye_queue *queue = &conversation->queue;
    if (eye_waiting(queue) == 0) {
        return NULL;
    }
    struct eye_request *request = eye_slot(queue, pipeline, queue->popped);
    return request && request->number == walk->number ? request : NULL;
}

/* What was marked of a fetch. */
EYE_PART int eye_kafka_read_fetch(struct eye_half *half, struct eye_kafka_walk *walk,
                                  struct eye_request *request)
{
    if (!half || !walk || !request) {
        return EYE_KAFKA_NO_NEWS;
    }
    if (half->mark == EYE_KAFKA_BODY) {
        return eye_kafka_begin_fetch(half, walk, request);
    }
    return half->mark == EYE_KAFKA_TOPIC ? eye_kafka_begin_topic(half, walk, request)
                                         : eye_kafka_pass_partition(half, walk, request);
}

/* What was marked of an answer that is read until its request can be told. */
static __always_inline int eye_kafka_read_on(struct eye_conversation *conversation,
                                             struct eye_pipeline *pipeline,
                                             struct eye_kafka_walk *walk, __u32 side)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_request *request = eye_kafka_present(conversation, pipeline, walk);
    bool fetch = eye_kafka_key_of(half) == EYE_KAFKA_FETCH;
    __u32 seen = half->left;
    half->left = fetch ? seen : 0;
    eye_pin(request);
    if (!request) {
        eye_kafka_go_on(half, EYE_PHASE_START, half->left);
        return EYE_KAFKA_NO_NEWS;
    }
    if (half->mark == EYE_KAFKA_BROKEN) {
        return eye_kafka_finish(half, request, 0, fetch);
    }
    if (fetch) {
        return eye_kafka_read_fetch(half, walk, request);
    }
    return eye_kafka_finish(half, request, (__u16)eye_kafka_error_of(half, seen, request), false);
}

/* ---- Metadata, whose request was told before ---- */

/* Behind a topic's partitions: what one may do with it, and its tags. */
#define EYE_KAFKA_TOPIC_TAIL 5

/* A topic has passed. */
static __always_inline void eye_kafka_end_name(struct eye_half *half, struct eye_kafka_walk *walk)
{
    walk->topics--;
    if (walk->topics > 0) {
        eye_kafka_go_on(half, EYE_KAFKA_AT_NAME, EYE_KAFKA_TOPIC_TAIL);
    } else {
        eye_kafka_go_on(half, EYE_PHASE_START, half->left);
    }
}

static __always_inline void eye_kafka_go_on_to_brokers(struct eye_half *half,
                                                       const struct eye_kafka_walk *walk)
{
    eye_kafka_go_on(half, walk->partitions > 0 ? EYE_KAFKA_AT_BROKER : EYE_KAFKA_AT_CLUSTER, 0);
}

EYE_PART int eye_kafka_learn(struct eye_half *half, struct eye_kafka_walk *walk)
{
    __u32 length = 0;
    __u32 name = 0;
    __u32 at = 0;
    if (!half || !walk) {
        return EYE_KAFKA_NO_NEWS;
    }
    switch (half->mark) {
    case EYE_KAFKA_BODY:
        walk->partitions = eye_kafka_take_metadata(half, &at);
        eye_kafka_go_on_to_brokers(half, walk);
        break;
    case EYE_KAFKA_BROKER:
        walk->partitions--;
        eye_kafka_go_on_to_brokers(half, walk);
        break;
    case EYE_KAFKA_CLUSTER:
        walk->topics = eye_kafka_take_cluster(half, &at);
        walk->topics = walk->topics < EYE_KAFKA_TOPICS_MAX ? walk->topics : EYE_KAFKA_TOPICS_MAX;
        eye_kafka_go_on(half, EYE_KAFKA_AT_NAME, walk->topics > 0 ? 0 : half->left);
        break;
    case EYE_KAFKA_LEARNT:
        walk->partitions = eye_kafka_take_name(half, &at, &name, &length);
        eye_kafka_go_on(half, EYE_KAFKA_AT_LEADER, 0);
        if (walk->partitions == 0) {
            eye_kafka_end_name(half, walk);
        }
        return length > 0 ? EYE_KAFKA_TAUGHT : EYE_KAFKA_NO_NEWS;
    case EYE_KAFKA_LEADER:
        walk->partitions--;
        if (walk->partitions == 0) {
            eye_kafka_end_name(half, walk);
        }
        break;
    default:
        break; /* it could not be read, and is passed over */
    }
    if (half->left == 0 && half->phase >= EYE_PHASE_OWN) {
        half->phase = EYE_PHASE_START;
    }
    return EYE_KAFKA_NO_NEWS;
}

/* The topic that the window begins with: its id and its name. Returns the length of that. */
EYE_PART __u32 eye_kafka_copy_topic(const struct eye_half *half, struct eye_kafka_topic *topic)
{
    __u32 length = 0;
    __u32 name = 0;
    __u32 at = 0;
    if (!half || !topic) {
        return 0;
    }
    eye_kafka_take_name(half, &at, &name, &length);
    __u32 id = name + length;
    eye_store_word(topic->id, eye_kafka_word(half, id));
    eye_store_word(topic->id + 8, eye_kafka_word(half, id + 8));
    for (int i = 0; i < EYE_KAFKA_NAME_BYTES; i += 8) {
        eye_store_word(topic->name + i, eye_kafka_word(half, name + i));
    }
    return length < EYE_KAFKA_NAME_BYTES ? length : EYE_KAFKA_NAME_BYTES;
}

/* ---- All of it ---- */

/* Takes the mark that the parser left in the direction: enum eye_kafka_news. */
static __always_inline int eye_kafka_take_mark(const struct eye_kafka_work *work)
{
    struct eye_half *half = eye_half_of(work->conversation, work->side);
    if (half->mark == EYE_KAFKA_ASKED) {
        return eye_kafka_ask(work->conversation, work->pipeline, work->side);
    }
    if (half->mark <= EYE_KAFKA_GUESSED_LONG) {
        return eye_kafka_answer(work->conversation, work->pipeline, work->walk, work->side);
    }
    if (!work->walk) {
        return EYE_KAFKA_NOT_IT; /* none was ever begun */
    }
    return eye_kafka_key_of(half) == EYE_KAFKA_METADATA
               ? eye_kafka_learn(half, work->walk)
               : eye_kafka_read_on(work->conversation, work->pipeline, work->walk, work->side);
}

/* In a direction that is lost the parser has to know how much of the payload there is. */
static __always_inline void eye_kafka_measure_payload(struct eye_half *half,
                                                      const struct eye_cursor *at)
{
    if (half->phase == EYE_PHASE_LOST) {
        half->skip = (__u64)half->held + (at->end - at->offset);
    }
}

/* Whether there is anything to read behind such news. */
static __always_inline bool eye_kafka_heed(struct eye_cursor *at, int news)
{
    if (news == EYE_KAFKA_NOT_IT) {
        at->verdict = EYE_VERDICT_NOT_IT;
    }
    if (news == EYE_KAFKA_NOT_IT || news == EYE_KAFKA_STILL_LOST) {
        at->offset = at->end;
    }
    return at->offset < at->end;
}

static __always_inline void eye_kafka_read(struct eye_conversation *conversation, __u32 side,
                                           __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    if (half->phase >= EYE_PHASE_OWN) {
        eye_kafka_read_item(half, filled, found);
    } else if (eye_may_carry(conversation, side, true)) {
        eye_kafka_read_request(conversation, side, filled, found);
    } else {
        eye_kafka_read_answer(conversation, side, filled, found);
    }
}

static const struct eye_parser eye_kafka_parser = {.read = eye_kafka_read};
