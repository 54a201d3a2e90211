/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP/1 framer still believes after bytes were missed: every way into doubt and out of
 * it, and a wire that loses, delays, repeats and reorders at random. A request for /N is answered
 * with status N, so a wrong pair shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/bad_wire.h"
#include "tests/support/http_host.h"
#include "tests/support/random.h"

#define FIRST_STATUS 200
#define STATUSES 799 /* 200 .. 998 */
#define BODY_BYTES 40

enum stream { CLIENT, SERVER }; /* the client's end listens: it sends in stream 0 */

static int setup(void **state)
{
    *state = http_host_new();
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void say(struct http_host *host, enum stream stream, const char *text)
{
    http_host_send(host, stream, text, strlen(text));
}

/* Sent and received, but not seen here. */
static void say_unseen(struct http_host *host, enum stream stream, const char *text)
{
    http_host_skip(host, stream, strlen(text));
}

static const char *request_text(unsigned status)
{
    static char text[64];
    snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\nHost: a\r\n\r\n", status);
    return text;
}

static const char *response_text(unsigned status)
{
    static char text[200];
    snprintf(text, sizeof(text), "HTTP/1.1 %u x\r\nContent-Length: %d\r\n\r\n%0*d", status,
             BODY_BYTES, BODY_BYTES, 0);
    return text;
}

static void ask(struct http_host *host, unsigned status)
{
    say(host, CLIENT, request_text(status));
}

static void answer(struct http_host *host, unsigned status)
{
    say(host, SERVER, response_text(status));
}

static void exchange(struct http_host *host, unsigned status)
{
    ask(host, status);
    answer(host, status);
}

/* The response comes with its first @late bytes behind the rest. */
static void answer_late(struct http_host *host, unsigned status, size_t late)
{
    const char *text = response_text(status);
    __u32 sequence = host->sequence[SERVER];
    http_host_skip(host, SERVER, late);
    http_host_send(host, SERVER, text + late, strlen(text) - late);
    http_host_segment(host, SERVER, sequence, text, late);
}

static void assert_true_pairs(const struct http_host *host)
{
    for (size_t i = 0; i < host->record_count; i++) {
        char path[8];
        snprintf(path, sizeof(path), "/%u", host->records[i].head.code);
        assert_string_equal(host->records[i].path, path);
    }
}

/* Right pairs, so many of them, and these losses. */
static void assert_seen(const struct http_host *host, size_t records, __u64 requests_alone,
                        __u64 responses_alone, __u64 gaps)
{
    assert_true_pairs(host);
    assert_int_equal(host->record_count, records);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNANSWERED], requests_alone);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNMATCHED], responses_alone);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_GAP], gaps);
}

static void start__needs_no_proof(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    ask(host, 201);
    answer(host, 200);
    ask(host, 202);
    answer(host, 201);
    answer(host, 202);
    assert_seen(host, 3, 0, 0, 0);
}

/* The slots beyond the first one are gone: the answer is counted, and its request is over. */
static void answer__without_the_slot_of_its_request(void **state)
{
    struct http_host *host = *state;
    struct eye_queue *queue = &host->conversation.queue;
    queue->popped = 1;
    queue->pushed = 3;
    memset(eye_counts, 0, sizeof(eye_counts));
    assert_null(eye_answer(&host->conversation, NULL, SERVER, 200).request);
    struct eye_answered last = eye_answer(&host->conversation, NULL, SERVER, 200);
    assert_null(last.request);
    assert_true(last.last);
    assert_int_equal(eye_waiting(queue), 0);
    assert_int_equal(eye_counts[EYE_LOSS_HTTP_STORAGE], 2);
}

/* While an answer is told, the other direction, on another CPU, gives up all that waits. */
static void pop__of_a_request_that_was_forgotten(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    ask(host, 201);
    eye_end_trust(&host->conversation, host->acknowledges[CLIENT]);
    eye_pop(&host->conversation.queue);
    assert_int_equal(eye_waiting(&host->conversation.queue), 0);
    say_unseen(host, SERVER, response_text(201));
    exchange(host, 202);
    exchange(host, 203);
    assert_seen(host, 3, 0, 0, 1);
}

static void missed_response__costs_its_own_request(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    ask(host, 201);
    say_unseen(host, SERVER, response_text(201));
    ask(host, 202); /* acknowledges it: the gap shows */
    assert_seen(host, 1, 1, 0, 1);
    answer(host, 202);
    exchange(host, 203);
    assert_seen(host, 3, 1, 0, 1);
}

static void missed_request__costs_its_own_response(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, request_text(201));
    answer(host, 201); /* acknowledges it: the gap shows */
    assert_seen(host, 1, 0, 1, 1);
    exchange(host, 202);
    exchange(host, 203);
    assert_seen(host, 3, 0, 1, 1);
}

