/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kafka: what a client sends. Each request has its size, what is asked, in which version, a number
 * that its answer repeats, and the client's name. A produced batch or a fetch names its topics.
 */
#pragma once

#include "bpf/usm/kafka/fields.h"
#include "bpf/usm/kafka/record.h"
#include "bpf/usm/parser.h"

/* Size, key, version, number, length of the client's name. */
#define EYE_KAFKA_HEAD_BYTES 14
/* Of these the size leaves itself out. */
#define EYE_KAFKA_SIZE_BYTES 4
#define EYE_KAFKA_REQUEST_LEAST 10
/* What a broker takes (socket.request.max.bytes). */
#define EYE_KAFKA_REQUEST_MAX 104857600U

/* Beyond what is valid: what is seen where a request may begin, or may not. */
#define EYE_KAFKA_LIKELY_KEY 100
#define EYE_KAFKA_LIKELY_VERSION EYE_KAFKA_VERSION_MAX
#define EYE_KAFKA_LIKELY_CLIENT 256
/* So much of a produced batch, which is longer than its payload, has to be there. */
#define EYE_KAFKA_LIKELY_BATCH 1000
/* Topics of one. */
#define EYE_KAFKA_LIKELY_TOPICS 0xffff
/* The first version of a produced batch that may belong to a transaction. */
#define EYE_KAFKA_TRANSACTIONS 3
/* What of a batch tells that it is one, behind the client's name: the tags of its head, whose
 * transaction it is, who has to acknowledge it, for how long, how many topics. */
#define EYE_KAFKA_BATCH_BYTES 12

/* eye_half.flags of requests: after a SaslHandshake of version 0 there are sizes with tokens, until
 * a request follows. */
#define EYE_KAFKA_RAW 1

/* eye_half.mark: what the window begins with. */
enum eye_kafka_mark {
    EYE_KAFKA_NOTHING,
    EYE_KAFKA_ASKED,
    EYE_KAFKA_ANSWERED,
    EYE_KAFKA_GUESSED,      /* an answer, perhaps: it ends with its payload */
    EYE_KAFKA_GUESSED_LONG, /* it ends later */
    EYE_KAFKA_BODY,         /* what follows an answer's head */
    EYE_KAFKA_TOPIC,        /* of a fetch */
    EYE_KAFKA_EMPTY_PART,   /* a partition of it, without records */
    EYE_KAFKA_FULL_PART,    /* with some */
    EYE_KAFKA_PART,         /* up to its aborted transactions */
    EYE_KAFKA_EMPTY_REST,   /* what follows those: no records */
    EYE_KAFKA_FULL_REST,    /* some */
    EYE_KAFKA_BROKER,       /* of metadata */
    EYE_KAFKA_CLUSTER,      /* what stands between brokers and topics */
    EYE_KAFKA_LEARNT,       /* a topic, and its id */
    EYE_KAFKA_LEADER,       /* a partition of it */
    EYE_KAFKA_BROKEN,       /* the rest of an answer cannot be read */
};

struct eye_kafka_head {
    __u32 size;
    __u32 number;
    __u32 client; /* bytes of the client's name */
    __u16 key;
    __u16 version;
    bool named; /* it has one */
};

static __always_inline void eye_kafka_read_head(__u64 first, __u64 second,
                                                struct eye_kafka_head *ret)
{
    __u16 client = eye_kafka_big_16(second >> 32);
    ret->size = eye_kafka_big_32(first);
    ret->key = eye_kafka_big_16(first >> 32);
    ret->version = eye_kafka_big_16(first >> 48);
    ret->number = eye_kafka_big_32(second);
    ret->named = client != 0xffff;
    ret->client = ret->named ? client : 0;
}

static __always_inline bool eye_kafka_is_request(const struct eye_kafka_head *head)
{
    return head->size <= EYE_KAFKA_REQUEST_MAX && head->key < EYE_KAFKA_KEY_COUNT &&
           head->version < 128 && head->number < 0x80000000U &&
           EYE_KAFKA_REQUEST_LEAST + head->client <= head->size;
}

