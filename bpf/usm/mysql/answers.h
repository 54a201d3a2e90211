/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * MySQL: what the server sends. An answer begins with a packet that says of what kind it is; of a
 * set of rows the number of columns, then their definitions, then rows, and what ends them. It is
 * over with the packet that says what became of the command.
 */
#pragma once

#include "bpf/usm/mysql/packets.h"

#define EYE_MYSQL_VERSION_BYTES 60
/* A row has so many columns at most. */
#define EYE_MYSQL_COLUMNS_MAX 4096

/* The greeting at the start of the window: who it is, and what it is able to do. */
EYE_PART int eye_mysql_note_greeting(struct eye_conversation *conversation, __u32 side,
                                     __u32 filled)
{
    if (!conversation) {
        return 0;
    }
    const struct eye_half *half = eye_half_of(conversation, side);
    struct eye_mysql_kept *kept = eye_mysql_kept_of(conversation);
    __u32 from = EYE_MYSQL_HEAD_BYTES + 1;
    __u32 is_mariadb = 0;
    for (int i = 0; i < EYE_MYSQL_VERSION_BYTES; i++) {
        from = eye_forget(from);
        is_mariadb = eye_forget(is_mariadb);
        eye_pin(from);
        if (from >= filled || from >= EYE_WINDOW_BYTES || half->window[from] == 0) {
            break;
        }
        __u64 word = eye_first_bytes(eye_load_word(half->window + from), 7);
        is_mariadb |= word == EYE_TEXT_WORD("MariaDB", 0);
        from++;
    }
    /* Behind the version: a thread, 8 bytes of salt and a zero; the lower half; character set,
     * status; the upper half. */
    __u32 lower = eye_forget(from + 1 + 4 + 9);
    eye_pin(lower);
    if (lower + 7 > filled || lower >= EYE_WINDOW_BYTES) {
        return 0;
    }
    __u64 word = eye_load_word(half->window + lower);
    kept->capabilities = (__u32)(word & 0xffff) | ((__u32)(word >> 40) & 0xffff) << 16;
    kept->system = is_mariadb ? EYE_MYSQL_MARIADB : EYE_MYSQL_ANY;
    kept->login = EYE_MYSQL_GREETED;
    return 1;
}

/* What a server says while a client logs in; no request waits. */
static __always_inline void eye_mysql_read_login(struct eye_mysql_kept *kept, __u8 first,
                                                 struct eye_found *found)
{
    if (first != EYE_MYSQL_OK) {
        return; /* an error, behind which it closes; else both go on */
    }
    kept->login = EYE_MYSQL_LOGGED_IN;
    if (kept->capabilities & (EYE_MYSQL_CAN_COMPRESS | EYE_MYSQL_CAN_ZSTD)) {
        found->what = EYE_FOUND_END;
        eye_lose(EYE_LOSS_MYSQL_COMPRESSED, 1);
    }
}

/* Does an answer begin with this packet, where it is not known that one does? */
static __always_inline bool eye_mysql_is_likely(const struct eye_mysql_packet *packet)
{
    __u8 first = (__u8)packet->body;
    if (first == EYE_MYSQL_OK) {
        return packet->length >= EYE_MYSQL_OK_BYTES;
    }
    if (first == EYE_MYSQL_ERROR) {
        return packet->length >= 3 && (__u8)(packet->body >> 24) == '#';
    }
    return first == EYE_MYSQL_END ? packet->length == EYE_MYSQL_EOF_BYTES : packet->length <= 3;
}

/* The packet at the start of the window, with @length, answers with @code: an error, or 0. More
 * may come of it in @phase. */
static __always_inline __u32 eye_mysql_tell(struct eye_half *half, __u32 from, __u32 length,
                                            __u32 filled, __u16 code, __u8 phase,
                                            struct eye_found *found)
{
    found->what = EYE_FOUND_RESPONSE;
    found->code = code;
    return eye_mysql_pass(half, from, length, filled, phase);
}

/* An error, or what looks like one and is a report of progress. */
static __always_inline __u32 eye_mysql_fail(struct eye_half *half, __u32 from,
                                            const struct eye_mysql_packet *packet, __u32 filled,
                                            __u8 phase, struct eye_found *found)
{
    __u16 code = eye_mysql_code(packet->body);
    if (code == EYE_MYSQL_PROGRESS) {
        return eye_mysql_pass(half, from, packet->length, filled, phase);
    }
    return eye_mysql_tell(half, from, packet->length, filled, code, EYE_PHASE_START, found);
}

