/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * PostgreSQL, protocol 3, and what speaks like it. A parser as bpf/usm/parser.h says. What counts
 * is a simple query, up to ReadyForQuery, and each Execute, up to what it completes with. A batch
 * ends with Sync, and with each simple query. What is prepared and not executed is told when it
 * fails: the Sync or the Flush behind it stands for it.
 */
#pragma once

#include "bpf/usm/parser.h"
#include "bpf/usm/postgres/answers.h"

/* What a client sends and nobody looks into. */
#define EYE_POSTGRES_SENT                                                                          \
    (EYE_POSTGRES_BIT('B') | EYE_POSTGRES_BIT('C') | EYE_POSTGRES_BIT('D') |                       \
     EYE_POSTGRES_BIT('H') | EYE_POSTGRES_BIT('S') | EYE_POSTGRES_BIT('X') |                       \
     EYE_POSTGRES_BIT('c') | EYE_POSTGRES_BIT('d') | EYE_POSTGRES_BIT('f') |                       \
     EYE_POSTGRES_BIT('p') | EYE_POSTGRES_BIT('P'))
#define EYE_POSTGRES_ASKED (EYE_POSTGRES_BIT('E') | EYE_POSTGRES_BIT('F') | EYE_POSTGRES_BIT('Q'))
#define EYE_POSTGRES_SENT_EMPTY                                                                    \
    (EYE_POSTGRES_BIT('H') | EYE_POSTGRES_BIT('S') | EYE_POSTGRES_BIT('X') | EYE_POSTGRES_BIT('c'))
/* Those may carry data. */
#define EYE_POSTGRES_SENT_LONG                                                                     \
    (EYE_POSTGRES_BIT('B') | EYE_POSTGRES_BIT('F') | EYE_POSTGRES_BIT('P') |                       \
     EYE_POSTGRES_BIT('Q') | EYE_POSTGRES_BIT('d') | EYE_POSTGRES_BIT('f') |                       \
     EYE_POSTGRES_BIT('p'))

/* Could a client send a message with this head? */
static __always_inline bool eye_postgres_is_sent(__u8 type, __u32 length)
{
    if (length < 4 || length > EYE_POSTGRES_LENGTH_MAX) {
        return false;
    }
    if (eye_postgres_is_in(type, EYE_POSTGRES_SENT_EMPTY)) {
        return length == 4;
    }
    return eye_postgres_is_in(type, EYE_POSTGRES_SENT | EYE_POSTGRES_ASKED) &&
           (length <= EYE_POSTGRES_SMALL_MAX || eye_postgres_is_in(type, EYE_POSTGRES_SENT_LONG));
}

/* Is a message without a type: the first one of a connection, or those before it. */
static __always_inline bool eye_postgres_is_start(__u32 length, __u32 code)
{
    if (code == EYE_POSTGRES_SSL || code == EYE_POSTGRES_GSS) {
        return length == 8;
    }
    if (code == EYE_POSTGRES_CANCEL) {
        return length >= 16 && length <= 268;
    }
    return length > 8 && length <= EYE_POSTGRES_SMALL_MAX && code >> 16 == EYE_POSTGRES_MAJOR &&
           (code & 0xffff) <= 2;
}

static __always_inline bool eye_postgres_is_text(__u8 byte)
{
    return byte >= ' ' || byte == '\n' || byte == '\t' || byte == '\r' || byte == 0;
}

/* The bytes before the end of the name at @from of a glance; EYE_POSTGRES_BROKEN when it has none
 * within its limit, or is none. */
EYE_PART __u32 eye_postgres_glance_name(const struct eye_glance *glance, __u32 from)
{
    if (!glance) {
        return EYE_POSTGRES_BROKEN;
    }
    for (__u32 i = 0; i < EYE_POSTGRES_NAME_BYTES; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from >= EYE_LOOK_BYTES) {
            break;
        }
        __u8 byte = glance->bytes[from];
        if (byte == 0) {
            return from;
        }
        if (byte < ' ') {
            break;
        }
        from++;
    }
    return EYE_POSTGRES_BROKEN;
}

