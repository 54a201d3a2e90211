/* SPDX-License-Identifier: Apache-2.0 */
/* Captures made packet by packet: which records come out, with which times, ends and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "collector/base/base.h"
#include "tests/support/kafka_messages.h"
#include "tests/support/packets.h"

#define RECORDS 64
#define GET "GET /a HTTP/1.1\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

struct fixture {
    struct packets packets;
    struct eye_request_head requests[RECORDS];
    size_t request_count;
    uint32_t lost[EYE_LOSS_COUNT];
    struct eye_replay_summary summary;
};

static void keep(void *context, const void *record, size_t bytes)
{
    struct fixture *fixture = context;
    if (bytes == sizeof(struct eye_loss_record)) {
        const struct eye_loss_record *loss = record;
        fixture->lost[loss->loss] += loss->amount;
        return;
    }
    assert_true(fixture->request_count < RECORDS);
    memcpy(&fixture->requests[fixture->request_count++], record, sizeof(struct eye_request_head));
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    packets_begin(&fixture->packets, PACKETS_LINK_RAW);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void replay(struct fixture *fixture, bool client_end)
{
    const struct eye_replay_settings settings = {
        .sink = {.take = keep, .context = fixture, .wanted = ~0U, .client_end = client_end},
        .dns_timeout_ns = 5 * EYE_NS_PER_SECOND,
    };
    fixture->request_count = 0;
    memset(fixture->lost, 0, sizeof(fixture->lost));
    assert_int_equal(
        packets_replay(fixture->packets.bytes, fixture->packets.size, &settings, &fixture->summary),
        0);
}

static bool is_client(const struct eye_request_head *head)
{
    return (head->flags & EYE_REQUEST_CLIENT) != 0;
}

static void request__is_timed_by_the_capture(void **state)
{
    struct fixture *fixture = *state;
    packets_open(&fixture->packets);
    packets_send(&fixture->packets, 0, GET);
    fixture->packets.now_ns += 1234567;
    packets_send(&fixture->packets, 1, OK);
    packets_close(&fixture->packets, 0);
    for (int client = 0; client < 2; client++) {
        replay(fixture, client != 0);
        assert_int_equal(fixture->request_count, 1);
        const struct eye_request_head *head = &fixture->requests[0];
        assert_int_equal(head->duration_ns, 1234567 + EYE_NS_PER_US);
        assert_int_equal(head->code, 200);
        assert_int_equal(head->port, 8080);
        assert_int_equal(head->owner, EYE_OWNER_UNKNOWN);
        assert_int_equal(is_client(head), client);
        assert_int_equal(fixture->summary.connections.seen, 1);
        assert_int_equal(fixture->summary.connections.guessed, 0);
    }
}

static void unanswered__is_told_by_who_ended(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        uint32_t first; /* closes, or resets */
        bool reset;
        uint8_t errors[2]; /* at the server's end, at the client's */
    } ends[] = {
        {0, false, {EYE_REQUEST_CANCELLED, EYE_REQUEST_CANCELLED}},
        {1, false, {EYE_REQUEST_CLOSED, EYE_REQUEST_CLOSED}},
        {0, true, {EYE_REQUEST_RESET, EYE_REQUEST_CANCELLED}},
        {1, true, {EYE_REQUEST_RESET, EYE_REQUEST_RESET}},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ends); i++) {
        packets_begin(&fixture->packets, PACKETS_LINK_RAW);
        packets_open(&fixture->packets);
        packets_send(&fixture->packets, 0, GET);
        if (ends[i].reset) {
            packets_flag(&fixture->packets, ends[i].first, EYE_RST | EYE_ACK);
        } else {
            packets_close(&fixture->packets, ends[i].first);
        }
        for (int client = 0; client < 2; client++) {
            replay(fixture, client != 0);
            assert_int_equal(fixture->request_count, 1);
            assert_true(fixture->requests[0].flags & EYE_REQUEST_UNANSWERED);
            assert_int_equal(fixture->requests[0].code, ends[i].errors[client]);
        }
    }
}

