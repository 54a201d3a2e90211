/* SPDX-License-Identifier: Apache-2.0 */
/* What clients are told of connections: bases, acknowledgement, lost answers, and who is left out.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/control/connections_json.h"
#include "collector/control/watchers.h"

#define BEGINS UINT64_MAX
#define KEEP_NS 1000

/* A client asks at `now_ns`, of `open_count` connections that are open. */
struct world {
    struct eye_watchers watchers;
    uint64_t now_ns;
    uint64_t lost;
    struct eye_row open[4 * EYE_WATCHED_MAX];
    size_t open_count;
    struct eye_watch_answer *answer; /* of the last one who asked */
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->now_ns = 100;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_watchers_done(&world->watchers);
    free(world->answer);
    free(world);
    return 0;
}

static int begin(struct world *world, const char *client, uint64_t after,
                 struct eye_watcher **ret_watcher)
{
    struct eye_watch_request request = {.begins = after == BEGINS, .after = after};
    snprintf(request.client, sizeof(request.client), "%s", client);
    free(world->answer);
    world->answer = NULL;
    world->now_ns += 10;
    return eye_watcher_begin(&world->watchers, &request, world->now_ns, world->lost, ret_watcher,
                             &world->answer);
}

static const struct eye_watch_answer *ask(struct world *world, const char *client, uint64_t after)
{
    struct eye_watcher *watcher;
    assert_int_equal(begin(world, client, after, &watcher), 0);
    for (size_t i = 0; i < world->open_count; i++) {
        eye_watcher_take_open(watcher, &world->open[i], sizeof(world->open[i]));
    }
    eye_watcher_end(watcher);
    return world->answer;
}

/* A connection that begins now. */
static struct eye_row *open_one(struct world *world)
{
    struct eye_row *row = &world->open[world->open_count++];
    *row = (struct eye_row){.socket = world->open_count, .since_ns = ++world->now_ns};
    return row;
}

/* The last one ends. */
static void end_one(struct world *world)
{
    struct eye_row *row = &world->open[--world->open_count];
    row->ended_ns = ++world->now_ns;
    eye_watchers_take_ended(&world->watchers, row, sizeof(*row));
}

/* It is there, once. */
static struct eye_watched find(const struct eye_watch_answer *answer, uint64_t socket)
{
    struct eye_watched found = {0};
    size_t times = 0;
    for (size_t i = 0; i < answer->count; i++) {
        const struct eye_watched *watched = &answer->rows[answer->order[i]];
        if (watched->row.socket == socket) {
            found = *watched;
            times++;
        }
    }
    assert_int_equal(times, 1);
    return found;
}

static uint64_t sent_change(const struct eye_watch_answer *answer, uint64_t socket)
{
    return find(answer, socket).sent_change;
}

static void watcher__tells_changes_since_what_was_acknowledged(void **state)
{
    struct world *world = *state;
    struct eye_row *row = open_one(world);
    row->sent_bytes = 1000;
    const struct eye_watch_answer *answer = ask(world, "a", BEGINS);
    assert_int_equal(answer->number, 1);
    assert_int_equal(answer->elapsed_ns, 0);
    assert_int_equal(sent_change(answer, row->socket), 0); /* it is older than the client */
    row->sent_bytes += 5;
    row->received_bytes += 7;
    row->retransmits += 2;
    answer = ask(world, "a", 1);
    assert_int_equal(answer->number, 2);
    assert_int_equal(answer->elapsed_ns, 10);
    const struct eye_watched watched = find(answer, row->socket);
    assert_int_equal(watched.sent_change, 5);
    assert_int_equal(watched.received_change, 7);
    assert_int_equal(watched.retransmits_change, 2);
    assert_int_equal(watched.row.sent_bytes, 1005);
    assert_int_equal(sent_change(ask(world, "a", 2), row->socket), 0);
}

static void watcher__tells_again_what_was_not_acknowledged(void **state)
{
    struct world *world = *state;
    struct eye_row *row = open_one(world);
    ask(world, "a", BEGINS);
    row->sent_bytes = 5;
    assert_int_equal(sent_change(ask(world, "a", 1), row->socket), 5);
    row->sent_bytes = 8;
    const struct eye_watch_answer *answer = ask(world, "a", 1); /* the answer was lost */
    assert_int_equal(answer->number, 2);
    assert_int_equal(answer->elapsed_ns, 20);
    assert_int_equal(sent_change(answer, row->socket), 8);
    row->sent_bytes = 9;
    assert_int_equal(sent_change(ask(world, "a", 2), row->socket), 1);
}

static void watcher__tells_of_an_end_in_one_acknowledged_answer(void **state)
{
    struct world *world = *state;
    ask(world, "a", BEGINS);
    struct eye_row *row = open_one(world);
    row->sent_bytes = 4;
    assert_int_equal(sent_change(ask(world, "a", 1), row->socket), 4); /* from its beginning */
    row->sent_bytes = 6;
    end_one(world);
    struct eye_row *unseen = open_one(world); /* in the same place, but another one */
    unseen->sent_bytes = 3;
    end_one(world);
    for (int times = 0; times < 2; times++) {
        const struct eye_watch_answer *answer = ask(world, "a", 2);
        assert_int_equal(answer->ended, 2);
        assert_int_equal(answer->count, 2);
        assert_int_equal(answer->rows[0].sent_change, 2);
        assert_int_equal(answer->rows[1].sent_change, 3);
        assert_true(answer->rows[0].id != answer->rows[1].id);
    }
    assert_int_equal(ask(world, "a", 3)->count, 0);
}

