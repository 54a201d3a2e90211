/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter against a real server: requests, answers, and what becomes of the points. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <zlib.h>

#include "collector/base/parse.h"
#include "exporters/otlp/settings.h"
#include "tests/unit/exporters/http/http_server.h"
#include "tests/unit/exporters/sample.h"

extern const struct eye_exporter_type eye_exporter_otlp;

#define BODY_MAX_BYTES ((size_t)4 << 20)

struct fixture {
    char url[64];
    struct eye_otlp_values values;
    struct sample *sample;
    struct http_server *server;
    void *exporter;
    struct eye_export_failure failure;
    json_t *json;
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){0};
    fixture.values = (struct eye_otlp_values){
        .url = fixture.url,
        .encoding = EYE_OTLP_ENCODING_JSON,
        .http = {.timeout_ns = 5 * EYE_NS_PER_SECOND, .tls.verify = true},
    };
    fixture.sample = sample_new(&fixture.values);
    *state = &fixture;
    unsetenv("OTEL_EXPORTER_OTLP_HEADERS");
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_exporter_close(&eye_exporter_otlp, fixture->exporter);
    http_server_stop(fixture->server);
    json_decref(fixture->json);
    sample_free(fixture->sample);
    return 0;
}

static void open_exporter(struct fixture *fixture, const struct http_script *scripts, size_t count)
{
    fixture->server = http_server_start(scripts, count);
    assert_non_null(fixture->server);
    snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%u/v1/metrics",
             http_server_port(fixture->server));
    struct eye_error error = {""};
    int result =
        eye_exporter_open(&eye_exporter_otlp, &fixture->sample->setup, &fixture->exporter, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
}

static int deliver(struct fixture *fixture, const struct eye_snapshot *now,
                   const struct eye_snapshot *before)
{
    fixture->failure = (struct eye_export_failure){0};
    return eye_exporter_otlp.deliver(fixture->exporter, now, before, &fixture->failure);
}

/* Some counters, in one metric. */
static const struct eye_snapshot *take_counters(struct sample *sample, int count)
{
    for (int i = 0; i < count; i++) {
        char port[16];
        snprintf(port, sizeof(port), "%d", i);
        sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
    return sample_take(sample);
}

static void assert_accounted(const struct eye_export_stats *stats, uint64_t points,
                             enum eye_export_reason reason, uint64_t dropped)
{
    assert_int_equal(stats->points, points);
    assert_int_equal(stats->dropped[reason], dropped);
    assert_int_equal(stats->seen, points + dropped);
}

#define ANSWER(status, headers, body)                                                              \
    {                                                                                              \
        .answer = "HTTP/1.1 " status "\r\n" headers "Connection: close\r\n\r\n" body,              \
        .ending = HTTP_CLOSE,                                                                      \
    }

/* The body of the request at @index, unpacked by zlib itself. */
static const char *gunzip_body(const struct fixture *fixture, size_t index)
{
    static char plain[BODY_MAX_BYTES];
    size_t length;
    const char *body = http_server_body(fixture->server, index, &length);
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)body,
                       .avail_in = (uInt)length,
                       .next_out = (Bytef *)plain,
                       .avail_out = sizeof(plain) - 1};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    int result = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    assert_int_equal(result, Z_STREAM_END);
    plain[stream.total_out] = '\0';
    return plain;
}

static void deliver__posts_gzipped_json(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {ANSWER("200 OK", "", "{}")};
    open_exporter(fixture, scripts, 1);
    assert_int_equal(deliver(fixture, take_counters(fixture->sample, 3), NULL), 0);
    assert_string_equal(fixture->failure.cause.text, "");
    assert_accounted(&fixture->sample->stats, 3, EYE_EXPORT_REJECTED, 0);
    const char *head = http_server_head(fixture->server, 0);
    assert_non_null(strstr(head, "POST /v1/metrics HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Encoding: gzip\r\n"));
    fixture->json = json_loads(gunzip_body(fixture, 0), 0, NULL);
    assert_true(json_is_object(fixture->json));
}

