/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tells the collector what statements say. */
#pragma once

#include "bpf/usm/ring.h"
#include "bpf/usm/sql_words.h"
#include "bpf/usm/statement_table.h"

/* The text of a statement that is in use is told again so often: the collector may have missed it,
 * or given it up. */
#define EYE_STATEMENT_TOLD_NS (60 * 1000000000ULL)

/* The head of a message, without its length. */
static __always_inline void eye_begin_message(struct eye_request_head *head,
                                              const struct eye_conversation *conversation)
{
    __builtin_memset(head, 0, sizeof(*head));
    head->owner = conversation->owner;
    head->port = conversation->port;
    head->protocol = conversation->protocol;
    head->flags = EYE_REQUEST_MESSAGE;
}

/* Out of what was noted of the window of @half. */
static __always_inline void eye_end_message(struct eye_statement_message *message,
                                            const struct eye_half *half, struct eye_sql_kept *kept)
{
    __u32 length = eye_sql_copy_text(half, kept, &message->text);
    message->head.body_bytes =
        (__u16)(__builtin_offsetof(struct eye_statement_text, text) + length);
}

/* Tells what the statement that was noted says. 0: the ring has no room. */
EYE_PART int eye_put_statement(struct eye_conversation *conversation, __u32 side)
{
    if (!conversation) {
        return 0;
    }
    struct eye_sql_kept *kept = eye_sql_kept_of(conversation);
    const struct eye_half *half = eye_half_of(conversation, side);
#ifdef __bpf__
    struct eye_statement_message *message =
        bpf_ringbuf_reserve(&requests, sizeof(struct eye_statement_message), 0);
    if (!message) {
        return 0;
    }
    eye_begin_message(&message->head, conversation);
    eye_end_message(message, half, kept);
    bpf_ringbuf_submit(message, eye_usual_wake_flag());
    return 1;
#else
    struct eye_statement_message message;
    eye_begin_message(&message.head, conversation);
    eye_end_message(&message, half, kept);
    return eye_put(&message, sizeof(message.head) + message.head.body_bytes, 0);
#endif
}

/* What the statement that was noted says, unless that was told a while ago. */
static __always_inline void eye_tell_statement(struct eye_conversation *conversation, __u32 side)
{
    __u64 key = eye_statement_mix(eye_sql_kept_of(conversation)->statement, 2);
    __u64 now_ns = eye_half_of(conversation, side)->first_ns;
    __u64 told_ns = eye_statement_find(key);
    if (told_ns != 0 && now_ns - told_ns < EYE_STATEMENT_TOLD_NS) {
        return;
    }
    if (eye_put_statement(conversation, side)) {
        eye_statement_set(key, now_ns);
    } else {
        eye_note_loss_part(conversation, EYE_LOST_RING, 1);
    }
}

/* A text was noted that stands in the window of @side. The other direction may be at work at the
 * same time, and has something else in its own. */
static __always_inline bool eye_sql_is_noted(struct eye_conversation *conversation, __u32 side)
{
    return eye_carries_requests(conversation, side) && eye_sql_kept_of(conversation)->end != 0;
}

EYE_PART int eye_sql_tell_noted(struct eye_conversation *conversation, __u32 side)
{
    if (conversation) {
        eye_tell_statement(conversation, side);
        eye_sql_kept_of(conversation)->end = 0;
    }
    return 0;
}

/* As parser.h says. */
static __always_inline void eye_sql_tell(struct eye_conversation *conversation, __u32 side)
{
    if (eye_sql_is_noted(conversation, side)) {
        eye_sql_tell_noted(conversation, side);
    }
}
