/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter "datadog" against a server that answers as the intake does, or worse. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/text.h"
#include "tests/support/log_file.h"
#include "tests/support/moved_clock.h"
#include "tests/unit/exporters/http/http_server.h"
#include "tests/unit/exporters/sample.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define OTHER_KEY "fedcba9876543210fedcba9876543210"
#define MINUTE (60 * EYE_NS_PER_SECOND)
#define HOUR (60 * MINUTE)
#define PLAIN_MAX_BYTES ((size_t)8 << 20)

#define ACCEPTED "HTTP/1.1 202 Accepted\r\nContent-Length: 13\r\n\r\n{\"errors\":[]}"
#define VALID "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"valid\":true}"
#define FORBIDDEN "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden"

extern const struct eye_exporter_type eye_exporter_datadog;

struct world {
    struct sample *sample;
    struct http_server *server;
    struct eye_config *config;
    void *exporter;
    struct eye_export_failure failure;
    struct eye_error error;
    char key_file[32];
    char *plain; /* a body, decompressed */
};

static void write_key(const struct world *world, const char *key, mode_t mode)
{
    EYE_AUTOCLOSE int fd = open(world->key_file, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, key, strlen(key)), strlen(key));
    assert_int_equal(fchmod(fd, mode), 0);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->sample = sample_new(NULL);
    world->plain = malloc(PLAIN_MAX_BYTES);
    assert_non_null(world->plain);
    eye_copy_string(world->key_file, sizeof(world->key_file), "/tmp/datadog-XXXXXX");
    int fd = mkstemp(world->key_file);
    assert_true(fd >= 0);
    close(fd);
    write_key(world, KEY "\n", 0600);
    unsetenv("DD_API_KEY");
    unsetenv("DD_SITE");
    unsetenv("http_proxy");
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_exporter_close(&eye_exporter_datadog, world->exporter);
    http_server_stop(world->server);
    eye_config_unref(world->config);
    sample_free(world->sample);
    unlink(world->key_file);
    free(world->plain);
    free(world);
    clock_reset();
    return 0;
}

/* Reads the settings of one exporter, YAML without braces. */
static int configure(struct world *world, const char *settings)
{
    static const struct eye_config_section *const sections[] = {&eye_exporter_datadog.section};
    char assignment[1024];
    snprintf(assignment, sizeof(assignment), "exporters=[{type: datadog, %s}]", settings);
    const char *const assignments[] = {assignment};
    const struct eye_config_source source = {
        .file = "/dev/null",
        .assignments = assignments,
        .assignment_count = 1,
        .sections = sections,
        .section_count = 1,
    };
    eye_config_unref(EYE_TAKE(world->config));
    return eye_config_load(&source, &world->config, &world->error);
}

static int open_lane(struct world *world, unsigned lane)
{
    world->sample->setup.config = world->config;
    world->sample->setup.own = &world->config->exporters[0];
    world->sample->setup.lane = lane;
    return eye_exporter_open(&eye_exporter_datadog, &world->sample->setup, &world->exporter,
                             &world->error);
}

/* Starts server and exporter; @more: further settings. */
static void start(struct world *world, const struct http_script *scripts, size_t count,
                  unsigned lane, const char *more)
{
    char settings[512];
    world->server = http_server_start(scripts, count);
    snprintf(settings, sizeof(settings), "url: \"http://127.0.0.1:%u/\", api_key_file: %s%s",
             http_server_port(world->server), world->key_file, more);
    assert_int_equal(configure(world, settings), 0);
    assert_int_equal(open_lane(world, lane), 0);
}

static int deliver(struct world *world, const struct eye_snapshot *now,
                   const struct eye_snapshot *before)
{
    world->failure = (struct eye_export_failure){.reason = EYE_EXPORT_OTHER};
    return eye_exporter_datadog.deliver(world->exporter, now, before, &world->failure);
}

