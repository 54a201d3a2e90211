/* SPDX-License-Identifier: Apache-2.0 */
/* The worker, driven by an exporter whose results are scripted and whose deliveries can be held. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/engine/worker.h"
#include "tests/support/log_file.h"
#include "tests/support/moved_clock.h"

#define MAX_CALLS 256
#define PATIENCE_NS (10 * EYE_NS_PER_SECOND)

struct scripted {
    int result;
    bool started;
    bool gone;
    uint64_t retry_after_ns;
    const char *refused; /* with result 0: what was refused for good */
    uint64_t refused_points;
    uint64_t points; /* delivered */
};

struct call {
    uint64_t now;    /* sequence */
    uint64_t before; /* 0: none */
};

struct fake {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool held; /* deliveries wait */
    bool delivering;
    struct scripted script[MAX_CALLS]; /* behind its end: success */
    size_t script_length;
    struct scripted rest; /* result behind the script */
    struct call calls[MAX_CALLS];
    size_t call_count;
    size_t failure_count;
    char thread_name[16];
    bool signals_blocked;
    int open_result;
    struct eye_export_stats *stats; /* the worker's */
    size_t finishes;
    size_t goodbye_failures;     /* of the next ones to come */
    const char *goodbye_refused; /* cause of the one that succeeds; NULL: all is well */
    uint64_t finished_with;      /* sequence */
    bool closed;
};

struct fixture {
    struct fake fake;
    const struct eye_exporter_type *type;
    struct eye_config config;
    struct eye_exporter_config own;
    struct eye_worker *worker;
    uint64_t published;
    struct log_file log;
};

/* ---- The exporter ---- */

static int fake_open(void *state, const struct eye_exporter_setup *setup,
                     struct eye_error *ret_error)
{
    struct fake **opened = state;
    struct fake *fake = setup->own->values;
    if (fake->open_result != 0) {
        return eye_error_set(ret_error, fake->open_result, "no such luck");
    }
    fake->stats = setup->stats;
    *opened = fake;
    return 0;
}

static void look_around(struct fake *fake)
{
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    fake->signals_blocked = sigismember(&blocked, SIGTERM) == 1 &&
                            sigismember(&blocked, SIGHUP) == 1 &&
                            sigismember(&blocked, SIGUSR1) == 1;
    pthread_getname_np(pthread_self(), fake->thread_name, sizeof(fake->thread_name));
}

static int fake_deliver(void *state, const struct eye_snapshot *now,
                        const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    struct fake *fake = *(struct fake **)state;
    pthread_mutex_lock(&fake->mutex);
    look_around(fake);
    fake->delivering = true;
    pthread_cond_broadcast(&fake->changed);
    while (fake->held) {
        pthread_cond_wait(&fake->changed, &fake->mutex);
    }
    fake->delivering = false;
    size_t index = fake->call_count++;
    struct scripted scripted = index < fake->script_length ? fake->script[index] : fake->rest;
    fake->failure_count += scripted.result != 0 ? 1 : 0;
    fake->calls[index % MAX_CALLS] =
        (struct call){now->sequence, before == NULL ? 0 : before->sequence};
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
    if (scripted.result != 0) {
        failure->started = scripted.started;
        failure->gone = scripted.gone;
        failure->retry_after_ns = scripted.retry_after_ns;
        return eye_export_fail(failure, scripted.result, EYE_EXPORT_REFUSED, "the wire is cut");
    }
    atomic_fetch_add(&fake->stats->points, scripted.points);
    atomic_fetch_add(&fake->stats->refused_points, scripted.refused_points);
    if (scripted.refused != NULL) {
        eye_error_set(&failure->cause, 0, "%s", scripted.refused);
    }
    return 0;
}

static int fake_finish(void *state, const struct eye_snapshot *last,
                       struct eye_export_failure *failure)
{
    struct fake *fake = *(struct fake **)state;
    fake->finished_with = last == NULL ? 0 : last->sequence;
    fake->finishes++;
    if (fake->goodbye_failures > 0) {
        fake->goodbye_failures--;
        return eye_export_fail(failure, -EIO, EYE_EXPORT_REFUSED, "the wire is cut");
    }
    if (fake->goodbye_refused != NULL) {
        eye_error_set(&failure->cause, 0, "%s", fake->goodbye_refused);
    }
    return 0;
}

static void fake_close(void *state)
{
    struct fake *fake = *(struct fake **)state;
    if (fake != NULL) {
        fake->closed = true;
    }
}