/* What a load balancer put before is taken off, in the first segment or in one of its own. */
static void proxy_header__hides_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const char line[] = "PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n";
    for (int apart = 0; apart < 2; apart++) {
        packets_begin(&fixture->packets, PACKETS_LINK_RAW);
        packets_open(&fixture->packets);
        if (apart) {
            packets_send(&fixture->packets, 0, line);
            packets_send(&fixture->packets, 0, GET GET);
        } else {
            packets_send(&fixture->packets, 0, "PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n" GET GET);
        }
        packets_send(&fixture->packets, 1, OK OK);
        packets_close(&fixture->packets, 0);
        replay(fixture, false);
        assert_int_equal(fixture->request_count, 2);
        assert_int_equal(fixture->requests[0].code, 200);
        assert_int_equal(fixture->requests[1].code, 200);
        for (size_t i = 0; i < EYE_LOSS_COUNT; i++) {
            assert_int_equal(fixture->lost[i], 0);
        }
    }
}

/* An answer that was not captured is no answer that was not given. */
static void missed_answer__is_no_error(void **state)
{
    struct fixture *fixture = *state;
    packets_open(&fixture->packets);
    packets_send(&fixture->packets, 0, GET);
    fixture->packets.sequence[1] += (uint32_t)strlen(OK);
    packets_close(&fixture->packets, 0);
    replay(fixture, false);
    assert_int_equal(fixture->request_count, 0);
    assert_int_equal(fixture->lost[EYE_LOSS_HTTP_UNANSWERED], 1);
}

static void send_kafka(struct packets *packets, uint32_t direction, uint32_t number)
{
    struct kafka_bytes bytes = {.size = 0};
    if (direction == 0) {
        kafka_ask_other(&bytes, EYE_KAFKA_HEARTBEAT, 4, number);
    } else {
        kafka_answer_error(&bytes, EYE_KAFKA_HEARTBEAT, 4, number, true, 0);
    }
    packets_segment(packets, direction, EYE_ACK, packets->sequence[direction], bytes.data,
                    bytes.size);
    packets->sequence[direction] += (uint32_t)bytes.size;
}

/* What only began like a protocol, or had answers that nobody could find, says nothing of who ended
 * it, as in the kernel. */
static void doubt__is_no_error(void **state)
{
    struct fixture *fixture = *state;
    for (int missed = 0; missed < 2; missed++) {
        packets_begin(&fixture->packets, PACKETS_LINK_RAW);
        packets_open(&fixture->packets);
        send_kafka(&fixture->packets, 0, 1);
        if (missed) {
            send_kafka(&fixture->packets, 1, 1);
            send_kafka(&fixture->packets, 0, 2);
            fixture->packets.sequence[1] += 100;
            packets_send(&fixture->packets, 1, "the end of an answer");
        }
        packets_close(&fixture->packets, 0);
        replay(fixture, false);
        assert_int_equal(fixture->request_count, missed);
        assert_int_equal(fixture->lost[EYE_LOSS_KAFKA_UNANSWERED], missed);
    }
}

/* The service has the higher port, and no SYN tells: what asks is the client all the same. */
static void wrong_guess__is_put_right_by_the_protocol(void **state)
{
    struct fixture *fixture = *state;
    fixture->packets.ports[1] = 50000;
    for (int i = 0; i < 3; i++) {
        packets_send(&fixture->packets, 0, GET);
        packets_send(&fixture->packets, 1, OK);
    }
    for (int client = 0; client < 2; client++) {
        replay(fixture, client != 0);
        assert_int_equal(fixture->request_count, 3);
        for (size_t i = 0; i < fixture->request_count; i++) {
            assert_int_equal(fixture->requests[i].port, 50000);
            assert_int_equal(is_client(&fixture->requests[i]), client);
        }
        assert_int_equal(fixture->summary.connections.guessed, 1);
    }
}

static void ports__are_used_again(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        packets_open(&fixture->packets);
        packets_send(&fixture->packets, 0, GET);
        packets_send(&fixture->packets, 1, OK);
        if (i == 1) {
            packets_close(&fixture->packets, 1);
        }
        fixture->packets.sequence[0] += 100000;
        fixture->packets.sequence[1] += 200000;
    }
    replay(fixture, false);
    assert_int_equal(fixture->request_count, 3);
    assert_int_equal(fixture->summary.connections.seen, 3);
}

/* Nobody obeyed the RST; what follows is told, from where it is certain again. */
static void stray_reset__ends_nothing_for_good(void **state)
{
    struct fixture *fixture = *state;
    packets_open(&fixture->packets);
    packets_segment(&fixture->packets, 0, EYE_RST, 12345, "", 0);
    for (int i = 0; i < 3; i++) {
        packets_send(&fixture->packets, 0, GET);
        packets_send(&fixture->packets, 1, OK);
    }
    replay(fixture, false);
    assert_int_equal(fixture->request_count, 3);
}

