/* SPDX-License-Identifier: Apache-2.0 */
/* Workers as readers of a publisher that is at work: what a late one delivers first, with and
 * without a spool, and what stays of one that left. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/engine/worker.h"
#include "tests/support/log_file.h"
#include "tests/unit/exporters/sample.h"

#define MAX_CALLS 32
#define PATIENCE_NS (10 * EYE_NS_PER_SECOND)

/* What a receiver learnt from one delivery. */
struct taken {
    uint64_t sequence;
    uint64_t opened; /* increase of the counter */
};

struct receiver {
    struct eye_export_stats *stats;
    atomic_bool away;
    atomic_size_t count;
    struct taken taken[MAX_CALLS];
};

struct fixture {
    char folder[64];
    struct sample *sample;
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct receiver receiver;
    struct eye_config config;
    struct eye_exporter_config own;
    struct eye_worker *worker;
    struct log_file log;
};

static int receiver_open(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    (void)ret_error;
    struct receiver *receiver = setup->own->values;
    receiver->stats = setup->stats;
    *(struct receiver **)state = receiver;
    return 0;
}

static int receiver_deliver(void *state, const struct eye_snapshot *now,
                            const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    struct receiver *receiver = *(struct receiver **)state;
    if (atomic_load(&receiver->away)) {
        return eye_export_fail(failure, -ECONNREFUSED, EYE_EXPORT_REFUSED, "away");
    }
    size_t index = atomic_load(&receiver->count);
    receiver->taken[index] =
        (struct taken){now->sequence, sample_growth(now, before, EYE_METRIC_TCP_OPENED)};
    atomic_fetch_add(&receiver->stats->points, 1);
    atomic_store(&receiver->count, index + 1);
    return 0;
}

static void receiver_close(void *state)
{
    (void)state;
}

#define RECEIVER_TYPE(has_time)                                                                    \
    {                                                                                              \
        .section = {.type = "receiver"}, .timestamped = (has_time), .remote = true,                \
        .retry_max_ns = 50 * EYE_NS_PER_MS, .state_size = sizeof(struct receiver *),               \
        .open = receiver_open, .deliver = receiver_deliver, .close = receiver_close,               \
    }

static const struct eye_exporter_type with_time = RECEIVER_TYPE(true);
static const struct eye_exporter_type without_time = RECEIVER_TYPE(false);

static int set_up(void **state)
{
    static char name[] = "receiver";
    static char origin[] = "test.yaml:1";
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-join-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->sample = sample_new(NULL);
    fixture->publisher = eye_publisher_new();
    fixture->reports = eye_reports_new();
    fixture->config.references = 1;
    fixture->own = (struct eye_exporter_config){
        .section = &with_time.section,
        .name = name,
        .common = {.queue_snapshots = 8, .queue_bytes = 1 << 20, .queue_age_ns = UINT64_MAX},
        .values = &fixture->receiver,
        .origin = origin,
    };
    log_file_begin(&fixture->log);
    *state = fixture;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    log_file_end(&fixture->log);
    eye_worker_free(fixture->worker);
    eye_reports_free(fixture->reports);
    eye_publisher_free(fixture->publisher);
    nftw(fixture->folder, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
    sample_free(fixture->sample);
    free(fixture);
    return 0;
}

static void use_spool(struct fixture *fixture)
{
    fixture->own.common.spool_path = fixture->folder;
    fixture->own.common.spool_bytes = 1 << 20;
    fixture->own.common.spool_age_ns = UINT64_MAX;
}

static void join_worker(struct fixture *fixture, const struct eye_exporter_type *type)
{
    struct eye_error error = {0};
    int result = eye_worker_new(type, &fixture->config, &fixture->own, 0, &fixture->worker, &error);
    result = result == 0 ? eye_worker_bind(fixture->worker, &error) : result;
    if (result != 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(eye_worker_join(fixture->worker, fixture->publisher, fixture->reports), 0);
}

static void start_worker(struct fixture *fixture, const struct eye_exporter_type *type)
{
    join_worker(fixture, type);
    assert_int_equal(eye_worker_start(fixture->worker), 0);
}

static enum eye_worker_end end_worker(struct fixture *fixture)
{
    eye_worker_leave(fixture->worker);
    eye_worker_stop(fixture->worker, eye_clock_monotonic_ns() + 300 * EYE_NS_PER_MS);
    return eye_worker_free(EYE_TAKE(fixture->worker));
}

/* @opened more connections, then the end of an interval. */
static void publish(struct fixture *fixture, uint64_t opened)
{
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_TCP_OPENED, (double)opened,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "checkout"}));
    eye_reports_tell(fixture->reports, sample->registry, sample->group);
    eye_publisher_publish(fixture->publisher, sample_take(sample));
}

