/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 and gRPC on the host, by conversations of real peers (tests/data/http2): whole, in pieces,
 * joined late and with segments missing. What was missed may be unknown, never wrong.
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

#define GET(stream, path, code)                                                                    \
    {                                                                                              \
        stream, "GET", path, code, HTTP2_NOT_GRPC, 0                                               \
    }
#define CALL(stream, path, status)                                                                 \
    {                                                                                              \
        stream, "POST", path, 200, status, 0                                                       \
    }

static const struct http2_told of_nghttp[] = {
    GET(13, "/index.html", 200), GET(15, "/index.html", 200),   GET(17, "/a.txt", 200),
    GET(19, "/a.txt", 200),      GET(21, "/missing/path", 404), GET(23, "/missing/path", 404),
};

static const struct http2_told of_h2load[] = {
    GET(1, "/index.html", 200),  GET(3, "/missing", 404),  GET(5, "/a.txt", 200),
    GET(7, "/index.html", 200),  GET(9, "/missing", 404),  GET(11, "/a.txt", 200),
    GET(13, "/index.html", 200), GET(15, "/missing", 404), GET(17, "/a.txt", 200),
    GET(19, "/index.html", 200), GET(21, "/missing", 404), GET(23, "/a.txt", 200),
};

static const struct http2_told of_curl[] = {
    {1, "POST", "/index.html", 200, HTTP2_NOT_GRPC, 0},
};

/* The second deadline ran out at the client first, which cancels. */
static const struct http2_told of_grpc[] = {
    CALL(1, "/pkg.Svc/Ok", 0),
    CALL(3, "/pkg.Svc/Fail", 7),
    CALL(5, "/pkg.Svc/Missing", 12),
    CALL(7, "/pkg.Svc/Slow", 4),
    CALL(9, "/pkg.Svc/Stream", 0),
    CALL(11, "/pkg.Svc/Ok", 0),
    CALL(13, "/pkg.Svc/Fail", 7),
    CALL(15, "/pkg.Svc/Missing", 12),
    {17, "POST", "/pkg.Svc/Slow", 0, HTTP2_UNSAID, 9},
    CALL(19, "/pkg.Svc/Stream", 0),
};

/* Both ends gave these up: what they are when only the one is seen that came second. */
static const struct http2_told of_grpc_crossed[] = {
    {7, "POST", "/pkg.Svc/Slow", 0, HTTP2_UNSAID, 9},
    CALL(17, "/pkg.Svc/Slow", 4),
};

static const struct {
    const char *name;
    const struct http2_told *told;
    size_t count;
} recordings[] = {
    {"nghttp", of_nghttp, EYE_ARRAY_LENGTH(of_nghttp)},
    {"h2load", of_h2load, EYE_ARRAY_LENGTH(of_h2load)},
    {"curl", of_curl, EYE_ARRAY_LENGTH(of_curl)},
    {"grpc", of_grpc, EYE_ARRAY_LENGTH(of_grpc)},
};

#define RECORDINGS EYE_ARRAY_LENGTH(recordings)

struct conversation {
    const struct http2_told *told;
    size_t told_count;
    size_t count;
    struct http2_segment segments[HTTP2_SEGMENTS];
    bool starts[HTTP2_SEGMENTS];  /* a frame begins with the segment */
    bool skipped[HTTP2_SEGMENTS]; /* all of it belongs to what nobody looks at */
    struct http2_host *whole;     /* as it was played whole */
    __u8 bytes[HTTP2_BYTES];
};

static struct conversation loaded[RECORDINGS];

static void load(struct conversation *conversation, size_t index)
{
    conversation->count =
        http2_load(recordings[index].name, conversation->bytes, conversation->segments);
    conversation->told = recordings[index].told;
    conversation->told_count = recordings[index].count;
}

/* Segments come a second apart, the first one at 1. */
static void play_segment(struct http2_host *host, const struct conversation *conversation,
                         size_t index, size_t piece)
{
    const struct http2_segment *segment = &conversation->segments[index];
    host->clock_ns = index + 1;
    http2_host_send_pieces(host, segment->direction, segment->bytes, segment->size, piece);
}

static void miss_segment(struct http2_host *host, const struct conversation *conversation,
                         size_t index)
{
    const struct http2_segment *segment = &conversation->segments[index];
    http2_host_miss(host, segment->direction, segment->size);
}

static void play_whole(struct conversation *conversation)
{
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < conversation->count; i++) {
        const struct http2_segment *segment = &conversation->segments[i];
        const struct eye_half *half = http2_host_half(host, segment->direction);
        conversation->starts[i] = half->phase == EYE_PHASE_START && half->held == 0;
        conversation->skipped[i] = half->phase == EYE_PHASE_SKIP && half->skip >= segment->size;
        play_segment(host, conversation, i, SIZE_MAX);
    }
    conversation->whole = host;
}