static void deliver__posts_plain_protobuf(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {ANSWER("200 OK", "", "")};
    size_t length;
    fixture->values.encoding = EYE_OTLP_ENCODING_PROTOBUF;
    fixture->values.compression = EYE_OTLP_COMPRESSION_NONE;
    open_exporter(fixture, scripts, 1);
    assert_int_equal(deliver(fixture, take_counters(fixture->sample, 3), NULL), 0);
    assert_accounted(&fixture->sample->stats, 3, EYE_EXPORT_REJECTED, 0);
    const char *head = http_server_head(fixture->server, 0);
    assert_non_null(strstr(head, "\r\nContent-Type: application/x-protobuf\r\n"));
    assert_null(strstr(head, "Content-Encoding"));
    assert_int_equal(http_server_body(fixture->server, 0, &length)[0], 0x0a);
    assert_int_equal(fixture->sample->stats.bytes, length);
}

static void deliver__names_the_host_of_each_service(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {ANSWER("200 OK", "", "{}")};
    open_exporter(fixture, scripts, 1);
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "web"}));
    assert_int_equal(deliver(fixture, sample_take(fixture->sample), NULL), 0);
    assert_non_null(strstr(gunzip_body(fixture, 0),
                           "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"web\"}},"
                           "{\"key\":\"host.name\","));
}

static void deliver__sends_the_headers_of_the_environment(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {ANSWER("400 Bad", "", "key s3cret%3D is wrong: s3cret=")};
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret%3D", 1);
    open_exporter(fixture, scripts, 1);
    assert_int_equal(deliver(fixture, take_counters(fixture->sample, 1), NULL), 0);
    assert_non_null(strstr(http_server_head(fixture->server, 0), "\r\napi-key: s3cret=\r\n"));
    assert_non_null(strstr(fixture->failure.cause.text, "is wrong"));
    assert_null(strstr(fixture->failure.cause.text, "s3cret="));
}

static void deliver__counts_what_the_receiver_took_out(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {
        ANSWER("200 OK", "",
               "{\"partialSuccess\":{\"rejectedDataPoints\":\"2\",\"errorMessage\":\"too old\"}}"),
    };
    open_exporter(fixture, scripts, 1);
    assert_int_equal(deliver(fixture, take_counters(fixture->sample, 5), NULL), 0);
    assert_accounted(&fixture->sample->stats, 3, EYE_EXPORT_REJECTED, 2);
    assert_non_null(strstr(fixture->failure.cause.text, "rejected 2 of 5 points: too old"));
    assert_int_equal(http_server_requests(fixture->server), 1);
}

static void deliver__believes_no_more_than_it_sent(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {
        ANSWER("200 OK", "", "{\"partialSuccess\":{\"rejectedDataPoints\":\"999999\"}}"),
    };
    open_exporter(fixture, scripts, 1);
    assert_int_equal(deliver(fixture, take_counters(fixture->sample, 5), NULL), 0);
    assert_accounted(&fixture->sample->stats, 0, EYE_EXPORT_REJECTED, 5);
}

