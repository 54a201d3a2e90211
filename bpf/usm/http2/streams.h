/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept of a connection of HTTP/2 beside the frame's two directions: their header tables,
 * the block that is being read in each, and the requests that wait. Plain C over memory.
 */
#pragma once

#include "bpf/usm/http2/frames.h"
#include "bpf/usm/http2/hpack.h"
#include "bpf/usm/http2/record.h"

/* Requests that wait on one connection; a slot is a stream's number modulo the slots. */
#define EYE_HTTP2_SLOTS 16

enum eye_http2_block_flag {
    EYE_HTTP2_BLOCK_OPEN = 1,   /* its beginning was seen, its end not yet */
    EYE_HTTP2_BLOCK_ENDS = 2,   /* the stream's direction ends with it */
    EYE_HTTP2_BLOCK_PUSHED = 4, /* what the server promises: its table changes, nothing else */
    EYE_HTTP2_BLOCK_LAST = 8,   /* this is its last frame */
};

/* A header block that is being read: what of it is ours. */
struct eye_http2_block {
    __u32 stream;
    __u8 flags; /* enum eye_http2_block_flag */
    __u8 padding[1];
    __u16 seen;   /* 1 << enum eye_hpack_class: such fields were there */
    __u64 method; /* or the status: as eye_hpack_word() makes it; 0: not known */
    __u64 grpc_status;
    __u32 path; /* in the table; 0: in `text` */
    __u32 padding2;
    struct eye_hpack_text text; /* the path, if it has one that stands nowhere else */
};

/* A request waits for its answer, or of gRPC for the end of it. */
struct eye_http2_request {
    __u64 started_ns;
    __u64 answered_ns; /* 0: not yet */
    __u32 stream;      /* 0: the slot is free */
    __u16 status;
    __u16 padding;
    struct eye_http2_body body;
    __u8 rest[4];
};

struct eye_http2 {
    struct eye_hpack tables[2]; /* by enum eye_side */
    struct eye_http2_block blocks[2];
    struct eye_http2_request requests[EYE_HTTP2_SLOTS];
    __u64 began_ns[2]; /* the block of each direction */
};

EYE_ABI_ASSERT(sizeof(struct eye_http2) <= 14 * 1024);

static __always_inline struct eye_http2_request *eye_http2_slot(struct eye_http2 *http2,
                                                                __u32 stream)
{
    /* Clients have odd numbers. */
    return &http2->requests[(stream >> 1) & (EYE_HTTP2_SLOTS - 1)];
}

/* The request of @stream, if it waits. */
static __always_inline struct eye_http2_request *eye_http2_find(struct eye_http2 *http2,
                                                                __u32 stream)
{
    struct eye_http2_request *request = eye_http2_slot(http2, stream);
    return stream != 0 && request->stream == stream ? request : NULL;
}

/* ---- Header blocks ---- */

static __always_inline void eye_http2_begin_block(struct eye_http2 *http2, __u32 side, __u32 stream,
                                                  __u8 flags)
{
    struct eye_http2_block *block = &http2->blocks[side & 1];
    __builtin_memset(block, 0, __builtin_offsetof(struct eye_http2_block, text));
    block->text.length = 0;
    block->stream = stream;
    block->flags = EYE_HTTP2_BLOCK_OPEN | flags;
    eye_hpack_begin(&http2->tables[side & 1]);
}

static const __u64 eye_http2_static_words[16] = {
#define EYE_HTTP2_WORD(a, b, c, d, length) EYE_WORD(a, b, c, d, 0, 0, 0, 0x40 | (length))
    [2] = EYE_HTTP2_WORD('G', 'E', 'T', 0, 3),  [3] = EYE_HTTP2_WORD('P', 'O', 'S', 'T', 4),
    [8] = EYE_HTTP2_WORD('2', '0', '0', 0, 3),  [9] = EYE_HTTP2_WORD('2', '0', '4', 0, 3),
    [10] = EYE_HTTP2_WORD('2', '0', '6', 0, 3), [11] = EYE_HTTP2_WORD('3', '0', '4', 0, 3),
    [12] = EYE_HTTP2_WORD('4', '0', '0', 0, 3), [13] = EYE_HTTP2_WORD('4', '0', '4', 0, 3),
    [14] = EYE_HTTP2_WORD('5', '0', '0', 0, 3),
#undef EYE_HTTP2_WORD
};

