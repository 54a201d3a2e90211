/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PostgreSQL: heads of messages, and the first word of a text as a number. */
#pragma once

#include "bpf/usm/postgres/state.h"

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

/* The letters that @word begins with, in capitals; zeros behind. */
static __always_inline __u64 eye_postgres_letters(__u64 word)
{
    word = eye_capitals(word);
    __u64 low = word & EYE_EACH_BYTE(0x7f);
    __u64 from_a = low + EYE_EACH_BYTE(0x80 - 'A');
    __u64 behind_z = low + EYE_EACH_BYTE(0x7f - 'Z');
    __u64 others = (~(from_a ^ behind_z) | word) & EYE_EACH_BYTE(0x80);
    return others ? eye_first_bytes(word, eye_first_index(others)) : word;
}

/* What the letters at the start of sixteen bytes say. */
static __always_inline __u32 eye_postgres_operation_of(__u64 first, __u64 second)
{
    first = eye_postgres_letters(first);
    second = first >> 56 ? eye_postgres_letters(second) : 0;
    first = eye_forget(first);
    second = eye_forget(second);
#define X(name)                                                                                    \
    if (first == EYE_TEXT_WORD(#name, 0) && second == EYE_TEXT_WORD(#name, 8)) {                   \
        return EYE_POSTGRES_##name;                                                                \
    }
    EYE_POSTGRES_OPERATIONS(X)
#undef X
    return EYE_POSTGRES_OTHER;
}

/* Blanks and '(', of the bytes 0 .. 63. */
#define EYE_POSTGRES_BLANKS (1ULL << ' ' | 1ULL << '\t' | 1ULL << '\n' | 1ULL << '\r' | 1ULL << '(')

static __always_inline bool eye_postgres_is_blank(__u8 byte)
{
    __u64 is_low = (__u64)(byte >> 6) == 0;
    return eye_forget(is_low & EYE_POSTGRES_BLANKS >> (byte & 63) & 1);
}

/* The first word of the text at @from in the window of @half, behind blanks and brackets. What
 * begins with a comment is told by its completion alone. */
EYE_PART __u32 eye_postgres_operation_at(const struct eye_half *half, __u32 from, __u32 filled)
{
    if (!half) {
        return EYE_POSTGRES_OTHER;
    }
    for (int i = 0; i < EYE_POSTGRES_TEXT_BYTES - 16; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from >= filled || from >= EYE_WINDOW_BYTES) {
            return EYE_POSTGRES_OTHER;
        }
        if (!eye_postgres_is_blank(half->window[from])) {
            break;
        }
        from++;
    }
    from = eye_forget(from);
    eye_pin(from);
    if (from >= filled || from >= EYE_WINDOW_BYTES) {
        return EYE_POSTGRES_OTHER;
    }
    __u32 here = filled - from;
    __u64 first = eye_first_bytes(eye_load_word(half->window + from), here);
    __u64 second = here > 8 ? eye_first_bytes(eye_load_word(half->window + from + 8), here - 8) : 0;
    return eye_postgres_operation_of(first, second);
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
