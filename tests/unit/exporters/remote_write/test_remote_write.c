/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter against a server: markers, what the receiver wrote, what comes by the hour. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "collector/base/clock.h"
#include "tests/data/remote_write.pb-c.h"
#include "tests/support/moved_clock.h"
#include "tests/unit/exporters/exporter_run.h"
#include "tests/unit/exporters/http/http_server.h"

extern const struct eye_exporter_type eye_exporter_remote_write;

#define SERIES 40
#define MINUTE (60 * EYE_NS_PER_SECOND)
#define HOUR (60 * MINUTE)

#define TAKEN "HTTP/1.1 204 No Content\r\n"
#define WRITTEN(samples, histograms)                                                               \
    "X-Prometheus-Remote-Write-Samples-Written: " samples "\r\n"                                   \
    "X-Prometheus-Remote-Write-Histograms-Written: " histograms "\r\n"                             \
    "X-Prometheus-Remote-Write-Exemplars-Written: 0\r\n"
#define ANSWER(head)                                                                               \
    {                                                                                              \
        .answer = head "Connection: close\r\n\r\n", .ending = HTTP_CLOSE,                          \
    }

struct fixture {
    struct http_server *server;
    struct exporter_run *run;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.run = exporter_run_new(&eye_exporter_remote_write)};
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    exporter_run_free(fixture->run);
    http_server_stop(fixture->server);
    clock_reset();
    return 0;
}

static void open_exporter(struct fixture *fixture, const char *settings,
                          const struct http_script *scripts, size_t count)
{
    char yaml[160];
    snprintf(yaml, sizeof(yaml), "type: remote_write, url: 'http://127.0.0.1:%%/api/v1/write', %s",
             settings);
    fixture->server = http_server_start(scripts, count);
    assert_non_null(fixture->server);
    fixture->run->port = http_server_port(fixture->server);
    assert_int_equal(exporter_run_open(fixture->run, yaml), 0);
}

