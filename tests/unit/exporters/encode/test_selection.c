/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns, allow and deny, prefixes, fixed tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/encode/selection.h"

struct fixture {
    struct eye_config config;
    struct eye_exporter_config own;
    struct eye_exporter_setup setup;
    struct eye_selection selection;
};

static char dotted_prefix[] = "sockeye.";

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    fixture->own.common.prefix = dotted_prefix;
    fixture->setup = (struct eye_exporter_setup){.config = &fixture->config, .own = &fixture->own};
    *state = fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_selection_done(&fixture->selection);
    free(fixture);
    return 0;
}

static void name_matches__follows_the_stars(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *name;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "tcp.rtt", true},
        {"tcp.rtt", "tcp.rtt", true},
        {"tcp.rtt", "tcp.rt", false},
        {"tcp.rt", "tcp.rtt", false},
        {"tcp.*", "tcp.rtt", true},
        {"tcp.*", "tcp.", true},
        {"tcp.*", "udp.rtt", false},
        {"*.bytes", "tcp.sent.bytes", true},
        {"*.bytes", "tcp.sent.bytes.x", false},
        {"tcp.*.bytes", "tcp.sent.bytes", true},
        {"*sent*", "tcp.sent.bytes", true},
        {"**", "a", true},
        {"a*a", "a", false},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "aab", false},
        {"tcp?rtt", "tcp.rtt", false},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        if (eye_name_matches(cases[i].pattern, cases[i].name) != cases[i].matches) {
            fail_msg("%s on %s", cases[i].pattern, cases[i].name);
        }
    }
}

static void name_matches__ends_soon_on_many_stars(void **state)
{
    (void)state;
    char name[2001];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(eye_name_matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

static void init__wants_all_without_patterns(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(eye_selection_init(&fixture->selection, &fixture->setup), 0);
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        assert_true(fixture->selection.wanted[i]);
    }
}

static void init__denies_after_allowing(void **state)
{
    struct fixture *fixture = *state;
    static char tcp[] = "tcp.*";
    static char http[] = "http.server.*";
    static char bytes[] = "*.bytes";
    char *allow[] = {tcp, http};
    char *deny[] = {bytes};
    fixture->own.common.allow = (struct eye_text_list){allow, 2};
    fixture->own.common.deny = (struct eye_text_list){deny, 1};
    assert_int_equal(eye_selection_init(&fixture->selection, &fixture->setup), 0);
    const bool *wanted = fixture->selection.wanted;
    assert_true(wanted[EYE_METRIC_TCP_RTT]);
    assert_true(wanted[EYE_METRIC_HTTP_SERVER_DURATION]);
    assert_false(wanted[EYE_METRIC_HTTP_CLIENT_DURATION]);
    assert_false(wanted[EYE_METRIC_TCP_SENT_BYTES]);
    assert_false(wanted[EYE_METRIC_SELF_CPU]);
}

static void init__takes_names_as_receivers_show_them(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *pattern;
        enum eye_metric_id wanted;
        enum eye_metric_id unwanted;
    } cases[] = {
        {"sockeye.tcp.sent.bytes", EYE_METRIC_TCP_SENT_BYTES, EYE_METRIC_TCP_RECEIVED_BYTES},
        {"sockeye.tcp.*", EYE_METRIC_TCP_SENT_BYTES, EYE_METRIC_SELF_CPU},
        {"sockeye_tcp_sent_bytes_total", EYE_METRIC_TCP_SENT_BYTES, EYE_METRIC_TCP_RECEIVED_BYTES},
        {"sockeye_tcp_*", EYE_METRIC_TCP_RTT, EYE_METRIC_SELF_CPU},
        {"sockeye_tcp_rtt_seconds_bucket", EYE_METRIC_TCP_RTT, EYE_METRIC_TCP_CONNECT},
        {"tcp_rtt_seconds", EYE_METRIC_TCP_RTT, EYE_METRIC_TCP_CONNECT},
        {"http_server_request_duration_seconds", EYE_METRIC_HTTP_SERVER_DURATION,
         EYE_METRIC_HTTP_CLIENT_DURATION},
        {"tcp.rtt.p50", EYE_METRIC_TCP_RTT, EYE_METRIC_TCP_CONNECT},
        {"sockeye.tcp.rtt.p99", EYE_METRIC_TCP_RTT, EYE_METRIC_TCP_CONNECT},
        {"tcp.rtt.mean", EYE_METRIC_TCP_RTT, EYE_METRIC_TCP_CONNECT},
        {"tcp.rtt.sum", EYE_METRIC_TCP_RTT, EYE_METRIC_TCP_CONNECT},
        {"*.count", EYE_METRIC_HTTP_SERVER_DURATION, EYE_METRIC_TCP_SENT_BYTES},
        {"http.server.*.max", EYE_METRIC_HTTP_SERVER_DURATION, EYE_METRIC_HTTP_CLIENT_DURATION},
        /* Names of the catalogue come first: this one is no prefix of others. */
        {"sockeye.*", EYE_METRIC_SELF_CPU, EYE_METRIC_TCP_RTT},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_AUTOFREE char *pattern = strdup(cases[i].pattern);
        fixture->own.common.allow = (struct eye_text_list){&pattern, 1};
        assert_int_equal(eye_selection_init(&fixture->selection, &fixture->setup), 0);
        if (!fixture->selection.wanted[cases[i].wanted] ||
            fixture->selection.wanted[cases[i].unwanted]) {
            fail_msg("%s", pattern);
        }
        eye_selection_done(&fixture->selection);
        fixture->own.common.deny = fixture->own.common.allow;
        fixture->own.common.allow.count = 0;
        assert_int_equal(eye_selection_init(&fixture->selection, &fixture->setup), 0);
        if (fixture->selection.wanted[cases[i].wanted] ||
            !fixture->selection.wanted[cases[i].unwanted]) {
            fail_msg("%s is denied", pattern);
        }
        eye_selection_done(&fixture->selection);
        fixture->own.common.deny.count = 0;
    }
}

