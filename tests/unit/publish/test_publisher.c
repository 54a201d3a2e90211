/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets which snapshot, and what series wait for. One thread. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/publish/publisher.h"

#define IDLE_NS 3

struct reader {
    struct eye_subscription subscription;
    const struct eye_snapshot *before; /* what it compares with */
    uint64_t taken;                    /* sequence of the last one */
    uint64_t opened;                   /* by all changes that it saw */
};

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_publisher *publisher;
    uint64_t sequence;
    struct reader a;
    struct reader b;
};

static uint64_t opened_in(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    uint64_t opened = 0;
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        opened += change.point->metric->id == EYE_METRIC_TCP_OPENED ? change.counter : 0;
    }
    return opened;
}

static void take(void *context, const struct eye_snapshot *snapshot)
{
    struct reader *reader = context;
    reader->taken = snapshot->sequence;
    reader->opened += opened_in(snapshot, reader->before);
    eye_snapshot_unref(reader->before);
    reader->before = eye_snapshot_ref(snapshot);
}

static void join(struct world *world, struct reader *reader)
{
    eye_snapshot_unref(reader->before);
    *reader = (struct reader){.subscription = {.take = take, .context = reader}};
    assert_int_equal(eye_publisher_join(world->publisher, &reader->subscription, &reader->before),
                     0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    const struct eye_limits limits = {
        .series_per_metric = 100, .values_per_tag = 100, .idle_ns = IDLE_NS};
    world->registry = eye_registry_new(&limits);
    world->group = eye_group_new(world->registry, NULL, 0);
    world->publisher = eye_publisher_new();
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    eye_subscription_leave(&world->a.subscription);
    eye_subscription_leave(&world->b.subscription);
    eye_snapshot_unref(world->a.before);
    eye_snapshot_unref(world->b.before);
    eye_publisher_free(world->publisher);
    eye_registry_free(world->registry);
    free(world);
    return 0;
}

static void open_connections(struct world *world, const char *port, uint64_t count)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_PORT, port}};
    eye_counter_add(eye_group_series(world->group, EYE_METRIC_TCP_OPENED, tags, 1), count);
}

/* Ends an interval as the collector does. */
static void end_interval(struct world *world)
{
    uint64_t delivered = eye_publisher_delivered(world->publisher);
    uint64_t sequence = ++world->sequence;
    eye_registry_close_interval(world->registry, sequence, sequence, delivered);
    struct eye_snapshot *snapshot = eye_snapshot_take(world->registry, sequence, sequence, 1, 0);
    assert_non_null(snapshot);
    eye_publisher_publish(world->publisher, snapshot);
    eye_snapshot_unref(snapshot);
}

static size_t count_series(const struct world *world)
{
    return eye_registry_count(world->registry, EYE_METRIC_TCP_OPENED);
}

static void first_reader__counts_from_the_beginning(void **state)
{
    struct world *world = *state;
    open_connections(world, "80", 5);
    join(world, &world->a);
    assert_null(world->a.before);
    end_interval(world);
    assert_int_equal(world->a.taken, 1);
    assert_int_equal(world->a.opened, 5);
}

static void late_reader__counts_from_the_snapshot_before_it(void **state)
{
    struct world *world = *state;
    open_connections(world, "80", 5);
    end_interval(world);
    open_connections(world, "80", 2);
    join(world, &world->a);
    assert_int_equal(world->a.before->sequence, 1);
    assert_int_equal(world->a.taken, 0);
    open_connections(world, "80", 1);
    end_interval(world);
    assert_int_equal(world->a.taken, 2);
    assert_int_equal(world->a.opened, 3);
}

static void reader_that_left__gets_nothing_more_and_keeps_what_it_has(void **state)
{
    struct world *world = *state;
    join(world, &world->a);
    join(world, &world->b);
    open_connections(world, "80", 5);
    end_interval(world);
    eye_subscription_leave(&world->a.subscription);
    eye_subscription_leave(&world->a.subscription);
    open_connections(world, "80", 2);
    end_interval(world);
    assert_int_equal(world->a.taken, 1);
    assert_int_equal(opened_in(world->a.before, NULL), 5);
    assert_int_equal(world->b.taken, 2);
    assert_int_equal(world->b.opened, 7);
}

static void reader__may_come_again(void **state)
{
    struct world *world = *state;
    join(world, &world->a);
    end_interval(world);
    eye_subscription_leave(&world->a.subscription);
    open_connections(world, "80", 5);
    end_interval(world);
    join(world, &world->a);
    open_connections(world, "80", 2);
    end_interval(world);
    assert_int_equal(world->a.opened, 2);
}

