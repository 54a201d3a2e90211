/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS over TCP (RFC 7766): each message behind its length, any number of them in a connection,
 * answers in any order. The frame of streams finds where a message begins and passes over what
 * nobody looks at; which answer belongs to which question it cannot know, since it pairs in order.
 * So this parser finds no requests and no responses: it leaves a mark where the head of a message
 * stands in the window, for the programs to take.
 */
#pragma once

#include "bpf/usm/dns/message.h"
#include "bpf/usm/parser.h"

#define EYE_DNS_LENGTH_BYTES 2

/* Of a message: its header and the shortest question, that for the root. */
#define EYE_DNS_MESSAGE_LEAST (EYE_DNS_HEADER_BYTES + 1 + EYE_DNS_TAIL_BYTES)

/* eye_half.mark: the window begins with a message. */
#define EYE_DNS_FOUND 1

/* Bits of a header that a question does not have: that it is an answer, or authoritative, or cut,
 * any operation but a query; that recursion is to be had, what must be zero, a code. */
#define EYE_DNS_NOT_ASKING_FIRST 0xfe
#define EYE_DNS_NOT_ASKING_SECOND 0xcf

/* Additional records of a question: EDNS, a signature. */
#define EYE_DNS_ADDITIONAL_MAX 2

/* A client's first bytes. The port is not asked: no other protocol is known to have this. */
static __always_inline int eye_dns_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    const __u8 *head = glance->bytes + EYE_DNS_LENGTH_BYTES;
    return bytes >= EYE_DNS_LENGTH_BYTES + EYE_DNS_MESSAGE_LEAST &&
           eye_dns_number(glance->bytes) >= EYE_DNS_MESSAGE_LEAST &&
           !(head[2] & EYE_DNS_NOT_ASKING_FIRST) && !(head[3] & EYE_DNS_NOT_ASKING_SECOND) &&
           eye_dns_number(head + 4) == 1 && eye_dns_number(head + 6) == 0 &&
           eye_dns_number(head + 8) == 0 && eye_dns_number(head + 10) <= EYE_DNS_ADDITIONAL_MAX &&
           head[EYE_DNS_HEADER_BYTES] <= EYE_DNS_LABEL_BYTES;
}

/* Waits for all of a message that fits the window, and for a window full of a longer one. */
static __always_inline void eye_dns_read_stream(struct eye_conversation *conversation, __u32 side,
                                                __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_dns_header header;
    struct eye_dns_message message;
    if (filled < EYE_DNS_LENGTH_BYTES) {
        return;
    }
    __u32 whole = eye_dns_number(half->window) + EYE_DNS_LENGTH_BYTES;
    if (whole < EYE_DNS_LENGTH_BYTES + EYE_DNS_MESSAGE_LEAST) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    if (filled < EYE_DNS_LENGTH_BYTES + EYE_DNS_HEADER_BYTES) {
        return;
    }
    __builtin_memcpy(&header, half->window + EYE_DNS_LENGTH_BYTES, sizeof(header));
    if (!eye_dns_read_header(&header, &message)) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    if (filled < whole && filled < EYE_WINDOW_BYTES) {
        return;
    }
    half->mark = EYE_DNS_FOUND;
    found->used = filled < whole ? filled : whole;
    eye_skip_next(half, whole - found->used, EYE_PHASE_START);
}

static const struct eye_parser eye_dns_parser = {.read = eye_dns_read_stream};

/* What the mark of @half means: the message that its window begins with. 0: its question has no
 * name that ends within the window. */
EYE_PART int eye_dns_take_message(const struct eye_half *half, struct eye_dns_message *ret_message)
{
    struct eye_dns_header header;
    if (!half || !ret_message) {
        return 0;
    }
    const __u8 *name = half->window + EYE_DNS_LENGTH_BYTES + EYE_DNS_HEADER_BYTES;
    __u32 behind = eye_dns_number(half->window) - EYE_DNS_HEADER_BYTES;
    __u32 room = EYE_WINDOW_BYTES - EYE_DNS_LENGTH_BYTES - EYE_DNS_HEADER_BYTES;
    __u64 hash = 0;
    __builtin_memcpy(&header, half->window + EYE_DNS_LENGTH_BYTES, sizeof(header));
    eye_dns_read_header(&header, ret_message);
    __u32 filled = (behind < room ? behind : room) - EYE_DNS_TAIL_BYTES;
    __u64 length = eye_dns_read_name((const struct eye_dns_text *)name, filled, &hash);
    eye_pin(length);
    if (length == 0 || length > EYE_DNS_NAME_BYTES) {
        return 0;
    }
    ret_message->name = hash;
    ret_message->type = eye_dns_number(name + length);
    return 1;
}
