/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kafka's types in the window of a direction: a position runs over them and only ever grows. What
 * is read behind the bytes that are there means nothing, and the position tells in the end:
 * nothing is believed of what it has run beyond.
 */
#pragma once

#include "bpf/usm/conversation.h"
#include "bpf/usm/kafka/keys.h"

/* What throws a position beyond every window: a length or count that cannot be. */
#define EYE_KAFKA_BEYOND 0x10000U
/* Of an array or a text; what is more is Kafka's limit of a message, or none of it. */
#define EYE_KAFKA_COUNT_MAX 0x7fffffffU

static __always_inline __u64 eye_kafka_word(const struct eye_half *half, __u32 at)
{
    __u64 index = at;
    eye_pin(index);
    index &= EYE_WINDOW_BYTES - 1;
    eye_pin(index);
    return eye_load_word(half->window + index);
}

static __always_inline __u32 eye_kafka_big_32(__u64 word)
{
    return __builtin_bswap32((__u32)word);
}

static __always_inline __u16 eye_kafka_big_16(__u64 word)
{
    return __builtin_bswap16((__u16)word);
}

static __always_inline __u16 eye_kafka_take_16(const struct eye_half *half, __u32 *at)
{
    __u16 value = eye_kafka_big_16(eye_kafka_word(half, *at));
    *at += 2;
    return value;
}

static __always_inline __u32 eye_kafka_take_32(const struct eye_half *half, __u32 *at)
{
    __u32 value = eye_kafka_big_32(eye_kafka_word(half, *at));
    *at += 4;
    return value;
}

/* The varint that a word begins with; above it, from bit 32 on, how many bytes it has. */
EYE_PART __u64 eye_kafka_varint(__u64 word)
{
    __u64 value = 0;
    __u64 bytes = 0;
    for (int i = 0; i < 5; i++) {
        value = eye_forget(value);
        value |= (word >> (8 * i) & 0x7f) << (7 * i);
        bytes++;
        if (!(word >> (8 * i) & 0x80)) {
            return (value < EYE_KAFKA_COUNT_MAX ? value : EYE_KAFKA_COUNT_MAX) | bytes << 32;
        }
    }
    return EYE_KAFKA_COUNT_MAX | bytes << 32;
}

static __always_inline __u32 eye_kafka_take_varint(const struct eye_half *half, __u32 *at)
{
    __u64 read = eye_kafka_varint(eye_kafka_word(half, *at));
    *at += (__u32)(read >> 32);
    return (__u32)read;
}

/* How many elements, or bytes, follow; of none at all (null) 0. */
static __always_inline __u32 eye_kafka_take_count(const struct eye_half *half, __u32 *at,
                                                  bool flexible)
{
    __u32 count = flexible ? eye_kafka_take_varint(half, at) : eye_kafka_take_32(half, at) + 1;
    if (count > EYE_KAFKA_COUNT_MAX) {
        *at += EYE_KAFKA_BEYOND;
    }
    *at = eye_forget(*at);
    count = eye_forget(count);
    return count == 0 ? 0 : (count - 1) & EYE_KAFKA_COUNT_MAX;
}

/* Passes over a text, which may be null. Returns its length; it ends where the position is. */
static __always_inline __u32 eye_kafka_take_text(const struct eye_half *half, __u32 *at,
                                                 bool flexible)
{
    __u32 length =
        flexible ? eye_kafka_take_varint(half, at) : (__u16)(eye_kafka_take_16(half, at) + 1);
    length = length == 0 ? 0 : length - 1;
    if (length > EYE_WINDOW_BYTES) {
        length = EYE_KAFKA_BEYOND;
    }
    length = eye_forget(length);
    *at = eye_forget(*at + length);
    return length;
}

/* Passes over the tags of a structure, which nobody sends where we look. */
static __always_inline void eye_kafka_take_tags(const struct eye_half *half, __u32 *at,
                                                bool flexible)
{
    if (flexible) {
        *at += (__u8)eye_kafka_word(half, *at) == 0 ? 1 : EYE_KAFKA_BEYOND;
    }
    *at = eye_forget(*at);
}

/* What of a message of @left bytes a window can hold. */
static __always_inline __u32 eye_kafka_in_window(__u64 left)
{
    return left < EYE_WINDOW_BYTES ? (__u32)left : EYE_WINDOW_BYTES;
}

/* ---- Keys ---- */

struct eye_kafka_layout {
    __u8 flexible;
    __u8 throttled;
    __u8 error; /* enum eye_kafka_error_at */
    __u8 until;
    __u8 ids;
    __u8 padding[3];
};

static const struct eye_kafka_layout eye_kafka_layouts[EYE_KAFKA_KEY_COUNT] = {
#define X(number, identifier, name, flexible, throttled, error, until, ids)                        \
    [number] = {flexible, throttled, EYE_KAFKA_ERROR_##error, until, ids, {0}},
    EYE_KAFKA_KEYS(X)
#undef X
};

static __always_inline const struct eye_kafka_layout *eye_kafka_layout_of(__u32 key)
{
    __u64 index = key;
    eye_pin(index);
    index &= EYE_KAFKA_KEY_COUNT - 1;
    eye_pin(index);
    return &eye_kafka_layouts[index];
}

static __always_inline bool eye_kafka_is_flexible(__u32 key, __u32 version)
{
    const struct eye_kafka_layout *layout = eye_kafka_layout_of(key);
    return layout->ids != 0 && version >= layout->flexible;
}
