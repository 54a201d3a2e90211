/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to receivers that come, go, move and do not read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/text.h"
#include "tests/unit/exporters/link/link_fixture.h"
#include "tests/unit/exporters/link/names.h"

/* More than a Unix socket queues: net.unix.max_dgram_qlen is 10 or a few hundred. */
#define MANY 4096

static uint64_t ms_since(uint64_t start_ns)
{
    return (eye_clock_monotonic_ns() - start_ns) / EYE_NS_PER_MS;
}

static int send_again(struct fixture *fixture, size_t length)
{
    static char bytes[70000];
    return eye_link_send(fixture->link, bytes, length, &fixture->failure);
}

/* ---- UDP ---- */

static void open_udp(struct fixture *fixture)
{
    fixture_bind_inet(fixture, SOCK_DGRAM, 0);
    fixture_link(fixture, "udp://127.0.0.1:%");
}

static void udp__reopens_after_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    open_udp(fixture);
    assert_int_equal(fixture_send(fixture, "one"), 0);
    fixture_expect(fixture->receiver, "one");
    fixture_close_receiver(fixture);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture_send(fixture, "lost"), -ECONNREFUSED);
        assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
        assert_int_equal(fixture->link->fd, -1);
    }
    fixture_bind_inet(fixture, SOCK_DGRAM, fixture->port);
    assert_int_equal(fixture_send(fixture, "two"), 0);
    fixture_expect(fixture->receiver, "two");
    assert_int_equal(atomic_load(&fixture->stats.bytes), 6);
    assert_int_equal(atomic_load(&fixture->stats.failures[EYE_EXPORT_REFUSED]), 0);
}

static void udp__pauses_after_the_first_of_each_burst(void **state)
{
    struct fixture *fixture = *state;
    open_udp(fixture);
    uint64_t start_ns = eye_clock_monotonic_ns();
    assert_int_equal(fixture_send(fixture, "first"), 0);
    assert_in_range(ms_since(start_ns), 5, 1000);
    for (size_t i = 1; i <= (size_t)2 * EYE_BURST_DATAGRAMS; i++) {
        assert_int_equal(send_again(fixture, 10), 0);
    }
    assert_in_range(ms_since(start_ns), 15, 1000);
    assert_int_equal(fixture->link->burst, 2 * EYE_BURST_DATAGRAMS + 1);
    usleep(120000);
    assert_int_equal(send_again(fixture, 10), 0);
    assert_int_equal(fixture->link->burst, 1);
}

static void udp__long_datagram_keeps_the_socket(void **state)
{
    struct fixture *fixture = *state;
    open_udp(fixture);
    assert_int_equal(fixture_send(fixture, "one"), 0);
    assert_int_equal(send_again(fixture, 65508), -EMSGSIZE);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_TOO_LONG);
    assert_int_equal(send_again(fixture, 5), 0);
}

static void udp__refusal_in_reach_is_heard_at_once(void **state)
{
    struct fixture *fixture = *state;
    open_udp(fixture);
    assert_int_equal(fixture_send(fixture, "one"), 0);
    assert_true(fixture->link->nearby);
    assert_int_equal(eye_link_confirm(fixture->link, false, &fixture->failure), EYE_CONFIRMED);
    fixture_close_receiver(fixture);
    assert_int_equal(send_again(fixture, 5), -ECONNREFUSED);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
}

static void udp__refusal_that_comes_late_takes_back(void **state)
{
    struct fixture *fixture = *state;
    open_udp(fixture);
    assert_int_equal(fixture_send(fixture, "one"), 0);
    fixture->link->nearby = false;
    fixture_close_receiver(fixture);
    ssize_t sent = send(fixture->link->fd, "x", 1, 0); /* what came back is not looked at */
    assert_int_equal(sent, 1);
    assert_int_equal(eye_link_confirm(fixture->link, false, &fixture->failure), EYE_LOST);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
    assert_int_equal(fixture->link->fd, -1);
}

