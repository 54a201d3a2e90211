/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON: exact text, and always valid. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>

#include "collector/base/clock.h"
#include "exporters/encode/json_line.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_json_lines lines;
    struct eye_text out;
    json_t *parsed;
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    static char env[] = "env:prod";
    static char port[] = "port:fixed";
    static char *tags[] = {env, port};
    fixture = (struct fixture){.sample = sample_new(NULL)};
    fixture.sample->config.tags = (struct eye_text_list){tags, EYE_ARRAY_LENGTH(tags)};
    eye_text_init(&fixture.out, 1 << 20);
    *state = &fixture;
    int result = eye_selection_init(&fixture.selection, &fixture.sample->setup);
    eye_json_lines_init(&fixture.lines, &fixture.selection, false);
    return result;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    json_decref(fixture->parsed);
    eye_text_done(&fixture->out);
    eye_json_lines_done(&fixture->lines);
    eye_selection_done(&fixture->selection);
    sample_free(fixture->sample);
    return 0;
}

/* All wanted lines of the next interval. */
static const char *render(struct fixture *fixture, const struct eye_snapshot *before)
{
    const struct eye_snapshot *now = sample_take(fixture->sample);
    struct eye_changes changes;
    struct eye_change change;
    eye_text_clear(&fixture->out);
    assert_int_equal(eye_json_lines_begin(&fixture->lines, now, before), 0);
    eye_changes_begin(&changes, now, before);
    for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
        if (eye_json_lines_wants(&fixture->lines, &change)) {
            assert_int_equal(eye_json_lines_append(&fixture->lines, index, &change, &fixture->out),
                             0);
        }
    }
    return eye_text_string(&fixture->out);
}

static void append__writes_one_line_for_each_kind(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    const struct eye_snapshot *before = sample_take(sample);
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 1205, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 3, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_SELF_CPU, 15e6, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_HTTP_SERVER_DURATION, 1, SAMPLE_TAGS({EYE_TAG_METHOD, "GET"}));
    assert_string_equal(
        render(fixture, before),
        "{\"time\":\"2026-08-02T12:00:20.000Z\",\"interval\":10.0,\"metric\":\"socke"
        "ye.tcp.connections.active\",\"kind\":\"gauge\",\"unit\":\"\",\"tags\":{\"env\":"
        "\"prod\",\"port\":\"80\"},\"value\":3.0}\n"
        "{\"time\":\"2026-08-02T12:00:20.000Z\",\"interval\":10.0,\"metric\":\"socke"
        "ye.tcp.sent.bytes\",\"kind\":\"counter\",\"unit\":\"bytes\",\"tags\":{\"env\":\""
        "prod\",\"port\":\"80\"},\"value\":1205,\"rate\":120.5}\n"
        "{\"time\":\"2026-08-02T12:00:20.000Z\",\"interval\":10.0,\"metric\":\"socke"
        "ye.http.server.request.duration\",\"kind\":\"distribution\",\"unit\":\"sec"
        "onds\",\"tags\":{\"env\":\"prod\",\"port\":\"fixed\",\"method\":\"GET\"},\"count\":"
        "1,\"sum\":1.0,\"p50\":1.0,\"p95\":1.0,\"p99\":1.0}\n"
        "{\"time\":\"2026-08-02T12:00:20.000Z\",\"interval\":10.0,\"metric\":\"socke"
        "ye.cpu.time\",\"kind\":\"counter\",\"unit\":\"seconds\",\"tags\":{\"env\":\"prod"
        "\",\"port\":\"fixed\"},\"value\":0.015,\"rate\":0.0015}\n");
}

static void wants__nothing_at_rest(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    const struct eye_snapshot *before = sample_take(sample);
    assert_string_equal(render(fixture, before), "");
}

static void append__stays_valid_with_hostile_tags(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value;
        const char *expected;
    } cases[] = {
        {"\"},{\"x\":1\\", "\"},{\"x\":1\\"},
        {"line\nbreak\r\t\x01\x7f", "line\nbreak\r\t\x01\x7f"},
        {"\xFF\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"", ""},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, cases[i].value}));
    }
    const char *line = render(fixture, NULL);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        size_t length = strcspn(line, "\n");
        fixture->parsed = json_loadb(line, length, 0, NULL);
        assert_non_null(fixture->parsed);
        const json_t *tags = json_object_get(fixture->parsed, "tags");
        assert_string_equal(json_string_value(json_object_get(tags, "service")), cases[i].expected);
        json_decref(fixture->parsed);
        fixture->parsed = NULL;
        line += length + 1;
    }
    assert_string_equal(line, "");
}

