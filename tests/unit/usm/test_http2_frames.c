/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 on the host, by frames that are made here: those that real peers send rarely, or never.
 * Each conversation says the same in pieces of any size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/http2_host.h"
#include "tests/support/random.h"

enum direction { CLIENT, SERVER };

/* ---- Header blocks ---- */

#define BLOCK_BYTES 40000

struct block {
    __u8 bytes[BLOCK_BYTES];
    size_t size;
};

/* Of the static table. */
enum { METHOD_GET = 2, PATH = 4, STATUS_200 = 8, STATUS_204, STATUS = 8, CONTENT_TYPE = 31 };

/* A literal's first byte; the index of its name follows in 6 bits, or in 4. */
enum how { INSERTED = 0x40, LITERAL = 0, NEVER = 0x10 };

static void put_byte(struct block *block, unsigned int byte)
{
    assert_true(block->size < sizeof(block->bytes));
    block->bytes[block->size++] = (__u8)byte;
}

/* RFC 7541, section 5.1 */
static void put_integer(struct block *block, unsigned int first, unsigned int bits, size_t number)
{
    unsigned int mask = (1U << bits) - 1;
    if (number < mask) {
        put_byte(block, first | (unsigned int)number);
        return;
    }
    put_byte(block, first | mask);
    for (number -= mask; number >= 0x80; number >>= 7) {
        put_byte(block, 0x80 | (number & 0x7f));
    }
    put_byte(block, (unsigned int)number);
}

static void put_bytes(struct block *block, unsigned int code, const void *bytes, size_t size)
{
    put_integer(block, code, 7, size);
    for (size_t i = 0; i < size; i++) {
        put_byte(block, ((const __u8 *)bytes)[i]);
    }
}

static void put_string(struct block *block, const char *text)
{
    put_bytes(block, 0, text, strlen(text));
}

static void indexed(struct block *block, size_t index)
{
    put_integer(block, 0x80, 7, index);
}

/* A field whose name is that of an index. */
static void field(struct block *block, enum how how, size_t index, const char *value)
{
    put_integer(block, how, how == INSERTED ? 6 : 4, index);
    put_string(block, value);
}

static void named_field(struct block *block, enum how how, const char *name, const char *value)
{
    put_byte(block, how);
    put_string(block, name);
    put_string(block, value);
}

/* ---- Frames ---- */

#define TALK_BYTES 400000
#define PARTS_MAX 2048

/* What both ends said, in turns. */
struct talk {
    size_t size;
    size_t count;
    struct {
        enum direction from;
        size_t at;
        size_t size;
    } parts[PARTS_MAX];
    __u8 bytes[TALK_BYTES];
};

/* @merged: as one segment with what the same end said before. */
static void say(struct talk *talk, enum direction from, const void *bytes, size_t size, bool merged)
{
    assert_true(size <= sizeof(talk->bytes) - talk->size);
    if (size > 0) {
        memcpy(talk->bytes + talk->size, bytes, size);
    }
    if (!merged || talk->count == 0 || talk->parts[talk->count - 1].from != from) {
        assert_true(talk->count < PARTS_MAX);
        talk->parts[talk->count].from = from;
        talk->parts[talk->count].at = talk->size;
        talk->parts[talk->count].size = 0;
        talk->count++;
    }
    talk->parts[talk->count - 1].size += size;
    talk->size += size;
}

static void say_head(struct talk *talk, enum direction from, size_t length, unsigned int type,
                     unsigned int flags, __u32 stream)
{
    const __u8 head[EYE_HTTP2_HEAD_BYTES] = {
        (__u8)(length >> 16), (__u8)(length >> 8),  (__u8)length,        (__u8)type,  (__u8)flags,
        (__u8)(stream >> 24), (__u8)(stream >> 16), (__u8)(stream >> 8), (__u8)stream};
    say(talk, from, head, sizeof(head), true);
}

static void frame(struct talk *talk, enum direction from, unsigned int type, unsigned int flags,
                  __u32 stream, const void *payload, size_t size)
{
    say_head(talk, from, size, type, flags, stream);
    say(talk, from, payload, size, true);
}

static void headers(struct talk *talk, enum direction from, unsigned int flags, __u32 stream,
                    const struct block *block)
{
    frame(talk, from, EYE_HTTP2_HEADERS, EYE_HTTP2_END_HEADERS | flags, stream, block->bytes,
          block->size);
}

static void reset(struct talk *talk, enum direction from, __u32 stream, __u32 code)
{
    const __u8 bytes[4] = {(__u8)(code >> 24), (__u8)(code >> 16), (__u8)(code >> 8), (__u8)code};
    frame(talk, from, EYE_HTTP2_RST_STREAM, 0, stream, bytes, sizeof(bytes));
}

/* One that has just begun: owned by the caller. */
static struct talk *new_talk(void)
{
    struct talk *talk = calloc(1, sizeof(*talk));
    assert_non_null(talk);
    say(talk, CLIENT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", EYE_HTTP2_PREFACE_BYTES, true);
    frame(talk, CLIENT, EYE_HTTP2_SETTINGS, 0, 0, NULL, 0);
    frame(talk, SERVER, EYE_HTTP2_SETTINGS, 0, 0, NULL, 0);
    return talk;
}

static void ask(struct talk *talk, __u32 stream, const char *path)
{
    struct block block = {.size = 0};
    indexed(&block, METHOD_GET);
    field(&block, LITERAL, PATH, path);
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &block);
}

static void answer(struct talk *talk, __u32 stream)
{
    struct block block = {.size = 0};
    indexed(&block, STATUS_200);
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &block);
}

/* ---- What is made of them ---- */

#define GET(stream, path, code)                                                                    \
    {                                                                                              \
        stream, "GET", path, code, HTTP2_NOT_GRPC, 0                                               \
    }

static void play(struct http2_host *host, const struct talk *talk, size_t piece)
{
    for (size_t i = 0; i < talk->count; i++) {
        host->clock_ns++;
        http2_host_send_pieces(host, talk->parts[i].from, talk->bytes + talk->parts[i].at,
                               talk->parts[i].size, piece);
    }
}

static void assert_told(const struct http2_host *host, const struct http2_told *told, size_t count)
{
    char text[HTTP2_DESCRIPTION_BYTES];
    assert_int_equal(host->verdict, EYE_VERDICT_GO_ON);
    for (size_t i = 0; i < host->record_count && i < count; i++) {
        if (!http2_is_told(&host->records[i], &told[i], false)) {
            fail_msg("%zu. cannot be: %s", i, http2_describe(&host->records[i], text));
        }
    }
    assert_int_equal(host->record_count, count);
}

static __u64 losses_of(const struct http2_host *host)
{
    __u64 losses = 0;
    for (size_t i = 0; i < EYE_LOST_COUNT; i++) {
        losses += host->losses[i];
    }
    return losses;
}

static const size_t pieces[] = {SIZE_MAX, 1, 7, 9, 100, 255, 256, 257, 1460};

/* Tells @told, in that order, and that @malformed times something was; takes the talk. */
static void assert_says(struct talk *talk, const struct http2_told *told, size_t count,
                        __u64 malformed)
{
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(pieces); i++) {
        http2_host_reset(host);
        play(host, talk, pieces[i]);
        assert_told(host, told, count);
        assert_int_equal(host->losses[EYE_LOST_MALFORMED], malformed);
        assert_int_equal(losses_of(host), malformed);
    }
    free(host);
    free(talk);
}

