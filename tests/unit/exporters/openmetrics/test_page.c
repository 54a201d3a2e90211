/* SPDX-License-Identifier: Apache-2.0 */
/* Pages letter by letter: names, labels, histograms, and what would collide. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/openmetrics/page.h"
#include "exporters/otlp/model.h"
#include "exporters/prometheus/names.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_pages pages;
    bool created;
    struct eye_text page;
    struct eye_page_counts counts;
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sample = sample_new(NULL)};
    eye_text_init(&fixture.page, 1 << 20);
    *state = &fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_text_done(&fixture->page);
    eye_pages_done(&fixture->pages);
    eye_selection_done(&fixture->selection);
    sample_free(fixture->sample);
    return 0;
}

static void set_tags(struct fixture *fixture, char **tags, size_t count)
{
    fixture->sample->config.tags = (struct eye_text_list){tags, count};
}

static void init_pages(struct fixture *fixture)
{
    eye_pages_done(&fixture->pages);
    eye_selection_done(&fixture->selection);
    assert_int_equal(eye_selection_init(&fixture->selection, &fixture->sample->setup), 0);
    assert_int_equal(eye_pages_init(&fixture->pages, &fixture->selection, fixture->created), 0);
}

static const char *render_again(struct fixture *fixture, enum eye_page_format format)
{
    eye_text_clear(&fixture->page);
    assert_int_equal(eye_pages_write(&fixture->pages, sample_take(fixture->sample), format,
                                     &fixture->page, &fixture->counts),
                     0);
    return eye_text_string(&fixture->page);
}

static const char *render(struct fixture *fixture, enum eye_page_format format)
{
    init_pages(fixture);
    return render_again(fixture, format);
}

static void assert_contains(const char *page, const char *part)
{
    if (strstr(page, part) == NULL) {
        fail_msg("%s\nnot in\n%s", part, page);
    }
}

static void page__of_nothing_is_valid(void **state)
{
    struct fixture *fixture = *state;
    init_pages(fixture);
    assert_int_equal(eye_pages_write(&fixture->pages, NULL, EYE_PAGE_OPENMETRICS, &fixture->page,
                                     &fixture->counts),
                     0);
    assert_string_equal(eye_text_string(&fixture->page), "# EOF\n");
    assert_string_equal(render(fixture, EYE_PAGE_OPENMETRICS), "# EOF\n");
    assert_string_equal(render(fixture, EYE_PAGE_TEXT), "");
}

static void fill(struct sample *sample)
{
    sample_add(sample, EYE_METRIC_TCP_OPENED, 12, SAMPLE_TAGS({EYE_TAG_DIRECTION, "incoming"}));
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 2.5, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 1024,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "nginx"}, {EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_SELF_CPU, 1500000, SAMPLE_TAGS());
}

static void page__has_openmetrics_metadata(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    assert_string_equal(render(fixture, EYE_PAGE_OPENMETRICS),
                        "# TYPE sockeye_tcp_connections_opened counter\n"
                        "# HELP sockeye_tcp_connections_opened TCP connections established\n"
                        "sockeye_tcp_connections_opened_total{direction=\"incoming\"} 12\n"
                        "# TYPE sockeye_tcp_connections_active gauge\n"
                        "# HELP sockeye_tcp_connections_active established TCP connections now\n"
                        "sockeye_tcp_connections_active 2.5\n"
                        "# TYPE sockeye_tcp_sent_bytes counter\n"
                        "# UNIT sockeye_tcp_sent_bytes bytes\n"
                        "# HELP sockeye_tcp_sent_bytes payload sent, each byte once\n"
                        "sockeye_tcp_sent_bytes_total{service=\"nginx\",port=\"80\"} 1024\n"
                        "# TYPE sockeye_cpu_time_seconds counter\n"
                        "# UNIT sockeye_cpu_time_seconds seconds\n"
                        "# HELP sockeye_cpu_time_seconds CPU time of the daemon, user and system\n"
                        "sockeye_cpu_time_seconds_total 0.0015\n"
                        "# EOF\n");
    assert_int_equal(fixture->counts.points, 4);
    assert_int_equal(fixture->counts.collisions, 0);
}

static void page__has_text_metadata(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    assert_string_equal(
        render(fixture, EYE_PAGE_TEXT),
        "# TYPE sockeye_tcp_connections_opened_total counter\n"
        "# HELP sockeye_tcp_connections_opened_total TCP connections established\n"
        "sockeye_tcp_connections_opened_total{direction=\"incoming\"} 12\n"
        "# TYPE sockeye_tcp_connections_active gauge\n"
        "# HELP sockeye_tcp_connections_active established TCP connections now\n"
        "sockeye_tcp_connections_active 2.5\n"
        "# TYPE sockeye_tcp_sent_bytes_total counter\n"
        "# HELP sockeye_tcp_sent_bytes_total payload sent, each byte once\n"
        "sockeye_tcp_sent_bytes_total{service=\"nginx\",port=\"80\"} 1024\n"
        "# TYPE sockeye_cpu_time_seconds_total counter\n"
        "# HELP sockeye_cpu_time_seconds_total CPU time of the daemon, user and system\n"
        "sockeye_cpu_time_seconds_total 0.0015\n");
}

#define FAMILY "http_server_request_duration_seconds"
#define LABELS                                                                                     \
    "service_name=\"nginx\",server_port=\"80\",http_request_method=\"GET\","                       \
    "http_response_status_code=\"200\",http_route=\"/\""
#define BUCKET(le, count) FAMILY "_bucket{" LABELS ",le=\"" le "\"} " #count "\n"

static void histogram__accumulates_by_the_values_of_bins(void **state)
{
    struct fixture *fixture = *state;
    static const double values[] = {0, 1e-7, 0.00001, 0.0003, 0.0003, 1, 1, 59, 1000};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION, values[i],
                   SAMPLE_TAGS({EYE_TAG_METHOD, "GET"}, {EYE_TAG_STATUS, "200"},
                               {EYE_TAG_ROUTE, "/"}, {EYE_TAG_SERVICE, "nginx"},
                               {EYE_TAG_PORT, "80"}));
    }
    const char *page = render(fixture, EYE_PAGE_OPENMETRICS);
    assert_string_equal(
        page,
        "# TYPE " FAMILY " histogram\n"
        "# UNIT " FAMILY " seconds\n"
        "# HELP " FAMILY
        " first byte of the request to first byte of the response, server end\n" BUCKET("1e-05", 3)
            BUCKET("2.5e-05", 3) BUCKET("5e-05", 3) BUCKET("0.0001", 3) BUCKET("0.00025", 3)
                BUCKET("0.0005", 5) BUCKET("0.001", 5) BUCKET("0.0025", 5) BUCKET("0.005", 5)
                    BUCKET("0.01", 5) BUCKET("0.025", 5) BUCKET("0.05", 5) BUCKET("0.1", 5)
                        BUCKET("0.25", 5) BUCKET("0.5", 5) BUCKET("1.0", 7) BUCKET("2.5", 7)
                            BUCKET("5.0", 7) BUCKET("10.0", 7) BUCKET("30.0", 7) BUCKET("60.0", 8)
                                BUCKET("+Inf", 9) FAMILY "_sum{" LABELS "} 1061.0006101\n" FAMILY
                                                         "_count{" LABELS "} 9\n"
                                                         "# EOF\n");
    assert_int_equal(fixture->counts.points, 1);
}

static void histogram__without_labels_has_le_alone(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_TCP_RTT, 0.2, SAMPLE_TAGS());
    const char *page = render(fixture, EYE_PAGE_TEXT);
    assert_contains(page, "# TYPE sockeye_tcp_rtt_seconds histogram\n");
    assert_contains(page, "\nsockeye_tcp_rtt_seconds_bucket{le=\"0.1\"} 0\n"
                          "sockeye_tcp_rtt_seconds_bucket{le=\"0.25\"} 1\n");
    assert_contains(page, "\nsockeye_tcp_rtt_seconds_bucket{le=\"+Inf\"} 1\n"
                          "sockeye_tcp_rtt_seconds_sum 0.2\n"
                          "sockeye_tcp_rtt_seconds_count 1\n");
}

static void labels__are_escaped_and_valid(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value;
        const char *expected;
    } cases[] = {
        {"a\"b", "{service=\"a\\\"b\"} 1\n"},
        {"a\\", "{service=\"a\\\\\"} 1\n"},
        {"a\nb", "{service=\"a\\nb\"} 1\n"},
        {"\"} 1\nx 2", "{service=\"\\\"} 1\\nx 2\"} 1\n"},
        {"caf\xC3\xA9", "{service=\"caf\xC3\xA9\"} 1\n"},
        {"z\xFF", "{service=\"z\xEF\xBF\xBD\"} 1\n"},
        {"\x1b[2J\r", "{service=\"\xEF\xBF\xBD[2J\xEF\xBF\xBD\"} 1\n"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, cases[i].value}));
    }
    const char *page = render(fixture, EYE_PAGE_OPENMETRICS);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_contains(page, cases[i].expected);
    }
    assert_int_equal(fixture->counts.points, EYE_ARRAY_LENGTH(cases));
}

static void labels__that_become_the_same_are_counted(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "a\xFE"}));
    sample_add(sample, EYE_METRIC_TCP_OPENED, 2, SAMPLE_TAGS({EYE_TAG_SERVICE, "a\xFF"}));
    sample_add(sample, EYE_METRIC_TCP_OPENED, 4, SAMPLE_TAGS({EYE_TAG_SERVICE, ""}));
    sample_add(sample, EYE_METRIC_TCP_OPENED, 8, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_TCP_CLOSED, 16, SAMPLE_TAGS({EYE_TAG_SERVICE, "a\xFF"}));
    assert_string_equal(
        render(fixture, EYE_PAGE_OPENMETRICS),
        "# TYPE sockeye_tcp_connections_opened counter\n"
        "# HELP sockeye_tcp_connections_opened TCP connections established\n"
        "sockeye_tcp_connections_opened_total{service=\"a\xEF\xBF\xBD\"} 1\n"
        "sockeye_tcp_connections_opened_total 4\n"
        "# TYPE sockeye_tcp_connections_closed counter\n"
        "# HELP sockeye_tcp_connections_closed established TCP connections that ended\n"
        "sockeye_tcp_connections_closed_total{service=\"a\xEF\xBF\xBD\"} 16\n"
        "# EOF\n");
    assert_int_equal(fixture->counts.points, 3);
    assert_int_equal(fixture->counts.collisions, 2);
}

static void fixed_tags__become_labels(void **state)
{
    struct fixture *fixture = *state;
    static char env[] = "env:test";
    static char later[] = "env:pro\"d";
    static char service[] = "service:fixed";
    static char dotted[] = "__data-center.name:x";
    static char digit[] = "1st:y";
    static char bare[] = "bare";
    static char strange[] = "\xC3\xA9:z";
    static char *tags[] = {env, service, dotted, digit, bare, strange, later};
    set_tags(fixture, tags, EYE_ARRAY_LENGTH(tags));
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(fixture->sample, EYE_METRIC_SELF_MEMORY, 1, SAMPLE_TAGS());
    const char *page = render(fixture, EYE_PAGE_TEXT);
    /* `service` is a label of connections, also of those without one. */
    assert_contains(page, "\nsockeye_tcp_connections_opened_total{port=\"80\","
                          "data_center_name=\"x\",tag_1st=\"y\",tag=\"z\",env=\"pro\\\"d\"} 1\n");
    assert_contains(page, "\nsockeye_memory_resident_bytes{service=\"fixed\","
                          "data_center_name=\"x\",tag_1st=\"y\",tag=\"z\",env=\"pro\\\"d\"} 1\n");
}