/* The first word of a statement at @from of a glance is one that we know. */
EYE_PART int eye_postgres_glance_statement(const struct eye_glance *glance, __u32 from)
{
    eye_pin(from);
    if (!glance || from >= EYE_LOOK_BYTES) {
        return false;
    }
    return eye_sql_operation_of(eye_load_word(glance->bytes + from),
                                eye_load_word(glance->bytes + from + 8)) != EYE_SQL_OTHER;
}

/* The payload of @bytes is the start of a connection, and no more: Kafka's has the same codes
 * behind a length that leaves itself out. */
static __always_inline bool eye_postgres_glance_start(const struct eye_glance *glance, __u32 bytes)
{
    __u32 length = eye_postgres_number(eye_load_word(glance->bytes));
    __u32 code = eye_postgres_number(eye_load_word(glance->bytes) >> 32);
    if (!eye_postgres_is_start(length, code)) {
        return false;
    }
    return code >> 16 != EYE_POSTGRES_MAJOR ||
           (eye_postgres_is_letter(glance->bytes[8]) &&
            (length == bytes || (length > bytes && bytes == EYE_LOOK_BYTES)));
}

/* As parser.h says. A connection begins with a message of its own. One that is joined late is
 * recognised by a statement that begins with a word of SQL, in a simple query or a Parse, or by a
 * Bind that another message of its kind follows. */
EYE_PART int eye_postgres_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    if (!glance || bytes < 8) {
        return 0;
    }
    __u64 head = eye_load_word(glance->bytes);
    __u8 type = (__u8)head;
    __u32 length = eye_postgres_number(head >> 8);
    if (type == 0) {
        return eye_postgres_glance_start(glance, bytes);
    }
    if (length < 5 || length > EYE_POSTGRES_LENGTH_MAX ||
        (type != 'Q' && type != 'P' && type != 'B')) {
        return 0;
    }
    __u32 behind = length + 1;
    if (type == 'Q') {
        return behind >= (bytes < EYE_LOOK_BYTES ? bytes : EYE_LOOK_BYTES) &&
               eye_postgres_glance_statement(glance, EYE_POSTGRES_HEAD_BYTES);
    }
    __u32 name = eye_postgres_glance_name(glance, EYE_POSTGRES_HEAD_BYTES);
    if (name == EYE_POSTGRES_BROKEN || name >= bytes || name >= behind) {
        return 0;
    }
    if (type == 'P') {
        return eye_postgres_glance_statement(glance, name + 1);
    }
    name = eye_postgres_glance_name(glance, name + 1);
    eye_pin(behind);
    if (name == EYE_POSTGRES_BROKEN || name >= behind) {
        return 0;
    }
    if (behind + EYE_POSTGRES_HEAD_BYTES > bytes || behind >= EYE_LOOK_BYTES) {
        return bytes == EYE_LOOK_BYTES; /* what follows is not at hand */
    }
    __u64 next = eye_load_word(glance->bytes + behind);
    __u8 follows = (__u8)next;
    return (follows == 'D' || follows == 'E') &&
           eye_postgres_is_sent(follows, eye_postgres_number(next >> 8));
}

/* The position of the statement of the Parse at @from of the window. */
EYE_PART __u32 eye_postgres_find_statement(const struct eye_half *half, __u32 from, __u32 end)
{
    __u32 at = from + EYE_POSTGRES_HEAD_BYTES;
    if (!half) {
        return at;
    }
    for (int i = 0; i < EYE_POSTGRES_NAME_BYTES; i++) {
        at = eye_forget(at);
        eye_pin(at);
        if (at >= end || at >= EYE_WINDOW_BYTES || half->window[at] == 0) {
            break;
        }
        at++;
    }
    return at + 1;
}

/* The message of @type ends a preparation, with which the client waits for what comes of it. */
static __always_inline bool eye_postgres_prepares(const struct eye_half *half, __u8 type)
{
    __u64 waits = EYE_POSTGRES_BIT('S') | EYE_POSTGRES_BIT('H');
    return eye_postgres_is_in(type, half->flags & EYE_POSTGRES_PARSED ? waits : 0);
}