/* ---- Frames ---- */

/* @size bytes with @pad behind them, as a frame with padding has them, and with a priority. */
static void padded(struct talk *talk, enum direction from, unsigned int flags, __u32 stream,
                   const struct block *block, size_t pad, bool priority)
{
    static const __u8 zeros[256];
    size_t before = priority ? 5 : 0;
    const __u8 pad_length = (__u8)pad;
    say_head(talk, from, 1 + before + block->size + pad, EYE_HTTP2_HEADERS,
             flags | EYE_HTTP2_END_HEADERS | EYE_HTTP2_PADDED |
                 (priority ? EYE_HTTP2_PRIORITISED : 0),
             stream);
    say(talk, from, &pad_length, 1, true);
    say(talk, from, zeros, before, true);
    say(talk, from, block->bytes, block->size, true);
    say(talk, from, zeros, pad, true);
}

static void headers__are_padded_and_prioritised(void **state)
{
    (void)state;
    static const size_t pads[] = {0, 1, 8, 9, 100, 255};
    struct http2_told told[2 * EYE_ARRAY_LENGTH(pads)];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        __u32 stream = 2 * (__u32)i + 1;
        struct block question = {.size = 0};
        struct block status = {.size = 0};
        indexed(&question, METHOD_GET);
        field(&question, LITERAL, PATH, "/padded");
        indexed(&status, STATUS_204);
        padded(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &question, pads[i / 2], i % 2 == 0);
        padded(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &status, pads[i / 2], i % 2 == 1);
        told[i] = (struct http2_told)GET(stream, "/padded", 204);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

static void data__ends_streams_however_long_and_padded(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 200), GET(3, "/b", 200),
                                             GET(5, "/c", 200)};
    static const __u8 zeros[70000] = {200};
    struct block block = {.size = 0};
    struct talk *talk = new_talk();
    indexed(&block, STATUS_200);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        ask(talk, told[i].stream, told[i].path);
        headers(talk, SERVER, 0, told[i].stream, &block);
    }
    frame(talk, SERVER, EYE_HTTP2_DATA, 0, 1, zeros, sizeof(zeros));
    frame(talk, SERVER, EYE_HTTP2_DATA, EYE_HTTP2_END_STREAM, 1, NULL, 0);
    frame(talk, SERVER, EYE_HTTP2_DATA, EYE_HTTP2_END_STREAM | EYE_HTTP2_PADDED, 3, zeros, 201);
    frame(talk, SERVER, EYE_HTTP2_DATA, EYE_HTTP2_END_STREAM, 5, zeros, sizeof(zeros));
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* Frames of types that nobody knows, and those that say nothing of requests. */
static void frames__of_other_kinds_are_passed_over(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 200), GET(3, "/b", 200)};
    static const __u8 zeros[40000];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        ask(talk, told[i].stream, told[i].path);
        for (unsigned int from = CLIENT; from <= SERVER; from++) {
            frame(talk, from, 10, 0xff, 0, "h2=\":80\"", 8); /* ALTSVC */
            frame(talk, from, 0xff, 0xff, 0xffffffff, zeros, 0);
            frame(talk, from, 0x2a, 0, 7, zeros, sizeof(zeros));
            frame(talk, from, EYE_HTTP2_PRIORITY, 0, 9, zeros, 5);
            frame(talk, from, EYE_HTTP2_PING, EYE_HTTP2_ACK, 0, zeros, 8);
            frame(talk, from, EYE_HTTP2_WINDOW_UPDATE, 0, 1, zeros, 4);
            frame(talk, from, EYE_HTTP2_SETTINGS, 0, 0, zeros, 600);
            frame(talk, from, EYE_HTTP2_GOAWAY, 0, 0, zeros, 8 + 300);
        }
        answer(talk, told[i].stream);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* Its table is the server's, and changes; it is no answer, nor is what is pushed. */
static void pushes__change_the_table_and_tell_nothing(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 418), GET(3, "/b", 418)};
    struct talk *talk = new_talk();
    struct block status = {.size = 0};
    struct block promise = {.bytes = {0, 0, 0, 2}, .size = 4};
    struct block again = {.size = 0};
    struct block pushed = {.size = 0};
    field(&status, INSERTED, STATUS, "418");
    indexed(&promise, METHOD_GET);
    field(&promise, INSERTED, PATH, "/pushed");
    named_field(&promise, INSERTED, "x", "y");
    indexed(&again, EYE_HPACK_STATIC + 3);
    indexed(&pushed, STATUS_200);
    ask(talk, 1, "/a");
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, 1, &status);
    ask(talk, 3, "/b");
    frame(talk, SERVER, EYE_HTTP2_PUSH_PROMISE, EYE_HTTP2_END_HEADERS, 3, promise.bytes,
          promise.size);
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, 3, &again);
    headers(talk, SERVER, 0, 2, &pushed);
    frame(talk, SERVER, EYE_HTTP2_DATA, EYE_HTTP2_END_STREAM, 2, "abc", 3);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* What a server promises are a client's fields: they do not make it one. */
static void pushes__do_not_tell_the_ends_apart(void **state)
{
    (void)state;
    static const struct http2_told told = GET(3, "/a", 200);
    struct http2_host *host = http2_host_new();
    struct talk *talk = calloc(1, sizeof(*talk));
    struct block promise = {.bytes = {0, 0, 0, 2}, .size = 4};
    assert_non_null(talk);
    host->joins = true;
    indexed(&promise, METHOD_GET);
    field(&promise, LITERAL, PATH, "/pushed");
    frame(talk, SERVER, EYE_HTTP2_PUSH_PROMISE, EYE_HTTP2_END_HEADERS, 1, promise.bytes,
          promise.size);
    ask(talk, 3, "/a");
    answer(talk, 3);
    play(host, talk, SIZE_MAX);
    assert_told(host, &told, 1);
    free(talk);
    free(host);
}

static void answers__that_are_interim_are_none(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 204)};
    static const char *const interim[] = {"100", "103", "199"};
    struct talk *talk = new_talk();
    struct block last = {.size = 0};
    ask(talk, 1, "/a");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(interim); i++) {
        struct block block = {.size = 0};
        field(&block, INSERTED, STATUS, interim[i]);
        headers(talk, SERVER, 0, 1, &block);
    }
    indexed(&last, STATUS_204);
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, 1, &last);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