static const struct eye_exporter_type fake_type = {
    .section = {.type = "fake"},
    .state_size = sizeof(struct fake *),
    .open = fake_open,
    .deliver = fake_deliver,
    .finish = fake_finish,
    .close = fake_close,
};

/* The same with a format that has time. */
static const struct eye_exporter_type timestamped_type = {
    .section = {.type = "fake"},
    .timestamped = true,
    .retry_max_ns = 200 * EYE_NS_PER_MS,
    .state_size = sizeof(struct fake *),
    .open = fake_open,
    .deliver = fake_deliver,
    .close = fake_close,
};

static const struct eye_exporter_type remote_type = {
    .section = {.type = "fake"},
    .remote = true,
    .state_size = sizeof(struct fake *),
    .open = fake_open,
    .deliver = fake_deliver,
    .close = fake_close,
};

static const char *const lane_names[] = {"left", "right", NULL};

static const struct eye_exporter_type laned_type = {
    .section = {.type = "fake"},
    .lanes = lane_names,
    .state_size = sizeof(struct fake *),
    .open = fake_open,
    .deliver = fake_deliver,
    .close = fake_close,
};

/* ---- Fixture ---- */

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    pthread_mutex_init(&fixture->fake.mutex, NULL);
    pthread_cond_init(&fixture->fake.changed, NULL);
    static char name[] = "a-rather-long-name";
    static char origin[] = "test.yaml:7";
    fixture->type = &fake_type;
    fixture->config.references = 1;
    fixture->own = (struct eye_exporter_config){
        .section = &fake_type.section,
        .name = name,
        .common = {.queue_snapshots = 4,
                   .queue_bytes = 1 << 20,
                   .queue_age_ns = 3600 * EYE_NS_PER_SECOND},
        .values = &fixture->fake,
        .origin = origin,
    };
    log_file_begin(&fixture->log);
    *state = fixture;
    return 0;
}

static void release(struct fake *fake)
{
    pthread_mutex_lock(&fake->mutex);
    fake->held = false;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    log_file_end(&fixture->log);
    release(&fixture->fake);
    eye_worker_free(fixture->worker);
    clock_reset();
    pthread_cond_destroy(&fixture->fake.changed);
    pthread_mutex_destroy(&fixture->fake.mutex);
    free(fixture);
    return 0;
}

static void make_worker(struct fixture *fixture)
{
    struct eye_error error = {0};
    assert_int_equal(
        eye_worker_new(fixture->type, &fixture->config, &fixture->own, 0, &fixture->worker, &error),
        0);
}

static void start_worker(struct fixture *fixture)
{
    make_worker(fixture);
    assert_int_equal(eye_worker_bind(fixture->worker, NULL), 0);
    assert_int_equal(eye_worker_start(fixture->worker), 0);
}

static void publish_aged(struct fixture *fixture, size_t bytes, uint64_t age_ns)
{
    struct eye_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    atomic_init(&snapshot->references, 1);
    snapshot->sequence = ++fixture->published;
    snapshot->bytes = bytes;
    snapshot->start_ns = 1;
    snapshot->time_ns = eye_clock_wall_ns() - age_ns;
    eye_worker_publish(fixture->worker, snapshot);
    eye_snapshot_unref(snapshot);
}

static void publish(struct fixture *fixture, size_t bytes)
{
    publish_aged(fixture, bytes, 0);
}

static void publish_many(struct fixture *fixture, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        publish(fixture, 100);
    }
}

static void wait_for(struct fake *fake, const size_t *number, size_t at_least)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(PATIENCE_NS / EYE_NS_PER_SECOND);
    pthread_mutex_lock(&fake->mutex);
    int result = 0;
    while (*number < at_least && result == 0) {
        result = pthread_cond_timedwait(&fake->changed, &fake->mutex, &until);
    }
    pthread_mutex_unlock(&fake->mutex);
    assert_int_equal(result, 0);
}

static void wait_for_calls(struct fake *fake, size_t count)
{
    wait_for(fake, &fake->call_count, count);
}

/* Holds the worker inside the delivery of a first snapshot. */
static void hold_first(struct fixture *fixture)
{
    struct fake *fake = &fixture->fake;
    fake->held = true;
    publish(fixture, 100);
    pthread_mutex_lock(&fake->mutex);
    while (!fake->delivering) {
        pthread_cond_wait(&fake->changed, &fake->mutex);
    }
    pthread_mutex_unlock(&fake->mutex);
}

static void wait_until_idle(const struct fixture *fixture)
{
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t until = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&stats->queued) > 0 && eye_clock_monotonic_ns() < until) {
        usleep(500);
    }
    assert_int_equal(atomic_load(&stats->queued), 0);
}