static void missed_request__is_not_taken_for_the_one_behind_it(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, request_text(201));
    host->acknowledges[CLIENT] = host->sequence[SERVER];
    ask(host, 202); /* pipelined, with the same acknowledgement */
    answer(host, 201);
    answer(host, 202);
    assert_seen(host, 1, 1, 2, 1);
}

static void missed_exchange__costs_nothing_else(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, request_text(201));
    say_unseen(host, SERVER, response_text(201));
    exchange(host, 202);
    exchange(host, 203);
    assert_true_pairs(host);
    assert_int_equal(host->records[host->record_count - 1].head.code, 203);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_GAP], 2);
}

/* Each of two responses in a row has its first segment behind the second one. */
static void late_first_segments__shift_nothing(void **state)
{
    for (size_t late = 1; late < 60; late++) {
        struct http_host *host = *state;
        http_host_reset(host);
        exchange(host, 200);
        ask(host, 201);
        answer_late(host, 201, late);
        ask(host, 202);
        answer_late(host, 202, late);
        for (unsigned status = 203; status < 210; status++) {
            exchange(host, status);
        }
        assert_true_pairs(host);
        assert_true(host->record_count >= 8);
        assert_int_equal(host->records[host->record_count - 1].head.code, 209);
    }
}

static void late_first_segment_of_a_request__shifts_nothing(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    const char *text = request_text(201);
    __u32 sequence = host->sequence[CLIENT];
    http_host_skip(host, CLIENT, 10);
    http_host_send(host, CLIENT, text + 10, strlen(text) - 10);
    http_host_segment(host, CLIENT, sequence, text, 10);
    answer(host, 201);
    exchange(host, 202);
    exchange(host, 203);
    assert_seen(host, 3, 0, 1, 1);
}

static void gap_within_a_body__changes_nothing(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    const char *text = response_text(200);
    size_t head = strlen(text) - BODY_BYTES;
    http_host_send(host, SERVER, text, head + 5);
    http_host_skip(host, SERVER, BODY_BYTES - 10);
    http_host_send(host, SERVER, text, 5);
    ask(host, 201);
    ask(host, 202);
    answer(host, 201);
    answer(host, 202);
    assert_seen(host, 3, 0, 0, 0);
}

static void gap_up_to_the_end_of_a_body__changes_nothing(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    ask(host, 201);
    const char *text = response_text(200);
    http_host_send(host, SERVER, text, strlen(text) - 10);
    http_host_skip(host, SERVER, 10);
    answer(host, 201);
    assert_seen(host, 2, 0, 0, 0);
}

static void gap_beyond_a_body__breaks(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    ask(host, 201);
    const char *text = response_text(200);
    http_host_send(host, SERVER, text, strlen(text) - 10);
    http_host_skip(host, SERVER, 10 + strlen(text));
    answer(host, 202);
    assert_seen(host, 1, 1, 1, 1);
}

static void pipelining_client__is_never_proved(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    ask(host, 201);
    answer(host, 200);
    answer(host, 201);
    say_unseen(host, SERVER, "?");
    for (unsigned status = 202; status < 210; status++) {
        exchange(host, status);
    }
    assert_true_pairs(host);
    assert_int_equal(host->record_count, 2);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNANSWERED], 8);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNMATCHED], 8);
}

/* Pipelining that begins while nothing is proved: two requests acknowledge the same. */
static void pipelining_in_doubt__ends_all_proofs(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say(host, SERVER, "{garbage}");
    ask(host, 201);
    ask(host, 202);
    answer(host, 201);
    answer(host, 202);
    exchange(host, 203);
    assert_seen(host, 1, 3, 3, 0);
}

static void pipelining_after_a_proof__ends_it(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, SERVER, "?");
    exchange(host, 201);
    assert_int_equal(host->conversation.queue.trust, EYE_TRUST_PROVEN);
    ask(host, 202);
    ask(host, 203);
    answer(host, 202);
    answer(host, 203);
    assert_seen(host, 2, 2, 2, 1);
}

static void interim_response__proves(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, SERVER, "?");
    ask(host, 201);
    say(host, SERVER, "HTTP/1.1 100 Continue\r\n\r\n");
    answer(host, 201);
    assert_seen(host, 2, 0, 0, 1);
}

static void missed_interim_response__costs_the_request(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    say_unseen(host, SERVER, "HTTP/1.1 100 Continue\r\n\r\n");
    answer(host, 200);
    exchange(host, 201);
    assert_seen(host, 1, 1, 1, 1);
}

/* An idle connection's 408 meets the next request on the way. */
static void response_sent_before_the_request_came__is_not_its_answer(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    __u32 received = host->acknowledges[SERVER];
    ask(host, 201);
    host->acknowledges[SERVER] = received;
    answer(host, 408);
    assert_seen(host, 1, 0, 1, 0);
}

