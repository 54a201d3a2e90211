/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kafka: what a broker answers. An answer has its size and the number of its request; what follows
 * can be read by whoever knows that one. Two answers are walked, structure by structure: a fetch's,
 * until it is known whether it brings records, and metadata's, for what the ids of topics mean.
 */
#pragma once

#include "bpf/usm/kafka/requests.h"

#define EYE_KAFKA_ANSWER_HEAD_BYTES 8
#define EYE_KAFKA_ANSWER_LEAST 4
#define EYE_KAFKA_ANSWER_MAX 0x40000000U
/* So far apart are the numbers of two answers that come at once. */
#define EYE_KAFKA_LIKELY_AHEAD 256
/* Of a token, which is none of the protocol's messages. */
#define EYE_KAFKA_TOKEN_MAX (1U << 20)

/* The first version of metadata's answer that tells ids. */
#define EYE_KAFKA_METADATA_IDS 10

/* eye_half.phase of answers, beside enum eye_phase: what the window begins with. `left` says what
 * of the answer is to come (or, behind the body of one that is not walked, what of it was seen),
 * `flags` which request it answers. */
enum eye_kafka_phase {
    EYE_KAFKA_AT_BODY = EYE_PHASE_OWN,
    EYE_KAFKA_AT_TOPIC,
    EYE_KAFKA_AT_PARTITION,
    EYE_KAFKA_AT_RECORDS,
    EYE_KAFKA_AT_BROKER,
    EYE_KAFKA_AT_CLUSTER,
    EYE_KAFKA_AT_NAME,
    EYE_KAFKA_AT_LEADER,
};

static __always_inline __u32 eye_kafka_key_of(const struct eye_half *half)
{
    return half->flags & 0xff;
}

static __always_inline __u32 eye_kafka_version_of(const struct eye_half *half)
{
    return half->flags >> 8;
}

static __always_inline bool eye_kafka_tells_ids(__u32 key, __u32 version)
{
    return key == EYE_KAFKA_METADATA && version >= EYE_KAFKA_METADATA_IDS &&
           version <= EYE_KAFKA_VERSION_MAX;
}

/* ---- Structures: each is passed over, and says how many others follow ---- */

/* What a fetch begins with, up to its topics. */
static __always_inline __u32 eye_kafka_take_fetch(const struct eye_half *half, __u32 *at)
{
    __u32 version = eye_kafka_version_of(half);
    bool flexible = eye_kafka_is_flexible(EYE_KAFKA_FETCH, version);
    eye_kafka_take_tags(half, at, flexible);
    *at += (version >= 1 ? 4 : 0) + (version >= 7 ? 6 : 0);
    return eye_kafka_take_count(half, at, flexible);
}

/* A topic of it, up to its partitions. */
static __always_inline __u32 eye_kafka_take_topic(const struct eye_half *half, __u32 *at)
{
    __u32 version = eye_kafka_version_of(half);
    bool flexible = eye_kafka_is_flexible(EYE_KAFKA_FETCH, version);
    if (version >= eye_kafka_layout_of(EYE_KAFKA_FETCH)->ids) {
        *at += EYE_KAFKA_ID_BYTES;
    } else {
        eye_kafka_take_text(half, at, flexible);
    }
    return eye_kafka_take_count(half, at, flexible);
}

/* What metadata begin with, up to the brokers. */
static __always_inline __u32 eye_kafka_take_metadata(const struct eye_half *half, __u32 *at)
{
    eye_kafka_take_tags(half, at, true);
    *at += 4; /* how long it throttles */
    return eye_kafka_take_count(half, at, true);
}

/* What stands between brokers and topics. */
static __always_inline __u32 eye_kafka_take_cluster(const struct eye_half *half, __u32 *at)
{
    eye_kafka_take_text(half, at, true);
    *at += 4; /* its controller */
    return eye_kafka_take_count(half, at, true);
}

/* A topic of metadata, up to its partitions; its id begins where *ret_name ends. */
static __always_inline __u32 eye_kafka_take_name(const struct eye_half *half, __u32 *at,
                                                 __u32 *ret_name, __u32 *ret_length)
{
    *at += 2; /* its error */
    *ret_length = eye_kafka_take_text(half, at, true);
    *ret_name = *at - *ret_length;
    *at += EYE_KAFKA_ID_BYTES + 1; /* and whether it is the cluster's own */
    return eye_kafka_take_count(half, at, true);
}