static void retransmissions__are_told_once(void **state)
{
    struct fixture *fixture = *state;
    packets_open(&fixture->packets);
    uint32_t asked = fixture->packets.sequence[0];
    packets_send(&fixture->packets, 0, GET);
    packets_segment(&fixture->packets, 0, EYE_ACK, asked, GET, strlen(GET));
    packets_send(&fixture->packets, 1, OK);
    packets_segment(&fixture->packets, 0, EYE_ACK, asked, GET, strlen(GET));
    packets_close(&fixture->packets, 0);
    packets_segment(&fixture->packets, 0, EYE_ACK, asked, GET, strlen(GET));
    replay(fixture, false);
    assert_int_equal(fixture->request_count, 1);
    assert_int_equal(fixture->summary.connections.waiting, 0);
}

/* What was cut is missing, and known to be. */
static void cut_payloads__are_counted_and_lost(void **state)
{
    struct fixture *fixture = *state;
    packets_open(&fixture->packets);
    fixture->packets.snaplen = 20 + 20 + 5;
    packets_send(&fixture->packets, 0, GET);
    packets_send(&fixture->packets, 1, OK);
    fixture->packets.snaplen = 0;
    packets_send(&fixture->packets, 0, "GET /b HTTP/1.1\r\n\r\n");
    packets_send(&fixture->packets, 1, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    packets_close(&fixture->packets, 0);
    replay(fixture, false);
    assert_int_equal(fixture->summary.connections.cut, 2);
    assert_int_equal(fixture->request_count, 1);
    assert_int_equal(fixture->requests[0].code, 404);
    assert_true(fixture->lost[EYE_LOSS_HTTP_GAP] > 0);
}

static void connections__are_bounded(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t more = 10;
    for (uint32_t i = 0; i < EYE_REPLAY_CONNECTIONS_MAX + more; i++) {
        fixture->packets.ports[0] = (uint16_t)i;
        fixture->packets.ports[1] = (uint16_t)(80 + (i >> 16));
        packets_flag(&fixture->packets, 0, EYE_SYN);
    }
    replay(fixture, false);
    assert_int_equal(fixture->summary.connections.evicted, more);
    assert_int_equal(fixture->summary.connections.seen, EYE_REPLAY_CONNECTIONS_MAX + more);
}

/* A question for "a.", without its number. */
#define QUESTION "\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"

static void ask(struct packets *packets, uint8_t number)
{
    uint8_t message[2 + sizeof(QUESTION) - 1] = {0, number};
    memcpy(message + 2, QUESTION, sizeof(QUESTION) - 1);
    packets_datagram(packets, 0, message, sizeof(message));
}

static void questions__are_over_in_time(void **state)
{
    struct fixture *fixture = *state;
    fixture->packets.ports[1] = 53;
    ask(&fixture->packets, 1);
    fixture->packets.now_ns += 7 * EYE_NS_PER_SECOND;
    ask(&fixture->packets, 2);
    for (int client = 0; client < 2; client++) {
        replay(fixture, client != 0);
        assert_int_equal(fixture->request_count, 1);
        assert_int_equal(fixture->requests[0].code, EYE_REQUEST_TIMEOUT);
        assert_int_equal(fixture->requests[0].duration_ns, 5 * EYE_NS_PER_SECOND);
        assert_int_equal(is_client(&fixture->requests[0]), client);
        assert_int_equal(fixture->summary.questions_waiting, 1);
        assert_int_equal(fixture->summary.dns, 2);
    }
}

static void clock__may_run_back(void **state)
{
    struct fixture *fixture = *state;
    packets_open(&fixture->packets);
    packets_send(&fixture->packets, 0, GET);
    fixture->packets.now_ns -= 3600 * EYE_NS_PER_SECOND;
    packets_send(&fixture->packets, 1, OK);
    replay(fixture, false);
    assert_int_equal(fixture->request_count, 1);
    assert_int_equal(fixture->requests[0].duration_ns, 0);
    assert_true(fixture->summary.first_ns < fixture->summary.last_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(request__is_timed_by_the_capture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unanswered__is_told_by_who_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proxy_header__hides_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missed_answer__is_no_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(doubt__is_no_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_guess__is_put_right_by_the_protocol, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(ports__are_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stray_reset__ends_nothing_for_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retransmissions__are_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cut_payloads__are_counted_and_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections__are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(questions__are_over_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clock__may_run_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