static void add_counters(struct fixture *fixture)
{
    for (int i = 0; i < SERIES; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%d", 1000 + i);
        sample_add(fixture->run->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
}

static void assert_counts(const struct fixture *fixture, uint64_t points, uint64_t rejected)
{
    const struct eye_export_stats *stats = &fixture->run->sample->stats;
    assert_int_equal(stats->points, points);
    assert_int_equal(stats->dropped[EYE_EXPORT_REJECTED], rejected);
    assert_int_equal(stats->seen, points + rejected);
}

static void remove_first(struct sample *sample, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        eye_series_remove(sample->registry,
                          eye_registry_first(sample->registry, EYE_METRIC_TCP_OPENED));
    }
}

static size_t body_length(const struct fixture *fixture, size_t index)
{
    size_t length = 0;
    http_server_body(fixture->server, index, &length);
    return length;
}

/* The body of the request at @index, unpacked by libsnappy; freed with free(). */
static char *plain_body(const struct fixture *fixture, size_t index, size_t *ret_length)
{
    size_t length = 0;
    const char *packed = http_server_body(fixture->server, index, &length);
    assert_int_equal(snappy_uncompressed_length(packed, length, ret_length), SNAPPY_OK);
    char *plain = calloc(1, *ret_length + 1);
    assert_non_null(plain);
    assert_int_equal(snappy_uncompress(packed, length, plain, ret_length), SNAPPY_OK);
    return plain;
}

/* ---- What is written ---- */

static void series__are_written_also_without_news(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script taken = ANSWER(TAKEN);
    open_exporter(fixture, "version: 1", &taken, 1);
    sample_add(fixture->run->sample, EYE_METRIC_TCP_OPENED, 0, SAMPLE_TAGS());
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_counts(fixture, 1, 0);
    assert_int_equal(http_server_requests(fixture->server), 1);
}

/* ---- Markers ---- */

/* The goodbye follows the same snapshot as the markers of what went with it: other series. */
static void finish__marks_all_series_also_after_some_have_gone(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script taken = ANSWER(TAKEN);
    open_exporter(fixture, "version: 1", &taken, 1);
    add_counters(fixture);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_int_equal(http_server_requests(fixture->server), 1);
    remove_first(fixture->run->sample, 3);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_int_equal(http_server_requests(fixture->server), 3);
    assert_int_equal(exporter_run_finish(fixture->run), 0);
    assert_int_equal(http_server_requests(fixture->server), 4);
    size_t gone = body_length(fixture, 1);
    assert_in_range(gone, 1, body_length(fixture, 2) / 2);
    assert_in_range(body_length(fixture, 3), 2 * gone, SIZE_MAX);
}

/* How far the markers of what had gone came says nothing of those of the end. */
static void finish__marks_all_series_behind_markers_that_broke_off(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {
        ANSWER(TAKEN), ANSWER("HTTP/1.1 413 Too Large\r\n"),
        ANSWER(TAKEN), ANSWER("HTTP/1.1 503 Busy\r\n"),
        ANSWER(TAKEN),
    };
    open_exporter(fixture, "version: 1", scripts, EYE_ARRAY_LENGTH(scripts));
    add_counters(fixture);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    remove_first(fixture->run->sample, SERIES);
    assert_int_equal(exporter_run_deliver(fixture->run), -EIO);
    assert_counts(fixture, SERIES + SERIES / 2, 0);
    assert_int_equal(exporter_run_finish(fixture->run), 0);
    assert_counts(fixture, SERIES + SERIES / 2 + SERIES, 0);
}

static void finish__fails_when_markers_are_not_taken(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {ANSWER(TAKEN), ANSWER("HTTP/1.1 503 Busy\r\n")};
    open_exporter(fixture, "version: 1", scripts, EYE_ARRAY_LENGTH(scripts));
    add_counters(fixture);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_int_equal(exporter_run_finish(fixture->run), -EIO);
    assert_string_not_equal(fixture->run->failure.cause.text, "");
}

static void markers__are_points(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {ANSWER(TAKEN), ANSWER(TAKEN), ANSWER(TAKEN),
                                          ANSWER("HTTP/1.1 400 Bad Request\r\n")};
    const uint64_t left = SERIES - 3;
    open_exporter(fixture, "version: 1", scripts, EYE_ARRAY_LENGTH(scripts));
    add_counters(fixture);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_counts(fixture, SERIES, 0);
    remove_first(fixture->run->sample, 3);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_counts(fixture, SERIES + 3 + left, 0);
    assert_int_equal(exporter_run_finish(fixture->run), 0);
    assert_counts(fixture, SERIES + 3 + left, left);
    assert_int_equal(fixture->run->sample->stats.failures[EYE_EXPORT_REJECTED], 1);
}

/* A series with the labels of one that is gone needs no marker, and there is nothing to count. */
static void markers__are_not_of_what_lives(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script taken = ANSWER(TAKEN);
    open_exporter(fixture, "version: 1", &taken, 1);
    add_counters(fixture);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    remove_first(fixture->run->sample, SERIES);
    add_counters(fixture);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_int_equal(http_server_requests(fixture->server), 2);
    assert_counts(fixture, 2 * (uint64_t)SERIES, 0);
    assert_int_equal(fixture->run->sample->stats.dropped[EYE_EXPORT_COLLISION], 0);
}

/* ---- What a receiver of 2.0 wrote ---- */

static void written__decides_what_was_delivered(void **state)
{
    static const struct {
        struct http_script script;
        uint64_t points;
        uint64_t rejected;
    } cases[] = {
        {ANSWER(TAKEN WRITTEN("40", "0")), 40, 0},
        {ANSWER(TAKEN WRITTEN("30", "0")), 30, 10},
        {ANSWER("HTTP/1.1 400 Bad Request\r\n" WRITTEN("30", "0")), 30, 10},
        {ANSWER("HTTP/1.1 400 Bad Request\r\n" WRITTEN("20", "5")), 25, 15},
        {ANSWER("HTTP/1.1 400 Bad Request\r\n" WRITTEN("0", "0")), 0, 40},
        {ANSWER("HTTP/1.1 400 Bad Request\r\n"), 0, 40},
        {ANSWER("HTTP/1.1 400 Bad Request\r\n" WRITTEN("40", "0")), 40, 0},
        {ANSWER(TAKEN WRITTEN("99999999999", "0")), 40, 0}, /* no more than we sent */
        {ANSWER(TAKEN WRITTEN("many", "0")), 0, 40},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct fixture *fixture = *state;
        open_exporter(fixture, "version: 2", &cases[i].script, 1);
        add_counters(fixture);
        assert_int_equal(exporter_run_deliver(fixture->run), 0);
        assert_counts(fixture, cases[i].points, cases[i].rejected);
        assert_int_equal(http_server_requests(fixture->server), 1);
        assert_int_equal(fixture->run->failure.cause.text[0] != '\0', cases[i].rejected > 0);
        tear_down(state);
        set_up(state);
    }
}

/* A part of 5xx is not final: all of it again. */
static void written__in_part_is_tried_again_when_the_receiver_failed(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script script = ANSWER("HTTP/1.1 503 Busy\r\n" WRITTEN("30", "0"));
    open_exporter(fixture, "version: 2", &script, 1);
    add_counters(fixture);
    assert_true(exporter_run_deliver(fixture->run) < 0);
    assert_counts(fixture, 0, 0);
}

/* A classic histogram has many samples: a point whose samples are written in part is rejected. */
static void written__in_part_counts_points_of_many_samples(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script script = ANSWER("HTTP/1.1 400 Bad\r\n" WRITTEN("25", "0"));
    open_exporter(fixture, "version: 2", &script, 1);
    for (int i = 0; i < 4; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%d", i);
        sample_add(fixture->run->sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_counts(fixture, 1, 3); /* of 4 with 24 samples each */
    assert_non_null(strstr(fixture->run->failure.cause.text, "wrote 25 of 96 samples"));
}

/* ---- Times, by the hour ---- */

static const char *version_of(const struct fixture *fixture, size_t index)
{
    const char *head = http_server_head(fixture->server, index);
    return strstr(head, "X-Prometheus-Remote-Write-Version: 2") != NULL ? "2" : "1";
}

static void fallback__ends_after_an_hour(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {
        ANSWER("HTTP/1.1 415 What\r\n"),
        ANSWER(TAKEN),
        ANSWER(TAKEN),
        ANSWER(TAKEN WRITTEN("40", "0")),
    };
    static const char *const versions[] = {"2", "1", "1", "2", "2"};
    open_exporter(fixture, "version: 2", scripts, EYE_ARRAY_LENGTH(scripts));
    add_counters(fixture);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    clock_move(59 * MINUTE);
    clock_set_wall(5 * (int64_t)HOUR); /* has no say */
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    clock_move(2 * MINUTE);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    clock_move(HOUR);
    assert_int_equal(exporter_run_deliver(fixture->run), 0);
    assert_int_equal(http_server_requests(fixture->server), EYE_ARRAY_LENGTH(versions));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(versions); i++) {
        assert_string_equal(version_of(fixture, i), versions[i]);
    }
    assert_counts(fixture, 4 * (uint64_t)SERIES, 0);
}

static void metadata__comes_again_after_ten_minutes(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script taken = ANSWER(TAKEN);
    static const struct {
        uint64_t move_ns;
        int64_t wall_ns; /* of the snapshot, after the last one's */
        bool described;
    } steps[] = {
        {0, 0, true},
        {9 * MINUTE, 0, false},
        {2 * MINUTE, -(int64_t)HOUR, true}, /* also when the wall clock was set back */
        {0, 5 * (int64_t)HOUR, false},      /* and not because it was set on */
        {11 * MINUTE, 0, true},
    };
    open_exporter(fixture, "version: 1", &taken, 1);
    add_counters(fixture);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps); i++) {
        struct eye_snapshot *now = sample_take(fixture->run->sample);
        size_t length;
        clock_move(steps[i].move_ns);
        now->time_ns += (uint64_t)steps[i].wall_ns;
        assert_int_equal(eye_exporter_remote_write.deliver(fixture->run->exporter, now, NULL,
                                                           &fixture->run->failure),
                         0);
        EYE_AUTOFREE char *plain = plain_body(fixture, i, &length);
        const char *help = eye_metric(EYE_METRIC_TCP_OPENED)->help;
        assert_int_equal(memmem(plain, length, help, strlen(help)) != NULL, steps[i].described);
    }
}