static void add_values(struct world *world)
{
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 3, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(world->sample, EYE_METRIC_TCP_ACTIVE, 2, SAMPLE_TAGS());
    sample_add(world->sample, EYE_METRIC_TCP_RTT, 0.01, SAMPLE_TAGS());
}

static uint64_t points(const struct world *world)
{
    return atomic_load(&world->sample->stats.points);
}

static uint64_t dropped(const struct world *world, enum eye_export_reason reason)
{
    return atomic_load(&world->sample->stats.dropped[reason]);
}

static size_t inflate_body(struct world *world, const char *body, size_t length, int window_bits)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)body,
                       .avail_in = (uInt)length,
                       .next_out = (Bytef *)world->plain,
                       .avail_out = (uInt)PLAIN_MAX_BYTES};
    assert_int_equal(inflateInit2(&stream, window_bits), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    inflateEnd(&stream);
    return stream.total_out;
}

/* The body of the request at @index as it was before compression, by what its header says. */
static size_t plain_body(struct world *world, size_t index)
{
    const char *head = http_server_head(world->server, index);
    size_t length;
    const char *body = http_server_body(world->server, index, &length);
    if (strstr(head, "\r\nContent-Encoding: deflate\r\n") != NULL) {
        return inflate_body(world, body, length, 15);
    }
    if (strstr(head, "\r\nContent-Encoding: gzip\r\n") != NULL) {
        return inflate_body(world, body, length, 31);
    }
    if (strstr(head, "\r\nContent-Encoding: zstd\r\n") != NULL) {
        return ZSTD_decompress(world->plain, PLAIN_MAX_BYTES, body, length);
    }
    assert_null(strstr(head, "Content-Encoding"));
    memcpy(world->plain, body, length);
    return length;
}

static size_t series_in(struct world *world, size_t index)
{
    json_t *payload = json_loadb(world->plain, plain_body(world, index), 0, NULL);
    assert_non_null(payload);
    size_t count = json_array_size(json_object_get(payload, "series"));
    json_decref(payload);
    return count;
}

static void deliver__posts_series_and_asks_about_the_key_once(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = ACCEPTED}, {.answer = VALID}, {.answer = ACCEPTED}};
    struct world *world = *state;
    start(world, scripts, 3, 0, "");
    add_values(world);
    const struct eye_snapshot *first = sample_take(world->sample);
    assert_int_equal(deliver(world, first, NULL), 0);
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), first), 0);
    assert_int_equal(http_server_requests(world->server), 3);
    assert_int_equal(http_server_connections(world->server), 1);
    const char *head = http_server_head(world->server, 0);
    assert_memory_equal(head, "POST /api/v2/series HTTP/1.1\r\n", 30);
    assert_non_null(strstr(head, "\r\nDD-API-KEY: " KEY "\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nUser-Agent: sockeye/" EYE_VERSION "\r\n"));
    assert_int_equal(series_in(world, 0), 2);
    assert_memory_equal(http_server_head(world->server, 1), "GET /api/v1/validate HTTP/1.1", 29);
    assert_non_null(strstr(http_server_head(world->server, 1), KEY));
    assert_memory_equal(http_server_head(world->server, 2), "POST /api/v2/series", 19);
    assert_int_equal(points(world), 4);
    assert_int_equal(atomic_load(&world->sample->stats.seen), 4);
}

static void deliver__posts_sketches_on_their_own_lane(void **state)
{
    static const struct http_script scripts[] = {{.answer = ACCEPTED}};
    struct world *world = *state;
    start(world, scripts, 1, 1, "");
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    assert_int_equal(http_server_requests(world->server), 1);
    const char *head = http_server_head(world->server, 0);
    assert_memory_equal(head, "POST /api/beta/sketches HTTP/1.1\r\n", 34);
    assert_non_null(strstr(head, "\r\nContent-Type: application/x-protobuf\r\n"));
    assert_true(plain_body(world, 0) > 0);
    assert_int_equal(points(world), 1);
}

