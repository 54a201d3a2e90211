/* SPDX-License-Identifier: Apache-2.0 */
/* Who gives way to whom, and when, on pairs of sockets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/server/peers.h"

#define MIB ((size_t)1 << 20)
#define NOW_NS (1000 * EYE_NS_PER_SECOND)

/* Addresses: the first connection of each test that counts them, and the others. */
#define LONER UINT64_C(1)
#define CROWD UINT64_C(2)
#define OWN(i) (UINT64_C(100) + (i)) /* an address of its own */

struct fixture {
    struct eye_peers peers;
    atomic_uint_fast64_t gave_way;
    atomic_uint_fast64_t too_late;
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
    const struct eye_peers_counts counts = {&fixture->gave_way, &fixture->too_late};
    eye_peers_init(&fixture->peers, &counts);
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

/* Without a round of its own. */
static void join_with(struct fixture *fixture, size_t i, uint64_t address)
{
    fixture->joined[i] = eye_peers_join(&fixture->peers, fixture->near_fds[i], address, NOW_NS);
    assert_non_null(fixture->joined[i]);
}

static void join_from(struct fixture *fixture, size_t i, uint64_t address)
{
    eye_peers_next_round(&fixture->peers);
    join_with(fixture, i, address);
}

/* Each from another address. */
static void join(struct fixture *fixture, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        join_from(fixture, i, OWN(i));
    }
}

static void serve(struct fixture *fixture, size_t i, const void *page, size_t bytes)
{
    eye_peers_serve(&fixture->peers, fixture->joined[i], page, bytes, NOW_NS);
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

static void join__readers_give_way_after_those_who_wait(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_PLACES);
    for (size_t i = 0; i < EYE_PEERS_PLACES - 1; i++) {
        serve(fixture, i, NULL, 0);
    }
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, EYE_PEERS_PLACES - 1, EYE_PEERS_PLACES);
}

/* The newcomer itself is no one to give way, or slow readers would keep it out. */
static void join__who_took_nothing_for_longest_gives_way_when_all_read(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_PLACES);
    for (size_t i = 0; i < EYE_PEERS_PLACES; i++) {
        serve(fixture, i, fixture, 100);
    }
    eye_peers_progress(&fixture->peers, fixture->joined[0], 1, NOW_NS);
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, 1, 2);
}

/* The others are newer, but have only what the kernel took for them. */
static void join__who_reads_stays_longer_than_who_begins(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_PLACES);
    for (size_t i = 0; i < EYE_PEERS_PLACES; i++) {
        serve(fixture, i, fixture, 100);
        if (i == 0) {
            eye_peers_progress(&fixture->peers, fixture->joined[0], EYE_PEERS_READS_BYTES, NOW_NS);
        }
    }
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, 1, 2);
}

/* It read once, and then no more. */
static void join__who_is_stuck_gives_way_first(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_PLACES);
    for (size_t i = 0; i < EYE_PEERS_PLACES; i++) {
        uint64_t moved_ns = i == 0 ? NOW_NS - EYE_PEERS_STUCK_NS - 1 : NOW_NS;
        serve(fixture, i, fixture, 100);
        eye_peers_progress(&fixture->peers, fixture->joined[i], i == 0 ? EYE_PEERS_READS_BYTES : 1,
                           moved_ns);
    }
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, 0, 1);
}

/* There are places left, but not for that address. */
static void join__an_address_with_its_share_takes_from_itself(void **state)
{
    struct fixture *fixture = *state;
    join_from(fixture, 0, LONER);
    for (size_t i = 1; i <= EYE_PEERS_SHARE + 3; i++) {
        join_from(fixture, i, CROWD);
    }
    assert_shut(fixture, 1, 4);
    join_from(fixture, EYE_PEERS_SHARE + 4, LONER);
    assert_shut(fixture, 1, 4);
}

