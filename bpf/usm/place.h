/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Placing a segment of TCP in its direction: what is new of it, what was missed before it, what the
 * socket will drop. The next segment in order of a conversation without doubts costs two
 * comparisons.
 */
#pragma once

#include "bpf/usm/pairing.h"

/* What the socket says about a segment. */
struct eye_receiver {
    __u32 accepted; /* behind the last byte that it has taken, without a hole before it */
    __u32 end;      /* of its window */
    __u32 sent;     /* behind the last byte that it may have sent: nobody acknowledges more */
    bool known;     /* else this end sent the segment, or has no window yet */
    bool first;     /* the segment is the first one with payload in either direction */
    __u8 padding[2];
};

/* The first payload that the parser sees of a direction. */
static __always_inline void eye_join(struct eye_conversation *conversation,
                                     const struct eye_cursor *at, bool first, __u32 sequence)
{
    struct eye_half *half = eye_half_of(conversation, at->side);
    struct eye_half *other = eye_opposite_of(conversation, at->side);
    half->synced = 1;
    half->next_sequence = sequence;
    half->read_end = sequence;
    if (conversation->queue.by_number && !first) {
        half->phase = EYE_PHASE_LOST; /* it may be the midst of a message */
    }
    if (!other->synced && first) {
        if (!at->opening) {
            other->synced = 1;
            other->next_sequence = at->acknowledged;
            other->read_end = at->acknowledged;
        }
        conversation->queue.trust = EYE_TRUST_FROM_START;
    }
}

/*
 * While nothing is proved, a direction may be in the midst of a message that is none: a body that
 * looked like one, an answer whose request was not known to be a HEAD. The other direction tells
 * where the next message starts. @sequence: of the first byte that was not seen before.
 */
static __always_inline void eye_realign(struct eye_conversation *conversation,
                                        const struct eye_cursor *at, __u32 sequence)
{
    struct eye_half *half = eye_half_of(conversation, at->side);
    const struct eye_queue *queue = &conversation->queue;
    bool starts;
    if (half->phase == EYE_PHASE_START || (half->phase == EYE_PHASE_LOST && half->held == 0)) {
        return;
    }
    if (eye_carries_requests(conversation, at->side)) {
        starts = eye_is_behind(half->first_acknowledged, at->acknowledged);
    } else {
        starts = eye_waiting(queue) > 0 && queue->first.acknowledged == sequence;
    }
    if (starts) {
        eye_lose_track(half);
    }
}

/*
 * A window is read while another CPU may be moving it, and some kernels keep to a promise that they
 * have since reduced: by so much a segment may lie beyond it. The largest one without BIG TCP.
 */
#define EYE_RECEIVE_WINDOW_SLACK 65536

/* Will the socket drop this segment? It has all of it, or has no room, or never sent what it
 * acknowledges (RFC 9293 section 3.10.7.4). */
static __always_inline bool eye_is_stray(const struct eye_receiver *receiver,
                                         const struct eye_cursor *at, __u32 sequence, __u32 bytes)
{
    return !eye_is_behind(receiver->accepted, sequence + bytes) ||
           eye_is_behind(receiver->end + EYE_RECEIVE_WINDOW_SLACK, sequence) ||
           eye_is_behind(receiver->sent, at->acknowledged);
}

/*
 * A segment at @sequence brings the byte that the socket still waits for. Was it read already? Then
 * the socket dropped what was read: its checksum was wrong (cgroup_skb comes before most checks of
 * it), or there was no memory. What is passed over may come in any order.
 */
static __always_inline bool eye_was_refused(const struct eye_half *half,
                                            const struct eye_receiver *receiver, __u32 sequence)
{
    __u32 refused = half->next_sequence - receiver->accepted;
    __u32 unread = half->next_sequence - half->read_end;
    return eye_is_behind(receiver->accepted, half->next_sequence) &&
           !eye_is_behind(receiver->accepted, sequence) && unread < refused;
}

/*
 * Reads again, from the first byte on that the socket did not take. When that is the start of the
 * only request that waits, it takes the place of what was read; else what was read is in doubt.
 */
static __always_inline void eye_read_again(struct eye_conversation *conversation,
                                           const struct eye_cursor *at, __u32 accepted)
{
    struct eye_half *half = eye_half_of(conversation, at->side);
    struct eye_queue *queue = &conversation->queue;
    bool whole = eye_carries_requests(conversation, at->side) && eye_waiting(queue) == 1 &&
                 queue->popped == 0 && queue->overflow == 0 && queue->first.sequence == accepted &&
                 half->first_sequence == accepted;
    if (whole) {
        queue->pushed = 0;
        half->phase = EYE_PHASE_START;
        half->held = 0;
    } else {
        eye_note_loss(conversation, EYE_LOST_GAP, 1);
        eye_doubt(conversation, at->side, at->acknowledged);
        eye_lose_track(half);
    }
    half->next_sequence = accepted;
    half->read_end = accepted;
}

/* A segment at @sequence that is not the next one of a conversation that is followed without doubt.
 * False: the socket will drop it, so nothing is to be made of it. */
static __always_inline bool eye_resolve(struct eye_conversation *conversation,
                                        const struct eye_cursor *at,
                                        const struct eye_receiver *receiver, __u32 sequence)
{
    struct eye_half *half = eye_half_of(conversation, at->side);
    __u32 bytes = at->end - at->offset;
    if (receiver->known && eye_is_stray(receiver, at, sequence, bytes)) {
        return false;
    }
    if (!half->synced) {
        eye_join(conversation, at, receiver->first, sequence);
    } else if (receiver->known && eye_was_refused(half, receiver, sequence)) {
        eye_read_again(conversation, at, receiver->accepted);
    }
    __u32 missing = sequence - half->next_sequence;
    if (eye_is_behind(half->next_sequence, sequence)) {
        half->next_sequence = sequence;
        if (!eye_pass_over(conversation, half, missing)) {
            eye_doubt(conversation, at->side, at->acknowledged);
        }
    }
    if (eye_is_behind(half->next_sequence, sequence + bytes) &&
        !eye_is_paired(&conversation->queue)) {
        eye_realign(conversation, at, half->next_sequence);
    }
    return true;
}

/* The segment is the next one, and nothing is in doubt: eye_resolve() need not be asked. */
static __always_inline bool eye_is_next(const struct eye_conversation *conversation,
                                        const struct eye_cursor *at, __u32 sequence)
{
    return sequence == conversation->halves[at->side & 1].next_sequence &&
           eye_is_paired(&conversation->queue);
}

/* Moves the cursor behind what is of no interest in a segment at @sequence: all of it when it is a
 * retransmission. */
static __always_inline void eye_advance_to_new(struct eye_conversation *conversation,
                                               struct eye_cursor *at, __u32 sequence)
{
    struct eye_half *half = eye_half_of(conversation, at->side);
    __u32 bytes = at->end - at->offset;
    __u32 seen = half->next_sequence - sequence;
    if (seen >= bytes) {
        at->offset = at->end;
        return;
    }
    half->next_sequence = sequence + bytes;
    at->offset += eye_forget(seen);
}