static void assert_stats(const struct fixture *fixture, uint64_t delivered, uint64_t queued,
                         uint64_t skipped)
{
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    assert_int_equal(atomic_load(&stats->delivered), delivered);
    assert_int_equal(atomic_load(&stats->queued), queued);
    assert_int_equal(atomic_load(&stats->skipped), skipped);
    assert_int_equal(delivered + queued + skipped, fixture->published);
}

static void assert_calls(const struct fake *fake, const struct call *expected, size_t count)
{
    assert_int_equal(fake->call_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(fake->calls[i].now, expected[i].now);
        assert_int_equal(fake->calls[i].before, expected[i].before);
    }
}

static bool free_worker(struct fixture *fixture)
{
    struct eye_worker *worker = fixture->worker;
    fixture->worker = NULL;
    return eye_worker_free(worker) == EYE_WORKER_DELIVERED;
}

static uint64_t in_ms(uint64_t milliseconds)
{
    return eye_clock_monotonic_ns() + milliseconds * EYE_NS_PER_MS;
}

/* ---- Tests ---- */

static void worker__delivers_in_order_against_the_last_delivered(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish_many(fixture, 3);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {2, 1}, {3, 2}};
    assert_calls(&fixture->fake, expected, 3);
    assert_stats(fixture, 3, 0, 0);
    assert_int_equal(eye_worker_delivered(fixture->worker), 3);
    assert_string_equal(eye_worker_name(fixture->worker), "a-rather-long-name");
}

static void worker__full_queue_gives_up_the_oldest(void **state)
{
    struct fixture *fixture = *state;
    fixture->own.common.queue_snapshots = 2;
    start_worker(fixture);
    hold_first(fixture);
    publish_many(fixture, 4);
    assert_stats(fixture, 0, 3, 2);
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {4, 1}, {5, 4}};
    assert_calls(&fixture->fake, expected, 3);
    assert_stats(fixture, 3, 0, 2);
}

static void worker__queue_is_bounded_in_bytes(void **state)
{
    struct fixture *fixture = *state;
    fixture->own.common.queue_bytes = 1000;
    start_worker(fixture);
    hold_first(fixture);
    publish(fixture, 400);
    publish(fixture, 400);
    assert_stats(fixture, 0, 3, 0);
    publish(fixture, 201);
    assert_stats(fixture, 0, 3, 1);
    publish(fixture, 5000); /* alone it may be too large: else it would never go */
    assert_stats(fixture, 0, 2, 3);
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {5, 1}};
    assert_calls(&fixture->fake, expected, 2);
    assert_stats(fixture, 2, 0, 3);
}

static void worker__after_failure_takes_the_newest(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[0] = (struct scripted){.result = -ECONNREFUSED};
    fixture->fake.script_length = 1;
    start_worker(fixture);
    hold_first(fixture);
    publish_many(fixture, 2);
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {3, 0}};
    assert_calls(&fixture->fake, expected, 2);
    assert_stats(fixture, 1, 0, 2);
    assert_int_equal(eye_worker_delivered(fixture->worker), 3);
}

static void worker__started_snapshot_is_retried_until_delivered(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[0] = (struct scripted){.result = -ECONNREFUSED, .started = true};
    fixture->fake.script[1] = (struct scripted){.result = -ECONNREFUSED};
    fixture->fake.script_length = 2;
    start_worker(fixture);
    hold_first(fixture);
    publish_many(fixture, 2);
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {1, 0}, {1, 0}, {2, 1}, {3, 2}};
    assert_calls(&fixture->fake, expected, 5);
    assert_stats(fixture, 3, 0, 0);
}

static void worker__waits_as_long_as_the_receiver_asks(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[0] =
        (struct scripted){.result = -EAGAIN, .retry_after_ns = 700 * EYE_NS_PER_MS};
    fixture->fake.script_length = 1;
    start_worker(fixture);
    uint64_t begin = eye_clock_monotonic_ns();
    publish(fixture, 100);
    wait_for_calls(&fixture->fake, 2);
    assert_true(eye_clock_monotonic_ns() - begin >= 700 * EYE_NS_PER_MS);
}

static void worker__counts_failures_by_reason_and_in_a_row(void **state)
{
    struct fixture *fixture = *state;
    fixture->type = &timestamped_type;
    for (size_t i = 0; i < 3; i++) {
        fixture->fake.script[i] = (struct scripted){.result = -EAGAIN};
    }
    fixture->fake.script_length = 3;
    start_worker(fixture);
    publish(fixture, 100);
    wait_for_calls(&fixture->fake, 3);
    wait_until_idle(fixture);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    assert_int_equal(atomic_load(&stats->failures[EYE_EXPORT_REFUSED]), 3);
    assert_int_equal(atomic_load(&stats->failing), 0);
}