/* Ids of brokers: the replicas of a partition, and what else is said of them. */
static __always_inline void eye_kafka_take_brokers(const struct eye_half *half, __u32 *at)
{
    __u32 count = eye_kafka_take_count(half, at, true);
    *at = eye_forget(*at + (count < EYE_WINDOW_BYTES ? 4 * count : EYE_KAFKA_BEYOND));
}

/* ---- The structure that the window begins with ---- */

struct eye_kafka_item {
    __u32 at;   /* behind it */
    __u32 skip; /* bytes that follow, and that nobody looks at */
    __u32 seen; /* of what is not walked: bytes in the window */
    __u8 mark;
    __u8 next; /* phase behind what is skipped */
    __u8 padding[2];
};

/* Of a partition: how many bytes of records, and the tags of one that has none. */
static __always_inline void eye_kafka_measure_records(const struct eye_half *half,
                                                      struct eye_kafka_item *item, __u8 empty,
                                                      __u8 full)
{
    __u32 version = eye_kafka_version_of(half);
    bool flexible = eye_kafka_is_flexible(EYE_KAFKA_FETCH, version);
    item->at += version >= 11 ? 4 : 0; /* the preferred replica */
    item->mark = full;
    if (eye_kafka_take_count(half, &item->at, flexible) == 0) {
        item->mark = empty;
        eye_kafka_take_tags(half, &item->at, flexible);
    }
    item->next = EYE_KAFKA_AT_PARTITION;
}

/* Its number, error and offsets. Behind an error nothing matters; the tags may say who leads
 * instead, and are none that can be passed over. Then aborted transactions, if there are some, or
 * the records. */
static __always_inline void eye_kafka_measure_partition(const struct eye_half *half,
                                                        struct eye_kafka_item *item)
{
    __u32 version = eye_kafka_version_of(half);
    bool flexible = eye_kafka_is_flexible(EYE_KAFKA_FETCH, version);
    __u32 aborted = 0;
    __u32 error_at = 4;
    if (eye_kafka_take_16(half, &error_at) != 0) {
        item->at = error_at;
        item->mark = EYE_KAFKA_EMPTY_PART;
        item->next = EYE_KAFKA_AT_PARTITION;
        return;
    }
    item->at += 14 + (version >= 4 ? 8 : 0) + (version >= 5 ? 8 : 0);
    if (version >= 4) {
        aborted = eye_kafka_take_count(half, &item->at, flexible);
    }
    if (aborted == 0) {
        eye_kafka_measure_records(half, item, EYE_KAFKA_EMPTY_PART, EYE_KAFKA_FULL_PART);
        return;
    }
    item->mark = EYE_KAFKA_PART;
    item->skip = aborted < EYE_KAFKA_BEYOND ? aborted * (flexible ? 17 : 16) : 0xffffffff;
    item->next = EYE_KAFKA_AT_RECORDS;
}

EYE_PART int eye_kafka_measure_fetch(const struct eye_half *half, struct eye_kafka_item *item)
{
    if (!half || !item) {
        return 0;
    }
    switch (half->phase) {
    case EYE_KAFKA_AT_BODY:
        eye_kafka_take_fetch(half, &item->at);
        item->mark = EYE_KAFKA_BODY;
        item->next = EYE_KAFKA_AT_TOPIC;
        break;
    case EYE_KAFKA_AT_TOPIC:
        eye_kafka_take_topic(half, &item->at);
        item->mark = EYE_KAFKA_TOPIC;
        item->next = EYE_KAFKA_AT_PARTITION;
        break;
    case EYE_KAFKA_AT_PARTITION:
        eye_kafka_measure_partition(half, item);
        break;
    default:
        eye_kafka_measure_records(half, item, EYE_KAFKA_EMPTY_REST, EYE_KAFKA_FULL_REST);
        break;
    }
    return 0;
}

