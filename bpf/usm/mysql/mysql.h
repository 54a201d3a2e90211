/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * MySQL, MariaDB and what speaks like them. A parser as bpf/usm/parser.h says. What counts is a
 * command, up to the packet that says what became of it. The number of a packet tells which ones
 * are commands: a login, a file and the rest of a long command go on counting.
 */
#pragma once

#include "bpf/usm/mysql/answers.h"
#include "bpf/usm/parser.h"
#include "bpf/usm/statement_texts.h"

enum eye_mysql_command {
    EYE_MYSQL_QUIT = 0x01,
    EYE_MYSQL_INIT_DB = 0x02,
    EYE_MYSQL_QUERY = 0x03,
    EYE_MYSQL_FIELD_LIST = 0x04,
    EYE_MYSQL_STATISTICS = 0x09,
    EYE_MYSQL_PING = 0x0e,
    EYE_MYSQL_CHANGE_USER = 0x11,
    EYE_MYSQL_BINLOG_DUMP = 0x12,
    EYE_MYSQL_STMT_PREPARE = 0x16,
    EYE_MYSQL_STMT_EXECUTE = 0x17,
    EYE_MYSQL_STMT_SEND_LONG_DATA = 0x18,
    EYE_MYSQL_STMT_CLOSE = 0x19,
    EYE_MYSQL_STMT_RESET = 0x1a,
    EYE_MYSQL_STMT_FETCH = 0x1c,
    EYE_MYSQL_BINLOG_DUMP_GTID = 0x1e,
    EYE_MYSQL_RESET_CONNECTION = 0x1f,
    EYE_MYSQL_BULK_EXECUTE = 0xfa, /* MariaDB */
};

#define EYE_MYSQL_BIT(command) (1U << (command))
#define EYE_MYSQL_ONE(name, byte) | EYE_MYSQL_BIT(byte)
#define EYE_MYSQL_UNANSWERED                                                                       \
    (EYE_MYSQL_BIT(EYE_MYSQL_QUIT) | EYE_MYSQL_BIT(EYE_MYSQL_STMT_SEND_LONG_DATA) |                \
     EYE_MYSQL_BIT(EYE_MYSQL_STMT_CLOSE))
#define EYE_MYSQL_ENDLESS                                                                          \
    (EYE_MYSQL_BIT(EYE_MYSQL_BINLOG_DUMP) | EYE_MYSQL_BIT(EYE_MYSQL_BINLOG_DUMP_GTID))
#define EYE_MYSQL_ANSWERED_ALL                                                                     \
    (EYE_MYSQL_BIT(EYE_MYSQL_QUERY) | EYE_MYSQL_BIT(EYE_MYSQL_STMT_EXECUTE)                        \
                                          EYE_MYSQL_COMMANDS(EYE_MYSQL_ONE))

static __always_inline bool eye_mysql_is_in(__u8 command, __u32 commands)
{
    return command < 32 && commands >> (command & 31) & 1;
}

/* Could a command be of @length, which counts its byte? */
static __always_inline bool eye_mysql_is_sent(__u8 command, __u32 length)
{
    switch (command) {
    case EYE_MYSQL_QUIT:
    case EYE_MYSQL_STATISTICS:
    case EYE_MYSQL_PING:
    case EYE_MYSQL_RESET_CONNECTION:
        return length == 1;
    case EYE_MYSQL_STMT_CLOSE:
    case EYE_MYSQL_STMT_RESET:
        return length == 5;
    case EYE_MYSQL_STMT_FETCH:
        return length == 9;
    case EYE_MYSQL_STMT_EXECUTE:
        return length >= 10;
    case EYE_MYSQL_STMT_SEND_LONG_DATA:
    case EYE_MYSQL_BULK_EXECUTE:
        return length >= 7;
    default:
        return eye_mysql_is_in(command,
                               EYE_MYSQL_ANSWERED_ALL | EYE_MYSQL_UNANSWERED | EYE_MYSQL_ENDLESS);
    }
}