static void answers__that_are_interim_are_none_when_none_follows(void **state)
{
    (void)state;
    static const struct http2_told told[] = {{1, "GET", "/a", 0, HTTP2_NOT_GRPC, 9}};
    struct talk *talk = new_talk();
    struct block block = {.size = 0};
    field(&block, LITERAL, STATUS, "103");
    ask(talk, 1, "/a");
    headers(talk, SERVER, 0, 1, &block);
    reset(talk, CLIENT, 1, 8);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* The stream may end in the request's trailers, also behind its answer, and the answer in its own.
 */
static void trailers__are_no_messages(void **state)
{
    (void)state;
    struct http2_told told[400]; /* more than have room: nothing of them stays behind */
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        __u32 stream = 2 * (__u32)i + 1;
        struct block block = {.size = 0};
        struct block trailers = {.size = 0};
        indexed(&block, METHOD_GET);
        field(&block, LITERAL, PATH, "/a");
        headers(talk, CLIENT, 0, stream, &block);
        frame(talk, CLIENT, EYE_HTTP2_DATA, 0, stream, "abc", 3);
        named_field(&trailers, INSERTED, "x-sum", "1");
        if (i % 2 == 0) {
            headers(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &trailers);
        }
        block.size = 0;
        indexed(&block, STATUS_200);
        headers(talk, SERVER, 0, stream, &block);
        headers(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &trailers);
        if (i % 2 == 1) {
            headers(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &trailers);
        }
        told[i] = (struct http2_told)GET(stream, "/a", 200);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

static void call(struct talk *talk, __u32 stream, const char *type)
{
    struct block block = {.size = 0};
    indexed(&block, METHOD_GET + 1);
    field(&block, INSERTED, PATH, "/a.B/C");
    field(&block, INSERTED, CONTENT_TYPE, type);
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &block);
}

static void answer_as(struct talk *talk, __u32 stream, const char *type)
{
    struct block block = {.size = 0};
    indexed(&block, STATUS_200);
    field(&block, LITERAL, CONTENT_TYPE, type);
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &block);
}

#define CALL(stream, status)                                                                       \
    {                                                                                              \
        stream, "POST", "/a.B/C", 200, status, 0                                                   \
    }

/* Whatever says gRPC's status says it right, or that it is none. */
static void calls__end_in_one_block_with_any_status(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } table[] = {{"0", 0},      {"5", 5},     {"16", 16},  {"17", 17},     {"255", 255},
                 {"256", 255},  {"999", 255}, {"", 255},   {"abc", 255},   {"1a", 255},
                 {"1000", 255}, {"-1", 255},  {" 0", 255}, {"00000", 255}, {"12345678", 255}};
    struct http2_told told[EYE_ARRAY_LENGTH(table)];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        __u32 stream = 2 * (__u32)i + 1;
        struct block block = {.size = 0};
        call(talk, stream, i % 2 == 0 ? "application/grpc" : "application/grpc+proto");
        indexed(&block, STATUS_200);
        field(&block, INSERTED, CONTENT_TYPE, "application/grpc");
        named_field(&block, INSERTED, "grpc-status", table[i].text);
        headers(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &block);
        told[i] = (struct http2_told)CALL(stream, table[i].status);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* In Huffman's code: "0", "5", "12", "14" as encoders write them, "a", "1a", and a zero byte. */
static void calls__have_their_status_in_huffmans_code(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int status;
    } table[] = {{"\x07", 1, 0},          {"\x6f", 1, 5},   {"\x08\xbf", 2, 12},
                 {"\x0b\x5f", 2, 14},     {"\x1f", 1, 255}, {"\x08\xff", 2, 255},
                 {"\x6c\x0c\xff", 3, 255}};
    struct http2_told told[EYE_ARRAY_LENGTH(table)];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        __u32 stream = 2 * (__u32)i + 1;
        struct block block = {.size = 0};
        call(talk, stream, "application/grpc");
        indexed(&block, STATUS_200);
        put_byte(&block, INSERTED);
        put_string(&block, "grpc-status");
        put_bytes(&block, 0x80, table[i].bytes, table[i].size);
        headers(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &block);
        told[i] = (struct http2_told)CALL(stream, table[i].status);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* gRPC-Web is requests of HTTP: its status is in the body. */
static void types__of_grpc_only_make_calls(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int status;
    } table[] = {
        {"application/grpc", HTTP2_UNSAID},
        {"application/grpc+json", HTTP2_UNSAID},
        {"application/grpc;x=y", HTTP2_UNSAID},
        {"application/grp", HTTP2_NOT_GRPC},
        {"application/grpc-web", HTTP2_NOT_GRPC},
        {"application/grpc-web+proto", HTTP2_NOT_GRPC},
        {"application/grpc", HTTP2_UNSAID},
        {"application/json", HTTP2_NOT_GRPC},
        {"", HTTP2_NOT_GRPC},
    };
    struct http2_told told[2 * EYE_ARRAY_LENGTH(table)];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        __u32 stream = 2 * (__u32)i + 1;
        call(talk, stream, table[i / 2].type);
        answer_as(talk, stream, table[i / 2].type);
        told[i] = (struct http2_told)CALL(stream, table[i / 2].status);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* Who does not speak gRPC answers as he answers anybody, whatever he is told that it is. */