static __always_inline bool eye_kafka_is_likely(const struct eye_kafka_head *head)
{
    return eye_kafka_is_request(head) && head->key <= EYE_KAFKA_LIKELY_KEY &&
           head->version <= EYE_KAFKA_LIKELY_VERSION && head->client <= EYE_KAFKA_LIKELY_CLIENT;
}

/* Of a payload with @bytes: it ends with the request, or holds the beginning of a batch. */
static __always_inline bool eye_kafka_fits(const struct eye_kafka_head *head, __u64 bytes)
{
    __u64 whole = (__u64)head->size + EYE_KAFKA_SIZE_BYTES;
    return whole == bytes ||
           (head->key == EYE_KAFKA_PRODUCE && bytes >= EYE_KAFKA_LIKELY_BATCH && whole > bytes);
}

/* Who has to acknowledge a batch: all replicas, nobody, one broker. */
static __always_inline bool eye_kafka_is_acks(__u16 acks)
{
    return (__u16)(acks + 1) <= 2;
}

/* What follows the client's name is the beginning of a produced batch of no transaction, and hardly
 * anything else's: EYE_KAFKA_BATCH_BYTES, of which the last four are in @second. */
static __always_inline bool eye_kafka_is_batch(const struct eye_kafka_head *head, __u64 first,
                                               __u64 second)
{
    bool flexible = head->version >= eye_kafka_layout_of(EYE_KAFKA_PRODUCE)->flexible;
    __u32 topics = flexible ? (__u8)second : eye_kafka_big_32(second);
    __u32 timeout = eye_kafka_big_32(first >> 32);
    return head->key == EYE_KAFKA_PRODUCE && head->version >= EYE_KAFKA_TRANSACTIONS &&
           head->client > 0 && (__u16)first == (flexible ? 0 : 0xffff) &&
           eye_kafka_is_acks(eye_kafka_big_16(first >> 16)) && timeout - 1 < 0x7fffffff &&
           (flexible ? topics > 1 && topics < 0x80
                     : topics > 0 && topics <= EYE_KAFKA_LIKELY_TOPICS);
}

/* Any eight bytes of names that people give. */
static __always_inline bool eye_kafka_is_printable(__u64 word, __u32 count)
{
    word = eye_first_bytes(word, count) | (count < 8 ? EYE_EACH_BYTE(' ') << (8 * count) : 0);
    /* A top bit: above 0x7e, or below a space. */
    return !(((word + EYE_EACH_BYTE(1)) | word | (word - EYE_EACH_BYTE(' '))) &
             EYE_EACH_BYTE(0x80));
}

/* Of a connection that is known to be Kafka's, where a request has to begin: one with a key or a
 * version that is newer than our tables, or of a vendor's own (all are below 2^15), or with a
 * number beyond 2^31, which a client that counts on reaches. As much of the client's name as there
 * is tells it from the midst of something else. */
static __always_inline bool eye_kafka_is_newer(const struct eye_half *half, __u32 filled,
                                               const struct eye_kafka_head *head)
{
    __u32 named = filled - EYE_KAFKA_HEAD_BYTES;
    named = named < head->client ? named : head->client;
    return head->size <= EYE_KAFKA_REQUEST_MAX && head->key < 0x8000 && head->version < 0x8000 &&
           head->client <= EYE_KAFKA_LIKELY_CLIENT &&
           EYE_KAFKA_REQUEST_LEAST + head->client <= head->size &&
           eye_kafka_is_printable(eye_kafka_word(half, EYE_KAFKA_HEAD_BYTES),
                                  named < 8 ? named : 8);
}

/* ---- Where requests stand ---- */

static __always_inline void eye_kafka_skip_token(struct eye_half *half, __u32 used, __u32 size,
                                                 struct eye_found *found)
{
    found->used = used;
    eye_skip_next(half, (__u64)size + EYE_KAFKA_SIZE_BYTES - used, EYE_PHASE_START);
}

