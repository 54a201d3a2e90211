/* SPDX-License-Identifier: Apache-2.0 */
/* The whole exporter against real sockets: lines, messages, times, receivers that go and come. */
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/unit/exporters/exporter_run.h"

extern const struct eye_exporter_type eye_exporter_graphite;

#define TCP "type: graphite, url: 'tcp://127.0.0.1:%%', retention: 10s, tags: ['host:h'], %s"
#define SERVICES 900

static int set_up(void **state)
{
    *state = exporter_run_new(&eye_exporter_graphite);
    return 0;
}

static int tear_down(void **state)
{
    exporter_run_free(*state);
    return 0;
}

static void open_tcp(struct exporter_run *run, const char *settings)
{
    char yaml[256];
    snprintf(yaml, sizeof(yaml), TCP, settings);
    exporter_run_listen(run, SOCK_STREAM);
    assert_int_equal(exporter_run_open(run, yaml), 0);
}

static void count(struct exporter_run *run, const char *service, double value)
{
    sample_add(run->sample, EYE_METRIC_TCP_SENT_BYTES, value,
               SAMPLE_TAGS({EYE_TAG_SERVICE, service}));
}

static const char *delivered(struct exporter_run *run)
{
    assert_int_equal(exporter_run_deliver(run), 0);
    exporter_run_assert_accounts(run);
    return exporter_run_read(run);
}

/* ---- Lines ---- */

static void lines__counters_are_increases(void **state)
{
    struct exporter_run *run = *state;
    open_tcp(run, "");
    count(run, "api", 7);
    assert_string_equal(delivered(run), "sockeye.tcp.sent.bytes;host=h;service=api 7 1785672000\n");
    count(run, "api", 5);
    assert_string_equal(delivered(run), "sockeye.tcp.sent.bytes;host=h;service=api 5 1785672010\n");
    assert_string_equal(delivered(run), "sockeye.tcp.sent.bytes;host=h;service=api 0 1785672020\n");
}

static void lines__counters_as_totals(void **state)
{
    struct exporter_run *run = *state;
    open_tcp(run, "counters: total");
    count(run, "api", 7);
    delivered(run);
    count(run, "api", 5);
    assert_string_equal(delivered(run),
                        "sockeye.tcp.sent.bytes;host=h;service=api 12 1785672010\n");
}

/* Carbon as it comes keeps the last point of each minute: their sum is what was counted. */
static void lines__of_a_slot_add_up_by_default(void **state)
{
    struct exporter_run *run = *state;
    static const char *const expected[] = {
        " 7 1785672000\n",  " 14 1785672000\n", " 21 1785672000\n", " 28 1785672000\n",
        " 35 1785672000\n", " 42 1785672000\n", " 7 1785672060\n",  " 14 1785672060\n",
    };
    exporter_run_listen(run, SOCK_STREAM);
    assert_int_equal(exporter_run_open(run, "type: graphite, url: 'tcp://127.0.0.1:%', "
                                            "style: dotted, template: '{metric}', "
                                            "metrics: {allow: [tcp.sent.bytes]}"),
                     0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(expected); i++) {
        count(run, "api", 7);
        const char *line = delivered(run);
        assert_memory_equal(line, "sockeye.tcp.sent.bytes", 22);
        assert_string_equal(line + 22, expected[i]);
    }
}

static void lines__distributions(void **state)
{
    struct exporter_run *run = *state;
    open_tcp(run, "style: dotted");
    for (size_t i = 0; i < 4; i++) {
        sample_add(run->sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "a"}));
    }
    assert_string_equal(delivered(run), "h.sockeye.tcp.rtt.a.count 4 1785672000\n"
                                        "h.sockeye.tcp.rtt.a.sum 4 1785672000\n"
                                        "h.sockeye.tcp.rtt.a.p50 1 1785672000\n"
                                        "h.sockeye.tcp.rtt.a.p95 1 1785672000\n"
                                        "h.sockeye.tcp.rtt.a.p99 1 1785672000\n"
                                        "h.sockeye.tcp.rtt.a.max 1 1785672000\n");
    assert_string_equal(delivered(run), "h.sockeye.tcp.rtt.a.count 0 1785672010\n"
                                        "h.sockeye.tcp.rtt.a.sum 0 1785672010\n");
}

