/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept of a connection of HTTP/2 beside the frame's two directions: their header tables,
 * the block that is being read in each, and the requests that wait. Plain C over memory.
 */
#pragma once

#include "bpf/usm/http2/frames.h"
#include "bpf/usm/http2/hpack.h"
#include "bpf/usm/http2/record.h"

/* Requests that wait on one connection: the usual ones, those beyond them, and those beyond even
 * these. Servers mostly allow 100 together. */
#define EYE_HTTP2_SLOTS 16
#define EYE_HTTP2_MORE_SLOTS 36
#define EYE_HTTP2_MOST_SLOTS 84

enum eye_http2_block_flag {
    EYE_HTTP2_BLOCK_OPEN = 1,   /* its beginning was seen, its end not yet */
    EYE_HTTP2_BLOCK_ENDS = 2,   /* the stream's direction ends with it */
    EYE_HTTP2_BLOCK_PUSHED = 4, /* what the server promises: its table changes, nothing else */
    EYE_HTTP2_BLOCK_LAST = 8,   /* this is its last frame */
};

/* A header block that is being read: what of it is ours. */
struct eye_http2_block {
    __u64 began_ns;
    __u32 stream;
    __u8 flags; /* enum eye_http2_block_flag */
    __u8 padding;
    __u16 seen;   /* 1 << enum eye_hpack_class: such fields were there */
    __u64 method; /* or the status: as eye_hpack_word() makes it; 0: not known */
    __u64 grpc_status;
    struct eye_hpack_text text; /* the path */
};

/* One direction of a connection. */
struct eye_http2_half {
    struct eye_hpack table;
    struct eye_http2_block block;
};

/* A request waits for its answer, or of gRPC for the end of it. */
struct eye_http2_request {
    __u64 started_ns;
    __u64 answered_ns; /* 0: not yet */
    __u32 stream;      /* 0: the slot is free */
    __u8 untyped; /* a field of it was not known: what kind of request it is may be among that */
    __u8 padding[3];
    struct eye_request_head head; /* with the body what the ring gets */
    struct eye_http2_body body;
    __u8 rest[4];
};

struct eye_http2_requests {
    struct eye_http2_request slots[EYE_HTTP2_SLOTS];
    __u32 newest;  /* stream of a request */
    __u32 doubted; /* bytes were missed when this one was the newest: answers, too, perhaps */
    __u32 grpc;    /* such calls were seen on the connection */
    __u32 padding;
};

struct eye_http2_more {
    struct eye_http2_request slots[EYE_HTTP2_MORE_SLOTS];
};

struct eye_http2_most {
    struct eye_http2_request slots[EYE_HTTP2_MOST_SLOTS];
};

/* With the kernel's 72 bytes they have to fit kmalloc-4k, -8k and -16k; all but the last one have
 * to fit the 20 480 bytes that kernels before 6.7 allow a socket (net.core.optmem_max). */
EYE_ABI_ASSERT(sizeof(struct eye_http2_half) <= 4096 - 72);
EYE_ABI_ASSERT(sizeof(struct eye_http2_requests) <= 4096 - 72);
EYE_ABI_ASSERT(sizeof(struct eye_http2_more) <= 8192 - 72);
EYE_ABI_ASSERT(sizeof(struct eye_http2_most) <= 16384 - 72);
EYE_ABI_ASSERT(sizeof(struct eye_conversation) + 2 * sizeof(struct eye_http2_half) +
                   sizeof(struct eye_http2_requests) + sizeof(struct eye_http2_more) <=
               20480 - 1024);

/* What the work on one mark needs. Pointers of the kernel's are not passed on in memory, so it is
 * never more than the arguments of functions that are inlined. */
struct eye_http2_work {
    struct eye_conversation *conversation;
    struct eye_http2_half *half;
    struct eye_http2_requests *requests;
    struct eye_http2_more *more; /* NULL: there was no need for it, or no memory */
    struct eye_http2_most *most; /* likewise */
    __u32 side;
};