/* The value of a field that is no path. */
static __always_inline __u64 eye_http2_word(const struct eye_hpack *table)
{
    const struct eye_hpack_found *found = &table->found;
    if (found->index) {
        return eye_http2_static_words[found->index & 15];
    }
    if (found->word || !found->resolved) {
        return found->word;
    }
    return eye_hpack_word(&table->text);
}

static __always_inline void eye_http2_take_path(struct eye_http2_block *block,
                                                const struct eye_hpack *table)
{
    const struct eye_hpack_found *found = &table->found;
    if (found->index) {
        block->text.bytes[0] = '/'; /* and of index 5 what servers take for the same */
        block->text.length = 1;
        block->text.huffman = 0;
        block->text.cut = 0;
    } else if (found->path == 0) {
        block->text = table->text;
    } else if (found->resolved) {
        block->text = table->paths[(found->path - 1) & (EYE_HPACK_PATHS - 1)].text;
    }
}

static __always_inline void eye_http2_take_field(struct eye_http2_block *block,
                                                 const struct eye_hpack *table)
{
    __u8 class = table->found.class;
    block->seen |= 1 << (class & 15);
    if (class == EYE_HPACK_METHOD || class == EYE_HPACK_STATUS) {
        block->method = eye_http2_word(table);
    } else if (class == EYE_HPACK_PATH) {
        eye_http2_take_path(block, table);
    } else if (class == EYE_HPACK_GRPC_STATUS) {
        block->grpc_status = eye_http2_word(table);
    }
}

/* Bytes @at .. @end of the window of @side are of its block. */
EYE_PART int eye_http2_walk(struct eye_http2 *http2, const struct eye_half *half, __u32 side,
                            __u32 at, __u32 end)
{
    if (!http2 || !half || end > EYE_WINDOW_BYTES) {
        return 0;
    }
    struct eye_hpack *table = &http2->tables[side & 1];
    struct eye_http2_block *block = &http2->blocks[side & 1];
    for (int i = 0; i < EYE_WINDOW_BYTES && at < end; i++) {
        at += eye_hpack_take(table, (const struct eye_hpack_bytes *)half->window, at, end);
        if (table->found.complete) {
            eye_http2_take_field(block, table);
        }
    }
    return !table->broken;
}

/* ---- Requests ---- */

/* What is told of one: its record's head and body are filled from the slot, which is free then. */
struct eye_http2_ended {
    struct eye_http2_request *request; /* NULL: nothing has ended */
    __u64 duration_ns;
};

static __always_inline __u32 eye_http2_digits(__u64 word)
{
    __u32 length = word >> 56 & 7;
    __u32 number = 0;
    for (__u32 i = 0; i < 3; i++) {
        __u32 digit = (__u8)(word >> (8 * i)) - '0';
        if (i >= length || digit > 9) {
            break;
        }
        number = number * 10 + digit;
    }
    return number;
}

/* Huffman's code of three digits or fewer: 5 bits for 0 to 2, 6 for the others. */
static __always_inline __u32 eye_http2_huffman_digits(__u64 word)
{
    __u32 length = word >> 56 & 7;
    __u32 bits =
        (__u32)(__u8)word << 24 | (__u32)(__u8)(word >> 8) << 16 | (__u32)(__u8)(word >> 16) << 8;
    __u32 left = 8 * length;
    __u32 number = 0;
    for (int i = 0; i < 3; i++) {
        __u32 five = bits >> 27;
        __u32 six = bits >> 26;
        if (left >= 5 && five <= 2) {
            number = number * 10 + five;
            bits <<= 5;
            left -= 5;
        } else if (left >= 6 && six >= 0x19 && six <= 0x1f) {
            number = number * 10 + (six - 0x19 + 3);
            bits <<= 6;
            left -= 6;
        } else {
            break;
        }
    }
    return number;
}

/* A small number as text; 0 also when it is not known. */
static __always_inline __u32 eye_http2_value(__u64 word)
{
    return word >> 63 ? eye_http2_huffman_digits(word) : eye_http2_digits(word);
}