static void fixed_tags__yield_to_real_labels(void **state)
{
    struct fixture *fixture = *state;
    static char le[] = "le:1";
    static char attribute[] = "http.route:x";
    static char own[] = "route:y";
    static char *tags[] = {le, attribute, own};
    set_tags(fixture, tags, EYE_ARRAY_LENGTH(tags));
    sample_add(fixture->sample, EYE_METRIC_HTTP_SERVER_DURATION, 1, SAMPLE_TAGS());
    sample_add(fixture->sample, EYE_METRIC_SELF_MEMORY, 1, SAMPLE_TAGS());
    const char *page = render(fixture, EYE_PAGE_TEXT);
    assert_contains(page, "\nhttp_server_request_duration_seconds_count{route=\"y\"} 1\n");
    assert_contains(page, "{le=\"1\",http_route=\"x\",route=\"y\"} 1\n");
}

static void names__take_any_prefix(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *prefix;
        enum eye_metric_id metric;
        const char *expected;
    } cases[] = {
        {"sockeye.", EYE_METRIC_TCP_RTT, "sockeye_tcp_rtt_seconds"},
        {"sockeye.", EYE_METRIC_SELF_MEMORY, "sockeye_memory_resident_bytes"},
        {"sockeye.", EYE_METRIC_SELF_SENT_BYTES, "sockeye_exporter_sent_bytes"},
        {"sockeye.", EYE_METRIC_SELF_RING_FILL, "sockeye_kernel_ring_fill_ratio"},
        {"sockeye.", EYE_METRIC_HTTP_CLIENT_DURATION, "http_client_request_duration_seconds"},
        {"", EYE_METRIC_TCP_SENT_BYTES, "tcp_sent_bytes"},
        {"my-net.", EYE_METRIC_TCP_OPENED, "my_net_tcp_connections_opened"},
        {"4.", EYE_METRIC_TCP_OPENED, "_4_tcp_connections_opened"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        fixture->selection.prefix = cases[i].prefix;
        eye_text_clear(&fixture->page);
        eye_prometheus_append_family(&fixture->selection, eye_metric(cases[i].metric),
                                     &fixture->page);
        assert_string_equal(eye_text_string(&fixture->page), cases[i].expected);
    }
}

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name);
    size_t ending_length = strlen(ending);
    return length >= ending_length && strcmp(name + length - ending_length, ending) == 0;
}