static void worker__tells_how_often_it_has_failed_until_it_succeeds(void **state)
{
    struct fixture *fixture = *state;
    fixture->type = &timestamped_type;
    fixture->fake.rest = (struct scripted){.result = -EAGAIN};
    start_worker(fixture);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    publish(fixture, 100);
    wait_for_calls(&fixture->fake, 4);
    /* The fourth may not be noted yet. */
    assert_in_range(atomic_load(&stats->failing), 3, MAX_CALLS);
    pthread_mutex_lock(&fixture->fake.mutex);
    fixture->fake.rest = (struct scripted){0};
    pthread_mutex_unlock(&fixture->fake.mutex);
    wait_until_idle(fixture);
    assert_int_equal(atomic_load(&stats->failing), 0);
}

/* Each success takes back the failure before it: pauses of 0.1 s on the average. They would be of
 * 20 s together. */
static void worker__pauses_do_not_grow_over_failures_that_passed(void **state)
{
    static const struct eye_exporter_type type = {
        .section = {.type = "fake"},
        .timestamped = true,
        .state_size = sizeof(struct fake *),
        .open = fake_open,
        .deliver = fake_deliver,
        .close = fake_close,
    };
    struct fixture *fixture = *state;
    enum { FAILURES = 12 };
    fixture->type = &type;
    fixture->own.common.queue_snapshots = FAILURES;
    for (size_t i = 0; i < 2 * FAILURES; i += 2) {
        fixture->fake.script[i] = (struct scripted){.result = -EAGAIN};
    }
    fixture->fake.script_length = 2 * FAILURES;
    start_worker(fixture);
    publish_many(fixture, FAILURES);
    wait_for_calls(&fixture->fake, (size_t)2 * FAILURES);
    wait_until_idle(fixture);
    assert_stats(fixture, FAILURES, 0, 0);
}

static void worker__format_with_time_delivers_what_waited_in_order(void **state)
{
    struct fixture *fixture = *state;
    fixture->type = &timestamped_type;
    fixture->fake.script[0] = (struct scripted){.result = -ECONNREFUSED};
    fixture->fake.script_length = 1;
    start_worker(fixture);
    hold_first(fixture);
    publish_many(fixture, 3);
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {1, 0}, {2, 1}, {3, 2}, {4, 3}};
    assert_calls(&fixture->fake, expected, 5);
    assert_stats(fixture, 4, 0, 0);
}

static void worker__what_is_too_old_gives_way_to_what_is_newer(void **state)
{
    struct fixture *fixture = *state;
    fixture->type = &timestamped_type;
    fixture->fake.script[0] = (struct scripted){.result = -ECONNREFUSED};
    fixture->fake.script_length = 1;
    start_worker(fixture);
    hold_first(fixture);
    publish_aged(fixture, 100, 3310 * EYE_NS_PER_SECOND);
    publish_aged(fixture, 100, 3290 * EYE_NS_PER_SECOND);
    publish(fixture, 100);
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {1, 0}, {3, 1}, {4, 3}};
    assert_calls(&fixture->fake, expected, 4);
    assert_stats(fixture, 3, 0, 1);
}

static void worker__stop_sends_the_newest_even_of_a_format_with_time(void **state)
{
    struct fixture *fixture = *state;
    fixture->type = &timestamped_type;
    start_worker(fixture);
    hold_first(fixture);
    publish_many(fixture, 3);
    eye_worker_stop(fixture->worker, in_ms(5000));
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {4, 1}};
    assert_calls(&fixture->fake, expected, 2);
}

static void worker__says_once_that_points_are_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.script[0] = (struct scripted){.refused = "403 Forbidden"};
    fixture->fake.script[1] = (struct scripted){.refused = "403 Forbidden"};
    fixture->fake.script_length = 2;
    start_worker(fixture);
    for (size_t i = 0; i < 4; i++) {
        publish(fixture, 100);
        wait_until_idle(fixture);
    }
    assert_int_equal(log_file_count(&fixture->log, "the receiver refuses points: 403 Forbidden"),
                     1);
    assert_int_equal(log_file_count(&fixture->log, "the receiver takes all points again"), 1);
}

