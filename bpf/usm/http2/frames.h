/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/2's frames (RFC 9113, section 4): where they begin and end, and which bytes of them are of
 * header blocks. A parser as bpf/usm/parser.h says that finds neither requests nor responses: it
 * leaves a mark where a frame's head, or a piece of a block, stands in the window.
 */
#pragma once

#include "bpf/usm/parser.h"

#define EYE_HTTP2_HEAD_BYTES 9
#define EYE_HTTP2_PREFACE_BYTES 24
/* What a frame may have before anybody has agreed to more; used to recognise, not to follow. */
#define EYE_HTTP2_FRAME_USUAL 16384

enum eye_http2_type {
    EYE_HTTP2_DATA,
    EYE_HTTP2_HEADERS,
    EYE_HTTP2_PRIORITY,
    EYE_HTTP2_RST_STREAM,
    EYE_HTTP2_SETTINGS,
    EYE_HTTP2_PUSH_PROMISE,
    EYE_HTTP2_PING,
    EYE_HTTP2_GOAWAY,
    EYE_HTTP2_WINDOW_UPDATE,
    EYE_HTTP2_CONTINUATION,
};

enum eye_http2_frame_flag {
    EYE_HTTP2_END_STREAM = 0x01,
    EYE_HTTP2_ACK = 0x01,
    EYE_HTTP2_END_HEADERS = 0x04,
    EYE_HTTP2_PADDED = 0x08,
    EYE_HTTP2_PRIORITISED = 0x20,
};

/* eye_half.phase, beside enum eye_phase. */
enum eye_http2_phase {
    EYE_HTTP2_IN_BLOCK = EYE_PHASE_OWN, /* `skip` bytes of a header block are still to come */
};

/* eye_half.mark: what the window begins with. */
enum eye_http2_mark {
    EYE_HTTP2_NOTHING,
    EYE_HTTP2_FRAME, /* a frame's head; what of a block follows is in the window, too */
    EYE_HTTP2_PIECE, /* more of a block */
};

struct eye_http2_frame {
    __u32 length;
    __u32 stream;
    __u8 type;
    __u8 flags;
};

static __always_inline __u32 eye_http2_number(const __u8 *bytes)
{
    return (__u32)bytes[0] << 24 | (__u32)bytes[1] << 16 | (__u32)bytes[2] << 8 | bytes[3];
}

static __always_inline void eye_http2_read_head(const __u8 *bytes, struct eye_http2_frame *ret)
{
    ret->length = (__u32)bytes[0] << 16 | (__u32)bytes[1] << 8 | bytes[2];
    ret->type = bytes[3];
    ret->flags = bytes[4];
    ret->stream = eye_http2_number(bytes + 5);
}

/* Bytes of a frame before what is passed over, or before its block. */
static __always_inline __u32 eye_http2_prefix(const struct eye_http2_frame *frame)
{
    __u32 padded = frame->flags & EYE_HTTP2_PADDED ? 1 : 0;
    switch (frame->type) {
    case EYE_HTTP2_HEADERS:
        return padded + (frame->flags & EYE_HTTP2_PRIORITISED ? 5 : 0);
    case EYE_HTTP2_PUSH_PROMISE:
        return padded + 4;
    case EYE_HTTP2_RST_STREAM:
        return 4;
    case EYE_HTTP2_GOAWAY:
        return 8;
    default:
        return 0;
    }
}

static __always_inline bool eye_http2_has_block(const struct eye_http2_frame *frame)
{
    return frame->type == EYE_HTTP2_HEADERS || frame->type == EYE_HTTP2_PUSH_PROMISE ||
           frame->type == EYE_HTTP2_CONTINUATION;
}

/* What every frame keeps to, also of peers that have agreed to something; types that nobody knows
 * are to be passed over. */
static __always_inline bool eye_http2_is_valid(const struct eye_http2_frame *frame)
{
    bool whole = frame->stream == 0;
    switch (frame->type) {
    case EYE_HTTP2_DATA:
    case EYE_HTTP2_HEADERS:
    case EYE_HTTP2_PUSH_PROMISE:
    case EYE_HTTP2_CONTINUATION:
        return !whole && frame->stream < 0x80000000 && frame->length >= eye_http2_prefix(frame);
    case EYE_HTTP2_PRIORITY:
        return !whole && frame->length == 5;
    case EYE_HTTP2_RST_STREAM:
        return !whole && frame->length == 4;
    case EYE_HTTP2_SETTINGS:
        return whole && frame->length % 6 == 0 &&
               (!(frame->flags & EYE_HTTP2_ACK) || frame->length == 0);
    case EYE_HTTP2_PING:
        return whole && frame->length == 8;
    case EYE_HTTP2_GOAWAY:
        return whole && frame->length >= 8;
    case EYE_HTTP2_WINDOW_UPDATE:
        return frame->length == 4;
    default:
        return true;
    }
}

/* Beyond that: what is seen where a frame may begin, or may not. Even numbers are of pushes, which
 * are rare, and of what is no frame at all. */
static __always_inline bool eye_http2_is_likely(const struct eye_http2_frame *frame)
{
    /* Longer than it need be: constants of 16 bytes get a section of their own, which libbpf does
     * not know. */
    static const __u8 known[24] = {0x09, 0x2d, 0x00, 0x00, 0x01, 0x0c, 0x01, 0x00, 0x00, 0x04};
    if (frame->type > EYE_HTTP2_CONTINUATION || frame->length > EYE_HTTP2_FRAME_USUAL ||
        frame->stream >= 0x80000000 || !eye_http2_is_valid(frame)) {
        return false;
    }
    if ((frame->type == EYE_HTTP2_HEADERS || frame->type == EYE_HTTP2_DATA) &&
        frame->stream % 2 == 0) {
        return false;
    }
    __u64 type = frame->type;
    eye_pin(type);
    return (frame->flags & ~known[type & 15]) == 0;
}

