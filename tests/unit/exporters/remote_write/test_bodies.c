/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of both versions, read back with an independent schema and compared letter by letter: one
 * line for each series, the same for both but for what only 2.0 has.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/remote_write/version.h"
#include "tests/data/remote_write.pb-c.h"
#include "tests/unit/exporters/sample.h"

#define TIME_MS (SAMPLE_TIME_NS / 1000000)
#define IDENTITY "instance=box job=sockeye"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_write_shared shared;
    const struct eye_write_version *version;
    void *encoder;
    struct eye_identities identities;
    struct eye_text lines;
};

static const struct eye_write_time sample_time = {
    .now_ms = (int64_t)TIME_MS,
    .start_ms = (int64_t)TIME_MS - 10000,
};

/* ---- Reading bodies ---- */

static void print_double(struct eye_text *lines, double value)
{
    const double marker = eye_write_stale_marker();
    if (memcmp(&value, &marker, sizeof(value)) == 0) {
        eye_text_append(lines, "STALE");
    } else {
        eye_text_append_double(lines, value);
    }
}

static void print_time(struct eye_text *lines, int64_t time_ms, int64_t start_ms)
{
    eye_text_appendf(lines, " @%" PRId64, time_ms - (int64_t)TIME_MS);
    if (start_ms != 0) {
        eye_text_appendf(lines, " from %" PRId64, start_ms - (int64_t)TIME_MS);
    }
}

static void print_values(struct eye_text *lines, RemoteWrite__Sample **samples, size_t sample_count,
                         RemoteWrite__Histogram **histograms, size_t histogram_count)
{
    for (size_t i = 0; i < sample_count; i++) {
        print_double(lines, samples[i]->value);
        print_time(lines, samples[i]->timestamp, samples[i]->start_timestamp);
    }
    for (size_t i = 0; i < histogram_count; i++) {
        const RemoteWrite__Histogram *histogram = histograms[i];
        eye_text_appendf(lines, "count %" PRIu64 " zero %" PRIu64 " buckets %zu sum ",
                         histogram->count_int, histogram->zero_count_int,
                         histogram->n_positive_deltas);
        print_double(lines, histogram->sum);
        print_time(lines, histogram->timestamp, histogram->start_timestamp);
    }
}

static void print_1(struct eye_text *lines, const struct eye_text *body)
{
    RemoteWrite__WriteRequest *request =
        remote_write__write_request__unpack(NULL, body->length, (const uint8_t *)body->data);
    assert_non_null(request);
    for (size_t i = 0; i < request->n_timeseries; i++) {
        const RemoteWrite__TimeSeries *series = request->timeseries[i];
        for (size_t j = 0; j < series->n_labels; j++) {
            eye_text_appendf(lines, "%s=%s ", series->labels[j]->name, series->labels[j]->value);
        }
        print_values(lines, series->samples, series->n_samples, series->histograms,
                     series->n_histograms);
        eye_text_append_char(lines, '\n');
    }
    for (size_t i = 0; i < request->n_metadata; i++) {
        const RemoteWrite__MetricMetadata *metadata = request->metadata[i];
        eye_text_appendf(lines, "# %s %d %s %s\n", metadata->metric_family_name, metadata->type,
                         metadata->unit, metadata->help);
    }
    remote_write__write_request__free_unpacked(request, NULL);
}

static const char *symbol(const RemoteWrite__Request *request, uint32_t number)
{
    assert_in_range(number, 0, request->n_symbols - 1);
    return request->symbols[number];
}

static void print_2(struct eye_text *lines, const struct eye_text *body)
{
    RemoteWrite__Request *request =
        remote_write__request__unpack(NULL, body->length, (const uint8_t *)body->data);
    assert_non_null(request);
    assert_string_equal(symbol(request, 0), "");
    for (size_t i = 0; i < request->n_timeseries; i++) {
        const RemoteWrite__SeriesOfNumbers *series = request->timeseries[i];
        for (size_t j = 0; j + 1 < series->n_labels_refs; j += 2) {
            eye_text_appendf(lines, "%s=%s ", symbol(request, series->labels_refs[j]),
                             symbol(request, series->labels_refs[j + 1]));
        }
        print_values(lines, series->samples, series->n_samples, series->histograms,
                     series->n_histograms);
        eye_text_appendf(lines, " # %d %s %s\n", series->metadata->type,
                         symbol(request, series->metadata->unit_ref),
                         symbol(request, series->metadata->help_ref));
    }
    remote_write__request__free_unpacked(request, NULL);
}

static const char *read_body(struct fixture *fixture)
{
    const struct eye_text *body = fixture->version->body(fixture->encoder);
    assert_non_null(body);
    eye_text_clear(&fixture->lines);
    if (fixture->version == &eye_write_version_1) {
        print_1(&fixture->lines, body);
    } else {
        print_2(&fixture->lines, body);
    }
    return eye_text_string(&fixture->lines);
}