/*
 * Whatever the prefix is: two families get one name when a prefix makes one into the other. So no
 * page needs to look for it.
 */
static void names__of_the_catalogue_are_distinct_under_any_prefix(void **state)
{
    struct fixture *fixture = *state;
    fixture->selection.prefix = "";
    for (unsigned i = 0; i < EYE_METRIC_COUNT; i++) {
        for (unsigned k = 0; k < EYE_METRIC_COUNT; k++) {
            eye_text_clear(&fixture->page);
            eye_prometheus_append_family(&fixture->selection, eye_metric(i), &fixture->page);
            eye_text_append_bytes(&fixture->page, "", 1);
            size_t second = fixture->page.length;
            eye_prometheus_append_family(&fixture->selection, eye_metric(k), &fixture->page);
            assert_true(i == k || !ends_with(fixture->page.data, fixture->page.data + second));
        }
    }
}

/*
 * What a receiver of OTLP calls a metric when it speaks Prometheus, "OTLP metric points to
 * Prometheus" in https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 */
static void append_translated(const struct fixture *fixture, const struct eye_metric *metric,
                              struct eye_text *text)
{
    const struct eye_otlp_model model = {.selection = &fixture->selection};
    const char *unit = eye_unit_info(metric->unit)->ucum;
    eye_otlp_append_name(&model, metric, text);
    for (char *byte = text->data; *byte != '\0'; byte++) {
        *byte = isalnum((unsigned char)*byte) != 0 ? *byte : '_';
    }
    const char *word = strcmp(unit, "s") == 0 ? "seconds" : strcmp(unit, "By") == 0 ? "bytes" : "";
    bool is_ratio = strcmp(unit, "1") == 0 && metric->kind == EYE_GAUGE;
    word = is_ratio ? "ratio" : word;
    if (*word != '\0' && strstr(text->data, word) == NULL) {
        eye_text_appendf(text, "_%s", word);
    }
    eye_text_append(text, metric->kind == EYE_COUNTER ? "_total" : "");
}