/* What is refused whole is neither delivered nor skipped, and the receiver is not well. */
static void worker__counts_what_is_refused_whole(void **state)
{
    struct fixture *fixture = *state;
    struct scripted *script = fixture->fake.script;
    script[0] = (struct scripted){.refused = "500 Oh", .refused_points = 7};
    script[1] = script[0];
    script[2] = (struct scripted){.refused = "500 Oh", .refused_points = 7, .points = 1};
    fixture->fake.script_length = 3;
    static const struct {
        uint64_t failing;
        uint64_t refused;
        uint64_t delivered;
    } after[] = {{1, 1, 0}, {2, 2, 0}, {0, 2, 1}, {0, 2, 2}};
    start_worker(fixture);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(after); i++) {
        publish(fixture, 100);
        wait_until_idle(fixture);
        struct eye_worker_counts counts = eye_worker_count(fixture->worker);
        assert_int_equal(atomic_load(&stats->failing), after[i].failing);
        assert_int_equal(counts.refused, after[i].refused);
        assert_int_equal(counts.delivered, after[i].delivered);
    }
    const struct call compared[] = {{1, 0}, {2, 1}, {3, 2}, {4, 3}};
    assert_calls(&fixture->fake, compared, 4);
}

/* A refusal that follows an outage is told, too. */
static void worker__tells_of_refusals_behind_an_outage(void **state)
{
    struct fixture *fixture = *state;
    const struct scripted refused = {.refused = "500 Oh", .refused_points = 7};
    fixture->fake.script[0] = refused;
    fixture->fake.script[1] = (struct scripted){.result = -ECONNREFUSED};
    fixture->fake.rest = refused;
    fixture->fake.script_length = 2;
    start_worker(fixture);
    for (size_t i = 0; i < 3; i++) {
        publish(fixture, 100);
        wait_until_idle(fixture);
    }
    assert_int_equal(log_file_count(&fixture->log, "cannot deliver, retrying"), 1);
    assert_int_equal(log_file_count(&fixture->log, "the receiver refuses points: 500 Oh"), 2);
    assert_int_equal(log_file_count(&fixture->log, "delivering again"), 0);
}

static void worker__reminds_once_an_hour_of_points_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.rest = (struct scripted){.refused = "500 Oh", .refused_points = 7};
    start_worker(fixture);
    for (size_t i = 0; i < 9; i++) {
        publish(fixture, 100);
        wait_until_idle(fixture);
        clock_move(1000 * EYE_NS_PER_SECOND);
    }
    assert_int_equal(log_file_count(&fixture->log, "the receiver refuses points: 500 Oh"), 1);
    assert_int_equal(
        log_file_count(&fixture->log,
                       "the receiver still refuses points, 35 since the start: 500 Oh"),
        1);
    assert_int_equal(log_file_count(&fixture->log, "still refuses points"), 2);
}

static void worker__says_goodbye_after_the_last_delivery(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish_many(fixture, 2);
    wait_until_idle(fixture);
    assert_int_equal(fixture->fake.finishes, 0);
    eye_worker_stop(fixture->worker, in_ms(5000));
    assert_true(free_worker(fixture));
    assert_int_equal(fixture->fake.finishes, 1);
    assert_int_equal(fixture->fake.finished_with, 2);
}

/* What a receiver shows of a daemon that is gone is wrong for as long as it does. */
static void worker__says_goodbye_again_until_time_is_up(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        size_t failures;
        const char *refused;
        const char *warning; /* its end; NULL: none */
    } rows[] = {
        {2, NULL, NULL},
        {0, "403 No", ": 403 No"},
        {SIZE_MAX, NULL, ": the wire is cut"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        size_t warned = log_file_count(&fixture->log, "goes on showing what it got last");
        fixture->fake.goodbye_failures = rows[i].failures;
        fixture->fake.goodbye_refused = rows[i].refused;
        fixture->fake.finishes = 0;
        start_worker(fixture);
        publish(fixture, 100);
        wait_until_idle(fixture);
        eye_worker_stop(fixture->worker, in_ms(i == 2 ? 1500 : 5000));
        assert_true(free_worker(fixture));
        size_t expected = rows[i].failures == SIZE_MAX ? 2 : rows[i].failures + 1;
        assert_true(fixture->fake.finishes >= expected);
        assert_true(rows[i].failures == SIZE_MAX || fixture->fake.finishes == expected);
        if (rows[i].warning != NULL) {
            assert_int_equal(log_file_count(&fixture->log, rows[i].warning), 1);
        }
        assert_int_equal(log_file_count(&fixture->log, "goes on showing what it got last"),
                         warned + (rows[i].warning != NULL));
    }
}