static void deliver__sends_nothing_when_nothing_happened(void **state)
{
    static const struct http_script scripts[] = {{.answer = ACCEPTED}};
    struct world *world = *state;
    start(world, scripts, 1, 1, "");
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    assert_int_equal(http_server_requests(world->server), 0);
}

static void compression__is_what_the_setting_says(void **state)
{
    static const struct {
        const char *setting;
        const char *type;
    } cases[] = {
        {", compression: zlib", "application/json"},
        {", compression: gzip", "application/json"},
        {", compression: zstd", "application/json"},
        {", compression: none", "application/json"},
        {", encoding: protobuf", "application/x-protobuf"},
    };
    static const struct http_script scripts[] = {{.answer = ACCEPTED}};
    struct world *world = *state;
    add_values(world);
    const struct eye_snapshot *now = sample_take(world->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        start(world, scripts, 1, 0, cases[i].setting);
        assert_int_equal(deliver(world, now, NULL), 0);
        assert_non_null(strstr(http_server_head(world->server, 0), cases[i].type));
        assert_true(plain_body(world, 0) > 100);
        assert_int_equal(world->plain[0], cases[i].type[12] == 'j' ? '{' : '\n');
        eye_exporter_close(&eye_exporter_datadog, EYE_TAKE(world->exporter));
        http_server_stop(EYE_TAKE(world->server));
    }
}

static void deliver__keeps_what_the_intake_cannot_take_now(void **state)
{
    static const struct {
        struct http_script script;
        enum eye_export_reason reason;
        uint64_t retry_after_ns;
    } cases[] = {
        {{.answer = "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"},
         EYE_EXPORT_THROTTLED,
         UINT64_C(3000000000)},
        {{.answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"}, EYE_EXPORT_SERVER_ERROR, 0},
        {{.answer = "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"},
         EYE_EXPORT_REDIRECTED,
         0},
        {{.answer = "", .ending = HTTP_RESET}, EYE_EXPORT_RESET, 0},
    };
    struct world *world = *state;
    add_values(world);
    const struct eye_snapshot *now = sample_take(world->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        start(world, &cases[i].script, 1, 0, "");
        assert_true(deliver(world, now, NULL) < 0);
        assert_int_equal(world->failure.reason, cases[i].reason);
        assert_int_equal(world->failure.retry_after_ns, cases[i].retry_after_ns);
        assert_null(strstr(world->failure.cause.text, KEY));
        eye_exporter_close(&eye_exporter_datadog, EYE_TAKE(world->exporter));
        http_server_stop(EYE_TAKE(world->server));
    }
    assert_int_equal(points(world), 0);
    assert_int_equal(atomic_load(&world->sample->stats.seen), 0);
}

static void deliver__counts_what_the_intake_never_takes(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = "HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nbad"}, {.answer = VALID}};
    struct world *world = *state;
    start(world, scripts, 2, 0, "");
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    assert_int_equal(dropped(world, EYE_EXPORT_REJECTED), 2);
    assert_int_equal(points(world), 0);
    assert_string_equal(world->failure.cause.text, "answer 400: bad");
}

static void add_series(struct world *world, size_t count)
{
    char service[32];
    for (size_t i = 0; i < count; i++) {
        snprintf(service, sizeof(service), "service-%zu", i);
        sample_add(world->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, service}));
    }
}

static void deliver__counts_what_an_accepted_body_had_wrong(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 34\r\n\r\n"
                   "{\"errors\":[\"metric of no kind\",7]}"},
        {.answer = VALID},
        {.answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nno JSON{"},
    };
    struct world *world = *state;
    start(world, scripts, 3, 0, "");
    add_values(world);
    add_series(world, 3);
    const struct eye_snapshot *first = sample_take(world->sample);
    assert_int_equal(deliver(world, first, NULL), 0);
    assert_int_equal(points(world), 3);
    assert_int_equal(dropped(world, EYE_EXPORT_REJECTED), 2);
    assert_string_equal(world->failure.cause.text, "answer 202 with 2 errors: metric of no kind");
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), first), 0);
    assert_int_equal(points(world), 5);
    assert_string_equal(world->failure.cause.text, "");
    assert_int_equal(atomic_load(&world->sample->stats.seen), 7);
}

