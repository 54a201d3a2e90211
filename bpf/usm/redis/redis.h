/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Redis, Valkey and what speaks like them: RESP2 and RESP3. A parser as bpf/usm/parser.h says.
 * Arrays of bulk strings are commands, or answers that look alike: the ends of the connection tell
 * which. What comes unasked (messages, pushes, lines of MONITOR) is passed over.
 */
#pragma once

#include "bpf/usm/parser.h"
#include "bpf/usm/redis/simple.h"

/* The @bytes of @text (8 at most) are as the first of a word, as far as they go. */
static __always_inline bool eye_redis_goes_on(__u64 word, __u64 text, __u32 bytes, __u32 here)
{
    __u32 compared = here < bytes ? here : bytes;
    return eye_first_bytes(word, compared) == eye_first_bytes(text, compared);
}

/* What of "*2\r\n" has to be there: fewer bytes may be anybody's. */
#define EYE_REDIS_LOOK_BYTES 4

/* As parser.h says: "*2\r\n$3\r\nGET", as far as it goes. No other protocol begins like that; what
 * Redis shares with others (PING, +OK, -ERR) decides nothing. */
EYE_PART int eye_redis_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    __u64 number;
    if (!glance || bytes < EYE_REDIS_LOOK_BYTES || glance->bytes[0] != '*') {
        return 0;
    }
    __u32 at = 1 + eye_read_digits(eye_load_word(glance->bytes + 1), &number);
    if (at == 1 || !eye_redis_goes_on(eye_load_word(glance->bytes + at), EYE_TEXT_WORD("\r\n$", 0),
                                      3, bytes - at)) {
        return 0;
    }
    at += 3;
    if (bytes <= at) {
        return 1;
    }
    __u32 digits = eye_read_digits(eye_load_word(glance->bytes + at), &number);
    at += digits;
    if (digits == 0 || digits > 2 ||
        !eye_redis_goes_on(eye_load_word(glance->bytes + at), EYE_TEXT_WORD("\r\n", 0), 2,
                           bytes - at)) {
        return 0;
    }
    at += 2;
    return bytes <= at || eye_redis_is_letter(glance->bytes[at]);
}

/* A command that is a line: words between blanks. A part, since hardly anybody sends one. */
EYE_PART int eye_redis_read_line(struct eye_conversation *conversation, __u32 side, __u32 filled,
                                 struct eye_found *found)
{
    if (!conversation || !found) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    bool lost = half->phase == EYE_PHASE_LOST;
    if (!lost && (half->window[0] == '\r' || half->window[0] == '\n')) {
        found->used = 1; /* empty lines are ignored */
        return 0;
    }
    if (lost || !conversation->confirmed || !eye_redis_is_letter(half->window[0])) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (filled < EYE_WINDOW_BYTES && eye_find_line_end(half, 0, filled) == filled) {
        return 0;
    }
    half->left = 0;
    found->what = EYE_FOUND_REQUEST;
    found->scratch = eye_redis_line_word(half, 0, filled) | EYE_REDIS_INLINE;
    return 0;
}

/* A command that is an array. */
static __always_inline void eye_redis_read_array(struct eye_conversation *conversation, __u32 side,
                                                 __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    __u64 words = 0;
    if (filled > 1 && half->window[1] == '-') {
        half->left = 1; /* like an empty one it is ignored, without an answer */
        eye_redis_pass_over(half, 0, filled, found);
        return;
    }
    __u32 behind = eye_redis_read_length(half, 1, filled, &words);
    if (behind == EYE_REDIS_WAIT) {
        return;
    }
    if (behind == EYE_REDIS_BROKEN || words > EYE_REDIS_ELEMENTS_MAX) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    if (words == 0) {
        half->phase = EYE_PHASE_START;
        found->used = behind;
        return;
    }
    struct eye_redis_word word = eye_redis_bulk(half, behind, filled);
    if (word.from == EYE_REDIS_WAIT) {
        return;
    }
    bool letter = word.length > 0 && word.from < EYE_WINDOW_BYTES &&
                  eye_redis_is_letter(half->window[word.from & (EYE_WINDOW_BYTES - 1)]);
    if (!letter && (!conversation->confirmed || half->phase == EYE_PHASE_LOST)) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    half->left = (__u32)words;
    found->what = EYE_FOUND_REQUEST;
    found->scratch = eye_forget(eye_redis_pack(word));
}

static __always_inline void eye_redis_read(struct eye_conversation *conversation, __u32 side,
                                           __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    if (half->phase >= EYE_PHASE_OWN) {
        eye_redis_pass_over(half, 0, filled, found);
        return;
    }
    bool array = half->window[0] == '*';
    if (!eye_may_carry(conversation, side, true) ||
        (!array && !eye_carries_requests(conversation, side))) {
        eye_redis_read_answer(half, eye_opposite_of(conversation, side)->flags, filled, found);
    } else if (array) {
        eye_redis_read_array(conversation, side, filled, found);
    } else {
        eye_redis_read_line(conversation, side, filled, found);
    }
}

/* As parser.h says: the name is known, its words follow. */
static __always_inline void eye_redis_note(struct eye_conversation *conversation, __u32 side,
                                           struct eye_request *request, __u32 filled,
                                           struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_redis_word word = eye_redis_unpack(found->scratch);
    bool line = found->scratch & EYE_REDIS_INLINE;
    __u64 first = eye_redis_part(half, word, 0);
    int effect = EYE_REDIS_IS_ANSWERED;
    /* A name that is none stays before the words. */
    __u32 left = half->left - (word.length > 0 && !line ? 1 : 0);
    eye_redis_note_name(half, request, word, first);
    if (half->flags & (EYE_REDIS_REPLY_OFF | EYE_REDIS_REPLY_SKIP) ||
        eye_redis_may_be_special(first, word.length)) {
        effect = eye_redis_effect_of(half, request, found->scratch, left, filled);
    }
    effect = eye_forget(effect);
    word.length = eye_forget(word.length);
    if (effect == EYE_REDIS_IS_AWAITED) {
        return;
    }
    if (effect == EYE_REDIS_ENDS) {
        found->what = EYE_FOUND_END;
        return;
    }
    found->asked = effect == EYE_REDIS_IS_ANSWERED;
    if (!found->asked) {
        eye_note_loss_part(conversation, EYE_LOST_UNANSWERED, 1);
    }
    half->mark = 0;
    half->left = left;
    half->phase = line ? EYE_REDIS_LINE : EYE_REDIS_ELEMENTS;
    /* Of a line all is passed over; behind a name stand CR and LF. */
    found->used = line ? 1 : word.from + (word.length > 0 ? word.length + 2 : 0);
}

/* As parser.h says: the rest of a command or of an answer. */
static __always_inline void eye_redis_go_on(struct eye_conversation *conversation, __u32 side,
                                            __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    __u32 from = found->used;
    if (found->what != EYE_FOUND_REQUEST) {
        half->left = 1;
        half->phase = EYE_REDIS_ELEMENTS;
        from = 0;
    }
    eye_redis_pass_over(half, from, filled, found);
}

static const struct eye_parser eye_redis_parser = {
    .client_connects = true,
    .read = eye_redis_read,
    .note = eye_redis_note,
    .go_on = eye_redis_go_on,
    .simple_request = eye_redis_simple_request,
    .simple_answer = eye_redis_simple_answer,
};
