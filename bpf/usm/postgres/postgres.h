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
#include "bpf/usm/statement_texts.h"

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

/* The name at @from of the window: a hash, and in the lowest byte its length. @end: of the message,
 * or of what is here of it. */
EYE_PART __u64 eye_postgres_name_at(const struct eye_half *half, __u32 from, __u32 end)
{
    __u64 hash = 0;
    __u32 length = 0;
    if (!half) {
        return 0;
    }
    for (int i = 0; i < EYE_POSTGRES_NAME_BYTES / 8; i++) {
        from = eye_forget(from);
        length = eye_forget(length);
        eye_pin(from);
        if (from >= end || from >= EYE_WINDOW_BYTES) {
            break;
        }
        __u64 word = eye_first_bytes(eye_load_word(half->window + from), end - from);
        __u64 zeros = eye_find_byte(word, 0);
        __u32 here = zeros ? eye_first_index(zeros) & 7 : 8;
        hash = here > 0 ? eye_statement_mix(hash, eye_first_bytes(word, here)) : hash;
        length += here;
        if (zeros) {
            break;
        }
        from += 8;
    }
    return hash << 8 | length;
}

static __always_inline __u32 eye_postgres_behind_name(__u32 from, __u64 name)
{
    return from + (__u8)name + 1;
}

/* @bytes from @from on are here, or all that the window takes. */
static __always_inline bool eye_postgres_has(__u32 from, __u32 bytes, __u32 end)
{
    return end >= (from + bytes < EYE_WINDOW_BYTES ? from + bytes : EYE_WINDOW_BYTES);
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

/* Notes where the statement of the Parse at the start of the window stands, and its name. @end: its
 * own, or that of what is here of it. 0: more of it has to come. */
static __always_inline int eye_postgres_note_parse(struct eye_half *half,
                                                   struct eye_postgres_kept *kept, __u32 end,
                                                   __u32 whole)
{
    __u64 name = eye_postgres_name_at(half, EYE_POSTGRES_HEAD_BYTES, end);
    __u32 text = eye_postgres_behind_name(EYE_POSTGRES_HEAD_BYTES, name);
    if (!whole && !eye_postgres_has(text, EYE_SQL_TEXT_BYTES, end)) {
        return 0;
    }
    if ((__u8)name == EYE_POSTGRES_NAME_BYTES) {
        text = end; /* stands behind what is here of the name */
    }
    eye_sql_note_text(&kept->sql, text, end, !whole);
    kept->name = name;
    kept->named = 1;
    kept->alone = !(half->flags & EYE_POSTGRES_PARSED);
    half->flags |= EYE_POSTGRES_PARSED;
    return 1;
}

/* Notes which statement the Bind at the start of the window binds; likewise. */
static __always_inline int eye_postgres_note_bind(const struct eye_half *half,
                                                  struct eye_postgres_kept *kept, __u32 end,
                                                  __u32 whole)
{
    __u64 portal = eye_postgres_name_at(half, EYE_POSTGRES_HEAD_BYTES, end);
    __u32 at = eye_postgres_behind_name(EYE_POSTGRES_HEAD_BYTES, portal);
    if (!whole && !eye_postgres_has(at, EYE_POSTGRES_NAME_BYTES, end)) {
        return 0;
    }
    __u64 name = eye_postgres_name_at(half, at, end);
    kept->portal = portal;
    kept->bound = kept->unnamed;
    if (name != 0) {
        kept->bound =
            kept->sql.names ? eye_statement_find(eye_statement_key(&kept->sql, half, name)) : 0;
    }
    return 1;
}

/* Notes that the statement is gone which the Close at the start of the window is about; likewise.
 */
static __always_inline int eye_postgres_note_close(const struct eye_half *half,
                                                   struct eye_postgres_kept *kept, __u32 end,
                                                   __u32 whole)
{
    __u32 at = EYE_POSTGRES_HEAD_BYTES + 1;
    if (!whole && !eye_postgres_has(at, EYE_POSTGRES_NAME_BYTES, end)) {
        return 0;
    }
    __u64 name = eye_postgres_name_at(half, at, end);
    if (half->window[EYE_POSTGRES_HEAD_BYTES] != 'S') {
        return 1; /* a portal */
    }
    if (name == 0) {
        kept->unnamed = 0;
    } else if (kept->sql.names) {
        eye_statement_set(eye_statement_key(&kept->sql, half, name), 0);
    }
    return 1;
}

/* A Parse, a Bind or a Close, which are passed over, and say something of statements. */
static __always_inline bool eye_postgres_names_statement(__u8 type)
{
    return eye_postgres_is_in(type, EYE_POSTGRES_BIT('P') | EYE_POSTGRES_BIT('B') |
                                        EYE_POSTGRES_BIT('C'));
}

/* Passes over what is no request of its own, from the start of the window on; what names statements
 * has to stand there. Returns the position of the first byte that is still needed, or
 * EYE_POSTGRES_BROKEN. */
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
        if (eye_postgres_is_in(type, EYE_POSTGRES_ASKED) || eye_postgres_prepares(half, type) ||
            (from > 0 && eye_postgres_names_statement(type))) {
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

/* What the message at the start of the window says of statements, if it does. 0: more of it has to
 * come. */
static __always_inline int eye_postgres_note_named(struct eye_conversation *conversation,
                                                   __u32 side, __u32 filled)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_postgres_kept *kept = eye_postgres_kept_of(conversation);
    __u8 type = half->window[0];
    __u32 end = eye_postgres_end(half, filled);
    __u32 whole = eye_postgres_number(eye_load_word(half->window) >> 8) + 1 <= filled;
    if (type == 'P') {
        return eye_postgres_note_parse(half, kept, end, whole);
    }
    if (type == 'C') {
        return eye_postgres_note_close(half, kept, end, whole);
    }
    return type != 'B' || eye_postgres_note_bind(half, kept, end, whole);
}

/* What was prepared may have been replaced. */
static __always_inline void eye_postgres_forget(struct eye_postgres_kept *kept)
{
    eye_forget_statements(&kept->sql);
    kept->unnamed = 0;
    kept->bound = 0;
}

/* The bytes of a message that have to be here before it is noted. */
static __always_inline __u32 eye_postgres_wanted(__u8 type)
{
    return EYE_POSTGRES_HEAD_BYTES + (type == 'Q'   ? EYE_SQL_TEXT_BYTES
                                      : type == 'E' ? EYE_POSTGRES_NAME_BYTES
                                                    : 0);
}

EYE_PART int eye_postgres_read_sent(struct eye_conversation *conversation, __u32 side, __u32 filled,
                                    struct eye_found *found)
{
    if (!conversation || !found) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
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
        half->flags &= EYE_POSTGRES_ASKED_BIT;
        eye_postgres_forget(eye_postgres_kept_of(conversation));
    }
    if (!eye_postgres_is_in(type, EYE_POSTGRES_ASKED) && !eye_postgres_prepares(half, type)) {
        if (!eye_postgres_note_named(conversation, side, filled)) {
            return 0;
        }
        found->used = eye_postgres_walk_sent(half, filled);
        if (found->used == EYE_POSTGRES_BROKEN) {
            found->what = EYE_FOUND_MISMATCH;
        }
        return 0;
    }
    if (filled >= eye_postgres_needed(length, eye_postgres_wanted(type))) {
        found->what = EYE_FOUND_REQUEST;
    }
    return 0;
}

