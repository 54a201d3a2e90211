/* SPDX-License-Identifier: Apache-2.0 */
/* The way to standard output: a pipe that is read, full, or broken. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/stdout.h"
#include "tests/unit/exporters/sample.h"

extern const struct eye_exporter_type eye_exporter_console;

/* Order of the choices of `format`. */
enum { TABLE, JSON };

#define SERIES 2000
#define OUTPUT_MAX_BYTES (1 << 20)

struct fixture {
    struct sample *sample;
    int format; /* the exporter's values */
    void *exporter;
    int saved_stdout;
    int pipe[2];
    struct eye_export_failure failure; /* of the last delivery */
    char output[OUTPUT_MAX_BYTES];
    size_t length;
};

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    *state = fixture;
    fixture->sample = sample_new(&fixture->format);
    fixture->saved_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return pipe2(fixture->pipe, O_CLOEXEC | O_NONBLOCK) == 0 && fixture->saved_stdout >= 0 ? 0 : -1;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_exporter_close(&eye_exporter_console, fixture->exporter);
    sample_free(fixture->sample);
    close(fixture->saved_stdout);
    eye_cleanup_close(&fixture->pipe[0]);
    eye_cleanup_close(&fixture->pipe[1]);
    free(fixture);
    return 0;
}

/* What is written meanwhile goes into the pipe. */
static void begin_capture(const struct fixture *fixture)
{
    fflush(stdout);
    dup2(fixture->pipe[1], STDOUT_FILENO);
}

static void end_capture(const struct fixture *fixture)
{
    dup2(fixture->saved_stdout, STDOUT_FILENO);
}

static void open_exporter(struct fixture *fixture, int format)
{
    fixture->format = format;
    begin_capture(fixture);
    int result =
        eye_exporter_open(&eye_exporter_console, &fixture->sample->setup, &fixture->exporter, NULL);
    result = result == 0 ? eye_exporter_console.bind(fixture->exporter, NULL) : result;
    end_capture(fixture);
    assert_int_equal(result, 0);
}

/* Asserts only after standard output is back. */
static int deliver(struct fixture *fixture, const struct eye_snapshot *now,
                   const struct eye_snapshot *before, bool *ret_started)
{
    begin_capture(fixture);
    fixture->failure = (struct eye_export_failure){0};
    int result = eye_exporter_console.deliver(fixture->exporter, now, before, &fixture->failure);
    *ret_started = fixture->failure.started;
    end_capture(fixture);
    return result;
}

static void drain(struct fixture *fixture)
{
    ssize_t count = 1;
    while (count > 0) {
        count = read(fixture->pipe[0], fixture->output + fixture->length,
                     sizeof(fixture->output) - fixture->length - 1);
        fixture->length += count > 0 ? (size_t)count : 0;
    }
}

static void deliver__writes_the_table(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture, TABLE);
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    bool started = false;
    assert_int_equal(deliver(fixture, sample_take(fixture->sample), NULL, &started), 0);
    assert_false(started);
    drain(fixture);
    assert_non_null(strstr(fixture->output, "TCP\nport  active  opened/s"));
    assert_null(strchr(fixture->output, '\033')); /* no terminal */
    assert_int_equal(fixture->sample->stats.points, 1);
    assert_int_equal(fixture->sample->stats.bytes, fixture->length);
}

static void deliver__covers_skipped_intervals(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture, TABLE);
    const struct eye_snapshot *before = sample_take(fixture->sample);
    sample_take(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    bool started = false;
    assert_int_equal(deliver(fixture, now, before, &started), 0);
    drain(fixture);
    assert_non_null(strstr(fixture->output, "last 20 s\n"));
}

static void add_many(struct sample *sample)
{
    for (int i = 0; i < SERIES; i++) {
        char service[16];
        char port[16];
        snprintf(service, sizeof(service), "s%d", i / 50);
        snprintf(port, sizeof(port), "%d", i % 50);
        sample_add(sample, EYE_METRIC_SELF_POINTS, 1, SAMPLE_TAGS({EYE_TAG_EXPORTER, "x"}));
        sample_add(sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, service}, {EYE_TAG_PORT, port}));
    }
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

/* The pipe holds 64 KiB, the lines are more: the rest comes with the next attempts, once. */
static void deliver__continues_where_a_full_pipe_stopped_it(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture, JSON);
    add_many(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    bool started = false;
    int attempts = 0;
    int result = -EAGAIN;
    while (result == -EAGAIN && attempts < 20) {
        started = false;
        result = deliver(fixture, now, NULL, &started);
        assert_int_equal(started, result != 0);
        assert_true(result == 0 || fixture->failure.reason == EYE_EXPORT_BUSY);
        drain(fixture);
        attempts++;
    }
    assert_int_equal(result, 0);
    assert_in_range(attempts, 2, 19);
    assert_int_equal(count_lines(fixture->output), now->count);
    assert_non_null(strstr(fixture->output, "\"service\":\"s0\",\"port\":\"0\""));
    assert_int_equal(fixture->sample->stats.points, now->count);
    assert_int_equal(fixture->sample->stats.bytes, fixture->length);
    assert_int_equal(fixture->sample->stats.seen, now->count);
}

static void deliver__fails_without_a_reader(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture, TABLE);
    close(fixture->pipe[0]);
    fixture->pipe[0] = -1;
    bool started = false;
    assert_int_equal(deliver(fixture, sample_take(fixture->sample), NULL, &started), -EPIPE);
    assert_false(started);
    assert_int_equal(fixture->failure.reason, EYE_EXPORT_RESET);
    assert_int_equal(fixture->sample->stats.points, 0);
    /* The daemon lives for that reader when it was started like this, else it goes on. */
    assert_false(fixture->failure.gone);
    eye_stdout_follow();
    deliver(fixture, sample_take(fixture->sample), NULL, &started);
    assert_true(fixture->failure.gone);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(deliver__writes_the_table),
        TEST(deliver__covers_skipped_intervals),
        TEST(deliver__continues_where_a_full_pipe_stopped_it),
        TEST(deliver__fails_without_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