static void udp__receiver_far_away_gets_time_to_refuse(void **state)
{
    struct fixture *fixture = *state;
    open_udp(fixture);
    assert_int_equal(fixture_send(fixture, "one"), 0);
    assert_int_equal(send_again(fixture, 5), 0);
    fixture->link->nearby = false;
    fixture->link->sent_at_ns = eye_clock_monotonic_ns();
    assert_int_equal(eye_link_confirm(fixture->link, false, &fixture->failure), EYE_UNHEARD);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
    assert_true(eye_clock_monotonic_ns() >= fixture->link->sent_at_ns + 5 * EYE_NS_PER_MS);
}

static void udp__follows_a_name_that_moves(void **state)
{
    struct fixture *fixture = *state;
    open_udp(fixture);
    eye_copy_string(fixture->link->address.host, EYE_LINK_HOST_BYTES, "127.0.0.2");
    assert_int_equal(fixture_send(fixture, "lost"), -ECONNREFUSED);
    eye_copy_string(fixture->link->address.host, EYE_LINK_HOST_BYTES, "127.0.0.1");
    assert_int_equal(fixture_send(fixture, "one"), 0);
    fixture_expect(fixture->receiver, "one");
}

/* The receiver listens on the second one only. */
static void udp__tries_the_next_address_of_a_name(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_inet(fixture, SOCK_DGRAM, 0);
    fixture_link(fixture, "udp://" NAME_OF_BOTH ":%");
    int result = fixture_send(fixture, "one");
    for (size_t i = 0; result != 0 && i < 3; i++) {
        result = fixture_send(fixture, "one");
    }
    assert_int_equal(result, 0);
    fixture_expect(fixture->receiver, "one");
}

/* ---- UDP, filled up ---- */

#define SEGMENT 8

static void open_filled(struct fixture *fixture)
{
    struct eye_error error = {0};
    open_udp(fixture);
    assert_int_equal(eye_link_fill_up(fixture->link, SEGMENT, &error), 0);
    assert_int_equal(fixture_send(fixture, "first"), 0);
    fixture_expect(fixture->receiver, "first");
}

static int send_more(struct fixture *fixture, const char *text)
{
    return eye_link_send(fixture->link, text, strlen(text), &fixture->failure);
}