static void worker__of_a_job_says_no_goodbye(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.once = true;
    start_worker(fixture);
    publish_many(fixture, 2);
    wait_until_idle(fixture);
    eye_worker_stop(fixture->worker, in_ms(5000));
    assert_true(free_worker(fixture));
    assert_int_equal(fixture->fake.call_count, 2);
    assert_int_equal(fixture->fake.finishes, 0);
}

static void worker__of_a_job_tells_that_points_were_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.once = true;
    fixture->fake.rest = (struct scripted){.points = 9, .refused_points = 1};
    start_worker(fixture);
    publish(fixture, 100);
    wait_until_idle(fixture);
    struct eye_worker *worker = fixture->worker;
    fixture->worker = NULL;
    eye_worker_stop(worker, in_ms(5000));
    assert_int_equal(eye_worker_free(worker), EYE_WORKER_REFUSED);
}

/* A receiver may be away; what cannot be written here is a failure. */
static void worker__tells_unwritten_from_undelivered(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const struct eye_exporter_type *type;
        enum eye_worker_end end;
        const char *said;
    } cases[] = {
        {&fake_type, EYE_WORKER_UNWRITTEN,
         "could not write everything before shutdown_timeout: 1 snapshot left behind, "},
        {&remote_type, EYE_WORKER_BEHIND,
         "could not deliver everything before shutdown_timeout: 1 snapshot left behind, "},
    };
    fixture->fake.rest = (struct scripted){.result = -EAGAIN};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        fixture->type = cases[i].type;
        fixture->fake.call_count = 0;
        start_worker(fixture);
        publish_many(fixture, 1);
        wait_for_calls(&fixture->fake, 1);
        eye_worker_stop(fixture->worker, in_ms(50));
        assert_int_equal(eye_worker_free(EYE_TAKE(fixture->worker)), cases[i].end);
        assert_int_equal(log_file_count(&fixture->log, cases[i].said), 1);
    }
}

static void publish_counters(struct fixture *fixture, uint64_t first, uint64_t second)
{
    const uint64_t values[] = {first, second};
    size_t size = sizeof(struct eye_snapshot) + 2 * sizeof(struct eye_point);
    struct eye_snapshot *snapshot = calloc(1, size);
    assert_non_null(snapshot);
    atomic_init(&snapshot->references, 1);
    snapshot->sequence = ++fixture->published;
    snapshot->start_ns = 1;
    snapshot->time_ns = eye_clock_wall_ns();
    for (snapshot->count = 0; snapshot->count < 2; snapshot->count++) {
        snapshot->points[snapshot->count] =
            (struct eye_point){.metric = eye_metric(EYE_METRIC_TCP_SENT_BYTES),
                               .id = snapshot->count + 1,
                               .counter = values[snapshot->count]};
    }
    eye_worker_publish(fixture->worker, snapshot);
    eye_snapshot_unref(snapshot);
}

static void worker__says_how_much_was_left_behind(void **state)
{
    struct fixture *fixture = *state;
    fixture->type = &remote_type;
    fixture->fake.script_length = 1;
    fixture->fake.rest = (struct scripted){.result = -EAGAIN};
    start_worker(fixture);
    publish_counters(fixture, 5, 5);
    wait_until_idle(fixture);
    publish_counters(fixture, 6, 5);
    wait_for_calls(&fixture->fake, 2);
    publish_counters(fixture, 7, 5);
    eye_worker_stop(fixture->worker, in_ms(0));
    assert_int_equal(eye_worker_free(EYE_TAKE(fixture->worker)), EYE_WORKER_BEHIND);
    assert_int_equal(
        log_file_count(&fixture->log, "2 snapshots left behind, with 1 changed series"), 1);
}

static void worker__each_lane_has_a_name(void **state)
{
    struct fixture *fixture = *state;
    struct eye_error error = {0};
    assert_int_equal(eye_worker_lanes(&fake_type), 1);
    assert_int_equal(eye_worker_lanes(&laned_type), 2);
    assert_int_equal(
        eye_worker_new(&laned_type, &fixture->config, &fixture->own, 1, &fixture->worker, &error),
        0);
    assert_string_equal(eye_worker_name(fixture->worker), "a-rather-long-name.right");
}

/* No pause, no retry, no word: the daemon says it and ends. */
static void worker__receiver_that_has_gone_is_not_tried_twice(void **state)
{
    struct fixture *fixture = *state;
    struct fake *fake = &fixture->fake;
    fake->rest = (struct scripted){.result = -EPIPE, .started = true, .gone = true};
    start_worker(fixture);
    publish_many(fixture, 3);
    wait_for_calls(fake, 3);
    wait_until_idle(fixture);
    static const struct call expected[] = {{1, 0}, {2, 0}, {3, 0}};
    assert_calls(fake, expected, 3);
    assert_stats(fixture, 0, 0, 3);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    assert_int_equal(atomic_load(&stats->failures[EYE_EXPORT_REFUSED]), 3);
    eye_worker_stop(fixture->worker, in_ms(60000));
    assert_true(free_worker(fixture));
    assert_int_equal(log_file_count(&fixture->log, "exporter"), 0);
}

