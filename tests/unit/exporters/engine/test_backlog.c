/* SPDX-License-Identifier: Apache-2.0 */
/* What waits on disk: which of it is delivered, against what, and what a bad disk does to it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "exporters/engine/backlog.h"
#include "tests/support/folder.h"
#include "tests/support/log_file.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    char path[64];
    struct sample *sample;
    struct eye_exporter_type type;
    struct eye_exporter_config own;
    struct eye_backlog backlog;
    uint64_t oldest_ns;
    const struct eye_snapshot *next;
    const struct eye_snapshot *before;
    struct log_file log;
};

/* Stand before those of libc; errno of all calls, 0: none. */
static int file_error;
static int folder_error;

int fsync(int fd)
{
    errno = folder_error;
    return folder_error != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    errno = file_error;
    return file_error != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static void open_backlog(struct fixture *fixture)
{
    struct eye_error error = {0};
    eye_backlog_close(&fixture->backlog);
    eye_backlog_init(&fixture->backlog, &fixture->type, &fixture->own, "x",
                     &fixture->sample->stats);
    int result = eye_backlog_open(&fixture->backlog, &fixture->own, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){
        .path = "/tmp/test_backlog.XXXXXX",
        .type = {.section = {.type = "x"}, .remote = true, .timestamped = true},
    };
    *state = &fixture;
    if (mkdtemp(fixture.path) == NULL) {
        return -1;
    }
    fixture.sample = sample_new(NULL);
    fixture.own.common = (struct eye_exporter_common){
        .spool_path = fixture.path, .spool_bytes = 1 << 20, .spool_age_ns = UINT64_MAX};
    log_file_begin(&fixture.log);
    open_backlog(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    file_error = folder_error = 0;
    log_file_end(&fixture->log);
    eye_snapshot_unref(fixture->next);
    eye_snapshot_unref(fixture->before);
    eye_backlog_close(&fixture->backlog);
    sample_free(fixture->sample);
    return folder_remove(fixture->path);
}

/* The end of an interval of the run that began @run seconds after the first. */
static const struct eye_snapshot *take(struct fixture *fixture, uint64_t run)
{
    static uint64_t first_ns;
    struct sample *sample = fixture->sample;
    first_ns = sample->sequence == 0 ? sample->start_ns : first_ns;
    sample->start_ns = first_ns + run * 1000000000;
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    return sample_take(sample);
}

static bool store(struct fixture *fixture, uint64_t run)
{
    return eye_backlog_store(&fixture->backlog, take(fixture, run), NULL);
}

/* Sequence of what is delivered next; 0: nothing. */
static uint64_t next(struct fixture *fixture, uint64_t memory_run_ns)
{
    eye_snapshot_unref(fixture->next);
    fixture->next = eye_backlog_next(&fixture->backlog, memory_run_ns, fixture->oldest_ns);
    return fixture->next == NULL ? 0 : fixture->next->sequence;
}

static uint64_t before_next(struct fixture *fixture)
{
    eye_snapshot_unref(fixture->before);
    fixture->before = eye_backlog_before(&fixture->backlog, fixture->next);
    return fixture->before == NULL ? 0 : fixture->before->sequence;
}

static uint64_t failures(const struct fixture *fixture)
{
    return atomic_load(&fixture->sample->stats.failures[EYE_EXPORT_SPOOL]);
}

static void store__that_fails_is_told_once_and_counted_each_time(void **state)
{
    struct fixture *fixture = *state;
    file_error = EIO;
    assert_false(store(fixture, 0));
    assert_false(store(fixture, 0));
    assert_int_equal(failures(fixture), 2);
    assert_int_equal(log_file_count(&fixture->log, "cannot write its spool: Input/output error"),
                     1);
    assert_false(eye_backlog_has_work(&fixture->backlog));
    file_error = 0;
    assert_true(store(fixture, 0));
    assert_int_equal(log_file_count(&fixture->log, "can be written again"), 1);
    assert_int_equal(failures(fixture), 2);
    file_error = EIO;
    assert_false(store(fixture, 0));
    assert_int_equal(log_file_count(&fixture->log, "cannot write its spool"), 2);
}

/* What is delivered and could not be noted comes again: twice rather than never. */
static void delivered__that_cannot_be_noted_is_told_and_waits_on(void **state)
{
    struct fixture *fixture = *state;
    assert_true(store(fixture, 0));
    assert_int_equal(next(fixture, 0), 1);
    folder_error = EIO;
    eye_backlog_delivered(&fixture->backlog);
    assert_int_equal(failures(fixture), 1);
    assert_int_equal(log_file_count(&fixture->log, "cannot write its spool: Input/output error"),
                     1);
    folder_error = 0;
    assert_int_equal(next(fixture, 0), 1);
    eye_backlog_delivered(&fixture->backlog);
    assert_int_equal(next(fixture, 0), 0);
}

static void before__is_what_was_delivered_last_in_the_run(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_snapshot *delivered = take(fixture, 0);
    assert_true(eye_backlog_store(&fixture->backlog, take(fixture, 0), delivered));
    open_backlog(fixture);
    assert_int_equal(next(fixture, 0), 2);
    assert_int_equal(before_next(fixture), 1);
    eye_backlog_delivered(&fixture->backlog);
    assert_true(store(fixture, 1));
    assert_int_equal(next(fixture, 0), 3);
    assert_int_equal(before_next(fixture), 0);
}

static void spoil_delivered(const struct fixture *fixture)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/x", fixture->path);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strstr(entry->d_name, ".delivered") != NULL) {
            int fd = openat(dirfd(folder), entry->d_name, O_WRONLY | O_TRUNC | O_CLOEXEC);
            assert_int_equal(write(fd, "spoiled", 7), 7);
            close(fd);
        }
    }
    closedir(folder);
}

