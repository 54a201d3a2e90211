/* SPDX-License-Identifier: Apache-2.0 */
/* Who gives way to whom, on pairs of sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/openmetrics/peers.h"

#define MIB ((size_t)1 << 20)

struct fixture {
    struct eye_peers peers;
    atomic_uint_fast64_t gave_way;
    int near_fds[EYE_PEERS_MAX + 1]; /* the server's ends */
    int far_fds[EYE_PEERS_MAX + 1];
    struct eye_peer *joined[EYE_PEERS_MAX + 1];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    *state = fixture;
    eye_peers_init(&fixture->peers, &fixture->gave_way);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(fixture->near_fds); i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
            return -1;
        }
        fixture->near_fds[i] = pair[0];
        fixture->far_fds[i] = pair[1];
    }
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(fixture->near_fds); i++) {
        close(fixture->near_fds[i]);
        close(fixture->far_fds[i]);
    }
    free(fixture);
    return 0;
}

static void join(struct fixture *fixture, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        fixture->joined[i] = eye_peers_join(&fixture->peers, fixture->near_fds[i]);
        assert_non_null(fixture->joined[i]);
    }
}

static bool is_shut(const struct fixture *fixture, size_t i)
{
    char byte;
    return recv(fixture->far_fds[i], &byte, 1, 0) == 0;
}

/* Exactly those from @first to before @end were shut down; it was counted. */
static void assert_shut(const struct fixture *fixture, size_t first, size_t end)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(fixture->near_fds); i++) {
        if (is_shut(fixture, i) != (i >= first && i < end)) {
            fail_msg("connection %zu", i);
        }
    }
    assert_int_equal(fixture->gave_way, end - first);
}

static void join__nobody_gives_way_while_there_are_places(void **state)
{
    join(*state, 0, EYE_PEERS_PLACES);
    assert_shut(*state, 0, 0);
}

static void join__who_waits_longest_gives_way(void **state)
{
    join(*state, 0, EYE_PEERS_PLACES + 3);
    assert_shut(*state, 0, 3);
}

static void join__who_was_served_has_a_new_turn(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_PLACES);
    eye_peers_serve(&fixture->peers, fixture->joined[0], 100);
    eye_peers_served(&fixture->peers, fixture->joined[0]);
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, 1, 2);
}

static void join__readers_give_way_after_those_who_wait(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_PLACES);
    for (size_t i = 0; i < EYE_PEERS_PLACES - 1; i++) {
        eye_peers_serve(&fixture->peers, fixture->joined[i], 100);
    }
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, EYE_PEERS_PLACES - 1, EYE_PEERS_PLACES);
}

/* The newcomer itself is no one to give way, or slow readers would keep it out. */
static void join__the_oldest_reader_gives_way_when_all_read(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_PLACES);
    for (size_t i = 0; i < EYE_PEERS_PLACES; i++) {
        eye_peers_serve(&fixture->peers, fixture->joined[i], 100);
    }
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, 0, 1);
}

static void join__places_come_back(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_MAX);
    assert_null(eye_peers_join(&fixture->peers, fixture->near_fds[EYE_PEERS_MAX]));
    assert_shut(fixture, 0, EYE_PEERS_MAX - EYE_PEERS_PLACES);
    eye_peers_leave(fixture->joined[0]);
    eye_peers_leave(fixture->joined[EYE_PEERS_MAX - 1]);
    join(fixture, EYE_PEERS_MAX, EYE_PEERS_MAX + 1);
    assert_shut(fixture, 0, EYE_PEERS_MAX - EYE_PEERS_PLACES);
}

static void serve__pages_under_way_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, 6);
    for (size_t i = 0; i < 4; i++) {
        eye_peers_serve(&fixture->peers, fixture->joined[i], 4 * MIB);
    }
    assert_shut(fixture, 0, 0);
    eye_peers_serve(&fixture->peers, fixture->joined[4], 4 * MIB + 1);
    assert_shut(fixture, 0, 2);
    eye_peers_served(&fixture->peers, fixture->joined[2]);
    eye_peers_serve(&fixture->peers, fixture->joined[5], 4 * MIB);
    assert_shut(fixture, 0, 2);
}

static void serve__one_page_may_be_larger(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, 3);
    eye_peers_serve(&fixture->peers, fixture->joined[0], 100);
    eye_peers_serve(&fixture->peers, fixture->joined[1], 20 * MIB);
    assert_shut(fixture, 0, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(join__nobody_gives_way_while_there_are_places),
        TEST(join__who_waits_longest_gives_way),
        TEST(join__who_was_served_has_a_new_turn),
        TEST(join__readers_give_way_after_those_who_wait),
        TEST(join__the_oldest_reader_gives_way_when_all_read),
        TEST(join__places_come_back),
        TEST(serve__pages_under_way_are_bounded),
        TEST(serve__one_page_may_be_larger),
    };
    return cmocka_run_group_tests_name("openmetrics_peers", tests, NULL, NULL);
}