static void append__writes_null_for_what_is_no_number(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_TCP_ACTIVE, INFINITY, SAMPLE_TAGS());
    assert_non_null(strstr(render(fixture, NULL), "\"value\":null}\n"));
}

static void append__adds_totals_and_the_largest_value(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    fixture->lines.details = true;
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 5, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_SELF_CPU, 5e6, SAMPLE_TAGS());
    const struct eye_snapshot *before = sample_take(sample);
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 7, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_SELF_CPU, 15e6, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS());
    const char *lines = render(fixture, before);
    assert_non_null(strstr(lines, ",\"value\":7,\"rate\":0.7,\"total\":12}\n"));
    assert_non_null(strstr(lines, ",\"value\":0.015,\"rate\":0.0015,\"total\":0.02}\n"));
    assert_non_null(strstr(lines, ",\"p99\":1.0,\"max\":1.0}\n"));
}

/* The bin of both stands for 1. */
static void append__the_largest_is_no_less_than_the_mean(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    fixture->lines.details = true;
    sample_add(sample, EYE_METRIC_TCP_RTT, 1.007, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_TCP_RTT, 1.003, SAMPLE_TAGS());
    const char *lines = render(fixture, NULL);
    assert_non_null(strstr(lines, ",\"count\":2,\"sum\":2.01,"));
    assert_non_null(strstr(lines, ",\"p99\":1.0,\"max\":1.005}\n"));
}

/* What the sum of two values carries beyond 15 digits is no one's measurement. */
static void append__rounds_to_what_was_measured(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_TCP_RTT, 0.1, SAMPLE_TAGS());
    sample_add(fixture->sample, EYE_METRIC_TCP_RTT, 0.2, SAMPLE_TAGS());
    assert_non_null(strstr(render(fixture, NULL), ",\"sum\":0.3,"));
}

static void seconds_between__covers_skipped_intervals(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_snapshot *before = sample_take(fixture->sample);
    sample_take(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    assert_true(eye_seconds_between(now, before) == 20);
    assert_true(eye_seconds_between(now, NULL) == 30); /* all of them, the first delivery */
}

/* Whatever is done to the wall clock. */
static void seconds_between__are_of_a_clock_that_nobody_sets(void **state)
{
    struct fixture *fixture = *state;
    struct eye_snapshot *before = sample_take(fixture->sample);
    struct eye_snapshot *now = sample_take(fixture->sample);
    static const int64_t steps_s[] = {-3600, -9, 0, 3600};
    uint64_t time_ns = now->time_ns;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps_s); i++) {
        now->time_ns = time_ns + (uint64_t)(steps_s[i] * (int64_t)EYE_NS_PER_SECOND);
        assert_true(eye_seconds_between(now, before) == 10);
        assert_true(eye_seconds_between(now, NULL) == 20);
    }
    assert_true(eye_seconds_between(before, now) == 10);
}

static void append__reports_a_full_buffer(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_TCP_ACTIVE, 1, SAMPLE_TAGS());
    const struct eye_snapshot *now = sample_take(fixture->sample);
    struct eye_changes changes;
    struct eye_change change;
    struct eye_text small;
    eye_text_init(&small, 10);
    assert_int_equal(eye_json_lines_begin(&fixture->lines, now, NULL), 0);
    eye_changes_begin(&changes, now, NULL);
    assert_true(eye_changes_next(&changes, &change));
    int result = eye_json_lines_append(&fixture->lines, 0, &change, &small);
    eye_text_done(&small);
    assert_int_equal(result, -ENOBUFS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(append__writes_one_line_for_each_kind),
        TEST(wants__nothing_at_rest),
        TEST(append__stays_valid_with_hostile_tags),
        TEST(append__writes_null_for_what_is_no_number),
        TEST(append__adds_totals_and_the_largest_value),
        TEST(append__the_largest_is_no_less_than_the_mean),
        TEST(append__rounds_to_what_was_measured),
        TEST(seconds_between__covers_skipped_intervals),
        TEST(seconds_between__are_of_a_clock_that_nobody_sets),
        TEST(append__reports_a_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
