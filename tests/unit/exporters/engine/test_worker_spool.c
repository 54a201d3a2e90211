/* SPDX-License-Identifier: Apache-2.0 */
/* The worker with a spool: what waits outlives it, in order, and counts stay complete. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/engine/worker.h"
#include "tests/support/log_file.h"
#include "tests/unit/exporters/sample.h"

#define MAX_CALLS 64
#define PATIENCE_NS (10 * EYE_NS_PER_SECOND)

/* What a receiver learnt from one delivery. */
struct taken {
    uint64_t start_ns;
    uint64_t sequence;
    uint64_t opened; /* increase of the counter */
};

struct receiver {
    const struct eye_deadline *deadline;
    atomic_bool away;
    atomic_bool silent; /* deliveries hang */
    atomic_size_t count;
    struct taken taken[MAX_CALLS];
};

struct fixture {
    char folder[64];
    struct sample *sample;
    struct receiver receiver;
    struct eye_config config;
    struct eye_exporter_config own;
    const struct eye_exporter_type *type;
    struct eye_worker *worker;
    struct log_file log;
};

static int receiver_open(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    (void)ret_error;
    struct receiver **opened = state;
    struct receiver *receiver = setup->own->values;
    receiver->deadline = setup->deadline;
    *opened = receiver;
    return 0;
}

static int receiver_deliver(void *state, const struct eye_snapshot *now,
                            const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    struct receiver *receiver = *(struct receiver **)state;
    while (atomic_load(&receiver->silent) &&
           eye_deadline_slice_ms(receiver->deadline, UINT64_MAX) > 0) {
        usleep(1000);
    }
    if (atomic_load(&receiver->away)) {
        return eye_export_fail(failure, -ECONNREFUSED, EYE_EXPORT_REFUSED, "away");
    }
    size_t index = atomic_load(&receiver->count);
    receiver->taken[index] = (struct taken){now->start_ns, now->sequence,
                                            sample_growth(now, before, EYE_METRIC_TCP_OPENED)};
    atomic_store(&receiver->count, index + 1);
    return 0;
}

static void receiver_close(void *state)
{
    (void)state;
}

#define RECEIVER_TYPE(has_time)                                                                    \
    {                                                                                              \
        .section = {.type = "receiver"}, .timestamped = has_time, .remote = true,                  \
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
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-spool-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->sample = sample_new(NULL);
    fixture->type = &with_time;
    fixture->config.references = 1;
    fixture->own = (struct eye_exporter_config){
        .section = &with_time.section,
        .name = name,
        .common = {.queue_snapshots = 8,
                   .queue_bytes = 1 << 20,
                   .queue_age_ns = UINT64_MAX,
                   .spool_path = fixture->folder,
                   .spool_bytes = 1 << 20,
                   .spool_age_ns = UINT64_MAX},
        .values = &fixture->receiver,
        .origin = origin,
    };
    log_file_begin(&fixture->log);
    *state = fixture;
    return 0;
}

static size_t each_file(const struct fixture *fixture, void (*visit)(const char *path))
{
    char path[512];
    snprintf(path, sizeof(path), "%s/receiver", fixture->folder);
    size_t count = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (strstr(entry->d_name, ".waiting") == NULL &&
            strstr(entry->d_name, ".delivered") == NULL) {
            continue;
        }
        count++;
        if (visit != NULL) {
            snprintf(path, sizeof(path), "%s/receiver/%s", fixture->folder, entry->d_name);
            visit(path);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void remove_file(const char *path)
{
    unlink(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    log_file_end(&fixture->log);
    eye_worker_free(fixture->worker);
    each_file(fixture, remove_file);
    char command[128];
    snprintf(command, sizeof(command), "%s/receiver/lock", fixture->folder);
    unlink(command);
    snprintf(command, sizeof(command), "%s/receiver", fixture->folder);
    rmdir(command);
    rmdir(fixture->folder);
    sample_free(fixture->sample);
    free(fixture);
    return 0;
}

static void make_worker(struct fixture *fixture)
{
    struct eye_error error = {0};
    int result =
        eye_worker_new(fixture->type, &fixture->config, &fixture->own, 0, &fixture->worker, &error);
    result = result == 0 ? eye_worker_bind(fixture->worker, &error) : result;
    if (result != 0) {
        fail_msg("%s", error.text);
    }
}

static void start_worker(struct fixture *fixture)
{
    make_worker(fixture);
    assert_int_equal(eye_worker_start(fixture->worker), 0);
}

/* @opened more connections, then the end of an interval. */
static void publish(struct fixture *fixture, uint64_t opened)
{
    for (uint64_t i = 0; i < opened; i++) {
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, "checkout"}));
    }
    eye_worker_publish(fixture->worker, sample_take(fixture->sample));
}

