/* SPDX-License-Identifier: Apache-2.0 */
/* Streams to receivers that refuse, end, reset, talk back or do not read. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "tests/unit/exporters/link/link_fixture.h"
#include "tests/unit/exporters/link/names.h"

/* More than both kernels' buffers of a loopback connection hold. */
#define FLOOD_BYTES ((size_t)64 << 20)

static void open_tcp(struct fixture *fixture)
{
    fixture_bind_inet(fixture, SOCK_STREAM, 0);
    fixture_link(fixture, "tcp://127.0.0.1:%");
    assert_int_equal(fixture_send(fixture, "one"), 0);
    fixture_accept(fixture);
    fixture_expect(fixture->accepted, "one");
}

static uint64_t ms_since(uint64_t start_ns)
{
    return (eye_clock_monotonic_ns() - start_ns) / EYE_NS_PER_MS;
}

/* Until the peer's FIN or RST is here. */
static void wait_for_end(const struct fixture *fixture)
{
    struct pollfd waiting = {.fd = fixture->link->fd, .events = POLLIN | POLLRDHUP};
    assert_int_equal(poll(&waiting, 1, 5000), 1);
}

static int flood(struct fixture *fixture)
{
    EYE_AUTOFREE char *bytes = calloc(1, FLOOD_BYTES);
    int result = eye_link_open(fixture->link, &fixture->failure);
    return result != 0 ? result
                       : eye_link_send(fixture->link, bytes, FLOOD_BYTES, &fixture->failure);
}

/* ---- Opening ---- */

static void tcp__refusal_is_told(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_inet(fixture, SOCK_STREAM, 0);
    fixture_link(fixture, "tcp://127.0.0.1:%");
    fixture_close_receiver(fixture);
    assert_int_equal(fixture_send(fixture, "lost"), -ECONNREFUSED);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
    assert_non_null(strstr(fixture->failure.cause.text, fixture->link->label));
}

static void tcp__tries_all_addresses_of_a_name(void **state)
{
    struct fixture *fixture = *state;
    fixture_bind_inet(fixture, SOCK_STREAM, 0);
    fixture_link(fixture, "tcp://" NAME_OF_BOTH ":%");
    assert_int_equal(fixture_send(fixture, "one"), 0);
    fixture_accept(fixture);
    fixture_expect(fixture->accepted, "one");
}

/* A listener whose queue is full drops every further SYN. */
static void fill_backlog(struct fixture *fixture, int *fillers, size_t count)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    getsockname(fixture->receiver, (struct sockaddr *)&address, &length);
    assert_int_equal(listen(fixture->receiver, 0), 0);
    for (size_t i = 0; i < count; i++) {
        fillers[i] = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&address, length);
    }
    usleep(20000);
}

static void tcp__connecting_takes_no_longer_than_its_limits(void **state)
{
    struct fixture *fixture = *state;
    int fillers[4];
    fixture_bind_inet(fixture, SOCK_STREAM, 0);
    fixture_link(fixture, "tcp://127.0.0.1:%");
    fill_backlog(fixture, fillers, EYE_ARRAY_LENGTH(fillers));
    uint64_t start_ns = eye_clock_monotonic_ns();
    int result = fixture_send(fixture, "lost");
    uint64_t whole_ms = ms_since(start_ns);
    enum eye_export_reason reason = fixture->failure.reason;
    fixture_stop_in_ms(fixture, 150);
    start_ns = eye_clock_monotonic_ns();
    int stopped = fixture_send(fixture, "lost");
    uint64_t stopped_ms = ms_since(start_ns);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(fillers); i++) {
        close(fillers[i]);
    }
    assert_int_equal(result, -ETIMEDOUT);
    assert_int_equal(reason, EYE_EXPORT_TIMEOUT);
    assert_in_range(whole_ms, EYE_LINK_CONNECT_MS - 10, EYE_LINK_CONNECT_MS + 500);
    assert_int_equal(stopped, -ETIMEDOUT);
    assert_in_range(stopped_ms, 100, 1000);
}

static void assert_connects_anew(struct fixture *fixture)
{
    wait_for_end(fixture);
    assert_int_equal(fixture_send(fixture, "two"), 0);
    fixture_accept(fixture);
    fixture_expect(fixture->accepted, "two");
}

static void tcp__end_is_seen_before_use(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    fixture_close_accepted(fixture);
    assert_connects_anew(fixture);
}

static void tcp__half_an_end_is_one(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    assert_int_equal(shutdown(fixture->accepted, SHUT_WR), 0);
    assert_connects_anew(fixture);
}

static void tcp__reset_is_seen_before_use(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    fixture_reset_accepted(fixture);
    assert_connects_anew(fixture);
}

static void tcp__what_a_receiver_says_is_thrown_away(void **state)
{
    struct fixture *fixture = *state;
    static char chatter[100000];
    open_tcp(fixture);
    int fd = fixture->link->fd;
    for (size_t i = 0; i < 10; i++) {
        assert_true(send(fixture->accepted, chatter, sizeof(chatter), MSG_NOSIGNAL) > 0);
        assert_int_equal(fixture_send(fixture, "more"), 0);
        fixture_expect(fixture->accepted, "more");
        assert_int_equal(fixture->link->fd, fd);
    }
}

/* ---- Sending ---- */

static void tcp__counts_what_it_wrote(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    assert_int_equal(fixture_send(fixture, "three"), 0);
    assert_int_equal(atomic_load(&fixture->stats.bytes), 8);
}