static __always_inline void eye_postgres_read(struct eye_conversation *conversation, __u32 side,
                                              __u32 filled, struct eye_found *found)
{
    if (eye_carries_requests(conversation, side)) {
        eye_postgres_read_sent(conversation, side, filled, found);
    } else {
        eye_postgres_read_answer(eye_half_of(conversation, side),
                                 eye_opposite_of(conversation, side), filled, found);
    }
}

/* The statement that is executed, or was prepared, by the request at the start of the window; 0: it
 * is not known. */
EYE_PART __u64 eye_postgres_prepared(struct eye_conversation *conversation, __u32 side,
                                     __u32 filled)
{
    if (!conversation) {
        return 0;
    }
    const struct eye_half *half = eye_half_of(conversation, side);
    struct eye_postgres_kept *kept = eye_postgres_kept_of(conversation);
    if (half->window[0] != 'E') {
        return half->window[0] == 'F' ? EYE_SQL_OTHER : kept->parsed;
    }
    __u64 portal =
        eye_postgres_name_at(half, EYE_POSTGRES_HEAD_BYTES, eye_postgres_end(half, filled));
    __u64 statement = portal == kept->portal ? kept->bound : 0;
    if (eye_statement_operation(statement) == EYE_SQL_DISCARD) {
        eye_postgres_forget(kept);
    }
    return statement;
}

/* The statement of the simple query at the start of the window. What is prepared or bound without a
 * name, the server forgets then, too. */