static void publish_many(struct fixture *fixture, size_t intervals)
{
    for (size_t i = 0; i < intervals; i++) {
        publish(fixture, 1);
    }
}

/* Waits until @count snapshots lie on disk. */
static void wait_for_files(const struct fixture *fixture, size_t count)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (each_file(fixture, NULL) != count && eye_clock_monotonic_ns() < until_ns) {
        usleep(1000);
    }
    assert_int_equal(each_file(fixture, NULL), count);
}

static bool found_last;

static void find_last(const char *path)
{
    found_last = found_last || strstr(path, "0000000000000004.waiting") != NULL;
}

/* Waits until the fourth snapshot is on disk; older ones may have given way to it. */
static void wait_for_fourth(const struct fixture *fixture)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    found_last = false;
    while (!found_last && eye_clock_monotonic_ns() < until_ns) {
        each_file(fixture, find_last);
        usleep(1000);
    }
    assert_true(found_last);
}

/* Where the worker writes snapshot @sequence before it gets its name. */
static void name_unfinished(const struct fixture *fixture, uint64_t sequence, char ret_path[256])
{
    snprintf(ret_path, 256, "%s/receiver/%016llx-%016llx.new", fixture->folder,
             (unsigned long long)fixture->sample->start_ns, (unsigned long long)sequence);
}

static void wait_for_number(const atomic_uint_fast64_t *number, uint64_t at_least)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(number) < at_least && eye_clock_monotonic_ns() < until_ns) {
        usleep(1000);
    }
    assert_true(atomic_load(number) >= at_least);
}

static uint64_t bytes_on_disk;

static void add_size(const char *path)
{
    struct stat file;
    bytes_on_disk += stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
}

static void wait_until_idle(const struct fixture *fixture)
{
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&stats->queued) > 0 && eye_clock_monotonic_ns() < until_ns) {
        usleep(500);
    }
    assert_int_equal(atomic_load(&stats->queued), 0);
}

static enum eye_worker_end stop_worker(struct fixture *fixture)
{
    struct eye_worker *worker = fixture->worker;
    fixture->worker = NULL;
    eye_worker_stop(worker, eye_clock_monotonic_ns() + 20 * EYE_NS_PER_MS);
    return eye_worker_free(worker);
}

/* A registry that starts again, as after a restart of the daemon. */
static void begin_next_run(struct fixture *fixture)
{
    sample_free(fixture->sample);
    fixture->sample = sample_new(NULL);
    fixture->sample->start_ns += EYE_NS_PER_SECOND;
}

static void assert_taken(const struct fixture *fixture, size_t index, uint64_t sequence,
                         uint64_t opened)
{
    assert_true(atomic_load(&fixture->receiver.count) > index);
    assert_int_equal(fixture->receiver.taken[index].sequence, sequence);
    assert_int_equal(fixture->receiver.taken[index].opened, opened);
}

static void spool__is_empty_while_the_receiver_is_in_reach(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish_many(fixture, 4);
    wait_until_idle(fixture);
    assert_int_equal(each_file(fixture, NULL), 0);
    assert_int_equal(atomic_load(&fixture->receiver.count), 4);
}

static void spool__takes_what_waits_and_gives_it_back_in_order(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish(fixture, 3);
    wait_until_idle(fixture);
    atomic_store(&fixture->receiver.away, true);
    publish_many(fixture, 4);
    wait_for_files(fixture, 5); /* and the one delivered last */
    atomic_store(&fixture->receiver.away, false);
    wait_until_idle(fixture);
    publish(fixture, 2);
    wait_until_idle(fixture);
    static const uint64_t opened[] = {3, 1, 1, 1, 1, 2};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(opened); i++) {
        assert_taken(fixture, i, i + 1, opened[i]);
    }
    wait_for_files(fixture, 0);
}