/* The first word of a statement, or a comment before it. */
EYE_PART int eye_mysql_glance_statement(const struct eye_glance *glance, __u32 from)
{
    eye_pin(from);
    if (!glance || from >= EYE_LOOK_BYTES) {
        return 0;
    }
    __u64 word = eye_load_word(glance->bytes + from);
    if ((__u16)word == ('/' | '*' << 8) || eye_sql_is_blank((__u8)word)) {
        return 1;
    }
    return eye_sql_operation_of(word, eye_load_word(glance->bytes + from + 8)) != EYE_SQL_OTHER;
}

/* As parser.h says. A server speaks first. A connection that is joined late is recognised by one
 * command, which is all of the payload. */
EYE_PART int eye_mysql_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    if (!glance || bytes < EYE_MYSQL_HEAD_BYTES + 1) {
        return 0;
    }
    const struct eye_mysql_packet packet = eye_mysql_packet_at(glance->bytes);
    __u8 first = (__u8)packet.body;
    __u8 second = (__u8)(packet.body >> 8);
    if (packet.number != 0 || packet.length + EYE_MYSQL_HEAD_BYTES != glance->payload_bytes) {
        return 0;
    }
    switch (first) {
    case EYE_MYSQL_GREETING:
        return packet.length > EYE_MYSQL_ANSWER_BYTES && second >= '0' && second <= '9';
    case EYE_MYSQL_QUERY:
    case EYE_MYSQL_STMT_PREPARE:
        /* Behind the number of attributes, none, and of their sets. */
        return eye_mysql_glance_statement(glance, EYE_MYSQL_HEAD_BYTES +
                                                      ((__u16)(packet.body >> 8) == 0x100 ? 3 : 1));
    case EYE_MYSQL_STMT_EXECUTE:
        /* Behind the statement's number and flags: so many times. */
        return packet.length >= 10 && (packet.body >> 48 & 0xffff) == 1 &&
               eye_load_word(glance->bytes + 12) << 48 == 0;
    case EYE_MYSQL_PING:
    case EYE_MYSQL_RESET_CONNECTION:
        return packet.length == 1;
    case EYE_MYSQL_STMT_RESET:
    case EYE_MYSQL_STMT_CLOSE:
        return packet.length == 5;
    default:
        return 0;
    }
}

/* The greeting stood before TLS, which nobody has read: the answer, inside, says again what of it
 * the client makes use of. But for DEPRECATE_EOF, which it may say of itself alone. */
static __always_inline void eye_mysql_guess_greeting(struct eye_mysql_kept *kept, __u32 able)
{
    kept->capabilities = able;
    kept->system = able & EYE_MYSQL_CAN_MYSQL ? EYE_MYSQL_ANY : EYE_MYSQL_MARIADB;
}

/* The answer of a client to the greeting: what both are able to do; or it goes on with TLS. */
static __always_inline void eye_mysql_read_capabilities(struct eye_half *half,
                                                        struct eye_mysql_kept *kept, __u32 length,
                                                        struct eye_found *found)
{
    __u32 able = (__u32)eye_load_word(half->window + EYE_MYSQL_HEAD_BYTES);
    bool greeted = kept->login == EYE_MYSQL_GREETED;
    if (length < EYE_MYSQL_ANSWER_BYTES || (!greeted && !(able & EYE_MYSQL_CAN_SSL))) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    if (length == EYE_MYSQL_ANSWER_BYTES && able & EYE_MYSQL_CAN_SSL) {
        found->what = EYE_FOUND_END;
        half->mark = EYE_CLASS_TLS;
        return;
    }
    if (greeted) {
        kept->capabilities &= able;
    } else {
        eye_mysql_guess_greeting(kept, able);
    }
    kept->ends = !(kept->capabilities & EYE_MYSQL_CAN_DEPRECATE_EOF) ? EYE_MYSQL_ENDS_EOF
                 : greeted                                           ? EYE_MYSQL_ENDS_OK
                                                                     : EYE_MYSQL_ENDS_UNKNOWN;
    kept->login = EYE_MYSQL_ANSWERED;
}

/* A packet that is no command: a part of one, of a login or of a file. @first: nothing was read
 * before it. */
