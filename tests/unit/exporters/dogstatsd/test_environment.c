/* SPDX-License-Identifier: Apache-2.0 */
/* DD_* variables. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/dogstatsd/environment.h"
#include "tests/support/log_file.h"

static const char *const variables[] = {
    "DD_DOGSTATSD_URL", "DD_AGENT_HOST",  "DD_DOGSTATSD_PORT",   "DD_ENTITY_ID",
    "DD_ENV",           "DD_SERVICE",     "DD_VERSION",          "DD_ORIGIN_DETECTION_ENABLED",
    "DD_EXTERNAL_ENV",  "DD_CARDINALITY", "DATADOG_CARDINALITY", "DD_DOGSTATSD_DISABLE",
};

static int set_up(void **state)
{
    struct eye_environment *environment = calloc(1, sizeof(*environment));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(variables); i++) {
        unsetenv(variables[i]);
    }
    *state = environment;
    return 0;
}

static int tear_down(void **state)
{
    eye_environment_done(*state);
    free(*state);
    return 0;
}

static void set(const char *name, const char *value)
{
    if (value == NULL) {
        unsetenv(name);
    } else {
        setenv(name, value, 1);
    }
}

static bool is_usable(const char *url)
{
    return strncmp(url, "udp://", 6) == 0 || strncmp(url, "unix://", 7) == 0;
}

static void read_again(struct eye_environment *environment)
{
    eye_environment_done(environment);
    assert_int_equal(eye_environment_read(is_usable, environment), 0);
}

static void environment__may_be_empty(void **state)
{
    struct eye_environment *environment = *state;
    setenv("DD_ENV", "", 1);
    read_again(environment);
    assert_null(environment->url);
    assert_null(environment->external);
    assert_null(environment->cardinality);
    assert_true(environment->origin_detection);
    for (size_t i = 0; i < EYE_ENVIRONMENT_TAGS; i++) {
        assert_null(environment->tags[i].value);
    }
}

/* As datadog-go and datadogpy combine them. */
static void environment__url_goes_before_host_and_port(void **state)
{
    struct eye_environment *environment = *state;
    static const struct {
        const char *url;
        const char *host;
        const char *port;
        const char *expected; /* NULL: nothing is told */
        size_t warnings;
    } cases[] = {
        {NULL, NULL, NULL, NULL, 0},
        {"", "", "", NULL, 0},
        {NULL, NULL, "9125", "udp://127.0.0.1:9125", 0},
        {NULL, "agent", NULL, "udp://agent:8125", 0},
        {NULL, "agent", "9125", "udp://agent:9125", 0},
        {NULL, "agent:7000", "9125", "udp://agent:7000", 0},
        {NULL, "fd00::1", NULL, "udp://[fd00::1]:8125", 0},
        {NULL, "[fd00::1]", "9125", "udp://[fd00::1]:9125", 0},
        {NULL, "[fd00::1]:7000", NULL, "udp://[fd00::1]:7000", 0},
        {NULL, "unix:///run/dsd.socket", "9125", "unix:///run/dsd.socket", 0},
        {NULL, "tcp://10.0.0.1:8125", NULL, NULL, 1},
        {"unix:///run/dsd.socket", "agent", "9125", "unix:///run/dsd.socket", 0},
        {"http://agent", "agent", NULL, "udp://agent:8125", 1},
        {"http://agent", NULL, NULL, NULL, 1},
        {NULL, "127.0.0.9", "tcp://10.0.0.1:8125", "udp://127.0.0.9:8125", 1},
        {NULL, "127.0.0.9", "99999", "udp://127.0.0.9:8125", 1},
        {NULL, "127.0.0.9", "0", "udp://127.0.0.9:8125", 1},
        {NULL, "fd00::1", "x", "udp://[fd00::1]:8125", 1},
        {NULL, NULL, "tcp://10.0.0.1:8125", NULL, 1},
        {NULL, "http://agent", "9125", "udp://127.0.0.1:9125", 1},
        {NULL, "", "tcp://10.0.0.1:8125", NULL, 1},
        /* A port that nobody needs is nobody's fault. */
        {NULL, "agent:7000", "tcp://10.0.0.1:8125", "udp://agent:7000", 0},
        {"unix:///run/dsd.socket", NULL, "tcp://10.0.0.1:8125", "unix:///run/dsd.socket", 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct log_file log;
        set("DD_DOGSTATSD_URL", cases[i].url);
        set("DD_AGENT_HOST", cases[i].host);
        set("DD_DOGSTATSD_PORT", cases[i].port);
        log_file_begin(&log);
        read_again(environment);
        size_t warnings = log_file_count(&log, "is passed over");
        log_file_end(&log);
        assert_int_equal(warnings, cases[i].warnings);
        assert_string_equal(environment->url == NULL ? "" : environment->url,
                            cases[i].expected == NULL ? "" : cases[i].expected);
    }
}

static void environment__names_the_variable_that_is_passed_over(void **state)
{
    struct eye_environment *environment = *state;
    static const struct {
        const char *host;
        const char *port;
        const char *said;
        const char *unsaid;
    } cases[] = {
        {"127.0.0.9", "tcp://10.0.0.1:8125",
         "DD_DOGSTATSD_PORT is passed over: \"tcp://10.0.0.1:8125\" is no port, 1 to 65535; 8125 "
         "is "
         "used",
         "DD_AGENT_HOST"},
        {NULL, "99999", "DD_DOGSTATSD_PORT is passed over: \"99999\" is no port", "DD_AGENT_HOST"},
        {"tcp://a:1", NULL, "DD_AGENT_HOST is passed over: \"tcp://a:1\" is no udp",
         "DD_DOGSTATSD_PORT"},
    };
    set("DD_DOGSTATSD_URL", NULL);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct log_file log;
        set("DD_AGENT_HOST", cases[i].host);
        set("DD_DOGSTATSD_PORT", cases[i].port);
        log_file_begin(&log);
        read_again(environment);
        size_t said = log_file_count(&log, cases[i].said);
        size_t unsaid = log_file_count(&log, cases[i].unsaid);
        log_file_end(&log);
        assert_int_equal(said, 1);
        assert_int_equal(unsaid, 0);
    }
}