static void wait_for_deliveries(struct fixture *fixture, size_t count)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&fixture->receiver.count) < count && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_int_equal(atomic_load(&fixture->receiver.count), count);
}

static void wait_for_failure(struct fixture *fixture)
{
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&stats->failing) == 0 && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_true(atomic_load(&stats->failing) > 0);
}

static void wait_for_spool(struct fixture *fixture)
{
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&stats->spooled_bytes) == 0 && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_true(atomic_load(&stats->spooled_bytes) > 0);
}

static void assert_taken(const struct fixture *fixture, size_t index, uint64_t sequence,
                         uint64_t opened)
{
    assert_true(atomic_load(&fixture->receiver.count) > index);
    assert_int_equal(fixture->receiver.taken[index].sequence, sequence);
    assert_int_equal(fixture->receiver.taken[index].opened, opened);
}

/* ---- Joining ---- */

static void worker_of_the_start__delivers_everything(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture, &with_time);
    publish(fixture, 5);
    wait_for_deliveries(fixture, 1);
    assert_taken(fixture, 0, 1, 5);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (eye_worker_delivered(fixture->worker) == 0 && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_int_equal(eye_publisher_delivered(fixture->publisher), 1);
}

static void worker_that_joined_late__delivers_what_came_since(void **state)
{
    struct fixture *fixture = *state;
    publish(fixture, 1000);
    start_worker(fixture, &with_time);
    assert_int_equal(eye_worker_delivered(fixture->worker), 1);
    publish(fixture, 2);
    wait_for_deliveries(fixture, 1);
    publish(fixture, 3);
    wait_for_deliveries(fixture, 2);
    assert_taken(fixture, 0, 2, 2);
    assert_taken(fixture, 1, 3, 3);
}

static void worker_that_left__delivers_what_it_has_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    join_worker(fixture, &with_time);
    publish(fixture, 5);
    eye_worker_leave(fixture->worker);
    publish(fixture, 7);
    assert_int_equal(eye_publisher_delivered(fixture->publisher), 2);
    assert_int_equal(eye_worker_start(fixture->worker), 0);
    wait_for_deliveries(fixture, 1);
    assert_int_equal(eye_worker_free(EYE_TAKE(fixture->worker)), EYE_WORKER_DELIVERED);
    assert_taken(fixture, 0, 1, 5);
    assert_int_equal(atomic_load(&fixture->receiver.count), 1);
}

/* ---- With a spool ---- */

/* The receiver is away from the first attempt on: the spool knows from where the worker counted. */
static void spool_of_a_late_worker__begins_where_it_joined(void **state)
{
    struct fixture *fixture = *state;
    use_spool(fixture);
    publish(fixture, 1000);
    atomic_store(&fixture->receiver.away, true);
    start_worker(fixture, &with_time);
    publish(fixture, 2);
    wait_for_failure(fixture);
    assert_int_equal(end_worker(fixture), EYE_WORKER_SPOOLED);
    atomic_store(&fixture->receiver.away, false);
    start_worker(fixture, &with_time);
    wait_for_deliveries(fixture, 1);
    assert_taken(fixture, 0, 2, 2);
}