static void watcher__takes_nothing_from_another(void **state)
{
    struct world *world = *state;
    struct eye_row *row = open_one(world);
    ask(world, "a", BEGINS);
    row->sent_bytes = 3;
    ask(world, "b", BEGINS);
    for (uint64_t i = 1; i <= 5; i++) {
        row->sent_bytes++;
        assert_int_equal(sent_change(ask(world, "b", i), row->socket), 1);
    }
    end_one(world);
    assert_int_equal(ask(world, "b", 6)->ended, 1);
    assert_int_equal(ask(world, "b", 7)->ended, 0);
    assert_int_equal(sent_change(ask(world, "a", 1), 1), 8);
    assert_int_equal(ask(world, "a", 2)->count, 0);
}

static void watcher__shows_those_with_most_changes(void **state)
{
    struct world *world = *state;
    size_t count = 2 * (size_t)EYE_WATCHED_MAX + 17;
    for (size_t i = 0; i < count; i++) {
        open_one(world);
    }
    assert_int_equal(ask(world, "a", BEGINS)->truncated, count - EYE_WATCHED_MAX);
    for (size_t i = 0; i < count; i++) {
        world->open[i].received_bytes = 1 + i * 7919 % count; /* 1 .. count, in no order */
    }
    const struct eye_watch_answer *answer = ask(world, "a", 1);
    assert_int_equal(answer->count, EYE_WATCHED_MAX);
    assert_int_equal(answer->truncated, count - EYE_WATCHED_MAX);
    for (size_t i = 0; i < answer->count; i++) {
        assert_int_equal(answer->rows[answer->order[i]].received_change, count - i);
    }
}

/* Summed over the acknowledged answers, each connection's changes are all that it did. */
static void watcher__loses_no_change_of_those_that_are_cut_off(void **state)
{
    struct world *world = *state;
    size_t count = 2 * (size_t)EYE_WATCHED_MAX;
    EYE_AUTOFREE uint64_t *told = calloc(count, sizeof(*told));
    for (size_t i = 0; i < count; i++) {
        open_one(world);
    }
    ask(world, "a", BEGINS);
    for (uint64_t number = 1; number <= 4; number++) {
        for (size_t i = 0; i < count && number <= 2; i++) {
            world->open[i].sent_bytes += i % 7 + 1;
        }
        const struct eye_watch_answer *answer = ask(world, "a", number);
        for (size_t i = 0; i < answer->count; i++) {
            const struct eye_watched *watched = &answer->rows[answer->order[i]];
            told[watched->row.socket - 1] += watched->sent_change;
        }
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(told[i], world->open[i].sent_bytes);
    }
}

static void watcher__meets_nothing_twice_in_one_look(void **state)
{
    struct world *world = *state;
    struct eye_row *row = open_one(world);
    world->open[world->open_count++] = *row;
    const struct eye_watch_answer *answer = ask(world, "a", BEGINS);
    assert_int_equal(answer->count, 1);
    assert_int_equal(answer->truncated, 0);
}

/* The kernel may give counters of a moment that is a little earlier than the last. */
static void watcher__has_no_negative_changes(void **state)
{
    struct world *world = *state;
    struct eye_row *row = open_one(world);
    row->received_bytes = 10;
    ask(world, "a", BEGINS);
    row->received_bytes = 9;
    assert_int_equal(find(ask(world, "a", 1), row->socket).received_change, 0);
    row->received_bytes = 12;
    assert_int_equal(find(ask(world, "a", 2), row->socket).received_change, 2);
}

static void watcher__keeps_room_for_open_ones(void **state)
{
    struct world *world = *state;
    ask(world, "a", BEGINS);
    for (size_t i = 0; i < EYE_WATCHED_MAX; i++) {
        open_one(world);
        end_one(world);
    }
    for (size_t i = 0; i < EYE_WATCHED_MAX; i++) {
        open_one(world);
    }
    const struct eye_watch_answer *answer = ask(world, "a", 1);
    assert_int_equal(answer->ended, EYE_WATCHED_ENDED_MAX);
    assert_int_equal(answer->count, EYE_WATCHED_MAX);
    assert_int_equal(answer->truncated, EYE_WATCHED_MAX);
    answer = ask(world, "a", 2);
    assert_int_equal(answer->ended, EYE_WATCHED_MAX - EYE_WATCHED_ENDED_MAX);
    assert_int_equal(ask(world, "a", 3)->ended, 0);
}

