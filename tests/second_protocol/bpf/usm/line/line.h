/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A protocol for tests: "ASK name\n" is answered by "GOT 200\n", in order. A parser as
 * bpf/usm/parser.h says.
 */
#pragma once

#include "bpf/usm/line/record.h"
#include "bpf/usm/parser.h"

#define EYE_LINE_WORD_BYTES 4
#define EYE_LINE_ASK EYE_WORD('A', 'S', 'K', ' ', 0, 0, 0, 0)
#define EYE_LINE_GOT EYE_WORD('G', 'O', 'T', ' ', 0, 0, 0, 0)
#define EYE_LINE_ANSWER_BYTES 8

static __always_inline bool eye_line_begins(const __u8 *bytes, __u64 word)
{
    return eye_first_bytes(eye_load_word(bytes), EYE_LINE_WORD_BYTES) == word;
}

EYE_PART int eye_line_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    return glance && bytes >= EYE_LINE_WORD_BYTES &&
           (eye_line_begins(glance->bytes, EYE_LINE_ASK) ||
            eye_line_begins(glance->bytes, EYE_LINE_GOT));
}

static __always_inline void eye_line_read_answer(struct eye_half *half, __u32 filled,
                                                 struct eye_found *found)
{
    if (filled < EYE_LINE_ANSWER_BYTES) {
        return;
    }
    __u32 a = half->window[4] - '0';
    __u32 b = half->window[5] - '0';
    __u32 c = half->window[6] - '0';
    if (a > 9 || b > 9 || c > 9 || half->window[7] != '\n') {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    half->phase = EYE_PHASE_START;
    found->what = EYE_FOUND_RESPONSE;
    found->code = (__u16)(a * 100 + b * 10 + c);
    found->used = EYE_LINE_ANSWER_BYTES;
}

static __always_inline void eye_line_read(struct eye_conversation *conversation, __u32 side,
                                          __u32 filled, struct eye_found *found)
{
    if (filled < EYE_LINE_WORD_BYTES) {
        return;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    if (eye_may_carry(conversation, side, true) && eye_line_begins(half->window, EYE_LINE_ASK)) {
        found->what = EYE_FOUND_REQUEST;
    } else if (eye_may_carry(conversation, side, false) &&
               eye_line_begins(half->window, EYE_LINE_GOT)) {
        eye_line_read_answer(half, filled, found);
    } else {
        found->what = EYE_FOUND_MISMATCH;
    }
}

/* Length of the name, of which the window holds the whole line; 0: it has none, or is not whole. */
EYE_PART __u32 eye_line_copy_name(const struct eye_half *half, struct eye_request *request,
                                  __u32 filled)
{
    if (!half) {
        return 0;
    }
    for (__u32 length = 0; length <= EYE_LINE_NAME_BYTES; length++) {
        __u8 byte = half->window[EYE_LINE_WORD_BYTES + length];
        if (EYE_LINE_WORD_BYTES + length >= filled) {
            break;
        }
        if (byte == '\n') {
            return length;
        }
        if (request && length < EYE_LINE_NAME_BYTES) {
            struct eye_request *checked = request;
            eye_pin(checked);
            checked->body[length] = byte;
        }
    }
    return 0;
}

static __always_inline void eye_line_note(struct eye_conversation *conversation, __u32 side,
                                          struct eye_request *request, __u32 filled,
                                          struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    __u32 length = eye_line_copy_name(half, request, filled);
    if (length == 0) {
        if (filled > EYE_LINE_WORD_BYTES + EYE_LINE_NAME_BYTES) {
            found->what = EYE_FOUND_MISMATCH;
        }
        return;
    }
    if (request) {
        request->head.flags = 0;
        request->head.body_bytes = (__u16)length;
    }
    half->mark = 0;
    half->phase = EYE_PHASE_START;
    found->asked = 1;
    found->used = EYE_LINE_WORD_BYTES + length + 1;
}

/* Nothing stands behind a line but the next one. */
static __always_inline void eye_line_go_on(struct eye_conversation *conversation, __u32 side,
                                           __u32 filled, struct eye_found *found)
{
}

static const struct eye_parser eye_line_parser = {
    .read = eye_line_read,
    .note = eye_line_note,
    .go_on = eye_line_go_on,
};
