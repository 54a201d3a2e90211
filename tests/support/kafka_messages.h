/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of Kafka, made by hand after its schemas, for tests. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bpf/usm/kafka/keys.h"

#define KAFKA_BYTES 16384

/* Bytes that grow; `flexible` says how lengths are written from now on. */
struct kafka_bytes {
    uint8_t data[KAFKA_BYTES];
    size_t size;
    bool flexible;
};

static inline void kafka_put(struct kafka_bytes *bytes, const void *data, size_t size)
{
    assert(size <= KAFKA_BYTES - bytes->size);
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

/* @size bytes of @value, the highest one first. */
static inline void kafka_number(struct kafka_bytes *bytes, size_t size, uint64_t value)
{
    for (size_t i = size; i-- > 0;) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        kafka_put(bytes, &byte, 1);
    }
}

static inline void kafka_varint(struct kafka_bytes *bytes, uint32_t value)
{
    while (value >= 0x80) {
        kafka_number(bytes, 1, (value & 0x7f) | 0x80);
        value >>= 7;
    }
    kafka_number(bytes, 1, value);
}

/* Of an array, or of records. */
static inline void kafka_count(struct kafka_bytes *bytes, uint32_t count)
{
    if (bytes->flexible) {
        kafka_varint(bytes, count + 1);
    } else {
        kafka_number(bytes, 4, count);
    }
}

/* NULL: null. */
static inline void kafka_text(struct kafka_bytes *bytes, const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);
    if (bytes->flexible) {
        kafka_varint(bytes, text == NULL ? 0 : (uint32_t)length + 1);
    } else {
        kafka_number(bytes, 2, text == NULL ? 0xffff : length);
    }
    kafka_put(bytes, text == NULL ? "" : text, length);
}

/* A structure's tags: none. */
static inline void kafka_tags(struct kafka_bytes *bytes)
{
    if (bytes->flexible) {
        kafka_number(bytes, 1, 0);
    }
}

/* The id of a topic: 16 times the same byte. */
static inline void kafka_id(struct kafka_bytes *bytes, uint8_t byte)
{
    for (int i = 0; i < 16; i++) {
        kafka_number(bytes, 1, byte);
    }
}

static inline bool kafka_is_flexible(unsigned int key, unsigned int version)
{
    static const uint8_t from[EYE_KAFKA_KEY_COUNT] = {
#define X(number, identifier, name, flexible, ...) [number] = (flexible),
        EYE_KAFKA_KEYS(X)
#undef X
    };
    return key < EYE_KAFKA_KEY_COUNT && version >= from[key];
}

/* A request begins; kafka_end() sets its size. Returns where it begins. */
static inline size_t kafka_ask(struct kafka_bytes *bytes, unsigned int key, unsigned int version,
                               uint32_t number, const char *client)
{
    size_t start = bytes->size;
    kafka_number(bytes, 4, 0);
    kafka_number(bytes, 2, key);
    kafka_number(bytes, 2, version);
    kafka_number(bytes, 4, number);
    bytes->flexible = false;
    kafka_text(bytes, client);
    bytes->flexible = kafka_is_flexible(key, version);
    kafka_tags(bytes);
    return start;
}

static inline size_t kafka_answer(struct kafka_bytes *bytes, unsigned int key, unsigned int version,
                                  uint32_t number)
{
    size_t start = bytes->size;
    kafka_number(bytes, 4, 0);
    kafka_number(bytes, 4, number);
    bytes->flexible = kafka_is_flexible(key, version);
    if (key != EYE_KAFKA_API_VERSIONS) {
        kafka_tags(bytes);
    }
    return start;
}

static inline void kafka_end(struct kafka_bytes *bytes, size_t start)
{
    size_t size = bytes->size - start - 4;
    for (size_t i = 0; i < 4; i++) {
        bytes->data[start + i] = (uint8_t)(size >> (8 * (3 - i)));
    }
}

/* What a topic is called in a message: its name, or (from the version @ids on) its id. */
struct kafka_topic {
    const char *name;
    uint8_t id;
};

