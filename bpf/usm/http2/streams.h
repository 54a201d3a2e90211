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
    EYE_HTTP2_BLOCK_OPEN = 1, /* its beginning was seen, its end not yet */
    EYE_HTTP2_BLOCK_ENDS = 2, /* the stream's direction ends with it */
    EYE_HTTP2_BLOCK_PUSHED = 4,
};

/* A header block that is being read: what of it is ours. */
struct eye_http2_block {
    __u32 stream;
    __u8 flags;    /* enum eye_http2_block_flag */
    __u8 seen;     /* 1 << enum eye_hpack_class: such fields were there */
    __u8 index[2]; /* static: of the method or the status, and of the path; 0: none */
    __u64 method;  /* or the status: as eye_hpack_word() makes it; 0: not known */
    __u64 grpc_status;
    __u32 path; /* in the table; 0: in `text` */
    __u32 padding;
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
    __u32 last_stream; /* of a request: they ascend */
    __u32 padding;
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
    block->seen |= 1 << (class & 7);
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

/* What is told of a request that has ended, by the caller; then the slot is free. */
static __always_inline bool eye_http2_end(struct eye_http2_request *request, __u64 now_ns)
{
    if (request->answered_ns == 0) {
        request->answered_ns = now_ns;
    }
    return true;
}

static __always_inline void eye_http2_open(struct eye_http2 *http2,
                                           const struct eye_http2_block *block, __u64 started_ns)
{
    struct eye_http2_request *request = eye_http2_slot(http2, block->stream);
    struct eye_http2_body *body = &request->body;
    __u32 length =
        block->text.length < EYE_HTTP2_PATH_BYTES ? block->text.length : EYE_HTTP2_PATH_BYTES;
    __u8 tail = (__u8)(block->method >> 56);
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
}