/* As new; what is counted in, is written before it is read. */
static __always_inline void eye_http2_clear(struct eye_http2_half *half,
                                            struct eye_http2_requests *requests)
{
    half->block.flags = 0;
    half->table.inserted = 0;
    half->table.since = 0;
    for (int i = 0; i < EYE_HPACK_PATHS; i++) {
        half->table.paths[i].insertion = 0;
    }
    for (int i = 0; i < EYE_HTTP2_SLOTS; i++) {
        requests->slots[i].stream = 0;
    }
    requests->newest = 0;
    requests->doubted = 0;
    requests->grpc = 0;
}

/* ---- Slots ---- */

/* Clients have odd numbers, in order. */
static __always_inline struct eye_http2_request *eye_http2_slot(struct eye_http2_requests *requests,
                                                                __u32 stream)
{
    return &requests->slots[(stream >> 1) & (EYE_HTTP2_SLOTS - 1)];
}

/* The slot of @stream that is @distance behind its first one, of @count. */
static __always_inline __u64 eye_http2_index(__u32 stream, __u32 distance, __u32 count)
{
    __u64 index = ((stream >> 1) + distance) % count;
    eye_pin(index);
    return index < count ? index : 0; /* it is: for the verifier */
}

/* The places of a stream: the usual one; two, and four, as far from each other as can be. */
#define EYE_HTTP2_PLACES_MORE 1
#define EYE_HTTP2_PLACES_MOST 3
#define EYE_HTTP2_PLACES 7

/* NULL: there is none. */
static __always_inline struct eye_http2_request *eye_http2_place(const struct eye_http2_work *work,
                                                                 __u32 stream, __u32 place)
{
    if (place < EYE_HTTP2_PLACES_MORE) {
        return eye_http2_slot(work->requests, stream);
    }
    if (place < EYE_HTTP2_PLACES_MOST) {
        __u32 distance = (place - EYE_HTTP2_PLACES_MORE) * (EYE_HTTP2_MORE_SLOTS / 2);
        return work->more
                   ? &work->more->slots[eye_http2_index(stream, distance, EYE_HTTP2_MORE_SLOTS)]
                   : NULL;
    }
    __u32 distance = (place - EYE_HTTP2_PLACES_MOST) * (EYE_HTTP2_MOST_SLOTS / 4);
    return work->most ? &work->most->slots[eye_http2_index(stream, distance, EYE_HTTP2_MOST_SLOTS)]
                      : NULL;
}

/* The request of @stream, if it waits. */
static __always_inline struct eye_http2_request *eye_http2_find(const struct eye_http2_work *work,
                                                                __u32 stream)
{
    for (__u32 i = 0; i < EYE_HTTP2_PLACES && stream != 0; i++) {
        struct eye_http2_request *request = eye_http2_place(work, stream, i);
        if (request && request->stream == stream) {
            return request;
        }
    }
    return NULL;
}

/* A free place for @stream, or one whose answer may have been missed. */
static __always_inline struct eye_http2_request *eye_http2_free(const struct eye_http2_work *work,
                                                                __u32 stream)
{
    for (__u32 i = 0; i < EYE_HTTP2_PLACES; i++) {
        struct eye_http2_request *request = eye_http2_place(work, stream, i);
        if (request && request->stream == 0) {
            return request;
        }
        if (request && request->stream <= work->requests->doubted) {
            eye_note_loss_part(work->conversation, EYE_LOST_UNANSWERED, 1);
            return request;
        }
    }
    return NULL;
}

/* ---- Header blocks ---- */