static __always_inline void eye_mysql_read_part(struct eye_half *half, struct eye_mysql_kept *kept,
                                                const struct eye_mysql_packet *packet, __u32 filled,
                                                bool first, struct eye_found *found)
{
    if (half->flags & EYE_MYSQL_CONTINUES) {
        half->flags &= (__u16)~EYE_MYSQL_CONTINUES;
    } else if (kept->uploads) {
        kept->uploads = packet->length > 0;
    } else if (kept->login == EYE_MYSQL_GREETED ||
               (first && packet->number == EYE_MYSQL_ANSWER_INSIDE)) {
        if (filled < eye_mysql_needed(packet->length, 4)) {
            return;
        }
        eye_mysql_read_capabilities(half, kept, packet->length, found);
    } else if (kept->login == EYE_MYSQL_LOGGED_IN) {
        found->what = EYE_FOUND_MISMATCH;
    }
    if (packet->length == EYE_MYSQL_PACKET_MAX) {
        half->flags |= EYE_MYSQL_CONTINUES;
    }
    half->left = packet->number;
    found->used = eye_mysql_pass(half, 0, packet->length, filled, EYE_PHASE_START);
}

/* The bytes of a command that have to be here before it is noted. */
static __always_inline __u32 eye_mysql_wanted(const struct eye_half *half, __u8 command)
{
    if (command != EYE_MYSQL_QUERY && command != EYE_MYSQL_STMT_PREPARE) {
        return 5;
    }
    __u32 from = EYE_MYSQL_HEAD_BYTES + 1;
    if ((__u16)eye_load_word(half->window + from) == 0x100) {
        from += 2;
    }
    __u8 byte = half->window[from];
    return byte == '/' || byte == '-' || byte == '#'
               ? EYE_MYSQL_TEXT_MAX
               : from - EYE_MYSQL_HEAD_BYTES + EYE_SQL_TEXT_BYTES;
}

/* The statement with number @id is gone: a proxy gives its number to another one, whose preparation
 * may be missed. */
static __always_inline void eye_mysql_close(struct eye_mysql_kept *kept,
                                            const struct eye_half *half, __u32 id)
{
    if (kept->sql.names) {
        eye_statement_set(eye_statement_key(&kept->sql, half, id), 0);
    }
}

/* The statements of a connection are gone. */
static __always_inline void eye_mysql_forget(struct eye_mysql_kept *kept)
{
    eye_forget_statements(&kept->sql);
    kept->last = 0;
}

/* Some may have been closed unseen: a server counts on, but a proxy gives their numbers again. */
static __always_inline void eye_mysql_doubt(struct eye_mysql_kept *kept)
{
    kept->last = 0;
    if (kept->gives_again) {
        eye_forget_statements(&kept->sql);
    }
}

EYE_PART int eye_mysql_read_sent(struct eye_conversation *conversation, __u32 side, __u32 filled,
                                 struct eye_found *found)
{
    if (!conversation || !found || filled < EYE_MYSQL_HEAD_BYTES) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_mysql_kept *kept = eye_mysql_kept_of(conversation);
    const struct eye_mysql_packet packet = eye_mysql_packet_at(half->window);
    __u8 command = (__u8)packet.body;
    if (half->phase == EYE_PHASE_LOST) {
        /* What was missed may have ended what these wait for, and nothing else would. */
        half->flags &= (__u16)~EYE_MYSQL_CONTINUES;
        kept->uploads = 0;
        eye_mysql_doubt(kept);
    }
    if (half->flags & EYE_MYSQL_CONTINUES || kept->uploads || packet.number != 0) {
        bool first = !conversation->confirmed && kept->login == EYE_MYSQL_LOGGED_IN;
        eye_mysql_read_part(half, kept, &packet, filled, first, found);
        return 0;
    }
    if (filled < eye_mysql_needed(packet.length, 1)) {
        return 0;
    }
    if (packet.length == 0 || !eye_mysql_is_sent(command, packet.length)) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (eye_mysql_is_in(command, EYE_MYSQL_ENDLESS)) {
        found->what = EYE_FOUND_END;
        half->mark = 0;
        return 0;
    }
    if (filled < eye_mysql_needed(packet.length, 4) ||
        filled < eye_mysql_needed(packet.length, eye_mysql_wanted(half, command))) {
        return 0;
    }
    if (!eye_mysql_is_in(command, EYE_MYSQL_UNANSWERED)) {
        found->what = EYE_FOUND_REQUEST;
        return 0;
    }
    if (command == EYE_MYSQL_STMT_CLOSE) {
        eye_mysql_close(kept, half, (__u32)(packet.body >> 8));
    }
    if (packet.length == EYE_MYSQL_PACKET_MAX) {
        half->flags |= EYE_MYSQL_CONTINUES;
    }
    found->used = eye_mysql_pass(half, 0, packet.length, filled, EYE_PHASE_START);
    return 0;
}

