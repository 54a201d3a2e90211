/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PostgreSQL: heads of messages. */
#pragma once

#include "bpf/usm/postgres/state.h"
#include "bpf/usm/sql_words.h"

static __always_inline bool eye_postgres_is_letter(__u8 byte)
{
    return ((__u32)byte | 0x20) - 'a' < 26;
}

/* The first four bytes of a word as the number that they are in messages. */
static __always_inline __u32 eye_postgres_number(__u64 word)
{
    return __builtin_bswap32((__u32)word);
}

/* A set of types: 'A' .. 'Z' and 'a' .. 'z' by their distance to 64. */
#define EYE_POSTGRES_BIT(type) (1ULL << ((type)&63))

/* Without a branch: the verifier follows each one on its own. */
static __always_inline bool eye_postgres_is_in(__u8 type, __u64 types)
{
    __u64 is_letter = (__u64)(type >> 6) & ~(__u64)(type >> 7);
    return eye_forget(is_letter & types >> (type & 63) & 1);
}

/* The bytes of a message with @length, which is valid, that have to be here before @wanted bytes of
 * it can be read. */
static __always_inline __u32 eye_postgres_needed(__u32 length, __u32 wanted)
{
    return length + 1 < wanted ? length + 1 : wanted;
}

/* The end of the message at the start of the window, or of what is here. */
static __always_inline __u32 eye_postgres_end(const struct eye_half *half, __u32 filled)
{
    return eye_postgres_needed(eye_postgres_number(eye_load_word(half->window) >> 8), filled);
}

/* Passes over the message at @from, which has @length: the position behind it, or @filled and the
 * phase that skips the rest. */
static __always_inline __u32 eye_postgres_pass(struct eye_half *half, __u32 from, __u32 length,
                                               __u32 filled)
{
    __u32 behind = from + 1 + length;
    if (behind <= filled) {
        half->phase = EYE_PHASE_START;
        return behind;
    }
    eye_skip_next(half, behind - filled, EYE_PHASE_START);
    return filled;
}