static void deliver__retries_only_what_the_specification_says(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct http_script script;
        enum eye_export_reason reason;
        bool retried;
    } cases[] = {
        {ANSWER("429 Slow", "Retry-After: 7\r\n", ""), EYE_EXPORT_THROTTLED, true},
        {ANSWER("502 Bad", "", ""), EYE_EXPORT_SERVER_ERROR, true},
        {ANSWER("503 Busy", "Retry-After: 7\r\n", ""), EYE_EXPORT_SERVER_ERROR, true},
        {ANSWER("504 Late", "", ""), EYE_EXPORT_SERVER_ERROR, true},
        {ANSWER("400 Bad", "", "no"), EYE_EXPORT_REJECTED, false},
        {ANSWER("401 Who", "", ""), EYE_EXPORT_UNAUTHORIZED, false},
        {ANSWER("404 None", "", ""), EYE_EXPORT_REJECTED, false},
        {ANSWER("408 Late", "", ""), EYE_EXPORT_SERVER_ERROR, false},
        {ANSWER("500 Oops", "", ""), EYE_EXPORT_SERVER_ERROR, false},
        {ANSWER("505 Old", "", ""), EYE_EXPORT_SERVER_ERROR, false},
        {ANSWER("307 There", "Location: /x\r\n", ""), EYE_EXPORT_REDIRECTED, false},
    };
    struct http_script scripts[EYE_ARRAY_LENGTH(cases)];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        scripts[i] = cases[i].script;
    }
    open_exporter(fixture, scripts, EYE_ARRAY_LENGTH(scripts));
    const struct eye_snapshot *now = take_counters(fixture->sample, 2);
    uint64_t given_up = 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        int result = deliver(fixture, now, NULL);
        assert_int_equal(result != 0, cases[i].retried);
        assert_int_equal(fixture->failure.reason, cases[i].reason);
        bool pause = strstr(cases[i].script.answer, "Retry-After") != NULL;
        assert_int_equal(fixture->failure.retry_after_ns, pause ? 7 * EYE_NS_PER_SECOND : 0);
        given_up += cases[i].retried ? 0 : 2;
        assert_int_equal(fixture->sample->stats.seen, given_up);
        assert_int_equal(fixture->sample->stats.refused_points, given_up);
    }
    assert_int_equal(fixture->sample->stats.points, 0);
    assert_int_equal(http_server_requests(fixture->server), EYE_ARRAY_LENGTH(cases));
}

static void deliver__goes_on_where_the_connection_broke(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {
        {.answer = "", .ending = HTTP_RESET},
        ANSWER("200 OK", "", "not json"),
    };
    open_exporter(fixture, scripts, EYE_ARRAY_LENGTH(scripts));
    const struct eye_snapshot *now = take_counters(fixture->sample, 4);
    assert_true(deliver(fixture, now, NULL) < 0);
    assert_false(fixture->failure.started);
    assert_accounted(&fixture->sample->stats, 0, EYE_EXPORT_REJECTED, 0);
    assert_int_equal(deliver(fixture, now, NULL), 0);
    assert_accounted(&fixture->sample->stats, 4, EYE_EXPORT_REJECTED, 0);
}

static void deliver__halves_what_is_too_large(void **state)
{
    struct fixture *fixture = *state;
    const struct http_script scripts[] = {
        ANSWER("413 Large", "", ""),
        ANSWER("200 OK", "", "{}"),
    };
    open_exporter(fixture, scripts, EYE_ARRAY_LENGTH(scripts));
    assert_int_equal(deliver(fixture, take_counters(fixture->sample, 100), NULL), 0);
    assert_int_equal(http_server_requests(fixture->server), 3);
    assert_accounted(&fixture->sample->stats, 100, EYE_EXPORT_TOO_LARGE, 0);
}

static size_t points_at_second_delivery(struct fixture *fixture, int temporality)
{
    const struct http_script scripts[] = {ANSWER("200 OK", "", "{}")};
    fixture->values.temporality = temporality;
    open_exporter(fixture, scripts, 1);
    const struct eye_snapshot *before = take_counters(fixture->sample, 5);
    assert_int_equal(deliver(fixture, before, NULL), 0);
    const struct eye_snapshot *now = take_counters(fixture->sample, 2);
    size_t points = fixture->sample->stats.points;
    assert_int_equal(deliver(fixture, now, before), 0);
    return fixture->sample->stats.points - points;
}

static void deliver__repeats_cumulative_series_at_rest(void **state)
{
    assert_int_equal(points_at_second_delivery(*state, EYE_OTLP_TEMPORALITY_CUMULATIVE), 5);
}

static void deliver__leaves_out_deltas_of_nothing(void **state)
{
    assert_int_equal(points_at_second_delivery(*state, EYE_OTLP_TEMPORALITY_DELTA), 2);
}