/* ---- Fixture ---- */

static void prepare(struct fixture *fixture, const struct eye_write_version *version, bool native)
{
    assert_int_equal(eye_selection_init(&fixture->selection, &fixture->sample->setup), 0);
    assert_int_equal(eye_write_shared_init(&fixture->shared, &fixture->selection, native), 0);
    eye_copy_string(fixture->shared.labels.instance, sizeof(fixture->shared.labels.instance),
                    "box");
    assert_int_equal(version->open(&fixture->shared, &fixture->encoder), 0);
    fixture->version = version;
    eye_identities_init(&fixture->identities, version->identity, fixture->encoder,
                        fixture->selection.wanted, EYE_WRITE_IDENTITY_BYTES);
}

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sample = sample_new(NULL)};
    eye_text_init(&fixture.lines, (size_t)64 << 20);
    *state = &fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->version != NULL) {
        eye_identities_done(&fixture->identities);
        fixture->version->close(fixture->encoder);
    }
    eye_write_shared_done(&fixture->shared);
    eye_selection_done(&fixture->selection);
    eye_text_done(&fixture->lines);
    sample_free(fixture->sample);
    return 0;
}

/* A body with all points of @snapshot, read back. */
static const char *encode(struct fixture *fixture, const struct eye_snapshot *snapshot, bool ended)
{
    assert_int_equal(eye_identities_follow(&fixture->identities, snapshot), 0);
    fixture->version->begin(fixture->encoder, &sample_time);
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct eye_identity *identity = eye_identities_at(&fixture->identities, i);
        assert_int_equal(eye_identity_check(identity), 0);
        assert_int_equal(
            fixture->version->add(fixture->encoder, identity, &snapshot->points[i], ended), 0);
    }
    return read_body(fixture);
}

static const struct eye_snapshot *sample_everything(struct fixture *fixture)
{
    sample_add(fixture->sample, EYE_METRIC_TCP_SENT_BYTES, 1500, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(fixture->sample, EYE_METRIC_TCP_ACTIVE, 0, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(fixture->sample, EYE_METRIC_SELF_CPU, 2500000000, SAMPLE_TAGS({0, NULL}));
    return sample_take(fixture->sample);
}

static const struct eye_snapshot *sample_distribution(struct fixture *fixture)
{
    for (int i = 0; i < 4; i++) {
        sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION, 0.3125 * i,
                   SAMPLE_TAGS({EYE_TAG_METHOD, "GET"}));
    }
    return sample_take(fixture->sample);
}

/* ---- Tests ---- */

static void body_1__holds_counters_and_gauges(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture, &eye_write_version_1, false);
    assert_string_equal(encode(fixture, sample_everything(fixture), false),
                        "__name__=sockeye_tcp_connections_active " IDENTITY " port=80 0 @0\n"
                        "__name__=sockeye_tcp_sent_bytes_total " IDENTITY " port=80 1500 @0\n"
                        "__name__=sockeye_cpu_time_seconds_total " IDENTITY " 2.5 @0\n");
}

static void body_2__holds_counters_and_gauges(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture, &eye_write_version_2, false);
    assert_string_equal(encode(fixture, sample_everything(fixture), false),
                        "__name__=sockeye_tcp_connections_active " IDENTITY " port=80 0 @0"
                        " # 2  established TCP connections now\n"
                        "__name__=sockeye_tcp_sent_bytes_total " IDENTITY
                        " port=80 1500 @0 from -10000"
                        " # 1 bytes payload sent, each byte once\n"
                        "__name__=sockeye_cpu_time_seconds_total " IDENTITY " 2.5 @0 from -10000"
                        " # 1 seconds CPU time of the daemon, user and system\n");
}

/* What both versions say of a classic histogram; %s: what 2.0 adds. */
static void expect_classic(char *text, size_t size, const char *more)
{
    static const char *const counts[] = {"1", "1", "1", "1", "1", "1", "1", "1", "1", "1", "1",
                                         "1", "1", "1", "2", "4", "4", "4", "4", "4", "4"};
    size_t at = 0;
    for (size_t i = 0; i <= EYE_BOUNDARY_COUNT; i++) {
        at += (size_t)snprintf(text + at, size - at,
                               "__name__=http_server_request_duration_seconds_bucket "
                               "http_request_method=GET " IDENTITY " le=%s %s @0%s\n",
                               i < EYE_BOUNDARY_COUNT ? eye_boundaries[i].text : "+Inf",
                               i < EYE_BOUNDARY_COUNT ? counts[i] : "4", more);
    }
    at += (size_t)snprintf(text + at, size - at,
                           "__name__=http_server_request_duration_seconds_sum "
                           "http_request_method=GET " IDENTITY " 1.875 @0%s\n",
                           more);
    snprintf(text + at, size - at,
             "__name__=http_server_request_duration_seconds_count "
             "http_request_method=GET " IDENTITY " 4 @0%s\n",
             more);
}