/* From nothing on, all that was delivered in the run would be sent again. */
static void before__that_cannot_be_read_costs_one_interval(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_snapshot *delivered = take(fixture, 0);
    assert_true(eye_backlog_store(&fixture->backlog, take(fixture, 0), delivered));
    spoil_delivered(fixture);
    assert_int_equal(next(fixture, 0), 2);
    assert_int_equal(before_next(fixture), 2);
    assert_int_equal(failures(fixture), 1);
    assert_int_equal(log_file_count(&fixture->log, "cannot read what its spool says"), 1);
}

static void next__without_time_is_the_last_of_each_run(void **state)
{
    struct fixture *fixture = *state;
    fixture->type.timestamped = false;
    open_backlog(fixture);
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(store(fixture, i / 2));
    }
    assert_int_equal(next(fixture, 0), 2);
    eye_backlog_delivered(&fixture->backlog);
    assert_int_equal(next(fixture, 0), 4);
    assert_int_equal(fixture->backlog.skipped, 2);
    assert_int_equal(next(fixture, fixture->next->start_ns), 0);
    assert_int_equal(fixture->backlog.skipped, 3);
}

static void next__that_is_too_old_is_given_up_with_its_points(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_export_stats *stats = &fixture->sample->stats;
    fixture->own.common.spool_age_ns = 1000000000; /* the sample's intervals are of another year */
    open_backlog(fixture);
    /* Nothing is lost with a gauge: the next one says it anew. */
    sample_add(fixture->sample, EYE_METRIC_TCP_ACTIVE, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    assert_true(store(fixture, 0));
    assert_true(store(fixture, 0));
    assert_int_equal(next(fixture, 0), 0);
    assert_int_equal(fixture->backlog.skipped, 2);
    assert_int_equal(atomic_load(&stats->dropped[EYE_EXPORT_EXPIRED]), 1);
    assert_int_equal(atomic_load(&stats->seen), 1);
    assert_int_equal(log_file_count(&fixture->log, "gave up 1 point of"), 1);
}

static void next__with_time_is_each_in_order(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(store(fixture, i / 2));
    }
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(next(fixture, 0), i);
        eye_backlog_delivered(&fixture->backlog);
    }
    assert_int_equal(next(fixture, 0), 0);
    assert_int_equal(fixture->backlog.skipped, 0);
    assert_int_equal(atomic_load(&fixture->sample->stats.spooled_bytes), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store__that_fails_is_told_once_and_counted_each_time),
        TEST(delivered__that_cannot_be_noted_is_told_and_waits_on),
        TEST(before__is_what_was_delivered_last_in_the_run),
        TEST(before__that_cannot_be_read_costs_one_interval),
        TEST(next__without_time_is_the_last_of_each_run),
        TEST(next__that_is_too_old_is_given_up_with_its_points),
        TEST(next__with_time_is_each_in_order),
    };
    return cmocka_run_group_tests_name("backlog", tests, NULL, NULL);
}
