/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outages longer than what a receiver takes: it throws away, without a word, what is too old or
 * lies ahead, and of two points of a series in one slot it keeps the later one. What it sums up has
 * to be the truth all the same. The wall clock is the test's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/engine/worker.h"
#include "tests/support/folder.h"
#include "tests/support/log_file.h"
#include "tests/unit/exporters/sample.h"

#define MINUTE (60 * EYE_NS_PER_SECOND)
#define HOUR (60 * MINUTE)
#define INTERVAL SAMPLE_INTERVAL_NS
#define SLOTS 64
#define PATIENCE_NS (10 * EYE_NS_PER_SECOND)

static atomic_uint_fast64_t wall_ns;

uint64_t eye_clock_wall_ns(void)
{
    return atomic_load(&wall_ns);
}

uint64_t eye_clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * EYE_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

struct slot {
    uint64_t number; /* of intervals since 1970 */
    uint64_t opened;
};

struct receiver {
    uint64_t takes_ns; /* age */
    atomic_bool away;
    bool breaks; /* the first delivery after it was away, behind its first point */
    atomic_size_t deliveries;
    size_t refused; /* points */
    struct slot slots[SLOTS];
    size_t slot_count;
};

struct fixture {
    char folder[64];
    struct sample *sample;
    uint64_t sequence;
    uint64_t truth;
    struct receiver receiver;
    struct eye_config config;
    struct eye_exporter_config own;
    struct eye_exporter_type type;
    struct eye_worker *worker;
    struct log_file log;
};

/* ---- The receiver ---- */

static int receiver_open(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    (void)ret_error;
    struct receiver **opened = state;
    *opened = setup->own->values;
    return 0;
}

static void keep(struct receiver *receiver, uint64_t time_ns, uint64_t opened)
{
    uint64_t number = time_ns / INTERVAL;
    size_t i = 0;
    while (i < receiver->slot_count && receiver->slots[i].number != number) {
        i++;
    }
    assert_true(i < SLOTS);
    receiver->slot_count += i == receiver->slot_count;
    receiver->slots[i] = (struct slot){number, opened};
}

static int receiver_deliver(void *state, const struct eye_snapshot *now,
                            const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    struct receiver *receiver = *(struct receiver **)state;
    if (atomic_load(&receiver->away)) {
        return eye_export_fail(failure, -ECONNREFUSED, EYE_EXPORT_REFUSED, "away");
    }
    if (receiver->breaks) {
        receiver->breaks = false;
        failure->started = true;
        return eye_export_fail(failure, -EPIPE, EYE_EXPORT_REFUSED, "broke off");
    }
    uint64_t clock_ns = eye_clock_wall_ns();
    if (now->time_ns + receiver->takes_ns < clock_ns || now->time_ns > clock_ns + 10 * MINUTE) {
        receiver->refused++;
    } else {
        keep(receiver, now->time_ns, sample_growth(now, before, EYE_METRIC_TCP_OPENED));
    }
    atomic_fetch_add(&receiver->deliveries, 1);
    return 0;
}

static void receiver_close(void *state)
{
    (void)state;
}

static uint64_t received(const struct receiver *receiver)
{
    uint64_t opened = 0;
    for (size_t i = 0; i < receiver->slot_count; i++) {
        opened += receiver->slots[i].opened;
    }
    return opened;
}

/* ---- The daemon ---- */

static void begin_run(struct fixture *fixture)
{
    struct eye_error error = {0};
    sample_free(fixture->sample);
    fixture->sample = sample_new(NULL);
    fixture->sample->start_ns = eye_clock_wall_ns();
    fixture->sequence = 0;
    int result = eye_worker_new(&fixture->type, &fixture->config, &fixture->own, 0,
                                &fixture->worker, &error);
    result = result == 0 ? eye_worker_bind(fixture->worker, &error) : result;
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
    assert_int_equal(eye_worker_start(fixture->worker), 0);
}

static void end_run(struct fixture *fixture)
{
    struct eye_worker *worker = fixture->worker;
    fixture->worker = NULL;
    if (worker != NULL) {
        eye_worker_stop(worker, eye_clock_monotonic_ns() + 20 * EYE_NS_PER_MS);
        eye_worker_free(worker);
    }
}

static void wait_until(const struct fixture *fixture, uint64_t queued_at_most)
{
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&stats->queued) > queued_at_most && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_true(atomic_load(&stats->queued) <= queued_at_most);
}

/* One interval, @pause_ns after the last. */
static void publish(struct fixture *fixture, uint64_t pause_ns)
{
    struct sample *sample = fixture->sample;
    atomic_fetch_add(&wall_ns, pause_ns);
    sample_add(sample, EYE_METRIC_TCP_OPENED, (double)++fixture->sequence,
               SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    fixture->truth += fixture->sequence;
    eye_registry_close_interval(sample->registry, fixture->sequence, fixture->sequence, 0);
    struct eye_snapshot *snapshot = eye_snapshot_take(
        sample->registry, fixture->sequence, eye_clock_wall_ns(), INTERVAL, sample->start_ns);
    eye_worker_publish(fixture->worker, snapshot);
    eye_snapshot_unref(snapshot);
}

static void wait_for_failure(const struct fixture *fixture)
{
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&stats->failing) == 0 && eye_clock_monotonic_ns() < until_ns) {
        usleep(200);
    }
    assert_true(atomic_load(&stats->failing) > 0);
}