static void names__are_the_same_by_otlp(void **state)
{
    struct fixture *fixture = *state;
    fixture->selection.prefix = "sockeye.";
    for (unsigned i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        EYE_CLEANUP(eye_text_done) struct eye_text translated;
        eye_text_init(&translated, 256);
        append_translated(fixture, metric, &translated);
        eye_text_clear(&fixture->page);
        eye_prometheus_append_family(&fixture->selection, metric, &fixture->page);
        eye_text_append(&fixture->page, metric->kind == EYE_COUNTER ? "_total" : "");
        assert_string_equal(eye_text_string(&translated), eye_text_string(&fixture->page));
    }
}

static void series__come_and_go_between_pages(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "2"}));
    assert_contains(render(fixture, EYE_PAGE_TEXT), "_total{port=\"1\"} 1\n");
    eye_series_remove(sample->registry,
                      eye_registry_first(sample->registry, EYE_METRIC_TCP_OPENED));
    sample_add(sample, EYE_METRIC_TCP_OPENED, 7, SAMPLE_TAGS({EYE_TAG_PORT, "3"}));
    assert_string_equal(render_again(fixture, EYE_PAGE_TEXT),
                        "# TYPE sockeye_tcp_connections_opened_total counter\n"
                        "# HELP sockeye_tcp_connections_opened_total TCP connections established\n"
                        "sockeye_tcp_connections_opened_total{port=\"2\"} 1\n"
                        "sockeye_tcp_connections_opened_total{port=\"3\"} 7\n");
}

