/* SPDX-License-Identifier: Apache-2.0 */
/* The StatsD encoder: golden lines in every dialect, weights, limits, hostile tags. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/encode/decimal.h"
#include "exporters/statsd/lines.h"
#include "tests/support/random.h"
#include "tests/unit/exporters/sample.h"

#define OUTPUT_BYTES ((size_t)1 << 22)

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_statsd_names names;
    struct eye_statsd_lines lines;
    struct eye_identities identities;
    struct eye_text payload;
    struct eye_text output; /* all payloads */
    size_t payloads;
    size_t refused[3]; /* too long, invalid, collisions */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->sample = sample_new(NULL);
    fixture->selection.prefix = "sockeye.";
    memset(fixture->selection.wanted, true, sizeof(fixture->selection.wanted));
    eye_text_init(&fixture->output, OUTPUT_BYTES);
    *state = fixture;
    return 0;
}

static void forget_encoder(struct fixture *fixture)
{
    eye_identities_done(&fixture->identities);
    eye_statsd_lines_done(&fixture->lines);
    eye_text_done(&fixture->payload);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    forget_encoder(fixture);
    eye_text_done(&fixture->output);
    sample_free(fixture->sample);
    free(fixture);
    return 0;
}

static void use(struct fixture *fixture, enum eye_statsd_dialect_id dialect,
                enum eye_statsd_distributions distributions, size_t payload_bytes)
{
    forget_encoder(fixture);
    fixture->names.selection = &fixture->selection;
    fixture->names.dialect = dialect;
    assert_int_equal(
        eye_template_parse("{metric}.{tags}", &fixture->selection, &fixture->names.template, NULL),
        0);
    assert_int_equal(eye_statsd_lines_init(&fixture->lines, dialect, distributions), 0);
    eye_identities_init(&fixture->identities, eye_statsd_write_name, &fixture->names,
                        fixture->selection.wanted, payload_bytes - EYE_STATSD_LINE_BYTES);
    eye_text_init(&fixture->payload, payload_bytes);
}

static void flush(struct fixture *fixture)
{
    assert_true(fixture->payload.length > 0);
    assert_true(fixture->payload.length <= fixture->payload.max_bytes);
    /* A negative gauge stands behind the zero that makes it absolute. */
    assert_int_not_equal(strchr(fixture->payload.data, ':')[1], '-');
    eye_text_append(&fixture->output, eye_text_string(&fixture->payload));
    eye_text_clear(&fixture->payload);
    fixture->payloads++;
}

static void add(struct fixture *fixture, size_t index, const struct eye_change *change)
{
    size_t part = 0;
    int result = 0;
    const struct eye_identity *identity = eye_identities_at(&fixture->identities, index);
    while ((result = eye_statsd_lines_add(&fixture->lines, identity, change, &fixture->payload,
                                          &part)) == -ENOBUFS) {
        flush(fixture);
    }
    fixture->refused[0] += result == -EMSGSIZE;
    fixture->refused[1] += result == -EINVAL;
    fixture->refused[2] += result == -EEXIST;
    assert_true(result == 0 || result == -EMSGSIZE || result == -EINVAL || result == -EEXIST);
}

/* What all changes since the last call are in lines. */
static const char *encode(struct fixture *fixture)
{
    struct sample *sample = fixture->sample;
    struct eye_snapshot *before =
        sample->sequence == 0 ? NULL : sample->snapshots[sample->sequence - 1];
    struct eye_snapshot *now = sample_take(sample);
    assert_int_equal(eye_identities_follow(&fixture->identities, now), 0);
    eye_text_clear(&fixture->output);
    fixture->payloads = 0;
    memset(fixture->refused, 0, sizeof(fixture->refused));
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, now, before);
    for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
        if (eye_change_has_news(&change)) {
            add(fixture, index, &change);
        }
    }
    if (fixture->payload.length > 0) {
        flush(fixture);
    }
    return eye_text_string(&fixture->output);
}

static struct eye_series *series(struct fixture *fixture, enum eye_metric_id metric,
                                 enum eye_tag tag, const char *value)
{
    const struct eye_tag_value tags[] = {{tag, value}};
    return eye_group_series(fixture->sample->group, metric, tags, 1);
}