static void tcp__receiver_that_does_not_read_ends_the_stream(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    fixture_stop_in_ms(fixture, 200);
    uint64_t start_ns = eye_clock_monotonic_ns();
    assert_int_equal(flood(fixture), -EAGAIN);
    assert_in_range(ms_since(start_ns), 100, 1500);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_BUSY);
    assert_int_equal(fixture->link->fd, -1);
    /* What was written and not acknowledged is not delivered later. */
    bool reset = false;
    fixture_read_to_end(fixture->accepted, &reset);
    assert_true(reset);
}

static void tcp__back_pressure_has_its_limit(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    uint64_t start_ns = eye_clock_monotonic_ns();
    assert_int_equal(flood(fixture), -EAGAIN);
    assert_in_range(ms_since(start_ns), EYE_LINK_WRITE_MS - 10, EYE_LINK_WRITE_MS + 1500);
}

static void tcp__reset_while_writing_is_told(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    fixture_reset_accepted(fixture);
    wait_for_end(fixture);
    int result = eye_link_send(fixture->link, "x", 1, &fixture->failure);
    assert_true(result == -ECONNRESET || result == -EPIPE);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_RESET);
    assert_int_equal(fixture->link->fd, -1);
}

/* ---- Confirming ---- */

static void tcp__confirms_what_the_peer_has(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
}

static void tcp__confirms_behind_half_an_end(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    assert_int_equal(shutdown(fixture->accepted, SHUT_WR), 0);
    wait_for_end(fixture);
    assert_int_equal(eye_link_send(fixture->link, "two", 3, &fixture->failure), 0);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
}

/* A receiver that closes with bytes unread throws them away and says so with a reset. */
static void tcp__reset_takes_back_what_was_sent(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    assert_int_equal(eye_link_send(fixture->link, "two", 3, &fixture->failure), 0);
    struct pollfd readable = {.fd = fixture->accepted, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 5000), 1);
    fixture_close_accepted(fixture);
    wait_for_end(fixture);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_LOST);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_RESET);
    assert_int_equal(fixture->link->fd, -1);
}

/* Fills the connection as far as it goes without waiting. */
static void stuff(const struct fixture *fixture)
{
    static char bytes[65536];
    while (send(fixture->link->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0) {
    }
}

static void tcp__unacknowledged_bytes_are_unheard_then_lost(void **state)
{
    struct fixture *fixture = *state;
    open_tcp(fixture);
    stuff(fixture);
    assert_int_equal(eye_link_confirm(fixture->link, false, &fixture->failure), EYE_UNHEARD);
    fixture_stop_in_ms(fixture, 150);
    uint64_t start_ns = eye_clock_monotonic_ns();
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_LOST);
    assert_in_range(ms_since(start_ns), 100, 1000);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_TIMEOUT);
    assert_int_equal(fixture->link->fd, -1);
}

/* ---- Unix ---- */

static void open_unixstream(struct fixture *fixture)
{
    fixture_bind_unix(fixture, SOCK_STREAM);
    fixture_link(fixture, "unixstream://%");
    assert_int_equal(fixture_send(fixture, "one"), 0);
    fixture_accept(fixture);
    fixture_expect(fixture->accepted, "one");
}

static void unixstream__partial_write_closes_it(void **state)
{
    struct fixture *fixture = *state;
    open_unixstream(fixture);
    fixture_stop_in_ms(fixture, 150);
    assert_int_equal(flood(fixture), -EAGAIN);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_BUSY);
    assert_int_equal(fixture->link->fd, -1);
    bool reset = false;
    size_t length = fixture_read_to_end(fixture->accepted, &reset);
    assert_in_range(length, 1, FLOOD_BYTES - 1);
    assert_int_equal(length + 3, atomic_load(&fixture->stats.bytes));
}

static void unixstream__follows_a_socket_that_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    open_unixstream(fixture);
    int old = EYE_TAKE_FD(fixture->accepted);
    fixture_bind_unix(fixture, SOCK_STREAM);
    int result = fixture_send(fixture, "two");
    close(old);
    assert_int_equal(result, 0);
    fixture_accept(fixture);
    fixture_expect(fixture->accepted, "two");
}

static void unixstream__end_is_seen_before_use(void **state)
{
    struct fixture *fixture = *state;
    open_unixstream(fixture);
    fixture_close_accepted(fixture);
    assert_connects_anew(fixture);
    assert_int_equal(eye_link_confirm(fixture->link, true, &fixture->failure), EYE_CONFIRMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tcp__refusal_is_told),
        TEST(tcp__tries_all_addresses_of_a_name),
        TEST(tcp__connecting_takes_no_longer_than_its_limits),
        TEST(tcp__end_is_seen_before_use),
        TEST(tcp__half_an_end_is_one),
        TEST(tcp__reset_is_seen_before_use),
        TEST(tcp__what_a_receiver_says_is_thrown_away),
        TEST(tcp__counts_what_it_wrote),
        TEST(tcp__receiver_that_does_not_read_ends_the_stream),
        TEST(tcp__back_pressure_has_its_limit),
        TEST(tcp__reset_while_writing_is_told),
        TEST(tcp__confirms_what_the_peer_has),
        TEST(tcp__confirms_behind_half_an_end),
        TEST(tcp__reset_takes_back_what_was_sent),
        TEST(tcp__unacknowledged_bytes_are_unheard_then_lost),
        TEST(unixstream__partial_write_closes_it),
        TEST(unixstream__follows_a_socket_that_is_replaced),
        TEST(unixstream__end_is_seen_before_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