static void duplicates_and_other_borders__count_once(void **state)
{
    struct http_host *host = *state;
    for (unsigned status = 200; status < 260; status++) {
        char request[64];
        char response[200];
        snprintf(request, sizeof(request), "%s", request_text(status));
        snprintf(response, sizeof(response), "%s", response_text(status));
        __u32 asked = host->sequence[CLIENT];
        __u32 answered = host->sequence[SERVER];
        size_t cut = 1 + status % 25;
        http_host_send(host, CLIENT, request, cut);
        http_host_segment(host, CLIENT, asked, request, cut / 2 + 1);
        http_host_segment(host, CLIENT, asked, request, strlen(request));
        http_host_skip(host, CLIENT, strlen(request) - cut);
        http_host_send(host, SERVER, response, cut);
        http_host_segment(host, SERVER, answered + (__u32)cut / 2, response + cut / 2,
                          strlen(response) - cut / 2);
        http_host_segment(host, SERVER, answered, response, strlen(response));
        http_host_skip(host, SERVER, strlen(response) - cut);
    }
    assert_seen(host, 60, 0, 0, 0);
}

static void wrapping_sequences__are_followed(void **state)
{
    struct http_host *host = *state;
    for (__u32 before = 1; before < 200; before += 3) {
        for (__u32 stream = 0; stream < 2; stream++) {
            http_host_reset(host);
            host->sequence[stream] = (__u32)-before;
            host->acknowledges[stream ^ 1] = host->sequence[stream];
            exchange(host, 200);
            say_unseen(host, SERVER, "?");
            exchange(host, 201);
            exchange(host, 202);
            assert_seen(host, 3, 0, 0, 1);
        }
    }
}

static void join__is_proved_by_the_first_exchange(void **state)
{
    struct http_host *host = *state;
    host->joins = true;
    exchange(host, 200);
    exchange(host, 201);
    assert_seen(host, 2, 0, 0, 0);
}

static void join_with_a_response__pairs_the_next(void **state)
{
    struct http_host *host = *state;
    host->joins = true;
    answer(host, 200);
    exchange(host, 201);
    assert_seen(host, 1, 0, 1, 0);
}

static void join_of_a_pipelining_client__is_never_proved(void **state)
{
    struct http_host *host = *state;
    host->joins = true;
    ask(host, 201); /* there was one before it */
    ask(host, 202);
    answer(host, 200);
    answer(host, 201);
    answer(host, 202);
    assert_seen(host, 0, 2, 3, 0);
}

/* What looks like a message at the start of a segment was part of a body, with a length that
 * would swallow all that follows. */
static void body_taken_for_a_response__is_left_again(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    ask(host, 201);
    say_unseen(host, SERVER, "HTTP/1.1 201 x\r\nContent-Length: 58\r\n\r\n");
    say(host, SERVER, "HTTP/1.1 999 trap\r\nContent-Length: 123456789012345678\r\n\r\n");
    exchange(host, 202);
    exchange(host, 203);
    assert_seen(host, 3, 1, 1, 1);
}

static void body_taken_for_a_request__is_left_again(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, "PUT /201 HTTP/1.1\r\nContent-Length: 58\r\n\r\n");
    say(host, CLIENT, "PUT /999 HTTP/1.1\r\nContent-Length: 123456789012345678\r\n\r\n");
    say(host, CLIENT, "more");
    answer(host, 201);
    exchange(host, 202);
    exchange(host, 203);
    assert_seen(host, 3, 1, 1, 1);
}

/* In doubt only the byte that the request acknowledged starts its response. */
static void message_behind_the_expected_start__answers_nothing(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say(host, SERVER, "{garbage}");
    ask(host, 201);
    say(host, SERVER, "{more}");
    say(host, SERVER, "HTTP/1.1 999 trap\r\nContent-Length: 0\r\n\r\n");
    exchange(host, 202);
    assert_seen(host, 2, 1, 1, 0);
}

/* The end of a body, all letters, stands right before the next request. */
static void letters_in_a_lost_stream__begin_no_method(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, "PUT /201 HTTP/1.1\r\nContent-Length: 3\r\n\r\n");
    say(host, CLIENT, "abc");
    answer(host, 201);
    exchange(host, 202);
    assert_seen(host, 2, 0, 1, 1);
    assert_int_equal(host->records[1].method, EYE_HTTP_GET);
}

/* The answer to a HEAD that was missed has a length and no body. */
static void answer_to_a_missed_head__swallows_nothing(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, "HEAD /201 HTTP/1.1\r\n\r\n");
    say(host, SERVER, "HTTP/1.1 201 x\r\nContent-Length: 100000\r\n\r\n");
    ask(host, 202);
    say(host, SERVER, "HTTP/1.1 202 x\r\nContent-Length: 0\r\n\r\n");
    exchange(host, 203);
    exchange(host, 204);
    assert_seen(host, 4, 0, 1, 1);
}

#define ENDLESS "HTTP/1.1 200 x\r\n\r\n"