static void spool__outlives_the_worker_with_what_was_delivered_last(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish(fixture, 5);
    wait_until_idle(fixture);
    atomic_store(&fixture->receiver.away, true);
    publish_many(fixture, 3);
    wait_for_files(fixture, 4);
    assert_int_equal(stop_worker(fixture), EYE_WORKER_SPOOLED);
    begin_next_run(fixture);
    start_worker(fixture);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    assert_int_equal(atomic_load(&stats->replayed), 3);
    publish(fixture, 7);
    atomic_store(&fixture->receiver.away, false);
    wait_until_idle(fixture);
    assert_taken(fixture, 1, 2, 1);
    assert_taken(fixture, 2, 3, 1);
    assert_taken(fixture, 3, 4, 1);
    assert_taken(fixture, 4, 1, 7);
    assert_int_equal(atomic_load(&stats->delivered), 4);
    assert_int_equal(atomic_load(&stats->skipped), 0);
}

static void spool__format_without_time_gets_one_sum_per_run(void **state)
{
    struct fixture *fixture = *state;
    fixture->type = &without_time;
    start_worker(fixture);
    publish(fixture, 5);
    wait_until_idle(fixture);
    atomic_store(&fixture->receiver.away, true);
    publish_many(fixture, 3);
    wait_for_fourth(fixture);
    assert_int_equal(stop_worker(fixture), EYE_WORKER_SPOOLED);
    begin_next_run(fixture);
    atomic_store(&fixture->receiver.away, false);
    start_worker(fixture);
    publish(fixture, 7);
    wait_until_idle(fixture);
    assert_taken(fixture, 1, 4, 3);
    assert_taken(fixture, 2, 1, 7);
    assert_int_equal(atomic_load(&fixture->receiver.count), 3);
}

static void spoil(const char *path)
{
    if (strstr(path, "0000000000000002.waiting") != NULL) {
        FILE *file = fopen(path, "r+e");
        assert_non_null(file);
        fseek(file, -6, SEEK_END);
        fputc('?', file);
        fclose(file);
    }
}

static void spool__spoiled_segment_costs_resolution_and_is_counted(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish(fixture, 5);
    wait_until_idle(fixture);
    atomic_store(&fixture->receiver.away, true);
    publish_many(fixture, 3);
    wait_for_files(fixture, 4);
    stop_worker(fixture);
    each_file(fixture, spoil);
    begin_next_run(fixture);
    atomic_store(&fixture->receiver.away, false);
    start_worker(fixture);
    wait_until_idle(fixture);
    assert_taken(fixture, 1, 3, 2);
    assert_taken(fixture, 2, 4, 1);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    assert_int_equal(atomic_load(&stats->failures[EYE_EXPORT_SPOOL]), 1);
    assert_int_equal(atomic_load(&stats->skipped), 1);
}

static void spool__too_old_run_is_given_up_point_by_point(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&fixture->receiver.away, true);
    start_worker(fixture);
    publish_many(fixture, 2);
    wait_for_files(fixture, 2);
    stop_worker(fixture);
    begin_next_run(fixture);
    fixture->own.common.spool_age_ns = EYE_NS_PER_SECOND; /* the sample's times are in the past */
    atomic_store(&fixture->receiver.away, false);
    start_worker(fixture);
    wait_until_idle(fixture);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    assert_int_equal(atomic_load(&fixture->receiver.count), 0);
    assert_int_equal(atomic_load(&stats->dropped[EYE_EXPORT_EXPIRED]), 1);
    assert_int_equal(atomic_load(&stats->skipped), 2);
}

static void spool__takes_what_comes_while_a_delivery_hangs(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish(fixture, 3);
    wait_until_idle(fixture);
    atomic_store(&fixture->receiver.silent, true);
    publish(fixture, 1);
    publish_many(fixture, 3);
    wait_for_files(fixture, 5); /* and the one delivered last */
    atomic_store(&fixture->receiver.silent, false);
    wait_until_idle(fixture);
    static const uint64_t opened[] = {3, 1, 1, 1, 1};
    assert_int_equal(atomic_load(&fixture->receiver.count), EYE_ARRAY_LENGTH(opened));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(opened); i++) {
        assert_taken(fixture, i, i + 1, opened[i]);
    }
    wait_for_files(fixture, 0);
}