/* ---- Times ---- */

/* Seconds after SAMPLE_TIME_NS. */
static int64_t seconds_of(const json_t *point, const char *key)
{
    uint64_t ns;
    assert_int_equal(eye_parse_u64(json_string_value(json_object_get(point, key)), &ns), 0);
    return ((int64_t)ns - (int64_t)SAMPLE_TIME_NS) / (int64_t)EYE_NS_PER_SECOND;
}

/* The only point of the request at @index: when it says that it began. */
static int64_t start_in_request(struct fixture *fixture, size_t index, int64_t time_s)
{
    json_decref(fixture->json);
    fixture->json = json_loads(gunzip_body(fixture, index), 0, NULL);
    json_t *resources = json_object_get(fixture->json, "resourceMetrics");
    json_t *scopes = json_object_get(json_array_get(resources, 0), "scopeMetrics");
    json_t *metrics = json_object_get(json_array_get(scopes, 0), "metrics");
    json_t *sum = json_object_get(json_array_get(metrics, 0), "sum");
    json_t *point = json_array_get(json_object_get(sum, "dataPoints"), 0);
    assert_int_equal(seconds_of(point, "timeUnixNano"), time_s);
    return seconds_of(point, "startTimeUnixNano");
}

/* Counting began 10 s before SAMPLE_TIME_NS; an interval is 10 s whatever the wall clock says. */
struct time_step {
    int64_t wall_s;
    int64_t start_s;
};

static void check_starts(struct fixture *fixture, int temporality, const struct time_step *steps,
                         size_t count)
{
    const struct http_script scripts[] = {ANSWER("200 OK", "", "{}")};
    const struct eye_snapshot *before = NULL;
    fixture->values.temporality = temporality;
    open_exporter(fixture, scripts, 1);
    for (size_t i = 0; i < count; i++) {
        struct eye_snapshot *now =
            (struct eye_snapshot *)(uintptr_t)take_counters(fixture->sample, 1);
        now->time_ns = SAMPLE_TIME_NS + (uint64_t)(steps[i].wall_s * (int64_t)EYE_NS_PER_SECOND);
        assert_int_equal(deliver(fixture, now, before), 0);
        assert_int_equal(start_in_request(fixture, i, steps[i].wall_s), steps[i].start_s);
        before = now;
    }
}

/* A start that changed would tell of a reset, so it goes with the clock once and stays. */
static void start__of_a_total_is_never_later_than_its_time(void **state)
{
    static const struct time_step steps[] = {
        {0, -10}, {10, -10}, {5, -10}, {-3600, -3600}, {-3590, -3600}, {30, -3600},
    };
    check_starts(*state, EYE_OTLP_TEMPORALITY_CUMULATIVE, steps, EYE_ARRAY_LENGTH(steps));
}

static void start__of_a_delta_is_as_long_ago_as_it_took(void **state)
{
    static const struct time_step steps[] = {
        {0, -10}, {10, 0}, {-3600, -3610}, {-3590, -3600}, {3600, -3590}, {3610, 3600},
    };
    check_starts(*state, EYE_OTLP_TEMPORALITY_DELTA, steps, EYE_ARRAY_LENGTH(steps));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deliver__posts_gzipped_json),
        TEST(deliver__posts_plain_protobuf),
        TEST(deliver__names_the_host_of_each_service),
        TEST(deliver__sends_the_headers_of_the_environment),
        TEST(deliver__counts_what_the_receiver_took_out),
        TEST(deliver__believes_no_more_than_it_sent),
        TEST(deliver__retries_only_what_the_specification_says),
        TEST(deliver__goes_on_where_the_connection_broke),
        TEST(deliver__halves_what_is_too_large),
        TEST(deliver__repeats_cumulative_series_at_rest),
        TEST(deliver__leaves_out_deltas_of_nothing),
        TEST(start__of_a_total_is_never_later_than_its_time),
        TEST(start__of_a_delta_is_as_long_ago_as_it_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