/* What looks like a response within the body that had no end, and stands where a segment starts. */
static void head_in_an_endless_body__answers_nothing(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    say(host, SERVER, ENDLESS);
    say(host, SERVER, response_text(999));
    ask(host, 201);
    answer(host, 201);
    exchange(host, 202);
    assert_seen(host, 3, 0, 0, 0);
}

/* A client that asks before it has read the end: none of its requests gets another one's answer. */
static void pipelining_behind_an_endless_body__is_counted(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    ask(host, 201);
    say(host, SERVER, ENDLESS);
    answer(host, 201);
    for (unsigned status = 202; status < 230; status++) {
        exchange(host, status);
    }
    assert_seen(host, 1, 29, 28, 0);
}

/* It was sent before the response was read, so it says nothing of its end. */
static void request_sent_before_an_endless_body__ends_nothing(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    __u32 received = host->acknowledges[CLIENT];
    say(host, SERVER, ENDLESS);
    host->acknowledges[CLIENT] = received;
    ask(host, 201);
    assert_int_equal(host->conversation.halves[SERVER].phase, EYE_PHASE_IGNORE);
    say(host, SERVER, response_text(201));
    assert_seen(host, 1, 0, 0, 0);
}

/* A request that was missed in doubt is not admitted because a body had no end. */
static void endless_body_in_doubt__keeps_the_barrier(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, request_text(201));
    say(host, SERVER, ENDLESS);
    host->acknowledges[CLIENT] = host->sequence[SERVER];
    say_unseen(host, CLIENT, request_text(202));
    host->acknowledges[CLIENT] = host->sequence[SERVER];
    ask(host, 203);
    answer(host, 202);
    answer(host, 203);
    assert_true_pairs(host);
    assert_int_equal(host->record_count, 1);
}

static void garbage_between_requests__costs_one_exchange(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say(host, CLIENT, "garbage that is no request\r\n");
    assert_int_equal(host->losses[EYE_LOSS_HTTP_MALFORMED], 1);
    exchange(host, 201);
    exchange(host, 202);
    assert_seen(host, 2, 1, 1, 0);
}

static void garbage_between_responses__costs_one_exchange(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    ask(host, 201);
    say(host, SERVER, "{garbage}");
    answer(host, 201);
    exchange(host, 202);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_MALFORMED], 1);
    assert_seen(host, 2, 1, 1, 0);
}

/* Words of a body at the start of segments are no requests, and no faults either. */
static void words_in_a_lost_stream__are_passed_over(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    say_unseen(host, CLIENT, "PUT /201 HTTP/1.1\r\nContent-Length: 30\r\n\r\n");
    say(host, CLIENT, "some words");
    say(host, CLIENT, "GET / it\n");
    answer(host, 201);
    exchange(host, 202);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_MALFORMED], 0);
    assert_seen(host, 2, 0, 1, 1);
}

static void heads_beyond_the_pipeline__have_no_bodies(void **state)
{
    for (unsigned count = 1; count <= EYE_QUEUE_DEPTH + EYE_QUEUE_OVERFLOW_MAX; count++) {
        struct http_host *host = *state;
        http_host_reset(host);
        for (unsigned i = 0; i < count; i++) {
            char head[64];
            snprintf(head, sizeof(head), "%s /%u HTTP/1.1\r\n\r\n", i % 3 ? "HEAD" : "GET",
                     200 + i);
            say(host, CLIENT, head);
        }
        for (unsigned i = 0; i < count; i++) {
            char head[64];
            snprintf(head, sizeof(head), "HTTP/1.1 %u x\r\nContent-Length: 3\r\n\r\n%s", 200 + i,
                     i % 3 ? "" : "abc");
            say(host, SERVER, head);
        }
        exchange(host, 500);
        size_t kept = count < EYE_QUEUE_DEPTH ? count : EYE_QUEUE_DEPTH;
        assert_int_equal(host->losses[EYE_LOSS_HTTP_PIPELINE], count - kept);
        assert_seen(host, kept + 1, 0, 0, 0);
    }
}

/* Beyond the overflow's bits only what has the usual mark is remembered. */
static void too_many_in_flight__are_counted(void **state)
{
    struct http_host *host = *state;
    unsigned count = EYE_QUEUE_DEPTH + EYE_QUEUE_OVERFLOW_MAX + 100;
    for (unsigned i = 0; i < count; i++) {
        ask(host, 400 + i);
    }
    for (unsigned i = 0; i < count; i++) {
        answer(host, 400 + i);
    }
    exchange(host, 700);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_PIPELINE], count - EYE_QUEUE_DEPTH);
    assert_seen(host, EYE_QUEUE_DEPTH + 1, 0, 0, 0);
}