#define HELP_SERVER "first byte of the request to first byte of the response, server end"

static void body_1__holds_classic_histograms(void **state)
{
    struct fixture *fixture = *state;
    char expected[8192];
    prepare(fixture, &eye_write_version_1, false);
    expect_classic(expected, sizeof(expected), "");
    assert_string_equal(encode(fixture, sample_distribution(fixture), false), expected);
}

static void body_2__holds_classic_histograms(void **state)
{
    struct fixture *fixture = *state;
    char expected[8192];
    prepare(fixture, &eye_write_version_2, false);
    expect_classic(expected, sizeof(expected), " from -10000 # 3 seconds " HELP_SERVER);
    assert_string_equal(encode(fixture, sample_distribution(fixture), false), expected);
}

static void body_1__holds_native_histograms(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture, &eye_write_version_1, true);
    assert_string_equal(
        encode(fixture, sample_distribution(fixture), false),
        "__name__=http_server_request_duration_seconds http_request_method=GET " IDENTITY
        " count 4 zero 1 buckets 3 sum 1.875 @0\n");
}

static void body_2__holds_native_histograms(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture, &eye_write_version_2, true);
    assert_string_equal(
        encode(fixture, sample_distribution(fixture), false),
        "__name__=http_server_request_duration_seconds http_request_method=GET " IDENTITY
        " count 4 zero 1 buckets 3 sum 1.875 @0 from -10000 # 3 seconds " HELP_SERVER "\n");
}

/* The markers of @version: as many lines as there were series, all of them ended. */
static void check_markers(struct fixture *fixture, const struct eye_write_version *version,
                          bool native, size_t series)
{
    prepare(fixture, version, native);
    sample_everything(fixture);
    const char *at = encode(fixture, sample_distribution(fixture), true);
    size_t count = 0;
    for (; (at = strstr(at, "STALE @0")) != NULL; at++) {
        count++;
    }
    assert_int_equal(count, series);
    size_t lines = 0;
    for (at = eye_text_string(&fixture->lines); *at != '\0'; at++) {
        lines += *at == '\n';
    }
    assert_int_equal(lines, series);
}

static void body__ends_series(void **state)
{
    static const struct {
        const struct eye_write_version *version;
        bool native;
        size_t series;
    } cases[] = {
        {&eye_write_version_1, false, 3 + EYE_WRITE_PARTS},
        {&eye_write_version_1, true, 3 + 1},
        {&eye_write_version_2, false, 3 + EYE_WRITE_PARTS},
        {&eye_write_version_2, true, 3 + 1},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        check_markers(*state, cases[i].version, cases[i].native, cases[i].series);
        free_fixture(state);
        make_fixture(state);
    }
}

static void body_1__describes_what_is_wanted(void **state)
{
    struct fixture *fixture = *state;
    static char rtt[] = "tcp.rtt";
    static char sent[] = "tcp.sent.bytes";
    static char *allow[] = {rtt, sent};
    fixture->sample->own.common.allow = (struct eye_text_list){allow, EYE_ARRAY_LENGTH(allow)};
    prepare(fixture, &eye_write_version_1, false);
    fixture->version->begin(fixture->encoder, &sample_time);
    fixture->version->describe(fixture->encoder);
    assert_string_equal(read_body(fixture),
                        "# sockeye_tcp_sent_bytes 1 bytes payload sent, each byte once\n"
                        "# sockeye_tcp_rtt_seconds 3 seconds smoothed round-trip time of each "
                        "connection that moved, once per interval and at close\n");
}

/* Fixed labels on both sides of __name__ and le. */
static void body__keeps_labels_sorted(void **state)
{
    static const struct eye_write_version *const versions[] = {&eye_write_version_1,
                                                               &eye_write_version_2};
    static char upper[] = "Env:a";
    static char lower[] = "zone:b";
    static char *tags[] = {upper, lower};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(versions); i++) {
        struct fixture *fixture = *state;
        fixture->sample->own.common.tags = (struct eye_text_list){tags, EYE_ARRAY_LENGTH(tags)};
        prepare(fixture, versions[i], false);
        const char *lines = encode(fixture, sample_distribution(fixture), false);
        assert_non_null(strstr(lines, "Env=a __name__=http_server_request_duration_seconds_bucket "
                                      "http_request_method=GET " IDENTITY " le=1e-05 zone=b 1 @0"));
        assert_non_null(strstr(lines, "Env=a __name__=http_server_request_duration_seconds_count "
                                      "http_request_method=GET " IDENTITY " zone=b 4 @0"));
        free_fixture(state);
        make_fixture(state);
    }
}

