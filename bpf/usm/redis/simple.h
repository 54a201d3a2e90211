/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Redis: commands and answers that lie in the window as a whole and change nothing, for bursts of
 * them (bpf/usm/burst.h). */
#pragma once

#include "bpf/usm/redis/answers.h"
#include "bpf/usm/redis/commands.h"

/* Words behind the name. */
#define EYE_REDIS_SIMPLE_WORDS 4

/* "*2\r\n$3\r\n", without its digits. */
#define EYE_REDIS_SIMPLE_HEAD EYE_WORD('*', 0, '\r', '\n', '$', 0, '\r', '\n')
#define EYE_REDIS_SIMPLE_MASK EYE_WORD(255, 0, 255, 255, 255, 0, 255, 255)
#define EYE_REDIS_SIMPLE_HEAD_BYTES 8

/* The position behind the bulk string at @from; EYE_REDIS_WAIT when it is none, or not here as a
 * whole, or longer than the window. */
static __always_inline __u32 eye_redis_behind_bulk(const struct eye_half *half, __u32 from,
                                                   __u32 filled)
{
    __u64 length = 0;
    eye_pin(from);
    if (from >= filled || from >= EYE_WINDOW_BYTES || half->window[from] != '$') {
        return EYE_REDIS_WAIT;
    }
    __u32 digits = eye_read_digits(eye_load_word(half->window + from + 1), &length);
    __u32 behind = from + 1 + digits;
    __u64 end = behind + 2 + length + 2;
    return digits > 0 && end <= filled && half->window[behind] == '\r' &&
                   half->window[behind + 1] == '\n'
               ? (__u32)end
               : EYE_REDIS_WAIT;
}

/* As parser.h says. */
EYE_PART __u32 eye_redis_simple_request(struct eye_half *half, __u32 from, __u32 filled,
                                        struct eye_request *request)
{
    eye_pin(from);
    if (!half || !request || from >= filled || from >= EYE_WINDOW_BYTES) {
        return 0;
    }
    __u64 head = eye_load_word(half->window + from);
    __u32 words = (__u32)((__u8)(head >> 8) - '0');
    struct eye_redis_word name = {
        .from = from + EYE_REDIS_SIMPLE_HEAD_BYTES,
        .length = (__u32)((__u8)(head >> 40) - '0'),
    };
    __u32 at = name.from + name.length + 2;
    if ((head & EYE_REDIS_SIMPLE_MASK) != EYE_REDIS_SIMPLE_HEAD ||
        words - 1 > EYE_REDIS_SIMPLE_WORDS || name.length - 1 > 8 || at > filled ||
        half->flags & (EYE_REDIS_REPLY_OFF | EYE_REDIS_REPLY_SKIP)) {
        return 0;
    }
    __u64 first = eye_redis_part(half, name, 0);
    if (eye_redis_may_be_special(first, name.length)) {
        return 0;
    }
    for (__u32 i = 1; i <= EYE_REDIS_SIMPLE_WORDS; i++) {
        at = eye_forget(at);
        if (i >= eye_forget(words)) {
            break;
        }
        at = eye_redis_behind_bulk(half, at, filled);
    }
    if (at > filled) {
        return 0;
    }
    eye_redis_note_name(half, request, name, first);
    return at - from;
}

/* As parser.h says. */
static __always_inline __u32 eye_redis_simple_answer(struct eye_half *half, __u16 asks, __u32 from,
                                                     __u32 filled)
{
    __u8 type = half->window[from];
    __u32 end = EYE_REDIS_WAIT;
    if (type == '$' && half->window[from + 1] != '-') {
        end = eye_redis_behind_bulk(half, from, filled);
    } else if (type == '$' || type == ':' || (type == '+' && !(asks & EYE_REDIS_MONITORS))) {
        __u64 line_end = eye_find_byte(eye_load_word(half->window + from), '\n');
        end = line_end ? from + eye_first_index(line_end) + 1 : EYE_REDIS_WAIT;
    }
    return end <= filled ? end - from : 0;
}
