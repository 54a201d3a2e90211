/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1 framer of the kernel programs, on the host. Each conversation is played three times:
 * as written, byte by byte, and with both directions cut at every place; all must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/http_conversations.h"
#include "tests/support/http_host.h"

static void assert_answers(const struct http_host *host, const struct conversation *conversation)
{
    size_t expected = 0;
    while (expected < EYE_ARRAY_LENGTH(conversation->answers) &&
           conversation->answers[expected].status != 0) {
        expected++;
    }
    if (host->record_count != expected) {
        fail_msg("%s: %zu records, expected %zu", conversation->name, host->record_count, expected);
    }
    for (size_t i = 0; i < expected; i++) {
        const struct answer *answer = &conversation->answers[i];
        if (host->records[i].method != answer->method) {
            fail_msg("%s: answer %zu has method %d", conversation->name, i,
                     host->records[i].method);
        }
        assert_int_equal(host->records[i].head.code, answer->status);
        assert_string_equal(host->records[i].path, answer->path);
    }
    for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
        if (host->losses[i] != 0) {
            fail_msg("%s: loss %zu counted %llu times", conversation->name, i,
                     (unsigned long long)host->losses[i]);
        }
    }
}

/* @client: at which end we listen. */
static void play(const struct conversation *conversation, bool client, size_t piece, size_t first)
{
    struct http_host *host = http_host_new();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversation->parts); i++) {
        const struct part *part = &conversation->parts[i];
        if (part->bytes == NULL) {
            break;
        }
        __u32 stream = (part->from == 'C') == client ? 0 : 1;
        size_t left = strlen(part->bytes);
        const char *cursor = part->bytes;
        size_t next = first > 0 && first < left ? first : piece;
        while (left > 0) {
            size_t size = next < left ? next : left;
            http_host_send(host, stream, cursor, size);
            cursor += size;
            left -= size;
            next = piece;
        }
    }
    assert_answers(host, conversation);
    free(host);
}

static void framer__reads_conversations_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        play(&conversations[i], true, SIZE_MAX, 0);
        play(&conversations[i], false, SIZE_MAX, 0);
    }
}

static void framer__reads_conversations_in_pieces_of_every_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        for (size_t piece = 1; piece < 100; piece++) {
            play(&conversations[i], piece % 2 == 0, piece, 0);
        }
    }
}

static void framer__reads_conversations_cut_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        for (size_t first = 1; first < 600; first++) {
            play(&conversations[i], true, SIZE_MAX, first);
        }
    }
}

static struct http_host *new_host(void)
{
    struct http_host *host = http_host_new();
    assert_non_null(host);
    return host;
}

static void send_text(struct http_host *host, __u32 stream, const char *text)
{
    http_host_send(host, stream, text, strlen(text));
}

static void framer__reads_lengths_of_every_size(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *after;
    } forms[] = {{"Content-Length:", ""},
                 {"content-length: ", ""},
                 {"CONTENT-LENGTH:   ", " "},
                 {"Content-Length: 00", ""},
                 {"Content-Length:\t", "\t"}};
    for (unsigned long long length = 1; length < 1000000000000ULL; length = length * 7 + 3) {
        for (size_t i = 0; i < EYE_ARRAY_LENGTH(forms); i++) {
            struct http_host *host = new_host();
            char message[128];
            snprintf(message, sizeof(message), "PUT / HTTP/1.1\r\n%s%llu%s\r\n\r\n",
                     forms[i].before, length, forms[i].after);
            send_text(host, 0, message);
            assert_int_equal(host->conversation.halves[0].phase, EYE_PHASE_SKIP);
            assert_int_equal(host->conversation.halves[0].skip, length);
            free(host);
        }
    }
}