/* A set of rows begins with the number of its columns, and whether their definitions follow. */
static __always_inline __u32 eye_mysql_begin_rows(struct eye_half *half,
                                                  const struct eye_mysql_kept *kept,
                                                  const struct eye_mysql_packet *packet,
                                                  __u32 filled)
{
    __u64 body = packet->body;
    __u32 length = packet->length;
    bool follow = true;
    if (kept->capabilities & EYE_MYSQL_CAN_OMIT_COLUMNS) {
        follow = body & 1; /* MySQL says it first, MariaDB last */
        body >>= 8;
        length--;
    }
    __u32 bytes = (__u8)body == 0xfc ? 3 : 1;
    __u32 columns = bytes == 3 ? (__u16)(body >> 8) : (__u8)body;
    if (columns == 0 || columns > EYE_MYSQL_COLUMNS_MAX || length < bytes || length > bytes + 1 ||
        (bytes == 1 && columns >= EYE_MYSQL_UPLOAD)) {
        return EYE_MYSQL_BROKEN;
    }
    if (length == bytes + 1 && (__u8)(body >> bytes * 8) == 0) {
        follow = false;
    }
    half->left = follow ? columns : 0;
    return eye_mysql_pass(half, 0, packet->length, filled, EYE_MYSQL_COLUMNS);
}

/* The first packet of an answer to what has no kind of its own. */
static __always_inline __u32 eye_mysql_begin_plain(struct eye_half *half,
                                                   struct eye_mysql_kept *kept,
                                                   const struct eye_mysql_packet *packet,
                                                   __u32 filled, struct eye_found *found)
{
    __u8 first = (__u8)packet->body;
    __u32 length = packet->length;
    if ((first == EYE_MYSQL_OK && length >= EYE_MYSQL_OK_BYTES) || first == EYE_MYSQL_END) {
        __u32 status = 0;
        if (first == EYE_MYSQL_OK) {
            status = eye_mysql_ok_status(half, EYE_MYSQL_HEAD_BYTES + 1);
        }
        if (status & EYE_MYSQL_MORE_RESULTS) {
            return eye_mysql_pass(half, 0, length, filled, EYE_MYSQL_AGAIN);
        }
        return eye_mysql_tell(half, 0, length, filled, 0, EYE_PHASE_START, found);
    }
    if (first == EYE_MYSQL_UPLOAD) {
        kept->uploads = 1;
        return eye_mysql_pass(half, 0, length, filled, EYE_MYSQL_AGAIN);
    }
    return eye_mysql_begin_rows(half, kept, packet, filled);
}

/* A statement was prepared: the definitions of its parameters and columns follow. */
static __always_inline __u32 eye_mysql_begin_prepared(struct eye_half *half,
                                                      const struct eye_mysql_kept *kept,
                                                      const struct eye_mysql_packet *packet,
                                                      __u32 filled, struct eye_found *found)
{
    if ((__u8)packet->body != EYE_MYSQL_OK || packet->length < EYE_MYSQL_PREPARED_BYTES) {
        return EYE_MYSQL_BROKEN;
    }
    __u32 counts =
        (__u32)eye_load_word(half->window + EYE_MYSQL_HEAD_BYTES + 5); /* columns, parameters */
    half->left = (counts & 0xffff) + (counts >> 16);
    if (kept->capabilities & EYE_MYSQL_CAN_OMIT_COLUMNS &&
        packet->length > EYE_MYSQL_PREPARED_BYTES &&
        half->window[EYE_MYSQL_HEAD_BYTES + EYE_MYSQL_PREPARED_BYTES] == 0) {
        half->left = 0; /* of a session that has them left out */
    }
    return eye_mysql_tell(half, 0, packet->length, filled, 0,
                          half->left > 0 ? EYE_MYSQL_TAIL : EYE_PHASE_START, found);
}

/* An answer, or another part of it, begins at the start of the window, where what is decisive of it
 * is. Returns the position behind what was used. */
