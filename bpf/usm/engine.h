/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One payload in work: reads it into the window, lets the parser look, and does to the queue what
 * the parser found. The same code for every source of bytes and on the host: what a source has of
 * its own (where state lives, who is told) is around it, in payloads.bpf.h and in the tests.
 *
 * A message may arrive in pieces of any size: what cannot be used yet stays in the window.
 */
#pragma once

#include "bpf/usm/parser.h"
#include "bpf/usm/place.h"
#include "bpf/usm/reader.h"
#include "bpf/usm/statements.h"

/*
 * Steps per payload behind the first one, a product because the verifier follows every round of a
 * loop, but a function only once. 64 KiB hold 4681 of HTTP's shortest messages ("X / HTTP/1.1" and
 * "HTTP/1.1 200", each with two LFs); larger buffers of such (BIG TCP) are cut, counted.
 */
#define EYE_STEPS_AT_ONCE 64
#define EYE_STEPS_ROUNDS 80

/* What the steps of one payload share. Pointers of the kernel's are not passed on in memory: a
 * function that is called makes its own. */
struct eye_work {
    const struct eye_parser *parser;
    struct eye_conversation *conversation;
    struct eye_pipeline *pipeline; /* NULL: nothing beyond the first slot is in use */
    struct eye_reader reader;
    struct eye_cursor *at;
};

/* What stands here is no message. */
static __always_inline void eye_mismatch(struct eye_work *work, struct eye_half *half)
{
    if (!work->conversation->confirmed) {
        work->at->verdict = EYE_VERDICT_NOT_IT;
    } else if (half->phase != EYE_PHASE_LOST) {
        eye_note_loss_part(work->conversation, EYE_LOST_MALFORMED, 1);
        eye_doubt(work->conversation, work->at->side, work->at->acknowledged);
    } else if (eye_carries_requests(work->conversation, work->at->side)) {
        /* Among what is passed over may be requests that came no earlier than the next one. */
        eye_doubt(work->conversation, work->at->side, work->at->acknowledged);
    }
    eye_lose_track(half);
    work->at->offset = work->at->end;
}

/* Skips what of it lies in this payload. */
static __always_inline void eye_skip_here(struct eye_work *work, struct eye_half *half)
{
    __u32 left = work->at->end - work->at->offset;
    __u32 skipped = half->skip < left ? (__u32)half->skip : left;
    if (skipped > 0) {
        eye_skip(half, skipped);
        work->at->offset += skipped;
    }
}

/* A request begins at the start of the window. */
static __always_inline void eye_take_request(struct eye_work *work, __u32 filled,
                                             struct eye_found *found)
{
    struct eye_conversation *conversation = work->conversation;
    __u32 side = work->at->side;
    const struct eye_half *half = eye_half_of(conversation, side);
    eye_know(work->conversation, side, true);
    struct eye_request *request = work->parser->batches
                                      ? eye_open_in_batch(conversation, work->pipeline, side)
                                      : eye_open_request(conversation, work->pipeline, side);
    work->parser->note(conversation, side, request, filled, found);
    if (found->used == 0) {
        return;
    }
    conversation->queue.noted = request != NULL;
    if (!request) {
        return;
    }
    request->started_ns = half->first_ns;
    request->sequence = half->first_sequence;
    request->acknowledged = half->first_acknowledged;
    request->head.protocol = conversation->protocol;
    request->mark = work->parser->batches ? (__u8)half->left : half->mark;
}

/* An answer of a batch begins at the start of the window. Returns the request that it answers, or
 * NULL. */