/* A scraper that keeps its connection is older than all who come to take its place. */
static void join__the_address_with_most_gives_way_first(void **state)
{
    struct fixture *fixture = *state;
    join_from(fixture, 0, LONER);
    for (size_t i = 1; i < EYE_PEERS_PLACES; i++) {
        join_from(fixture, i, i % 4 == 0 ? OWN(i) : OWN(i % 4));
    }
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, 1, 2);
}

/* Not even when that one waits and all of these are being answered. */
static void join__a_crowd_that_reads_gives_way_before_one_who_waits(void **state)
{
    struct fixture *fixture = *state;
    join_from(fixture, 0, LONER);
    for (size_t i = 1; i < EYE_PEERS_PLACES; i++) {
        join_from(fixture, i, CROWD + i % 2);
        serve(fixture, i, NULL, 0);
    }
    join(fixture, EYE_PEERS_PLACES, EYE_PEERS_PLACES + 1);
    assert_shut(fixture, 1, 2);
}

/* A scraper comes with a crowd, and those that do not read have nearly all places. */
static void join__who_came_together_spare_each_other(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_PEERS_SHARE; i++) {
        join_from(fixture, i, CROWD);
        if (i > 3) {
            serve(fixture, i, NULL, 0);
        }
    }
    eye_peers_next_round(&fixture->peers);
    for (size_t i = 0; i < EYE_PEERS_SHARE / 2; i++) {
        join_with(fixture, EYE_PEERS_SHARE + i, CROWD);
    }
    assert_shut(fixture, 0, EYE_PEERS_SHARE / 2);
}

static void join__places_come_back(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, EYE_PEERS_MAX);
    assert_null(eye_peers_join(&fixture->peers, fixture->near_fds[EYE_PEERS_MAX], LONER, NOW_NS));
    assert_shut(fixture, 0, EYE_PEERS_MAX - EYE_PEERS_PLACES);
    eye_peers_leave(&fixture->peers, fixture->joined[0]);
    eye_peers_leave(&fixture->peers, fixture->joined[EYE_PEERS_MAX - 1]);
    join(fixture, EYE_PEERS_MAX, EYE_PEERS_MAX + 1);
    assert_shut(fixture, 0, EYE_PEERS_MAX - EYE_PEERS_PLACES);
}

static void serve__pages_under_way_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    const char pages[6];
    join(fixture, 0, 6);
    for (size_t i = 0; i < 4; i++) {
        serve(fixture, i, &pages[i], 4 * MIB);
    }
    assert_shut(fixture, 0, 0);
    serve(fixture, 4, &pages[4], 4 * MIB + 1);
    assert_shut(fixture, 0, 2);
    eye_peers_leave(&fixture->peers, fixture->joined[2]);
    serve(fixture, 5, &pages[5], 4 * MIB);
    assert_shut(fixture, 0, 2);
}

static void serve__one_page_may_be_larger(void **state)
{
    struct fixture *fixture = *state;
    const char pages[2];
    join(fixture, 0, 3);
    serve(fixture, 0, &pages[0], 100);
    serve(fixture, 1, &pages[1], 20 * MIB);
    assert_shut(fixture, 0, 1);
}

/* It is there once, however many read it: until the last one leaves. */
static void serve__a_page_that_many_read_counts_once(void **state)
{
    struct fixture *fixture = *state;
    const char pages[3];
    join(fixture, 0, 12);
    serve(fixture, 0, &pages[0], 1 * MIB); /* would give way to them */
    for (size_t i = 1; i < 11; i++) {
        serve(fixture, i, &pages[1], 10 * MIB);
    }
    assert_shut(fixture, 0, 0);
    eye_peers_leave(&fixture->peers, fixture->joined[1]);
    serve(fixture, 11, &pages[2], 6 * MIB);
    assert_shut(fixture, 0, 1);
}