static __always_inline bool eye_http2_is_preface(const __u8 *bytes)
{
    return eye_load_word(bytes) == EYE_WORD('P', 'R', 'I', ' ', '*', ' ', 'H', 'T') &&
           eye_load_word(bytes + 8) == EYE_WORD('T', 'P', '/', '2', '.', '0', '\r', '\n') &&
           eye_load_word(bytes + 16) == EYE_WORD('\r', '\n', 'S', 'M', '\r', '\n', '\r', '\n');
}

/* What was used of the window, and what pads the frame, for whoever takes the mark. */
static __always_inline void eye_http2_mark(struct eye_half *half, __u8 mark, __u32 used, __u32 pad)
{
    half->mark = mark;
    half->flags = (__u16)((used - 1) | pad << 8);
}

static __always_inline __u32 eye_http2_marked_bytes(const struct eye_half *half)
{
    return (half->flags & 0xff) + 1;
}

/* @left bytes of the block come later. */
static __always_inline void eye_http2_leave_block(struct eye_half *half, __u64 left, __u32 pad)
{
    if (left > 0) {
        half->skip = left;
        half->phase = EYE_HTTP2_IN_BLOCK;
    } else {
        eye_skip_next(half, pad, EYE_PHASE_START);
    }
}

static __always_inline void eye_http2_read_piece(struct eye_half *half, __u32 filled,
                                                 struct eye_found *found)
{
    __u32 used = half->skip < filled ? (__u32)half->skip : filled;
    __u32 pad = half->flags >> 8;
    eye_http2_leave_block(half, half->skip - used, pad);
    eye_http2_mark(half, EYE_HTTP2_PIECE, used, pad);
    found->used = used;
}

/* The frame behind @frame looks like one, too, if it is in the window. */
static __always_inline bool eye_http2_goes_on(const struct eye_half *half, __u32 filled,
                                              const struct eye_http2_frame *frame)
{
    struct eye_http2_frame next;
    __u64 at = EYE_HTTP2_HEAD_BYTES + frame->length;
    eye_pin(at);
    if (at + EYE_HTTP2_HEAD_BYTES > filled || at > EYE_WINDOW_BYTES - EYE_HTTP2_HEAD_BYTES) {
        return true;
    }
    eye_http2_read_head(half->window + at, &next);
    return eye_http2_is_likely(&next);
}

static __always_inline void eye_http2_read_frame(struct eye_half *half, __u32 filled,
                                                 struct eye_found *found)
{
    struct eye_http2_frame frame;
    eye_http2_read_head(half->window, &frame);
    bool likely = half->phase == EYE_PHASE_LOST
                      ? eye_http2_is_likely(&frame) && eye_http2_goes_on(half, filled, &frame)
                      : eye_http2_is_valid(&frame);
    __u32 prefix = EYE_HTTP2_HEAD_BYTES + eye_http2_prefix(&frame);
    if (!likely) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    if (filled < prefix) {
        return;
    }
    __u32 rest = frame.length - (prefix - EYE_HTTP2_HEAD_BYTES);
    if (!eye_http2_has_block(&frame)) {
        eye_http2_mark(half, EYE_HTTP2_FRAME, prefix, 0);
        eye_skip_next(half, rest, EYE_PHASE_START);
        found->used = prefix;
        return;
    }
    bool padded = frame.flags & EYE_HTTP2_PADDED && frame.type != EYE_HTTP2_CONTINUATION;
    __u32 pad = padded ? half->window[EYE_HTTP2_HEAD_BYTES] : 0;
    if (pad > rest) {
        found->what = EYE_FOUND_MISMATCH;
        return;
    }
    __u32 block = rest - pad;
    __u32 here = filled - prefix < block ? filled - prefix : block;
    eye_http2_leave_block(half, block - here, pad);
    eye_http2_mark(half, EYE_HTTP2_FRAME, prefix + here, pad);
    found->used = prefix + here;
}

static __always_inline void eye_http2_read(struct eye_conversation *conversation, __u32 side,
                                           __u32 filled, struct eye_found *found)
{
    struct eye_half *half = eye_half_of(conversation, side);
    if (half->phase == EYE_HTTP2_IN_BLOCK) {
        eye_http2_read_piece(half, filled, found);
        return;
    }
    /* No frame is as long as its first bytes would say. */
    if (half->window[0] == 'P' && half->window[1] == 'R') {
        if (filled < EYE_HTTP2_PREFACE_BYTES) {
            return;
        }
        if (!eye_http2_is_preface(half->window)) {
            found->what = EYE_FOUND_MISMATCH;
            return;
        }
        if (!eye_may_carry(conversation, side, true)) {
            found->what = EYE_FOUND_MISMATCH; /* a server that says so is none the less one */
            return;
        }
        eye_know(conversation, side, true);
        eye_confirm(conversation);
        half->phase = EYE_PHASE_START;
        found->used = EYE_HTTP2_PREFACE_BYTES;
        return;
    }
    if (filled >= EYE_HTTP2_HEAD_BYTES) {
        eye_http2_read_frame(half, filled, found);
    }
}
