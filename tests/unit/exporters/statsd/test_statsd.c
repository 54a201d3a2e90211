/* SPDX-License-Identifier: Apache-2.0 */
/* The whole exporter against real sockets: each transport, refusals, its settings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/unit/exporters/exporter_run.h"

extern const struct eye_exporter_type eye_exporter_statsd;

#define SERVICES 300

static int set_up(void **state)
{
    *state = exporter_run_new(&eye_exporter_statsd);
    return 0;
}

static int tear_down(void **state)
{
    exporter_run_free(*state);
    return 0;
}

static void count(struct exporter_run *run, const char *service, double value)
{
    sample_add(run->sample, EYE_METRIC_TCP_SENT_BYTES, value,
               SAMPLE_TAGS({EYE_TAG_SERVICE, service}));
}

static void count_everywhere(struct exporter_run *run)
{
    for (size_t i = 0; i < SERVICES; i++) {
        char service[32];
        snprintf(service, sizeof(service), "service-%zu", i);
        count(run, service, (double)i + 1);
    }
}

static uint64_t stat_of(const atomic_uint_fast64_t *stat)
{
    return atomic_load(stat);
}

static void assert_everything_came(struct exporter_run *run)
{
    const char *line = exporter_run_read(run);
    for (size_t i = 0; i < SERVICES; i++) {
        char expected[80];
        snprintf(expected, sizeof(expected), "sockeye.tcp.sent.bytes.service-%zu:%zu|c\n", i,
                 i + 1);
        line += strspn(line, "\n"); /* what fills datagrams up */
        assert_memory_equal(line, expected, strlen(expected));
        line += strlen(expected);
    }
    assert_string_equal(line, "");
    assert_int_equal(stat_of(&run->sample->stats.points), SERVICES);
    assert_int_equal(stat_of(&run->sample->stats.bytes), run->bytes.length);
    exporter_run_assert_accounts(run);
}

static void assert_everything_comes_over_udp(struct exporter_run *run, const char *yaml)
{
    exporter_run_listen(run, SOCK_DGRAM);
    assert_int_equal(exporter_run_open(run, yaml), 0);
    count_everywhere(run);
    assert_int_equal(exporter_run_deliver(run), 0);
    assert_everything_came(run);
}

static void statsd__udp(void **state)
{
    struct exporter_run *run = *state;
    assert_everything_comes_over_udp(run, "type: statsd, url: 'udp://127.0.0.1:%'");
    assert_int_equal(run->largest, 1432);
    assert_int_equal(run->pieces, run->bytes.length / 1432 + 1);
    assert_non_null(strstr(run->bytes.data, "\n\n"));
}

static void statsd__udp_without_empty_lines(void **state)
{
    struct exporter_run *run = *state;
    assert_everything_comes_over_udp(run, "type: statsd, url: 'udp://127.0.0.1:%', fill_up: false");
    assert_in_range(run->largest, 1350, 1432);
    assert_int_equal(run->pieces, run->bytes.length / 1400 + 1);
    assert_null(strstr(run->bytes.data, "\n\n"));
}

static void statsd__tcp(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_STREAM);
    assert_int_equal(exporter_run_open(run, "type: statsd, url: 'tcp://127.0.0.1:%'"), 0);
    count_everywhere(run);
    assert_int_equal(exporter_run_deliver(run), 0);
    assert_everything_came(run);
}

static void statsd__unixgram(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen_unix(run);
    assert_int_equal(exporter_run_open(run, "type: statsd, url: 'unixgram://%'"), 0);
    count_everywhere(run);
    assert_int_equal(exporter_run_deliver(run), 0);
    assert_everything_came(run);
    assert_in_range(run->largest, 8000, 8192);
}

static void statsd__payload_is_a_setting(void **state)
{
    struct exporter_run *run = *state;
    assert_everything_comes_over_udp(run, "type: statsd, url: 'udp://127.0.0.1:%', payload: 512B");
    assert_in_range(run->largest, 450, 512);
}

static void statsd__refused_counts_arrive_later(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_DGRAM);
    assert_int_equal(exporter_run_open(run, "type: statsd, url: 'udp://127.0.0.1:%'"), 0);
    exporter_run_hang_up(run);
    count(run, "api", 5);
    assert_int_not_equal(exporter_run_deliver(run), 0);
    assert_int_equal(run->failure.reason, EYE_EXPORT_REFUSED);
    assert_false(run->failure.started);
    assert_int_equal(stat_of(&run->sample->stats.seen), 0);
    exporter_run_listen(run, SOCK_DGRAM);
    count(run, "api", 7);
    assert_int_equal(exporter_run_deliver(run), 0);
    assert_string_equal(exporter_run_read(run), "sockeye.tcp.sent.bytes.api:12|c\n");
    exporter_run_assert_accounts(run);
}

static void statsd__collisions_are_dropped_and_counted(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_DGRAM);
    assert_int_equal(exporter_run_open(run, "type: statsd, url: 'udp://127.0.0.1:%', "
                                            "template: '{metric}'"),
                     0);
    count(run, "a", 1);
    count(run, "b", 2);
    count(run, "c", 3);
    assert_int_equal(exporter_run_deliver(run), 0);
    assert_string_equal(exporter_run_read(run), "sockeye.tcp.sent.bytes:1|c\n");
    assert_int_equal(stat_of(&run->sample->stats.dropped[EYE_EXPORT_COLLISION]), 2);
    exporter_run_assert_accounts(run);
}