/* The bin of both stands for 1. */
static void lines__the_greatest_is_no_less_than_the_mean(void **state)
{
    struct exporter_run *run = *state;
    open_tcp(run, "style: dotted");
    sample_add(run->sample, EYE_METRIC_TCP_RTT, 1.007, SAMPLE_TAGS({EYE_TAG_SERVICE, "a"}));
    const char *lines = delivered(run);
    assert_non_null(strstr(lines, "rtt.a.sum 1.007 "));
    assert_non_null(strstr(lines, "rtt.a.p99 1 "));
    assert_non_null(strstr(lines, "rtt.a.max 1.007 "));
}

static void lines__ending_stands_before_tags(void **state)
{
    struct exporter_run *run = *state;
    open_tcp(run, "counters: total");
    sample_add(run->sample, EYE_METRIC_TCP_RTT, 0.0625, SAMPLE_TAGS({EYE_TAG_SERVICE, "a"}));
    const char *lines = delivered(run);
    assert_non_null(strstr(lines, "sockeye.tcp.rtt.sum;host=h;service=a 0.0625 1785672000\n"));
    assert_non_null(strstr(lines, "sockeye.tcp.rtt.p99;host=h;service=a 0.06"));
}

static void lines__gauges_are_plain_numbers(void **state)
{
    struct exporter_run *run = *state;
    static const struct {
        double value;
        const char *written;
    } rows[] = {{0.125, "0.125"}, {-3, "-3"}, {1e20, "100000000000000000000"}};
    open_tcp(run, "style: dotted, template: '{metric}'");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        sample_add(run->sample, EYE_METRIC_SELF_MEMORY, rows[i].value, SAMPLE_TAGS());
        char expected[80];
        snprintf(expected, sizeof(expected), "sockeye.memory.resident %s %zu\n", rows[i].written,
                 1785672000 + 10 * i);
        assert_string_equal(delivered(run), expected);
    }
    sample_add(run->sample, EYE_METRIC_SELF_MEMORY, NAN, SAMPLE_TAGS());
    assert_string_equal(delivered(run), "");
    assert_int_equal(atomic_load(&run->sample->stats.dropped[EYE_EXPORT_INVALID]), 1);
}

/* ---- Times ---- */

static void time__is_the_slot_of_the_interval(void **state)
{
    struct exporter_run *run = *state;
    static const struct {
        uint64_t end_ms;
        uint64_t length_ms;
        const char *time;
    } rows[] = {
        {20000, 10000, " 10\n"},                         /* on time */
        {20003, 10003, " 10\n"},                         /* a bit late, early */
        {19998, 9998, " 10\n"},  {23500, 3500, " 20\n"}, /* the last one of a daemon that stops */
        {30000, 3000, " 20\n"},                          /* the first one of the next */
        {40000, 20000, " 30\n"},                         /* one was missed */
    };
    open_tcp(run, "style: dotted, template: '{metric}'");
    sample_add(run->sample, EYE_METRIC_SELF_MEMORY, 1, SAMPLE_TAGS());
    struct eye_snapshot *snapshot = sample_take(run->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        snapshot->time_ns = rows[i].end_ms * 1000000;
        snapshot->interval_ns = rows[i].length_ms * 1000000;
        int result = eye_exporter_graphite.deliver(run->exporter, snapshot, NULL, &run->failure);
        assert_int_equal(result, 0);
        assert_string_equal(strrchr(exporter_run_read(run), ' '), rows[i].time);
    }
}

/* ---- Transports ---- */

static void count_everywhere(struct exporter_run *run)
{
    for (size_t i = 0; i < SERVICES; i++) {
        char service[32];
        snprintf(service, sizeof(service), "service-%zu", i);
        count(run, service, (double)i + 1);
    }
}

static void udp__datagrams_hold_whole_lines(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_DGRAM);
    assert_int_equal(exporter_run_open(run, "type: graphite, url: 'udp://127.0.0.1:%'"), 0);
    for (char service = 'a'; service <= 'z'; service++) {
        char value[] = {service, '\0'};
        count(run, value, 1);
    }
    const char *line = delivered(run);
    size_t lines = 0;
    for (; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_memory_equal(line, "sockeye.tcp.sent.bytes;host=", 28);
        lines++;
    }
    assert_int_equal(lines, 26);
    assert_in_range(run->largest, 1000, 1432);
}