static void spool__small_one_drops_the_oldest_and_no_counts(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    publish(fixture, 5);
    wait_until_idle(fixture);
    atomic_store(&fixture->receiver.away, true);
    publish(fixture, 1);
    wait_for_files(fixture, 2);
    assert_int_equal(stop_worker(fixture), EYE_WORKER_SPOOLED);
    bytes_on_disk = 0;
    each_file(fixture, add_size);
    fixture->own.common.spool_bytes = 2 * bytes_on_disk; /* room for four */
    start_worker(fixture);
    publish_many(fixture, 5);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (atomic_load(&stats->skipped) < 2 && eye_clock_monotonic_ns() < until_ns) {
        usleep(1000);
    }
    assert_true(atomic_load(&stats->spooled_bytes) <= 2 * bytes_on_disk);
    atomic_store(&fixture->receiver.away, false);
    wait_until_idle(fixture);
    uint64_t sum = 0;
    for (size_t i = 0; i < atomic_load(&fixture->receiver.count); i++) {
        sum += fixture->receiver.taken[i].opened;
    }
    assert_int_equal(sum, 11);
    assert_true(atomic_load(&stats->skipped) >= 2);
    assert_int_equal(atomic_load(&stats->delivered) + atomic_load(&stats->skipped),
                     5 + atomic_load(&stats->replayed));
}

/* What is in delivery goes from the disk meanwhile: it is delivered all the same, and no other one
 * is taken for it. */
static void spool__gives_up_the_segment_that_is_in_delivery(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&fixture->receiver.away, true);
    start_worker(fixture);
    publish(fixture, 1);
    wait_for_files(fixture, 1);
    assert_int_equal(stop_worker(fixture), EYE_WORKER_SPOOLED);
    bytes_on_disk = 0;
    each_file(fixture, add_size);
    fixture->own.common.spool_bytes = bytes_on_disk * 5 / 2; /* room for two */
    atomic_store(&fixture->receiver.away, false);
    atomic_store(&fixture->receiver.silent, true);
    start_worker(fixture);
    publish_many(fixture, 3);
    wait_for_fourth(fixture);
    atomic_store(&fixture->receiver.silent, false);
    wait_until_idle(fixture);
    assert_int_equal(atomic_load(&fixture->receiver.count), 3);
    assert_taken(fixture, 0, 1, 1);
    assert_taken(fixture, 1, 3, 2);
    assert_taken(fixture, 2, 4, 1);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    assert_int_equal(atomic_load(&stats->delivered), 3);
    assert_int_equal(atomic_load(&stats->skipped), 1);
}

/* Neither a delivery that hangs nor a pause writes in vain over and over. */
static void spool__that_cannot_be_written_is_told_once_and_tried_with_each_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct receiver *receiver = &fixture->receiver;
    char obstacle[256];
    make_worker(fixture);
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    name_unfinished(fixture, 1, obstacle);
    assert_int_equal(mkdir(obstacle, S_IRWXU), 0);
    atomic_store(&receiver->silent, true);
    publish_many(fixture, 2);
    assert_int_equal(eye_worker_start(fixture->worker), 0);
    wait_for_number(&stats->failures[EYE_EXPORT_SPOOL], 1);
    usleep(50000); /* fifty waits of the delivery */
    assert_int_equal(atomic_load(&stats->failures[EYE_EXPORT_SPOOL]), 1);
    atomic_store(&receiver->away, true);
    atomic_store(&receiver->silent, false);
    wait_for_number(&stats->failures[EYE_EXPORT_REFUSED], 5);
    uint64_t failures = atomic_load(&stats->failures[EYE_EXPORT_SPOOL]);
    assert_in_range(failures, 5, 1 + atomic_load(&stats->failures[EYE_EXPORT_REFUSED]));
    assert_int_equal(log_file_count(&fixture->log, "cannot write its spool: Is a directory"), 1);
    assert_int_equal(rmdir(obstacle), 0);
    wait_for_files(fixture, 2);
    publish_many(fixture, 2);
    wait_for_files(fixture, 4);
    assert_int_equal(log_file_count(&fixture->log, "its spool can be written again"), 1);
    atomic_store(&receiver->away, false);
    wait_until_idle(fixture);
    assert_int_equal(atomic_load(&receiver->count), 4);
}