EYE_PART int eye_kafka_measure_metadata(const struct eye_half *half, struct eye_kafka_item *item)
{
    __u32 name;
    __u32 length;
    if (!half || !item) {
        return 0;
    }
    item->next = half->phase;
    switch (half->phase) {
    case EYE_KAFKA_AT_BODY:
        eye_kafka_take_metadata(half, &item->at);
        item->mark = EYE_KAFKA_BODY;
        break;
    case EYE_KAFKA_AT_BROKER:
        item->at += 4; /* its id */
        eye_kafka_take_text(half, &item->at, true);
        item->at += 4; /* its port */
        eye_kafka_take_text(half, &item->at, true);
        eye_kafka_take_tags(half, &item->at, true);
        item->mark = EYE_KAFKA_BROKER;
        break;
    case EYE_KAFKA_AT_CLUSTER:
        eye_kafka_take_cluster(half, &item->at);
        item->mark = EYE_KAFKA_CLUSTER;
        break;
    case EYE_KAFKA_AT_NAME:
        eye_kafka_take_name(half, &item->at, &name, &length);
        item->mark = EYE_KAFKA_LEARNT;
        break;
    default:
        item->at += 14; /* error, number, leader, epoch */
        eye_kafka_take_brokers(half, &item->at);
        eye_kafka_take_brokers(half, &item->at);
        eye_kafka_take_brokers(half, &item->at);
        eye_kafka_take_tags(half, &item->at, true);
        item->mark = EYE_KAFKA_LEADER;
        break;
    }
    return 0;
}

static __always_inline void eye_kafka_measure(const struct eye_half *half,
                                              struct eye_kafka_item *item)
{
    __u32 key = eye_kafka_key_of(half);
    if (key == EYE_KAFKA_FETCH) {
        eye_kafka_measure_fetch(half, item);
    } else if (key == EYE_KAFKA_METADATA) {
        eye_kafka_measure_metadata(half, item);
    } else {
        /* All that matters comes first. */
        item->at = eye_kafka_in_window(half->left);
        item->seen = item->at;
        item->skip = half->left - item->at;
        item->mark = EYE_KAFKA_BODY;
        item->next = EYE_PHASE_START;
    }
}

/* Nothing more of the answer is looked at, of which @used bytes are in the window. */
static __always_inline void eye_kafka_give_up(struct eye_half *half, __u32 filled,
                                              struct eye_found *found)
{
    __u32 used = half->left < filled ? half->left : filled;
    half->mark = EYE_KAFKA_BROKEN;
    found->used = used;
    eye_skip_next(half, half->left - used, EYE_PHASE_START);
    half->left = 0;
}

EYE_PART int eye_kafka_read_item(struct eye_half *half, __u32 filled, struct eye_found *found)
{
    struct eye_kafka_item item = {0};
    if (!half || !found) {
        return 0;
    }
    eye_kafka_measure(half, &item);
    __u64 all = (__u64)item.at + item.skip;
    if (item.at > filled && filled < eye_kafka_in_window(half->left)) {
        return 0;
    }
    if (item.at > filled || all > half->left) {
        eye_kafka_give_up(half, filled, found);
        return 0;
    }
    half->mark = item.mark;
    half->left -= (__u32)all - item.seen;
    found->used = item.at;
    eye_skip_next(half, item.skip, item.next);
    return 0;
}

/* ---- Where answers stand ---- */

/* The answer behind the one of @size bytes, if it is in the window, has a number soon after its. */
static __always_inline bool eye_kafka_answers_go_on(const struct eye_half *half, __u32 filled,
                                                    __u32 size)
{
    __u32 at = eye_forget(size + EYE_KAFKA_SIZE_BYTES);
    if (size > EYE_WINDOW_BYTES || at + EYE_KAFKA_ANSWER_HEAD_BYTES > filled) {
        return false;
    }
    __u64 next = eye_kafka_word(half, at);
    __u32 number = eye_kafka_big_32(eye_kafka_word(half, 0) >> 32);
    return eye_kafka_big_32(next) >= EYE_KAFKA_ANSWER_LEAST &&
           eye_kafka_big_32(next) <= EYE_KAFKA_ANSWER_MAX &&
           eye_kafka_big_32(next >> 32) - number - 1 < EYE_KAFKA_LIKELY_AHEAD;
}

