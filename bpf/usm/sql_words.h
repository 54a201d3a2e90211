/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first word of a statement of SQL as a number (bpf/usm/sql.h). */
#pragma once

#include "bpf/usm/conversation.h"
#include "bpf/usm/sql.h"

/* Of a statement: blanks before the first word, and the word. */
#define EYE_SQL_TEXT_BYTES 48

/* The letters that @word begins with, in capitals; zeros behind. */
static __always_inline __u64 eye_sql_letters(__u64 word)
{
    word = eye_capitals(word);
    __u64 low = word & EYE_EACH_BYTE(0x7f);
    __u64 from_a = low + EYE_EACH_BYTE(0x80 - 'A');
    __u64 behind_z = low + EYE_EACH_BYTE(0x7f - 'Z');
    __u64 others = (~(from_a ^ behind_z) | word) & EYE_EACH_BYTE(0x80);
    return others ? eye_first_bytes(word, eye_first_index(others)) : word;
}

/* What the letters at the start of sixteen bytes say. */
static __always_inline __u32 eye_sql_operation_of(__u64 first, __u64 second)
{
    first = eye_sql_letters(first);
    second = first >> 56 ? eye_sql_letters(second) : 0;
    first = eye_forget(first);
    second = eye_forget(second);
#define X(name)                                                                                    \
    if (first == EYE_TEXT_WORD(#name, 0) && second == EYE_TEXT_WORD(#name, 8)) {                   \
        return EYE_SQL_##name;                                                                     \
    }
    EYE_SQL_OPERATIONS(X)
#undef X
    return EYE_SQL_OTHER;
}

/* Blanks and '(', of the bytes 0 .. 63. */
#define EYE_SQL_BLANKS (1ULL << ' ' | 1ULL << '\t' | 1ULL << '\n' | 1ULL << '\r' | 1ULL << '(')

static __always_inline bool eye_sql_is_blank(__u8 byte)
{
    __u64 is_low = (__u64)(byte >> 6) == 0;
    return eye_forget(is_low & EYE_SQL_BLANKS >> (byte & 63) & 1);
}

/* The first word of the text at @from in the window of @half, behind blanks and brackets. A
 * comment is no word. */
EYE_PART __u32 eye_sql_operation_at(const struct eye_half *half, __u32 from, __u32 filled)
{
    if (!half) {
        return EYE_SQL_OTHER;
    }
    for (int i = 0; i < EYE_SQL_TEXT_BYTES - 16; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from >= filled || from >= EYE_WINDOW_BYTES) {
            return EYE_SQL_OTHER;
        }
        if (!eye_sql_is_blank(half->window[from])) {
            break;
        }
        from++;
    }
    from = eye_forget(from);
    eye_pin(from);
    if (from >= filled || from >= EYE_WINDOW_BYTES) {
        return EYE_SQL_OTHER;
    }
    __u32 here = filled - from;
    __u64 first = eye_first_bytes(eye_load_word(half->window + from), here);
    __u64 second = here > 8 ? eye_first_bytes(eye_load_word(half->window + from + 8), here - 8) : 0;
    return eye_sql_operation_of(first, second);
}