static void framer__measures_first_byte_to_first_byte(void **state)
{
    (void)state;
    struct http_host *host = new_host();
    host->clock_ns = 1000;
    send_text(host, 0, "GE");
    host->clock_ns = 2000;
    send_text(host, 0, "T / HTTP/1.1\r\n\r\n");
    host->clock_ns = 9000;
    send_text(host, 1, "H");
    host->clock_ns = 20000;
    send_text(host, 1, "TTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(host->record_count, 1);
    assert_int_equal(host->records[0].head.duration_ns, 8000);
    free(host);
}

static void framer__cuts_long_targets(void **state)
{
    (void)state;
    char request[9000];
    memset(request, 'a', sizeof(request));
    memcpy(request, "GET /", 5);
    memcpy(request + sizeof(request) - 13, " HTTP/1.1\r\n\r\n", 13);
    for (size_t piece = 1; piece < sizeof(request); piece = piece * 3 + 1) {
        struct http_host *host = new_host();
        for (size_t sent = 0; sent < sizeof(request); sent += piece) {
            size_t left = sizeof(request) - sent;
            http_host_send(host, 0, request + sent, piece < left ? piece : left);
        }
        send_text(host, 1, OK_EMPTY);
        assert_int_equal(host->record_count, 1);
        assert_int_equal(host->records[0].head.body_bytes, sizeof(struct eye_http_body));
        assert_true(host->records[0].head.flags & EYE_REQUEST_TRUNCATED);
        free(host);
    }
}

static void framer__counts_retransmissions_once(void **state)
{
    (void)state;
    struct http_host *host = new_host();
    static const char request[] = "GET /a HTTP/1.1\r\n\r\n";
    static const char answer[] = OK_EMPTY;
    __u32 sequence = host->sequence[0];
    http_host_send(host, 0, request, sizeof(request) - 1);
    http_host_segment(host, 0, sequence, request, sizeof(request) - 1);
    http_host_segment(host, 0, sequence, request, 5);
    /* The second request overlaps the first one's bytes. */
    char both[64];
    int both_bytes = snprintf(both, sizeof(both), "%sGET /b HTTP/1.1\r\n\r\n", request);
    http_host_segment(host, 0, sequence, both, (size_t)both_bytes);
    http_host_skip(host, 0, (size_t)both_bytes - (sizeof(request) - 1));
    http_host_send(host, 1, answer, sizeof(answer) - 1);
    http_host_segment(host, 1, 1000, answer, sizeof(answer) - 1);
    http_host_send(host, 1, answer, sizeof(answer) - 1);
    assert_int_equal(host->record_count, 2);
    assert_string_equal(host->records[1].path, "/b");
    free(host);
}

/* Sends @text, and once more whole, its first half, and its second. */
static void send_again_and_again(struct http_host *host, __u32 stream, const char *text)
{
    size_t bytes = strlen(text);
    size_t half = bytes / 2;
    __u32 sequence = host->sequence[stream];
    http_host_send(host, stream, text, bytes);
    http_host_segment(host, stream, sequence, text, bytes);
    http_host_segment(host, stream, sequence, text, half);
    http_host_segment(host, stream, sequence + (__u32)half, text + half, bytes - half);
}

/* Sequence numbers pass 2^32 at every byte of a conversation, in both directions. */
static void framer__counts_retransmissions_once_across_the_wrap(void **state)
{
    (void)state;
    for (__u32 before = 0; before < 150; before++) {
        struct http_host *host = new_host();
        host->sequence[0] = -before;
        host->sequence[1] = -before;
        http_host_receive(host, 0);
        http_host_receive(host, 1);
        send_again_and_again(host, 0, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        send_again_and_again(host, 1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n01234");
        send_again_and_again(host, 0, "POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
        send_again_and_again(host, 1, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        assert_int_equal(host->record_count, 2);
        assert_string_equal(host->records[0].path, "/a");
        assert_int_equal(host->records[0].head.code, 200);
        assert_string_equal(host->records[1].path, "/b");
        assert_int_equal(host->records[1].head.code, 404);
        for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
            assert_int_equal(host->losses[i], 0);
        }
        free(host);
    }
}

static void framer__skips_gaps_inside_bodies(void **state)
{
    (void)state;
    struct http_host *host = new_host();
    send_text(host, 0, "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    send_text(host, 1, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
    host->sequence[1] += 50; /* not seen */
    send_text(host, 1, "0123456789012345678901234567890123456789" OK_EMPTY);
    assert_int_equal(host->record_count, 2);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_GAP], 0);
    free(host);
}

static void framer__counts_requests_beyond_the_pipeline(void **state)
{
    (void)state;
    struct http_host *host = new_host();
    for (int i = 0; i < EYE_QUEUE_DEPTH + 4; i++) {
        send_text(host, 0, "GET /a HTTP/1.1\r\n\r\n");
    }
    for (int i = 0; i < EYE_QUEUE_DEPTH + 4; i++) {
        send_text(host, 1, OK_EMPTY);
    }
    send_text(host, 0, "GET /after HTTP/1.1\r\n\r\n");
    send_text(host, 1, OK_EMPTY);
    assert_int_equal(host->record_count, EYE_QUEUE_DEPTH + 1);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_PIPELINE], 4);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNMATCHED], 0);
    assert_string_equal(host->records[EYE_QUEUE_DEPTH].path, "/after");
    free(host);
}