/* What a message of @type, which is passed over, does to those behind it. */
static __always_inline void eye_postgres_note_sent(struct eye_half *half, __u8 type)
{
    if (type == 'S') {
        half->left++;
        half->flags = EYE_POSTGRES_SYNCED | (half->flags & EYE_POSTGRES_ASKED_BIT);
        return;
    }
    /* While data is copied in, the server has passed over a Sync that came before it. */
    if ((type == 'c' || type == 'f') && half->flags & EYE_POSTGRES_SYNCED) {
        half->left--;
    }
    if (type != 'd') {
        half->flags &= (__u16)~EYE_POSTGRES_SYNCED;
    }
}

/* Notes the operation of a Parse, of which @end is the end or that of the window. An Execute has it
 * when no other Parse and no other Execute stands between. False: more of it has to come. */
static __always_inline bool eye_postgres_note_parse(struct eye_half *half, __u32 from, __u32 end,
                                                    bool whole)
{
    __u32 statement = eye_postgres_find_statement(half, from, end);
    if (!whole && statement + EYE_SQL_TEXT_BYTES > end) {
        return false;
    }
    __u32 operation = eye_sql_operation_at(half, statement, end);
    if (half->flags & EYE_POSTGRES_PARSED) {
        operation = EYE_SQL_UNKNOWN; /* which one of them will be bound? */
    }
    half->flags =
        (__u16)((half->flags & ~EYE_POSTGRES_OPERATION_BITS) | operation | EYE_POSTGRES_PARSED);
    return true;
}

/* Passes over what is no request of its own, from the start of the window on. Returns the position
 * of the first byte that is still needed, or EYE_POSTGRES_BROKEN. */
EYE_PART __u32 eye_postgres_walk_sent(struct eye_half *half, __u32 filled)
{
    __u32 from = 0;
    if (!half) {
        return EYE_POSTGRES_BROKEN;
    }
    for (int i = 0; i < EYE_POSTGRES_MESSAGES_AT_ONCE; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from + EYE_POSTGRES_HEAD_BYTES > filled || from >= EYE_WINDOW_BYTES) {
            break;
        }
        __u64 head = eye_load_word(half->window + from);
        __u8 type = (__u8)head;
        __u32 length = eye_postgres_number(head >> 8);
        if (!eye_postgres_is_sent(type, length)) {
            return from > 0 ? from : EYE_POSTGRES_BROKEN;
        }
        if (eye_postgres_is_in(type, EYE_POSTGRES_ASKED) || eye_postgres_prepares(half, type)) {
            break;
        }
        __u32 behind = from + 1 + length;
        bool whole = behind <= filled;
        if (type == 'P' && !eye_postgres_note_parse(half, from, whole ? behind : filled, whole)) {
            break;
        }
        eye_postgres_note_sent(half, type);
        from = eye_postgres_pass(half, from, length, filled);
    }
    return from;
}

/* A message without a type. */
static __always_inline void eye_postgres_read_start(struct eye_half *half, __u32 filled,
                                                    struct eye_found *found)
{
    if (filled < 8) {
        return;
    }
    __u64 head = eye_load_word(half->window);
    __u32 length = eye_postgres_number(head);
    __u32 code = eye_postgres_number(head >> 32);
    if (half->phase == EYE_PHASE_LOST || !eye_postgres_is_start(length, code)) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    if (code == EYE_POSTGRES_SSL || code == EYE_POSTGRES_GSS) {
        half->flags ^= EYE_POSTGRES_ASKED_BIT;
    }
    found->used = eye_postgres_pass(half, 0, length - 1, filled);
}

/* Does a message of a client begin here, where it is not known that one does? @byte: the first one
 * behind its head. */
static __always_inline bool eye_postgres_is_likely_sent(__u8 type, __u32 length, __u8 byte)
{
    if (type == 'C' || type == 'D') {
        return length >= 6 && (byte == 'S' || byte == 'P');
    }
    if (type == 'E') {
        return length >= 9;
    }
    return type == 'Q' || type == 'P' || type == 'B' ? length >= 5 && eye_postgres_is_text(byte)
                                                     : length == 4;
}