static void too_many_in_flight__break_with_a_head(void **state)
{
    struct http_host *host = *state;
    unsigned count = EYE_QUEUE_DEPTH + EYE_QUEUE_OVERFLOW_MAX;
    for (unsigned i = 0; i < count; i++) {
        ask(host, 400 + i);
    }
    say(host, CLIENT, "HEAD /x HTTP/1.1\r\n\r\n");
    for (unsigned i = 0; i < count + 1; i++) {
        answer(host, 400 + i);
    }
    assert_int_equal(host->losses[EYE_LOSS_HTTP_PIPELINE], count + 1 - EYE_QUEUE_DEPTH);
    assert_seen(host, 0, EYE_QUEUE_DEPTH, count + 1, 0);
}

static void losses__are_kept_for_the_report(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    assert_false(host->conversation.troubled);
    ask(host, 201);
    say_unseen(host, SERVER, "?");
    say(host, SERVER, "{garbage}");
    exchange(host, 202);
    assert_true(host->conversation.troubled);
    for (unsigned i = 0; i < EYE_LOST_COUNT; i++) {
        assert_int_equal(host->conversation.lost[i],
                         host->losses[EYE_LOSS_OF_PARSER(EYE_PROTOCOL_HTTP) + i]);
    }
}

/* ---- what the socket drops ---- */

#define WINDOW_BYTES 65536

/* From now on the parser may ask the socket that receives stream 1, which has got all so far. */
static void know_receiver(struct http_host *host)
{
    __u32 accepted = host->sequence[1];
    host->knows_receiver = true;
    host->receiver = (struct eye_receiver){
        .accepted = accepted, .end = accepted + WINDOW_BYTES, .sent = host->sequence[0]};
}

/* At the server's end requests come in stream 1, and responses leave in stream 0. */
static void get_request(struct http_host *host, unsigned status)
{
    know_receiver(host);
    http_host_send(host, 1, request_text(status), strlen(request_text(status)));
}

static void send_response(struct http_host *host, unsigned status)
{
    http_host_send(host, 0, response_text(status), strlen(response_text(status)));
}

/* At the client's end it is the other way round. */
static void get_response(struct http_host *host, unsigned status)
{
    know_receiver(host);
    answer(host, status);
}

static void assert_no_losses(const struct http_host *host)
{
    for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
        assert_int_equal(host->losses[i], 0);
    }
}

static void stray_segment__is_ignored(void **state)
{
    static const __u32 distances[] = {
        WINDOW_BYTES + EYE_RECEIVE_WINDOW_SLACK + 1,
        1U << 20,
        1U << 30,
        0x7fffffff,
        0x80000000U,
        1U << 31,
        3U << 30,
        -1U,
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(distances); i++) {
        struct http_host *host = *state;
        http_host_reset(host);
        exchange(host, 200);
        ask(host, 201);
        know_receiver(host);
        http_host_segment(host, 1, host->sequence[1] + distances[i], "?", 1);
        answer(host, 201);
        know_receiver(host);
        http_host_segment(host, 1, host->sequence[1] + distances[i], "?", 1);
        exchange(host, 202);
        assert_int_equal(host->record_count, 3);
        assert_true_pairs(host);
        assert_no_losses(host);
    }
}

static void stray_segment__joins_nothing(void **state)
{
    struct http_host *host = *state;
    know_receiver(host);
    http_host_segment(host, 1, host->sequence[1] + (1U << 30), "HTTP/1.1 200 x\r\n", 16);
    http_host_segment(host, 1, host->sequence[1] - 16, "HTTP/1.1 200 x\r\n", 16);
    assert_int_equal(host->conversation.halves[1].synced, 0);
    exchange(host, 200);
    ask(host, 201);
    ask(host, 202);
    answer(host, 201);
    answer(host, 202);
    assert_seen(host, 3, 0, 0, 0);
}

static void acknowledgement_of_what_was_not_sent__is_a_stray(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    know_receiver(host);
    host->acknowledges[1] += 1;
    http_host_segment(host, 1, host->sequence[1] + 10, "?", 1);
    host->acknowledges[1] -= 1;
    exchange(host, 201);
    assert_int_equal(host->record_count, 2);
    assert_no_losses(host);
}

/* Within the window nobody can tell: it costs what any gap does. */
static void segment_within_the_window__is_believed(void **state)
{
    static const __u32 distances[] = {WINDOW_BYTES, WINDOW_BYTES + EYE_RECEIVE_WINDOW_SLACK};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(distances); i++) {
        struct http_host *host = *state;
        http_host_reset(host);
        exchange(host, 200);
        know_receiver(host);
        http_host_segment(host, 1, host->sequence[1] + distances[i], "?", 1);
        assert_int_equal(host->losses[EYE_LOSS_HTTP_GAP], 1);
    }
}