/* A request's block is complete. False: there is no slot, which is a loss. */
static __always_inline bool eye_http2_open(struct eye_http2 *http2,
                                           const struct eye_http2_block *block, __u64 started_ns)
{
    struct eye_http2_request *request = eye_http2_slot(http2, block->stream);
    struct eye_http2_body *body = &request->body;
    if (request->stream != 0) {
        return false;
    }
    __u32 length = block->text.length;
    __u8 tail = (__u8)(block->method >> 56);
    length = length < EYE_HTTP2_PATH_BYTES ? length : EYE_HTTP2_PATH_BYTES;
    request->started_ns = started_ns;
    request->answered_ns = 0;
    request->status = 0;
    eye_store_word(body->method, block->method);
    body->method_length = tail & 7;
    body->flags =
        (block->seen & 1 << EYE_HPACK_GRPC_TYPE ? EYE_HTTP2_GRPC : 0) |
        (tail ? EYE_HTTP2_METHOD_KNOWN : 0) | (tail & 0x80 ? EYE_HTTP2_METHOD_HUFFMAN : 0) |
        (length ? EYE_HTTP2_PATH_KNOWN : 0) | (block->text.huffman ? EYE_HTTP2_HUFFMAN : 0) |
        (block->text.cut || length < block->text.length ? EYE_HTTP2_CUT : 0);
    body->grpc_status = 0;
    body->error = 0;
    body->path_length = (__u8)length;
    for (int i = 0; i < EYE_HTTP2_PATH_BYTES; i += 8) {
        eye_store_word(body->path + i, eye_load_word(block->text.bytes + i));
    }
    request->stream = block->stream; /* last: the other direction, on another CPU, looks for it */
    return true;
}

static __always_inline struct eye_http2_ended eye_http2_end(struct eye_http2_request *request,
                                                            __u64 now_ns)
{
    __u64 duration = now_ns - request->started_ns;
    /* Two clocks readings on two CPUs may disagree by some nanoseconds. */
    struct eye_http2_ended ended = {request, (__s64)duration < 0 ? 0 : duration};
    return ended;
}

/* The direction of the answers of a stream has ended. */
static __always_inline struct eye_http2_ended eye_http2_close(struct eye_http2_request *request,
                                                              __u64 now_ns)
{
    bool grpc = request->body.flags & EYE_HTTP2_GRPC;
    return eye_http2_end(request,
                         grpc || request->answered_ns == 0 ? now_ns : request->answered_ns);
}

/* A block of answers is complete: of interim ones nothing is told. */
static __always_inline struct eye_http2_ended eye_http2_answer(struct eye_http2 *http2,
                                                               const struct eye_http2_block *block,
                                                               __u64 first_ns)
{
    struct eye_http2_ended nothing = {NULL, 0};
    struct eye_http2_request *request = eye_http2_find(http2, block->stream);
    if (!request) {
        return nothing;
    }
    struct eye_http2_body *body = &request->body;
    if (block->seen & 1 << EYE_HPACK_STATUS && request->answered_ns == 0) {
        __u32 status = eye_http2_value(block->method);
        if (status >= 100 && status < 200) {
            return nothing;
        }
        request->status = (__u16)status;
        request->answered_ns = first_ns;
    }
    if (block->seen & 1 << EYE_HPACK_GRPC_TYPE) {
        body->flags |= EYE_HTTP2_GRPC;
    }
    if (block->seen & 1 << EYE_HPACK_GRPC_MESSAGE) {
        body->flags |= EYE_HTTP2_MESSAGE;
    }
    if (block->grpc_status) {
        body->flags |= EYE_HTTP2_GRPC | EYE_HTTP2_STATUS_KNOWN;
        body->grpc_status = (__u8)eye_http2_value(block->grpc_status);
    }
    if (block->flags & EYE_HTTP2_BLOCK_ENDS) {
        return eye_http2_close(request, first_ns);
    }
    return nothing;
}

/* ---- What the frames tell ---- */

/* Its header table, and the block in it, cannot be trusted: what they still hold is of before. */
static __always_inline void eye_http2_lose(struct eye_http2 *http2, __u32 side)
{
    http2->blocks[side & 1].flags = 0;
    eye_hpack_reset(&http2->tables[side & 1]);
}

