/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Redis: the elements of messages (https://redis.io/docs/latest/develop/reference/protocol-spec).
 * How deep they are nested does not matter: a message is over when as many elements have come as
 * its arrays have announced.
 */
#pragma once

#include "bpf/usm/lines.h"
#include "bpf/usm/redis/state.h"

/* Types by their byte, as bits 0 .. 31 of the bytes 32 .. 63 and 0 .. 63 of 64 .. 127. */
#define EYE_REDIS_BIT(byte) (1ULL << ((byte)&63))
#define EYE_REDIS_LINES                                                                            \
    (EYE_REDIS_BIT('+') | EYE_REDIS_BIT('-') | EYE_REDIS_BIT(':') | EYE_REDIS_BIT('#') |           \
     EYE_REDIS_BIT(',') | EYE_REDIS_BIT('('))
#define EYE_REDIS_BULKS (EYE_REDIS_BIT('$') | EYE_REDIS_BIT('!') | EYE_REDIS_BIT('='))
#define EYE_REDIS_COUNTS (EYE_REDIS_BIT('*') | EYE_REDIS_BIT('>') | EYE_REDIS_BIT('%'))

static __always_inline bool eye_redis_is_in(__u8 type, __u64 types)
{
    return type < 64 && (types >> (type & 63) & 1);
}

/* '_' is null. */
static __always_inline bool eye_redis_is_line(__u8 type)
{
    return eye_redis_is_in(type, EYE_REDIS_LINES) || type == '_';
}

static __always_inline bool eye_redis_is_bulk(__u8 type)
{
    return eye_redis_is_in(type, EYE_REDIS_BULKS);
}

/* '~' is a set, '|' attributes: pairs that stand before an element, and do not count as one. */
static __always_inline bool eye_redis_is_count(__u8 type)
{
    return eye_redis_is_in(type, EYE_REDIS_COUNTS) || type == '~' || type == '|';
}

/* A number of any length, into the half's skip, which is free while no bytes are skipped. Returns
 * the position of what follows its digits, or EYE_REDIS_BROKEN. */
EYE_PART __u32 eye_redis_read_digits(struct eye_half *half, __u32 from, __u32 filled)
{
    __u64 value = 0;
    if (!half) {
        return EYE_REDIS_BROKEN;
    }
    for (int i = 0; i < EYE_REDIS_DIGITS_MAX; i++) {
        from = eye_forget(from);
        value = eye_forget(value);
        if (from >= filled || from >= EYE_WINDOW_BYTES) {
            break;
        }
        __u32 digit = (__u32)half->window[from] - '0';
        if (digit > 9) {
            half->skip = value;
            return i > 0 ? from : EYE_REDIS_BROKEN;
        }
        value = value * 10 + digit;
        from++;
    }
    half->skip = value;
    return from;
}

/* The length that a line has behind its type. Returns the position behind the line. */
static __always_inline __u32 eye_redis_read_length(struct eye_half *half, __u32 from, __u32 filled,
                                                   __u64 *ret_value)
{
    eye_pin(from);
    if (from >= filled || from >= EYE_WINDOW_BYTES) {
        return EYE_REDIS_WAIT;
    }
    __u32 end = eye_read_digits(eye_load_word(half->window + from), ret_value);
    if (end > 0) {
        end += from;
    } else {
        end = eye_redis_read_digits(half, from, filled);
        *ret_value = half->skip;
        if (end == EYE_REDIS_BROKEN) {
            return EYE_REDIS_BROKEN;
        }
    }
    if (end + 2 > filled) {
        return EYE_REDIS_WAIT;
    }
    eye_pin(end);
    if (end > EYE_WINDOW_BYTES || half->window[end] != '\r' || half->window[end + 1] != '\n') {
        return EYE_REDIS_BROKEN;
    }
    return end + 2;
}

/* The length of a word at @from, which is short; as eye_redis_read_length(), without a call. */
static __always_inline __u32 eye_redis_read_short_length(const struct eye_half *half, __u32 from,
                                                         __u32 filled, __u64 *ret_value)
{
    eye_pin(from);
    if (from >= filled || from >= EYE_WINDOW_BYTES) {
        return EYE_REDIS_WAIT;
    }
    __u32 digits = eye_read_digits(eye_load_word(half->window + from), ret_value);
    if (digits == 0) {
        return half->window[from] - (__u32)'0' < 10 && filled - from < 8 ? EYE_REDIS_WAIT
                                                                         : EYE_REDIS_BROKEN;
    }
    from += digits;
    if (from + 2 > filled) {
        return EYE_REDIS_WAIT;
    }
    return half->window[from] == '\r' && half->window[from + 1] == '\n' ? from + 2
                                                                        : EYE_REDIS_BROKEN;
}

/* So many elements does a count of @type announce. */
static __always_inline __u64 eye_redis_announced(__u8 type, __u64 count)
{
    return type == '%' ? 2 * count : type == '|' ? 2 * count + 1 : count;
}

/*
 * Passes over elements from @from on, of which the half says how many are to come. Sets its phase.
 * Returns the position of the first byte that is still needed, or EYE_REDIS_BROKEN.
 */
EYE_PART __u32 eye_redis_walk(struct eye_half *half, __u32 from, __u32 filled)
{
    if (!half) {
        return EYE_REDIS_BROKEN;
    }
    __u64 left = half->left;
    for (int i = 0; i < EYE_REDIS_ELEMENTS_AT_ONCE; i++) {
        from = eye_forget(from);
        left = eye_forget(left);
        eye_pin(from);
        if (left == 0 || from + 1 >= filled || from >= EYE_WINDOW_BYTES - 1) {
            break;
        }
        __u8 type = half->window[from];
        if (eye_redis_is_line(type) || half->window[from + 1] == '-') {
            from = eye_find_line_end(half, from, filled) + 1;
            left--;
            if (from > filled) {
                half->left = (__u32)left;
                half->phase = EYE_REDIS_LINE;
                return filled;
            }
            continue;
        }
        __u64 value = 0;
        __u32 behind = eye_redis_read_length(half, from + 1, filled, &value);
        if (behind == EYE_REDIS_WAIT) {
            break;
        }
        left--;
        if (behind == EYE_REDIS_BROKEN) {
            return EYE_REDIS_BROKEN;
        }
        if (eye_redis_is_bulk(type)) {
            __u32 here = filled - behind;
            value += 2; /* CR LF */
            if (value > here) {
                half->left = (__u32)left;
                eye_skip_next(half, value - here, left > 0 ? EYE_REDIS_ELEMENTS : EYE_PHASE_START);
                return filled;
            }
            from = behind + (__u32)value;
            continue;
        }
        left += eye_redis_announced(type, value);
        if (!eye_redis_is_count(type) || left > EYE_REDIS_ELEMENTS_MAX) {
            return EYE_REDIS_BROKEN;
        }
        from = behind;
    }
    half->left = (__u32)left;
    half->phase = left > 0 ? EYE_REDIS_ELEMENTS : EYE_PHASE_START;
    return from;
}

/* The rest of a message, from @from on. */
static __always_inline void eye_redis_pass_over(struct eye_half *half, __u32 from, __u32 filled,
                                                struct eye_found *found)
{
    if (half->phase == EYE_REDIS_LINE) {
        from = eye_find_line_end(half, from, filled) + 1;
        if (from > filled) {
            found->used = filled;
            return;
        }
    }
    if (half->left == 0) {
        half->phase = EYE_PHASE_START;
        found->used = from;
        return;
    }
    found->used = eye_redis_walk(half, from, filled);
    if (found->used == EYE_REDIS_BROKEN) {
        found->what = EYE_FOUND_MISMATCH;
    }
}