static void framer__does_not_answer_a_stale_slot(void **state)
{
    (void)state;
    struct http_host *host = new_host();
    for (int i = 0; i < EYE_QUEUE_DEPTH; i++) {
        send_text(host, 0, "GET /queued HTTP/1.1\r\n\r\n");
    }
    send_text(host, 0, "GET /late ");
    send_text(host, 1, OK_EMPTY);
    send_text(host, 0, "HTTP/1.1\r\n\r\n");
    for (int i = 0; i < EYE_QUEUE_DEPTH; i++) {
        send_text(host, 1, OK_EMPTY);
    }
    send_text(host, 0, "GET /after HTTP/1.1\r\n\r\n");
    send_text(host, 1, OK_EMPTY);
    assert_int_equal(host->record_count, EYE_QUEUE_DEPTH + 1);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_PIPELINE], 1);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNMATCHED], 0);
    assert_string_equal(host->records[EYE_QUEUE_DEPTH].path, "/after");
    free(host);
}

static void framer__counts_answers_without_request(void **state)
{
    (void)state;
    struct http_host *host = new_host();
    send_text(host, 1, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(host->record_count, 0);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNMATCHED], 1);
    free(host);
}

static void framer__gives_up_what_is_not_http(void **state)
{
    (void)state;
    static const char *const others[] = {
        "GET key\r\n",
        "GET / FTP/1.1\r\n",
        "POST office box\r\n",
        "GETTING started\r\n",
        "HTTP/1.1 abc\r\n",
        "HTTP/2.0 200 OK\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "EHLO example.org\r\n",
        "INVITE sip:a@b SIP/2.0\r\n",
        "OPTIONS rtsp://a/b RTSP/1.0\r\n",
        "get key\r\n",
        "NICK HTTP/1.1\r\n",
        "PROXY TCP4 1.2.3.4\r\nEHLO a\r\n",
        "\r\n\r\n\x01",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        struct http_host *host = new_host();
        for (const char *line = others[i]; *line != '\0' && !host->stopped; line++) {
            http_host_send(host, 0, line, 1);
        }
        assert_int_equal(host->verdict, EYE_VERDICT_NOT_IT);
        assert_int_equal(host->record_count, 0);
        for (size_t loss = 0; loss < EYE_LOSS_COUNT; loss++) {
            assert_int_equal(host->losses[loss], 0);
        }
        free(host);
    }
}

/* Nothing may pass for HTTP without a whole first line, however long it is. */
static void framer__wants_the_version_of_a_guessed_method(void **state)
{
    (void)state;
    char line[1000];
    for (size_t length = 20; length < sizeof(line); length++) {
        memset(line, 'a', length);
        memcpy(line, "WORD ", 5);
        line[length - 1] = '\n';
        struct http_host *host = new_host();
        http_host_send(host, 0, line, length);
        assert_int_equal(host->verdict, EYE_VERDICT_NOT_IT);
        free(host);
    }
}

static void framer__skips_binary_proxy_headers(void **state)
{
    (void)state;
    static const __u8 sizes[] = {0, 12, 36, 255};
    for (size_t i = 0; i < sizeof(sizes); i++) {
        __u8 bytes[600] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0";
        size_t size = 16U + sizes[i];
        bytes[15] = sizes[i];
        memcpy(bytes + size, "GET /a HTTP/1.1\r\n\r\n", 19);
        for (size_t first = 5; first < size + 19; first++) {
            struct http_host *host = new_host();
            http_host_send(host, 1, bytes, first);
            host->clock_ns = 7;
            http_host_send(host, 1, bytes + first, size + 19 - first);
            send_text(host, 0, OK_EMPTY);
            assert_int_equal(host->record_count, 1);
            assert_string_equal(host->records[0].path, "/a");
            assert_int_equal(host->records[0].head.duration_ns, first <= size ? 0 : 7);
            free(host);
        }
    }
}

static void framer__reads_lengths_with_any_padding(void **state)
{
    (void)state;
    char zeros[201];
    memset(zeros, '0', sizeof(zeros) - 1);
    zeros[sizeof(zeros) - 1] = '\0';
    for (size_t i = 0; i < sizeof(zeros); i++) {
        struct http_host *host = new_host();
        char message[400];
        snprintf(message, sizeof(message), "PUT / HTTP/1.1\r\nContent-Length: %s7\r\n\r\n",
                 zeros + i);
        send_text(host, 0, message);
        assert_int_equal(host->conversation.halves[0].phase, EYE_PHASE_SKIP);
        assert_int_equal(host->conversation.halves[0].skip, 7);
        free(host);
    }
}

static void token__has_the_bytes_of_the_standard(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool separates = byte <= ' ' || byte >= 127 || strchr("\"(),/:;<=>?@[\\]{}", (int)byte);
        assert_int_equal(eye_http_is_token_byte((__u8)byte), !separates);
    }
}