/* Until the newest snapshot lies on disk. */
static void wait_for_file(const struct fixture *fixture)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/receiver/%016llx-%016llx.waiting", fixture->folder,
             (unsigned long long)fixture->sample->start_ns, (unsigned long long)fixture->sequence);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (access(path, F_OK) != 0 && eye_clock_monotonic_ns() < until_ns) {
        usleep(200);
    }
    assert_int_equal(access(path, F_OK), 0);
}

/* Thirteen intervals that nobody takes: one at once, the others spread over @outage_ns. */
static void be_away(struct fixture *fixture, uint64_t outage_ns)
{
    atomic_store(&fixture->receiver.away, true);
    for (size_t i = 0; i <= 12; i++) {
        publish(fixture, i == 0 ? INTERVAL : outage_ns / 12);
        wait_for_failure(fixture);
        if (fixture->own.common.spool_path != NULL) {
            wait_for_file(fixture);
        }
    }
}

static void be_back(struct fixture *fixture)
{
    atomic_store(&fixture->receiver.away, false);
    publish(fixture, INTERVAL);
    wait_until(fixture, 0);
    publish(fixture, INTERVAL);
    wait_until(fixture, 0);
}

/* ---- Tests ---- */

struct trial {
    const struct eye_exporter_type *like; /* its times and age are the type's; NULL: those below */
    uint64_t takes_ns;
    uint64_t outage_ns;
    bool timestamped;
    bool spool;
    bool restart;
    bool breaks;
};

static void prepare(struct fixture *fixture, const struct trial *trial)
{
    static char name[] = "receiver";
    static char origin[] = "test.yaml:1";
    *fixture = (struct fixture){
        .folder = "/tmp/eye-ages-XXXXXX",
        .receiver = {.takes_ns = trial->takes_ns},
        .type = {.section = {.type = "receiver"},
                 .timestamped = trial->timestamped,
                 .max_age_ns = trial->takes_ns,
                 .remote = true,
                 .retry_max_ns = 20 * EYE_NS_PER_MS,
                 .state_size = sizeof(struct receiver *),
                 .open = receiver_open,
                 .deliver = receiver_deliver,
                 .close = receiver_close},
        .sample = sample_new(NULL),
    };
    if (trial->like != NULL) {
        fixture->type.timestamped = trial->like->timestamped;
        fixture->type.max_age_ns = trial->like->max_age_ns;
        fixture->type.remote = trial->like->remote;
    }
    assert_non_null(mkdtemp(fixture->folder));
    fixture->config.references = 1;
    fixture->own = (struct eye_exporter_config){
        .section = &fixture->type.section,
        .name = name,
        .common = {.queue_snapshots = 60,
                   .queue_bytes = 1 << 20,
                   .spool_path = trial->spool ? fixture->folder : NULL,
                   .spool_bytes = 1 << 20,
                   .spool_age_ns = 72 * HOUR},
        .values = &fixture->receiver,
        .origin = origin,
    };
    atomic_store(&wall_ns, SAMPLE_TIME_NS);
    log_file_begin(&fixture->log);
}

static void finish(struct fixture *fixture)
{
    end_run(fixture);
    log_file_end(&fixture->log);
    sample_free(fixture->sample);
    folder_remove(fixture->folder);
}

/* Each leaves its last snapshot to the next one. */
static void be_away_in_two_runs(struct fixture *fixture)
{
    be_away(fixture, 12 * INTERVAL);
    end_run(fixture);
    atomic_fetch_add(&wall_ns, INTERVAL);
    begin_run(fixture);
    be_away(fixture, 12 * INTERVAL);
    end_run(fixture);
}

static void assert_exact(const struct trial *trial)
{
    struct fixture fixture;
    prepare(&fixture, trial);
    begin_run(&fixture);
    publish(&fixture, INTERVAL);
    wait_until(&fixture, 0);
    if (trial->restart) {
        be_away_in_two_runs(&fixture);
        atomic_fetch_add(&wall_ns, trial->outage_ns);
        begin_run(&fixture);
    } else {
        be_away(&fixture, trial->outage_ns);
    }
    fixture.receiver.breaks = trial->breaks;
    be_back(&fixture);
    finish(&fixture);
    if (received(&fixture.receiver) != fixture.truth || fixture.receiver.refused > 0) {
        fail_msg("%s: takes %llu s, away %llu s, %s, %s%s%s: %llu of %llu, %zu refused",
                 trial->like == NULL ? "a receiver" : trial->like->section.type,
                 (unsigned long long)(trial->takes_ns / EYE_NS_PER_SECOND),
                 (unsigned long long)(trial->outage_ns / EYE_NS_PER_SECOND),
                 fixture.type.timestamped ? "with time" : "without time",
                 trial->spool ? "spool" : "memory", trial->restart ? ", three runs" : "",
                 trial->breaks ? ", breaks off" : "",
                 (unsigned long long)received(&fixture.receiver), (unsigned long long)fixture.truth,
                 fixture.receiver.refused);
    }
}

