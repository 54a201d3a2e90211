/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the registry and what changed between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/snapshot/snapshot.h"
#include "tests/support/random.h"

#define SNAPSHOTS 64
#define SECOND UINT64_C(1000000000)

struct fixture {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_snapshot *snapshots[SNAPSHOTS]; /* by sequence - 1 */
    uint64_t sequence;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    const struct eye_limits limits = {
        .series_per_metric = 1000, .values_per_tag = 1000, .idle_ns = SECOND};
    fixture->registry = eye_registry_new(&limits);
    assert_non_null(fixture->registry);
    fixture->group = eye_group_new(fixture->registry, NULL, 0);
    assert_non_null(fixture->group);
    return 0;
}

static void drop(struct fixture *fixture, const struct eye_snapshot *snapshot)
{
    struct eye_snapshot **place = &fixture->snapshots[snapshot->sequence - 1];
    eye_snapshot_unref(*place);
    *place = NULL;
}

static void end_registry(struct fixture *fixture)
{
    eye_registry_free(fixture->registry);
    fixture->registry = NULL;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    end_registry(fixture);
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        eye_snapshot_unref(fixture->snapshots[i]);
    }
    free(fixture);
    return 0;
}

/* Ends the interval; what is idle for it goes, once @delivered. */
static struct eye_snapshot *take_delivered(struct fixture *fixture, uint64_t delivered)
{
    uint64_t sequence = ++fixture->sequence;
    assert_true(sequence <= SNAPSHOTS);
    eye_registry_close_interval(fixture->registry, sequence, sequence * SECOND, delivered);
    struct eye_snapshot *snapshot = eye_snapshot_take(
        fixture->registry, sequence, 1000 * SECOND + sequence, 10 * SECOND, 999 * SECOND);
    assert_non_null(snapshot);
    fixture->snapshots[sequence - 1] = snapshot;
    return snapshot;
}

static struct eye_snapshot *take(struct fixture *fixture)
{
    return take_delivered(fixture, 0);
}

static struct eye_series *series(const struct fixture *fixture, enum eye_metric_id metric,
                                 const char *port)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_PORT, port}};
    return eye_group_series(fixture->group, metric, tags, 1);
}

static void count(const struct fixture *fixture, const char *port, uint64_t amount)
{
    eye_counter_add(series(fixture, EYE_METRIC_TCP_OPENED, port), amount);
}

static void measure(const struct fixture *fixture, const char *port, double seconds)
{
    eye_distribution_add(series(fixture, EYE_METRIC_TCP_RTT, port), seconds, 1);
}

static bool is_of(const struct eye_point *point, enum eye_metric_id metric, const char *port)
{
    const char *value = eye_tag_set_value(point->tags, EYE_TAG_PORT);
    return point->metric->id == metric && value != NULL && strcmp(value, port) == 0;
}

static const struct eye_point *find(const struct eye_snapshot *snapshot, enum eye_metric_id metric,
                                    const char *port)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        if (is_of(&snapshot->points[i], metric, port)) {
            return &snapshot->points[i];
        }
    }
    return NULL;
}

/* The change of one series; its point is NULL when @now has none. */
static struct eye_change change_of(const struct eye_snapshot *now,
                                   const struct eye_snapshot *before, enum eye_metric_id metric,
                                   const char *port)
{
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        if (is_of(change.point, metric, port)) {
            return change;
        }
    }
    return (struct eye_change){0};
}

static uint64_t increase_of(const struct eye_snapshot *now, const struct eye_snapshot *before,
                            const char *port)
{
    struct eye_change change = change_of(now, before, EYE_METRIC_TCP_OPENED, port);
    assert_non_null(change.point);
    return change.counter;
}

static void empty_snapshot__has_its_times(void **state)
{
    const struct eye_snapshot *snapshot = take(*state);
    struct eye_changes changes;
    struct eye_change change;
    assert_int_equal(snapshot->count, 0);
    assert_int_equal(snapshot->sequence, 1);
    assert_int_equal(snapshot->time_ns, 1000 * SECOND + 1);
    assert_int_equal(snapshot->interval_ns, 10 * SECOND);
    assert_int_equal(snapshot->start_ns, 999 * SECOND);
    assert_true(snapshot->bytes >= sizeof(*snapshot));
    eye_changes_begin(&changes, snapshot, NULL);
    assert_false(eye_changes_next(&changes, &change));
    assert_false(eye_changes_next(&changes, &change));
}

static void unref__takes_null(void **state)
{
    (void)state;
    eye_snapshot_unref(NULL);
}

