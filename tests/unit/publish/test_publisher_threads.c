/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live views between threads, for the thread and address sanitizers: one thread counts, publishes
 * and lets series expire as fast as it can; others join, read only the newest snapshot at their own
 * pace, and leave. What each sees between its two ends is exact.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/publish/publisher.h"
#include "tests/support/random.h"

#define VIEWS 5
#define PORTS 40
#define ADDS 10
#define READS_MAX 6

/* It goes on until so much has happened, however many CPUs there are. */
#define ROUNDS 5000
#define SESSIONS 200
#define EXPIRED 100
#define PATIENCE_NS (60 * EYE_NS_PER_SECOND)

#define CROWD 500 /* a port is used in so many rounds, and not in as many */

struct view {
    pthread_t thread;
    struct eye_publisher *publisher;
    struct eye_subscription subscription;
    const atomic_bool *over;
    uint64_t random;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const struct eye_snapshot *newest; /* under the mutex; NULL: nothing new */

    const struct eye_snapshot *before;
    uint64_t counted; /* since it joined */
    uint64_t measured;
    atomic_uint_fast64_t sessions;
    uint64_t wrong; /* sessions that saw another sum */
    uint64_t skipped;
};

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_publisher *publisher;
    struct view views[VIEWS];
    atomic_bool over;
    uint64_t random;
};

/* ---- A view ---- */

static void take(void *context, const struct eye_snapshot *snapshot)
{
    struct view *view = context;
    pthread_mutex_lock(&view->mutex);
    const struct eye_snapshot *missed = view->newest;
    view->newest = eye_snapshot_ref(snapshot);
    view->skipped += missed != NULL;
    pthread_cond_signal(&view->changed);
    pthread_mutex_unlock(&view->mutex);
    eye_snapshot_unref(missed);
}

/* NULL when it is over. */
static const struct eye_snapshot *wait_for_newest(struct view *view)
{
    pthread_mutex_lock(&view->mutex);
    while (view->newest == NULL && !atomic_load(view->over)) {
        pthread_cond_wait(&view->changed, &view->mutex);
    }
    const struct eye_snapshot *newest = view->newest;
    view->newest = NULL;
    pthread_mutex_unlock(&view->mutex);
    return newest;
}

static void read_changes(struct view *view, const struct eye_snapshot *now)
{
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, now, view->before);
    while (eye_changes_next(&changes, &change)) {
        view->counted += change.point->metric->id == EYE_METRIC_TCP_OPENED ? change.counter : 0;
        view->measured += change.point->metric->id == EYE_METRIC_TCP_RTT ? change.count : 0;
    }
    eye_snapshot_unref(view->before);
    view->before = now;
}

static uint64_t sequence_of(const struct eye_snapshot *snapshot)
{
    return snapshot == NULL ? 0 : snapshot->sequence;
}

static void dawdle(struct view *view)
{
    for (uint64_t i = random_below(&view->random, 20); i > 0; i--) {
        sched_yield();
    }
}

/* Joins, looks a few times, leaves; what waits then is still read. */
static void live(struct view *view)
{
    if (eye_publisher_join(view->publisher, &view->subscription, &view->before) != 0) {
        view->wrong++;
        return;
    }
    uint64_t from = sequence_of(view->before);
    view->counted = 0;
    view->measured = 0;
    const struct eye_snapshot *now;
    uint64_t reads = random_below(&view->random, READS_MAX);
    while (reads-- > 0 && (now = wait_for_newest(view)) != NULL) {
        dawdle(view);
        read_changes(view, now);
        eye_subscription_deliver(&view->subscription, now->sequence);
    }
    eye_subscription_leave(&view->subscription);
    if (view->newest != NULL) {
        read_changes(view, EYE_TAKE(view->newest));
    }
    uint64_t expected = (sequence_of(view->before) - from) * ADDS;
    view->wrong += view->counted != expected || view->measured != expected;
    atomic_fetch_add(&view->sessions, 1);
    eye_snapshot_unref(EYE_TAKE(view->before));
}

static void *run_view(void *context)
{
    struct view *view = context;
    while (!atomic_load(view->over)) {
        live(view);
    }
    return NULL;
}