/* An answer of 70000 bytes that begins with @body. */
static void make_endless(const char *body, char answer[80000])
{
    int head =
        snprintf(answer, 80000, "HTTP/1.1 202 Accepted\r\nContent-Length: 70000\r\n\r\n%s", body);
    memset(answer + head, 'x', 70000 - strlen(body));
}

/* More than is read of an answer: what errors it names is unknown, that it names some is not. */
static void deliver__counts_an_endless_list_of_errors(void **state)
{
    static char errors[80000];
    static char nonsense[80000];
    struct world *world = *state;
    make_endless("{\"errors\":[\"", errors);
    make_endless("", nonsense);
    const struct http_script scripts[] = {
        {.answer = errors}, {.answer = VALID}, {.answer = nonsense}};
    start(world, scripts, 3, 0, "");
    add_values(world);
    const struct eye_snapshot *first = sample_take(world->sample);
    assert_int_equal(deliver(world, first, NULL), 0);
    assert_int_equal(dropped(world, EYE_EXPORT_REJECTED), 1);
    assert_non_null(strstr(world->failure.cause.text, "more errors than anybody should read"));
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), first), 0);
    assert_int_equal(dropped(world, EYE_EXPORT_REJECTED), 1);
    assert_string_equal(world->failure.cause.text, "");
}

/* Entries of a payload of protobuf: field 1, each with its length. */
static size_t entries_in(const char *bytes, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length; count++) {
        size_t entry = 0;
        assert_int_equal(bytes[at++], 0x0a);
        for (unsigned shift = 0; shift < 64; shift += 7) {
            unsigned char byte = (unsigned char)bytes[at++];
            entry |= (size_t)(byte & 0x7f) << shift;
            if (byte < 0x80) {
                break;
            }
        }
        at += entry;
        assert_true(at <= length);
    }
    return count;
}

static void deliver__splits_sketches_beyond_4_mib(void **state)
{
    enum { COUNT = 1900, VALUES = 800 };
    static const struct http_script scripts[] = {{.answer = ACCEPTED}};
    static const enum eye_metric_id metrics[] = {EYE_METRIC_TCP_RTT, EYE_METRIC_TCP_CONNECT};
    struct world *world = *state;
    char service[16];
    start(world, scripts, 1, 1, "");
    for (size_t i = 0; i < COUNT * EYE_ARRAY_LENGTH(metrics); i++) {
        snprintf(service, sizeof(service), "%zu", i / EYE_ARRAY_LENGTH(metrics));
        double value = 1e-6;
        for (size_t k = 0; k < VALUES; k++, value *= 1.016) {
            sample_add(world->sample, metrics[i % EYE_ARRAY_LENGTH(metrics)], value,
                       SAMPLE_TAGS({EYE_TAG_SERVICE, service}));
        }
    }
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    size_t requests = http_server_requests(world->server);
    size_t sketches = 0;
    assert_true(requests > 1);
    for (size_t i = 0; i < requests; i++) {
        size_t length = plain_body(world, i);
        assert_true(length <= 4U << 20);
        sketches += entries_in(world->plain, length);
    }
    /* Less than were made: the registry has its budgets. */
    assert_in_range(sketches, COUNT, 2 * COUNT);
    assert_int_equal(points(world), sketches);
    assert_int_equal(atomic_load(&world->sample->stats.seen), sketches);
}