static void points__are_sorted_by_metric_and_series(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 1;
    for (int i = 0; i < 500; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%u", (unsigned)random_below(&random, 200));
        enum eye_metric_id metric = (enum eye_metric_id)random_below(&random, EYE_METRIC_TCP_RTT);
        struct eye_series *made = series(fixture, metric, port);
        if (random_below(&random, 5) == 0) {
            eye_series_remove(fixture->registry, made);
        }
    }
    const struct eye_snapshot *snapshot = take(fixture);
    assert_true(snapshot->count > 100);
    for (size_t i = 1; i < snapshot->count; i++) {
        const struct eye_point *a = &snapshot->points[i - 1];
        const struct eye_point *b = &snapshot->points[i];
        assert_true(a->metric->id < b->metric->id ||
                    (a->metric->id == b->metric->id && a->id < b->id));
    }
}

static void points__hold_the_values(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 7);
    measure(fixture, "80", 0.5);
    eye_gauge_set(series(fixture, EYE_METRIC_TCP_ACTIVE, "80"), 3);
    const struct eye_snapshot *snapshot = take(fixture);
    assert_int_equal(snapshot->count, 3);
    assert_int_equal(find(snapshot, EYE_METRIC_TCP_OPENED, "80")->counter, 7);
    assert_true(find(snapshot, EYE_METRIC_TCP_ACTIVE, "80")->gauge == 3);
    const struct eye_point *rtt = find(snapshot, EYE_METRIC_TCP_RTT, "80");
    assert_int_equal(rtt->distribution->count, 1);
    assert_true(rtt->distribution->sum == 0.5);
    assert_true(snapshot->bytes >= sizeof(*snapshot) + 3 * sizeof(*rtt) +
                                       sizeof(*rtt->distribution) + sizeof(uint64_t));
}

static void snapshot__does_not_change(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 7);
    measure(fixture, "80", 0.5);
    const struct eye_snapshot *first = take(fixture);
    count(fixture, "80", 1);
    measure(fixture, "80", 0.25);
    eye_series_remove(fixture->registry, series(fixture, EYE_METRIC_TCP_OPENED, "80"));
    take(fixture);
    end_registry(fixture);
    assert_int_equal(first->count, 2);
    assert_int_equal(find(first, EYE_METRIC_TCP_OPENED, "80")->counter, 7);
    assert_int_equal(find(first, EYE_METRIC_TCP_RTT, "80")->distribution->count, 1);
}

static void frozen_distributions__are_shared_until_they_change(void **state)
{
    struct fixture *fixture = *state;
    measure(fixture, "80", 1);
    measure(fixture, "81", 1);
    const struct eye_snapshot *a = take(fixture);
    measure(fixture, "81", 1);
    const struct eye_snapshot *b = take(fixture);
    const struct eye_snapshot *c = take(fixture);
    const struct eye_distribution *same = find(a, EYE_METRIC_TCP_RTT, "80")->distribution;
    assert_ptr_equal(find(b, EYE_METRIC_TCP_RTT, "80")->distribution, same);
    assert_ptr_equal(find(c, EYE_METRIC_TCP_RTT, "80")->distribution, same);
    assert_ptr_not_equal(find(b, EYE_METRIC_TCP_RTT, "81")->distribution,
                         find(a, EYE_METRIC_TCP_RTT, "81")->distribution);
    assert_ptr_equal(find(c, EYE_METRIC_TCP_RTT, "81")->distribution,
                     find(b, EYE_METRIC_TCP_RTT, "81")->distribution);
}

static void tags__are_shared_with_the_series(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 1);
    const struct eye_snapshot *a = take(fixture);
    const struct eye_snapshot *b = take(fixture);
    assert_ptr_equal(a->points[0].tags, b->points[0].tags);
    assert_int_equal(atomic_load(&a->points[0].tags->references), 3);
    drop(fixture, a);
    assert_int_equal(atomic_load(&b->points[0].tags->references), 2);
}

static void references__keep_a_snapshot(void **state)
{
    struct fixture *fixture = *state;
    measure(fixture, "80", 1);
    struct eye_snapshot *snapshot = take(fixture);
    assert_ptr_equal(eye_snapshot_ref(snapshot), snapshot);
    eye_snapshot_unref(snapshot);
    assert_int_equal(snapshot->count, 1);
    assert_int_equal(find(snapshot, EYE_METRIC_TCP_RTT, "80")->distribution->count, 1);
}

static void changes__without_before_are_everything(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 7);
    measure(fixture, "80", 0.5);
    measure(fixture, "80", 1.5);
    take(fixture);
    const struct eye_snapshot *now = take(fixture);
    assert_int_equal(increase_of(now, NULL, "80"), 7);
    struct eye_change rtt = change_of(now, NULL, EYE_METRIC_TCP_RTT, "80");
    assert_int_equal(rtt.count, 2);
    assert_true(rtt.sum == 2);
    assert_null(rtt.before);
}