/* ---- The collector ---- */

/* Each port is busy for a while and idle for as long, so that its series come and go. */
static void live_an_interval(struct world *world, uint64_t round)
{
    for (int i = 0; i < ADDS; i++) {
        char port[8];
        uint64_t number = (round / CROWD % 2) * PORTS + random_below(&world->random, PORTS);
        snprintf(port, sizeof(port), "%u", (unsigned)number);
        const struct eye_tag_value tags[] = {{EYE_TAG_PORT, port}};
        eye_counter_add(eye_group_series(world->group, EYE_METRIC_TCP_OPENED, tags, 1), 1);
        eye_distribution_add(eye_group_series(world->group, EYE_METRIC_TCP_RTT, tags, 1),
                             random_unit(&world->random), 1);
    }
}

static void end_interval(struct world *world, uint64_t sequence)
{
    uint64_t delivered = eye_publisher_delivered(world->publisher);
    eye_registry_close_interval(world->registry, sequence, sequence, delivered);
    struct eye_snapshot *snapshot = eye_snapshot_take(world->registry, sequence, sequence, 1, 0);
    assert_non_null(snapshot);
    eye_publisher_publish(world->publisher, snapshot);
    eye_snapshot_unref(snapshot);
}

static uint64_t count_expired(const struct world *world)
{
    const struct eye_series *expired = eye_registry_first(world->registry, EYE_METRIC_SELF_EXPIRED);
    return expired == NULL ? 0 : expired->counter;
}

static uint64_t count_sessions(const struct world *world)
{
    uint64_t sessions = 0;
    for (size_t i = 0; i < VIEWS; i++) {
        sessions += atomic_load(&world->views[i].sessions);
    }
    return sessions;
}

static void end_views(struct world *world)
{
    atomic_store(&world->over, true);
    for (size_t i = 0; i < VIEWS; i++) {
        struct view *view = &world->views[i];
        pthread_mutex_lock(&view->mutex);
        pthread_cond_signal(&view->changed);
        pthread_mutex_unlock(&view->mutex);
        assert_int_equal(pthread_join(view->thread, NULL), 0);
    }
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    const struct eye_limits limits = {
        .series_per_metric = 1000, .values_per_tag = 1000, .idle_ns = 2};
    world->registry = eye_registry_new(&limits);
    world->group = eye_group_new(world->registry, NULL, 0);
    world->publisher = eye_publisher_new();
    for (size_t i = 0; i < VIEWS; i++) {
        struct view *view = &world->views[i];
        view->publisher = world->publisher;
        view->subscription = (struct eye_subscription){.take = take, .context = view};
        view->over = &world->over;
        view->random = i + 1;
        pthread_mutex_init(&view->mutex, NULL);
        pthread_cond_init(&view->changed, NULL);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < VIEWS; i++) {
        pthread_mutex_destroy(&world->views[i].mutex);
        pthread_cond_destroy(&world->views[i].changed);
    }
    eye_publisher_free(world->publisher);
    eye_registry_free(world->registry);
    free(world);
    return 0;
}

static void views__come_and_go_and_see_everything_between(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < VIEWS; i++) {
        struct view *view = &world->views[i];
        assert_int_equal(pthread_create(&view->thread, NULL, run_view, view), 0);
    }
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    uint64_t round = 0;
    while (round < ROUNDS || count_sessions(world) < SESSIONS || count_expired(world) < EXPIRED) {
        round++;
        live_an_interval(world, round);
        end_interval(world, round);
        assert_true(eye_clock_monotonic_ns() < until_ns);
    }
    end_views(world);
    uint64_t skipped = 0;
    for (size_t i = 0; i < VIEWS; i++) {
        assert_int_equal(world->views[i].wrong, 0);
        skipped += world->views[i].skipped;
    }
    print_message("%llu rounds, %llu sessions, %llu snapshots skipped, %llu series expired\n",
                  (unsigned long long)round, (unsigned long long)count_sessions(world),
                  (unsigned long long)skipped, (unsigned long long)count_expired(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(views__come_and_go_and_see_everything_between, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("publisher_threads", tests, NULL, NULL);
}