static __always_inline struct eye_request *eye_take_batch_response(struct eye_work *work,
                                                                   __u32 filled,
                                                                   const struct eye_found *found)
{
    struct eye_conversation *conversation = work->conversation;
    __u32 side = work->at->side;
    struct eye_queue *queue = &conversation->queue;
    const struct eye_half *half = eye_half_of(conversation, side);
    struct eye_request *request = NULL;
    __u32 count = 0;
    eye_know(conversation, side, false);
    eye_confirm(conversation);
    eye_open_response(conversation, side);
    if (eye_is_paired(queue)) {
        count = eye_waiting_of_batch(conversation, work->pipeline, (__u8)half->left);
        request = count > 0 ? eye_slot(queue, work->pipeline, queue->popped) : NULL;
    }
    eye_pin(request);
    if (request && work->parser->complete) {
        work->parser->complete(half, filled, request);
    }
    eye_pin(request);
    __u32 only_errors = request ? eye_forget(request->only_errors) : 0;
    if (found->what == EYE_FOUND_BATCH_END || (only_errors && found->closes)) {
        eye_skip_requests(conversation, count - only_errors);
        queue->popped += count;
        request = NULL;
    } else if (only_errors) {
        request = NULL; /* the one that succeeded had no slot */
    }
    if (found->what == EYE_FOUND_INTERIM) {
        return NULL;
    }
    if (found->closes || found->what == EYE_FOUND_BATCH_END) {
        eye_end_batch(conversation, side);
    }
    eye_pin(request);
    if (!request) {
        return NULL;
    }
    if (found->ends) {
        eye_skip_requests(conversation, count - 1);
        queue->skipped = (__u8)(count - 1);
    }
    eye_time_answer(request, half->first_ns, found->code);
    return request;
}

/* What eye_step() said was answered has been told. */
static __always_inline void eye_pop_answered(const struct eye_work *work)
{
    struct eye_queue *queue = &work->conversation->queue;
    eye_pop(queue);
    if (work->parser->batches) {
        queue->popped += queue->skipped;
        queue->skipped = 0;
    }
}

/* A response begins at the start of the window. Returns the request that it answers, or NULL. */
static __always_inline struct eye_request *eye_take_response(struct eye_work *work,
                                                             struct eye_found *found)
{
    struct eye_conversation *conversation = work->conversation;
    __u32 side = work->at->side;
    eye_know(work->conversation, side, false);
    eye_confirm(work->conversation);
    eye_open_response(conversation, side);
    if (found->what == EYE_FOUND_INTERIM) {
        eye_hint(&conversation->queue, eye_half_of(conversation, side));
        return NULL;
    }
    struct eye_answered answered = eye_answer(conversation, work->pipeline, side, found->code);
    if (work->parser->statements) {
        struct eye_request *request = answered.request;
        eye_pin(request);
        eye_sql_kept_of(conversation)->answered =
            request ? eye_load_word(request->body + EYE_STATEMENT_AT) : 0;
    }
    found->mark = answered.mark;
    found->last = answered.last;
    if (work->parser->times_ends && found->late && answered.request) {
        eye_time_answer(answered.request, eye_read_time(&work->reader), found->code);
    }
    return answered.request;
}

/* Uses what the window holds. Returns the request that was answered, or NULL. */
static __always_inline struct eye_request *eye_use_window(struct eye_work *work, __u32 filled,
                                                          struct eye_found *found)
{
    struct eye_conversation *conversation = work->conversation;
    __u32 side = work->at->side;
    struct eye_request *answered = NULL;
    if (work->parser->asks_mark && !eye_carries_requests(conversation, side)) {
        found->mark = eye_next_mark(conversation, work->pipeline);
    }
    work->parser->read(conversation, side, filled, found);
    if (!work->parser->note) {
        return NULL;
    }
    if (found->what == EYE_FOUND_REQUEST) {
        eye_take_request(work, filled, found);
    } else if (work->parser->batches &&
               (found->what == EYE_FOUND_RESPONSE || found->what == EYE_FOUND_INTERIM ||
                found->what == EYE_FOUND_BATCH_END)) {
        answered = eye_take_batch_response(work, filled, found);
    } else if (found->what == EYE_FOUND_RESPONSE || found->what == EYE_FOUND_INTERIM) {
        answered = eye_take_response(work, found);
    } else {
        return NULL;
    }
    if (found->used > 0) {
        work->parser->go_on(conversation, side, filled, found);
    }
    return answered;
}

/* One step: something skipped, or one window's worth of messages' heads and the skipping behind
 * them; so a message in one payload is one step. *ret_answered: the request that was answered, to
 * be told and then popped, or NULL. False: the payload is used up. */