static struct eye_series *route(struct fixture *fixture, const char *value)
{
    return series(fixture, EYE_METRIC_HTTP_SERVER_DURATION, EYE_TAG_ROUTE, value);
}

/* ---- Golden lines ---- */

static void lines__tags_in_every_dialect(void **state)
{
    struct fixture *fixture = *state;
    static const char *const golden[] = {
        [EYE_STATSD_NONE] = "sockeye.tcp.sent.bytes.prod.canary.incoming.api.80.none:7|c\n",
        [EYE_STATSD_DATADOG] = "sockeye.tcp.sent.bytes:7|c|#env:prod,canary:true,"
                               "direction:incoming,service:api,port:80\n",
        [EYE_STATSD_INFLUXDB] = "sockeye.tcp.sent.bytes,env=prod,canary=true,"
                                "direction=incoming,service=api,port=80:7|c\n",
        [EYE_STATSD_GRAPHITE] = "sockeye.tcp.sent.bytes;env=prod;canary=true;"
                                "direction=incoming;service=api;port=80:7|c\n",
        [EYE_STATSD_SIGNALFX] = "sockeye.tcp.sent.bytes[env=prod,canary=true,"
                                "direction=incoming,service=api,port=80]:7|c\n",
        [EYE_STATSD_LIBRATO] = "sockeye.tcp.sent.bytes#env=prod,canary=true,"
                               "direction=incoming,service=api,port=80:7|c\n",
    };
    static char env[] = "env", prod[] = "prod", canary[] = "canary", none[] = "",
                service[] = "service";
    static struct eye_fixed_tag fixed[] = {{env, prod}, {canary, none}, {service, prod}};
    fixture->selection.fixed = fixed;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(golden); i++) {
        /* A template writes a service of the configuration too. */
        fixture->selection.fixed_count = i == EYE_STATSD_NONE ? 2 : 3;
        use(fixture, (enum eye_statsd_dialect_id)i, EYE_STATSD_AS_SAMPLES, 1432);
        sample_add(fixture->sample, EYE_METRIC_TCP_SENT_BYTES, 7,
                   SAMPLE_TAGS({EYE_TAG_DIRECTION, "incoming"}, {EYE_TAG_SERVICE, "api"},
                               {EYE_TAG_PORT, "80"}, {EYE_TAG_FAMILY, ""}));
        assert_string_equal(encode(fixture), golden[i]);
    }
}

static void lines__no_tags_no_marks(void **state)
{
    struct fixture *fixture = *state;
    for (int i = EYE_STATSD_NONE; i <= EYE_STATSD_LIBRATO; i++) {
        use(fixture, (enum eye_statsd_dialect_id)i, EYE_STATSD_AS_SAMPLES, 1432);
        sample_add(fixture->sample, EYE_METRIC_SELF_CPU, 250000000, SAMPLE_TAGS());
        assert_string_equal(encode(fixture), "sockeye.cpu.time:0.25|c\n");
    }
}

static void lines__counters_are_increments(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_SAMPLES, 1432);
    struct eye_series *sent = series(fixture, EYE_METRIC_TCP_SENT_BYTES, EYE_TAG_SERVICE, "api");
    eye_counter_add(sent, 1500);
    assert_string_equal(encode(fixture), "sockeye.tcp.sent.bytes.api:1500|c\n");
    eye_counter_add(sent, UINT64_C(12000000000000000000));
    assert_string_equal(encode(fixture), "sockeye.tcp.sent.bytes.api:12000000000000000000|c\n");
    assert_string_equal(encode(fixture), "");
}

static void lines__gauges_are_absolute(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_SAMPLES, 1432);
    struct eye_series *fill = series(fixture, EYE_METRIC_SELF_RING_FILL, EYE_TAG_RING, "a");
    static const struct {
        double value;
        const char *written;
    } rows[] = {
        {0.125, "sockeye.kernel.ring.fill.a:0.125|g\n"},
        {0, "sockeye.kernel.ring.fill.a:0|g\n"},
        {-5, "sockeye.kernel.ring.fill.a:0|g\nsockeye.kernel.ring.fill.a:-5|g\n"},
        {1e20, "sockeye.kernel.ring.fill.a:100000000000000000000|g\n"},
        {NAN, ""},
        {-INFINITY, ""},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        eye_gauge_set(fill, rows[i].value);
        assert_string_equal(encode(fixture), rows[i].written);
        assert_int_equal(fixture->refused[1], rows[i].written[0] == '\0');
    }
}