static void init__splits_tags_at_the_first_colon(void **state)
{
    struct fixture *fixture = *state;
    static char env[] = "env:prod";
    static char url[] = "url:http://x:1";
    static char bare[] = "bare";
    static char empty[] = "empty:";
    char *daemon[] = {env, bare};
    char *own[] = {url, empty};
    fixture->config.tags = (struct eye_text_list){daemon, 2};
    fixture->own.common.tags = (struct eye_text_list){own, 2};
    assert_int_equal(eye_selection_init(&fixture->selection, &fixture->setup), 0);
    static const struct {
        const char *key;
        const char *value;
    } expected[] = {{"env", "prod"}, {"bare", ""}, {"url", "http://x:1"}, {"empty", ""}};
    assert_int_equal(fixture->selection.fixed_count, EYE_ARRAY_LENGTH(expected));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(expected); i++) {
        assert_string_equal(fixture->selection.fixed[i].key, expected[i].key);
        assert_string_equal(fixture->selection.fixed[i].value, expected[i].value);
    }
}

static void append_name__adds_the_prefix_once(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *prefix;
        enum eye_metric_id metric;
        const char *expected;
    } cases[] = {
        {"sockeye.", EYE_METRIC_TCP_RTT, "sockeye.tcp.rtt"},
        {"sockeye.", EYE_METRIC_SELF_SERIES, "sockeye.series"},
        {"", EYE_METRIC_TCP_RTT, "tcp.rtt"},
        {"net.", EYE_METRIC_SELF_SERIES, "net.sockeye.series"},
        {"tcp.", EYE_METRIC_TCP_RTT, "tcp.rtt"},
    };
    assert_int_equal(eye_selection_init(&fixture->selection, &fixture->setup), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_text text;
        eye_text_init(&text, 100);
        fixture->selection.prefix = cases[i].prefix;
        eye_selection_append_name(&fixture->selection, &text, eye_metric(cases[i].metric));
        assert_string_equal(eye_text_string(&text), cases[i].expected);
        eye_text_done(&text);
    }
}

static void warnings__name_what_matches_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *pattern;
        const char *said; /* behind the pattern; NULL: nothing is said */
    } cases[] = {
        {"tcp.*", NULL},
        {"*", NULL},
        {"sockeye.kernel.lost", NULL},
        {"tpc.*", ", did you mean \"tcp.*\"?"},
        {"htp*", ", did you mean \"http*\"?"},
        {"tcp.snt.*", ", did you mean \"tcp.sent.*\"?"},
        {"tcp", ", did you mean \"tcp.*\"?"},
        {"tcp_sent_bytes", NULL},
        {"sockeye_tcp_sent_bytes_total", NULL},
        {"tcp.rrt.p50", ", did you mean \"tcp.rtt\"?"},
        {"tcp.rtt.p90", ", did you mean \"tcp.rtt\"?"},
        {"sockeye.tcp.rt.count", ", did you mean \"tcp.rtt\"?"},
        {"tcp.sent.bytes.p50", ", did you mean \"tcp.sent.bytes\"?"},
        {"tcp_snt_bytes", ", did you mean \"tcp.sent.bytes\"?"},
        {"sockeye_tcp_snt_bytes_total", ", did you mean \"tcp.sent.bytes\"?"},
        {"sockeye.kernel.lots", ", did you mean \"sockeye.kernel.lost\"?"},
        {"sockeye.tcp.*", NULL},
        {"sockeye.http.client.request.duratoin",
         ", did you mean \"http.client.request.duration\"?"},
        {"nonsense", ""},
        {"?", ""},
    };
    fixture->config.exporters = &fixture->own;
    fixture->config.exporter_count = 1;
    fixture->own.name = fixture->own.origin = dotted_prefix;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_AUTOFREE char *pattern = strdup(cases[i].pattern);
        EYE_CLEANUP(eye_text_done) struct eye_text out;
        char expected[256] = "";
        eye_text_init(&out, 1024);
        fixture->own.common.deny = (struct eye_text_list){&pattern, 1};
        eye_selection_append_warnings(&fixture->config, &out);
        if (cases[i].said != NULL) {
            snprintf(expected, sizeof(expected),
                     "sockeye.: metrics.deny of exporter sockeye.: no metric is called \"%s\"%s "
                     "(\"sockeye metrics\" lists them)\n",
                     pattern, cases[i].said);
        } else if (strcmp(pattern, "*") == 0) {
            snprintf(expected, sizeof(expected),
                     "sockeye.: metrics.allow and metrics.deny leave exporter sockeye. nothing to "
                     "send\n");
        }
        assert_string_equal(eye_text_string(&out), expected);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_matches__follows_the_stars),
        cmocka_unit_test(name_matches__ends_soon_on_many_stars),
        TEST(init__wants_all_without_patterns),
        TEST(init__denies_after_allowing),
        TEST(init__takes_names_as_receivers_show_them),
        TEST(init__splits_tags_at_the_first_colon),
        TEST(append_name__adds_the_prefix_once),
        TEST(warnings__name_what_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