/* The wire spoils a request; what comes again is what the server gets. */
static void spoiled_request__is_read_again(void **state)
{
    struct http_host *host = *state;
    for (unsigned status = 300; status < 304; status++) {
        know_receiver(host);
        host->clock_ns = 1000;
        http_host_segment(host, 1, host->sequence[1], request_text(999), strlen(request_text(999)));
        host->clock_ns = 2000;
        get_request(host, status);
        send_response(host, status);
        assert_int_equal(host->records[status - 300].head.duration_ns, 0);
    }
    assert_int_equal(host->record_count, 4);
    assert_true_pairs(host);
    assert_no_losses(host);
}

/* The start of a header that was spoiled with it is forgotten, too. */
static void spoiled_part_of_a_request__is_read_again(void **state)
{
    struct http_host *host = *state;
    static const char part[] = "GET /999 HTTP/1.1\r\nHost: ";
    know_receiver(host);
    http_host_segment(host, 1, host->sequence[1], part, sizeof(part) - 1);
    get_request(host, 200);
    send_response(host, 200);
    assert_seen(host, 1, 0, 0, 0);
    assert_no_losses(host);
}

/* The second of two that wait. */
static void spoiled_request_behind_another__is_counted(void **state)
{
    struct http_host *host = *state;
    get_request(host, 200);
    know_receiver(host);
    http_host_segment(host, 1, host->sequence[1], request_text(999), strlen(request_text(999)));
    get_request(host, 201);
    send_response(host, 200);
    send_response(host, 201);
    assert_seen(host, 0, 3, 2, 1);
}

/* The status is told already; that it is in doubt is counted, and the next pair is right. */
static void spoiled_response__is_counted(void **state)
{
    struct http_host *host = *state;
    exchange(host, 200);
    ask(host, 201);
    know_receiver(host);
    http_host_segment(host, SERVER, host->sequence[SERVER], response_text(999),
                      strlen(response_text(999)));
    get_response(host, 201);
    assert_int_equal(host->record_count, 2);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_GAP], 1);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNMATCHED], 1);
    ask(host, 202);
    get_response(host, 202);
    assert_int_equal(host->record_count, 3);
    assert_string_equal(host->records[2].path, "/202");
    assert_int_equal(host->records[2].head.code, 202);
}

/* A length that swallows all that follows. */
static void spoiled_length__swallows_nothing(void **state)
{
    struct http_host *host = *state;
    ask(host, 200);
    know_receiver(host);
    static const char bad[] = "HTTP/1.1 200 x\r\nContent-Length: 90000000\r\n\r\n";
    http_host_segment(host, SERVER, host->sequence[SERVER], bad, sizeof(bad) - 1);
    get_response(host, 200);
    ask(host, 201);
    get_response(host, 201);
    ask(host, 202);
    get_response(host, 202);
    assert_seen(host, 3, 0, 1, 1);
}

/* The late start of a body that was passed over was never read. */
static void late_body__is_not_read_again(void **state)
{
    struct http_host *host = *state;
    static const char head[] = "PUT /201 HTTP/1.1\r\nContent-Length: 30\r\n\r\n";
    get_request(host, 200);
    send_response(host, 200);
    http_host_send(host, 1, head, sizeof(head) - 1);
    know_receiver(host);
    http_host_segment(host, 1, host->sequence[1] + 10, "GET /no HTTP/1.1\r\n\r\n", 20);
    http_host_segment(host, 1, host->sequence[1], "GET /no HT", 10);
    http_host_skip(host, 1, 30);
    send_response(host, 201);
    assert_int_equal(host->record_count, 2);
    assert_true_pairs(host);
    assert_no_losses(host);
}

/* Of a direction in which nothing was read yet nothing was refused, wherever its numbers begin. */
static void late_start_of_the_first_response__was_never_read(void **state)
{
    struct http_host *host = *state;
    host->sequence[SERVER] = 0xfffffff0U;
    host->acknowledges[CLIENT] = host->sequence[SERVER];
    ask(host, 200);
    know_receiver(host);
    answer_late(host, 200, 30);
    assert_seen(host, 0, 1, 0, 1);
}

/* A SYN with data acknowledges nothing: where the other direction begins is not known. */
static void first_payload__tells_where_the_other_direction_begins(void **state)
{
    struct http_host *host = *state;
    for (__u32 opening = 0; opening < 2; opening++) {
        const struct eye_cursor at = {.acknowledged = 7, .opening = opening};
        http_host_reset(host);
        eye_join(&host->conversation, &at, true, 100);
        assert_int_equal(host->conversation.halves[1].synced, !opening);
        assert_int_equal(host->conversation.halves[1].next_sequence, opening ? 0 : 7);
        assert_int_equal(host->conversation.queue.trust, EYE_TRUST_FROM_START);
    }
}