/* A block is complete. */
static __always_inline struct eye_http2_ended eye_http2_end_block(
    struct eye_http2 *http2, struct eye_conversation *conversation, __u32 side)
{
    struct eye_http2_ended nothing = {NULL, 0};
    struct eye_http2_block *block = &http2->blocks[side & 1];
    bool asks = block->seen & (1 << EYE_HPACK_METHOD | 1 << EYE_HPACK_PATH);
    bool answers = block->seen & 1 << EYE_HPACK_STATUS;
    block->flags &= ~EYE_HTTP2_BLOCK_OPEN;
    if (block->flags & EYE_HTTP2_BLOCK_PUSHED) {
        return nothing;
    }
    if (conversation->client == EYE_CLIENT_UNKNOWN && asks != answers) {
        eye_know(conversation, side, asks);
    }
    if (conversation->client == EYE_CLIENT_UNKNOWN) {
        return nothing;
    }
    eye_confirm(conversation);
    if (!eye_carries_requests(conversation, side)) {
        return eye_http2_answer(http2, block, http2->began_ns[side & 1]);
    }
    /* The second block of a request is its trailers. */
    if (!eye_http2_find(http2, block->stream) &&
        !eye_http2_open(http2, block, http2->began_ns[side & 1])) {
        eye_note_loss_part(conversation, EYE_LOST_PIPELINE, 1);
    }
    return nothing;
}

static __always_inline struct eye_http2_ended eye_http2_take_frame(
    struct eye_http2 *http2, struct eye_conversation *conversation, __u32 side,
    const struct eye_http2_frame *frame)
{
    struct eye_http2_ended nothing = {NULL, 0};
    const struct eye_half *half = eye_half_of(conversation, side);
    struct eye_http2_block *block = &http2->blocks[side & 1];
    struct eye_http2_request *request = eye_http2_find(http2, frame->stream);
    bool last = frame->flags & EYE_HTTP2_END_HEADERS;
    switch (frame->type) {
    case EYE_HTTP2_HEADERS:
        http2->began_ns[side & 1] = half->first_ns;
        eye_http2_begin_block(http2, side, frame->stream,
                              (frame->flags & EYE_HTTP2_END_STREAM ? EYE_HTTP2_BLOCK_ENDS : 0) |
                                  (last ? EYE_HTTP2_BLOCK_LAST : 0));
        return nothing;
    case EYE_HTTP2_PUSH_PROMISE:
        eye_http2_begin_block(http2, side, frame->stream,
                              EYE_HTTP2_BLOCK_PUSHED | (last ? EYE_HTTP2_BLOCK_LAST : 0));
        return nothing;
    case EYE_HTTP2_CONTINUATION:
        block->flags |= last ? EYE_HTTP2_BLOCK_LAST : 0;
        return nothing;
    case EYE_HTTP2_DATA:
        return request && frame->flags & EYE_HTTP2_END_STREAM &&
                       !eye_carries_requests(conversation, side)
                   ? eye_http2_close(request, half->first_ns)
                   : nothing;
    case EYE_HTTP2_RST_STREAM:
        if (!request) {
            return nothing;
        }
        request->body.error = (__u8)(half->window[EYE_HTTP2_HEAD_BYTES + 3] + 1);
        return eye_http2_end(request, half->first_ns);
    default:
        return nothing;
    }
}

/* Takes the mark that the parser left in the direction of @side. */
static __always_inline struct eye_http2_ended eye_http2_take_mark(
    struct eye_http2 *http2, struct eye_conversation *conversation, __u32 side)
{
    struct eye_http2_ended ended = {NULL, 0};
    struct eye_half *half = eye_half_of(conversation, side);
    struct eye_http2_block *block = &http2->blocks[side & 1];
    struct eye_http2_frame frame = {.type = EYE_HTTP2_CONTINUATION};
    __u32 at = 0;
    if (half->mark == EYE_HTTP2_FRAME) {
        eye_http2_read_head(half->window, &frame);
        at = EYE_HTTP2_HEAD_BYTES + eye_http2_prefix(&frame);
        ended = eye_http2_take_frame(http2, conversation, side, &frame);
    }
    half->mark = EYE_HTTP2_NOTHING;
    if (!eye_http2_has_block(&frame)) {
        return ended;
    }
    if (!(block->flags & EYE_HTTP2_BLOCK_OPEN) ||
        !eye_http2_walk(http2, half, side, at, eye_http2_marked_bytes(half))) {
        eye_http2_lose(http2, side); /* its beginning was missed, or it is none */
        return ended;
    }
    if (half->phase != EYE_HTTP2_IN_BLOCK && block->flags & EYE_HTTP2_BLOCK_LAST) {
        ended = eye_http2_end_block(http2, conversation, side);
    }
    return ended;
}