static void statsd__settings_reach_the_lines(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_DGRAM);
    assert_int_equal(exporter_run_open(run, "type: statsd, url: 'udp://127.0.0.1:%', prefix: x., "
                                            "dialect: influxdb, distributions: gauges, "
                                            "tags: ['env:a b'], metrics: {allow: ['tcp.rtt']}"),
                     0);
    count(run, "a", 1);
    sample_add(run->sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "s"}));
    assert_int_equal(exporter_run_deliver(run), 0);
    const char *lines = exporter_run_read(run);
    const char *first = "x.tcp.rtt.p50,env=a_b,service=s:1000|g\n";
    assert_memory_equal(lines, first, strlen(first));
    assert_non_null(strstr(lines, "\nx.tcp.rtt.count,env=a_b,service=s:1|c\n"));
    assert_null(strstr(lines, "sent"));
    assert_int_equal(stat_of(&run->sample->stats.points), 1);
}

/* What is sent after a gauge, a counter and a distribution when the daemon stops. */
static void assert_end(struct exporter_run *run, const char *settings, const char *expected)
{
    char yaml[256];
    snprintf(yaml, sizeof(yaml),
             "type: statsd, url: 'udp://127.0.0.1:%%', template: '{metric}', "
             "metrics: {allow: ['tcp.*', '*memory*']}, %s",
             settings);
    assert_int_equal(exporter_run_open(run, yaml), 0);
    assert_int_equal(exporter_run_deliver(run), 0);
    exporter_run_read(run);
    uint64_t points = stat_of(&run->sample->stats.points);
    assert_int_equal(exporter_run_finish(run), 0);
    assert_string_equal(exporter_run_read(run), expected);
    assert_int_equal(stat_of(&run->sample->stats.points), points);
}

/* A server repeats its gauges for ever. */
static void statsd__ends_gauges_with_zero(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_DGRAM);
    count(run, "a", 1);
    sample_add(run->sample, EYE_METRIC_SELF_MEMORY, 5, SAMPLE_TAGS());
    sample_add(run->sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS());
    /* Of these the server has never heard: one is not wanted, the other has no value. */
    sample_add(run->sample, EYE_METRIC_SELF_RING_FILL, 1, SAMPLE_TAGS());
    eye_group_series(run->sample->group, EYE_METRIC_TCP_CONNECT, NULL, 0);
    assert_end(run, "",
               "sockeye.tcp.rtt.p50:0|g\nsockeye.tcp.rtt.p95:0|g\n"
               "sockeye.tcp.rtt.p99:0|g\nsockeye.tcp.rtt.max:0|g\n"
               "sockeye.tcp.rtt.mean:0|g\nsockeye.memory.resident:0|g\n");
    assert_end(run, "distributions: samples", "sockeye.memory.resident:0|g\n");
    assert_end(run, "zero_on_stop: false", "");
    assert_int_equal(eye_exporter_statsd.finish(run->exporter, NULL, &run->failure), 0);
    assert_string_equal(exporter_run_read(run), "");
}

/* More than one datagram, each as long as allowed. */
static void statsd__ends_many_gauges_with_zero(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_DGRAM);
    assert_int_equal(exporter_run_open(run, "type: statsd, url: 'udp://127.0.0.1:%'"), 0);
    for (size_t i = 0; i < SERVICES; i++) {
        char service[32];
        snprintf(service, sizeof(service), "service-%zu", i);
        sample_add(run->sample, EYE_METRIC_TCP_ACTIVE, 2, SAMPLE_TAGS({EYE_TAG_SERVICE, service}));
    }
    assert_int_equal(exporter_run_deliver(run), 0);
    exporter_run_read(run);
    assert_int_equal(exporter_run_finish(run), 0);
    size_t zeros = 0;
    for (const char *at = exporter_run_read(run); (at = strstr(at, ":0|g\n")) != NULL; at++) {
        zeros++;
    }
    assert_int_equal(zeros, SERVICES);
    assert_in_range(run->largest, 1350, 1432);
}

static void open__refuses(void **state)
{
    struct exporter_run *run = *state;
    static const struct {
        const char *yaml;
        const char *says;
    } rows[] = {
        {"type: statsd, url: 'http://127.0.0.1:1'", "udp://HOST:PORT"},
        {"type: statsd, url: 'unixstream:///x'", "udp://HOST:PORT"},
        {"type: statsd, url: 'udp://'", "udp://HOST:PORT"},
        {"type: statsd, url: 'udp://h:99999'", "udp://HOST:PORT"},
        {"type: statsd, dialect: dogma", "dogma"},
        {"type: statsd, payload: 511B", "512"},
        {"type: statsd, payload: 1MiB", "payload"},
        {"type: statsd, template: '{metric}.{nope}'", "{nope}"},
        {"type: statsd, dialect: graphite, template: '{metric}'", "dialect: graphite"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        assert_int_equal(exporter_run_open(run, rows[i].yaml), -EINVAL);
        assert_null(run->exporter);
        assert_non_null(strstr(run->error.text, rows[i].says));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(statsd__udp),
        TEST(statsd__udp_without_empty_lines),
        TEST(statsd__tcp),
        TEST(statsd__unixgram),
        TEST(statsd__payload_is_a_setting),
        TEST(statsd__refused_counts_arrive_later),
        TEST(statsd__collisions_are_dropped_and_counted),
        TEST(statsd__settings_reach_the_lines),
        TEST(statsd__ends_gauges_with_zero),
        TEST(statsd__ends_many_gauges_with_zero),
        TEST(open__refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