static void lines__negative_gauge_stays_in_one_payload(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_SAMPLES, 200);
    for (char ring = 'a'; ring < 'k'; ring++) {
        char value[] = {ring, '\0'};
        eye_gauge_set(series(fixture, EYE_METRIC_SELF_RING_FILL, EYE_TAG_RING, value), -1);
    }
    const char *written = encode(fixture);
    assert_int_equal(fixture->payloads, 4);
    assert_non_null(strstr(written, "fill.j:0|g\nsockeye.kernel.ring.fill.j:-1|g\n"));
}

static void lines__samples_are_milliseconds(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_DATADOG, EYE_STATSD_AS_SAMPLES, 1432);
    struct eye_series *duration = route(fixture, "a");
    eye_distribution_add(duration, 0, 1);
    eye_distribution_add(duration, 1, 2);
    assert_string_equal(encode(fixture), "sockeye.http.server.request.duration:0|ms|#route:a\n"
                                         "sockeye.http.server.request.duration:1000|ms|#route:a\n"
                                         "sockeye.http.server.request.duration:1000|ms|#route:a\n");
    eye_distribution_add(duration, 1e-6, 1);
    assert_string_equal(encode(fixture),
                        "sockeye.http.server.request.duration:0.001001|ms|#route:a\n");
    assert_string_equal(encode(fixture), "");
}

static void lines__many_samples_have_rates_before_tags(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_DATADOG, EYE_STATSD_AS_SAMPLES, 1432);
    struct eye_series *duration = route(fixture, "a");
    eye_distribution_add(duration, 0, 2);
    eye_distribution_add(duration, 1, 998);
    const char *written = encode(fixture);
    assert_ptr_equal(strstr(written,
                            "sockeye.http.server.request.duration:0|ms|@0.5|#route:a\n"
                            "sockeye.http.server.request.duration:1000|ms|@0.5|#route:a\n"),
                     written);
}

static void lines__gauges_of_distributions(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_DATADOG, EYE_STATSD_AS_GAUGES, 1432);
    struct eye_series *duration = route(fixture, "a");
    eye_distribution_add(duration, 1, 9);
    eye_distribution_add(duration, 0, 1);
    assert_string_equal(encode(fixture),
                        "sockeye.http.server.request.duration.p50:1000|g|#route:a\n"
                        "sockeye.http.server.request.duration.p95:1000|g|#route:a\n"
                        "sockeye.http.server.request.duration.p99:1000|g|#route:a\n"
                        "sockeye.http.server.request.duration.max:1000|g|#route:a\n"
                        "sockeye.http.server.request.duration.mean:900|g|#route:a\n"
                        "sockeye.http.server.request.duration.count:10|c|#route:a\n");
    use(fixture, EYE_STATSD_INFLUXDB, EYE_STATSD_AS_GAUGES, 1432);
    eye_distribution_add(duration, 0, 1);
    const char *written = encode(fixture);
    assert_non_null(strstr(written, "\nsockeye.http.server.request.duration.max,route=a:0|g\n"));
    assert_non_null(strstr(written, "\nsockeye.http.server.request.duration.count,route=a:1|c\n"));
}

/* The bin of both stands for 1. */
static void lines__the_greatest_is_no_less_than_the_mean(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_GAUGES, 1432);
    eye_distribution_add(route(fixture, "a"), 1.007, 1);
    const char *written = encode(fixture);
    assert_non_null(strstr(written, ".p99:1000|g\n"));
    assert_non_null(strstr(written, ".max:1007|g\n"));
    assert_non_null(strstr(written, ".mean:1007|g\n"));
    eye_distribution_add(route(fixture, "a"), 0.993, 1);
    written = encode(fixture);
    assert_non_null(strstr(written, ".max:1000|g\n"));
    assert_non_null(strstr(written, ".mean:993|g\n"));
}

/* ---- Weights ---- */

struct sum {
    double count;
    double values;
    size_t lines;
};

