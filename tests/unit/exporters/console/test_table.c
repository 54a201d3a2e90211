/* SPDX-License-Identifier: Apache-2.0 */
/* The page for a person, letter by letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/console/table.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_text out;
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sample = sample_new(NULL)};
    eye_text_init(&fixture.out, 1 << 20);
    *state = &fixture;
    return eye_selection_init(&fixture.selection, &fixture.sample->setup);
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_text_done(&fixture->out);
    eye_selection_done(&fixture->selection);
    sample_free(fixture->sample);
    return 0;
}

static const char *render(struct fixture *fixture, const struct eye_console_style *style,
                          const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    eye_text_clear(&fixture->out);
    assert_int_equal(eye_console_table(&fixture->selection, style, now, before, 10, &fixture->out),
                     0);
    return eye_text_string(&fixture->out);
}

static const struct eye_console_style plain = {.colour = false, .width = 0};
static const struct eye_console_style narrow = {.colour = false, .width = 80};

#define NGINX                                                                                      \
    {EYE_TAG_DIRECTION, "incoming"}, {EYE_TAG_SERVICE, "nginx"}, {EYE_TAG_PORT, "80"},             \
    {                                                                                              \
        EYE_TAG_FAMILY, "ipv4"                                                                     \
    }
#define POSTGRES                                                                                   \
    {EYE_TAG_DIRECTION, "outgoing"}, {EYE_TAG_SERVICE, "api"}, {EYE_TAG_PORT, "5432"},             \
    {                                                                                              \
        EYE_TAG_FAMILY, "ipv6"                                                                     \
    }

static void fill(struct sample *sample)
{
    sample_add(sample, EYE_METRIC_TCP_OPENED, 25, SAMPLE_TAGS(POSTGRES));
    sample_add(sample, EYE_METRIC_TCP_FAILED, 2, SAMPLE_TAGS(POSTGRES, {EYE_TAG_REASON, "reset"}));
    sample_add(sample, EYE_METRIC_TCP_FAILED, 3,
               SAMPLE_TAGS(POSTGRES, {EYE_TAG_REASON, "timeout"}));
    sample_add(sample, EYE_METRIC_TCP_CONNECT, 0.0001, SAMPLE_TAGS(POSTGRES));
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 1000, SAMPLE_TAGS(POSTGRES));
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1200, SAMPLE_TAGS(NGINX));
    sample_add(sample, EYE_METRIC_TCP_CLOSED, 1190, SAMPLE_TAGS(NGINX));
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 10, SAMPLE_TAGS(NGINX));
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 52428800, SAMPLE_TAGS(NGINX));
    sample_add(sample, EYE_METRIC_TCP_RECEIVED_BYTES, 20480, SAMPLE_TAGS(NGINX));
    sample_add(sample, EYE_METRIC_TCP_RETRANSMITS, 7, SAMPLE_TAGS(NGINX));
    sample_add(sample, EYE_METRIC_TCP_RTT, 0.001, SAMPLE_TAGS(NGINX));
    sample_add(sample, EYE_METRIC_HTTP_SERVER_DURATION, 0.0025,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "nginx"}, {EYE_TAG_PORT, "80"},
                           {EYE_TAG_METHOD, "GET"}, {EYE_TAG_ROUTE, "/users/*"},
                           {EYE_TAG_STATUS, "200"}));
    sample_add(
        sample, EYE_METRIC_HTTP_CLIENT_DURATION, 1.5,
        SAMPLE_TAGS({EYE_TAG_SERVICE, "api"}, {EYE_TAG_METHOD, "POST"}, {EYE_TAG_STATUS, "500"}));
    sample_add(sample, EYE_METRIC_SELF_CPU, 12e6, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_SELF_MEMORY, 5505024, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_SELF_KERNEL_LOST, 4,
               SAMPLE_TAGS({EYE_TAG_PROGRAM, "tcp"}, {EYE_TAG_REASON, "ring_full"}));
    sample_add(sample, EYE_METRIC_SELF_DROPPED, 6,
               SAMPLE_TAGS({EYE_TAG_EXPORTER, "dogstatsd"}, {EYE_TAG_REASON, "too_long"}));
}

#define RESOLVER                                                                                   \
    {EYE_TAG_DIRECTION, "incoming"}, {EYE_TAG_SERVICE, "dnsmasq"}, {EYE_TAG_PORT, "53"},           \
    {                                                                                              \
        EYE_TAG_FAMILY, "ipv4"                                                                     \
    }

/* Drops of all reasons together; what goes to a group in a row of its own. */
static void table__tells_of_datagrams(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_UDP_SENT_BYTES, 102400, SAMPLE_TAGS(RESOLVER));
    sample_add(sample, EYE_METRIC_UDP_RECEIVED_BYTES, 20480, SAMPLE_TAGS(RESOLVER));
    sample_add(sample, EYE_METRIC_UDP_SENT, 500, SAMPLE_TAGS(RESOLVER));
    sample_add(sample, EYE_METRIC_UDP_RECEIVED, 400, SAMPLE_TAGS(RESOLVER));
    sample_add(sample, EYE_METRIC_UDP_DROPPED, 2,
               SAMPLE_TAGS(RESOLVER, {EYE_TAG_REASON, "buffer"}));
    sample_add(sample, EYE_METRIC_UDP_DROPPED, 1, SAMPLE_TAGS(RESOLVER, {EYE_TAG_REASON, "other"}));
    sample_add(sample, EYE_METRIC_UDP_RECEIVED, 10,
               SAMPLE_TAGS(RESOLVER, {EYE_TAG_CAST, "multicast"}));
    const struct eye_snapshot *now = sample_take(sample);
    assert_string_equal(
        render(fixture, &plain, now, NULL),
        "2026-08-02 12:00:10 UTC  last 10 s\n"
        "\n"
        "UDP\n"
        "direction  service  port  family  cast         sent/s    recv/s  dgrams sent/s"
        "  dgrams recv/s  dropped\n"
        "incoming   dnsmasq  53    ipv4    -          10.0 KiB  2.00 KiB             50"
        "             40        3\n"
        "incoming   dnsmasq  53    ipv4    multicast       0 B       0 B              0"
        "              1        0\n"
        "\n"
        "sockeye\n"
        "\n");
}