static void tags__have_each_key_once(void **state)
{
    static const struct http_script scripts[] = {{.answer = ACCEPTED}};
    struct world *world = *state;
    start(world, scripts, 1, 0, ", tags: ['env:a', 'port:1', 'env:b']");
    sample_add(world->sample, EYE_METRIC_TCP_OPENED, 3, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(world->sample, EYE_METRIC_SELF_MEMORY, 3, SAMPLE_TAGS());
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    world->plain[plain_body(world, 0)] = '\0';
    assert_non_null(strstr(world->plain, "\"tags\":[\"env:b\",\"port:80\"]"));
    assert_non_null(strstr(world->plain, "\"tags\":[\"port:1\",\"env:b\"]"));
}

static void environment__is_understood(void **state)
{
    static const struct {
        const char *site;
        const char *key;
        const char *tags;
        const char *refused; /* NULL: it opens */
    } rows[] = {
        {"", KEY, "", NULL},
        {"us5.datadoghq.com", KEY, "a:1,b:2", NULL},
        {"https://datadoghq.eu", KEY, "", "DD_SITE"},
        {"datadoghq.eu", "", "", "no API key"},
        {"datadoghq.eu", KEY "\n", "", NULL},
        {"datadoghq.eu", KEY "\r\nX: y", "", "DD_API_KEY"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        setenv("DD_SITE", rows[i].site, 1);
        setenv("DD_API_KEY", rows[i].key, 1);
        setenv("DD_TAGS", rows[i].tags, 1);
        assert_int_equal(configure(world, "encoding: json"), 0);
        int result = open_lane(world, 0);
        assert_int_equal(result == 0, rows[i].refused == NULL);
        if (rows[i].refused != NULL) {
            assert_non_null(strstr(world->error.text, rows[i].refused));
            assert_null(strstr(world->error.text, KEY));
        }
        eye_exporter_close(&eye_exporter_datadog, EYE_TAKE(world->exporter));
    }
    unsetenv("DD_SITE");
    unsetenv("DD_API_KEY");
    unsetenv("DD_TAGS");
}

static void key__is_read_again_when_refused_and_used_at_once(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = FORBIDDEN}, {.answer = ACCEPTED}, {.answer = VALID}};
    struct world *world = *state;
    start(world, scripts, 3, 0, "");
    write_key(world, OTHER_KEY, 0600);
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    assert_int_equal(http_server_requests(world->server), 3);
    assert_non_null(strstr(http_server_head(world->server, 0), KEY));
    assert_non_null(strstr(http_server_head(world->server, 1), OTHER_KEY));
    assert_int_equal(points(world), 2);
}

static void key__that_stays_refused_costs_the_points_and_is_not_asked_often(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = FORBIDDEN}, {.answer = FORBIDDEN}, {.answer = FORBIDDEN}};
    struct world *world = *state;
    start(world, scripts, 3, 0, "");
    add_values(world);
    const struct eye_snapshot *first = sample_take(world->sample);
    assert_int_equal(deliver(world, first, NULL), 0);
    assert_int_equal(http_server_requests(world->server), 2); /* series, validate */
    assert_int_equal(dropped(world, EYE_EXPORT_UNAUTHORIZED), 2);
    /* Within the minute the file is not read again. */
    write_key(world, OTHER_KEY, 0600);
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), first), 0);
    assert_int_equal(http_server_requests(world->server), 3);
    assert_non_null(strstr(http_server_head(world->server, 2), KEY));
    assert_int_equal(dropped(world, EYE_EXPORT_UNAUTHORIZED), 4);
    assert_int_equal(atomic_load(&world->sample->stats.seen), 4);
}

static void deliver__makes_smaller_payloads_when_told_to(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"},
        {.answer = ACCEPTED},
        {.answer = ACCEPTED},
        {.answer = VALID}};
    struct world *world = *state;
    start(world, scripts, 4, 0, "");
    add_series(world, 100);
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    assert_int_equal(http_server_requests(world->server), 4);
    assert_int_equal(series_in(world, 0), 100);
    assert_int_equal(series_in(world, 1), 50);
    assert_int_equal(series_in(world, 2), 50);
    assert_int_equal(points(world), 100);
}