static void types__are_what_the_answer_says(void **state)
{
    (void)state;
    static const struct http2_told told[] = {CALL(1, HTTP2_NOT_GRPC), CALL(3, HTTP2_NOT_GRPC),
                                             CALL(5, HTTP2_UNSAID)};
    struct talk *talk = new_talk();
    for (__u32 stream = 1; stream <= 5; stream += 2) {
        call(talk, stream, "application/grpc");
    }
    answer(talk, 1);
    answer_as(talk, 3, "text/html");
    answer_as(talk, 5, "application/grpc+proto");
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* The name of gRPC's type is an entry's, with another value. */
static void types__of_others_by_the_entry_of_a_call(void **state)
{
    (void)state;
    static const struct http2_told told[] = {CALL(1, HTTP2_UNSAID), GET(3, "/a", 200)};
    struct talk *talk = new_talk();
    struct block block = {.size = 0};
    call(talk, 1, "application/grpc");
    answer_as(talk, 1, "application/grpc");
    indexed(&block, METHOD_GET);
    field(&block, LITERAL, PATH, "/a");
    field(&block, LITERAL, EYE_HPACK_STATIC + 1, "text/plain");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 3, &block);
    answer(talk, 3);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* A request takes until its answer begins, a call until that ends; turns are a second each. */
static void durations__are_of_what_is_waited_for(void **state)
{
    (void)state;
    struct http2_host *host = http2_host_new();
    struct talk *talk = new_talk();
    struct block block = {.size = 0};
    ask(talk, 1, "/a");
    call(talk, 3, "application/grpc");
    indexed(&block, STATUS_200);
    headers(talk, SERVER, 0, 1, &block);
    field(&block, LITERAL, CONTENT_TYPE, "application/grpc");
    headers(talk, SERVER, 0, 3, &block);
    frame(talk, CLIENT, EYE_HTTP2_PING, 0, 0, "12345678", 8);
    frame(talk, SERVER, EYE_HTTP2_DATA, EYE_HTTP2_END_STREAM, 1, NULL, 0);
    frame(talk, SERVER, EYE_HTTP2_DATA, EYE_HTTP2_END_STREAM, 3, NULL, 0);
    play(host, talk, 1);
    assert_int_equal(host->record_count, 2);
    assert_int_equal(host->records[0].head.duration_ns, 1);
    assert_int_equal(host->records[1].head.duration_ns, 3);
    free(talk);
    free(host);
}

static void resets__say_why(void **state)
{
    (void)state;
    static const struct {
        enum direction from;
        __u32 code;
        unsigned int error;
    } table[] = {{CLIENT, 8, 9},           {SERVER, 2, 3},
                 {SERVER, 0, 1},           {CLIENT, 253, 254},
                 {SERVER, 254, 255},       {CLIENT, 255, 255},
                 {CLIENT, 0x108, 255},     {SERVER, 0x80000007, 255},
                 {SERVER, 0xffffffff, 255}};
    struct http2_told told[EYE_ARRAY_LENGTH(table)];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        told[i] = (struct http2_told)GET(2 * (__u32)i + 1, "/reset", 0);
        told[i].error = table[i].error;
        ask(talk, told[i].stream, "/reset");
        reset(talk, table[i].from, told[i].stream, table[i].code);
        reset(talk, table[i].from, told[i].stream, 5);
        answer(talk, told[i].stream); /* both crossed */
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* Behind an answer that has begun a reset is told with it. */
static void resets__of_answers(void **state)
{
    (void)state;
    static const struct http2_told told[] = {{1, "GET", "/a", 200, HTTP2_NOT_GRPC, 3}};
    struct talk *talk = new_talk();
    struct block block = {.size = 0};
    indexed(&block, STATUS_200);
    ask(talk, 1, "/a");
    headers(talk, SERVER, 0, 1, &block);
    frame(talk, SERVER, EYE_HTTP2_DATA, 0, 1, "abc", 3);
    reset(talk, SERVER, 1, 2);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* ---- Blocks in pieces ---- */

static void blocks__are_continued_at_any_place(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/in/pieces", 200)};
    struct block block = {.size = 0};
    indexed(&block, METHOD_GET);
    named_field(&block, INSERTED, "x-some", "thing that is of no interest");
    field(&block, INSERTED, PATH, "/in/pieces");
    for (size_t cut = 0; cut <= block.size; cut++) {
        size_t second = cut + (block.size - cut) / 2;
        struct talk *talk = new_talk();
        frame(talk, CLIENT, EYE_HTTP2_HEADERS, EYE_HTTP2_END_STREAM, 1, block.bytes, cut);
        frame(talk, CLIENT, EYE_HTTP2_CONTINUATION, 0, 1, block.bytes + cut, second - cut);
        frame(talk, CLIENT, EYE_HTTP2_CONTINUATION, EYE_HTTP2_PADDED, 1, NULL,
              0); /* means nothing */
        frame(talk, CLIENT, EYE_HTTP2_CONTINUATION, EYE_HTTP2_END_HEADERS, 1, block.bytes + second,
              block.size - second);
        answer(talk, 1);
        assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
    }
}

/* Of a block of which a part was missed nothing is told; what it inserted is unknown. */
static void blocks__of_which_a_part_is_missed(void **state)
{
    (void)state;
    static const struct http2_told told = {3, "GET", HTTP2_UNKNOWN, 200, HTTP2_NOT_GRPC, 0};
    struct block block = {.size = 0};
    indexed(&block, METHOD_GET);
    field(&block, INSERTED, PATH, "/some/path");
    field(&block, INSERTED, PATH, "/other/path");
    for (size_t cut = 3; cut + 3 < block.size; cut++) {
        struct http2_host *host = http2_host_new();
        struct talk *talk = new_talk();
        struct block again = {.size = 0};
        frame(talk, CLIENT, EYE_HTTP2_HEADERS, EYE_HTTP2_END_STREAM, 1, block.bytes, cut - 2);
        play(host, talk, SIZE_MAX);
        free(talk);
        http2_host_miss(host, CLIENT, EYE_HTTP2_HEAD_BYTES + 2);
        talk = calloc(1, sizeof(*talk));
        assert_non_null(talk);
        frame(talk, CLIENT, EYE_HTTP2_CONTINUATION, 0, 1, block.bytes + cut, 2);
        frame(talk, CLIENT, EYE_HTTP2_CONTINUATION, EYE_HTTP2_END_HEADERS, 1, block.bytes + cut + 2,
              block.size - cut - 2);
        answer(talk, 1);
        indexed(&again, METHOD_GET);
        indexed(&again, EYE_HPACK_STATIC + 1);
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 3, &again);
        answer(talk, 3);
        play(host, talk, SIZE_MAX);
        assert_told(host, &told, 1);
        assert_int_equal(host->losses[EYE_LOST_MALFORMED], 0);
        free(talk);
        free(host);
    }
}

static void blocks__are_longer_than_frames_usually_are(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/long", 200)};
    static char value[30000];
    struct block block = {.size = 0};
    struct talk *talk = new_talk();
    memset(value, 'v', sizeof(value) - 1);
    indexed(&block, METHOD_GET);
    named_field(&block, INSERTED, "cookie", value);
    field(&block, LITERAL, PATH, "/long");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 1, &block);
    answer(talk, 1);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

static void tables__change_their_size(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 200)};
    struct block block = {.size = 0};
    struct talk *talk = new_talk();
    put_integer(&block, 0x20, 5, 0);
    put_integer(&block, 0x20, 5, 30);
    put_integer(&block, 0x20, 5, 4096);
    indexed(&block, METHOD_GET);
    field(&block, LITERAL, PATH, "/a");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 1, &block);
    answer(talk, 1);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* ---- Fields ---- */

/* Of ours, spelled out, in both codes. */
static const struct {
    const char *name;
    const char *huffman;
} names[] = {
    {":method", "\xb9\x49\x53\x39\xe4"},
    {":path", "\xb9\x58\xd3\x3f"},
    {":status", "\xb8\x84\x8d\x36\xa3"},
    {"content-type", "\x21\xea\x49\x6a\x4a\xc9\xf5\x59\x7f"},
    {"grpc-status", "\x9a\xca\xc8\xb2\x12\x34\xda\x8f"},
    {"grpc-message", "\x9a\xca\xc8\xb5\x25\x42\x07\x31\x7f"},
};

static void spelled(struct block *block, enum how how, size_t name, bool huffman, const char *value)
{
    put_byte(block, how);
    if (huffman) {
        put_bytes(block, 0x80, names[name].huffman, strlen(names[name].huffman));
    } else {
        put_string(block, names[name].name);
    }
    put_string(block, value);
}

static void names__are_spelled_out(void **state)
{
    (void)state;
    static const enum how all[] = {LITERAL, NEVER, INSERTED};
    struct http2_told told[2 * EYE_ARRAY_LENGTH(all)];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        struct block question = {.size = 0};
        struct block status = {.size = 0};
        enum how how = all[i / 2];
        bool huffman = i % 2 == 1;
        __u32 stream = 2 * (__u32)i + 1;
        spelled(&question, how, 0, huffman, "PUT");
        spelled(&question, how, 1, huffman, "/x.Y/Z");
        spelled(&question, how, 3, huffman, "application/grpc");
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &question);
        spelled(&status, how, 2, huffman, "201");
        spelled(&status, how, 4, huffman, "14");
        spelled(&status, how, 5, huffman, "gone");
        headers(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &status);
        told[i] = (struct http2_told){stream, "PUT", "/x.Y/Z", 201, 14, 0};
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* Names that begin like ours, are as long, or longer than what is kept. */
static void names__of_others_are_none_of_ours(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 200)};
    static const char *const others[] = {
        "",
        ":pat",
        ":patH",
        ":path2",
        ":methods",
        ":metho",
        "grpc-",
        "grpc-statusx",
        "content-typf",
        "content-type-",
        "0123456789abcdef",
        "0123456789abcdefg",
        ":path\0",
        ":path:path:path:path:path:path:path:path:path:path",
    };
    struct block block = {.size = 0};
    struct talk *talk = new_talk();
    indexed(&block, METHOD_GET);
    field(&block, LITERAL, PATH, "/a");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        if (strcmp(others[i], ":path") != 0) {
            named_field(&block, i % 2 == 0 ? INSERTED : LITERAL, others[i], "/wrong");
        }
    }
    put_byte(&block, LITERAL);
    put_bytes(&block, 0, ":path\0", 6);
    put_string(&block, "/wrong");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 1, &block);
    answer(talk, 1);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* The newest paths are kept, however many other fields were inserted between them. */