/* Names of one length and the same tags: not the same series. */
static void identity__tells_metrics_apart(void **state)
{
    static const struct eye_write_version *const versions[] = {&eye_write_version_1,
                                                               &eye_write_version_2};
    for (size_t i = 0; i < 2 * EYE_ARRAY_LENGTH(versions); i++) {
        struct fixture *fixture = *state;
        prepare(fixture, versions[i / 2], i % 2 == 1);
        sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION, 1,
                   SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
        sample_add(fixture->sample, EYE_METRIC_HTTP_CLIENT_DURATION, 1,
                   SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
        encode(fixture, sample_take(fixture->sample), false);
        assert_int_equal(fixture->identities.collisions, 0);
        free_fixture(state);
        make_fixture(state);
    }
}

static void identity__collides_when_labels_are_the_same(void **state)
{
    static const struct eye_write_version *const versions[] = {&eye_write_version_1,
                                                               &eye_write_version_2};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(versions); i++) {
        struct fixture *fixture = *state;
        prepare(fixture, versions[i], false);
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, "a\x01"}));
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, "a\x02"}));
        assert_int_equal(eye_identities_follow(&fixture->identities, sample_take(fixture->sample)),
                         0);
        assert_int_equal(fixture->identities.collisions, 1);
        free_fixture(state);
        make_fixture(state);
    }
}

/* Points are added until no more fit: those that did are whole, the last one left no trace. */
static size_t fill(struct fixture *fixture, const struct eye_snapshot *snapshot)
{
    size_t added = 0;
    int result = 0;
    assert_int_equal(eye_identities_follow(&fixture->identities, snapshot), 0);
    fixture->version->begin(fixture->encoder, &sample_time);
    while ((result =
                fixture->version->add(fixture->encoder, eye_identities_at(&fixture->identities, 0),
                                      &snapshot->points[0], false)) == 0) {
        added++;
    }
    assert_int_equal(result, -ENOBUFS);
    return added;
}

static void body__is_left_as_it_was_when_full(void **state)
{
    static const struct {
        const struct eye_write_version *version;
        bool native;
        size_t lines;
    } cases[] = {
        {&eye_write_version_1, false, EYE_WRITE_PARTS},
        {&eye_write_version_1, true, 1},
        {&eye_write_version_2, false, EYE_WRITE_PARTS},
        {&eye_write_version_2, true, 1},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct fixture *fixture = *state;
        prepare(fixture, cases[i].version, cases[i].native);
        size_t added = fill(fixture, sample_distribution(fixture));
        assert_in_range(fixture->version->body(fixture->encoder)->length,
                        EYE_WRITE_BODY_BYTES * 9 / 10, EYE_WRITE_BODY_BYTES);
        size_t lines = 0;
        for (const char *at = read_body(fixture); *at != '\0'; at++) {
            lines += *at == '\n';
        }
        assert_int_equal(lines, added * cases[i].lines);
        free_fixture(state);
        make_fixture(state);
    }
}

/* A host without a clock, and one far in the future, still make bodies that can be read. */
static void body_1__takes_any_time(void **state)
{
    static const int64_t times[] = {0, 1000, INT64_C(1) << 34, INT64_MAX};
    struct fixture *fixture = *state;
    prepare(fixture, &eye_write_version_1, true);
    const struct eye_snapshot *snapshot = sample_distribution(fixture);
    assert_int_equal(eye_identities_follow(&fixture->identities, snapshot), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(times); i++) {
        const struct eye_write_time time = {times[i], 0};
        fixture->version->begin(fixture->encoder, &time);
        assert_int_equal(fixture->version->add(fixture->encoder,
                                               eye_identities_at(&fixture->identities, 0),
                                               &snapshot->points[0], false),
                         0);
        assert_non_null(strstr(read_body(fixture), "count 4 zero 1 "));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(body_1__holds_counters_and_gauges),
        TEST(body_2__holds_counters_and_gauges),
        TEST(body_1__holds_classic_histograms),
        TEST(body_2__holds_classic_histograms),
        TEST(body_1__holds_native_histograms),
        TEST(body_2__holds_native_histograms),
        TEST(body__ends_series),
        TEST(body_1__describes_what_is_wanted),
        TEST(body__keeps_labels_sorted),
        TEST(identity__tells_metrics_apart),
        TEST(identity__collides_when_labels_are_the_same),
        TEST(body__is_left_as_it_was_when_full),
        TEST(body_1__takes_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