/* The request behind the one with @head looks like one, too, if it is in the window. */
static __always_inline bool eye_kafka_goes_on(const struct eye_half *half, __u32 filled,
                                              const struct eye_kafka_head *head)
{
    struct eye_kafka_head next;
    __u32 at = EYE_KAFKA_SIZE_BYTES + head->size;
    if (at > EYE_WINDOW_BYTES - 16 || at + EYE_KAFKA_HEAD_BYTES > filled) {
        return false;
    }
    eye_kafka_read_head(eye_kafka_word(half, at), eye_kafka_word(half, at + 8), &next);
    return eye_kafka_is_likely(&next);
}

/* The window begins with a batch, of which enough is there. */
static __always_inline bool eye_kafka_begins_batch(const struct eye_half *half, __u32 filled,
                                                   const struct eye_kafka_head *head)
{
    __u32 at = eye_forget(EYE_KAFKA_HEAD_BYTES + head->client);
    return at + EYE_KAFKA_BATCH_BYTES <= filled &&
           eye_kafka_is_batch(head, eye_kafka_word(half, at), eye_kafka_word(half, at + 8));
}

/* A request may begin with the window. In a direction that is lost `skip` says how much of the
 * payload there is from there on. */
EYE_PART int eye_kafka_read_request(struct eye_conversation *conversation, __u32 side, __u32 filled,
                                    struct eye_found *found)
{
    struct eye_kafka_head head;
    if (!conversation || !found || filled < EYE_KAFKA_SIZE_BYTES) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    bool raw = half->flags & EYE_KAFKA_RAW;
    bool lost = half->phase == EYE_PHASE_LOST;
    eye_kafka_read_head(eye_kafka_word(half, 0), eye_kafka_word(half, 8), &head);
    if (head.size < EYE_KAFKA_REQUEST_LEAST || head.size > EYE_KAFKA_REQUEST_MAX) {
        if (!raw || lost || head.size >= EYE_KAFKA_REQUEST_LEAST) {
            found->what = EYE_FOUND_MISMATCH;
        } else {
            eye_kafka_skip_token(half, EYE_KAFKA_SIZE_BYTES, head.size, found);
        }
        return 0;
    }
    if (filled < EYE_KAFKA_HEAD_BYTES) {
        return 0;
    }
    if (raw && !lost && !(eye_kafka_is_likely(&head) && head.number == half->left + 1)) {
        eye_kafka_skip_token(half, EYE_KAFKA_HEAD_BYTES, head.size, found);
        return 0;
    }
    bool good = lost ? eye_kafka_is_likely(&head) && (eye_kafka_fits(&head, half->skip) ||
                                                      eye_kafka_goes_on(half, filled, &head) ||
                                                      eye_kafka_begins_batch(half, filled, &head))
                     : eye_kafka_is_request(&head) ||
                           (conversation->confirmed && eye_kafka_is_newer(half, filled, &head));
    if (!good) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    __u64 whole = (__u64)head.size + EYE_KAFKA_SIZE_BYTES;
    __u32 wanted = eye_kafka_in_window(whole);
    if (filled < wanted) {
        return 0;
    }
    half->flags = 0;
    half->mark = EYE_KAFKA_ASKED;
    found->used = wanted;
    eye_skip_next(half, whole - wanted, EYE_PHASE_START);
    return 0;
}

/* ---- What they ask ---- */

/* Of a batch that nobody acknowledges, and of which the topic is known: nothing else looks like it.
 * Ids are random, and say so (RFC 9562 section 5.4). */
static __always_inline bool eye_kafka_shows_itself(const struct eye_half *half,
                                                   const struct eye_request *request)
{
    struct eye_kafka_head head;
    const __u8 *name = request->body + EYE_KAFKA_BODY_FIXED;
    __u8 length = request->body[3];
    eye_kafka_read_head(eye_kafka_word(half, 0), eye_kafka_word(half, 8), &head);
    bool named = request->body[2] & EYE_KAFKA_HAS_ID
                     ? name[6] >> 4 == 4
                     : eye_kafka_is_printable(eye_load_word(name), length < 8 ? length : 8);
    return length > 0 && named && eye_kafka_is_likely(&head) &&
           eye_kafka_begins_batch(half, EYE_WINDOW_BYTES, &head);
}