/* A process that uses the socket holds all of this back; a copy has been accepted. */
static void backlog_and_copies__change_nothing(void **state)
{
    struct http_host *host = *state;
    static const char head[] = "PUT /200 HTTP/1.1\r\nContent-Length: 6\r\n\r\n";
    know_receiver(host);
    __u32 start = host->sequence[1];
    http_host_send(host, 1, head, 10);
    http_host_send(host, 1, head + 10, sizeof(head) - 11);
    http_host_send(host, 1, "abcdef", 6);
    know_receiver(host);
    http_host_segment(host, 1, start, head, sizeof(head) - 1);
    send_response(host, 200);
    assert_int_equal(host->record_count, 1);
    assert_no_losses(host);
}

/* ---- a bad wire ---- */

#define EXCHANGES 2000

/* Not even the method of a request whose first letters were missed. */
static void assert_true_methods(const struct http_host *host)
{
    for (size_t i = 0; i < host->record_count; i++) {
        assert_int_equal(host->records[i].method, EYE_HTTP_GET);
    }
}

/* What is missing is counted: a message that was seen is paired or alone, one that was not lies in
 * a gap. */
static void assert_accounts(const struct http_host *host, size_t exchanges)
{
    size_t missing = exchanges - host->record_count;
    __u64 gaps = host->losses[EYE_LOSS_HTTP_GAP] + host->losses[EYE_LOSS_HTTP_MALFORMED];
    assert_true(host->record_count <= exchanges);
    assert_true(host->losses[EYE_LOSS_HTTP_UNANSWERED] <= missing);
    assert_true(host->losses[EYE_LOSS_HTTP_UNMATCHED] <= missing);
    assert_true(host->losses[EYE_LOSS_HTTP_UNANSWERED] + gaps >= missing);
    assert_true(host->losses[EYE_LOSS_HTTP_UNMATCHED] + gaps >= missing);
}

static void bad_wire__never_pairs_wrongly(void **state)
{
    struct http_host *host = *state;
    size_t seen = 0;
    for (unsigned seed = 1; seed <= 100; seed++) {
        uint64_t random = seed;
        http_host_reset(host);
        host->joins = seed % 4 == 0;
        exchange(host, 200);
        for (unsigned i = 0; i < EXCHANGES && !host->stopped; i++) {
            unsigned status = FIRST_STATUS + (unsigned)random_below(&random, STATUSES);
            send_badly(host, &random, CLIENT, request_text(status));
            send_badly(host, &random, SERVER, response_text(status));
        }
        assert_true_pairs(host);
        assert_true_methods(host);
        if (!host->stopped) {
            assert_accounts(host, EXCHANGES + 1);
            seen += host->record_count;
        }
    }
    print_message("%zu of at most %d exchanges seen\n", seen, 100 * EXCHANGES);
    assert_true(seen > 40 * EXCHANGES);
}

/* A client that pipelines shows it before anything is missed. */
static void bad_wire__never_pairs_a_pipelining_client_wrongly(void **state)
{
    struct http_host *host = *state;
    for (unsigned seed = 1; seed <= 100; seed++) {
        uint64_t random = seed;
        http_host_reset(host);
        ask(host, 200);
        ask(host, 201);
        answer(host, 200);
        answer(host, 201);
        unsigned statuses[8];
        for (unsigned i = 0; i < EXCHANGES / 8; i++) {
            unsigned flight = 1 + (unsigned)random_below(&random, 8);
            for (unsigned j = 0; j < flight; j++) {
                statuses[j] = FIRST_STATUS + (unsigned)random_below(&random, STATUSES);
                send_badly(host, &random, CLIENT, request_text(statuses[j]));
            }
            for (unsigned j = 0; j < flight; j++) {
                send_badly(host, &random, SERVER, response_text(statuses[j]));
            }
        }
        assert_true_pairs(host);
        assert_true_methods(host);
    }
}

/* What of a message the receiver has got. */
struct receipt {
    bool has[256];
};

/* A segment of a message that starts at @start; with @spoiled its digits are others, and the
 * receiver drops it. */
static void receive_piece(struct http_host *host, struct receipt *receipt, __u32 start,
                          const struct piece *piece, bool spoiled)
{
    char bytes[256];
    for (size_t i = 0; i < piece->size; i++) {
        char byte = piece->bytes[i];
        bytes[i] = spoiled && byte >= '0' && byte <= '9' ? (char)('9' - (byte - '0')) : byte;
    }
    __u32 got = 0;
    while (receipt->has[got]) {
        got++;
    }
    host->receiver.accepted = start + got;
    host->receiver.end = start + got + WINDOW_BYTES;
    http_host_segment(host, 1, piece->sequence, bytes, piece->size);
    if (!spoiled) {
        memset(receipt->has + (piece->sequence - start), true, piece->size);
    }
}