/* Samples of 2.0: never before their start, and later than those before, unless the clock was wrong
 * by more than an hour. */
static void times__go_on_whatever_the_clock_does(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script written = ANSWER(TAKEN WRITTEN("1", "0"));
    static const struct {
        int64_t wall_s;
        int64_t time_ms;
        int64_t start_ms;
    } steps[] = {
        {-3600, -3600000, -3600000}, {-3590, -3590000, -3600000}, {0, 0, -3600000},
        {-3000, 1, -3600000},        {10, 10000, -3600000},       {-7200, -7200000, -7200000},
    };
    const int64_t base_ms = (int64_t)(SAMPLE_TIME_NS / EYE_NS_PER_MS);
    open_exporter(fixture, "version: 2", &written, 1);
    sample_add(fixture->run->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS());
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps); i++) {
        struct eye_snapshot *now = sample_take(fixture->run->sample);
        size_t length;
        now->time_ns = SAMPLE_TIME_NS + (uint64_t)(steps[i].wall_s * (int64_t)EYE_NS_PER_SECOND);
        assert_int_equal(eye_exporter_remote_write.deliver(fixture->run->exporter, now, NULL,
                                                           &fixture->run->failure),
                         0);
        EYE_AUTOFREE char *plain = plain_body(fixture, i, &length);
        RemoteWrite__Request *request =
            remote_write__request__unpack(NULL, length, (const uint8_t *)plain);
        assert_non_null(request);
        const RemoteWrite__Sample *sample = request->timeseries[0]->samples[0];
        assert_int_equal(sample->timestamp - base_ms, steps[i].time_ms);
        assert_int_equal(sample->start_timestamp - base_ms, steps[i].start_ms);
        remote_write__request__free_unpacked(request, NULL);
    }
}