static void worker__logs_failing_and_recovery_once(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 3; i++) {
        fixture->fake.script[i] = (struct scripted){.result = -ECONNREFUSED};
    }
    fixture->fake.script_length = 3;
    start_worker(fixture);
    publish(fixture, 100);
    wait_until_idle(fixture);
    publish(fixture, 100);
    wait_until_idle(fixture);
    assert_int_equal(log_file_count(&fixture->log, "a-rather-long-name: cannot deliver, retrying"),
                     1);
    assert_int_equal(log_file_count(&fixture->log, "the wire is cut"), 1);
    assert_int_equal(log_file_count(&fixture->log, "delivering again after"), 1);
}

static void worker__stop_delivers_only_the_newest(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    hold_first(fixture);
    publish_many(fixture, 3);
    eye_worker_stop(fixture->worker, in_ms(5000));
    release(&fixture->fake);
    wait_until_idle(fixture);
    const struct call expected[] = {{1, 0}, {4, 1}};
    assert_calls(&fixture->fake, expected, 2);
    assert_stats(fixture, 2, 0, 2);
    assert_true(free_worker(fixture));
    assert_true(fixture->fake.closed);
}

static void worker__stop_ends_a_long_retry_wait(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 4; i++) {
        fixture->fake.script[i] = (struct scripted){
            .result = -ECONNREFUSED, .retry_after_ns = i == 3 ? 60 * EYE_NS_PER_SECOND : 0};
    }
    fixture->fake.script_length = 4;
    start_worker(fixture);
    publish(fixture, 100);
    wait_for_calls(&fixture->fake, 4);
    uint64_t begin = eye_clock_monotonic_ns();
    eye_worker_stop(fixture->worker, in_ms(5000));
    assert_true(free_worker(fixture));
    assert_true(eye_clock_monotonic_ns() - begin < 600 * EYE_NS_PER_MS);
    assert_int_equal(fixture->fake.call_count, 5);
}

/* What is left of the time is for attempts: pauses begin with the shortest ones again, three of
 * which are no longer than 1.4 s. Those that had grown would be of 11 s on the average. */
static void worker__stop_makes_pauses_short_again(void **state)
{
    static const struct eye_exporter_type type = {
        .section = {.type = "fake"},
        .timestamped = true,
        .retry_max_ns = 3600 * EYE_NS_PER_SECOND,
        .state_size = sizeof(struct fake *),
        .open = fake_open,
        .deliver = fake_deliver,
        .close = fake_close,
    };
    struct fixture *fixture = *state;
    fixture->type = &type;
    for (size_t i = 0; i < 7; i++) {
        fixture->fake.script[i] = (struct scripted){.result = -ECONNREFUSED};
    }
    fixture->fake.script_length = 7;
    start_worker(fixture);
    publish(fixture, 100);
    wait_for_calls(&fixture->fake, 4);
    eye_worker_stop(fixture->worker, in_ms(2500));
    assert_true(free_worker(fixture));
}

static void worker__stop_retries_until_the_deadline_and_no_longer(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.rest = (struct scripted){.result = -ECONNREFUSED};
    start_worker(fixture);
    publish(fixture, 100);
    wait_for_calls(&fixture->fake, 1);
    uint64_t begin = eye_clock_monotonic_ns();
    eye_worker_stop(fixture->worker, in_ms(400));
    assert_false(free_worker(fixture));
    uint64_t passed = eye_clock_monotonic_ns() - begin;
    assert_in_range(passed, 390 * EYE_NS_PER_MS, 650 * EYE_NS_PER_MS);
    assert_true(fixture->fake.call_count >= 2);
    assert_true(fixture->fake.closed);
}

static void worker__stop_without_work_ends_at_once(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    uint64_t begin = eye_clock_monotonic_ns();
    eye_worker_stop(fixture->worker, in_ms(5000));
    assert_true(free_worker(fixture));
    assert_true(eye_clock_monotonic_ns() - begin < EYE_NS_PER_SECOND);
}

static void worker__free_without_start_releases_what_is_queued(void **state)
{
    struct fixture *fixture = *state;
    make_worker(fixture);
    publish_many(fixture, 6);
    assert_stats(fixture, 0, 4, 2);
    assert_false(free_worker(fixture));
    assert_true(fixture->fake.closed);
    assert_int_equal(fixture->fake.call_count, 0);
}