static void environment__has_the_unified_tags(void **state)
{
    struct eye_environment *environment = *state;
    setenv("DD_ENTITY_ID", "pod-1", 1);
    setenv("DD_VERSION", "7", 1);
    read_again(environment);
    assert_string_equal(environment->tags[0].key, "dd.internal.entity_id");
    assert_string_equal(environment->tags[0].value, "pod-1");
    assert_null(environment->tags[1].value);
    assert_string_equal(environment->tags[3].key, "version");
    assert_string_equal(environment->tags[3].value, "7");
}

static void environment__can_switch_origin_detection_off(void **state)
{
    struct eye_environment *environment = *state;
    static const struct {
        const char *value;
        bool detected;
    } values[] = {{"false", false}, {"FALSE", false}, {"0", false}, {"no", false},
                  {"true", true},   {"1", true},      {"", true}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        setenv("DD_ORIGIN_DETECTION_ENABLED", values[i].value, 1);
        read_again(environment);
        assert_int_equal(environment->origin_detection, values[i].detected);
    }
}

static void environment__can_switch_the_client_off(void **state)
{
    struct eye_environment *environment = *state;
    static const struct {
        const char *value;
        bool disabled;
        size_t warnings;
    } values[] = {{"True", true, 0},   {"true", true, 0},   {"yes", true, 0}, {"1", true, 0},
                  {"false", false, 0}, {"False", false, 0}, {"0", false, 0},  {"no", false, 0},
                  {"", false, 0},      {NULL, false, 0},    {"2", false, 1}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        struct log_file log;
        set("DD_DOGSTATSD_DISABLE", values[i].value);
        log_file_begin(&log);
        read_again(environment);
        size_t warnings = log_file_count(&log, "DD_DOGSTATSD_DISABLE is passed over");
        log_file_end(&log);
        assert_int_equal(environment->disabled, values[i].disabled);
        assert_int_equal(warnings, values[i].warnings);
    }
}

static void environment__external_is_cleaned_and_bounded(void **state)
{
    struct eye_environment *environment = *state;
    setenv("DD_EXTERNAL_ENV", " it-false,|cn-n\xc3\xa4me\n,pu-1\x01 2|#x:y", 1);
    read_again(environment);
    assert_string_equal(environment->external, "it-false,cn-nme,pu-12#x:y");
    char longer[1000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    setenv("DD_EXTERNAL_ENV", longer, 1);
    read_again(environment);
    assert_int_equal(strlen(environment->external), EYE_ENVIRONMENT_MAX_BYTES);
}

static void environment__cardinality_has_an_order(void **state)
{
    struct eye_environment *environment = *state;
    setenv("DATADOG_CARDINALITY", "high", 1);
    read_again(environment);
    assert_string_equal(environment->cardinality, "high");
    setenv("DD_CARDINALITY", "none", 1);
    read_again(environment);
    assert_string_equal(environment->cardinality, "none");
}

static void environment__wrong_cardinality_is_passed_over(void **state)
{
    struct eye_environment *environment = *state;
    struct log_file log;
    setenv("DD_CARDINALITY", "low|#x", 1);
    setenv("DATADOG_CARDINALITY", "high", 1);
    log_file_begin(&log);
    read_again(environment);
    size_t warnings = log_file_count(&log, "DD_CARDINALITY is passed over");
    log_file_end(&log);
    assert_int_equal(warnings, 1);
    assert_string_equal(environment->cardinality, "high");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(environment__may_be_empty),
        TEST(environment__url_goes_before_host_and_port),
        TEST(environment__names_the_variable_that_is_passed_over),
        TEST(environment__has_the_unified_tags),
        TEST(environment__can_switch_origin_detection_off),
        TEST(environment__can_switch_the_client_off),
        TEST(environment__external_is_cleaned_and_bounded),
        TEST(environment__cardinality_has_an_order),
        TEST(environment__wrong_cardinality_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