static __always_inline void eye_http2_begin_block(struct eye_http2_half *half,
                                                  const struct eye_http2_frame *frame,
                                                  __u64 began_ns)
{
    struct eye_http2_block *block = &half->block;
    __builtin_memset(block, 0, __builtin_offsetof(struct eye_http2_block, text));
    block->text.length = 0;
    block->text.huffman = 0;
    block->text.cut = 0;
    block->began_ns = began_ns;
    block->stream = frame->stream;
    block->flags = EYE_HTTP2_BLOCK_OPEN;
    if (frame->type == EYE_HTTP2_PUSH_PROMISE) {
        block->flags |= EYE_HTTP2_BLOCK_PUSHED;
    } else if (frame->flags & EYE_HTTP2_END_STREAM) {
        block->flags |= EYE_HTTP2_BLOCK_ENDS;
    }
    eye_hpack_begin(&half->table);
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
        eye_store_word(block->text.bytes, EYE_WORD('/', 'i', 'n', 'd', 'e', 'x', '.', 'h'));
        eye_store_word(block->text.bytes + 8, EYE_WORD('t', 'm', 'l', 0, 0, 0, 0, 0));
        block->text.length = 1 + (found->index & 1) * 10; /* "/", or all of it */
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

/* Bytes @at .. @end of the direction's window are of its block. 0: it is none. */
EYE_PART int eye_http2_walk(struct eye_http2_half *http2, const struct eye_half *half, __u32 at,
                            __u32 end)
{
    if (!http2 || !half || end > EYE_WINDOW_BYTES) {
        return 0;
    }
    struct eye_hpack *table = &http2->table;
    for (int i = 0; i < EYE_WINDOW_BYTES && at < end; i++) {
        at += eye_hpack_take(table, (const struct eye_hpack_bytes *)half->window, at, end);
        if (table->found.complete) {
            eye_http2_take_field(&http2->block, table);
        }
    }
    return !table->broken;
}

/* ---- Requests ---- */

/* What is told of one: its record's head and body are filled from the slot, which is free then. */
struct eye_http2_ended {
    struct eye_http2_request *request; /* NULL: nothing has ended */
    __u64 duration_ns;
    __u32 stream;
};

/* A slot whose request is being told. */
#define EYE_HTTP2_TELLING 0xffffffffU

/* Both directions may find at once, on two CPUs, that a request has ended: one of them tells. */
static __always_inline bool eye_http2_claim(struct eye_http2_request *request, __u32 stream)
{
    return __sync_val_compare_and_swap(&request->stream, stream, EYE_HTTP2_TELLING) == stream;
}

/* More than three digits say. */
#define EYE_HTTP2_NO_NUMBER 1000

static __always_inline __u32 eye_http2_digits(__u64 word, __u32 length)
{
    __u32 number = 0;
    for (__u32 i = 0; i < 3 && i < length; i++) {
        __u32 digit = (__u8)(word >> (8 * i)) - '0';
        if (digit > 9) {
            return EYE_HTTP2_NO_NUMBER;
        }
        number = number * 10 + digit;
    }
    return number;
}

/* Huffman's code has 5 bits for 0 to 2, 6 for the others; ones fill the last byte. */
static __always_inline __u32 eye_http2_huffman_digits(__u64 word, __u32 length)
{
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
    return left < 8 && bits >> 24 == (__u8)(0xff00 >> left) ? number : EYE_HTTP2_NO_NUMBER;
}

/* Up to three digits as a number; EYE_HTTP2_NO_NUMBER also when they are not known. */
EYE_PART __u32 eye_http2_value(__u64 word)
{
    __u32 length = word >> 56 & 7;
    if (length == 0 || length > 3) {
        return EYE_HTTP2_NO_NUMBER;
    }
    return word >> 63 ? eye_http2_huffman_digits(word, length) : eye_http2_digits(word, length);
}

/* A request's block is complete. False: there is no slot, which is a loss. */
static __always_inline bool eye_http2_open(const struct eye_http2_work *work)
{
    const struct eye_http2_block *block = &work->half->block;
    struct eye_http2_request *request = eye_http2_free(work, block->stream);
    if (!request) {
        return false;
    }
    struct eye_http2_body *body = &request->body;
    __u32 length = block->text.length;
    __u8 tail = (__u8)(block->method >> 56);
    length = length < EYE_HTTP2_PATH_BYTES ? length : EYE_HTTP2_PATH_BYTES;
    request->started_ns = block->began_ns;
    request->answered_ns = 0;
    request->head.code = 0;
    request->untyped = (block->seen & (1 << EYE_HPACK_UNKNOWN | 1 << EYE_HPACK_CONTENT_TYPE)) ==
                       1 << EYE_HPACK_UNKNOWN;
    eye_store_word(body->method, block->method);
    body->method_length = tail & 7;
    body->flags =
        (block->seen & 1 << EYE_HPACK_GRPC_TYPE ? EYE_HTTP2_GRPC : 0) |
        (tail ? EYE_HTTP2_METHOD_KNOWN : 0) | (tail & 0x80 ? EYE_HTTP2_METHOD_HUFFMAN : 0) |
        (length ? EYE_HTTP2_PATH_KNOWN : 0) | (block->text.huffman ? EYE_HTTP2_HUFFMAN : 0) |
        (block->text.cut ? EYE_HTTP2_CUT : 0);
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
                                                            __u32 stream, __u64 now_ns)
{
    __u64 duration = now_ns - request->started_ns;
    /* Two clocks readings on two CPUs may disagree by some nanoseconds. */
    struct eye_http2_ended ended = {request, (__s64)duration < 0 ? 0 : duration, stream};
    return ended;
}

/* A call of gRPC takes until its end; any other request until its answer begins. One whose kind is
 * not known is taken for what else is spoken there. */
static __always_inline struct eye_http2_ended eye_http2_close(const struct eye_http2_work *work,
                                                              struct eye_http2_request *request,
                                                              __u32 stream, __u64 now_ns)
{
    struct eye_http2_ended nothing = {NULL, 0, 0};
    if (!eye_http2_claim(request, stream)) {
        return nothing;
    }
    if (request->untyped && work->requests->grpc) {
        request->body.flags |= EYE_HTTP2_GRPC;
    }
    bool grpc = request->body.flags & EYE_HTTP2_GRPC;
    return eye_http2_end(request, stream,
                         grpc || request->answered_ns == 0 ? now_ns : request->answered_ns);
}

/* What a block of answers says of gRPC. Trailers are hardly used by anybody else: behind an answer
 * whose request is of no known kind they tell, too. */
static __always_inline void eye_http2_note_call(const struct eye_http2_work *work,
                                                struct eye_http2_request *request, bool trailers)
{
    const struct eye_http2_block *block = &work->half->block;
    struct eye_http2_body *body = &request->body;
    if (block->seen &
            (1 << EYE_HPACK_GRPC_TYPE | 1 << EYE_HPACK_GRPC_STATUS | 1 << EYE_HPACK_GRPC_MESSAGE) ||
        (trailers && request->untyped)) {
        body->flags |= EYE_HTTP2_GRPC;
    }
    if (block->seen & 1 << EYE_HPACK_GRPC_MESSAGE) {
        body->flags |= EYE_HTTP2_MESSAGE;
    }
    if (block->grpc_status) {
        body->flags |= EYE_HTTP2_STATUS_KNOWN;
        __u32 status = eye_http2_value(block->grpc_status);
        body->grpc_status = (__u8)(status < 0xff ? status : 0xff);
    }
    if (body->flags & EYE_HTTP2_GRPC && !work->requests->grpc) {
        work->requests->grpc = 1;
    }
}

/* Whoever says that he calls may only say so: an answer without gRPC's content type is none. */
static __always_inline void eye_http2_doubt_call(const struct eye_http2_block *block,
                                                 struct eye_http2_request *request, __u32 status)
{
    if (status == 200 && !(block->seen & (1 << EYE_HPACK_GRPC_TYPE | 1 << EYE_HPACK_GRPC_STATUS |
                                          1 << EYE_HPACK_UNKNOWN))) {
        request->body.flags &= ~EYE_HTTP2_GRPC;
    }
}

/* An answer whose request was not seen, on a connection of which bytes were missed; else whoever
 * asked has given up. Stream 1 may be a request of HTTP/1, which was told with its 101. */
static __always_inline void eye_http2_note_alone(const struct eye_http2_work *work)
{
    const struct eye_http2_block *block = &work->half->block;
    if (block->seen & 1 << EYE_HPACK_STATUS && block->stream & 1 && block->stream != 1 &&
        block->stream > work->requests->newest &&
        work->conversation->queue.trust != EYE_TRUST_FROM_START) {
        eye_note_loss_part(work->conversation, EYE_LOST_UNMATCHED, 1);
    }
}

/* A block of answers is complete: of interim ones nothing is told. */
static __always_inline struct eye_http2_ended eye_http2_answer(const struct eye_http2_work *work)
{
    struct eye_http2_ended nothing = {NULL, 0, 0};
    const struct eye_http2_block *block = &work->half->block;
    struct eye_http2_request *request = eye_http2_find(work, block->stream);
    bool ends = block->flags & EYE_HTTP2_BLOCK_ENDS;
    if (!request) {
        eye_http2_note_alone(work);
        return nothing;
    }
    bool trailers = request->answered_ns != 0 && !(block->seen & 1 << EYE_HPACK_STATUS);
    if (!trailers) {
        __u32 status = eye_http2_value(block->method);
        if (status >= 100 && status < 200 && !ends) {
            return nothing;
        }
        request->head.code = (__u16)(status < EYE_HTTP2_NO_NUMBER ? status : 0);
        request->answered_ns = block->began_ns;
        eye_http2_doubt_call(block, request, status);
    }
    eye_http2_note_call(work, request, trailers);
    return ends ? eye_http2_close(work, request, block->stream, block->began_ns) : nothing;
}

/* ---- What the frames tell ---- */

/* Its header table, and the block in it, cannot be trusted: what they still hold is of before. */
static __always_inline void eye_http2_lose(struct eye_http2_half *half)
{
    half->block.flags = 0;
    eye_hpack_reset(&half->table);
}

/* Bytes of the direction of @side were missed: what they inserted, and of answers whom they
 * answered. NULL: there is nothing that knows it yet. */
static __always_inline void eye_http2_miss(const struct eye_conversation *conversation,
                                           struct eye_http2_half *half,
                                           struct eye_http2_requests *requests, __u32 side)
{
    if (half) {
        eye_http2_lose(half);
    }
    if (requests && !eye_carries_requests(conversation, side)) {
        requests->doubted = requests->newest;
    }
}

/* Whoever sends the first field that only one end has is that end. */
static __always_inline void eye_http2_note_ends(const struct eye_http2_work *work)
{
    __u16 seen = work->half->block.seen;
    bool asks = seen & (1 << EYE_HPACK_METHOD | 1 << EYE_HPACK_PATH);
    bool answers = seen & 1 << EYE_HPACK_STATUS;
    if (work->conversation->client == EYE_CLIENT_UNKNOWN && asks != answers) {
        eye_know(work->conversation, work->side, asks);
    }
}

/* A block is complete. */
static __always_inline struct eye_http2_ended eye_http2_end_block(const struct eye_http2_work *work)
{
    struct eye_http2_ended nothing = {NULL, 0, 0};
    struct eye_http2_block *block = &work->half->block;
    block->flags &= ~EYE_HTTP2_BLOCK_OPEN;
    if (block->flags & EYE_HTTP2_BLOCK_PUSHED) {
        return nothing;
    }
    eye_http2_note_ends(work);
    if (work->conversation->client == EYE_CLIENT_UNKNOWN) {
        return nothing;
    }
    eye_confirm(work->conversation);
    if (!eye_carries_requests(work->conversation, work->side)) {
        return eye_http2_answer(work);
    }
    /* The numbers of requests rise: a second block is the trailers of one, answered or not. */
    if (block->stream > work->requests->newest) {
        work->requests->newest = block->stream;
        if (!eye_http2_open(work)) {
            eye_note_loss_part(work->conversation, EYE_LOST_PIPELINE, 1);
        }
    }
    return nothing;
}

/* The code of a reset, plus 1; those that have no room there are of nobody's. */
EYE_PART int eye_http2_reset_of(const struct eye_half *half)
{
    if (!half) {
        return 0;
    }
    __u32 code = eye_http2_number(half->window + EYE_HTTP2_HEAD_BYTES);
    return code < 0xff ? (int)code + 1 : 0xff;
}

/* A frame that is no part of a header block. */
static __always_inline struct eye_http2_ended eye_http2_take_frame(
    const struct eye_http2_work *work, const struct eye_http2_frame *frame)
{
    struct eye_http2_ended nothing = {NULL, 0, 0};
    const struct eye_half *half = eye_half_of(work->conversation, work->side);
    struct eye_http2_request *request = eye_http2_find(work, frame->stream);
    if (!request) {
        return nothing;
    }
    if (frame->type == EYE_HTTP2_RST_STREAM) {
        /* Unless the answer may have come before, unseen: complete streams are reset, too. */
        request->body.error =
            (__u8)(eye_http2_reset_of(half) * (request->stream > work->requests->doubted));
        return eye_http2_close(work, request, frame->stream, half->first_ns);
    }
    return eye_carries_requests(work->conversation, work->side)
               ? nothing
               : eye_http2_close(work, request, frame->stream, half->first_ns);
}

/* Takes what of a block is in the window: @at is where it begins. */
static __always_inline struct eye_http2_ended eye_http2_take_piece(
    const struct eye_http2_work *work, const struct eye_http2_frame *frame, __u32 at)
{
    struct eye_http2_ended nothing = {NULL, 0, 0};
    const struct eye_half *half = eye_half_of(work->conversation, work->side);
    struct eye_http2_block *block = &work->half->block;
    if (frame->type == EYE_HTTP2_HEADERS || frame->type == EYE_HTTP2_PUSH_PROMISE) {
        eye_http2_begin_block(work->half, frame, half->first_ns);
    }
    if (frame->flags & EYE_HTTP2_END_HEADERS) {
        block->flags |= EYE_HTTP2_BLOCK_LAST;
    }
    if (!(block->flags & EYE_HTTP2_BLOCK_OPEN)) {
        eye_http2_lose(work->half); /* its beginning was missed */
        return nothing;
    }
    if (!eye_http2_walk(work->half, half, at, eye_http2_marked_bytes(half))) {
        eye_note_loss_part(work->conversation, EYE_LOST_MALFORMED, 1);
        eye_http2_lose(work->half);
        return nothing;
    }
    return half->phase != EYE_HTTP2_IN_BLOCK && block->flags & EYE_HTTP2_BLOCK_LAST
               ? eye_http2_end_block(work)
               : nothing;
}

/* What the mark of a direction stands for. */
static __always_inline void eye_http2_read_mark(const struct eye_half *half,
                                                struct eye_http2_frame *ret_frame)
{
    if (half->mark == EYE_HTTP2_FRAME) {
        eye_http2_read_head(half->window, ret_frame);
    } else {
        __builtin_memset(ret_frame, 0, sizeof(*ret_frame));
        ret_frame->type = EYE_HTTP2_CONTINUATION;
    }
}

/* Such a frame changes what is known of requests. */
static __always_inline bool eye_http2_matters(const struct eye_http2_frame *frame)
{
    return eye_http2_has_block(frame) || frame->type == EYE_HTTP2_RST_STREAM ||
           (frame->type == EYE_HTTP2_DATA && frame->flags & EYE_HTTP2_END_STREAM);
}

/* Takes the mark that the parser left in the direction. */
static __always_inline struct eye_http2_ended eye_http2_take_mark(
    const struct eye_http2_work *work, const struct eye_http2_frame *frame)
{
    const struct eye_half *half = eye_half_of(work->conversation, work->side);
    __u32 head = half->mark == EYE_HTTP2_FRAME ? EYE_HTTP2_HEAD_BYTES + eye_http2_prefix(frame) : 0;
    return eye_http2_has_block(frame) ? eye_http2_take_piece(work, frame, head)
                                      : eye_http2_take_frame(work, frame);
}

/* Makes the record of a request that has ended. */
static __always_inline void eye_http2_fill_head(const struct eye_conversation *conversation,
                                                const struct eye_http2_ended *ended)
{
    struct eye_request_head *head = &ended->request->head;
    eye_set_duration(head, (__s64)ended->duration_ns);
    head->owner = conversation->owner;
    head->port = conversation->port;
    head->body_bytes = EYE_HTTP2_BODY_FIXED + ended->request->body.path_length;
    head->protocol = EYE_PROTOCOL_HTTP2;
    head->flags = conversation->client == EYE_CLIENT_THIS_END ? EYE_REQUEST_CLIENT : 0;
}