static void paths__are_kept_by_their_own_order(void **state)
{
    (void)state;
    struct http2_told told[2 * EYE_HPACK_PATHS];
    char paths[EYE_HPACK_PATHS][8];
    struct talk *talk = new_talk();
    for (__u32 i = 0; i < EYE_HPACK_PATHS; i++) {
        struct block block = {.size = 0};
        snprintf(paths[i], sizeof(paths[i]), "/%u", i);
        indexed(&block, METHOD_GET);
        for (__u32 k = 0; k < 3; k++) {
            named_field(&block, INSERTED, "x-other", "1");
        }
        field(&block, INSERTED, PATH, paths[i]);
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 2 * i + 1, &block);
        answer(talk, 2 * i + 1);
        told[i] = (struct http2_told)GET(2 * i + 1, paths[i], 200);
    }
    for (__u32 i = 0; i < EYE_HPACK_PATHS; i++) {
        struct block block = {.size = 0};
        __u32 stream = 2 * (EYE_HPACK_PATHS + i) + 1;
        indexed(&block, METHOD_GET);
        indexed(&block, EYE_HPACK_STATIC + 1 + 4 * (EYE_HPACK_PATHS - 1 - i));
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &block);
        answer(talk, stream);
        told[EYE_HPACK_PATHS + i] = (struct http2_told)GET(stream, paths[i], 200);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* A server that says what clients say is a server all the same. */
static void preface__of_a_server_is_none(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 200), GET(3, "/b", 200)};
    struct talk *talk = new_talk();
    ask(talk, 1, "/a");
    answer(talk, 1);
    say(talk, SERVER, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", EYE_HTTP2_PREFACE_BYTES, true);
    ask(talk, 3, "/b");
    answer(talk, 3);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 1);
}

/* What is longer than is kept is cut and says so, also when it comes from the table. */
static void paths__are_cut(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 127, 128, 129, 255, 256, 257, 1000};
    static char value[1001];
    memset(value, 'p', sizeof(value) - 1);
    value[0] = '/';
    for (size_t i = 0; i < 2 * EYE_ARRAY_LENGTH(lengths) * EYE_ARRAY_LENGTH(pieces); i++) {
        size_t length = lengths[i / 2 % EYE_ARRAY_LENGTH(lengths)];
        struct http2_host *host = http2_host_new();
        struct talk *talk = new_talk();
        struct block block = {.size = 0};
        char *path = strndup(value, length);
        assert_non_null(path);
        indexed(&block, METHOD_GET);
        field(&block, i % 2 == 0 ? LITERAL : INSERTED, PATH, path);
        if (i % 2 == 1) {
            ask(talk, 1, "/before"); /* what was read last is another one */
            answer(talk, 1);
            headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 3, &block);
            ask(talk, 5, "/between");
            block.size = 0;
            indexed(&block, METHOD_GET);
            indexed(&block, EYE_HPACK_STATIC + 1);
        }
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 7, &block);
        answer(talk, 7);
        play(host, talk, pieces[i / 2 / EYE_ARRAY_LENGTH(lengths)]);
        const struct eye_http2_body *body = &host->records[host->record_count - 1].body;
        size_t kept = length < EYE_HTTP2_PATH_BYTES ? length : EYE_HTTP2_PATH_BYTES;
        assert_int_equal(body->path_length, kept);
        assert_memory_equal(body->path, path, kept);
        assert_int_equal((body->flags & EYE_HTTP2_CUT) != 0, length > EYE_HTTP2_PATH_BYTES);
        assert_int_equal((body->flags & EYE_HTTP2_PATH_KNOWN) != 0, length > 0);
        free(path);
        free(talk);
        free(host);
    }
}

/* Of a method that has no room there is nothing but that it is known. */
static void methods__may_be_long(void **state)
{
    (void)state;
    static const struct http2_told told[] = {
        {1, "OPTIONS", "/", 200, HTTP2_NOT_GRPC, 0},
        {3, "", "/", 200, HTTP2_NOT_GRPC, 0},
        {5, "", "/", 200, HTTP2_NOT_GRPC, 0},
        {7, "OPTIONS", "/", 200, HTTP2_NOT_GRPC, 0},
    };
    static const char *const methods[] = {"OPTIONS", "PROPFIND"};
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        struct block block = {.size = 0};
        if (i < 2) {
            field(&block, INSERTED, METHOD_GET, methods[i]);
        } else {
            indexed(&block, EYE_HPACK_STATIC + (i == 2 ? 1 : 2));
        }
        indexed(&block, PATH);
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, told[i].stream, &block);
        answer(talk, told[i].stream);
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* Each of the static table's own. */
static void values__of_the_static_table(void **state)
{
    (void)state;
    static const unsigned int codes[] = {200, 204, 206, 304, 400, 404, 500};
    struct http2_told told[4 * EYE_ARRAY_LENGTH(codes)];
    struct talk *talk = new_talk();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        __u32 stream = 2 * (__u32)i + 1;
        struct block question = {.size = 0};
        struct block status = {.size = 0};
        indexed(&question, METHOD_GET + i % 2);
        indexed(&question, PATH + i / 2 % 2);
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, stream, &question);
        indexed(&status, STATUS_200 + i / 4);
        headers(talk, SERVER, EYE_HTTP2_END_STREAM, stream, &status);
        told[i] = (struct http2_told){stream,
                                      i % 2 == 0 ? "GET" : "POST",
                                      i / 2 % 2 == 0 ? "/" : "/index.html",
                                      codes[i / 4],
                                      HTTP2_NOT_GRPC,
                                      0};
    }
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 0);
}

/* ---- The table ---- */

/* An index of any depth finds what was inserted there, or nothing, never anything else. */
static void entries__are_found_or_unknown(void **state)
{
    (void)state;
    struct http2_host *host = http2_host_new();
    for (size_t depth = 1; depth <= 2UL * EYE_HPACK_ENTRIES; depth++) {
        struct talk *talk = new_talk();
        struct block block = {.size = 0};
        char path[16];
        for (size_t i = 3UL * EYE_HPACK_ENTRIES; i > 0; i--) {
            snprintf(path, sizeof(path), "/%zu", i);
            if (i % 3 == 0) {
                field(&block, INSERTED, PATH, path);
            } else {
                field(&block, INSERTED, METHOD_GET, path);
            }
        }
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 1, &block);
        answer(talk, 1);
        block.size = 0;
        indexed(&block, EYE_HPACK_STATIC + depth);
        headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 3, &block);
        answer(talk, 3);
        http2_host_reset(host);
        play(host, talk, SIZE_MAX);
        assert_int_equal(host->record_count, 2);
        snprintf(path, sizeof(path), "/%zu", depth);
        bool is_path = depth % 3 == 0;
        const struct http2_told told = {
            3, is_path ? HTTP2_UNKNOWN : path, is_path ? path : HTTP2_UNKNOWN, 200, HTTP2_NOT_GRPC,
            0};
        bool kept = depth <= (is_path ? EYE_HPACK_PATHS : EYE_HPACK_ENTRIES);
        assert_true(http2_is_told(&host->records[1], &told, !kept));
        free(talk);
    }
    free(host);
}

