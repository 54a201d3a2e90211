/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies for Datadog's intake: golden JSON, labels, limits, times. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/datadog/body.h"
#include "tests/unit/exporters/sample.h"

struct world {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_datadog_body body;
    struct eye_identities identities;
};

static char fixed_host[] = "host:h1";
static char fixed_env[] = "env:prod";
static char *fixed_tags[] = {fixed_host, fixed_env};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->sample = sample_new(NULL);
    world->sample->config.tags = (struct eye_text_list){fixed_tags, 2};
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_identities_done(&world->identities);
    eye_datadog_body_done(&world->body);
    eye_selection_done(&world->selection);
    sample_free(world->sample);
    free(world);
    return 0;
}

static void open_body(struct world *world, const struct eye_datadog_encoding *encoding)
{
    assert_int_equal(eye_selection_init(&world->selection, &world->sample->setup), 0);
    assert_int_equal(
        eye_datadog_body_init(&world->body, encoding, &world->selection, encoding->plain_max), 0);
    eye_identities_init(&world->identities, encoding->write_identity, &world->body,
                        world->selection.wanted, EYE_DATADOG_IDENTITY_MAX_BYTES);
}

static void begin(struct world *world, const struct eye_snapshot *now,
                  const struct eye_snapshot *before)
{
    assert_int_equal(eye_identities_follow(&world->identities, now), 0);
    eye_datadog_body_set_time(&world->body, now, before);
    eye_datadog_body_begin(&world->body);
}

/* Adds all points of @now until one is refused; what add() said of that one, or 0. */
static int add_all(struct world *world, const struct eye_snapshot *now,
                   const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    int result = 0;
    begin(world, now, before);
    eye_changes_begin(&changes, now, before);
    for (size_t i = 0; result == 0 && eye_changes_next(&changes, &change); i++) {
        result =
            eye_datadog_body_add(&world->body, eye_identities_at(&world->identities, i), &change);
    }
    eye_datadog_body_end(&world->body);
    return result;
}

static void json__is_what_the_intake_reads(void **state)
{
    struct world *world = *state;
    open_body(world, &eye_datadog_series_json);
    sample_add(world->sample, EYE_METRIC_TCP_SENT_BYTES, 1500,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "a\"b\\"}, {EYE_TAG_PORT, "80"}));
    sample_add(world->sample, EYE_METRIC_TCP_ACTIVE, 2, SAMPLE_TAGS());
    assert_int_equal(add_all(world, sample_take(world->sample), NULL), 0);
    assert_string_equal(
        world->body.bytes.data,
        "{\"series\":["
        "{\"metric\":\"sockeye.tcp.connections.active\",\"type\":3,"
        "\"resources\":[{\"type\":\"host\",\"name\":\"h1\"}],\"tags\":[\"env:prod\"],"
        "\"interval\":10,\"points\":[{\"timestamp\":1785672010,\"value\":2}]},"
        "{\"metric\":\"sockeye.tcp.sent.bytes\",\"type\":1,\"unit\":\"byte\","
        "\"resources\":[{\"type\":\"host\",\"name\":\"h1\"}],"
        "\"tags\":[\"env:prod\",\"service:a\\\"b\\\\\",\"port:80\"],"
        "\"interval\":10,\"points\":[{\"timestamp\":1785672010,\"value\":1500}]}"
        "]}");
}

static void json__counts_since_the_snapshot_before(void **state)
{
    struct world *world = *state;
    open_body(world, &eye_datadog_series_json);
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 5, SAMPLE_TAGS());
    const struct eye_snapshot *before = sample_take(world->sample);
    sample_take(world->sample); /* skipped */
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 2, SAMPLE_TAGS());
    assert_int_equal(add_all(world, sample_take(world->sample), before), 0);
    assert_non_null(strstr(world->body.bytes.data,
                           "\"interval\":20,\"points\":[{\"timestamp\":1785672030,\"value\":2}]"));
}

static void time__never_gives_two_points_of_a_series_one_second(void **state)
{
    static const struct {
        uint64_t before_ms; /* after SAMPLE_TIME_NS */
        uint64_t now_ms;
        uint64_t time_s;
        uint64_t interval_s;
    } cases[] = {
        {0, 10000, 10, 10}, {0, 9600, 9, 10}, {0, 400, 1, 1}, {900, 1000, 1, 1}, {0, 0, 1, 1},
    };
    struct world *world = *state;
    open_body(world, &eye_datadog_series_json);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct eye_snapshot before = {
            .start_ns = 1,
            .time_ns = SAMPLE_TIME_NS + cases[i].before_ms * 1000000,
            .elapsed_ns = cases[i].before_ms * 1000000,
        };
        const struct eye_snapshot now = {
            .start_ns = 1,
            .time_ns = SAMPLE_TIME_NS + cases[i].now_ms * 1000000,
            .elapsed_ns = cases[i].now_ms * 1000000,
        };
        eye_datadog_body_set_time(&world->body, &now, &before);
        assert_int_equal(world->body.time_s, SAMPLE_TIME_NS / 1000000000 + cases[i].time_s);
        assert_int_equal(world->body.interval_s, cases[i].interval_s);
    }
    /* Another run's snapshot says nothing about this one's. */
    const struct eye_snapshot other = {.start_ns = 2, .time_ns = SAMPLE_TIME_NS + 5};
    const struct eye_snapshot now = {.start_ns = SAMPLE_TIME_NS - SAMPLE_INTERVAL_NS,
                                     .time_ns = SAMPLE_TIME_NS,
                                     .elapsed_ns = SAMPLE_INTERVAL_NS};
    eye_datadog_body_set_time(&world->body, &now, &other);
    assert_int_equal(world->body.time_s, SAMPLE_TIME_NS / 1000000000);
    assert_int_equal(world->body.interval_s, 10);
}