/* Of a long line the space before the version may have left the window, and more. */
static void version_before__of_a_long_line_may_be_cut(void **state)
{
    struct eye_half half = {.flags = EYE_HTTP_LONG, .window = "HTTP/1.1\r\n"};
    (void)state;
    assert_true(eye_http_version_before(&half, 9));
    assert_false(eye_http_version_before(&half, 10));
    half.flags = EYE_HTTP_LONG | EYE_HTTP_GUESSED;
    assert_false(eye_http_version_before(&half, 9));
    half.flags = 0;
    assert_false(eye_http_version_before(&half, 9));
}

static void looks_like__accepts_beginnings_only(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool expected;
    } inputs[] = {
        {"G", true},          {"GET", true},       {"GET ", true},          {"PROPFIND", true},
        {"POST /x", true},    {"HTTP/1.", true},   {"HTTP/1.1", true},      {"HTTP/2.0", false},
        {"HEAD /ab", true},   {"\x16\x03", false}, {"OPTIONS ", true},      {"PROXY TC", true},
        {"\r\nGET /", true},  {"\r\n", true},      {"*2\r\n$3\r\n", false}, {"a\r\nb", false},
        {" GET /", false},    {"\r\n /", false},   {"{\"a\": 1", false},    {"<?xml ve", false},
        {"\x80GET /", false}, {"a,b c", false},    {"\r\n\r\n", true},      {"\r\nG\r", false},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(inputs); i++) {
        __u8 padded[8] = {0};
        size_t length = strlen(inputs[i].bytes);
        memcpy(padded, inputs[i].bytes, length);
        if (eye_http_may_begin(eye_load_word(padded), (__u32)length) != inputs[i].expected) {
            fail_msg("%s", inputs[i].bytes);
        }
    }
    static const __u8 signature[] = "\r\n\r\n\0\r\nQ";
    assert_true(eye_http_may_begin(eye_load_word(signature), 8));
}

static void other_line__is_a_line_that_ends_otherwise(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool expected;
    } inputs[] = {
        {"GET / HTTP/1.1\r\n", false},
        {"GET / HTTP/1.0\n", false},
        {"\r\n\nPURGE /a HTTP/1.1\r\nHost: a\r\n", false},
        {"GET /", false},
        {"", false},
        {"HTTP/1.1 200 OK\r\n", false},
        {"PROXY TCP4 192.0.2.1\r\nGET", false},
        {"GET key\r\n", true},
        {"a\n", true},
        {"GET / HTTP/2.0\r\n", true},
        {"GET /xHTTP/1.1\r\n", true},
        {"GET / HTTP/1.1 \r\n", true},
        {"EHLO a\r\nGET / HTTP/1.1\r\n", true},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(inputs); i++) {
        struct eye_glance glance = {0};
        size_t length = strlen(inputs[i].bytes);
        memcpy(glance.bytes, inputs[i].bytes, length);
        if (eye_http_is_other_line(&glance, (__u32)length) != inputs[i].expected) {
            fail_msg("%s", inputs[i].bytes);
        }
    }
    struct eye_glance full;
    memset(full.bytes, 'a', EYE_LOOK_BYTES);
    assert_false(eye_http_is_other_line(&full, EYE_LOOK_BYTES));
    full.bytes[EYE_LOOK_BYTES - 1] = '\n';
    assert_true(eye_http_is_other_line(&full, EYE_LOOK_BYTES));
    memcpy(full.bytes + EYE_LOOK_BYTES - 11, " HTTP/1.1\r\n", 11);
    assert_false(eye_http_is_other_line(&full, EYE_LOOK_BYTES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framer__reads_conversations_whole),
        cmocka_unit_test(framer__reads_conversations_in_pieces_of_every_size),
        cmocka_unit_test(framer__reads_conversations_cut_at_every_place),
        cmocka_unit_test(framer__reads_lengths_of_every_size),
        cmocka_unit_test(framer__measures_first_byte_to_first_byte),
        cmocka_unit_test(framer__cuts_long_targets),
        cmocka_unit_test(framer__counts_retransmissions_once),
        cmocka_unit_test(framer__counts_retransmissions_once_across_the_wrap),
        cmocka_unit_test(framer__skips_gaps_inside_bodies),
        cmocka_unit_test(framer__counts_requests_beyond_the_pipeline),
        cmocka_unit_test(framer__does_not_answer_a_stale_slot),
        cmocka_unit_test(framer__counts_answers_without_request),
        cmocka_unit_test(framer__gives_up_what_is_not_http),
        cmocka_unit_test(framer__wants_the_version_of_a_guessed_method),
        cmocka_unit_test(framer__skips_binary_proxy_headers),
        cmocka_unit_test(framer__reads_lengths_with_any_padding),
        cmocka_unit_test(token__has_the_bytes_of_the_standard),
        cmocka_unit_test(version_before__of_a_long_line_may_be_cut),
        cmocka_unit_test(looks_like__accepts_beginnings_only),
        cmocka_unit_test(other_line__is_a_line_that_ends_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