/* Calls in a section of their own, which has no routes. */
static void table__tells_of_calls(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_HTTP_SERVER_DURATION, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "api"}, {EYE_TAG_ROUTE, "/"}, {EYE_TAG_STATUS, "200"},
                           {EYE_TAG_VERSION, "2"}));
    sample_add(
        sample, EYE_METRIC_RPC_SERVER_DURATION, 1,
        SAMPLE_TAGS({EYE_TAG_SERVICE, "api"}, {EYE_TAG_METHOD, "a.B/C"}, {EYE_TAG_STATUS, "OK"}));
    const struct eye_snapshot *now = sample_take(sample);
    assert_string_equal(
        render(fixture, &plain, now, NULL),
        "2026-08-02 12:00:10 UTC  last 10 s\n"
        "\n"
        "HTTP\n"
        "side    service  route  status  version  requests/s     p50     p95     p99\n"
        "server  api      /      200     2              0.10  1.00 s  1.00 s  1.00 s\n"
        "\n"
        "gRPC\n"
        "side    service  method  status  requests/s     p50     p95     p99\n"
        "server  api      a.B/C   OK            0.10  1.00 s  1.00 s  1.00 s\n"
        "\n"
        "sockeye\n"
        "\n");
}

/* A value of @tag that no other series has. */
static void write_value(char *value, size_t size, const struct eye_metric *metric, enum eye_tag tag)
{
    snprintf(value, size, "%s/%s", metric->name, eye_tag_info(tag)->name);
}

static void add_with_all_tags(struct sample *sample, const struct eye_metric *metric)
{
    char values[EYE_TAG_COUNT][64];
    struct eye_tag_value tags[EYE_TAG_COUNT + 1] = {0};
    size_t count = 0;
    for (enum eye_tag tag = 0; tag < EYE_TAG_COUNT; tag++) {
        if (eye_metric_has_tag(metric, tag)) {
            write_value(values[tag], sizeof(values[tag]), metric, tag);
            tags[count++] = (struct eye_tag_value){tag, values[tag]};
        }
    }
    sample_add(sample, metric->id, 1, tags);
}