/* One that is older than the counting has no name, its value no meaning; newer ones have both. */
static void entries__of_before_are_unknown(void **state)
{
    (void)state;
    static const struct http2_told told[] = {
        {5, HTTP2_UNKNOWN, HTTP2_UNKNOWN, 0, HTTP2_NOT_GRPC, 0},
        {7, "PUT", HTTP2_UNKNOWN, 200, HTTP2_NOT_GRPC, 0},
        {9, "PUT", "/new", 200, HTTP2_NOT_GRPC, 0},
    };
    struct http2_host *host = http2_host_new();
    struct talk *talk = calloc(1, sizeof(*talk));
    struct block block = {.size = 0};
    char first[2 * EYE_HTTP2_PATH_BYTES] = "";
    memset(first, 'p', sizeof(first) - 1);
    assert_non_null(talk);
    host->joins = true;
    ask(talk, 3, first); /* tells which end asks */
    answer(talk, 3);
    indexed(&block, EYE_HPACK_STATIC + 1);
    indexed(&block, EYE_HPACK_STATIC + 5);
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 5, &block);
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, 5, &block);
    block.size = 0;
    field(&block, INSERTED, METHOD_GET, "PUT");
    field(&block, INSERTED, EYE_HPACK_STATIC + 5, "/name/of/before");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 7, &block);
    answer(talk, 7);
    block.size = 0;
    indexed(&block, EYE_HPACK_STATIC + 2);
    field(&block, LITERAL, PATH, "/new");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 9, &block);
    answer(talk, 9);
    play(host, talk, SIZE_MAX);
    assert_int_equal(host->record_count, 1 + EYE_ARRAY_LENGTH(told));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(told); i++) {
        assert_true(http2_is_told(&host->records[1 + i], &told[i], false));
        assert_int_equal(host->records[1 + i].body.flags & EYE_HTTP2_CUT, 0);
    }
    assert_int_equal(losses_of(host), 0);
    free(talk);
    free(host);
}

/* Nothing says what kind of request it was, but its answer has trailers. */
static void entries__of_before_are_calls_by_their_trailers(void **state)
{
    (void)state;
    static const struct http2_told told[] = {
        GET(3, "/first", 200),
        {5, HTTP2_UNKNOWN, "/a.B/C", 0, HTTP2_UNSAID, 0},
        {7, HTTP2_UNKNOWN, "/a.B/C", 0, HTTP2_UNSAID, 9}, /* as others of the connection */
        {9, "GET", "/last", 200, HTTP2_NOT_GRPC, 0},
    };
    struct http2_host *host = http2_host_new();
    struct talk *talk = calloc(1, sizeof(*talk));
    struct block block = {.size = 0};
    assert_non_null(talk);
    host->joins = true;
    ask(talk, 3, "/first");
    answer(talk, 3);
    field(&block, LITERAL, PATH, "/a.B/C");
    indexed(&block, EYE_HPACK_STATIC + 1);
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 5, &block);
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 7, &block);
    block.size = 0;
    indexed(&block, EYE_HPACK_STATIC + 2);
    headers(talk, SERVER, 0, 5, &block);
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, 5, &block);
    reset(talk, CLIENT, 7, 8);
    ask(talk, 9, "/last");
    answer(talk, 9);
    play(host, talk, SIZE_MAX);
    assert_told(host, told, EYE_ARRAY_LENGTH(told));
    free(talk);
    free(host);
}

/* An interim answer of a status that nobody knows is followed by the one that counts: no trailers,
 * and no call. */
static void entries__of_before_are_interim_answers(void **state)
{
    (void)state;
    static const struct http2_told told = {5, HTTP2_UNKNOWN, HTTP2_UNKNOWN, 204, HTTP2_NOT_GRPC, 0};
    struct http2_host *host = http2_host_new();
    struct talk *talk = calloc(1, sizeof(*talk));
    struct block block = {.size = 0};
    assert_non_null(talk);
    host->joins = true;
    ask(talk, 3, "/first");
    answer(talk, 3);
    indexed(&block, EYE_HPACK_STATIC + 1);
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 5, &block);
    headers(talk, SERVER, 0, 5, &block);
    block.size = 0;
    indexed(&block, STATUS_204);
    headers(talk, SERVER, EYE_HTTP2_END_STREAM, 5, &block);
    play(host, talk, SIZE_MAX);
    assert_int_equal(host->record_count, 2);
    assert_true(http2_is_told(&host->records[1], &told, false));
    free(talk);
    free(host);
}

/* ---- Many requests ---- */

/* So many at once, of which so many have no place. */
static void assert_waiting(size_t count, size_t lost, bool has_more, bool has_most)
{
    struct http2_host *host = http2_host_new();
    struct talk *talk = new_talk();
    host->has_no_more = !has_more;
    host->has_no_most = !has_most;
    for (size_t i = 0; i < count; i++) {
        ask(talk, 2 * (__u32)i + 1, "/waits");
    }
    for (size_t i = count; i > 0; i--) {
        answer(talk, 2 * (__u32)i - 1);
    }
    ask(talk, 2 * (__u32)count + 1, "/waits"); /* all places are free again */
    answer(talk, 2 * (__u32)count + 1);
    play(host, talk, SIZE_MAX);
    assert_int_equal(host->record_count, count - lost + 1);
    assert_int_equal(host->losses[EYE_LOST_PIPELINE], lost);
    assert_int_equal(losses_of(host), lost);
    free(talk);
    free(host);
}

static void requests__wait_while_there_is_room(void **state)
{
    (void)state;
    enum { MORE = EYE_HTTP2_SLOTS + EYE_HTTP2_MORE_SLOTS, MOST = MORE + EYE_HTTP2_MOST_SLOTS };
    assert_waiting(EYE_HTTP2_SLOTS, 0, false, false);
    assert_waiting(EYE_HTTP2_SLOTS + 3, 3, false, false);
    assert_waiting(MORE, 0, true, false);
    assert_waiting(MORE + 5, 5, true, false);
    assert_waiting(MOST, 0, true, true);
    assert_waiting(MOST + 7, 7, true, true);
    assert_waiting(200, 200 - MOST, true, true);
}