static int set_up_all(void **state)
{
    *state = loaded;
    for (size_t i = 0; i < RECORDINGS; i++) {
        load(&loaded[i], i);
        play_whole(&loaded[i]);
    }
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDINGS; i++) {
        free(loaded[i].whole);
    }
    return 0;
}

/* ---- What was told ---- */

static size_t find_record(const struct http2_host *host, __u32 stream)
{
    size_t i = 0;
    while (i < host->record_count && host->records[i].stream != stream) {
        i++;
    }
    return i;
}

static const struct http2_told *find_told(const struct http2_told *told, size_t count, __u32 stream)
{
    size_t i = 0;
    while (i < count && told[i].stream != stream) {
        i++;
    }
    return i < count ? &told[i] : NULL;
}

static void assert_is(const struct http2_host_record *record,
                      const struct conversation *conversation, bool missed)
{
    char text[HTTP2_DESCRIPTION_BYTES];
    __u32 stream = record->stream;
    const struct http2_told *crossed =
        find_told(of_grpc_crossed, EYE_ARRAY_LENGTH(of_grpc_crossed), stream);
    bool may_cross = missed && conversation->told == of_grpc;
    if (!http2_is_told(record, find_told(conversation->told, conversation->told_count, stream),
                       missed) &&
        !(may_cross && http2_is_told(record, crossed, true))) {
        fail_msg("cannot be: %s", http2_describe(record, text));
    }
    assert_int_equal(record->head.protocol, EYE_PROTOCOL_HTTP2);
    assert_int_equal(record->head.body_bytes, EYE_HTTP2_BODY_FIXED + record->body.path_length);
}

static void assert_no_losses(const struct http2_host *host)
{
    for (size_t i = 0; i < EYE_LOST_COUNT; i++) {
        assert_int_equal(host->losses[i], 0);
    }
}

static void assert_all(const struct http2_host *host, const struct conversation *conversation)
{
    assert_int_equal(host->verdict, EYE_VERDICT_GO_ON);
    assert_int_equal(host->record_count, conversation->told_count);
    assert_no_losses(host);
    for (size_t i = 0; i < host->record_count; i++) {
        const struct http2_host_record *record = &host->records[i];
        size_t same = find_record(conversation->whole, record->stream);
        const struct http2_host_record *other = &conversation->whole->records[same];
        assert_is(record, conversation, false);
        assert_true(same < conversation->whole->record_count);
        assert_int_equal(record->started_ns, other->started_ns);
        assert_int_equal(record->told_ns, other->told_ns);
        assert_int_equal(record->head.duration_ns, other->head.duration_ns);
        assert_int_equal(record->body.flags, other->body.flags);
    }
}

/* What is told of a part of the conversation, on either end, is of the conversation. */
static void assert_true_ones(const struct http2_host *host, const struct conversation *conversation)
{
    for (size_t i = 0; i < host->record_count; i++) {
        const struct http2_host_record *record = &host->records[i];
        assert_int_equal(find_record(host, record->stream), i); /* told once */
        assert_is(record, conversation, true);
    }
}

/* ---- Whole and in pieces ---- */

static void recordings_say_what_was_asked(void **state)
{
    struct conversation *conversation = *state;
    for (size_t i = 0; i < RECORDINGS; i++) {
        assert_all(conversation[i].whole, &conversation[i]);
        assert_int_equal(conversation[i].whole->records[0].head.flags, EYE_REQUEST_CLIENT);
    }
}

static void recordings_are_the_same_at_the_servers_end(void **state)
{
    struct conversation *conversation = *state;
    for (size_t i = 0; i < RECORDINGS; i++) {
        struct http2_host *host = http2_host_new();
        host->is_server = true;
        for (size_t j = 0; j < conversation[i].count; j++) {
            play_segment(host, &conversation[i], j, SIZE_MAX);
        }
        assert_all(host, &conversation[i]);
        assert_int_equal(host->records[0].head.flags, 0);
        free(host);
    }
}

static void recordings_are_the_same_in_pieces(void **state)
{
    static const size_t pieces[] = {1, 2, 7, 8, 9, 10, 13, 64, 100, 255, 256, 257, 1460};
    struct conversation *conversation = *state;
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < RECORDINGS; i++) {
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(pieces); j++) {
            http2_host_reset(host);
            for (size_t k = 0; k < conversation[i].count; k++) {
                play_segment(host, &conversation[i], k, pieces[j]);
            }
            assert_all(host, &conversation[i]);
        }
    }
    free(host);
}

/* Segment @index is two, cut @at bytes from its start. */
static void play_cut(struct http2_host *host, const struct conversation *conversation, size_t index,
                     size_t at)
{
    http2_host_reset(host);
    for (size_t i = 0; i < conversation->count; i++) {
        play_segment(host, conversation, i, i == index ? at : SIZE_MAX);
    }
}

static void recordings_are_the_same_cut_anywhere(void **state)
{
    struct conversation *conversation = *state;
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < RECORDINGS; i++) {
        for (size_t j = 0; j < conversation[i].count; j++) {
            for (size_t at = 1; at < conversation[i].segments[j].size; at++) {
                play_cut(host, &conversation[i], j, at);
                assert_all(host, &conversation[i]);
            }
        }
    }
    free(host);
}