static void assert_all_tags_shown(const char *page, const struct eye_metric *metric)
{
    for (enum eye_tag tag = 0; tag < EYE_TAG_COUNT; tag++) {
        char value[64];
        write_value(value, sizeof(value), metric, tag);
        if (eye_metric_has_tag(metric, tag) && strstr(page, value) == NULL) {
            fail_msg("no table has %s", value);
        }
    }
}

/* Every kind of request, and one metric of connections and of datagrams each. */
static bool has_a_row(const struct eye_metric *metric)
{
    return (metric->kind == EYE_DISTRIBUTION && eye_metric_has_tag(metric, EYE_TAG_ERROR)) ||
           metric->id == EYE_METRIC_TCP_SENT_BYTES || metric->id == EYE_METRIC_UDP_SENT_BYTES;
}

/* Else rows that differ look alike, and what a protocol tells stands nowhere. */
static void table__has_every_tag(void **state)
{
    struct fixture *fixture = *state;
    for (enum eye_metric_id id = 0; id < EYE_METRIC_COUNT; id++) {
        if (has_a_row(eye_metric(id))) {
            add_with_all_tags(fixture->sample, eye_metric(id));
        }
    }
    const char *page = render(fixture, &plain, sample_take(fixture->sample), NULL);
    for (enum eye_metric_id id = 0; id < EYE_METRIC_COUNT; id++) {
        if (has_a_row(eye_metric(id))) {
            assert_all_tags_shown(page, eye_metric(id));
        }
    }
}

static void table__tells_of_databases_brokers_and_names(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_DB_CLIENT_DURATION, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "api"}, {EYE_TAG_PORT, "5432"},
                           {EYE_TAG_DB_SYSTEM, "postgresql"}, {EYE_TAG_OPERATION, "SELECT"},
                           {EYE_TAG_STATUS, "42P01"}));
    sample_add(sample, EYE_METRIC_MESSAGING_SERVER_DURATION, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "kafka"}, {EYE_TAG_OPERATION, "send"},
                           {EYE_TAG_DESTINATION, "orders"}));
    sample_add(sample, EYE_METRIC_DNS_LOOKUP, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "api"}, {EYE_TAG_TYPE, "A"},
                           {EYE_TAG_RCODE, "NXDOMAIN"}, {EYE_TAG_TRANSPORT, "udp"}));
    const struct eye_snapshot *now = sample_take(sample);
    assert_string_equal(
        render(fixture, &plain, now, NULL),
        "2026-08-02 12:00:10 UTC  last 10 s\n"
        "\n"
        "Databases\n"
        "side    service  port  db_system   operation  status  requests/s     p50     p95     p99\n"
        "client  api      5432  postgresql  SELECT     42P01         0.10  1.00 s  1.00 s  1.00 "
        "s\n"
        "\n"
        "Messaging\n"
        "side    service  operation  destination  requests/s     p50     p95     p99\n"
        "server  kafka    send       orders             0.10  1.00 s  1.00 s  1.00 s\n"
        "\n"
        "DNS\n"
        "side    service  transport  type  rcode     requests/s     p50     p95     p99\n"
        "client  api      udp        A     NXDOMAIN        0.10  1.00 s  1.00 s  1.00 s\n"
        "\n"
        "sockeye\n"
        "\n");
}

static void table__is_aligned_and_sorted_by_traffic(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    assert_string_equal(
        render(fixture, &plain, now, NULL),
        "2026-08-02 12:00:10 UTC  last 10 s\n"
        "\n"
        "TCP\n"
        "direction  service  port  family  active  opened/s  closed/s  failed    sent/s"
        "    recv/s  retrans  rtt p50  rtt p99  connect p50  connect p99\n"
        "incoming   nginx    80    ipv4        10       120       119       0  5.00 MiB"
        "  2.00 KiB        7   993 us   993 us            -            -\n"
        "outgoing   api      5432  ipv6         0      2.50         0       5     100 B"
        "       0 B        0        -        -       100 us       100 us\n"
        "\n"
        "HTTP\n"
        "side    service  port  method  route     status  requests/s      p50      p95 "
        "     p99\n"
        "server  nginx    80    GET     /users/*  200           0.10  2.52 ms  2.52 ms "
        " 2.52 ms\n"
        "client  api      -     POST    -         500           0.10   1.50 s   1.50 s "
        "  1.50 s\n"
        "\n"
        "sockeye  memory 5.25 MiB\n"
        "  lost in the kernel: 4  reason ring_full  program tcp\n"
        "  dropped by an exporter: 6  reason too_long  exporter dogstatsd\n"
        "\n");
}