static void delivered__is_the_slowest_reader_s(void **state)
{
    struct world *world = *state;
    assert_int_equal(eye_publisher_delivered(world->publisher), 0);
    end_interval(world);
    end_interval(world);
    assert_int_equal(eye_publisher_delivered(world->publisher), 2);
    join(world, &world->a);
    end_interval(world);
    assert_int_equal(eye_publisher_delivered(world->publisher), 2);
    join(world, &world->b);
    end_interval(world);
    eye_subscription_deliver(&world->a.subscription, 4);
    assert_int_equal(eye_publisher_delivered(world->publisher), 3);
    eye_subscription_deliver(&world->b.subscription, 4);
    eye_subscription_deliver(&world->b.subscription, 3);
    assert_int_equal(eye_publisher_delivered(world->publisher), 4);
    end_interval(world);
    eye_subscription_deliver(&world->a.subscription, 5);
    assert_int_equal(eye_publisher_delivered(world->publisher), 4);
    eye_subscription_leave(&world->b.subscription);
    assert_int_equal(eye_publisher_delivered(world->publisher), 5);
}

static void idle_series__wait_for_who_joined_and_not_for_who_left(void **state)
{
    struct world *world = *state;
    join(world, &world->a);
    join(world, &world->b);
    open_connections(world, "80", 5);
    end_interval(world);
    eye_subscription_deliver(&world->a.subscription, 1);
    for (int i = 0; i < 2 * IDLE_NS; i++) {
        end_interval(world);
        eye_subscription_deliver(&world->a.subscription, world->sequence);
    }
    assert_int_equal(count_series(world), 1);
    eye_subscription_leave(&world->b.subscription);
    end_interval(world);
    assert_int_equal(count_series(world), 0);
}

/* Its first "before" has the series with its last value: nothing is lost when it goes. */
static void idle_series__do_not_wait_for_who_came_after_their_last_change(void **state)
{
    struct world *world = *state;
    open_connections(world, "80", 5);
    end_interval(world);
    join(world, &world->a);
    for (int i = 0; i < 2 * IDLE_NS; i++) {
        end_interval(world);
    }
    assert_int_equal(count_series(world), 0);
    assert_int_equal(world->a.opened, 0);
}

/* What the first had is the second's: its position, and what waits. */
static void hand(void *from, void *to)
{
    struct reader *old = from;
    struct reader *successor = to;
    successor->before = old->before;
    old->before = NULL;
    successor->opened = old->opened;
}

static void successor__sees_each_snapshot_once_and_holds_series_on(void **state)
{
    struct world *world = *state;
    const struct eye_snapshot *last = NULL;
    join(world, &world->a);
    open_connections(world, "1", 5);
    end_interval(world);
    world->b = (struct reader){.subscription = {.take = take, .context = &world->b}};
    eye_subscription_hand_over(&world->a.subscription, &world->b.subscription, hand, &last);
    assert_int_equal(last->sequence, 1);
    eye_snapshot_unref(last);
    for (unsigned i = 0; i <= IDLE_NS; i++) {
        end_interval(world);
    }
    assert_int_equal(eye_publisher_delivered(world->publisher), 0);
    assert_int_equal(eye_registry_count(world->registry, EYE_METRIC_TCP_OPENED), 1);
    open_connections(world, "1", 2);
    end_interval(world);
    assert_int_equal(world->a.taken, 1);
    assert_int_equal(world->b.taken, world->sequence);
    assert_int_equal(world->b.opened, 7);
    eye_subscription_leave(&world->a.subscription);
    eye_subscription_leave(&world->b.subscription);
    end_interval(world);
    assert_int_equal(world->b.taken, world->sequence - 1);
}

static void join__beyond_the_limit_is_refused_and_leaves_output(void **state)
{
    struct world *world = *state;
    struct reader *crowd = calloc(EYE_READERS_MAX, sizeof(*crowd));
    const struct eye_snapshot *before = (const struct eye_snapshot *)crowd;
    for (size_t i = 0; i < EYE_READERS_MAX; i++) {
        join(world, &crowd[i]);
    }
    world->a.subscription = (struct eye_subscription){.take = take, .context = &world->a};
    assert_int_equal(eye_publisher_join(world->publisher, &world->a.subscription, &before),
                     -EUSERS);
    assert_ptr_equal(before, crowd);
    end_interval(world);
    assert_int_equal(world->a.taken, 0);
    eye_subscription_leave(&crowd[7].subscription);
    join(world, &world->a);
    end_interval(world);
    assert_int_equal(world->a.taken, 2);
    for (size_t i = 0; i < EYE_READERS_MAX; i++) {
        assert_int_equal(crowd[i].taken, i == 7 ? 1 : 2);
        eye_subscription_leave(&crowd[i].subscription);
        eye_snapshot_unref(crowd[i].before);
    }
    free(crowd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_reader__counts_from_the_beginning),
        TEST(late_reader__counts_from_the_snapshot_before_it),
        TEST(reader_that_left__gets_nothing_more_and_keeps_what_it_has),
        TEST(reader__may_come_again),
        TEST(delivered__is_the_slowest_reader_s),
        TEST(idle_series__wait_for_who_joined_and_not_for_who_left),
        TEST(idle_series__do_not_wait_for_who_came_after_their_last_change),
        TEST(successor__sees_each_snapshot_once_and_holds_series_on),
        TEST(join__beyond_the_limit_is_refused_and_leaves_output),
    };
    return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