static void worker__thread_has_a_name_and_no_signals(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish(fixture, 100);
    wait_until_idle(fixture);
    assert_string_equal(fixture->fake.thread_name, "eye:a-rather-lo");
    assert_true(fixture->fake.signals_blocked);
    sigset_t own;
    pthread_sigmask(SIG_BLOCK, NULL, &own);
    assert_int_equal(sigismember(&own, SIGTERM), 0);
}

static void worker_new__failure_names_the_exporter_and_leaves_output(void **state)
{
    struct fixture *fixture = *state;
    fixture->fake.open_result = -EADDRINUSE;
    struct eye_worker *worker = (struct eye_worker *)fixture;
    struct eye_error error = {0};
    assert_int_equal(
        eye_worker_new(&fake_type, &fixture->config, &fixture->own, 0, &worker, &error),
        -EADDRINUSE);
    assert_ptr_equal(worker, fixture);
    assert_string_equal(error.text, "test.yaml:7: exporter a-rather-long-name: no such luck");
}

static void *publish_in_bursts(void *argument)
{
    struct fixture *fixture = argument;
    for (size_t i = 0; i < 400; i++) {
        publish(fixture, 50 + i % 300);
        if (i % 4 == 0) {
            usleep(8000);
        }
    }
    return NULL;
}

static void worker__identity_holds_under_mixed_results(void **state)
{
    struct fixture *fixture = *state;
    struct fake *fake = &fixture->fake;
    fixture->own.common.queue_bytes = 900;
    for (size_t i = 0; i < 40; i++) {
        bool fails = i == 5 || i == 9 || i == 10;
        fake->script[i] = (struct scripted){.result = fails ? -ECONNREFUSED : 0, .started = i == 9};
    }
    fake->script_length = 40;
    start_worker(fixture);
    pthread_t publisher;
    pthread_create(&publisher, NULL, publish_in_bursts, fixture);
    pthread_join(publisher, NULL);
    wait_until_idle(fixture);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t delivered = atomic_load(&stats->delivered);
    assert_int_equal(fake->failure_count, 3);
    assert_int_equal(fake->call_count, delivered + 3);
    assert_stats(fixture, delivered, 0, 400 - delivered);
    assert_int_equal(eye_worker_delivered(fixture->worker), 400);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(worker__delivers_in_order_against_the_last_delivered),
        TEST(worker__full_queue_gives_up_the_oldest),
        TEST(worker__queue_is_bounded_in_bytes),
        TEST(worker__after_failure_takes_the_newest),
        TEST(worker__started_snapshot_is_retried_until_delivered),
        TEST(worker__waits_as_long_as_the_receiver_asks),
        TEST(worker__counts_failures_by_reason_and_in_a_row),
        TEST(worker__tells_how_often_it_has_failed_until_it_succeeds),
        TEST(worker__pauses_do_not_grow_over_failures_that_passed),
        TEST(worker__format_with_time_delivers_what_waited_in_order),
        TEST(worker__what_is_too_old_gives_way_to_what_is_newer),
        TEST(worker__stop_sends_the_newest_even_of_a_format_with_time),
        TEST(worker__says_once_that_points_are_refused),
        TEST(worker__counts_what_is_refused_whole),
        TEST(worker__tells_of_refusals_behind_an_outage),
        TEST(worker__reminds_once_an_hour_of_points_refused),
        TEST(worker__says_goodbye_after_the_last_delivery),
        TEST(worker__says_goodbye_again_until_time_is_up),
        TEST(worker__of_a_job_says_no_goodbye),
        TEST(worker__of_a_job_tells_that_points_were_refused),
        TEST(worker__says_how_much_was_left_behind),
        TEST(worker__each_lane_has_a_name),
        TEST(worker__receiver_that_has_gone_is_not_tried_twice),
        TEST(worker__logs_failing_and_recovery_once),
        TEST(worker__stop_delivers_only_the_newest),
        TEST(worker__stop_ends_a_long_retry_wait),
        TEST(worker__stop_makes_pauses_short_again),
        TEST(worker__stop_retries_until_the_deadline_and_no_longer),
        TEST(worker__stop_without_work_ends_at_once),
        TEST(worker__free_without_start_releases_what_is_queued),
        TEST(worker__thread_has_a_name_and_no_signals),
        TEST(worker__tells_unwritten_from_undelivered),
        TEST(worker_new__failure_names_the_exporter_and_leaves_output),
        TEST(worker__identity_holds_under_mixed_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