/* An answer, or what comes in its place, may begin with the window. */
EYE_PART int eye_kafka_read_answer(struct eye_conversation *conversation, __u32 side, __u32 filled,
                                   struct eye_found *found)
{
    if (!conversation || !found || filled < EYE_KAFKA_SIZE_BYTES) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    const struct eye_half *asks = eye_opposite_of(conversation, side);
    __u32 size = eye_kafka_big_32(eye_kafka_word(half, 0));
    bool lost = half->phase == EYE_PHASE_LOST;
    if (asks->flags & EYE_KAFKA_RAW && !lost && eye_waiting(&conversation->queue) == 0 &&
        size <= EYE_KAFKA_TOKEN_MAX) {
        eye_kafka_skip_token(half, EYE_KAFKA_SIZE_BYTES, size, found);
        return 0;
    }
    __u64 whole = (__u64)size + EYE_KAFKA_SIZE_BYTES;
    bool fits = whole == half->skip || (lost && eye_kafka_answers_go_on(half, filled, size));
    bool longer = half->skip >= EYE_KAFKA_LIKELY_BATCH && whole > half->skip;
    bool valid = size >= EYE_KAFKA_ANSWER_LEAST && size <= EYE_KAFKA_ANSWER_MAX;
    if (lost && !(valid && (fits || longer))) {
        /* Nothing can be concluded from the midst of an answer that began before we came. */
        found->used = filled;
        eye_skip_next(half, half->skip - filled, EYE_PHASE_LOST);
        return 0;
    }
    if (!valid) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (filled < EYE_KAFKA_ANSWER_HEAD_BYTES) {
        return 0;
    }
    half->mark = !lost ? EYE_KAFKA_ANSWERED : fits ? EYE_KAFKA_GUESSED : EYE_KAFKA_GUESSED_LONG;
    half->left = size - EYE_KAFKA_ANSWER_LEAST;
    half->phase = half->left > 0 ? EYE_KAFKA_AT_BODY : EYE_PHASE_START;
    found->used = EYE_KAFKA_ANSWER_HEAD_BYTES;
    return 0;
}

/* ---- What they say ---- */

/* The error of the answer whose body the window begins with; 0: none, or it is not known. */
EYE_PART int eye_kafka_error_of(const struct eye_half *half, __u32 filled,
                                struct eye_request *request)
{
    if (!half || !request) {
        return 0;
    }
    __u32 key = eye_kafka_key_of(half);
    __u32 version = eye_kafka_version_of(half);
    const struct eye_kafka_layout *layout = eye_kafka_layout_of(key);
    bool flexible = eye_kafka_is_flexible(key, version);
    __u32 count = 1;
    __u32 at = 0;
    if (layout->error == EYE_KAFKA_ERROR_NOWHERE || version > layout->until) {
        return 0;
    }
    /* Its answer never has tags in its head, for clients that do not know yet what is spoken. */
    eye_kafka_take_tags(half, &at, flexible && key != EYE_KAFKA_API_VERSIONS);
    at += version >= layout->throttled ? 4 : 0;
    if (layout->error != EYE_KAFKA_ERROR_FIRST) {
        count = eye_kafka_take_count(half, &at, flexible);
    }
    if (layout->error == EYE_KAFKA_ERROR_NAMED) {
        eye_kafka_take_text(half, &at, flexible);
        at += version >= layout->ids ? EYE_KAFKA_ID_BYTES : 0;
    } else if (layout->error == EYE_KAFKA_ERROR_PARTITION) {
        struct eye_request *named =
            key == EYE_KAFKA_PRODUCE && request->body[3] == 0 && count > 0 ? request : NULL;
        if (named) {
            at = eye_kafka_note_topic(half, at, filled, named);
        } else if (version >= layout->ids) {
            at += EYE_KAFKA_ID_BYTES;
        } else {
            eye_kafka_take_text(half, &at, flexible);
        }
        count = count > 0 ? eye_kafka_take_count(half, &at, flexible) : 0;
        at += 4; /* its number */
    }
    at = eye_forget(at);
    __u16 error = eye_kafka_take_16(half, &at);
    return at <= filled && count > 0 ? error : 0;
}