static void changes__since_the_previous_and_an_older_one(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t amounts[] = {5, 0, 7, 11};
    const struct eye_snapshot *taken[EYE_ARRAY_LENGTH(amounts)];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(amounts); i++) {
        count(fixture, "80", amounts[i]);
        measure(fixture, "80", (double)(i + 1));
        taken[i] = take(fixture);
    }
    assert_int_equal(increase_of(taken[3], taken[2], "80"), 11);
    assert_int_equal(increase_of(taken[2], taken[1], "80"), 7);
    assert_int_equal(increase_of(taken[1], taken[0], "80"), 0);
    assert_int_equal(increase_of(taken[3], taken[0], "80"), 18);
    assert_int_equal(increase_of(taken[3], taken[3], "80"), 0);
    struct eye_change rtt = change_of(taken[3], taken[1], EYE_METRIC_TCP_RTT, "80");
    assert_int_equal(rtt.count, 2);
    assert_true(rtt.sum == 7);
    assert_ptr_equal(rtt.before, find(taken[1], EYE_METRIC_TCP_RTT, "80")->distribution);
}

static void changes__leave_the_output_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 1);
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, take(fixture), NULL);
    assert_true(eye_changes_next(&changes, &change));
    const struct eye_point *point = change.point;
    assert_false(eye_changes_next(&changes, &change));
    assert_ptr_equal(change.point, point);
    assert_int_equal(change.counter, 1);
}

/* A series that went and came again under the same tags is another one. */
static void changes__take_a_new_series_from_zero(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 100);
    count(fixture, "81", 3);
    measure(fixture, "80", 1);
    const struct eye_snapshot *before = take(fixture);
    eye_series_remove(fixture->registry, series(fixture, EYE_METRIC_TCP_OPENED, "80"));
    eye_series_remove(fixture->registry, series(fixture, EYE_METRIC_TCP_RTT, "80"));
    count(fixture, "80", 5);
    count(fixture, "82", 9);
    measure(fixture, "80", 2);
    const struct eye_snapshot *now = take(fixture);
    assert_int_equal(increase_of(now, before, "80"), 5);
    assert_int_equal(increase_of(now, before, "81"), 0);
    assert_int_equal(increase_of(now, before, "82"), 9);
    struct eye_change rtt = change_of(now, before, EYE_METRIC_TCP_RTT, "80");
    assert_int_equal(rtt.count, 1);
    assert_true(rtt.sum == 2);
    assert_null(rtt.before);
}

static void changes__skip_vanished_series(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 1);
    count(fixture, "81", 2);
    measure(fixture, "80", 1);
    const struct eye_snapshot *before = take(fixture);
    count(fixture, "81", 4);
    const struct eye_snapshot *now = take_delivered(fixture, 1);
    assert_null(change_of(now, before, EYE_METRIC_TCP_OPENED, "80").point);
    assert_null(change_of(now, before, EYE_METRIC_TCP_RTT, "80").point);
    assert_int_equal(increase_of(now, before, "81"), 4);
}

/* One interval at random: values, removals, expiries; notes the truth in @totals. */
static void live_an_interval(struct fixture *fixture, uint64_t *random, uint64_t totals[static 20])
{
    for (int i = 0; i < 30; i++) {
        uint64_t port = random_below(random, 20);
        char text[8];
        snprintf(text, sizeof(text), "%u", (unsigned)port);
        uint64_t amount = random_below(random, 100);
        count(fixture, text, amount);
        totals[port] += amount;
    }
}

/* A reader that skips snapshots and one that does not must add up to the same. */
static void changes__add_up_whatever_is_skipped(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 7;
    uint64_t truth[20] = {0};
    uint64_t sums[2] = {0};
    const struct eye_snapshot *last[2] = {NULL, NULL};
    for (int i = 0; i < SNAPSHOTS; i++) {
        live_an_interval(fixture, &random, truth);
        const struct eye_snapshot *now = take(fixture);
        for (size_t reader = 0; reader < 2; reader++) {
            if (reader == 1 && i != SNAPSHOTS - 1 && random_below(&random, 3) != 0) {
                continue;
            }
            struct eye_changes changes;
            struct eye_change change;
            eye_changes_begin(&changes, now, last[reader]);
            while (eye_changes_next(&changes, &change)) {
                sums[reader] += change.counter;
            }
            last[reader] = now;
        }
    }
    uint64_t total = 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(truth); i++) {
        total += truth[i];
    }
    assert_int_equal(sums[0], total);
    assert_int_equal(sums[1], total);
}