/* Tag values without any pattern do not compress: the limit of the wire is kept all the same. */
static void deliver__keeps_the_limit_of_compressed_bytes(void **state)
{
    static const struct http_script scripts[] = {{.answer = ACCEPTED}};
    static const char alphabet[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";
    enum { COUNT = 950 };
    static const enum eye_tag names[] = {EYE_TAG_SERVICE, EYE_TAG_PROCESS, EYE_TAG_CONTAINER,
                                         EYE_TAG_REMOTE};
    struct world *world = *state;
    uint64_t number = 0x9e3779b97f4a7c15U;
    start(world, scripts, 1, 0, "");
    for (size_t i = 0; i < COUNT; i++) {
        char text[EYE_ARRAY_LENGTH(names)][191];
        struct eye_tag_value tags[EYE_ARRAY_LENGTH(names) + 1] = {{0, NULL}};
        for (size_t t = 0; t < EYE_ARRAY_LENGTH(names); t++) {
            for (size_t k = 0; k < 190; k++) {
                number = number * 6364136223846793005U + 1442695040888963407U;
                text[t][k] = alphabet[number >> 58];
            }
            text[t][190] = '\0';
            tags[t] = (struct eye_tag_value){names[t], text[t]};
        }
        tags[EYE_ARRAY_LENGTH(names)].value = NULL;
        sample_add(world->sample, EYE_METRIC_TCP_OPENED, 1, tags);
    }
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    assert_int_equal(points(world), COUNT);
    size_t series = 0;
    size_t requests = http_server_requests(world->server) - 1; /* the last one validates */
    assert_true(requests > 1);
    for (size_t i = 0; i < requests; i++) {
        size_t length;
        http_server_body(world->server, i, &length);
        assert_true(length <= 512000);
        series += series_in(world, i);
    }
    assert_int_equal(series, COUNT);
}

static void open__tells_what_is_wrong(void **state)
{
    struct world *world = *state;
    assert_int_equal(configure(world, "site: datadoghq.eu"), 0);
    assert_true(open_lane(world, 0) < 0);
    assert_non_null(strstr(world->error.text, "no API key"));
    assert_int_equal(configure(world, "api_key_file: /nonexistent/key"), 0);
    assert_true(open_lane(world, 0) < 0);
    assert_non_null(strstr(world->error.text, "/nonexistent/key"));
    setenv("DD_API_KEY", KEY, 1);
    setenv("DD_SITE", "evil/path", 1);
    assert_int_equal(configure(world, "encoding: json"), 0);
    assert_true(open_lane(world, 0) < 0);
    assert_non_null(strstr(world->error.text, "DD_SITE"));
    setenv("DD_SITE", "datadoghq.eu", 1);
    assert_int_equal(open_lane(world, 0), 0);
    eye_exporter_close(&eye_exporter_datadog, EYE_TAKE(world->exporter));
    unsetenv("DD_API_KEY");
    unsetenv("DD_SITE");
    write_key(world, KEY, 0644);
    char settings[64];
    snprintf(settings, sizeof(settings), "api_key_file: %s", world->key_file);
    assert_int_equal(configure(world, settings), 0);
    assert_true(open_lane(world, 0) < 0);
    assert_non_null(strstr(world->error.text, "chmod 600"));
    assert_null(strstr(world->error.text, KEY));
    assert_null(world->exporter);
}

static void configuration__refuses_bad_values(void **state)
{
    static const char *const cases[] = {
        "site: \"a b\"",
        "site: \"evil/path\"",
        "url: \"ftp://host\"",
        "url: \"http://user:password@host\"",
        "url: \"http://host/?key=x\"",
        "compression: snappy",
        "encoding: xml",
        "api_key: hunter2",
        "headers: [\"X: y\\nZ: w\"]",
        "timeout: 0s",
    };
    struct world *world = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(configure(world, cases[i]), -EINVAL);
        assert_null(world->config);
    }
}

