/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over TCP on the host: streams of messages played whole, in pieces of every size and cut at
 * every place give the same messages; what is no message ends them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/dns/dns.h"
#include "bpf/usm/engine.h"
#pragma GCC diagnostic pop

#include "collector/base/base.h"
#include "tests/support/dns_messages.h"

#define MESSAGES_MAX 64

/* One direction, and what was found in it. */
struct stream {
    struct eye_conversation conversation;
    __u32 sequence;
    __u32 verdict;
    size_t count;
    size_t nameless;
    struct eye_dns_message messages[MESSAGES_MAX];
};

static struct stream *new_stream(void)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    assert_non_null(stream);
    stream->sequence = 0xfffffff0U;
    eye_begin_conversation(&stream->conversation, EYE_PROTOCOL_DNS);
    return stream;
}

static void take(struct stream *stream)
{
    struct eye_half *half = &stream->conversation.halves[EYE_SENT];
    if (half->mark != EYE_DNS_FOUND) {
        return;
    }
    half->mark = 0;
    if (!eye_dns_take_message(half, &stream->messages[stream->count % MESSAGES_MAX])) {
        stream->nameless++;
    }
    stream->count++;
}

static void send_bytes(struct stream *stream, const void *bytes, size_t size)
{
    struct eye_receiver receiver = {.first = true};
    struct eye_cursor at = {.side = EYE_SENT, .end = (__u32)size, .origin = stream->sequence};
    struct eye_work work = {
        .parser = &eye_dns_parser,
        .conversation = &stream->conversation,
        .reader = {.from = bytes, .bytes = (__u32)size, .source = EYE_SOURCE_MEMORY},
        .at = &at,
    };
    struct eye_request *answered;
    bool more = true;
    assert_true(eye_resolve(&stream->conversation, &at, &receiver, stream->sequence));
    eye_advance_to_new(&stream->conversation, &at, stream->sequence);
    while (more) {
        more = eye_step(&work, &answered);
        assert_null(answered);
        take(stream);
    }
    stream->sequence += (__u32)size;
    stream->verdict = at.verdict;
}

/* ---- Streams ---- */

static void assert_all(const struct stream *stream)
{
    assert_int_equal(stream->verdict, EYE_VERDICT_GO_ON);
    assert_int_equal(stream->count, EYE_ARRAY_LENGTH(dns_shapes));
    assert_int_equal(stream->nameless, 0);
    for (size_t i = 0; i < stream->count; i++) {
        assert_int_equal(stream->messages[i].id, i + 7);
        assert_int_equal(stream->messages[i].answer, i % 2);
        assert_int_equal(stream->messages[i].type, EYE_DNS_AAAA);
    }
    assert_int_equal(stream->conversation.halves[EYE_SENT].phase, EYE_PHASE_START);
    assert_int_equal(stream->conversation.halves[EYE_SENT].held, 0);
}

static void play(const __u8 *bytes, size_t size, size_t first, size_t piece)
{
    struct stream *stream = new_stream();
    size_t next = first;
    for (size_t at = 0; at < size; next = piece) {
        size_t part = next < size - at ? next : size - at;
        send_bytes(stream, bytes + at, part);
        at += part;
    }
    assert_all(stream);
    free(stream);
}

static void streams_are_the_same_in_any_pieces(void **state)
{
    (void)state;
    __u8 bytes[8192];
    size_t size = dns_put_all(bytes);
    play(bytes, size, size, size);
    for (size_t piece = 1; piece < 600; piece++) {
        play(bytes, size, piece, piece);
    }
    for (size_t first = 1; first < size; first++) {
        play(bytes, size, first, size);
    }
}

static void names_that_do_not_fit_the_window_are_told_apart(void **state)
{
    (void)state;
    __u8 bytes[1024];
    struct stream *stream = new_stream();
    size_t size = dns_put_message(bytes, 1, false, 239, 255);
    size += dns_put_message(bytes + size, 2, false, 20, 36);
    send_bytes(stream, bytes, size);
    assert_int_equal(stream->count, 2);
    assert_int_equal(stream->nameless, 1);
    assert_int_equal(stream->messages[1].id, 2);
    free(stream);
}

static void what_is_no_message_ends_it(void **state)
{
    (void)state;
    static const char *const table[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "\0\20abcdefghijklmnop"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        struct stream *stream = new_stream();
        send_bytes(stream, table[i], 18);
        assert_int_equal(stream->verdict, EYE_VERDICT_NOT_IT);
        assert_int_equal(stream->count, 0);
        free(stream);
    }
}

static bool looks(const __u8 *bytes, size_t size)
{
    struct eye_glance glance = {0};
    memcpy(glance.bytes, bytes, size < EYE_LOOK_BYTES ? size : EYE_LOOK_BYTES);
    return eye_dns_looks_like(&glance, (__u32)(size < EYE_LOOK_BYTES ? size : EYE_LOOK_BYTES)) != 0;
}

/* Each byte of what a question has for sure decides. */
static void questions_are_recognised(void **state)
{
    (void)state;
    __u8 bytes[512];
    size_t size = dns_put_message(bytes, 0x1234, false, 13, 29);
    assert_true(looks(bytes, size));
    assert_false(looks(bytes, 18));
    for (size_t i = 4; i < 15; i++) {
        __u8 kept = bytes[i];
        bytes[i] ^= 0x44;
        assert_false(looks(bytes, size));
        bytes[i] = kept;
    }
    size = dns_put_message(bytes, 0x1234, true, 13, 29);
    assert_false(looks(bytes, size));
    size = dns_put_message(bytes, 0x1234, false, 1, 17);
    assert_true(looks(bytes, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_the_same_in_any_pieces),
        cmocka_unit_test(names_that_do_not_fit_the_window_are_told_apart),
        cmocka_unit_test(what_is_no_message_ends_it),
        cmocka_unit_test(questions_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