static void expire__a_head_has_a_deadline_however_it_drips(void **state)
{
    struct fixture *fixture = *state;
    assert_true(eye_peers_expire(&fixture->peers, NOW_NS) == UINT64_MAX);
    join(fixture, 0, 1);
    uint64_t deadline_ns = NOW_NS + EYE_PEERS_HEAD_NS;
    assert_int_equal(eye_peers_expire(&fixture->peers, deadline_ns - 1), deadline_ns);
    assert_false(is_shut(fixture, 0));
    assert_true(eye_peers_expire(&fixture->peers, deadline_ns) == UINT64_MAX);
    assert_true(is_shut(fixture, 0));
    assert_int_equal(fixture->too_late, 1);
    eye_peers_expire(&fixture->peers, deadline_ns + 1);
    assert_int_equal(fixture->too_late, 1);
}

/* Taking bytes now and then does not make it longer. */
static void expire__an_answer_has_a_deadline_however_it_is_read(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, 1);
    serve(fixture, 0, fixture, 100);
    uint64_t deadline_ns = NOW_NS + EYE_PEERS_ANSWER_NS;
    eye_peers_progress(&fixture->peers, fixture->joined[0], 1, NOW_NS);
    assert_int_equal(eye_peers_expire(&fixture->peers, deadline_ns - 1), deadline_ns);
    assert_false(is_shut(fixture, 0));
    eye_peers_expire(&fixture->peers, deadline_ns);
    assert_true(is_shut(fixture, 0));
    assert_int_equal(fixture->too_late, 1);
}

static uint64_t address_of(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return eye_peer_address(-1, (struct sockaddr *)&v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return eye_peer_address(-1, (struct sockaddr *)&v6);
}

/* For what its request began: longer than others may read an answer, and as long as there is
 * anybody else to give way. */
static void wait__has_no_deadline_and_gives_way_last(void **state)
{
    struct fixture *fixture = *state;
    struct MHD_Connection *any = (struct MHD_Connection *)fixture; /* never looked at */
    join(fixture, 0, 1);
    eye_peers_wait(&fixture->peers, fixture->joined[0], any, 7, NOW_NS - 2 * EYE_PEERS_STUCK_NS);
    assert_int_equal(eye_peers_expire(&fixture->peers, NOW_NS + 10 * EYE_PEERS_ANSWER_NS),
                     UINT64_MAX);
    assert_int_equal(fixture->joined[0]->ticket, 7);
    join(fixture, 1, EYE_PEERS_PLACES + 2);
    assert_shut(fixture, 1, 3);
    assert_false(eye_peer_is_shut_down(fixture->joined[0]));
    assert_true(eye_peer_is_shut_down(fixture->joined[1]));
}

static void address__is_one_host(void **state)
{
    (void)state;
    assert_true(address_of("192.0.2.1") != address_of("192.0.2.2"));
    assert_true(address_of("192.0.2.1") == address_of("::ffff:192.0.2.1"));
    assert_true(address_of("2001:db8:0:1::1") == address_of("2001:db8:0:1:ffff::2"));
    assert_true(address_of("2001:db8:0:1::1") != address_of("2001:db8:0:2::1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(join__nobody_gives_way_while_there_are_places),
        TEST(join__who_waits_longest_gives_way),
        TEST(join__readers_give_way_after_those_who_wait),
        TEST(join__who_took_nothing_for_longest_gives_way_when_all_read),
        TEST(join__who_reads_stays_longer_than_who_begins),
        TEST(join__who_is_stuck_gives_way_first),
        TEST(join__an_address_with_its_share_takes_from_itself),
        TEST(join__the_address_with_most_gives_way_first),
        TEST(join__a_crowd_that_reads_gives_way_before_one_who_waits),
        TEST(join__who_came_together_spare_each_other),
        TEST(join__places_come_back),
        TEST(serve__pages_under_way_are_bounded),
        TEST(serve__one_page_may_be_larger),
        TEST(serve__a_page_that_many_read_counts_once),
        TEST(expire__a_head_has_a_deadline_however_it_drips),
        TEST(expire__an_answer_has_a_deadline_however_it_is_read),
        TEST(wait__has_no_deadline_and_gives_way_last),
        TEST(address__is_one_host),
    };
    return cmocka_run_group_tests_name("openmetrics_peers", tests, NULL, NULL);
}