/* ---- With something missing ---- */

/* When a direction is sure to be followed again, after its segments before @index were missed. */
static __u64 sure_from(const struct conversation *conversation, __u32 direction, size_t index)
{
    while (index < conversation->count &&
           (conversation->segments[index].direction != direction || !conversation->starts[index])) {
        index++;
    }
    return index + 1;
}

/* Those that begin and end where both directions are sure are told. */
static void assert_told_again(const struct http2_host *host,
                              const struct conversation *conversation, __u64 requests_ns,
                              __u64 answers_ns)
{
    for (size_t i = 0; i < conversation->whole->record_count; i++) {
        const struct http2_host_record *record = &conversation->whole->records[i];
        if (record->started_ns >= requests_ns && record->told_ns >= answers_ns) {
            assert_true(find_record(host, record->stream) < host->record_count);
        }
    }
}

static void connections_are_joined_at_any_segment(void **state)
{
    struct conversation *conversation = *state;
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < RECORDINGS; i++) {
        for (size_t first = 1; first < conversation[i].count; first++) {
            http2_host_reset(host);
            host->joins = true;
            for (size_t j = 0; j < conversation[i].count; j++) {
                if (j < first) {
                    miss_segment(host, &conversation[i], j);
                } else {
                    play_segment(host, &conversation[i], j, SIZE_MAX);
                }
            }
            assert_int_equal(host->verdict, EYE_VERDICT_GO_ON);
            assert_true_ones(host, &conversation[i]);
            assert_told_again(host, &conversation[i], sure_from(&conversation[i], 0, first),
                              sure_from(&conversation[i], 1, first));
        }
    }
    free(host);
}

/* A later one of the direction shows that it was missed. */
static bool shows(const struct conversation *conversation, size_t missed)
{
    size_t i = missed + 1;
    while (i < conversation->count &&
           conversation->segments[i].direction != conversation->segments[missed].direction) {
        i++;
    }
    return i < conversation->count && !conversation->skipped[missed];
}

static void segments_are_missed(void **state)
{
    struct conversation *conversation = *state;
    struct http2_host *host = http2_host_new();
    for (size_t i = 0; i < RECORDINGS; i++) {
        for (size_t missed = 1; missed < conversation[i].count; missed++) {
            __u32 direction = conversation[i].segments[missed].direction;
            __u64 sure = sure_from(&conversation[i], direction, missed + 1);
            http2_host_reset(host);
            for (size_t j = 0; j < conversation[i].count; j++) {
                if (j == missed) {
                    miss_segment(host, &conversation[i], j);
                } else {
                    play_segment(host, &conversation[i], j, SIZE_MAX);
                }
            }
            assert_int_equal(host->verdict, EYE_VERDICT_GO_ON);
            assert_true_ones(host, &conversation[i]);
            assert_told_again(host, &conversation[i], direction == 0 ? sure : 0,
                              direction == 1 ? sure : 0);
            assert_int_equal(host->losses[EYE_LOST_GAP], shows(&conversation[i], missed));
            assert_int_equal(host->losses[EYE_LOST_MALFORMED], 0);
        }
    }
    free(host);
}

#define ROUNDS 5000

/* Pieces of any size, of which some are missed. */
static void play_with_holes(struct http2_host *host, const struct http2_segment *segment,
                            uint64_t *random)
{
    for (size_t at = 0; at < segment->size;) {
        size_t left = segment->size - at;
        size_t part = 1 + random_below(random, 200);
        part = part < left ? part : left;
        if (random_below(random, 8) == 0) {
            http2_host_miss(host, segment->direction, part);
        } else {
            http2_host_send(host, segment->direction, segment->bytes + at, part);
        }
        at += part;
    }
}

/* Without its beginning it may be taken for something else, until it is looked at again. */
static void bytes_are_missed_at_random(void **state)
{
    struct conversation *conversation = *state;
    struct http2_host *host = http2_host_new();
    uint64_t random = 7;
    for (size_t i = 0; i < ROUNDS * RECORDINGS; i++) {
        const struct conversation *played = &conversation[i % RECORDINGS];
        http2_host_reset(host);
        for (size_t j = 0; j < played->count && !host->stopped; j++) {
            host->clock_ns = j + 1;
            play_with_holes(host, &played->segments[j], &random);
        }
        assert_true_ones(host, played);
    }
    free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recordings_say_what_was_asked),
        cmocka_unit_test(recordings_are_the_same_at_the_servers_end),
        cmocka_unit_test(recordings_are_the_same_in_pieces),
        cmocka_unit_test(recordings_are_the_same_cut_anywhere),
        cmocka_unit_test(connections_are_joined_at_any_segment),
        cmocka_unit_test(segments_are_missed),
        cmocka_unit_test(bytes_are_missed_at_random),
    };
    return cmocka_run_group_tests_name("http2", tests, set_up_all, tear_down_all);
}
