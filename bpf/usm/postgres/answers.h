/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * PostgreSQL: what the server sends
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */
#pragma once

#include "bpf/usm/postgres/words.h"

/* Those that say what became of a request, and those that end something: looked at. */
#define EYE_POSTGRES_TOLD                                                                          \
    (EYE_POSTGRES_BIT('C') | EYE_POSTGRES_BIT('E') | EYE_POSTGRES_BIT('I') |                       \
     EYE_POSTGRES_BIT('W') | EYE_POSTGRES_BIT('Z') | EYE_POSTGRES_BIT('s'))
/* Those that are passed over, '1' .. '3' besides. */
#define EYE_POSTGRES_PASSED                                                                        \
    (EYE_POSTGRES_BIT('A') | EYE_POSTGRES_BIT('D') | EYE_POSTGRES_BIT('G') |                       \
     EYE_POSTGRES_BIT('H') | EYE_POSTGRES_BIT('K') | EYE_POSTGRES_BIT('N') |                       \
     EYE_POSTGRES_BIT('R') | EYE_POSTGRES_BIT('S') | EYE_POSTGRES_BIT('T') |                       \
     EYE_POSTGRES_BIT('V') | EYE_POSTGRES_BIT('c') | EYE_POSTGRES_BIT('d') |                       \
     EYE_POSTGRES_BIT('n') | EYE_POSTGRES_BIT('t') | EYE_POSTGRES_BIT('v'))
/* Nobody asked for them: they say nothing of whether the server is busy. */
#define EYE_POSTGRES_UNASKED (EYE_POSTGRES_BIT('A') | EYE_POSTGRES_BIT('N') | EYE_POSTGRES_BIT('S'))
/* Without a body. */
#define EYE_POSTGRES_EMPTY                                                                         \
    (EYE_POSTGRES_BIT('I') | EYE_POSTGRES_BIT('c') | EYE_POSTGRES_BIT('n') | EYE_POSTGRES_BIT('s'))

/* ParseComplete, BindComplete, CloseComplete. */
static __always_inline bool eye_postgres_is_step(__u8 type)
{
    return (__u32)type - '1' < 3;
}

/* Could an answer with this head be? */
static __always_inline bool eye_postgres_is_answer(__u8 type, __u32 length)
{
    if (length < 4 || length > EYE_POSTGRES_LENGTH_MAX) {
        return false;
    }
    if (eye_postgres_is_step(type) || eye_postgres_is_in(type, EYE_POSTGRES_EMPTY)) {
        return length == 4;
    }
    return type == 'Z' ? length == 5
                       : eye_postgres_is_in(type, EYE_POSTGRES_TOLD | EYE_POSTGRES_PASSED);
}

/* Does an answer begin here, where it is not known that one does? @body: what follows its head. */
static __always_inline bool eye_postgres_is_likely(__u8 type, __u32 length, __u64 body)
{
    __u32 columns = (__u32)(__u8)body << 8 | (__u8)(body >> 8);
    __u32 first = eye_postgres_number(body >> 16); /* of a row: the length of its first column */
    __u8 byte = (__u8)body;
    switch (type) {
    case 'Z':
        return byte == 'I' || byte == 'T' || byte == 'E';
    case 'C':
        return byte >= 'A' && byte <= 'Z' && length <= EYE_POSTGRES_NAME_BYTES + 5;
    case 'E':
        return byte == 'S' && length <= EYE_POSTGRES_LENGTH_MAX >> 8;
    case 'T':
        return columns <= EYE_POSTGRES_COLUMNS_MAX && length >= 6 + columns * 19;
    case 'D':
        return columns <= EYE_POSTGRES_COLUMNS_MAX && length >= 6 + columns * 4 &&
               (columns == 0 ? length == 6 : first == (__u32)-1 || first <= length - 10);
    default:
        return length == 4;
    }
}