static void table__leaves_out_what_is_at_rest(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    const struct eye_snapshot *before = sample_take(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    assert_string_equal(
        render(fixture, &plain, now, before),
        "2026-08-02 12:00:20 UTC  last 10 s\n"
        "\n"
        "TCP\n"
        "direction  service  port  family  active  opened/s  closed/s  failed  sent/s  "
        "recv/s  retrans  rtt p50  rtt p99  connect p50  connect p99\n"
        "incoming   nginx    80    ipv4        10         0         0       0     0 B  "
        "   0 B        0        -        -            -            -\n"
        "\n"
        "sockeye  CPU 0.00 %  memory 5.25 MiB\n"
        "\n");
}

static void table__gives_the_cpu_of_the_interval(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    const struct eye_snapshot *before = sample_take(fixture->sample);
    sample_add(fixture->sample, EYE_METRIC_SELF_CPU, 25e6, SAMPLE_TAGS());
    const struct eye_snapshot *now = sample_take(fixture->sample);
    assert_non_null(strstr(render(fixture, &plain, now, before), "\nsockeye  CPU 0.25 %  memory"));
}

static void table__says_that_nothing_was_seen(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_snapshot *empty = sample_take(fixture->sample);
    assert_string_equal(render(fixture, &plain, empty, NULL),
                        "2026-08-02 12:00:10 UTC  last 10 s\n"
                        "\n"
                        "No connection and no request seen yet.\n"
                        "\n"
                        "sockeye\n"
                        "\n");
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS(NGINX));
    const struct eye_snapshot *before = sample_take(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    assert_non_null(strstr(render(fixture, &plain, now, before),
                           "\nNo connection is open and nothing was sent.\n"));
}

static void table__says_that_the_filter_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const char filtered[] = "\nmetrics.allow and metrics.deny leave nothing to show.\n";
    fixture->selection.wanted[EYE_METRIC_TCP_OPENED] = false;
    const struct eye_snapshot *empty = sample_take(fixture->sample);
    assert_null(strstr(render(fixture, &plain, empty, NULL), filtered));
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS(NGINX));
    const struct eye_snapshot *opened = sample_take(fixture->sample);
    assert_non_null(strstr(render(fixture, &plain, opened, NULL), filtered));
    const struct eye_snapshot *rest = sample_take(fixture->sample);
    assert_null(strstr(render(fixture, &plain, rest, opened), filtered));
    memset(fixture->selection.wanted, 0, sizeof(fixture->selection.wanted));
    assert_non_null(strstr(render(fixture, &plain, rest, opened), filtered));
}

/* Rows that differ in one column only, which would go before others. */
static void table__leaves_out_last_what_tells_rows_apart(void **state)
{
    struct fixture *fixture = *state;
    static const char *const families[] = {"ipv4", "ipv6"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(families); i++) {
        sample_add(fixture->sample, EYE_METRIC_TCP_SENT_BYTES, 1000,
                   SAMPLE_TAGS({EYE_TAG_DIRECTION, "incoming"}, {EYE_TAG_SERVICE, "nginx"},
                               {EYE_TAG_PORT, "80"}, {EYE_TAG_FAMILY, families[i]}));
        sample_add(fixture->sample, EYE_METRIC_TCP_RTT, 0.001,
                   SAMPLE_TAGS({EYE_TAG_DIRECTION, "incoming"}, {EYE_TAG_SERVICE, "nginx"},
                               {EYE_TAG_PORT, "80"}, {EYE_TAG_FAMILY, families[i]}));
    }
    const struct eye_console_style tight = {.width = 44};
    const char *page = render(fixture, &tight, sample_take(fixture->sample), NULL);
    assert_non_null(strstr(page, "ipv4"));
    assert_non_null(strstr(page, "ipv6"));
    assert_non_null(strstr(page, "no room for rtt p50, rtt p99;"));
}