static int64_t time_of_body(struct fixture *fixture, size_t index)
{
    size_t length;
    EYE_AUTOFREE char *plain = plain_body(fixture, index, &length);
    RemoteWrite__Request *request =
        remote_write__request__unpack(NULL, length, (const uint8_t *)plain);
    assert_non_null(request);
    int64_t time_ms = request->timeseries[0]->samples[0]->timestamp;
    remote_write__request__free_unpacked(request, NULL);
    return time_ms;
}

/* What got too old for the receiver while it was tried goes with a later time. */
static void times__of_a_snapshot_that_was_moved_are_the_later_ones(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script written = ANSWER(TAKEN WRITTEN("1", "0"));
    open_exporter(fixture, "version: 2", &written, 1);
    sample_add(fixture->run->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS());
    struct eye_snapshot *now = sample_take(fixture->run->sample);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(eye_exporter_remote_write.deliver(fixture->run->exporter, now, NULL,
                                                           &fixture->run->failure),
                         0);
        assert_int_equal(time_of_body(fixture, i), now->time_ns / EYE_NS_PER_MS);
        now->time_ns += HOUR;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(series__are_written_also_without_news),
        TEST(finish__marks_all_series_also_after_some_have_gone),
        TEST(finish__marks_all_series_behind_markers_that_broke_off),
        TEST(finish__fails_when_markers_are_not_taken),
        TEST(markers__are_points),
        TEST(markers__are_not_of_what_lives),
        TEST(written__decides_what_was_delivered),
        TEST(written__in_part_is_tried_again_when_the_receiver_failed),
        TEST(written__in_part_counts_points_of_many_samples),
        TEST(fallback__ends_after_an_hour),
        TEST(metadata__comes_again_after_ten_minutes),
        TEST(times__of_a_snapshot_that_was_moved_are_the_later_ones),
        TEST(times__go_on_whatever_the_clock_does),
    };
    return cmocka_run_group_tests_name("remote_write", tests, NULL, NULL);
}