static void expect_silence(const struct fixture *fixture)
{
    char byte = 0;
    assert_int_equal(recv(fixture->receiver, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void filled__leave_together_with_the_confirmation(void **state)
{
    struct fixture *fixture = *state;
    open_filled(fixture);
    assert_int_equal(send_more(fixture, "two"), 0);
    assert_int_equal(send_more(fixture, "eight ch"), 0);
    assert_int_equal(send_more(fixture, "four"), 0);
    assert_int_equal(eye_link_confirm(fixture->link, false, &fixture->failure), EYE_UNHEARD);
    expect_silence(fixture);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
    fixture_expect(fixture->receiver, "two\n\n\n\n\n");
    fixture_expect(fixture->receiver, "eight ch");
    fixture_expect(fixture->receiver, "four");
    expect_silence(fixture);
    assert_int_equal(atomic_load(&fixture->stats.bytes), 5 + 2 * SEGMENT + 4);
}

static void filled__leave_when_one_call_is_full(void **state)
{
    struct fixture *fixture = *state;
    open_filled(fixture);
    for (size_t i = 1; i < EYE_BURST_DATAGRAMS; i++) {
        assert_int_equal(send_more(fixture, "12345678"), 0);
    }
    expect_silence(fixture);
    uint64_t start_ns = eye_clock_monotonic_ns();
    assert_int_equal(send_more(fixture, "12345678"), 0);
    assert_in_range(ms_since(start_ns), 5, 1000);
    assert_int_equal(eye_link_confirm(fixture->link, false, &fixture->failure), EYE_CONFIRMED);
    for (size_t i = 0; i < EYE_BURST_DATAGRAMS; i++) {
        fixture_expect(fixture->receiver, "12345678");
    }
    expect_silence(fixture);
}

static void filled__refusal_takes_all_of_them_back(void **state)
{
    struct fixture *fixture = *state;
    open_filled(fixture);
    assert_int_equal(send_more(fixture, "two"), 0);
    assert_int_equal(send_more(fixture, "three"), 0);
    fixture_close_receiver(fixture);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_LOST);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
    assert_int_equal(atomic_load(&fixture->stats.bytes), 5);
    fixture_bind_inet(fixture, SOCK_DGRAM, fixture->port);
    assert_int_equal(fixture_send(fixture, "again"), 0);
    fixture_expect(fixture->receiver, "again");
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
    expect_silence(fixture);
}

/* A walk that ended early begins anew with what it had not settled. */
static void filled__opening_drops_what_waits(void **state)
{
    struct fixture *fixture = *state;
    open_filled(fixture);
    assert_int_equal(send_more(fixture, "old"), 0);
    assert_int_equal(eye_link_open(fixture->link, &fixture->failure), 0);
    assert_int_equal(send_more(fixture, "new"), 0);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
    fixture_expect(fixture->receiver, "new");
    expect_silence(fixture);
}

/* Without checksums the kernel cuts nothing (EINVAL). */
static void filled__each_leaves_by_itself_where_bursts_are_not_taken(void **state)
{
    struct fixture *fixture = *state;
    const int yes = 1;
    open_filled(fixture);
    assert_int_equal(setsockopt(fixture->link->fd, SOL_SOCKET, SO_NO_CHECK, &yes, sizeof(yes)), 0);
    for (size_t round = 0; round < 2; round++) {
        assert_int_equal(send_more(fixture, "two"), 0);
        assert_int_equal(send_more(fixture, "three"), 0);
        assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
        fixture_expect(fixture->receiver, "two");
        fixture_expect(fixture->receiver, "three");
        assert_true(fixture->link->waiting->apart);
    }
    expect_silence(fixture);
    assert_int_equal(atomic_load(&fixture->stats.bytes), 5 + 2 * (3 + 5));
}

static void filled__a_datagram_above_the_size_leaves_by_itself(void **state)
{
    struct fixture *fixture = *state;
    open_filled(fixture);
    assert_int_equal(send_more(fixture, "two"), 0);
    assert_int_equal(send_more(fixture, "nine char"), 0);
    fixture_expect(fixture->receiver, "nine char");
    assert_int_equal(send_again(fixture, 65508), -EMSGSIZE);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
    expect_silence(fixture); /* the engine makes "two" again */
}

/* ---- Unix ---- */

static void unixgram__absent_and_left_behind_are_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture_link(fixture, "unixgram://%");
    assert_int_equal(fixture_send(fixture, "lost"), -ENOENT);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
    assert_non_null(strstr(fixture->failure.cause.text, fixture->path));
    fixture_bind_unix(fixture, SOCK_DGRAM);
    assert_int_equal(fixture_send(fixture, "one"), 0);
    fixture_expect(fixture->receiver, "one");
    fixture_close_receiver(fixture);
    assert_int_equal(fixture_send(fixture, "lost"), -ECONNREFUSED);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
    assert_int_equal(fixture->link->fd, -1);
}

static size_t fill(struct fixture *fixture)
{
    size_t sent = 0;
    assert_int_equal(fixture_send(fixture, "one"), 0);
    while (sent < MANY && send_again(fixture, 3) == 0) {
        sent++;
    }
    assert_in_range(sent, 1, MANY - 1);
    return sent;
}

static void unixgram__full_buffers_are_waited_for_and_keep_the_socket(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_unix(fixture, SOCK_DGRAM);
    fixture_link(fixture, "unixgram://%");
    fill(fixture);
    uint64_t start_ns = eye_clock_monotonic_ns();
    assert_int_equal(send_again(fixture, 3), -EAGAIN);
    assert_in_range(ms_since(start_ns), EYE_LINK_BUSY_MS - 1, 2000);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_BUSY);
    fixture_expect(fixture->receiver, "one");
    assert_int_equal(send_again(fixture, 3), 0);
}