/* The end comes before the first attempt. */
static void spool_of_a_late_worker__knows_it_without_an_attempt(void **state)
{
    struct fixture *fixture = *state;
    use_spool(fixture);
    publish(fixture, 1000);
    atomic_store(&fixture->receiver.away, true);
    join_worker(fixture, &with_time);
    publish(fixture, 2);
    eye_worker_stop(fixture->worker, eye_clock_monotonic_ns());
    assert_int_equal(eye_worker_start(fixture->worker), 0);
    wait_for_spool(fixture);
    /* It is past its last attempt: only the wait for its end is longer, for slow disks. */
    eye_worker_stop(fixture->worker, eye_clock_monotonic_ns() + PATIENCE_NS);
    assert_int_equal(eye_worker_free(EYE_TAKE(fixture->worker)), EYE_WORKER_SPOOLED);
    assert_int_equal(atomic_load(&fixture->receiver.count), 0);
    atomic_store(&fixture->receiver.away, false);
    start_worker(fixture, &with_time);
    wait_for_deliveries(fixture, 1);
    assert_taken(fixture, 0, 2, 2);
}

/* One worker after the other on the same spool: what the first one left is older than where the
 * second one joined. */
static void follow_on_one_spool(struct fixture *fixture, const struct eye_exporter_type *type)
{
    use_spool(fixture);
    start_worker(fixture, type);
    publish(fixture, 5);
    wait_for_deliveries(fixture, 1);
    atomic_store(&fixture->receiver.away, true);
    publish(fixture, 1);
    publish(fixture, 2);
    wait_for_failure(fixture);
    assert_int_equal(end_worker(fixture), EYE_WORKER_SPOOLED);
    join_worker(fixture, type);
    publish(fixture, 4);
    atomic_store(&fixture->receiver.away, false);
    assert_int_equal(eye_worker_start(fixture->worker), 0);
}

static void worker_behind_another__goes_on_in_its_spool(void **state)
{
    struct fixture *fixture = *state;
    follow_on_one_spool(fixture, &with_time);
    wait_for_deliveries(fixture, 4);
    assert_taken(fixture, 1, 2, 1);
    assert_taken(fixture, 2, 3, 2);
    assert_taken(fixture, 3, 4, 4);
}

static void worker_behind_another__without_time_carries_its_changes(void **state)
{
    struct fixture *fixture = *state;
    follow_on_one_spool(fixture, &without_time);
    wait_for_deliveries(fixture, 2);
    assert_taken(fixture, 1, 4, 7);
}

/* ---- Reports ---- */

static const struct eye_series *series(const struct fixture *fixture, enum eye_metric_id metric)
{
    return eye_registry_first(fixture->sample->registry, metric);
}

static void report__goes_with_the_worker_and_on_with_the_next(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture, &with_time);
    publish(fixture, 1);
    wait_for_deliveries(fixture, 1);
    assert_int_equal(series(fixture, EYE_METRIC_SELF_POINTS)->counter, 0);
    assert_non_null(series(fixture, EYE_METRIC_SELF_QUEUED));
    assert_int_equal(end_worker(fixture), EYE_WORKER_DELIVERED);
    publish(fixture, 1);
    assert_int_equal(series(fixture, EYE_METRIC_SELF_POINTS)->counter, 1);
    assert_null(series(fixture, EYE_METRIC_SELF_QUEUED));
    assert_null(series(fixture, EYE_METRIC_SELF_FAILING));
    assert_null(series(fixture, EYE_METRIC_SELF_SPOOL));
    start_worker(fixture, &with_time);
    publish(fixture, 1);
    wait_for_deliveries(fixture, 2);
    publish(fixture, 1);
    assert_int_equal(series(fixture, EYE_METRIC_SELF_POINTS)->counter, 2);
    assert_null(series(fixture, EYE_METRIC_SELF_POINTS)->next);
    assert_non_null(series(fixture, EYE_METRIC_SELF_QUEUED));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(worker_of_the_start__delivers_everything),
        TEST(worker_that_joined_late__delivers_what_came_since),
        TEST(worker_that_left__delivers_what_it_has_and_no_more),
        TEST(spool_of_a_late_worker__begins_where_it_joined),
        TEST(spool_of_a_late_worker__knows_it_without_an_attempt),
        TEST(worker_behind_another__goes_on_in_its_spool),
        TEST(worker_behind_another__without_time_carries_its_changes),
        TEST(report__goes_with_the_worker_and_on_with_the_next),
    };
    return cmocka_run_group_tests_name("worker_join", tests, NULL, NULL);
}