static void watcher__counts_what_it_lost(void **state)
{
    struct world *world = *state;
    ask(world, "a", BEGINS);
    for (size_t i = 0; i < EYE_WATCH_LOG_MAX + 3; i++) {
        open_one(world);
        end_one(world);
    }
    world->lost += 2; /* on their way here */
    assert_int_equal(ask(world, "a", 1)->lost, 5);
    const struct eye_watch_answer *answer = ask(world, "a", 1);
    assert_int_equal(answer->lost, 5);
    assert_int_equal(answer->truncated, EYE_WATCH_LOG_MAX - EYE_WATCHED_ENDED_MAX);
    assert_int_equal(ask(world, "a", 2)->lost, 0);
    assert_int_equal(ask(world, "b", BEGINS)->lost, 0);
}

static void watchers__forget_who_asks_no_more(void **state)
{
    struct world *world = *state;
    struct eye_watcher *watcher;
    ask(world, "a", BEGINS);
    ask(world, "b", BEGINS);
    world->now_ns += KEEP_NS - 1;
    ask(world, "b", 1);
    assert_int_equal(eye_watchers_expire(&world->watchers, world->now_ns, KEEP_NS), 1);
    assert_int_equal(ask(world, "b", 2)->number, 3);
    assert_int_equal(ask(world, "a", 1)->number, 1); /* it begins anew */
    assert_int_equal(eye_watchers_expire(&world->watchers, world->now_ns + KEEP_NS, KEEP_NS), 0);
    assert_null(world->watchers.log);
    assert_int_equal(begin(world, "a", 1, &watcher), 0);
    assert_int_equal(world->answer->number, 1);
}

static void watchers__serve_so_many_and_no_more(void **state)
{
    struct world *world = *state;
    struct eye_watcher *watcher;
    char name[] = "client0";
    for (size_t i = 0; i < EYE_WATCHERS_MAX; i++) {
        name[6] = (char)('0' + i);
        ask(world, name, BEGINS);
    }
    assert_int_equal(begin(world, "one-more", BEGINS, &watcher), -EBUSY);
    assert_int_equal(ask(world, name, 1)->number, 2);
}

static void watcher__begins_anew_with_a_number_that_it_was_not_given(void **state)
{
    struct world *world = *state;
    struct eye_row *row = open_one(world);
    ask(world, "a", BEGINS);
    ask(world, "a", 1);
    row->sent_bytes = 3;
    for (uint64_t after = 3; after < 6; after += 2) {
        const struct eye_watch_answer *answer = ask(world, "a", after);
        assert_int_equal(answer->number, 1);
        assert_int_equal(sent_change(answer, row->socket), 0);
    }
}

/* Ends that were lost on their way leave bases behind. */
static void watcher__forgets_connections_that_are_gone(void **state)
{
    struct world *world = *state;
    uint64_t number = 0;
    for (size_t round = 0; round < 100; round++) {
        world->open_count = 0;
        for (size_t i = 0; i < EYE_WATCHED_MAX; i++) {
            open_one(world);
        }
        number = ask(world, "a", round == 0 ? BEGINS : number)->number;
        assert_int_equal(world->answer->count, EYE_WATCHED_MAX);
        assert_int_equal(world->answer->truncated, 0); /* 100 000 bases would be too many */
    }
}

static void json__has_addresses_and_what_is_not_known(void **state)
{
    struct world *world = *state;
    struct eye_row *row = open_one(world);
    *row = (struct eye_row){.direction = EYE_INCOMING,
                            .family = EYE_IPV6,
                            .local = {0x20, 0x01, [15] = 1},
                            .remote = {[15] = 1},
                            .local_port = 80,
                            .remote_port = 4000,
                            .rtt_us = 1500};
    ask(world, "a", BEGINS);
    snprintf(world->answer->rows[0].service, sizeof(world->answer->rows[0].service), "a\"b\\");
    world->answer->time_ns = 1500000000;
    EYE_AUTOFREE char *text = eye_connections_json(world->answer);
    static const char *const parts[] = {
        "\"client\":\"a\",\"number\":1,",
        "\"time\":\"1970-01-01T00:00:01.500Z\"",
        "\"state\":\"open\"",
        "\"service\":\"a\\\"b\\\\\"",
        "\"local\":\"[2001::1]:80\"",
        "\"remote\":\"[::1]:4000\"",
        "\"age_s\":null",
        "\"rtt_s\":0.001500",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(text, parts[i]) == NULL) {
            fail_msg("%s is not in %s", parts[i], text);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(watcher__tells_changes_since_what_was_acknowledged),
        TEST(watcher__tells_again_what_was_not_acknowledged),
        TEST(watcher__tells_of_an_end_in_one_acknowledged_answer),
        TEST(watcher__takes_nothing_from_another),
        TEST(watcher__shows_those_with_most_changes),
        TEST(watcher__loses_no_change_of_those_that_are_cut_off),
        TEST(watcher__meets_nothing_twice_in_one_look),
        TEST(watcher__has_no_negative_changes),
        TEST(watcher__keeps_room_for_open_ones),
        TEST(watcher__counts_what_it_lost),
        TEST(watchers__forget_who_asks_no_more),
        TEST(watchers__serve_so_many_and_no_more),
        TEST(watcher__begins_anew_with_a_number_that_it_was_not_given),
        TEST(watcher__forgets_connections_that_are_gone),
        TEST(json__has_addresses_and_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