static void gone__is_what_only_the_older_one_has(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_snapshot *gone = NULL;
    count(fixture, "80", 5);
    count(fixture, "443", 7);
    measure(fixture, "80", 0.5);
    const struct eye_snapshot *before = take(fixture);
    count(fixture, "443", 1);
    count(fixture, "8080", 1);
    take_delivered(fixture, 1);
    count(fixture, "443", 1);
    const struct eye_snapshot *now = take_delivered(fixture, 2);
    assert_null(find(now, EYE_METRIC_TCP_OPENED, "80"));
    assert_int_equal(eye_snapshot_gone(now, before, &gone), 0);
    assert_int_equal(gone->count, 2);
    assert_true(is_of(&gone->points[0], EYE_METRIC_TCP_OPENED, "80"));
    assert_int_equal(gone->points[0].counter, 5);
    assert_true(is_of(&gone->points[1], EYE_METRIC_TCP_RTT, "80"));
    assert_int_equal(gone->sequence, now->sequence);
    assert_int_equal(gone->time_ns, now->time_ns);
    assert_int_equal(gone->start_ns, now->start_ns);
    /* It holds what it shows. */
    drop(fixture, before);
    end_registry(fixture);
    assert_int_equal(gone->points[1].distribution->count, 1);
    eye_snapshot_unref(gone);
}

static void at__is_the_same_at_another_time(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 5);
    measure(fixture, "80", 0.5);
    struct eye_snapshot *now = (struct eye_snapshot *)(uintptr_t)take(fixture);
    now->elapsed_ns = 77;
    const struct eye_snapshot *moved = eye_snapshot_at(now, now->time_ns + 5);
    assert_int_equal(moved->time_ns, now->time_ns + 5);
    assert_int_equal(moved->elapsed_ns, 77);
    assert_int_equal(moved->sequence, now->sequence);
    assert_int_equal(moved->start_ns, now->start_ns);
    assert_int_equal(moved->count, now->count);
    drop(fixture, now);
    end_registry(fixture);
    assert_true(is_of(&moved->points[0], EYE_METRIC_TCP_OPENED, "80"));
    assert_int_equal(moved->points[moved->count - 1].distribution->count, 1);
    eye_snapshot_unref(moved);
}

static void gone__is_nothing_when_all_live_or_none_was(void **state)
{
    struct fixture *fixture = *state;
    count(fixture, "80", 5);
    const struct eye_snapshot *before = take(fixture);
    count(fixture, "443", 5);
    const struct eye_snapshot *now = take(fixture);
    const struct eye_snapshot *gone = now;
    assert_int_equal(eye_snapshot_gone(now, before, &gone), 0);
    assert_null(gone);
    gone = now;
    assert_int_equal(eye_snapshot_gone(now, NULL, &gone), 0);
    assert_null(gone);
}

static void counter_value__has_the_unit(void **state)
{
    (void)state;
    assert_true(eye_counter_value(eye_metric(EYE_METRIC_TCP_SENT_BYTES), 1500) == 1500);
    assert_true(eye_counter_value(eye_metric(EYE_METRIC_SELF_CPU), 2500000000) == 2.5);
}

/* By the clock that nobody sets; more than nothing. */
static void span__is_what_the_changes_took(void **state)
{
    (void)state;
    const struct eye_snapshot before = {
        .start_ns = 1, .time_ns = 900 * SECOND, .interval_ns = 10, .elapsed_ns = 70};
    const struct eye_snapshot now = {
        .start_ns = 1, .time_ns = 5 * SECOND, .interval_ns = 10, .elapsed_ns = 90};
    const struct eye_snapshot other_run = {.start_ns = 2, .time_ns = 6 * SECOND, .elapsed_ns = 4};
    const struct eye_snapshot empty = {.start_ns = 3};
    assert_int_equal(eye_snapshot_span_ns(&now, &before), 20);
    assert_int_equal(eye_snapshot_span_ns(&now, NULL), 90);
    assert_int_equal(eye_snapshot_span_ns(&now, &other_run), 90);
    assert_int_equal(eye_snapshot_span_ns(&before, &now), 10); /* no sense: its own interval */
    assert_int_equal(eye_snapshot_span_ns(&empty, NULL), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_snapshot__has_its_times),
        cmocka_unit_test(unref__takes_null),
        TEST(points__are_sorted_by_metric_and_series),
        TEST(points__hold_the_values),
        TEST(snapshot__does_not_change),
        TEST(frozen_distributions__are_shared_until_they_change),
        TEST(tags__are_shared_with_the_series),
        TEST(references__keep_a_snapshot),
        cmocka_unit_test(span__is_what_the_changes_took),
        TEST(changes__without_before_are_everything),
        TEST(changes__since_the_previous_and_an_older_one),
        TEST(changes__leave_the_output_at_the_end),
        TEST(changes__take_a_new_series_from_zero),
        TEST(changes__skip_vanished_series),
        TEST(changes__add_up_whatever_is_skipped),
        TEST(at__is_the_same_at_another_time),
        TEST(gone__is_what_only_the_older_one_has),
        TEST(gone__is_nothing_when_all_live_or_none_was),
        cmocka_unit_test(counter_value__has_the_unit),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