/* One request for the server: segments come late, twice, or spoiled and then again. */
static void receive_badly(struct http_host *host, uint64_t *random, const char *text)
{
    struct piece pieces[PIECES_MAX];
    struct receipt receipt = {0};
    __u32 start = host->sequence[1];
    size_t count = cut(host, random, 1, text, strlen(text), pieces);
    bool spoiled[PIECES_MAX] = {false};
    know_receiver(host);
    for (size_t i = 0; i < count; i++) {
        spoiled[i] = random_below(random, 10) == 0;
        receive_piece(host, &receipt, start, &pieces[i], spoiled[i]);
        size_t again = random_below(random, i + 1);
        if (!spoiled[again] && random_below(random, 10) == 0) {
            receive_piece(host, &receipt, start, &pieces[again], false);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (spoiled[i]) {
            receive_piece(host, &receipt, start, &pieces[i], false);
        }
    }
    http_host_skip(host, 1, strlen(text));
}

/* At the server's end no request is ever told with bytes that the server did not get. */
static void spoiling_wire__never_pairs_wrongly(void **state)
{
    struct http_host *host = *state;
    size_t seen = 0;
    for (unsigned seed = 1; seed <= 100; seed++) {
        uint64_t random = seed;
        http_host_reset(host);
        get_request(host, 200);
        send_response(host, 200);
        for (unsigned i = 0; i < EXCHANGES && !host->stopped; i++) {
            unsigned status = FIRST_STATUS + (unsigned)random_below(&random, STATUSES);
            receive_badly(host, &random, request_text(status));
            send_response(host, status);
        }
        assert_true_pairs(host);
        assert_true_methods(host);
        seen += host->record_count;
        size_t missing = EXCHANGES + 1 - host->record_count;
        assert_true(host->losses[EYE_LOSS_HTTP_UNMATCHED] == missing);
    }
    print_message("%zu of at most %d exchanges seen\n", seen, 100 * EXCHANGES);
    assert_true(seen > 70 * EXCHANGES);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start__needs_no_proof),
        TEST(answer__without_the_slot_of_its_request),
        TEST(pop__of_a_request_that_was_forgotten),
        TEST(missed_response__costs_its_own_request),
        TEST(missed_request__costs_its_own_response),
        TEST(missed_request__is_not_taken_for_the_one_behind_it),
        TEST(missed_exchange__costs_nothing_else),
        TEST(late_first_segments__shift_nothing),
        TEST(late_first_segment_of_a_request__shifts_nothing),
        TEST(gap_within_a_body__changes_nothing),
        TEST(gap_up_to_the_end_of_a_body__changes_nothing),
        TEST(gap_beyond_a_body__breaks),
        TEST(pipelining_client__is_never_proved),
        TEST(pipelining_in_doubt__ends_all_proofs),
        TEST(pipelining_after_a_proof__ends_it),
        TEST(interim_response__proves),
        TEST(missed_interim_response__costs_the_request),
        TEST(response_sent_before_the_request_came__is_not_its_answer),
        TEST(duplicates_and_other_borders__count_once),
        TEST(wrapping_sequences__are_followed),
        TEST(join__is_proved_by_the_first_exchange),
        TEST(join_with_a_response__pairs_the_next),
        TEST(join_of_a_pipelining_client__is_never_proved),
        TEST(body_taken_for_a_response__is_left_again),
        TEST(body_taken_for_a_request__is_left_again),
        TEST(message_behind_the_expected_start__answers_nothing),
        TEST(letters_in_a_lost_stream__begin_no_method),
        TEST(answer_to_a_missed_head__swallows_nothing),
        TEST(head_in_an_endless_body__answers_nothing),
        TEST(pipelining_behind_an_endless_body__is_counted),
        TEST(request_sent_before_an_endless_body__ends_nothing),
        TEST(endless_body_in_doubt__keeps_the_barrier),
        TEST(garbage_between_requests__costs_one_exchange),
        TEST(garbage_between_responses__costs_one_exchange),
        TEST(words_in_a_lost_stream__are_passed_over),
        TEST(heads_beyond_the_pipeline__have_no_bodies),
        TEST(too_many_in_flight__are_counted),
        TEST(too_many_in_flight__break_with_a_head),
        TEST(losses__are_kept_for_the_report),
        TEST(bad_wire__never_pairs_wrongly),
        TEST(stray_segment__is_ignored),
        TEST(stray_segment__joins_nothing),
        TEST(acknowledgement_of_what_was_not_sent__is_a_stray),
        TEST(segment_within_the_window__is_believed),
        TEST(spoiled_request__is_read_again),
        TEST(spoiled_part_of_a_request__is_read_again),
        TEST(spoiled_request_behind_another__is_counted),
        TEST(spoiled_response__is_counted),
        TEST(spoiled_length__swallows_nothing),
        TEST(late_body__is_not_read_again),
        TEST(late_start_of_the_first_response__was_never_read),
        TEST(first_payload__tells_where_the_other_direction_begins),
        TEST(backlog_and_copies__change_nothing),
        TEST(spoiling_wire__never_pairs_wrongly),
        TEST(bad_wire__never_pairs_a_pipelining_client_wrongly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