static __always_inline bool eye_step(struct eye_work *work, struct eye_request **ret_answered)
{
    struct eye_half *half = eye_half_of(work->conversation, work->at->side);
    *ret_answered = NULL;
    if (work->at->offset >= work->at->end || work->at->verdict != EYE_VERDICT_GO_ON ||
        half->phase == EYE_PHASE_IGNORE) {
        return false;
    }
    if (half->phase == EYE_PHASE_SKIP) {
        eye_skip_here(work, half);
        return work->at->offset < work->at->end;
    }
    __u32 held = half->held;
    if (held >= EYE_WINDOW_BYTES) {
        eye_mismatch(work, half);
        return false;
    }
    /* Never beyond the window's size: every head in it can be read whole. */
    __u32 room = EYE_WINDOW_BYTES - held;
    if (held > 0 && room > EYE_REFILL_BYTES) {
        room = EYE_REFILL_BYTES;
    }
    __u32 bytes = work->at->end - work->at->offset;
    eye_pin(bytes);
    bytes = bytes < room ? bytes : room;
    if (eye_read(&work->reader, work->at->offset, half->window + held, eye_1_to_256(bytes)) != 0) {
        eye_mismatch(work, half);
        return false;
    }
    if (held == 0 && half->phase <= EYE_PHASE_WITHHELD) {
        eye_mark_start(half, work->at, eye_read_time(&work->reader));
    }
    struct eye_found found = {0};
    *ret_answered = eye_use_window(work, held + bytes, &found);
    if (found.asked) {
        if (!work->parser->answers_confirm) {
            eye_confirm(work->conversation);
        }
        eye_push(work->conversation, work->at->side);
    }
    if (found.what == EYE_FOUND_MISMATCH) {
        eye_mismatch(work, half);
        return false;
    }
    if (found.what == EYE_FOUND_END) {
        work->at->verdict = EYE_VERDICT_ENDED;
        eye_lose_track(half);
        work->at->offset = work->at->end;
        return false;
    }
    if (found.used > held) {
        half->held = 0;
        work->at->offset += found.used - held;
    } else {
        half->held = (__u16)(held + bytes);
        work->at->offset += bytes;
    }
    half->read_end = work->at->origin + work->at->offset;
    if (half->phase == EYE_PHASE_SKIP) {
        eye_skip_here(work, half);
    }
    return work->at->offset < work->at->end;
}

/* More messages in one payload than the work allowed: where the next one starts is not known. */
static __always_inline void eye_exhaust(struct eye_conversation *conversation,
                                        const struct eye_cursor *at)
{
    struct eye_half *half = eye_half_of(conversation, at->side);
    if (at->offset < at->end && half->phase != EYE_PHASE_IGNORE) {
        eye_note_loss_part(conversation, EYE_LOST_STEPS, 1);
        eye_doubt(conversation, at->side, at->acknowledged);
        eye_lose_track(half);
    }
}

/* Of the stream itself: its parser has nothing more to do. */
static __always_inline void eye_end_protocol(struct eye_stream *stream,
                                             struct eye_conversation *conversation,
                                             const struct eye_cursor *at)
{
    __u8 follows = eye_half_of(conversation, at->side)->mark;
    bool is_known = follows > EYE_CLASS_BEFORE && follows < EYE_SPOKEN_COUNT;
    if (at->verdict == EYE_VERDICT_ENDED) {
        stream->class = is_known ? follows : stream->protocol;
        stream->inside = is_known && follows == EYE_CLASS_TLS ? stream->protocol : 0;
        stream->protocol = EYE_PROTOCOL_TUNNEL;
        stream->recognised = 1;
        stream->looks =
            is_known && follows != EYE_CLASS_TLS ? EYE_LOOKS_MAX : 0; /* its hello comes */
    } else {
        stream->protocol = EYE_PROTOCOL_UNKNOWN;
        /* Not by eye_wish() either: it only began like the protocol. */
        stream->recognised = stream->class != EYE_PROTOCOL_UNKNOWN;
        eye_count_look(stream);
    }
}