static inline void kafka_topic(struct kafka_bytes *bytes, bool by_id, struct kafka_topic topic)
{
    if (by_id) {
        kafka_id(bytes, topic.id);
    } else {
        kafka_text(bytes, topic.name);
    }
}

static inline void kafka_ask_produce(struct kafka_bytes *bytes, unsigned int version,
                                     uint32_t number, const char *transaction, int acks,
                                     struct kafka_topic topic, uint32_t records)
{
    size_t start = kafka_ask(bytes, EYE_KAFKA_PRODUCE, version, number, "a client");
    if (version >= 3) {
        kafka_text(bytes, transaction);
    }
    kafka_number(bytes, 2, (uint64_t)acks);
    kafka_number(bytes, 4, 30000);
    kafka_count(bytes, 1);
    kafka_topic(bytes, version >= 13, topic);
    kafka_count(bytes, 1);
    kafka_number(bytes, 4, 0);
    kafka_count(bytes, records);
    for (uint32_t i = 0; i < records; i++) {
        kafka_number(bytes, 1, i % 7);
    }
    kafka_tags(bytes);
    kafka_tags(bytes);
    kafka_tags(bytes);
    kafka_end(bytes, start);
}

static inline void kafka_answer_produce(struct kafka_bytes *bytes, unsigned int version,
                                        uint32_t number, struct kafka_topic topic, int error)
{
    size_t start = kafka_answer(bytes, EYE_KAFKA_PRODUCE, version, number);
    kafka_count(bytes, 1);
    kafka_topic(bytes, version >= 13, topic);
    kafka_count(bytes, 1);
    kafka_number(bytes, 4, 0);
    kafka_number(bytes, 2, (uint64_t)error);
    kafka_number(bytes, 8, 17);
    kafka_tags(bytes);
    kafka_tags(bytes);
    kafka_number(bytes, 4, 0);
    kafka_tags(bytes);
    kafka_end(bytes, start);
}

/* @topics may be 0: a session that asks for nothing new. */
static inline void kafka_ask_fetch(struct kafka_bytes *bytes, unsigned int version, uint32_t number,
                                   struct kafka_topic topic, uint32_t topics)
{
    size_t start = kafka_ask(bytes, EYE_KAFKA_FETCH, version, number, "a client");
    if (version < 15) {
        kafka_number(bytes, 4, UINT32_MAX);
    }
    kafka_number(bytes, 4, 500);
    kafka_number(bytes, 4, 1);
    kafka_number(bytes, version >= 3 ? 4 : 0, 1 << 20);
    kafka_number(bytes, version >= 4 ? 1 : 0, 1);
    kafka_number(bytes, version >= 7 ? 8 : 0, UINT32_MAX);
    kafka_count(bytes, topics);
    for (uint32_t i = 0; i < topics; i++) {
        kafka_topic(bytes, version >= 13, topic);
        kafka_count(bytes, 1);
        kafka_number(bytes, 4, 0);
        kafka_number(bytes, version >= 9 ? 4 : 0, 0);
        kafka_number(bytes, 8, 12);
        kafka_number(bytes, version >= 12 ? 4 : 0, UINT32_MAX);
        kafka_number(bytes, version >= 5 ? 8 : 0, UINT64_MAX);
        kafka_number(bytes, 4, 1 << 20);
        kafka_tags(bytes);
        kafka_tags(bytes);
    }
    if (version >= 7) {
        kafka_count(bytes, 0);
    }
    if (version >= 11) {
        kafka_text(bytes, "");
    }
    kafka_tags(bytes);
    kafka_end(bytes, start);
}

/* What one partition of a fetch brings. */
struct kafka_part {
    int error;
    uint32_t aborted;
    uint32_t records; /* bytes */
};

static inline size_t kafka_begin_fetched(struct kafka_bytes *bytes, unsigned int version,
                                         uint32_t number, int error, uint32_t topics)
{
    size_t start = kafka_answer(bytes, EYE_KAFKA_FETCH, version, number);
    kafka_number(bytes, version >= 1 ? 4 : 0, 0);
    if (version >= 7) {
        kafka_number(bytes, 2, (uint64_t)error);
        kafka_number(bytes, 4, 0x12345678);
    }
    kafka_count(bytes, topics);
    return start;
}