/* Whatever was done to the wall clock in between. */
static void time__interval_is_of_a_clock_that_nobody_sets(void **state)
{
    static const int64_t steps_s[] = {-3600, -3, 0, 3, 3600};
    struct world *world = *state;
    open_body(world, &eye_datadog_series_json);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps_s); i++) {
        const struct eye_snapshot before = {
            .start_ns = 1, .time_ns = SAMPLE_TIME_NS, .elapsed_ns = 7 * SAMPLE_INTERVAL_NS};
        const struct eye_snapshot now = {
            .start_ns = 1,
            .time_ns = SAMPLE_TIME_NS + (uint64_t)(steps_s[i] * 1000000000),
            .elapsed_ns = 8 * SAMPLE_INTERVAL_NS,
        };
        eye_datadog_body_set_time(&world->body, &now, &before);
        assert_int_equal(world->body.interval_s, 10);
    }
}

static void add__refuses_values_that_no_format_can_say(void **state)
{
    static const struct eye_datadog_encoding *const encodings[] = {&eye_datadog_series_json,
                                                                   &eye_datadog_series_protobuf};
    static const double values[] = {NAN, INFINITY, -INFINITY};
    struct world *world = *state;
    sample_add(world->sample, EYE_METRIC_TCP_ACTIVE, 1, SAMPLE_TAGS());
    const struct eye_snapshot *now = sample_take(world->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encodings); i++) {
        open_body(world, encodings[i]);
        begin(world, now, NULL);
        size_t length = world->body.bytes.length;
        for (size_t k = 0; k < EYE_ARRAY_LENGTH(values); k++) {
            struct eye_point point = now->points[0];
            point.gauge = values[k];
            const struct eye_change change = {.point = &point};
            assert_int_equal(eye_datadog_body_add(
                                 &world->body, eye_identities_at(&world->identities, 0), &change),
                             -EINVAL);
            assert_int_equal(world->body.bytes.length, length);
        }
        eye_identities_done(&world->identities);
        eye_datadog_body_done(&world->body);
        eye_selection_done(&world->selection);
    }
}

/* Fills one body with the same point; how many were taken. */
static size_t fill(struct world *world, const struct eye_snapshot *now)
{
    struct eye_changes changes;
    struct eye_change change;
    begin(world, now, NULL);
    eye_changes_begin(&changes, now, NULL);
    assert_true(eye_changes_next(&changes, &change));
    size_t points = 0;
    int result = 0;
    while ((result = eye_datadog_body_add(&world->body, eye_identities_at(&world->identities, 0),
                                          &change)) == 0) {
        points++;
    }
    assert_int_equal(result, -ENOBUFS);
    return points;
}

static void add__keeps_every_limit_exactly(void **state)
{
    char value[200];
    struct world *world = *state;
    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, value}, {EYE_TAG_PROCESS, value},
                           {EYE_TAG_CONTAINER, value}));
    const struct eye_snapshot *now = sample_take(world->sample);
    open_body(world, &eye_datadog_series_json);
    size_t points = fill(world, now);
    eye_datadog_body_end(&world->body);
    assert_true(points < world->body.encoding->points_max);
    size_t one = (world->body.bytes.length - strlen("{\"series\":[]}") + 1) / points;
    assert_true(world->body.bytes.length <= 5242880);
    assert_true(world->body.bytes.length + one > 5242880);
    assert_false(world->body.bytes.failed);
}

static void add__takes_ten_thousand_series(void **state)
{
    static const struct eye_datadog_encoding *const encodings[] = {&eye_datadog_series_json,
                                                                   &eye_datadog_series_protobuf};
    struct world *world = *state;
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS());
    const struct eye_snapshot *now = sample_take(world->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encodings); i++) {
        open_body(world, encodings[i]);
        assert_int_equal(fill(world, now), 10000);
        eye_identities_done(&world->identities);
        eye_datadog_body_done(&world->body);
        eye_selection_done(&world->selection);
    }
}

static void add__keeps_sketches_below_their_limit(void **state)
{
    struct world *world = *state;
    for (double value = 1e-6; value < 1e3; value *= 1.02) {
        sample_add(world->sample, EYE_METRIC_TCP_RTT, value, SAMPLE_TAGS());
    }
    open_body(world, &eye_datadog_sketches);
    size_t points = fill(world, sample_take(world->sample));
    assert_true(points > 100);
    assert_in_range(world->body.bytes.length, (4U << 20) - 8192, 4U << 20);
}