/* Those whose answers may have been missed make room. */
static void requests__in_doubt_give_way(void **state)
{
    (void)state;
    struct http2_host *host = http2_host_new();
    struct talk *talk = new_talk();
    host->has_no_more = true;
    host->has_no_most = true;
    for (__u32 i = 0; i < EYE_HTTP2_SLOTS; i++) {
        ask(talk, 2 * i + 1, "/old");
    }
    play(host, talk, SIZE_MAX);
    free(talk);
    http2_host_miss(host, SERVER, 100);
    talk = calloc(1, sizeof(*talk));
    assert_non_null(talk);
    answer(talk, 1);
    for (__u32 i = EYE_HTTP2_SLOTS; i < 2 * EYE_HTTP2_SLOTS; i++) {
        ask(talk, 2 * i + 1, "/new");
        answer(talk, 2 * i + 1);
    }
    answer(talk, 3);   /* counted when it made room */
    answer(talk, 2);   /* of a push: nobody asked */
    answer(talk, 999); /* its question was missed */
    play(host, talk, SIZE_MAX);
    assert_int_equal(host->record_count, 1 + EYE_HTTP2_SLOTS);
    assert_int_equal(host->losses[EYE_LOST_GAP], 1);
    assert_int_equal(host->losses[EYE_LOST_UNANSWERED], EYE_HTTP2_SLOTS - 1);
    assert_int_equal(host->losses[EYE_LOST_UNMATCHED], 1);
    assert_int_equal(losses_of(host), 1 + EYE_HTTP2_SLOTS);
    free(talk);
    free(host);
}

/* What was missed of questions leaves those that wait what they are. */
static void requests__wait_behind_a_gap_of_questions(void **state)
{
    (void)state;
    static const struct http2_told told = {1, "GET", "/a", 0, HTTP2_NOT_GRPC, 9};
    struct http2_host *host = http2_host_new();
    struct talk *talk = new_talk();
    ask(talk, 1, "/a");
    play(host, talk, SIZE_MAX);
    free(talk);
    http2_host_miss(host, CLIENT, 100);
    talk = calloc(1, sizeof(*talk));
    assert_non_null(talk);
    reset(talk, CLIENT, 1, 8);
    play(host, talk, SIZE_MAX);
    assert_told(host, &told, 1);
    assert_int_equal(host->losses[EYE_LOST_GAP], 1);
    assert_int_equal(losses_of(host), 1);
    free(talk);
    free(host);
}

/* Streams are complete when they are reset: what ended one that may have been answered is unknown.
 */
static void requests__in_doubt_are_not_blamed(void **state)
{
    (void)state;
    static const struct http2_told told = GET(1, "/a", 0);
    struct http2_host *host = http2_host_new();
    struct talk *talk = new_talk();
    ask(talk, 1, "/a");
    play(host, talk, SIZE_MAX);
    free(talk);
    http2_host_miss(host, SERVER, 100);
    talk = calloc(1, sizeof(*talk));
    assert_non_null(talk);
    frame(talk, SERVER, EYE_HTTP2_PING, 0, 0, "12345678", 8);
    reset(talk, CLIENT, 1, 8);
    play(host, talk, SIZE_MAX);
    assert_told(host, &told, 1);
    free(talk);
    free(host);
}

/* ---- What is none ---- */

#define BYTES(text) text, sizeof(text) - 1

/* Where a frame should begin; each is noticed, and what comes behind the segment is read. */
static const struct {
    const char *bytes;
    size_t size;
} no_frames[] = {
    {BYTES("\0\0\4\3\0\0\0\0\0\0\0\0\0")},       /* a reset of no stream */
    {BYTES("\0\0\3\3\0\0\0\0\1\0\0\0")},         /* a reset without its code */
    {BYTES("\0\0\5\3\0\0\0\0\1\0\0\0\0\0")},     /* one with more */
    {BYTES("\0\0\1\4\0\0\0\0\0\0")},             /* settings of one byte */
    {BYTES("\0\0\6\4\1\0\0\0\0\0\0\0\0\0\0")},   /* an acknowledgement that says something */
    {BYTES("\0\0\6\4\0\0\0\0\1\0\0\0\0\0\0")},   /* settings of a stream */
    {BYTES("\0\0\4\2\0\0\0\0\1\0\0\0\0")},       /* a priority without its weight */
    {BYTES("\0\0\7\6\0\0\0\0\0\0\0\0\0\0\0\0")}, /* a ping of seven bytes */
    {BYTES("\0\0\4\7\0\0\0\0\0\0\0\0\0")},       /* a farewell without its reason */
    {BYTES("\0\0\3\10\0\0\0\0\0\0\0\0")},        /* a window without its size */
    {BYTES("\0\0\1\0\0\0\0\0\0x")},              /* data of no stream */
    {BYTES("\0\0\1\0\0\200\0\0\1x")},            /* data of a stream that cannot be */
    {BYTES("\0\0\1\1\4\0\0\0\0\x88")},           /* headers of no stream */
    {BYTES("\0\0\2\1\14\0\0\0\1\2\x88")},        /* more padding than there is */
    {BYTES("\0\0\4\1\44\0\0\0\1\0\0\0\0")},      /* a priority that is cut */
    {BYTES("\0\0\3\5\4\0\0\0\1\0\0\0")},         /* a promise of nothing */
    {BYTES("\xff\xff\xff\1\4\0\0\0\0\x88")},     /* the longest, of no stream */
    {BYTES("PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n")}, /* nearly a beginning */
    {BYTES("\0\0\1\1\4\0\0\0\1\x80")},           /* the field of index 0 */
    {BYTES("\0\0\7\1\4\0\0\0\1\xff\x80\x80\x80\x80\x80\1")}, /* an index of too many bytes */
    {BYTES("\0\0\x9\1\4\0\0\0\1\4\x7f\xff\xff\xff\xff\xff\xff\xf")}, /* a string of as many */
};

static void malformed__is_counted_and_left_behind(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 200), GET(5, "/b", 200)};
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(no_frames); i++) {
        struct talk *talk = new_talk();
        ask(talk, 1, "/a");
        answer(talk, 1);
        say(talk, CLIENT, no_frames[i].bytes, no_frames[i].size, false);
        answer(talk, 1);
        ask(talk, 5, "/b");
        answer(talk, 5);
        http2_host_reset(host);
        play(host, talk, SIZE_MAX);
        assert_told(host, told, EYE_ARRAY_LENGTH(told));
        assert_int_equal(host->losses[EYE_LOST_MALFORMED], 1);
        free(talk);
    }
    free(host);
}

/* Where a frame may begin, but need not, one is believed when another one is behind it. */
static void frames__are_found_again(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } inner[] = {
        {BYTES("<html>of data whose beginning was missed")},
        {BYTES("\0\0\2\0\0\0\0\0\1abno frame is behind it")},
        {BYTES("\0\0\2\0\0\0\0\0\2ab\0\0\0\4\1\0\0\0\0")},   /* of a push, or none */
        {BYTES("\0\0\2\0\2\0\0\0\1ab\0\0\0\4\1\0\0\0\0")},   /* an unknown flag */
        {BYTES("\0\0\2\x0a\0\0\0\0\1ab\0\0\0\4\1\0\0\0\0")}, /* an unknown type */
        {BYTES("\0\x50\0\0\0\0\0\0\1 longer than is usual")},
    };
    static const struct http2_told told[] = {GET(1, "/a", 200), GET(5, "/b", 200)};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(inner); i++) {
        struct http2_host *host = http2_host_new();
        struct talk *talk = calloc(1, sizeof(*talk));
        assert_non_null(talk);
        host->joins = true;
        ask(talk, 1, "/a");
        say(talk, SERVER, inner[i].bytes, inner[i].size, false); /* the first that is seen of it */
        ask(talk, 3, "/lost");
        answer(talk, 1);
        play(host, talk, SIZE_MAX);
        free(talk);
        http2_host_miss(host, CLIENT, 100);
        talk = calloc(1, sizeof(*talk));
        assert_non_null(talk);
        say(talk, CLIENT, inner[i].bytes, inner[i].size, false);
        answer(talk, 9);
        ask(talk, 5, "/b");
        answer(talk, 5);
        play(host, talk, SIZE_MAX);
        assert_told(host, told, EYE_ARRAY_LENGTH(told));
        assert_int_equal(host->losses[EYE_LOST_MALFORMED], 0);
        assert_int_equal(host->losses[EYE_LOST_GAP], 1);
        free(talk);
        free(host);
    }
}