EYE_PART int eye_postgres_read_sent(struct eye_half *half, __u32 filled, struct eye_found *found)
{
    if (!half || !found) {
        return 0;
    }
    if (half->window[0] == 0) {
        eye_postgres_read_start(half, filled, found);
        return 0;
    }
    if (filled < EYE_POSTGRES_HEAD_BYTES) {
        return 0;
    }
    __u64 head = eye_load_word(half->window);
    __u8 type = (__u8)head;
    __u32 length = eye_postgres_number(head >> 8);
    if (!eye_postgres_is_sent(type, length)) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (half->phase == EYE_PHASE_LOST) {
        if (filled < eye_postgres_needed(length, EYE_POSTGRES_HEAD_BYTES + 1)) {
            return 0;
        }
        if (!eye_postgres_is_likely_sent(type, length, half->window[EYE_POSTGRES_HEAD_BYTES])) {
            found->what = EYE_FOUND_MISMATCH;
            return 0;
        }
        half->flags &= EYE_POSTGRES_ASKED_BIT; /* what was prepared may have been replaced */
    }
    if (!eye_postgres_is_in(type, EYE_POSTGRES_ASKED) && !eye_postgres_prepares(half, type)) {
        found->used = eye_postgres_walk_sent(half, filled);
        if (found->used == EYE_POSTGRES_BROKEN) {
            found->what = EYE_FOUND_MISMATCH;
        }
        return 0;
    }
    __u32 wanted = EYE_POSTGRES_HEAD_BYTES + (type == 'Q' ? EYE_SQL_TEXT_BYTES : 0);
    if (filled >= eye_postgres_needed(length, wanted)) {
        found->what = EYE_FOUND_REQUEST;
    }
    return 0;
}

static __always_inline void eye_postgres_read(struct eye_conversation *conversation, __u32 side,
                                              __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    if (eye_carries_requests(conversation, side)) {
        eye_postgres_read_sent(half, filled, found);
    } else {
        eye_postgres_read_answer(half, eye_opposite_of(conversation, side), filled, found);
    }
}

/* As parser.h says: the request is here as far as it matters. */
static __always_inline void eye_postgres_note(struct eye_conversation *conversation, __u32 side,
                                              struct eye_request *request, __u32 filled,
                                              struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    __u8 type = half->window[0];
    __u32 operation = EYE_SQL_OTHER;
    if (type == 'Q') {
        operation =
            eye_sql_operation_at(half, EYE_POSTGRES_HEAD_BYTES, eye_postgres_end(half, filled));
    } else if (type != 'F') {
        operation = half->flags & EYE_POSTGRES_OPERATION_BITS;
    }
    /* Behind a Flush the Execute of what was prepared may follow. */
    half->flags &=
        type == 'H' ? EYE_POSTGRES_ASKED_BIT | EYE_POSTGRES_OPERATION_BITS : EYE_POSTGRES_ASKED_BIT;
    if (request) {
        struct eye_request *checked = request;
        eye_pin(checked); /* else clang 19 does its arithmetic before the check */
        checked->head.flags = 0;
        checked->head.body_bytes = sizeof(struct eye_postgres_body);
        checked->only_errors = type == 'S' || type == 'H';
        eye_store_word(checked->body, operation);
    }
    found->asked = 1;
    found->used = 1;
}

/* As parser.h says: the message at the start of the window is passed over. */
static __always_inline void eye_postgres_go_on(struct eye_conversation *conversation, __u32 side,
                                               __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    __u64 head = eye_load_word(half->window);
    __u8 type = (__u8)head;
    if (found->what == EYE_FOUND_REQUEST && type != 'E' && type != 'H') {
        half->left++;
        half->flags |= type == 'S' ? EYE_POSTGRES_SYNCED : 0;
    }
    found->used = eye_postgres_pass(half, 0, eye_postgres_number(head >> 8), filled);
}

static const struct eye_parser eye_postgres_parser = {
    .client_connects = true,
    .batches = true,
    .read = eye_postgres_read,
    .note = eye_postgres_note,
    .go_on = eye_postgres_go_on,
    .complete = eye_postgres_complete,
};
