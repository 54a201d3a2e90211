/* SPDX-License-Identifier: Apache-2.0 */
/* From snapshots to lines in a file or a pipe: each point once, each line whole. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <jansson.h>

#include "exporters/stdout.h"
#include "tests/unit/exporters/sample.h"

extern const struct eye_exporter_type eye_exporter_file;

#define SERIES 2000
#define OUTPUT_MAX_BYTES (4 << 20)

/* The layout of the exporter's own keys. */
struct values {
    const char *path;
    uint64_t max_bytes;
    uint64_t keep;
};

struct fixture {
    char path[64];
    struct values values;
    struct sample *sample;
    void *exporter;
    struct eye_export_failure failure;
    int pipe[2];
    int saved_stdout;
    char output[OUTPUT_MAX_BYTES];
    size_t length;
};

/* PATH, or PATH.@number of a rotated one. */
static void name_file(const struct fixture *fixture, int number, char *ret_name, size_t size)
{
    if (number == 0) {
        snprintf(ret_name, size, "%s", fixture->path);
    } else {
        snprintf(ret_name, size, "%s.%d", fixture->path, number);
    }
}

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    *state = fixture;
    snprintf(fixture->path, sizeof(fixture->path), "/tmp/eye-file-%d", (int)getpid());
    fixture->values = (struct values){.path = fixture->path, .keep = 3};
    fixture->sample = sample_new(&fixture->values);
    fixture->saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return pipe2(fixture->pipe, O_CLOEXEC | O_NONBLOCK);
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_exporter_close(&eye_exporter_file, fixture->exporter);
    sample_free(fixture->sample);
    for (int i = 0; i < 5; i++) {
        char name[80];
        name_file(fixture, i, name, sizeof(name));
        unlink(name);
    }
    close(fixture->saved_stdout);
    close(fixture->pipe[0]);
    close(fixture->pipe[1]);
    free(fixture);
    return 0;
}

static void open_exporter(struct fixture *fixture)
{
    assert_int_equal(
        eye_exporter_open(&eye_exporter_file, &fixture->sample->setup, &fixture->exporter, NULL),
        0);
    assert_int_equal(eye_exporter_file.bind(fixture->exporter, NULL), 0);
}

static int deliver(struct fixture *fixture, const struct eye_snapshot *now,
                   const struct eye_snapshot *before)
{
    fixture->failure = (struct eye_export_failure){0};
    return eye_exporter_file.deliver(fixture->exporter, now, before, &fixture->failure);
}

static void add_many(struct sample *sample)
{
    for (int i = 0; i < SERIES; i++) {
        char service[16];
        char port[16];
        snprintf(service, sizeof(service), "s%d", i / 50);
        snprintf(port, sizeof(port), "%d", i % 50);
        sample_add(sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, service}, {EYE_TAG_PORT, port}));
    }
}

/* Appends the content of PATH, or PATH.@number, to the output. */
static void read_file(struct fixture *fixture, int number)
{
    char name[80];
    name_file(fixture, number, name, sizeof(name));
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t count =
            read(fd, fixture->output + fixture->length, OUTPUT_MAX_BYTES - fixture->length - 1);
        fixture->length += count > 0 ? (size_t)count : 0;
        close(fd);
    }
}

/* Lines of the output, each of them an object; fails on a torn one. */
static size_t count_lines(const struct fixture *fixture)
{
    size_t lines = 0;
    const char *line = fixture->output;
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        assert_int_equal(line[length], '\n');
        json_t *parsed = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
        int is_object = json_is_object(parsed);
        json_decref(parsed);
        assert_true(is_object);
        lines++;
        line += length + 1;
    }
    return lines;
}

static void deliver__appends_what_changed(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    open_exporter(fixture);
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_RECEIVED_BYTES, 6, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    const struct eye_snapshot *before = sample_take(sample);
    assert_int_equal(deliver(fixture, before, NULL), 0);
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 7, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    assert_int_equal(deliver(fixture, sample_take(sample), before), 0);
    read_file(fixture, 0);
    assert_string_equal(
        fixture->output,
        "{\"time\":\"2026-08-02T12:00:10.000Z\",\"interval\":10.0,\"metric\":\"sockeye.tcp.sent."
        "bytes\",\"kind\":\"counter\",\"unit\":\"bytes\",\"tags\":{\"port\":\"80\"},\"value\":5,"
        "\"rate\":0.5,\"total\":5}\n"
        "{\"time\":\"2026-08-02T12:00:10.000Z\",\"interval\":10.0,\"metric\":\"sockeye.tcp."
        "received.bytes\",\"kind\":\"counter\",\"unit\":\"bytes\",\"tags\":{\"port\":\"80\"},"
        "\"value\":6,\"rate\":0.6,\"total\":6}\n"
        "{\"time\":\"2026-08-02T12:00:20.000Z\",\"interval\":10.0,\"metric\":\"sockeye.tcp.sent."
        "bytes\",\"kind\":\"counter\",\"unit\":\"bytes\",\"tags\":{\"port\":\"80\"},\"value\":7,"
        "\"rate\":0.7,\"total\":12}\n");
    assert_int_equal(sample->stats.points, 3);
    assert_int_equal(sample->stats.seen, 3);
    assert_int_equal(sample->stats.bytes, fixture->length);
}