static void outage__loses_nothing_to_a_receiver_that_takes_young_points_only(void **state)
{
    (void)state;
    static const uint64_t ages[] = {HOUR, 24 * HOUR};
    static const uint64_t outages[] = {10 * MINUTE, 2 * HOUR, 26 * HOUR};
    static const struct trial ways[] = {
        {.timestamped = true},
        {.timestamped = true, .spool = true},
        {.timestamped = true, .spool = true, .restart = true},
        {.timestamped = true, .spool = true, .restart = true, .breaks = true},
        {.spool = true},
        {.spool = true, .restart = true},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ages) * EYE_ARRAY_LENGTH(outages); i++) {
        for (size_t way = 0; way < EYE_ARRAY_LENGTH(ways); way++) {
            struct trial trial = ways[way];
            trial.takes_ns = ages[i % EYE_ARRAY_LENGTH(ages)];
            trial.outage_ns = outages[i / EYE_ARRAY_LENGTH(ages)];
            assert_exact(&trial);
        }
    }
}

/*
 * How old a point may be at the receivers of each exporter: Datadog's intake takes an hour and
 * throws older ones away, so do Prometheus' out-of-order window as it is usually set (remote write,
 * OTLP) and Mimir; carbon keeps what its storage schema has, a day by default. Who gets no times,
 * or reads files, takes whatever comes.
 */
static const struct {
    const char *exporter;
    uint64_t takes_ns;
} rules[] = {
    {"console", UINT64_MAX / 2},
    {"datadog", HOUR},
    {"dogstatsd", UINT64_MAX / 2},
    {"file", UINT64_MAX / 2},
    {"graphite", 24 * HOUR},
    {"null", UINT64_MAX / 2},
    {"otlp", HOUR},
    {"openmetrics", UINT64_MAX / 2},
    {"pushgateway", UINT64_MAX / 2},
    {"remote_write", HOUR},
    {"statsd", UINT64_MAX / 2},
};

static uint64_t takes_of(const struct eye_exporter_type *type)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rules); i++) {
        if (strcmp(rules[i].exporter, type->section.type) == 0) {
            return rules[i].takes_ns;
        }
    }
    fail_msg("how old a point may %s send? add a row", type->section.type);
    return 0;
}

static void outage__loses_nothing_of_any_exporter(void **state)
{
    (void)state;
    static const uint64_t outages[] = {10 * MINUTE, 2 * HOUR, 26 * HOUR};
    for (size_t i = 0; eye_exporter_types[i] != NULL; i++) {
        const struct eye_exporter_type *type = eye_exporter_types[i];
        for (size_t outage = 0; outage < EYE_ARRAY_LENGTH(outages); outage++) {
            struct trial trial = {
                .like = type, .takes_ns = takes_of(type), .outage_ns = outages[outage]};
            assert_exact(&trial);
            /* Only of what may be away the configuration takes a spool. */
            trial.spool = type->remote;
            assert_exact(&trial);
        }
    }
}

static void outage__keeps_the_times_that_the_receiver_takes(void **state)
{
    (void)state;
    struct fixture fixture;
    prepare(&fixture, &(struct trial){.takes_ns = HOUR, .timestamped = true, .spool = true});
    begin_run(&fixture);
    be_away(&fixture, 2 * HOUR); /* every ten minutes: six of them are young enough */
    be_back(&fixture);
    finish(&fixture);
    const struct receiver *receiver = &fixture.receiver;
    assert_int_equal(receiver->slot_count, 6 + 2);
    assert_int_equal(received(receiver), fixture.truth);
    for (size_t i = 1; i < receiver->slot_count; i++) {
        assert_true(receiver->slots[i].number > receiver->slots[i - 1].number);
    }
}

static void outage__that_a_clock_made_up_pushes_nothing_ahead(void **state)
{
    (void)state;
    struct fixture fixture;
    prepare(&fixture, &(struct trial){.takes_ns = HOUR, .timestamped = true, .spool = true});
    begin_run(&fixture);
    be_away(&fixture, 10 * MINUTE);
    end_run(&fixture);
    atomic_fetch_add(&wall_ns, 100 * HOUR / 2); /* wrong, and mended below */
    begin_run(&fixture);
    be_back(&fixture);
    atomic_fetch_sub(&wall_ns, 100 * HOUR / 2);
    publish(&fixture, INTERVAL);
    wait_until(&fixture, 0);
    finish(&fixture);
    assert_int_equal(received(&fixture.receiver), fixture.truth);
    assert_int_equal(fixture.receiver.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outage__loses_nothing_to_a_receiver_that_takes_young_points_only),
        cmocka_unit_test(outage__loses_nothing_of_any_exporter),
        cmocka_unit_test(outage__keeps_the_times_that_the_receiver_takes),
        cmocka_unit_test(outage__that_a_clock_made_up_pushes_nothing_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