static __always_inline void eye_mysql_read(struct eye_conversation *conversation, __u32 side,
                                           __u32 filled, struct eye_found *found)
{
    if (eye_carries_requests(conversation, side)) {
        eye_mysql_read_sent(conversation, side, filled, found);
    } else {
        eye_mysql_read_answer(conversation, side, filled, found);
    }
}

/* The position behind the first byte @last at @from or behind, before which stands @before, or any
 * when that is 0. */
EYE_PART __u32 eye_mysql_behind(const struct eye_half *half, __u32 from, __u8 before, __u8 last)
{
    if (!half) {
        return from;
    }
    for (int i = 0; i < EYE_MYSQL_COMMENT_WORDS; i++) {
        from = eye_forget(from);
        eye_pin(from);
        if (from >= EYE_WINDOW_BYTES || from == 0) {
            break;
        }
        __u64 marks = eye_find_byte(eye_load_word(half->window + from), last);
        __u32 index = marks ? eye_first_index(marks) & 7 : 7;
        from += index + 1;
        if (marks && (before == 0 || half->window[(from - 2) & (EYE_WINDOW_BYTES - 1)] == before)) {
            break;
        }
    }
    return from;
}

/* The position behind a comment at @from of a statement, if there is one. What begins with an
 * exclamation mark is none to this server, and has a version before its first word. */
static __always_inline __u32 eye_mysql_behind_comment(const struct eye_half *half, __u32 from)
{
    eye_pin(from);
    if (from >= EYE_WINDOW_BYTES) {
        return from;
    }
    __u64 word = eye_load_word(half->window + from);
    __u64 version;
    if ((__u16)word == ('/' | '*' << 8)) {
        return (__u8)(word >> 16) == '!'
                   ? from + 3 + eye_read_digits(eye_load_word(half->window + from + 3), &version)
                   : eye_mysql_behind(half, from + 3, '*', '/');
    }
    bool line = (__u8)word == '#' || (__u16)word == ('-' | '-' << 8);
    return line ? eye_mysql_behind(half, from, 0, '\n') : from;
}

/* The statement in the packet at the start of the window; 0: it is not known. */
static __always_inline __u64 eye_mysql_statement(const struct eye_half *half,
                                                 struct eye_mysql_kept *kept,
                                                 const struct eye_mysql_packet *packet,
                                                 __u32 filled)
{
    __u32 from = EYE_MYSQL_HEAD_BYTES + 1;
    __u32 here = filled - EYE_MYSQL_HEAD_BYTES;
    __u32 end =
        eye_mysql_needed(packet->length, here < EYE_MYSQL_TEXT_MAX ? here : EYE_MYSQL_TEXT_MAX);
    __u8 byte = (__u8)(packet->body >> 8);
    if ((__u16)(packet->body >> 8) == 0x100) {
        from += 2;
    } else if (byte < ' ' && !eye_sql_is_blank(byte)) {
        return 0; /* behind attributes, with their names and values */
    }
    from = eye_mysql_behind_comment(half, from);
    kept->sql.quote = '"';
    eye_sql_note_text(&kept->sql, from, end, packet->length + EYE_MYSQL_HEAD_BYTES > end);
    return eye_sql_number_text(half, &kept->sql);
}

/* The statement with number @id; MariaDB's clients may execute the last one before they know its
 * number. 0: it is not known. */
static __always_inline __u64 eye_mysql_prepared(struct eye_mysql_kept *kept,
                                                const struct eye_half *half, __u32 id)
{
    if (id == (__u32)-1) {
        return kept->last;
    }
    return kept->sql.names ? eye_statement_find(eye_statement_key(&kept->sql, half, id)) : 0;
}

/* The statement of the command at the start of the window, or in the place of its operation the
 * command; and in the direction's mark which kind of an answer it has. */