/* Walks the messages; returns how many points they have. */
static size_t read_messages(struct exporter_run *run, size_t *ret_messages)
{
    size_t points = 0;
    size_t at = 0;
    size_t messages = 0;
    for (; at < run->bytes.length; messages++) {
        uint32_t length;
        memcpy(&length, run->bytes.data + at, sizeof(length));
        length = be32toh(length);
        assert_true(length < 1 << 20);
        const char *message = run->bytes.data + at + sizeof(length);
        assert_memory_equal(message, "\x80\x02](", 4);
        assert_memory_equal(message + length - 2, "e.", 2);
        for (size_t i = 0; i + 1 < length; i++) {
            points += memcmp(message + i, "\x86\x86", 2) == 0;
        }
        at += sizeof(length) + length;
    }
    assert_int_equal(at, run->bytes.length);
    *ret_messages = messages;
    return points;
}

static void pickle__messages_are_whole_and_not_too_long(void **state)
{
    struct exporter_run *run = *state;
    exporter_run_listen(run, SOCK_STREAM);
    assert_int_equal(exporter_run_open(run, "type: graphite, url: 'pickle://127.0.0.1:%'"), 0);
    count_everywhere(run);
    sample_add(run->sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS());
    delivered(run);
    size_t messages = 0;
    assert_int_equal(read_messages(run, &messages), SERVICES + 6);
    assert_int_equal(messages, SERVICES / 500 + 1);
    assert_int_equal(atomic_load(&run->sample->stats.points), SERVICES + 1);
    assert_int_equal(atomic_load(&run->sample->stats.bytes), run->bytes.length);
}

static void tcp__receiver_that_hung_up_is_noticed_before_anything_is_sent(void **state)
{
    struct exporter_run *run = *state;
    open_tcp(run, "");
    count(run, "api", 1);
    delivered(run);
    exporter_run_hang_up(run);
    exporter_run_listen(run, SOCK_STREAM);
    count(run, "api", 2);
    assert_string_equal(delivered(run), "sockeye.tcp.sent.bytes;host=h;service=api 2 1785672010\n");
}

static void tcp__refused_snapshot_comes_again(void **state)
{
    struct exporter_run *run = *state;
    open_tcp(run, "");
    exporter_run_hang_up(run);
    count(run, "api", 3);
    assert_int_not_equal(exporter_run_deliver(run), 0);
    assert_int_equal(run->failure.reason, EYE_EXPORT_REFUSED);
    exporter_run_listen(run, SOCK_STREAM);
    const struct eye_snapshot *now = run->sample->snapshots[0];
    assert_int_equal(eye_exporter_graphite.deliver(run->exporter, now, NULL, &run->failure), 0);
    assert_string_equal(exporter_run_read(run),
                        "sockeye.tcp.sent.bytes;host=h;service=api 3 1785672000\n");
    exporter_run_assert_accounts(run);
}

static void open__refuses(void **state)
{
    struct exporter_run *run = *state;
    static const struct {
        const char *yaml;
        const char *says;
    } rows[] = {
        {"type: graphite, url: 'http://127.0.0.1:1'", "pickle://HOST:PORT"},
        {"type: graphite, url: 'unixgram:///x'", "pickle://HOST:PORT"},
        {"type: graphite, url: 'pickle://'", "pickle://HOST:PORT"},
        {"type: graphite, url: 'pickle://h:0'", "pickle://HOST:PORT"},
        {"type: graphite, style: dashed", "dashed"},
        {"type: graphite, template: '{metric}'", "style: dotted"},
        {"type: graphite, style: dotted, template: '{host}'", "{metric}"},
        {"type: graphite, url: 'tls://h', tls: {cert_file: /nonexistent}", "tls.key_file"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        assert_int_not_equal(exporter_run_open(run, rows[i].yaml), 0);
        assert_null(run->exporter);
        assert_non_null(strstr(run->error.text, rows[i].says));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines__counters_are_increases),
        TEST(lines__counters_as_totals),
        TEST(lines__of_a_slot_add_up_by_default),
        TEST(lines__distributions),
        TEST(lines__the_greatest_is_no_less_than_the_mean),
        TEST(lines__ending_stands_before_tags),
        TEST(lines__gauges_are_plain_numbers),
        TEST(time__is_the_slot_of_the_interval),
        TEST(udp__datagrams_hold_whole_lines),
        TEST(pickle__messages_are_whole_and_not_too_long),
        TEST(tcp__receiver_that_hung_up_is_noticed_before_anything_is_sent),
        TEST(tcp__refused_snapshot_comes_again),
        TEST(open__refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