/* ---- By the hour ---- */

static bool is_validation(const struct world *world, size_t index)
{
    return strncmp(http_server_head(world->server, index), "GET /api/v1/validate ", 21) == 0;
}

/* Moves the clock and delivers: how many requests that makes. */
static size_t requests_after(struct world *world, uint64_t ns)
{
    size_t before = http_server_requests(world->server);
    clock_move(ns);
    add_values(world);
    assert_int_equal(deliver(world, sample_take(world->sample), NULL), 0);
    return http_server_requests(world->server) - before;
}

static void validate__asks_once_an_hour(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = ACCEPTED},  {.answer = VALID},    {.answer = ACCEPTED}, {.answer = ACCEPTED},
        {.answer = FORBIDDEN}, {.answer = ACCEPTED}, {.answer = VALID},
    };
    struct world *world = *state;
    struct log_file log;
    start(world, scripts, EYE_ARRAY_LENGTH(scripts), 0, "");
    log_file_begin(&log);
    size_t first = requests_after(world, 0);
    clock_set_wall(7 * (int64_t)HOUR); /* has no say */
    size_t early = requests_after(world, 59 * MINUTE);
    size_t hour = requests_after(world, 2 * MINUTE);
    size_t next = requests_after(world, HOUR);
    size_t said_valid = log_file_count(&log, "the API key is valid");
    size_t said_not = log_file_count(&log, "the API key is not valid");
    log_file_end(&log);
    assert_int_equal(first, 2);
    assert_int_equal(early, 1);
    assert_int_equal(hour, 2);
    assert_int_equal(next, 2);
    assert_true(is_validation(world, 1) && is_validation(world, 4) && is_validation(world, 6));
    assert_int_equal(said_valid, 2);
    assert_int_equal(said_not, 1);
}

/* A key that is refused is read again, but not for each payload. */
static void key__is_read_again_once_a_minute(void **state)
{
    static const struct http_script script = {.answer = FORBIDDEN};
    struct world *world = *state;
    start(world, &script, 1, 1, ""); /* sketches: no validation */
    write_key(world, OTHER_KEY "\n", 0600);
    assert_int_equal(requests_after(world, 0), 2); /* refused, and with the new key */
    write_key(world, KEY "\n", 0600);
    assert_int_equal(requests_after(world, 59 * EYE_NS_PER_SECOND), 1);
    assert_int_equal(requests_after(world, 2 * EYE_NS_PER_SECOND), 2);
    assert_non_null(strstr(http_server_head(world->server, 2), OTHER_KEY));
    assert_non_null(strstr(http_server_head(world->server, 4), KEY));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(deliver__posts_series_and_asks_about_the_key_once),
        TEST(deliver__posts_sketches_on_their_own_lane),
        TEST(deliver__sends_nothing_when_nothing_happened),
        TEST(compression__is_what_the_setting_says),
        TEST(deliver__keeps_what_the_intake_cannot_take_now),
        TEST(deliver__counts_what_the_intake_never_takes),
        TEST(key__is_read_again_when_refused_and_used_at_once),
        TEST(key__that_stays_refused_costs_the_points_and_is_not_asked_often),
        TEST(deliver__counts_what_an_accepted_body_had_wrong),
        TEST(deliver__counts_an_endless_list_of_errors),
        TEST(deliver__splits_sketches_beyond_4_mib),
        TEST(tags__have_each_key_once),
        TEST(environment__is_understood),
        TEST(deliver__makes_smaller_payloads_when_told_to),
        TEST(deliver__keeps_the_limit_of_compressed_bytes),
        TEST(open__tells_what_is_wrong),
        TEST(configuration__refuses_bad_values),
        TEST(validate__asks_once_an_hour),
        TEST(key__is_read_again_once_a_minute),
    };
    return cmocka_run_group_tests_name("datadog", tests, NULL, NULL);
}
