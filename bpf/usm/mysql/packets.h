/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* MySQL: heads of packets, and what stands at fixed places of them
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html). */
#pragma once

#include "bpf/usm/mysql/state.h"
#include "bpf/usm/sql_words.h"

/* What a function says in the place of a position. */
#define EYE_MYSQL_BROKEN (1U << 30) /* this is no MySQL */

/* A packet, by its head and the bytes behind. */
struct eye_mysql_packet {
    __u32 length;
    __u32 number;
    __u64 body; /* eight bytes */
};

static __always_inline struct eye_mysql_packet eye_mysql_packet_at(const __u8 *bytes)
{
    __u64 head = eye_load_word(bytes);
    struct eye_mysql_packet packet = {
        .length = (__u32)head & EYE_MYSQL_PACKET_MAX,
        .number = (__u32)head >> 24,
        .body = eye_load_word(bytes + EYE_MYSQL_HEAD_BYTES),
    };
    return packet;
}

/* The bytes of a packet with @length that have to be here before @wanted of them can be read. */
static __always_inline __u32 eye_mysql_needed(__u32 length, __u32 wanted)
{
    return EYE_MYSQL_HEAD_BYTES + (length < wanted ? length : wanted);
}

/* Passes over the packet at @from, which has @length; then comes @phase. Returns the position
 * behind it, or @filled and the phase that skips the rest. */
static __always_inline __u32 eye_mysql_pass(struct eye_half *half, __u32 from, __u32 length,
                                            __u32 filled, __u8 phase)
{
    __u32 behind = from + EYE_MYSQL_HEAD_BYTES + length;
    if (behind <= filled) {
        half->phase = phase;
        return behind;
    }
    eye_skip_next(half, behind - filled, phase);
    return filled;
}

/* A number of one to nine bytes at @from: the position behind it. */
static __always_inline __u32 eye_mysql_behind_number(const struct eye_half *half, __u32 from)
{
    from = eye_forget(from);
    eye_pin(from);
    if (from >= EYE_WINDOW_BYTES) {
        return from;
    }
    __u8 byte = half->window[from];
    __u32 bytes = byte < 0xfb ? 1 : byte == 0xfc ? 3 : byte == 0xfd ? 4 : 9;
    return from + bytes;
}

/* The status of the OK at @from, behind its head and first byte. */
EYE_PART __u32 eye_mysql_ok_status(const struct eye_half *half, __u32 from)
{
    if (!half) {
        return 0;
    }
    from = eye_mysql_behind_number(half, from);
    from = eye_mysql_behind_number(half, from);
    from = eye_forget(from);
    eye_pin(from);
    return from < EYE_WINDOW_BYTES ? (__u16)eye_load_word(half->window + from) : 0;
}

/* The code of an error, by the bytes of its packet. */
static __always_inline __u16 eye_mysql_code(__u64 body)
{
    return (__u16)(body >> 8);
}