/* A bin that holds more values than an entry can count is written as several. */
static void sketch__splits_a_bin_that_is_too_full(void **state)
{
    struct world *world = *state;
    struct eye_distribution distribution;
    sample_add(world->sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS());
    const struct eye_snapshot *now = sample_take(world->sample);
    open_body(world, &eye_datadog_sketches);
    begin(world, now, NULL);
    eye_distribution_init(&distribution);
    assert_int_equal(eye_distribution_record(&distribution, 1, UINT64_C(3) << 32), 0);
    struct eye_point point = now->points[0];
    point.distribution = &distribution;
    const struct eye_change change = {
        .point = &point, .count = distribution.count, .sum = distribution.sum};
    int result =
        eye_datadog_body_add(&world->body, eye_identities_at(&world->identities, 0), &change);
    eye_distribution_done(&distribution);
    assert_int_equal(result, 0);
    uint64_t counted = 0;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(world->body.bins->keys[i], EYE_DISTRIBUTION_BIAS);
        counted += world->body.bins->counts[i];
    }
    assert_true(counted == UINT64_C(3) << 32);
}

static void labels__are_clean_and_short(void **state)
{
    static const struct {
        const char *value;
        const char *tag;
    } cases[] = {
        {"plain", "service:plain"},
        {"a,b|c#d", "service:a_b_c_d"},
        {"a\nb\tc\x7f", "service:a_b_c_"},
        {"a\xff\xc3", "service:a__"},
        {"caf\xc3\xa9 \xc2\x85", "service:caf\xc3\xa9 _"},
        {"end:", "service:end_"},
        {"\xe2\x80\xae", "service:_"},
    };
    struct world *world = *state;
    open_body(world, &eye_datadog_series_json);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct eye_tag_value value = {EYE_TAG_SERVICE, cases[i].value};
        struct eye_tag_set *tags = eye_tag_set_new(&value, 1);
        const struct eye_point point = {.metric = eye_metric(EYE_METRIC_TCP_OPENED), .tags = tags};
        int result = eye_datadog_labels_make(&world->body.labels, &point);
        eye_tag_set_unref(tags);
        assert_int_equal(result, 0);
        assert_int_equal(world->body.labels.tag_count, 2);
        assert_string_equal(world->body.labels.tags[0], "env:prod");
        assert_string_equal(world->body.labels.tags[1], cases[i].tag);
    }
    assert_string_equal(world->body.labels.host, "h1");
}

static void labels__are_cut_between_characters(void **state)
{
    struct world *world = *state;
    char value[EYE_TAG_VALUE_MAX_BYTES + 1];
    open_body(world, &eye_datadog_series_json);
    for (size_t i = 0; i + 1 < sizeof(value); i += 2) {
        memcpy(value + i, "\xc3\xa9", 2);
    }
    value[sizeof(value) - 1] = '\0';
    static const enum eye_tag names[] = {EYE_TAG_PORT, EYE_TAG_SERVICE};
    static const size_t lengths[] = {199, 200};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        const struct eye_tag_value tag = {names[i], value};
        struct eye_tag_set *tags = eye_tag_set_new(&tag, 1);
        const struct eye_point point = {.metric = eye_metric(EYE_METRIC_TCP_OPENED), .tags = tags};
        int result = eye_datadog_labels_make(&world->body.labels, &point);
        eye_tag_set_unref(tags);
        assert_int_equal(result, 0);
        assert_int_equal(strlen(world->body.labels.tags[1]), lengths[i]);
    }
}

static void labels__take_the_machines_name_without_a_host_tag(void **state)
{
    struct world *world = *state;
    char name[256] = "";
    world->sample->config.tags.count = 0;
    open_body(world, &eye_datadog_series_json);
    assert_int_equal(gethostname(name, sizeof(name)), 0);
    assert_string_equal(world->body.labels.host, name);
}

static void add__marks_two_series_that_look_the_same(void **state)
{
    struct world *world = *state;
    open_body(world, &eye_datadog_series_json);
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "a,b"}));
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "a|b"}));
    assert_int_equal(add_all(world, sample_take(world->sample), NULL), -EEXIST);
    assert_int_equal(world->body.points, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(json__is_what_the_intake_reads),
        TEST(json__counts_since_the_snapshot_before),
        TEST(time__never_gives_two_points_of_a_series_one_second),
        TEST(time__interval_is_of_a_clock_that_nobody_sets),
        TEST(add__refuses_values_that_no_format_can_say),
        TEST(add__keeps_every_limit_exactly),
        TEST(add__takes_ten_thousand_series),
        TEST(add__keeps_sketches_below_their_limit),
        TEST(sketch__splits_a_bin_that_is_too_full),
        TEST(labels__are_clean_and_short),
        TEST(labels__are_cut_between_characters),
        TEST(labels__take_the_machines_name_without_a_host_tag),
        TEST(add__marks_two_series_that_look_the_same),
    };
    return cmocka_run_group_tests_name("datadog_body", tests, NULL, NULL);
}