static int64_t fill(int pipe)
{
    static const char bytes[4096];
    int64_t total = 0;
    for (ssize_t count; (count = write(pipe, bytes, sizeof(bytes))) > 0;) {
        total += count;
    }
    return total;
}

/* One that is not taken back by the disk, while the queue has filled up behind it, is skipped. */
static void spool__that_fails_late_gives_up_what_has_no_place_any_more(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    char bytes[4096];
    fixture->own.common.queue_snapshots = 1;
    atomic_store(&fixture->receiver.away, true);
    start_worker(fixture);
    publish(fixture, 1);
    wait_for_files(fixture, 1);
    /* The file is a full pipe: its writer waits, and cannot flush it to a disk in the end. */
    name_unfinished(fixture, 2, path);
    assert_int_equal(mkfifo(path, S_IRUSR | S_IWUSR), 0);
    EYE_AUTOCLOSE int pipe = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int64_t filling = fill(pipe);
    EYE_AUTOCLOSE int watch = inotify_init1(IN_CLOEXEC);
    assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
    publish(fixture, 1);
    struct pollfd opened = {.fd = watch, .events = POLLIN};
    assert_int_equal(poll(&opened, 1, (int)(PATIENCE_NS / EYE_NS_PER_MS)), 1);
    publish(fixture, 1);
    while (filling > 0) {
        filling -= read(pipe, bytes, sizeof(bytes));
    }
    const struct eye_export_stats *stats = eye_worker_stats(fixture->worker);
    wait_for_number(&stats->skipped, 1);
    atomic_store(&fixture->receiver.away, false);
    wait_until_idle(fixture);
    assert_int_equal(atomic_load(&fixture->receiver.count), 2);
    assert_taken(fixture, 0, 1, 1);
    assert_taken(fixture, 1, 3, 2);
    assert_int_equal(atomic_load(&stats->skipped), 1);
}

/* Published when the time for deliveries is over: the next run has it. */
static void spool__takes_what_nobody_had_time_for(void **state)
{
    struct fixture *fixture = *state;
    make_worker(fixture);
    publish_many(fixture, 3);
    eye_worker_stop(fixture->worker, eye_clock_monotonic_ns());
    assert_int_equal(eye_worker_start(fixture->worker), 0);
    assert_int_equal(eye_worker_free(EYE_TAKE(fixture->worker)), EYE_WORKER_SPOOLED);
    assert_int_equal(each_file(fixture, NULL), 3);
    start_worker(fixture);
    wait_until_idle(fixture);
    assert_int_equal(atomic_load(&fixture->receiver.count), 3);
    assert_taken(fixture, 2, 3, 1);
}

static void spool__type_without_receiver_refuses_it(void **state)
{
    struct fixture *fixture = *state;
    static const struct eye_exporter_type local = {.section = {.type = "local"},
                                                   .state_size = sizeof(struct receiver *),
                                                   .open = receiver_open,
                                                   .close = receiver_close};
    struct eye_worker *worker = NULL;
    struct eye_error error = {0};
    assert_int_equal(eye_worker_new(&local, &fixture->config, &fixture->own, 0, &worker, &error),
                     -EINVAL);
    assert_null(worker);
    assert_non_null(strstr(error.text, "`spool` has no use here"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spool__is_empty_while_the_receiver_is_in_reach),
        TEST(spool__takes_what_waits_and_gives_it_back_in_order),
        TEST(spool__outlives_the_worker_with_what_was_delivered_last),
        TEST(spool__format_without_time_gets_one_sum_per_run),
        TEST(spool__spoiled_segment_costs_resolution_and_is_counted),
        TEST(spool__too_old_run_is_given_up_point_by_point),
        TEST(spool__takes_what_comes_while_a_delivery_hangs),
        TEST(spool__small_one_drops_the_oldest_and_no_counts),
        TEST(spool__gives_up_the_segment_that_is_in_delivery),
        TEST(spool__that_cannot_be_written_is_told_once_and_tried_with_each_attempt),
        TEST(spool__that_fails_late_gives_up_what_has_no_place_any_more),
        TEST(spool__takes_what_nobody_had_time_for),
        TEST(spool__type_without_receiver_refuses_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