static __always_inline __u32 eye_mysql_begin_answer(struct eye_half *half,
                                                    struct eye_mysql_kept *kept,
                                                    const struct eye_mysql_packet *packet,
                                                    __u32 filled, struct eye_found *found)
{
    __u8 kind = half->flags & EYE_MYSQL_KIND_BITS;
    __u8 first = (__u8)packet->body;
    if (first == EYE_MYSQL_ERROR) {
        if (kind == EYE_MYSQL_LOGIN) {
            kept->login = EYE_MYSQL_LOGGED_IN;
        }
        return eye_mysql_fail(half, 0, packet, filled, EYE_MYSQL_AGAIN, found);
    }
    if (kind & EYE_MYSQL_PREPARE) {
        return eye_mysql_begin_prepared(half, kept, packet, filled, found);
    }
    if (kind == EYE_MYSQL_ROWS_ALONE) {
        half->phase = EYE_MYSQL_ROWS;
        return 0;
    }
    if (kind == EYE_MYSQL_LOGIN) {
        if (first != EYE_MYSQL_OK) {
            return eye_mysql_pass(half, 0, packet->length, filled, EYE_MYSQL_AGAIN);
        }
        kept->login = EYE_MYSQL_LOGGED_IN;
    }
    if (kind == EYE_MYSQL_TEXT || kind == EYE_MYSQL_LOGIN) {
        return eye_mysql_tell(half, 0, packet->length, filled, 0, EYE_PHASE_START, found);
    }
    return eye_mysql_begin_plain(half, kept, packet, filled, found);
}

/* What comes where nobody waits for it: a greeting, what belongs to a login, the end of what was
 * prepared, the last words of a server that closes. True: this is it. */
static __always_inline bool eye_mysql_read_unasked(struct eye_conversation *conversation,
                                                   __u32 side, __u32 filled,
                                                   const struct eye_mysql_packet *packet,
                                                   struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_mysql_kept *kept = eye_mysql_kept_of(conversation);
    __u8 first = (__u8)packet->body;
    if (half->flags & EYE_MYSQL_TAILED) {
        half->flags &= (__u16)~EYE_MYSQL_TAILED;
        if (first == EYE_MYSQL_END && packet->length == EYE_MYSQL_EOF_BYTES &&
            packet->number == half->mark) {
            kept->ends = EYE_MYSQL_ENDS_EOF;
            return true;
        }
    }
    if (kept->login == EYE_MYSQL_GREETED || kept->login == EYE_MYSQL_ANSWERED) {
        eye_mysql_read_login(kept, first, found);
        return true;
    }
    if (first == EYE_MYSQL_GREETING && packet->number == 0 && !conversation->confirmed) {
        if (!eye_mysql_note_greeting(conversation, side, filled)) {
            found->what = EYE_FOUND_MISMATCH;
        }
        return true;
    }
    return first == EYE_MYSQL_ERROR && packet->length >= 3 &&
           eye_waiting(&conversation->queue) == 0 && conversation->queue.overflow == 0 &&
           conversation->queue.trust == EYE_TRUST_FROM_START;
}