/* Adds up timers as etsy's server does. */
static struct sum read_timers(const char *lines)
{
    struct sum sum = {0};
    for (const char *line = lines; *line != '\0'; line = strchr(line, '\n') + 1) {
        char *rest = NULL;
        double value = strtod(strchr(line, ':') + 1, &rest);
        assert_memory_equal(rest, "|ms", 3);
        double rate = strncmp(rest + 3, "|@", 2) == 0 ? strtod(rest + 5, &rest) : 1;
        sum.count += 1 / rate;
        sum.values += value / rate;
        sum.lines++;
    }
    return sum;
}

static void samples__count_exactly_at_every_size(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 7;
    for (size_t round = 0; round < 7; round++) {
        use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_SAMPLES, 300 + 100 * round);
        uint64_t count = 0;
        double values = 0;
        uint64_t limit = 1 + (UINT64_C(1) << (4 * round));
        for (size_t i = 0; i < 150; i++) {
            uint64_t weight = 1 + random_below(&random, limit);
            double value = eye_distribution_key_value((uint32_t)(900 + 3 * i));
            eye_distribution_add(route(fixture, "a"), value, weight);
            count += weight;
            values += value * 1000 * (double)weight;
        }
        struct sum sum = read_timers(encode(fixture));
        assert_true(fabs(sum.count - (double)count) <= (double)count * 1e-11);
        assert_true(fabs(sum.values - values) <= values * 1e-6);
        assert_in_range(sum.lines, 150, 150 + EYE_STATSD_SAMPLES);
    }
}

/* The server's own quantile over lines, as etsy's takes it: rates do not count. */
static void samples__unweighted_quantiles_are_nearly_right(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_SAMPLES, 1432);
    eye_distribution_add(route(fixture, "a"), 1, 1000000);
    eye_distribution_add(route(fixture, "a"), 0.001, 12);
    eye_distribution_add(route(fixture, "a"), 1000, 30000);
    const char *written = encode(fixture);
    size_t ones = 0;
    for (const char *at = written; (at = strstr(at, ":1000|ms")) != NULL; at++) {
        ones++;
    }
    struct sum sum = read_timers(written);
    assert_in_range(ones, 485, 486);
    assert_int_equal(sum.lines, ones + 1 + 15);
}

static void samples__huge_counts_are_split(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_SAMPLES, 1432);
    uint64_t count = 750 * EYE_RATE_MAX_WEIGHT;
    eye_distribution_add(route(fixture, "a"), 1, count);
    struct sum sum = read_timers(encode(fixture));
    assert_int_equal(sum.lines, 750);
    assert_true(fabs(sum.count - (double)count) <= (double)count * 1e-11);
}

/* ---- Limits ---- */

static void lines__payload_size_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    for (uint32_t i = 0; i < 200; i++) {
        double value = eye_distribution_key_value(1000 + i);
        eye_distribution_add(route(fixture, "a"), value, 1 + i % 9);
    }
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "b"}));
    EYE_AUTOFREE char *first = NULL;
    for (size_t bytes = 200; bytes <= 3000; bytes += 7) {
        use(fixture, EYE_STATSD_GRAPHITE, EYE_STATSD_AS_SAMPLES, bytes);
        sample->sequence = 0;
        eye_snapshot_unref(sample->snapshots[0]);
        sample->snapshots[0] = NULL;
        const char *written = encode(fixture);
        first = first == NULL ? strdup(written) : first;
        bool same = strcmp(written, first) == 0;
        assert_true(same);
    }
}

static void lines__too_long_is_refused(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_DATADOG, EYE_STATSD_AS_SAMPLES, 200);
    char value[EYE_TAG_VALUE_MAX_BYTES + 1];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    eye_counter_add(series(fixture, EYE_METRIC_TCP_SENT_BYTES, EYE_TAG_SERVICE, value), 1);
    eye_counter_add(series(fixture, EYE_METRIC_TCP_SENT_BYTES, EYE_TAG_SERVICE, "s"), 1);
    eye_gauge_set(series(fixture, EYE_METRIC_SELF_RING_FILL, EYE_TAG_RING, "a"), 1e300);
    assert_string_equal(encode(fixture), "sockeye.tcp.sent.bytes:1|c|#service:s\n");
    assert_int_equal(fixture->refused[0], 2);
}