EYE_PART __u64 eye_mysql_note_command(struct eye_conversation *conversation, __u32 side,
                                      __u32 filled)
{
    if (!conversation || filled < EYE_MYSQL_HEAD_BYTES) {
        return EYE_SQL_OTHER;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_mysql_kept *kept = eye_mysql_kept_of(conversation);
    const struct eye_mysql_packet packet = eye_mysql_packet_at(half->window);
    __u8 command = (__u8)packet.body;
    __u32 id = (__u32)(packet.body >> 8);
    __u64 statement = 0;
    half->mark = EYE_MYSQL_PLAIN;
    switch (command) {
    case EYE_MYSQL_QUERY:
        return eye_mysql_statement(half, kept, &packet, filled);
    case EYE_MYSQL_STMT_PREPARE:
        statement = eye_mysql_statement(half, kept, &packet, filled);
        half->mark = (__u8)(eye_statement_operation(statement) << 1 | EYE_MYSQL_PREPARE);
        kept->last = statement;
        break;
    case EYE_MYSQL_STMT_EXECUTE:
    case EYE_MYSQL_BULK_EXECUTE:
        return eye_mysql_prepared(kept, half, id);
    case EYE_MYSQL_STMT_FETCH:
    case EYE_MYSQL_FIELD_LIST:
        half->mark = EYE_MYSQL_ROWS_ALONE;
        break;
    case EYE_MYSQL_STATISTICS:
        half->mark = EYE_MYSQL_TEXT;
        break;
    case EYE_MYSQL_CHANGE_USER:
        half->mark = EYE_MYSQL_LOGIN;
        kept->login = EYE_MYSQL_CHANGING;
        eye_mysql_forget(kept);
        break;
    case EYE_MYSQL_RESET_CONNECTION:
        eye_mysql_forget(kept);
        break;
    default:
        break;
    }
    return (statement & ~(__u64)0xff) | EYE_MYSQL_COMMAND |
           (command & (EYE_MYSQL_COMMAND_COUNT - 1));
}

/* As parser.h says: the request is here as far as it matters. */
static __always_inline void eye_mysql_note(struct eye_conversation *conversation, __u32 side,
                                           struct eye_request *request, __u32 filled,
                                           struct eye_found *found)
{
    __u64 statement = eye_mysql_note_command(conversation, side, filled);
    if (request) {
        struct eye_request *checked = request;
        eye_pin(checked); /* else clang 19 does its arithmetic before the check */
        checked->head.flags = 0;
        checked->head.body_bytes = sizeof(struct eye_mysql_body);
        eye_store_word(checked->body, eye_statement_operation(statement) |
                                          (__u32)eye_mysql_kept_of(conversation)->system << 8);
        eye_store_word(checked->body + EYE_STATEMENT_AT, statement);
    }
    found->asked = 1;
    found->used = 1;
}

/* As parser.h says. What was prepared has a number now. */
static __always_inline void eye_mysql_go_on(struct eye_conversation *conversation, __u32 side,
                                            __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_mysql_kept *kept = eye_mysql_kept_of(conversation);
    const struct eye_mysql_packet packet = eye_mysql_packet_at(half->window);
    if (found->what == EYE_FOUND_REQUEST) {
        half->left = packet.number;
        if (packet.length == EYE_MYSQL_PACKET_MAX) {
            half->flags |= EYE_MYSQL_CONTINUES;
        }
        found->used = eye_mysql_pass(half, 0, packet.length, filled, EYE_PHASE_START);
    } else if (found->mark & EYE_MYSQL_PREPARE && found->code == 0) {
        __u32 id = (__u32)(packet.body >> 8);
        kept->gives_again |= id <= kept->given;
        kept->given = id;
        eye_statement_set(eye_statement_key(&kept->sql, half, id),
                          (kept->sql.answered & ~(__u64)0xff) | found->mark >> 1);
    }
}

static const struct eye_parser eye_mysql_parser = {
    .client_connects = true,
    .asks_mark = true,
    .times_ends = true,
    .answers_confirm = true,
    .statements = true,
    .read = eye_mysql_read,
    .note = eye_mysql_note,
    .go_on = eye_mysql_go_on,
    .tell = eye_sql_tell,
};
