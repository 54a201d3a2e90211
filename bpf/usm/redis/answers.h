/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Redis: where an answer begins, which error it is, and what comes unasked. */
#pragma once

#include "bpf/usm/redis/elements.h"

/* The longest word of EYE_REDIS_ERRORS, and one byte behind it. */
#define EYE_REDIS_ERROR_BYTES 16

/* Three searches: each one's lowest mark is right, so the lowest of all is. A line feed ends the
 * line, whatever stands before it: nothing may wait for more behind it. */
static __always_inline __u64 eye_redis_find_word_end(__u64 word)
{
    return eye_find_byte(word, ' ') | eye_find_byte(word, '\r') | eye_find_byte(word, '\n');
}

/* The word of an error that begins at @from: an enum eye_redis_error, or EYE_REDIS_WAIT. */
EYE_PART __u32 eye_redis_error_at(const struct eye_half *half, __u32 from, __u32 filled)
{
    if (!half || from > EYE_WINDOW_BYTES - EYE_REDIS_ERROR_BYTES) {
        return EYE_REDIS_ERROR_OTHER;
    }
    __u64 first = eye_load_word(half->window + from);
    __u64 second = eye_load_word(half->window + from + 8);
    __u64 ends = eye_redis_find_word_end(first);
    __u32 length = ends ? eye_first_index(ends) : 8;
    if (!ends) {
        ends = eye_redis_find_word_end(second);
        length += ends ? eye_first_index(ends) : 8;
    }
    if (from + length >= filled) {
        return filled - from < EYE_REDIS_ERROR_BYTES ? EYE_REDIS_WAIT : EYE_REDIS_ERROR_OTHER;
    }
    first = eye_first_bytes(first, length);
    second = length > 8 ? eye_first_bytes(second, length - 8) : 0;
#define X(name)                                                                                    \
    if (first == EYE_TEXT_WORD(#name, 0) && second == EYE_TEXT_WORD(#name, 8)) {                   \
        return EYE_REDIS_ERROR_##name;                                                             \
    }
    EYE_REDIS_ERRORS(X)
#undef X
    return EYE_REDIS_ERROR_OTHER;
}

/* What RESP2 sends who subscribes: arrays that begin with one of these words, by their length and
 * as much of the word as a load holds. */
#define EYE_REDIS_MESSAGES(X)                                                                      \
    X("7\r\nmessage")                                                                              \
    X("8\r\npmessage")                                                                             \
    X("8\r\nsmessage")                                                                             \
    X("9\r\nsubscribe")                                                                            \
    X("10\r\npsubscribe")                                                                          \
    X("10\r\nssubscribe")                                                                          \
    X("11\r\nunsubscribe")                                                                         \
    X("12\r\npunsubscribe")                                                                        \
    X("12\r\nsunsubscribe")

/* "*3\r\n$" or "*4\r\n$" */
#define EYE_REDIS_MESSAGE_HEAD 5
#define EYE_REDIS_MESSAGE_BYTES (EYE_REDIS_MESSAGE_HEAD + 8)

/* 1: the array at the start of the window is a message to a subscriber; 0: no; EYE_REDIS_WAIT. */
EYE_PART __u32 eye_redis_is_message(const struct eye_half *half, __u32 filled)
{
    if (!half) {
        return 0;
    }
    __u32 compared = filled < EYE_REDIS_MESSAGE_HEAD ? filled : EYE_REDIS_MESSAGE_HEAD;
    __u64 head = eye_first_bytes(eye_load_word(half->window), compared);
    __u32 bytes = filled < EYE_REDIS_MESSAGE_BYTES ? filled - compared : 8;
    __u64 word = eye_first_bytes(eye_load_word(half->window + EYE_REDIS_MESSAGE_HEAD), bytes);
    if (head != eye_first_bytes(EYE_TEXT_WORD("*3\r\n$", 0), compared) &&
        head != eye_first_bytes(EYE_TEXT_WORD("*4\r\n$", 0), compared)) {
        return 0;
    }
#define X(text)                                                                                    \
    if (word == eye_first_bytes(EYE_TEXT_WORD(text, 0), bytes)) {                                  \
        return bytes == 8 ? 1 : EYE_REDIS_WAIT;                                                    \
    }
    EYE_REDIS_MESSAGES(X)
#undef X
    return 0;
}

/* Nobody asked for what begins with @type: 1; 0: it answers; EYE_REDIS_WAIT. @asks: the flags of
 * the client's direction. */
static __always_inline __u32 eye_redis_is_unasked(const struct eye_half *half, __u16 asks,
                                                  __u8 type, __u32 filled)
{
    if (type == '>' || type == '|') {
        return 1;
    }
    if (type == '+' && asks & EYE_REDIS_MONITORS) {
        return (__u32)half->window[1] - '0' < 10; /* a time stamp */
    }
    if (type == '*' && asks & EYE_REDIS_SUBSCRIBED && !(half->flags & EYE_REDIS_PUSHES)) {
        return eye_redis_is_message(half, filled);
    }
    return 0;
}

/* The word at @from that a message of @count elements is known by. */
static __always_inline void eye_redis_pass_word(struct eye_half *half, __u32 count, __u32 from,
                                                __u32 filled, struct eye_found *found)
{
    __u64 length = 0;
    __u32 behind = eye_redis_read_short_length(half, from + 1, filled, &length);
    if (behind >= EYE_REDIS_BROKEN) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    __u32 here = filled - behind;
    length += 2; /* CR LF */
    half->left = count - 1;
    eye_skip_next(half, length > here ? length - here : 0, EYE_REDIS_ELEMENTS);
    found->used = length > here ? filled : behind + (__u32)length;
}

/* The beginning of what nobody asked for; the next step passes over the rest. Attributes stand
 * before an answer, which comes in its turn. */
EYE_PART int eye_redis_read_unasked(struct eye_half *half, __u32 filled, struct eye_found *found)
{
    __u64 count = 0;
    if (!half || !found) {
        return 0;
    }
    __u8 type = half->window[0];
    if (type == '+') {
        half->left = 0;
        half->phase = EYE_REDIS_LINE;
        found->used = 2; /* of which it was known by */
        return 0;
    }
    __u32 behind = eye_redis_read_length(half, 1, filled, &count);
    if (behind == EYE_REDIS_WAIT) {
        return 0;
    }
    if (behind == EYE_REDIS_BROKEN || count > EYE_REDIS_ELEMENTS_MAX / 2) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (type == '*') {
        eye_redis_pass_word(half, (__u32)count, behind, filled, found);
        return 0;
    }
    half->left = (__u32)(type == '|' ? 2 * count : count);
    half->phase = half->left > 0 ? EYE_REDIS_ELEMENTS : EYE_PHASE_START;
    found->used = behind;
    return 0;
}

/* An answer may begin with the window. */
static __always_inline void eye_redis_read_answer(struct eye_half *half, __u16 asks, __u32 filled,
                                                  struct eye_found *found)
{
    __u8 type = half->window[0];
    if (filled < 2) {
        return;
    }
    __u32 unasked = eye_redis_is_unasked(half, asks, type, filled);
    if (unasked == EYE_REDIS_WAIT) {
        return;
    }
    if ((type == '>' || type == '%') && !(half->flags & EYE_REDIS_PUSHES)) {
        half->flags |= EYE_REDIS_PUSHES;
    }
    if (unasked) {
        eye_redis_read_unasked(half, filled, found);
        return;
    }
    __u32 behind = 1;
    if (!eye_redis_is_line(type)) {
        __u64 length = 0;
        bool sized = eye_redis_is_bulk(type) || eye_redis_is_count(type);
        if (!sized) {
            behind = EYE_REDIS_BROKEN;
        } else if (half->window[1] != '-') {
            behind = eye_redis_read_length(half, 1, filled, &length);
        }
    }
    __u32 code = EYE_REDIS_SUCCESS;
    if (behind < EYE_REDIS_BROKEN && (type == '-' || type == '!')) {
        code = eye_redis_error_at(half, behind, filled);
    }
    if (behind == EYE_REDIS_BROKEN) {
        found->what = EYE_FOUND_MISMATCH;
    } else if (behind != EYE_REDIS_WAIT && code != EYE_REDIS_WAIT) {
        found->what = EYE_FOUND_RESPONSE;
        found->code = (__u16)code;
        found->used = 1;
    }
}