/* ---- Hostile tags ---- */

static void lines__collisions_are_told(void **state)
{
    struct fixture *fixture = *state;
    use(fixture, EYE_STATSD_NONE, EYE_STATSD_AS_SAMPLES, 1432);
    eye_distribution_add(route(fixture, "/a/b"), 1, 1);
    eye_distribution_add(route(fixture, "/a.b"), 1, 1);
    assert_string_equal(encode(fixture), "sockeye.http.server.request.duration._a_b:1000|ms\n");
    assert_int_equal(fixture->refused[2], 1);
}

static void lines__etsy_would_change_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const enum eye_statsd_dialect_id dialects[] = {EYE_STATSD_NONE, EYE_STATSD_DATADOG,
                                                          EYE_STATSD_GRAPHITE};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(dialects); i++) {
        use(fixture, dialects[i], EYE_STATSD_AS_SAMPLES, 1432);
        eye_distribution_add(route(fixture, "/u s/*?\x01\xff|c:1@0.1#a,b;c=d\n10.0.0.1:443"), 1, 1);
        const char *written = encode(fixture);
        assert_non_null(strstr(written, dialects[i] == EYE_STATSD_NONE
                                            ? "._u_s______c_1_0_1_a_b_c_d_10_0_0_1_443:"
                                            : "_u_s______c_1_0.1_a_b_c_d_10.0.0.1_443"));
    }
}

/* Marks of the format in one line of the dialect with one tag. */
static size_t marks(const char *line, const char *set)
{
    size_t count = 0;
    for (; *line != '\0'; line++) {
        count += strchr(set, *line) != NULL;
    }
    return count;
}

static void lines__every_byte_keeps_one_line_with_one_tag(void **state)
{
    struct fixture *fixture = *state;
    static const size_t expected[] = {
        [EYE_STATSD_NONE] = 3,     [EYE_STATSD_DATADOG] = 6,  [EYE_STATSD_INFLUXDB] = 5,
        [EYE_STATSD_GRAPHITE] = 5, [EYE_STATSD_SIGNALFX] = 6, [EYE_STATSD_LIBRATO] = 5,
    };
    uint64_t random = 3;
    for (size_t round = 0; round < 6 * 400; round++) {
        enum eye_statsd_dialect_id dialect = (enum eye_statsd_dialect_id)(round % 6);
        char value[24] = {0};
        for (size_t i = 0; i < sizeof(value) - 1; i++) {
            value[i] = (char)(round / 6 < 255 ? round / 6 + 1 : random_below(&random, 255) + 1);
        }
        struct sample *used = fixture->sample;
        fixture->sample = sample_new(NULL);
        sample_free(used);
        use(fixture, dialect, EYE_STATSD_AS_SAMPLES, 1432);
        eye_counter_add(series(fixture, EYE_METRIC_TCP_SENT_BYTES, EYE_TAG_SERVICE, value), 1);
        const char *line = encode(fixture);
        assert_int_equal(marks(line, "\n"), 1);
        assert_int_equal(marks(line, ":|@#,;=[]\n "), expected[dialect]);
        assert_int_equal(marks(line, "\t\r\v\f\x7f\x80\xc2\xff"), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines__tags_in_every_dialect),
        TEST(lines__no_tags_no_marks),
        TEST(lines__counters_are_increments),
        TEST(lines__gauges_are_absolute),
        TEST(lines__negative_gauge_stays_in_one_payload),
        TEST(lines__samples_are_milliseconds),
        TEST(lines__many_samples_have_rates_before_tags),
        TEST(lines__gauges_of_distributions),
        TEST(lines__the_greatest_is_no_less_than_the_mean),
        TEST(samples__count_exactly_at_every_size),
        TEST(samples__unweighted_quantiles_are_nearly_right),
        TEST(samples__huge_counts_are_split),
        TEST(lines__payload_size_changes_nothing),
        TEST(lines__too_long_is_refused),
        TEST(lines__collisions_are_told),
        TEST(lines__etsy_would_change_nothing),
        TEST(lines__every_byte_keeps_one_line_with_one_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