static __always_inline __u64 eye_postgres_queried(struct eye_conversation *conversation, __u32 side,
                                                  __u32 filled)
{
    const struct eye_half *half = eye_half_of(conversation, side);
    struct eye_postgres_kept *kept = eye_postgres_kept_of(conversation);
    __u32 length = eye_postgres_number(eye_load_word(half->window) >> 8);
    kept->unnamed = 0;
    kept->bound = 0;
    eye_sql_note_text(&kept->sql, EYE_POSTGRES_HEAD_BYTES, eye_postgres_end(half, filled),
                      length + 1 > filled);
    return eye_sql_number_text(half, &kept->sql);
}

/* As parser.h says: the request is here as far as it matters. */
static __always_inline void eye_postgres_note(struct eye_conversation *conversation, __u32 side,
                                              struct eye_request *request, __u32 filled,
                                              struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    __u8 type = half->window[0];
    __u64 statement = type == 'Q' ? eye_postgres_queried(conversation, side, filled)
                                  : eye_postgres_prepared(conversation, side, filled);
    half->flags &= EYE_POSTGRES_ASKED_BIT;
    if (request) {
        struct eye_request *checked = request;
        eye_pin(checked); /* else clang 19 does its arithmetic before the check */
        checked->head.flags = 0;
        checked->head.body_bytes = sizeof(struct eye_postgres_body);
        checked->only_errors = type == 'S' || type == 'H';
        eye_store_word(checked->body, eye_statement_operation(statement));
        eye_store_word(checked->body + EYE_STATEMENT_AT, statement);
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

/* The Parse that was noted is of @statement. A name that has one which was not closed keeps it,
 * when the server refuses the new one; whether it does is not known here. */
static __always_inline void eye_postgres_name(const struct eye_half *half,
                                              struct eye_postgres_kept *kept, __u64 statement)
{
    __u64 key = eye_statement_key(&kept->sql, half, kept->name);
    __u64 known = eye_statement_find(key);
    eye_statement_set(key, known == 0 || known == statement ? statement : 0);
}

/* The statement of the Parse that was noted is found by its name from now on. */
static __always_inline void eye_postgres_name_noted(struct eye_half *half,
                                                    struct eye_postgres_kept *kept)
{
    __u64 statement = eye_sql_number_text(half, &kept->sql);
    kept->named = 0;
    kept->parsed = kept->alone ? statement : 0;
    if (kept->name == 0) {
        kept->unnamed = statement;
    } else {
        eye_postgres_name(half, kept, statement);
    }
}

/* The simple query that was noted throws away what was prepared. A DEALLOCATE of one name is left
 * alone: who has a thousand of them would lose the others as well. */
static __always_inline bool eye_postgres_discards(const struct eye_half *half,
                                                  const struct eye_postgres_kept *kept)
{
    __u32 at = kept->sql.from + sizeof("DEALLOCATE");
    eye_pin(at);
    if (eye_statement_operation(kept->sql.statement) == EYE_SQL_DISCARD || at >= EYE_WINDOW_BYTES) {
        return true;
    }
    __u64 word = eye_load_word(half->window + at);
    return eye_sql_letters(eye_first_bytes(word, 4)) == EYE_TEXT_WORD("ALL", 0);
}

/* What was noted does something to names. */
EYE_PART int eye_postgres_heed(struct eye_conversation *conversation, __u32 side)
{
    if (!conversation) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_postgres_kept *kept = eye_postgres_kept_of(conversation);
    if (kept->named) {
        eye_postgres_name_noted(half, kept);
    } else if (eye_postgres_discards(half, kept)) {
        eye_postgres_forget(kept);
    }
    return 0;
}

/* As parser.h says. */
static __always_inline void eye_postgres_tell(struct eye_conversation *conversation, __u32 side)
{
    const struct eye_postgres_kept *kept = eye_postgres_kept_of(conversation);
    __u8 operation = eye_statement_operation(kept->sql.statement);
    if (eye_sql_is_noted(conversation, side) &&
        (kept->named || operation == EYE_SQL_DISCARD || operation == EYE_SQL_DEALLOCATE)) {
        eye_postgres_heed(conversation, side);
    }
    eye_sql_tell(conversation, side);
}

static const struct eye_parser eye_postgres_parser = {
    .client_connects = true,
    .batches = true,
    .read = eye_postgres_read,
    .note = eye_postgres_note,
    .go_on = eye_postgres_go_on,
    .complete = eye_postgres_complete,
    .tell = eye_postgres_tell,
};