static inline void kafka_put_part(struct kafka_bytes *bytes, unsigned int version,
                                  struct kafka_part part)
{
    kafka_number(bytes, 4, 3);
    kafka_number(bytes, 2, (uint64_t)part.error);
    kafka_number(bytes, 8, 100);
    kafka_number(bytes, version >= 4 ? 8 : 0, 100);
    kafka_number(bytes, version >= 5 ? 8 : 0, 0);
    if (version >= 4) {
        kafka_count(bytes, part.aborted);
        for (uint32_t i = 0; i < part.aborted; i++) {
            kafka_number(bytes, 8, 77);
            kafka_number(bytes, 8, 5);
            kafka_tags(bytes);
        }
    }
    kafka_number(bytes, version >= 11 ? 4 : 0, UINT32_MAX);
    kafka_count(bytes, part.records);
    for (uint32_t i = 0; i < part.records; i++) {
        kafka_number(bytes, 1, i % 5);
    }
    kafka_tags(bytes);
}

static inline void kafka_put_fetched(struct kafka_bytes *bytes, unsigned int version,
                                     struct kafka_topic topic, const struct kafka_part *parts,
                                     uint32_t count)
{
    kafka_topic(bytes, version >= 13, topic);
    kafka_count(bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        kafka_put_part(bytes, version, parts[i]);
    }
    kafka_tags(bytes);
}

/* Of topics "topic-0", "topic-1" ..., with ids of 1, 2 ... */
static inline void kafka_answer_metadata(struct kafka_bytes *bytes, unsigned int version,
                                         uint32_t number, uint32_t brokers, uint32_t topics,
                                         uint32_t partitions)
{
    size_t start = kafka_answer(bytes, EYE_KAFKA_METADATA, version, number);
    kafka_number(bytes, 4, 0);
    kafka_count(bytes, brokers);
    for (uint32_t i = 0; i < brokers; i++) {
        kafka_number(bytes, 4, i);
        kafka_text(bytes, "broker-with-a-long-name.region.example.com");
        kafka_number(bytes, 4, 9092);
        kafka_text(bytes, i % 2 == 0 ? NULL : "rack");
        kafka_tags(bytes);
    }
    kafka_text(bytes, "the-cluster");
    kafka_number(bytes, 4, 0);
    kafka_count(bytes, topics);
    for (uint32_t i = 0; i < topics; i++) {
        char name[] = "topic-?";
        name[6] = (char)('0' + i % 10);
        kafka_number(bytes, 2, 0);
        kafka_text(bytes, name);
        kafka_id(bytes, (uint8_t)(i + 1));
        kafka_number(bytes, 1, 0);
        kafka_count(bytes, partitions);
        for (uint32_t j = 0; j < partitions; j++) {
            kafka_number(bytes, 2, 0);
            kafka_number(bytes, 4, j);
            kafka_number(bytes, 4, 1);
            kafka_number(bytes, 4, 0);
            for (int k = 0; k < 3; k++) {
                kafka_count(bytes, (uint32_t)(3 - k));
                for (int l = k; l < 3; l++) {
                    kafka_number(bytes, 4, (uint32_t)l);
                }
            }
            kafka_tags(bytes);
        }
        kafka_number(bytes, 4, 0);
        kafka_tags(bytes);
    }
    kafka_tags(bytes);
    kafka_end(bytes, start);
}

/* An answer that begins with its error, and throttles if its kind does. */
static inline void kafka_answer_error(struct kafka_bytes *bytes, unsigned int key,
                                      unsigned int version, uint32_t number, bool throttles,
                                      int error)
{
    size_t start = kafka_answer(bytes, key, version, number);
    kafka_number(bytes, throttles ? 4 : 0, 0);
    kafka_number(bytes, 2, (uint64_t)error);
    kafka_text(bytes, "what follows");
    kafka_tags(bytes);
    kafka_end(bytes, start);
}

static inline void kafka_ask_other(struct kafka_bytes *bytes, unsigned int key,
                                   unsigned int version, uint32_t number)
{
    size_t start = kafka_ask(bytes, key, version, number, "a client");
    kafka_text(bytes, "what follows");
    kafka_end(bytes, start);
}