/* The first interval of a sample begins 10 s before the first snapshot. */
static void created__is_told_on_openmetrics_pages_when_asked_for(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    fixture->created = true;
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 1, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS());
    const char *page = render(fixture, EYE_PAGE_OPENMETRICS);
    assert_contains(page, "\nsockeye_tcp_connections_opened_total{port=\"1\"} 1\n"
                          "sockeye_tcp_connections_opened_created{port=\"1\"} 1785672000.000\n");
    assert_contains(page, "\nsockeye_tcp_connections_active 1\n# TYPE");
    assert_contains(page, "\nsockeye_tcp_rtt_seconds_count 1\n"
                          "sockeye_tcp_rtt_seconds_created 1785672000.000\n");
    assert_null(strstr(render_again(fixture, EYE_PAGE_TEXT), "_created"));
    sample_add(sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS({EYE_TAG_PORT, "2"}));
    page = render_again(fixture, EYE_PAGE_OPENMETRICS);
    assert_contains(page, "\nsockeye_tcp_rtt_seconds_created 1785672000.000\n");
    assert_contains(page, "\nsockeye_tcp_rtt_seconds_created{port=\"2\"} 1785672020.000\n");
}

static void page__leaves_out_unwanted_metrics(void **state)
{
    struct fixture *fixture = *state;
    static char cpu[] = "sockeye.cpu.*";
    static char *allow[] = {cpu};
    fixture->sample->own.common.allow = (struct eye_text_list){allow, 1};
    fill(fixture->sample);
    render(fixture, EYE_PAGE_TEXT);
    assert_int_equal(fixture->counts.points, 1);
}

static void page__that_does_not_fit_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->sample);
    init_pages(fixture);
    const struct eye_snapshot *snapshot = sample_take(fixture->sample);
    for (size_t max = 0; max < 600; max++) {
        struct eye_text small;
        struct eye_page_counts counts = {77, 77, 77};
        eye_text_init(&small, max);
        int result = eye_pages_write(&fixture->pages, snapshot, EYE_PAGE_TEXT, &small, &counts);
        eye_text_done(&small);
        assert_int_equal(result, -ENOMEM);
        assert_int_equal(counts.points, 77);
        assert_int_equal(counts.collisions, 77);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(page__of_nothing_is_valid),
        TEST(page__has_openmetrics_metadata),
        TEST(page__has_text_metadata),
        TEST(histogram__accumulates_by_the_values_of_bins),
        TEST(histogram__without_labels_has_le_alone),
        TEST(labels__are_escaped_and_valid),
        TEST(labels__that_become_the_same_are_counted),
        TEST(fixed_tags__become_labels),
        TEST(fixed_tags__yield_to_real_labels),
        TEST(names__take_any_prefix),
        TEST(names__of_the_catalogue_are_distinct_under_any_prefix),
        TEST(names__are_the_same_by_otlp),
        TEST(series__come_and_go_between_pages),
        TEST(created__is_told_on_openmetrics_pages_when_asked_for),
        TEST(page__leaves_out_unwanted_metrics),
        TEST(page__that_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