/* Passes over answers that tell nothing, from the start of the window on. Returns the position of
 * the first byte that is still needed, or EYE_POSTGRES_BROKEN. */
EYE_PART __u32 eye_postgres_walk_answers(struct eye_half *half, __u32 filled)
{
    __u32 from = 0;
    __u32 flags = 0;
    if (!half) {
        return EYE_POSTGRES_BROKEN;
    }
    for (int i = 0; i < EYE_POSTGRES_MESSAGES_AT_ONCE; i++) {
        from = eye_forget(from);
        flags = eye_forget(flags);
        eye_pin(from);
        if (from + EYE_POSTGRES_HEAD_BYTES > filled || from >= EYE_WINDOW_BYTES) {
            break;
        }
        __u64 head = eye_load_word(half->window + from);
        __u8 type = (__u8)head;
        __u32 length = eye_postgres_number(head >> 8);
        if (!eye_postgres_is_answer(type, length)) {
            half->flags |= (__u16)flags;
            return from > 0 ? from : EYE_POSTGRES_BROKEN;
        }
        if (eye_postgres_is_in(type, EYE_POSTGRES_TOLD)) {
            break;
        }
        if (eye_postgres_is_step(type) || type == 't' || type == 'n') {
            flags |= EYE_POSTGRES_EXTENDED;
        }
        if (!eye_postgres_is_in(type, EYE_POSTGRES_UNASKED)) {
            half->flags &= (__u16)~EYE_BATCHES_IDLE;
        }
        from = eye_postgres_pass(half, from, length, filled);
    }
    half->flags |= (__u16)flags;
    return from;
}

/* Behind a question for encryption stands one byte, without a head. True: this is it. */
static __always_inline bool eye_postgres_read_encryption(struct eye_half *half, __u16 asks,
                                                         struct eye_found *found)
{
    __u8 byte = half->window[0];
    if (!((half->flags ^ asks) & EYE_POSTGRES_ASKED_BIT)) {
        return false;
    }
    half->flags ^= EYE_POSTGRES_ASKED_BIT;
    if (byte == 'N') {
        found->used = 1;
        return true;
    }
    /* A server that is older than the question answers by an error. */
    if (byte == 'S' || byte == 'G') {
        found->what = EYE_FOUND_END;
        return true;
    }
    return false;
}

/* The answer at the start of the window, one of EYE_POSTGRES_TOLD, is here as far as it matters. */
static __always_inline void eye_postgres_tell_outcome(struct eye_half *half, __u8 type, __u32 asked,
                                                      struct eye_found *found)
{
    bool extended = half->flags & EYE_POSTGRES_EXTENDED;
    found->used = 1;
    if (type == 'W') {
        found->what = EYE_FOUND_END; /* replication: both ends send what they like */
        return;
    }
    if (type != 'Z') {
        half->flags &= (__u16)~EYE_BATCHES_IDLE;
        if (type == 's') {
            half->flags |= EYE_POSTGRES_EXTENDED;
            extended = true;
        }
        found->what = extended ? EYE_FOUND_RESPONSE : EYE_FOUND_INTERIM;
        found->ends = type == 'E';
        return;
    }
    half->flags = (__u16)((half->flags & ~EYE_POSTGRES_EXTENDED) | EYE_BATCHES_IDLE);
    if (half->left == asked) {
        found->what = EYE_FOUND_NOTHING; /* behind authentication: nobody has asked */
        found->scratch = 1;
        return;
    }
    found->what = extended ? EYE_FOUND_BATCH_END : EYE_FOUND_RESPONSE;
    found->ends = 1;
    found->closes = 1;
}