static void table__says_how_many_rows_are_missing(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < EYE_CONSOLE_ROWS + 37; i++) {
        char port[8];
        snprintf(port, sizeof(port), "%d", i + 1);
        sample_add(fixture->sample, EYE_METRIC_TCP_SENT_BYTES, i + 1,
                   SAMPLE_TAGS({EYE_TAG_PORT, port}));
    }
    const char *page = render(fixture, &plain, sample_take(fixture->sample), NULL);
    assert_non_null(strstr(page, "\n... and 37 more\n"));
    assert_non_null(strstr(page, "\n57  "));
    assert_non_null(strstr(page, "\n38  "));
    assert_null(strstr(page, "\n37  "));
}

static void table__keeps_control_bytes_from_the_terminal(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION, 1,
               SAMPLE_TAGS({EYE_TAG_ROUTE, "/\x1b]0;x\x07\n\xC2\x9B\x9B\xE2\x80\xAE\xC3\xA9"}));
    sample_add(fixture->sample, EYE_METRIC_SELF_KERNEL_LOST, 1,
               SAMPLE_TAGS({EYE_TAG_PROGRAM, "\x1b[2J"}));
    const char *page = render(fixture, &plain, sample_take(fixture->sample), NULL);
    assert_non_null(strstr(page, "/?]0;x?????\xC3\xA9 "));
    assert_non_null(strstr(page, "lost in the kernel: 1  program ?[2J\n"));
    assert_null(strchr(page, '\x1b'));
}

/* What says something stays, in order of importance; what shows nothing goes first. */
static void table__leaves_out_columns_that_have_no_room(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    assert_string_equal(
        render(fixture, &narrow, sample_take(fixture->sample), NULL),
        "2026-08-02 12:00:10 UTC  last 10 s\n"
        "\n"
        "TCP\n"
        "direction  service  port  active  opened/s  failed    sent/s    recv/s  retrans\n"
        "incoming   nginx    80        10       120       0  5.00 MiB  2.00 KiB        7\n"
        "outgoing   api      5432       0      2.50       5     100 B       0 B        0\n"
        "no room for family, closed/s, rtt p50, rtt p99, connect p50, connect p99\n"
        "\n"
        "HTTP\n"
        "side    service  port  method  route     status  requests/s      p50      p99\n"
        "server  nginx    80    GET     /users/*  200           0.10  2.52 ms  2.52 ms\n"
        "client  api      -     POST    -         500           0.10   1.50 s   1.50 s\n"
        "no room for p95\n"
        "\n"
        "sockeye  memory 5.25 MiB\n"
        "  lost in the kernel: 4  reason ring_full  program tcp\n"
        "  dropped by an exporter: 6  reason too_long  exporter dogstatsd\n"
        "\n");
}

static void table__leaves_out_first_what_shows_nothing(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_TCP_RTT, 0.001, SAMPLE_TAGS(NGINX));
    sample_add(fixture->sample, EYE_METRIC_TCP_CONNECT, 0.001, SAMPLE_TAGS(NGINX));
    const struct eye_snapshot *now = sample_take(fixture->sample);
    assert_non_null(
        strstr(render(fixture, &narrow, now, NULL),
               "direction  service  port  family  rtt p50  rtt p99  connect p50  connect p99\n"
               "incoming   nginx    80    ipv4     993 us   993 us       993 us       993 us\n"
               "no room and nothing in active, opened/s, closed/s, failed, sent/s, recv/s,\n"
               "retrans\n"));
    static const struct eye_console_style narrower = {.colour = false, .width = 60};
    assert_non_null(strstr(render(fixture, &narrower, now, NULL),
                           "direction  service  port  family  rtt p50  connect p50\n"
                           "incoming   nginx    80    ipv4     993 us       993 us\n"
                           "no room for rtt p99, connect p99; nothing in active,\n"
                           "opened/s, closed/s, failed, sent/s, recv/s, retrans\n"));
}

