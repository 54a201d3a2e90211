/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots between threads, for the thread and address sanitizers: one thread counts and
 * publishes, others read, compare and release at their own pace, each keeping its last one.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/snapshot/snapshot.h"
#include "tests/support/random.h"

#define READERS 4
#define ROUNDS 200
#define PORTS 30
#define ADDS 50

/* Written by the publisher until published, read by the reader afterwards. */
struct reader {
    pthread_t thread;
    const struct eye_snapshot *_Atomic inbox[ROUNDS];
    uint64_t counted;  /* sum of the changes of counters */
    uint64_t measured; /* number of values in the changes of distributions */
    size_t tag_bytes;
};

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct reader readers[READERS];
    uint64_t random;
};

static const struct eye_snapshot *receive(struct reader *reader, size_t round)
{
    const struct eye_snapshot *snapshot;
    while ((snapshot = atomic_load(&reader->inbox[round])) == NULL) {
        sched_yield();
    }
    return snapshot;
}

static void read_changes(struct reader *reader, const struct eye_snapshot *now,
                         const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        reader->counted += change.counter;
        reader->tag_bytes += strlen(eye_tag_set_value(change.point->tags, EYE_TAG_PORT));
        if (change.point->metric->kind == EYE_DISTRIBUTION) {
            for (uint32_t key = 0; key < EYE_DISTRIBUTION_KEYS; key++) {
                reader->measured +=
                    eye_distribution_bin_since(change.point->distribution, change.before, key);
            }
        }
    }
}

static void *run_reader(void *context)
{
    struct reader *reader = context;
    const struct eye_snapshot *before = NULL;
    for (size_t round = 0; round < ROUNDS; round++) {
        const struct eye_snapshot *now = receive(reader, round);
        read_changes(reader, now, before);
        eye_snapshot_unref(before);
        before = now;
    }
    eye_snapshot_unref(before);
    return NULL;
}

static void live_an_interval(struct world *world)
{
    for (int i = 0; i < ADDS; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%u", (unsigned)random_below(&world->random, PORTS));
        const struct eye_tag_value tags[] = {{EYE_TAG_PORT, port}};
        eye_counter_add(eye_group_series(world->group, EYE_METRIC_TCP_OPENED, tags, 1), 1);
        eye_distribution_add(eye_group_series(world->group, EYE_METRIC_TCP_RTT, tags, 1),
                             random_unit(&world->random), 1);
    }
}

static void publish(struct world *world, size_t round)
{
    uint64_t sequence = round + 1;
    eye_registry_close_interval(world->registry, sequence, sequence, 0);
    struct eye_snapshot *snapshot = eye_snapshot_take(world->registry, sequence, sequence, 1, 0);
    assert_non_null(snapshot);
    for (size_t i = 0; i < READERS; i++) {
        atomic_store(&world->readers[i].inbox[round], eye_snapshot_ref(snapshot));
    }
    eye_snapshot_unref(snapshot);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    const struct eye_limits limits = {
        .series_per_metric = 1000, .values_per_tag = 1000, .idle_ns = 1};
    world->registry = eye_registry_new(&limits);
    assert_non_null(world->registry);
    world->group = eye_group_new(world->registry, NULL, 0);
    assert_non_null(world->group);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_registry_free(world->registry);
    free(world);
    return 0;
}

static void readers__see_everything_once(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(
            pthread_create(&world->readers[i].thread, NULL, run_reader, &world->readers[i]), 0);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        live_an_interval(world);
        publish(world, round);
    }
    /* The registry goes first, as at shutdown: what the readers hold must live on. */
    eye_registry_free(world->registry);
    world->registry = NULL;
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(world->readers[i].thread, NULL), 0);
        assert_int_equal(world->readers[i].counted, ROUNDS * ADDS);
        assert_int_equal(world->readers[i].measured, ROUNDS * ADDS);
        assert_true(world->readers[i].tag_bytes > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readers__see_everything_once, setup, teardown),
    };
    return cmocka_run_group_tests_name("snapshot_threads", tests, NULL, NULL);
}