/* Before anything was sure. */
static void malformed__is_not_it(void **state)
{
    (void)state;
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(no_frames); i++) {
        http2_host_reset(host);
        http2_host_send(host, CLIENT, no_frames[i].bytes, no_frames[i].size);
        assert_true(host->verdict == EYE_VERDICT_NOT_IT || host->losses[EYE_LOST_MALFORMED] == 1);
        assert_int_equal(host->record_count, 0);
    }
    free(host);
}

/* A table that was not read to its end is not trusted: indexes of it are unknown afterwards. */
static void malformed__blocks_empty_the_table(void **state)
{
    (void)state;
    static const struct http2_told told[] = {
        {1, "PUT", "/a", 200, HTTP2_NOT_GRPC, 0},
        {5, HTTP2_UNKNOWN, "/b", 200, HTTP2_NOT_GRPC, 0},
        {7, "PUT", "/c", 200, HTTP2_NOT_GRPC, 0},
    };
    struct talk *talk = new_talk();
    struct block block = {.size = 0};
    field(&block, INSERTED, METHOD_GET, "PUT");
    field(&block, LITERAL, PATH, "/a");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 1, &block);
    answer(talk, 1);
    block.size = 0;
    indexed(&block, 0);
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 3, &block);
    block.size = 0;
    indexed(&block, EYE_HPACK_STATIC + 1);
    field(&block, LITERAL, PATH, "/b");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 5, &block);
    answer(talk, 5);
    block.size = 0;
    field(&block, LITERAL, METHOD_GET, "PUT");
    field(&block, LITERAL, PATH, "/c");
    headers(talk, CLIENT, EYE_HTTP2_END_STREAM, 7, &block);
    answer(talk, 7);
    assert_says(talk, told, EYE_ARRAY_LENGTH(told), 1);
}

/* The longest frame of a type that nobody knows is passed over, whatever is in it. */
static void frames__of_the_greatest_length(void **state)
{
    (void)state;
    static const struct http2_told told[] = {GET(1, "/a", 200)};
    static __u8 zeros[65536];
    struct http2_host *host = http2_host_new();
    struct talk *talk = new_talk();
    size_t left = 0xffffff;
    say_head(talk, CLIENT, left, 0x77, 0, 0);
    play(host, talk, SIZE_MAX);
    for (; left > 0; left -= left < sizeof(zeros) ? left : sizeof(zeros)) {
        http2_host_send(host, CLIENT, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
    }
    free(talk);
    talk = calloc(1, sizeof(*talk));
    assert_non_null(talk);
    ask(talk, 1, "/a");
    answer(talk, 1);
    play(host, talk, SIZE_MAX);
    assert_told(host, told, EYE_ARRAY_LENGTH(told));
    assert_int_equal(losses_of(host), 0);
    free(talk);
    free(host);
}

#define ROUNDS 20000

/* Anything at all in the place of anything: memory and steps stay within bounds, and what is told
 * is what a record may be. */
static void malformed__at_random(void **state)
{
    (void)state;
    uint64_t random = 13;
    struct http2_host *host = http2_host_new();
    struct talk *talk = new_talk();
    for (__u32 i = 0; i < 4; i++) {
        call(talk, 2 * i + 1, "application/grpc");
        answer(talk, 2 * i + 1);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t at =
            EYE_HTTP2_PREFACE_BYTES + random_below(&random, talk->size - EYE_HTTP2_PREFACE_BYTES);
        __u8 kept = talk->bytes[at];
        talk->bytes[at] = (__u8)random_next(&random);
        http2_host_reset(host);
        play(host, talk, 1 + random_below(&random, 300));
        for (size_t i = 0; i < host->record_count; i++) {
            const struct http2_host_record *record = &host->records[i];
            assert_in_range(record->head.code, 0, 999);
            assert_in_range(record->body.path_length, 0, EYE_HTTP2_PATH_BYTES);
            assert_in_range(record->body.method_length, 0, sizeof(record->body.method));
        }
        talk->bytes[at] = kept;
    }
    free(talk);
    free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers__are_padded_and_prioritised),
        cmocka_unit_test(data__ends_streams_however_long_and_padded),
        cmocka_unit_test(frames__of_other_kinds_are_passed_over),
        cmocka_unit_test(pushes__change_the_table_and_tell_nothing),
        cmocka_unit_test(pushes__do_not_tell_the_ends_apart),
        cmocka_unit_test(answers__that_are_interim_are_none),
        cmocka_unit_test(answers__that_are_interim_are_none_when_none_follows),
        cmocka_unit_test(trailers__are_no_messages),
        cmocka_unit_test(calls__end_in_one_block_with_any_status),
        cmocka_unit_test(calls__have_their_status_in_huffmans_code),
        cmocka_unit_test(types__of_grpc_only_make_calls),
        cmocka_unit_test(types__are_what_the_answer_says),
        cmocka_unit_test(types__of_others_by_the_entry_of_a_call),
        cmocka_unit_test(durations__are_of_what_is_waited_for),
        cmocka_unit_test(resets__say_why),
        cmocka_unit_test(resets__of_answers),
        cmocka_unit_test(blocks__are_continued_at_any_place),
        cmocka_unit_test(blocks__of_which_a_part_is_missed),
        cmocka_unit_test(blocks__are_longer_than_frames_usually_are),
        cmocka_unit_test(tables__change_their_size),
        cmocka_unit_test(names__are_spelled_out),
        cmocka_unit_test(names__of_others_are_none_of_ours),
        cmocka_unit_test(paths__are_kept_by_their_own_order),
        cmocka_unit_test(preface__of_a_server_is_none),
        cmocka_unit_test(paths__are_cut),
        cmocka_unit_test(methods__may_be_long),
        cmocka_unit_test(values__of_the_static_table),
        cmocka_unit_test(entries__are_found_or_unknown),
        cmocka_unit_test(entries__of_before_are_unknown),
        cmocka_unit_test(entries__of_before_are_calls_by_their_trailers),
        cmocka_unit_test(entries__of_before_are_interim_answers),
        cmocka_unit_test(requests__wait_while_there_is_room),
        cmocka_unit_test(requests__in_doubt_give_way),
        cmocka_unit_test(requests__wait_behind_a_gap_of_questions),
        cmocka_unit_test(requests__in_doubt_are_not_blamed),
        cmocka_unit_test(malformed__is_counted_and_left_behind),
        cmocka_unit_test(frames__are_found_again),
        cmocka_unit_test(malformed__is_not_it),
        cmocka_unit_test(malformed__blocks_empty_the_table),
        cmocka_unit_test(frames__of_the_greatest_length),
        cmocka_unit_test(malformed__at_random),
    };
    return cmocka_run_group_tests_name("http2_frames", tests, NULL, NULL);
}