static size_t longest_line(const char *page)
{
    size_t longest = 0;
    while (*page != '\0') {
        size_t length = strcspn(page, "\n");
        longest = length > longest ? length : longest;
        page += length + 1;
    }
    return longest;
}

static void table__folds_texts_and_cuts_none(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "a-service-whose-name-is-long"},
                           {EYE_TAG_ROUTE, "/a/long/route/that/does/not/fit/whatever/is/left/out"},
                           {EYE_TAG_STATUS, "200"}));
    const char *page = render(fixture, &narrow, sample_take(fixture->sample), NULL);
    static const char expected[] =
        "side    service                route                  status  requests/s     p99\n"
        "server  a-service-whose-name-  /a/long/route/that/do  200           0.10  1.00 s\n"
        "        is-long                es/not/fit/whatever/i\n"
        "                               s/left/out\n"
        "no room for p50, p95\n";
    assert_non_null(strstr(page, expected));
    assert_in_range(longest_line(page), 1, 80);
}

/* A name that has room without a spare number is not folded for it. */
static void table__keeps_rows_in_one_line(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "prometheus-node-exporter"},
                           {EYE_TAG_ROUTE, "/api/v1/query"}, {EYE_TAG_STATUS, "200"}));
    const char *page = render(fixture, &narrow, sample_take(fixture->sample), NULL);
    static const char expected[] =
        "side    service                   route          status  requests/s     p99\n"
        "server  prometheus-node-exporter  /api/v1/query  200           0.10  1.00 s\n"
        "no room for p50, p95\n";
    assert_non_null(strstr(page, expected));
}

/* The columns that are never left out, and the losses below the tables. */
#define ALWAYS_FITS 65

static void table__cuts_nothing_at_any_width(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    size_t whole = longest_line(render(fixture, &plain, now, NULL));
    assert_in_range(whole, 100, 199);
    for (size_t width = 20; width < 200; width++) {
        const struct eye_console_style style = {.colour = false, .width = width};
        const char *page = render(fixture, &style, now, NULL);
        if (width >= ALWAYS_FITS) {
            assert_in_range(longest_line(page), 1, width);
        }
        assert_non_null(strstr(page, "5.00 MiB"));
        assert_non_null(strstr(page, "5432"));
        assert_true((strstr(page, "no room") == NULL) == (width >= whole));
    }
}

static void table__marks_headings_in_colour(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    const struct eye_console_style coloured = {.colour = true, .width = 0};
    const char *page = render(fixture, &coloured, sample_take(fixture->sample), NULL);
    assert_non_null(strstr(page, "\n\033[1mTCP\033[0m\n\033[2mdirection  "));
    assert_non_null(strstr(page, "connect p99\033[0m\n"));
}

static void table__shows_only_wanted_metrics(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    memset(fixture->selection.wanted, 0, sizeof(fixture->selection.wanted));
    fixture->selection.wanted[EYE_METRIC_HTTP_CLIENT_DURATION] = true;
    const char *page = render(fixture, &plain, sample_take(fixture->sample), NULL);
    assert_null(strstr(page, "TCP"));
    assert_null(strstr(page, "server"));
    assert_non_null(strstr(page, "client"));
    assert_non_null(strstr(page, "lost in the kernel"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {
        TEST(table__is_aligned_and_sorted_by_traffic),
        TEST(table__tells_of_datagrams),
        TEST(table__tells_of_calls),
        TEST(table__tells_of_databases_brokers_and_names),
        TEST(table__has_every_tag),
        TEST(table__leaves_out_what_is_at_rest),
        TEST(table__gives_the_cpu_of_the_interval),
        TEST(table__says_that_nothing_was_seen),
        TEST(table__says_that_the_filter_leaves_nothing),
        TEST(table__leaves_out_last_what_tells_rows_apart),
        TEST(table__says_how_many_rows_are_missing),
        TEST(table__keeps_control_bytes_from_the_terminal),
        TEST(table__leaves_out_columns_that_have_no_room),
        TEST(table__leaves_out_first_what_shows_nothing),
        TEST(table__folds_texts_and_cuts_none),
        TEST(table__keeps_rows_in_one_line),
        TEST(table__cuts_nothing_at_any_width),
        TEST(table__marks_headings_in_colour),
        TEST(table__shows_only_wanted_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