/* An answer may begin at the start of the window, or go on in phase AGAIN. */
EYE_PART int eye_mysql_read_first(struct eye_conversation *conversation, __u32 side, __u32 filled,
                                  struct eye_found *found)
{
    if (!conversation || !found || filled < EYE_MYSQL_HEAD_BYTES) {
        return 0;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_mysql_kept *kept = eye_mysql_kept_of(conversation);
    const struct eye_mysql_packet packet = eye_mysql_packet_at(half->window);
    __u32 asked = eye_opposite_of(conversation, side)->left;
    __u32 wanted = half->phase == EYE_MYSQL_AGAIN || conversation->confirmed
                       ? EYE_MYSQL_DECISIVE_BYTES
                       : EYE_MYSQL_TEXT_MAX; /* a greeting */
    bool first = half->phase != EYE_MYSQL_AGAIN;
    __u32 position;
    if (packet.length == 0) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (filled < eye_mysql_needed(packet.length, wanted)) {
        return 0;
    }
    if (first && half->phase != EYE_PHASE_LOST &&
        eye_mysql_read_unasked(conversation, side, filled, &packet, found)) {
        /* What is compressed has no name of its own. */
        half->mark = found->what == EYE_FOUND_END ? 0 : (__u8)(packet.number + 1);
        found->used = eye_mysql_pass(half, 0, packet.length, filled, EYE_PHASE_START);
        return 0;
    }
    bool next = packet.number == (first ? 1 : half->mark) ||
                packet.number == (__u8)(asked + 1); /* behind a file, or a long command */
    if (!next || (half->phase == EYE_PHASE_LOST && !eye_mysql_is_likely(&packet))) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (first) {
        half->flags = found->mark;
    }
    half->mark = (__u8)(packet.number + 1);
    position = eye_mysql_begin_answer(half, kept, &packet, filled, found);
    if (position == EYE_MYSQL_BROKEN) {
        found->what = EYE_FOUND_MISMATCH;
        return 0;
    }
    if (position == 0) {
        half->mark = (__u8)packet.number; /* its rows begin with it */
    }
    found->used = position;
    return 0;
}

/* A row that begins like this is no row. (One that begins with FEh is longer than a packet.) */
static __always_inline bool eye_mysql_ends_rows(const struct eye_mysql_packet *packet)
{
    return (__u8)packet->body >= EYE_MYSQL_END && packet->length < EYE_MYSQL_PACKET_MAX;
}

/*
 * Passes over definitions (as many as are left, and EOFs between them), or over rows, from @from
 * on. Returns the position of the first packet that is something else, or is not here as far as it
 * matters. Numbers instead of branches: the verifier follows each one on its own.
 */
EYE_PART __u32 eye_mysql_walk(struct eye_half *half, __u32 from, __u32 filled)
{
    if (!half) {
        return EYE_MYSQL_BROKEN;
    }
    __u32 rows = half->phase == EYE_MYSQL_ROWS;
    __u32 left = rows ? (__u32)-1 : half->left;
    __u32 number = half->mark;
    __u32 continues = half->flags / EYE_MYSQL_CONTINUES & 1;
    __u32 ends = 0;
    for (int i = 0; i < EYE_MYSQL_PACKETS_AT_ONCE; i++) {
        from = eye_forget(from);
        left = eye_forget(left);
        number = eye_forget(number);
        continues = eye_forget(continues);
        rows = eye_forget(rows);
        ends = eye_forget(ends);
        eye_pin(from);
        if (left == 0 || from >= filled || from >= EYE_WINDOW_BYTES) {
            break;
        }
        const struct eye_mysql_packet packet = eye_mysql_packet_at(half->window + from);
        __u32 looked_at = (packet.length + EYE_MYSQL_PACKET_MAX) >> 24; /* 1 unless it is empty */
        if (from + EYE_MYSQL_HEAD_BYTES + looked_at > filled) {
            break;
        }
        if (packet.number != (number & 0xff)) {
            return EYE_MYSQL_BROKEN;
        }
        __u32 is_end = (((__u32)(__u8)packet.body + 0x100 - EYE_MYSQL_END) >> 8) &
                       ((packet.length - EYE_MYSQL_PACKET_MAX) >> 31) & (continues ^ 1);
        if (eye_forget(is_end & rows)) {
            break;
        }
        ends |= is_end;
        left -= is_end ^ 1;
        number++;
        continues = (packet.length + 1) >> 24;
        from += EYE_MYSQL_HEAD_BYTES + packet.length;
        if (from > filled) {
            eye_skip_next(half, from - filled, half->phase);
            from = filled;
            break;
        }
    }
    half->left = rows ? 0 : left;
    half->mark = (__u8)number;
    half->flags = (__u16)((half->flags & ~EYE_MYSQL_CONTINUES) | continues * EYE_MYSQL_CONTINUES |
                          ends * EYE_MYSQL_EOFS);
    return from;
}

/* The packet at @from stands behind the definitions: an EOF, or what else does. It tells which form
 * ends have on this connection. Returns the position of the first row. */
EYE_PART __u32 eye_mysql_end_columns(struct eye_conversation *conversation, __u32 side, __u32 from,
                                     __u32 filled)
{
    if (!conversation) {
        return EYE_MYSQL_BROKEN;
    }
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_mysql_kept *kept = eye_mysql_kept_of(conversation);
    from = eye_forget(from);
    eye_pin(from);
    if (from + EYE_MYSQL_HEAD_BYTES + 1 > filled || from >= EYE_WINDOW_BYTES) {
        return from;
    }
    const struct eye_mysql_packet packet = eye_mysql_packet_at(half->window + from);
    bool short_end = (__u8)packet.body == EYE_MYSQL_END && packet.length == EYE_MYSQL_EOF_BYTES;
    if (short_end && from + EYE_MYSQL_HEAD_BYTES + EYE_MYSQL_EOF_BYTES > filled) {
        return from;
    }
    half->phase = EYE_MYSQL_ROWS;
    if (kept->ends == EYE_MYSQL_ENDS_OK) {
        return from;
    }
    if (!short_end) {
        if ((__u8)packet.body == EYE_MYSQL_ERROR) {
            return from; /* which says nothing of other ends */
        }
        if (kept->ends == EYE_MYSQL_ENDS_EOF) {
            return EYE_MYSQL_BROKEN;
        }
        kept->ends = EYE_MYSQL_ENDS_OK;
        return from;
    }
    kept->ends = EYE_MYSQL_ENDS_EOF;
    if (packet.number != half->mark) {
        return EYE_MYSQL_BROKEN;
    }
    if (packet.body >> 24 & EYE_MYSQL_CURSOR) {
        return from; /* there are no rows: this ends them */
    }
    half->mark++;
    return from + EYE_MYSQL_HEAD_BYTES + EYE_MYSQL_EOF_BYTES;
}

/* What ends rows may stand at @from. Returns the position behind it, or @from. */
EYE_PART __u32 eye_mysql_end_rows(struct eye_half *half, __u32 from, __u32 filled,
                                  struct eye_found *found)
{
    if (!half || !found) {
        return from;
    }
    from = eye_forget(from);
    eye_pin(from);
    if (from + EYE_MYSQL_HEAD_BYTES > filled || from >= EYE_WINDOW_BYTES) {
        return from;
    }
    const struct eye_mysql_packet packet = eye_mysql_packet_at(half->window + from);
    if (half->flags & EYE_MYSQL_CONTINUES || !eye_mysql_ends_rows(&packet) ||
        from + eye_mysql_needed(packet.length, EYE_MYSQL_DECISIVE_BYTES) > filled) {
        return from;
    }
    half->mark = (__u8)(packet.number + 1);
    if ((__u8)packet.body == EYE_MYSQL_ERROR) {
        return eye_mysql_fail(half, from, &packet, filled, EYE_MYSQL_ROWS, found);
    }
    __u32 status = packet.length == EYE_MYSQL_EOF_BYTES
                       ? (__u32)(packet.body >> 24)
                       : eye_mysql_ok_status(half, from + EYE_MYSQL_HEAD_BYTES + 1);
    if (status & EYE_MYSQL_MORE_RESULTS) {
        return eye_mysql_pass(half, from, packet.length, filled, EYE_MYSQL_AGAIN);
    }
    return eye_mysql_tell(half, from, packet.length, filled, 0, EYE_PHASE_START, found);
}

/* Definitions that follow what was prepared, from the start of the window on. */
static __always_inline __u32 eye_mysql_pass_tail(struct eye_half *half, struct eye_mysql_kept *kept,
                                                 __u32 filled)
{
    __u32 position = eye_mysql_walk(half, 0, filled);
    if (half->flags & EYE_MYSQL_EOFS) {
        half->flags &= (__u16)~EYE_MYSQL_EOFS;
        kept->ends = EYE_MYSQL_ENDS_EOF;
    }
    if (half->left == 0) {
        half->flags |= EYE_MYSQL_TAILED;
        if (half->phase == EYE_PHASE_SKIP) {
            half->behind = EYE_PHASE_START;
        } else {
            half->phase = EYE_PHASE_START;
        }
    }
    return position;
}

static __always_inline void eye_mysql_use(struct eye_found *found, __u32 position)
{
    if (position == EYE_MYSQL_BROKEN) {
        found->what = EYE_FOUND_MISMATCH;
    } else {
        found->used = position;
    }
}

static __always_inline void eye_mysql_read_answer(struct eye_conversation *conversation, __u32 side,
                                                  __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    found->late = half->phase > EYE_PHASE_WITHHELD;
    if (half->phase == EYE_MYSQL_TAIL) {
        eye_mysql_use(found, eye_mysql_pass_tail(half, eye_mysql_kept_of(conversation), filled));
        return;
    }
    if (half->phase != EYE_MYSQL_COLUMNS && half->phase != EYE_MYSQL_ROWS) {
        eye_mysql_read_first(conversation, side, filled, found);
    }
    if (half->phase == EYE_MYSQL_COLUMNS) {
        eye_mysql_use(found, eye_mysql_walk(half, found->used, filled));
        if (half->phase == EYE_MYSQL_COLUMNS && half->left == 0 && !found->what) {
            eye_mysql_use(found, eye_mysql_end_columns(conversation, side, found->used, filled));
        }
    }
    if (half->phase != EYE_MYSQL_ROWS || found->what) {
        return;
    }
    eye_mysql_use(found, eye_mysql_walk(half, found->used, filled));
    if (half->phase == EYE_MYSQL_ROWS && !found->what) {
        found->used = eye_mysql_end_rows(half, found->used, filled, found);
    }
}