static void unixgram__waits_no_longer_than_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_unix(fixture, SOCK_DGRAM);
    fixture_link(fixture, "unixgram://%");
    fill(fixture);
    fixture_stop_in_ms(fixture, 0);
    uint64_t start_ns = eye_clock_monotonic_ns();
    assert_int_equal(send_again(fixture, 3), -EAGAIN);
    assert_in_range(ms_since(start_ns), 0, EYE_LINK_BUSY_MS / 2);
}

/* The old receiver still has its socket, as in a restart that overlaps. */
static void unixgram__follows_a_socket_that_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_unix(fixture, SOCK_DGRAM);
    fixture_link(fixture, "unixgram://%");
    assert_int_equal(fixture_send(fixture, "one"), 0);
    int old = EYE_TAKE_FD(fixture->receiver);
    fixture_bind_unix(fixture, SOCK_DGRAM);
    int result = fixture_send(fixture, "two");
    close(old);
    assert_int_equal(result, 0);
    fixture_expect(fixture->receiver, "two");
}

static void unix__finds_out_what_the_socket_is(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_unix(fixture, SOCK_DGRAM);
    fixture_link(fixture, "unix://%");
    assert_int_equal(fixture_send(fixture, "one"), 0);
    assert_true(eye_link_is_datagram(fixture->link));
    fixture_expect(fixture->receiver, "one");

    usleep(20000); /* times of files are those of the last tick */
    fixture_bind_unix(fixture, SOCK_STREAM);
    assert_int_equal(fixture_send(fixture, "two"), 0);
    assert_false(eye_link_is_datagram(fixture->link));
    fixture_accept(fixture);
    fixture_expect(fixture->accepted, "two");

    fixture_close_accepted(fixture);
    fixture_bind_unix(fixture, SOCK_DGRAM);
    assert_int_equal(fixture_send(fixture, "three"), 0);
    assert_true(eye_link_is_datagram(fixture->link));
    fixture_expect(fixture->receiver, "three");
}

static void unixgram__does_not_speak_to_a_stream(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_unix(fixture, SOCK_STREAM);
    fixture_link(fixture, "unixgram://%");
    assert_int_equal(fixture_send(fixture, "lost"), -EPROTOTYPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(udp__reopens_after_a_refusal),
        TEST(udp__pauses_after_the_first_of_each_burst),
        TEST(udp__long_datagram_keeps_the_socket),
        TEST(udp__refusal_in_reach_is_heard_at_once),
        TEST(udp__refusal_that_comes_late_takes_back),
        TEST(udp__receiver_far_away_gets_time_to_refuse),
        TEST(udp__follows_a_name_that_moves),
        TEST(udp__tries_the_next_address_of_a_name),
        TEST(filled__leave_together_with_the_confirmation),
        TEST(filled__leave_when_one_call_is_full),
        TEST(filled__refusal_takes_all_of_them_back),
        TEST(filled__opening_drops_what_waits),
        TEST(filled__each_leaves_by_itself_where_bursts_are_not_taken),
        TEST(filled__a_datagram_above_the_size_leaves_by_itself),
        TEST(unixgram__absent_and_left_behind_are_refused),
        TEST(unixgram__full_buffers_are_waited_for_and_keep_the_socket),
        TEST(unixgram__waits_no_longer_than_the_deadline),
        TEST(unixgram__follows_a_socket_that_is_replaced),
        TEST(unixgram__does_not_speak_to_a_stream),
        TEST(unix__finds_out_what_the_socket_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
