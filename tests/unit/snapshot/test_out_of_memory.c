/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry and snapshot when memory runs out at every place where it can: the linker puts our
 * allocator before the real one, and each round fails from one allocation later than the last.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/table.h"
#include "collector/base/text.h"
#include "collector/snapshot/codec.h"

#define PLENTY UINT64_MAX
#define PORTS 40

static uint64_t allocations_left = PLENTY;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool may_allocate(void)
{
    if (allocations_left == PLENTY) {
        return true;
    }
    allocations_left -= allocations_left > 0 ? 1 : 0;
    return allocations_left > 0;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return may_allocate() ? __real_realloc(old, size) : NULL;
}

struct fixture {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_snapshot *snapshot;
};

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    assert_non_null(*state);
    return 0;
}

static void end(struct fixture *fixture)
{
    allocations_left = PLENTY;
    eye_snapshot_unref(fixture->snapshot);
    eye_registry_free(fixture->registry);
    *fixture = (struct fixture){0};
}

static int teardown(void **state)
{
    end(*state);
    free(*state);
    return 0;
}

static bool make_registry(struct fixture *fixture)
{
    const struct eye_limits limits = {
        .series_per_metric = 1000, .values_per_tag = 10, .idle_ns = 1};
    const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, "shop"}};
    fixture->registry = eye_registry_new(&limits);
    if (fixture->registry == NULL) {
        return false;
    }
    fixture->group = eye_group_new(fixture->registry, tags, 1);
    return fixture->group != NULL;
}

static struct eye_series *port_series(const struct fixture *fixture, enum eye_metric_id metric,
                                      unsigned port)
{
    char text[8];
    snprintf(text, sizeof(text), "%u", port);
    const struct eye_tag_value tags[] = {{EYE_TAG_PORT, text}};
    return eye_group_series(fixture->group, metric, tags, 1);
}

static uint64_t sum_of(const struct fixture *fixture)
{
    uint64_t sum = 0;
    struct eye_series *series = eye_registry_first(fixture->registry, EYE_METRIC_TCP_OPENED);
    for (; series != NULL; series = series->next) {
        sum += series->counter;
    }
    return sum;
}

/* Counts one on every port; what was lost is what is missing. */
static void count_ports(const struct fixture *fixture)
{
    for (unsigned port = 0; port < PORTS; port++) {
        eye_counter_add(port_series(fixture, EYE_METRIC_TCP_OPENED, port), 1);
    }
}

static void registry__is_whole_or_null(void **state)
{
    struct fixture *fixture = *state;
    bool made = false;
    for (uint64_t room = 1; !made; room++) {
        assert_true(room < 10);
        allocations_left = room;
        made = make_registry(fixture);
        end(fixture);
    }
}

static void series__are_lost_and_said_so(void **state)
{
    struct fixture *fixture = *state;
    uint64_t lost = 1;
    for (uint64_t room = 1; lost > 0; room++) {
        assert_true(room < 200);
        assert_true(make_registry(fixture));
        allocations_left = room;
        count_ports(fixture);
        allocations_left = PLENTY;
        lost = eye_registry_lost(fixture->registry);
        assert_true(sum_of(fixture) <= PORTS && sum_of(fixture) + lost >= PORTS);
        /* With memory again it works as if nothing had been. */
        uint64_t before = sum_of(fixture);
        count_ports(fixture);
        assert_int_equal(sum_of(fixture), before + PORTS);
        assert_int_equal(eye_registry_lost(fixture->registry), lost);
        end(fixture);
    }
}

static void distribution__stays_as_it_was(void **state)
{
    (void)state;
    struct eye_distribution distribution;
    eye_distribution_init(&distribution);
    assert_int_equal(eye_distribution_record(&distribution, 1, 2), 0);
    allocations_left = 1;
    assert_int_equal(eye_distribution_record(&distribution, 1e9, 1), -ENOMEM);
    assert_int_equal(eye_distribution_record(&distribution, 1e-9, 1), -ENOMEM);
    assert_int_equal(eye_distribution_record(&distribution, 1, 1), 0);
    allocations_left = PLENTY;
    assert_int_equal(distribution.count, 3);
    assert_true(distribution.sum == 3);
    assert_int_equal(eye_distribution_bin_since(&distribution, NULL, EYE_DISTRIBUTION_BIAS), 3);
    eye_distribution_done(&distribution);
}