/* An answer may begin with the window. @asks: the client's direction. */
EYE_PART int eye_postgres_read_answer(struct eye_half *half, const struct eye_half *asks,
                                      __u32 filled, struct eye_found *found)
{
    if (!half || !asks || !found) {
        return 0;
    }
    if (eye_postgres_read_encryption(half, asks->flags, found) ||
        filled < EYE_POSTGRES_HEAD_BYTES) {
        return 0;
    }
    __u64 head = eye_load_word(half->window);
    __u8 type = (__u8)head;
    __u32 length = eye_postgres_number(head >> 8);
    if (!eye_postgres_is_answer(type, length)) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (half->phase == EYE_PHASE_LOST) {
        if (filled < eye_postgres_needed(length, EYE_POSTGRES_HEAD_BYTES + 6)) {
            return 0;
        }
        __u64 body = eye_load_word(half->window + EYE_POSTGRES_HEAD_BYTES);
        if (!eye_postgres_is_likely(type, length, body)) {
            found->what = EYE_FOUND_MISMATCH;
            return 0;
        }
    }
    if (!eye_postgres_is_in(type, EYE_POSTGRES_TOLD)) {
        found->used = eye_postgres_walk_answers(half, filled);
        if (found->used == EYE_POSTGRES_BROKEN) {
            found->what = EYE_FOUND_MISMATCH;
        }
        return 0;
    }
    __u32 wanted = type == 'E'   ? EYE_POSTGRES_ERROR_BYTES
                   : type == 'C' ? EYE_POSTGRES_HEAD_BYTES + EYE_SQL_WORD_BYTES
                                 : EYE_POSTGRES_HEAD_BYTES;
    if (filled < eye_postgres_needed(length, wanted)) {
        return 0;
    }
    eye_postgres_tell_outcome(half, type, asks->left, found);
    if (found->scratch) {
        found->used = eye_postgres_pass(half, 0, length, filled);
    }
    return 0;
}

/* What stands for the SQLSTATE of an error that has none within EYE_POSTGRES_ERROR_BYTES: servers
 * that only speak like it put the message first. */
#define EYE_POSTGRES_NO_STATE '?'

/* The SQLSTATE of the error at the start of the window goes to @body. The code of the field 'C'
 * stands behind the end of another field. */
EYE_PART int eye_postgres_note_state(const struct eye_half *half, __u32 filled,
                                     struct eye_request *request)
{
    if (!half || !request) {
        return 0;
    }
    __u32 from = EYE_POSTGRES_HEAD_BYTES;
    request->body[2] = EYE_POSTGRES_NO_STATE;
    for (int i = 0; i < EYE_POSTGRES_ERROR_BYTES; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from + 2 + EYE_POSTGRES_STATE_BYTES > filled || from >= EYE_WINDOW_BYTES) {
            break;
        }
        if (half->window[from] == 0 && half->window[from + 1] == 'C') {
            __u64 state = eye_load_word(half->window + from + 2);
            __u64 noted = eye_load_word(request->body) & 0xffff;
            eye_store_word(request->body, noted | eye_first_bytes(state, EYE_POSTGRES_STATE_BYTES)
                                                      << 16);
            break;
        }
        from++;
    }
    return 0;
}

/* As parser.h says. Of several statements in one text the first one tells the operation. */
EYE_PART int eye_postgres_complete_part(const struct eye_half *half, __u32 filled,
                                        struct eye_request *request)
{
    if (!half || !request) {
        return 0;
    }
    __u8 type = half->window[0];
    __u64 noted = eye_load_word(request->body);
    filled = eye_postgres_end(half, filled);
    if (type == 'E') {
        request->only_errors = 0;
        eye_postgres_note_state(half, filled, request);
    } else if (type == 'C' && !(noted >> 8 & 0xff)) {
        __u32 operation = eye_sql_operation_at(half, EYE_POSTGRES_HEAD_BYTES, filled);
        eye_store_word(request->body, (noted & ~(__u64)0xffff) | operation | 1 << 8);
    }
    return 0;
}

static __always_inline void eye_postgres_complete(const struct eye_half *half, __u32 filled,
                                                  struct eye_request *request)
{
    eye_postgres_complete_part(half, filled, request);
}