/* Notes the topic that stands at @at, by its name or its id, as the version of @request has it.
 * Returns where it ends. */
EYE_PART __u32 eye_kafka_note_topic(const struct eye_half *half, __u32 at, __u32 filled,
                                    struct eye_request *request)
{
    __u32 length = EYE_KAFKA_ID_BYTES;
    __u32 flags = EYE_KAFKA_HAS_ID;
    if (!half || !request) {
        return EYE_KAFKA_BEYOND;
    }
    const struct eye_kafka_layout *layout = eye_kafka_layout_of(request->body[0]);
    if (request->body[1] >= layout->ids) {
        at += length;
    } else {
        length = eye_kafka_take_text(half, &at, request->body[1] >= layout->flexible);
        flags = EYE_KAFKA_HAS_NAME;
    }
    if (at > filled || length == 0) {
        return at;
    }
    __u32 from = at - length;
    if (length > EYE_KAFKA_NAME_BYTES) {
        length = EYE_KAFKA_NAME_BYTES;
        request->head.flags |= EYE_REQUEST_TRUNCATED;
    }
    for (int i = 0; i < EYE_KAFKA_NAME_BYTES; i += 8) {
        eye_store_word(request->body + EYE_KAFKA_BODY_FIXED + i, eye_kafka_word(half, from + i));
    }
    request->body[2] |= (__u8)flags;
    request->body[3] = (__u8)length;
    return at;
}

/* Bytes of a fetch before its topics. */
static __always_inline __u32 eye_kafka_fetch_bytes(__u32 version)
{
    return version < 3 ? 12 : version < 4 ? 16 : version < 7 ? 17 : version < 15 ? 25 : 21;
}

/* Fills the body of the request that the window begins with. The first topic is told when it stands
 * in the window; its answer may tell it, too. */
EYE_PART int eye_kafka_note_request(const struct eye_half *half, struct eye_request *request)
{
    struct eye_kafka_head head;
    if (!half || !request) {
        return 0;
    }
    eye_kafka_read_head(eye_kafka_word(half, 0), eye_kafka_word(half, 8), &head);
    __u32 key = head.key < EYE_KAFKA_KEY_COUNT ? head.key : EYE_KAFKA_KEY_OTHER;
    __u32 version = head.version < EYE_KAFKA_VERSION_OTHER ? head.version : EYE_KAFKA_VERSION_OTHER;
    eye_store_word(request->body, key | version << 8);
    request->head.code = 0;
    request->head.flags = 0;
    if ((head.key != EYE_KAFKA_PRODUCE && head.key != EYE_KAFKA_FETCH) ||
        head.version > EYE_KAFKA_VERSION_MAX) {
        return 0;
    }
    const struct eye_kafka_layout *layout = eye_kafka_layout_of(head.key);
    bool flexible = head.version >= layout->flexible;
    __u32 filled = eye_kafka_in_window((__u64)head.size + EYE_KAFKA_SIZE_BYTES);
    __u32 at = eye_forget(EYE_KAFKA_HEAD_BYTES + head.client);
    eye_kafka_take_tags(half, &at, flexible);
    if (head.key == EYE_KAFKA_PRODUCE) {
        if (head.version >= 3) {
            eye_kafka_take_text(half, &at, flexible); /* of a transaction */
        }
        if (eye_kafka_take_16(half, &at) == 0 && at <= filled) {
            request->body[2] |= EYE_KAFKA_UNACKNOWLEDGED;
        }
        at += 4;
    } else {
        at += eye_kafka_fetch_bytes(head.version);
    }
    if (eye_kafka_take_count(half, &at, flexible) > 0) {
        eye_kafka_note_topic(half, eye_forget(at), filled, request);
    }
    return 0;
}