static void deliver__counts_series_that_no_line_can_tell_apart(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture);
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "\xFE"}));
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 2, SAMPLE_TAGS({EYE_TAG_SERVICE, "\xFF"}));
    assert_int_equal(deliver(fixture, sample_take(fixture->sample), NULL), 0);
    read_file(fixture, 0);
    assert_int_equal(count_lines(fixture), 1);
    assert_int_equal(fixture->sample->stats.seen, 2);
    assert_int_equal(fixture->sample->stats.points, 1);
    assert_int_equal(fixture->sample->stats.dropped[EYE_EXPORT_COLLISION], 1);
}

static void deliver__rotates(void **state)
{
    struct fixture *fixture = *state;
    fixture->values.max_bytes = 128 << 10;
    open_exporter(fixture);
    add_many(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    assert_int_equal(deliver(fixture, now, NULL), 0);
    for (int number = 3; number >= 0; number--) {
        size_t start = fixture->length;
        read_file(fixture, number);
        assert_true(fixture->length - start <= fixture->values.max_bytes);
    }
    assert_int_equal(count_lines(fixture), now->count);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void deliver__goes_on_when_there_is_room_again(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture);
    add_many(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    set_file_limit(100000);
    int first = deliver(fixture, now, NULL);
    int second = deliver(fixture, now, NULL);
    bool started = fixture->failure.started;
    set_file_limit(RLIM_INFINITY);
    assert_true(first < 0 && second < 0);
    assert_true(started);
    assert_non_null(strstr(fixture->failure.cause.text, fixture->path));
    assert_int_equal(deliver(fixture, now, NULL), 0);
    read_file(fixture, 0);
    assert_int_equal(count_lines(fixture), now->count);
    assert_int_equal(fixture->sample->stats.points, now->count);
    assert_int_equal(fixture->sample->stats.bytes, fixture->length);
}

static void begin_capture(const struct fixture *fixture)
{
    fflush(stdout);
    dup2(fixture->pipe[1], STDOUT_FILENO);
}

static void end_capture(const struct fixture *fixture)
{
    dup2(fixture->saved_stdout, STDOUT_FILENO);
}

/* Asserts only after standard output is back. */
static int deliver_to_pipe(struct fixture *fixture, const struct eye_snapshot *now)
{
    begin_capture(fixture);
    int result = deliver(fixture, now, NULL);
    end_capture(fixture);
    return result;
}

static void open_on_pipe(struct fixture *fixture)
{
    fixture->values.path = "-";
    begin_capture(fixture);
    int result =
        eye_exporter_open(&eye_exporter_file, &fixture->sample->setup, &fixture->exporter, NULL);
    result = result == 0 ? eye_exporter_file.bind(fixture->exporter, NULL) : result;
    end_capture(fixture);
    assert_int_equal(result, 0);
}

static void drain(struct fixture *fixture)
{
    ssize_t count = 1;
    while (count > 0) {
        count = read(fixture->pipe[0], fixture->output + fixture->length,
                     OUTPUT_MAX_BYTES - fixture->length - 1);
        fixture->length += count > 0 ? (size_t)count : 0;
    }
}

/* The pipe holds 64 KiB, the lines are more: the rest comes with the next attempts, once. */
static void deliver__continues_where_a_full_pipe_stopped_it(void **state)
{
    struct fixture *fixture = *state;
    open_on_pipe(fixture);
    add_many(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    int attempts = 0;
    int result = -EIO;
    for (; result != 0 && attempts < 20; attempts++) {
        result = deliver_to_pipe(fixture, now);
        assert_int_equal(fixture->failure.started, result != 0);
        assert_true(result == 0 || fixture->failure.reason == EYE_EXPORT_BUSY);
        drain(fixture);
    }
    assert_int_equal(result, 0);
    assert_in_range(attempts, 2, 19);
    assert_int_equal(count_lines(fixture), now->count);
    assert_int_equal(fixture->sample->stats.points, now->count);
    assert_int_equal(fixture->sample->stats.bytes, fixture->length);
}

static void deliver__says_that_the_reader_has_gone(void **state)
{
    struct fixture *fixture = *state;
    open_on_pipe(fixture);
    eye_stdout_follow();
    add_many(fixture->sample);
    eye_cleanup_close(&fixture->pipe[0]);
    fixture->pipe[0] = -1;
    assert_true(deliver_to_pipe(fixture, sample_take(fixture->sample)) < 0);
    assert_true(fixture->failure.gone);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_RESET);
}

static void bind__reports_a_path_that_cannot_be_written(void **state)
{
    struct fixture *fixture = *state;
    struct eye_error error;
    fixture->values.path = "/nowhere/at/all";
    assert_int_equal(
        eye_exporter_open(&eye_exporter_file, &fixture->sample->setup, &fixture->exporter, &error),
        0);
    assert_int_equal(eye_exporter_file.bind(fixture->exporter, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(deliver__appends_what_changed),
        TEST(deliver__counts_series_that_no_line_can_tell_apart),
        TEST(deliver__rotates),
        TEST(deliver__goes_on_when_there_is_room_again),
        TEST(deliver__continues_where_a_full_pipe_stopped_it),
        TEST(deliver__says_that_the_reader_has_gone),
        TEST(bind__reports_a_path_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