/* The next snapshot holds what the failed one would have held. */
static void snapshot__is_whole_or_null(void **state)
{
    struct fixture *fixture = *state;
    assert_true(make_registry(fixture));
    for (uint64_t room = 1; fixture->snapshot == NULL; room++) {
        assert_true(room < PORTS);
        for (unsigned port = 0; port < 8; port++) {
            eye_distribution_add(port_series(fixture, EYE_METRIC_TCP_RTT, port), 1, 1);
        }
        eye_registry_close_interval(fixture->registry, room, room, 0);
        allocations_left = room;
        fixture->snapshot = eye_snapshot_take(fixture->registry, room, room, 1, 0);
        allocations_left = PLENTY;
        if (fixture->snapshot != NULL) {
            assert_int_equal(fixture->snapshot->count, 8);
            assert_int_equal(fixture->snapshot->points[7].distribution->count, room);
        }
    }
}

/* Takes a snapshot with a counter and a distribution. */
static void take_both_kinds(struct fixture *fixture)
{
    assert_true(make_registry(fixture));
    eye_counter_add(port_series(fixture, EYE_METRIC_TCP_OPENED, 1), 1);
    eye_distribution_add(port_series(fixture, EYE_METRIC_TCP_RTT, 1), 1, 1);
    fixture->snapshot = eye_snapshot_take(fixture->registry, 1, 1, 1, 0);
    assert_non_null(fixture->snapshot);
}

static void codec__is_whole_or_leaves_everything(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_snapshot *decoded = NULL;
    struct eye_text bytes;
    int result = -ENOMEM;
    take_both_kinds(fixture);
    eye_text_init(&bytes, 100000);
    for (uint64_t room = 1; result == -ENOMEM; room++) {
        allocations_left = room;
        result = eye_snapshot_encode(fixture->snapshot, &bytes);
        allocations_left = PLENTY;
        assert_int_equal(bytes.length > 0, result == 0);
    }
    assert_int_equal(result, 0);
    result = -ENOMEM;
    for (uint64_t room = 1; result == -ENOMEM; room++) {
        size_t unknown = 77;
        allocations_left = room;
        result = eye_snapshot_decode(bytes.data, bytes.length, &decoded, &unknown);
        allocations_left = PLENTY;
        assert_int_equal(decoded != NULL, result == 0);
        assert_int_equal(unknown, result == 0 ? 0 : 77);
    }
    eye_text_done(&bytes);
    assert_int_equal(result, 0);
    assert_int_equal(decoded->count, 2);
    eye_snapshot_unref(decoded);
}

static void text__fails_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct eye_text text;
    eye_text_init(&text, 10000);
    allocations_left = 1;
    eye_text_append(&text, "nothing");
    assert_true(text.failed);
    assert_string_equal(eye_text_string(&text), "");
    allocations_left = PLENTY;
    eye_text_clear(&text);
    eye_text_append(&text, "kept");
    allocations_left = 1;
    eye_text_appendf(&text, "%1000d", 1);
    allocations_left = PLENTY;
    assert_true(text.failed);
    assert_string_equal(eye_text_string(&text), "kept");
    eye_text_done(&text);
}

static void table__refuses_and_stays_as_it_was(void **state)
{
    (void)state;
    static int items[100];
    struct eye_table table = {0};
    size_t inserted = 0;
    allocations_left = 2;
    while (eye_table_insert(&table, inserted, &items[inserted]) == 0) {
        inserted++;
    }
    assert_int_equal(eye_table_insert(&table, inserted, &items[inserted]), -ENOMEM);
    allocations_left = PLENTY;
    assert_true(inserted > 0);
    assert_int_equal(table.count, inserted);
    assert_int_equal(eye_table_insert(&table, inserted, &items[inserted]), 0);
    assert_int_equal(table.count, inserted + 1);
    eye_table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(registry__is_whole_or_null, setup, teardown),
        cmocka_unit_test_setup_teardown(series__are_lost_and_said_so, setup, teardown),
        cmocka_unit_test_setup_teardown(snapshot__is_whole_or_null, setup, teardown),
        cmocka_unit_test_setup_teardown(codec__is_whole_or_leaves_everything, setup, teardown),
        cmocka_unit_test(distribution__stays_as_it_was),
        cmocka_unit_test(text__fails_and_keeps_what_it_has),
        cmocka_unit_test(table__refuses_and_stays_as_it_was),
    };
    return cmocka_run_group_tests_name("out_of_memory", tests, NULL, NULL);
}
