/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenTelemetry environment: what it sets, what wins, what is refused, what is never shown. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/otlp/resource.h"
#include "exporters/otlp/settings.h"
#include "tests/support/log_file.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct eye_otlp_values values;
    struct eye_otlp_settings settings;
    struct eye_otlp_resource resource;
    struct log_file log;
};

static const char *const variables[] = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(variables); i++) {
        unsetenv(variables[i]);
    }
    fixture = (struct fixture){.values.http.timeout_ns = 10 * EYE_NS_PER_SECOND};
    log_file_begin(&fixture.log);
    *state = &fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    log_file_end(&fixture->log);
    eye_otlp_settings_done(&fixture->settings);
    eye_otlp_resource_done(&fixture->resource);
    return 0;
}

static void read_settings(struct fixture *fixture)
{
    eye_otlp_settings_done(&fixture->settings);
    assert_int_equal(eye_otlp_settings_init(&fixture->settings, &fixture->values), 0);
}

static void assert_defaults(const struct fixture *fixture)
{
    assert_string_equal(fixture->settings.url, "http://127.0.0.1:4318/v1/metrics");
    assert_false(fixture->settings.json);
    assert_int_equal(fixture->settings.compression, EYE_COMPRESSION_GZIP);
    assert_int_equal(fixture->settings.temporality, EYE_OTLP_CUMULATIVE);
    assert_true(fixture->settings.exponential);
    assert_int_equal(fixture->settings.http.timeout_ns, 10 * EYE_NS_PER_SECOND);
    assert_int_equal(fixture->settings.http.secret_headers.count, 0);
}

static void init__has_the_defaults_of_the_specification(void **state)
{
    struct fixture *fixture = *state;
    read_settings(fixture);
    assert_defaults(fixture);
    assert_int_equal(log_file_count(&fixture->log, "OTEL"), 0);
}

static void init__finds_the_endpoint(void **state)
{
    struct fixture *fixture = *state;
    static char configured[] = "http://configured:1/x";
    static const struct {
        const char *generic;
        const char *metrics;
        char *url;
        const char *expected;
    } cases[] = {
        {"http://all:4318", NULL, NULL, "http://all:4318/v1/metrics"},
        {"http://all:4318/", NULL, NULL, "http://all:4318/v1/metrics"},
        {"https://all/otlp/", NULL, NULL, "https://all/otlp/v1/metrics"},
        {"http://all:4318", "http://own:1/any", NULL, "http://own:1/any"},
        {"http://all:4318", "", NULL, "http://all:4318/v1/metrics"},
        {"http://all:4318", "http://own:1/", NULL, "http://own:1/"},
        {"http://all:4318", "http://own:1/any", configured, "http://configured:1/x"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        setenv("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i].generic, 1);
        if (cases[i].metrics != NULL) {
            setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", cases[i].metrics, 1);
        }
        fixture->values.url = cases[i].url;
        read_settings(fixture);
        assert_string_equal(fixture->settings.url, cases[i].expected);
    }
}

static void init__reads_the_environment(void **state)
{
    struct fixture *fixture = *state;
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", 1);
    setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json", 1);
    setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none", 1);
    setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory", 1);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2500", 1);
    setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null", 1);
    read_settings(fixture);
    assert_true(fixture->settings.json);
    assert_int_equal(fixture->settings.compression, EYE_COMPRESSION_NONE);
    assert_int_equal(fixture->settings.temporality, EYE_OTLP_DELTA);
    assert_int_equal(fixture->settings.http.timeout_ns, 2500 * EYE_NS_PER_MS);
    assert_string_equal(fixture->settings.http.tls.ca_file, "/dev/null");
}

/* They are for other programs, which may have a root of their own. */
static void init__passes_over_files_that_are_of_no_use(void **state)
{
    struct fixture *fixture = *state;
    setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", 1);
    setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/nowhere/client.pem", 1);
    setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/dev/null", 1);
    read_settings(fixture);
    assert_null(fixture->settings.http.tls.ca_file);
    assert_null(fixture->settings.http.tls.cert_file);
    assert_null(fixture->settings.http.tls.key_file);
}

static void init__lets_the_configuration_win(void **state)
{
    struct fixture *fixture = *state;
    static char ca_file[] = "/own.pem";
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 1);
    setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none", 1);
    setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", 1);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2500", 1);
    setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", 1);
    fixture->values = (struct eye_otlp_values){
        .encoding = EYE_OTLP_ENCODING_JSON,
        .compression = EYE_OTLP_COMPRESSION_GZIP,
        .temporality = EYE_OTLP_TEMPORALITY_CUMULATIVE,
        .histograms = EYE_OTLP_HISTOGRAMS_EXPLICIT,
        .http = {.timeout_ns = EYE_NS_PER_SECOND, .tls.ca_file = ca_file},
    };
    read_settings(fixture);
    assert_true(fixture->settings.json);
    assert_int_equal(fixture->settings.compression, EYE_COMPRESSION_GZIP);
    assert_int_equal(fixture->settings.temporality, EYE_OTLP_CUMULATIVE);
    assert_false(fixture->settings.exponential);
    assert_int_equal(fixture->settings.http.timeout_ns, EYE_NS_PER_SECOND);
    assert_string_equal(fixture->settings.http.tls.ca_file, "/own.pem");
}

static void init__decodes_headers(void **state)
{
    struct fixture *fixture = *state;
    setenv("OTEL_EXPORTER_OTLP_HEADERS",
           "api-key=s3cret%3D%3D, authorization = Bearer%20a%2Cb ,,x=1=2", 1);
    read_settings(fixture);
    const struct eye_text_list *headers = &fixture->settings.http.secret_headers;
    assert_int_equal(headers->count, 3);
    assert_string_equal(headers->items[0], "api-key: s3cret==");
    assert_string_equal(headers->items[1], "authorization: Bearer a,b");
    assert_string_equal(headers->items[2], "x: 1=2");
}

static void init__passes_over_what_makes_no_sense(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        const char *value;
        const char *secret; /* never in the message */
    } cases[] = {
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost", NULL},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://me:passw0rd@host/", "passw0rd"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", NULL},
        {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", NULL},
        {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both", NULL},
        {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", NULL},
        {"OTEL_EXPORTER_OTLP_TIMEOUT", "0", NULL},
        {"OTEL_EXPORTER_OTLP_HEADERS", "token5", "token5"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "=token5", "token5"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a=token5%0d%0aHost: x", "token5"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a=token5%00", "token5"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a b=token5", "token5"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        log_file_clear(&fixture->log);
        setenv(cases[i].name, cases[i].value, 1);
        read_settings(fixture);
        unsetenv(cases[i].name);
        assert_int_equal(log_file_count(&fixture->log, cases[i].name), 1);
        assert_true(cases[i].secret == NULL || log_file_count(&fixture->log, cases[i].secret) == 0);
        assert_defaults(fixture);
    }
}

/* What happens instead, and where an endpoint that is meant for grpc goes wrong. */
static void init__says_what_is_used_instead(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        const char *value;
        const char *endpoint;
        const char *said;
    } cases[] = {
        {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http://host:4317",
         "there is no grpc here, http/protobuf is sent to host:4317; 4317 is the port of grpc, "
         "that "
         "of http is 4318"},
        {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "GRPC", "http://host",
         "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL is passed over: there is no grpc here, http/protobuf "
         "is sent to host:80\n"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL", "soap", "http://host:4317",
         "\"soap\" is none of http/protobuf, http/json; http/protobuf is used\n"},
        {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both", "http://host",
         "\"both\" is none of cumulative, delta, lowmemory; cumulative is used\n"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        log_file_clear(&fixture->log);
        setenv(cases[i].name, cases[i].value, 1);
        setenv("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i].endpoint, 1);
        read_settings(fixture);
        unsetenv(cases[i].name);
        assert_int_equal(log_file_count(&fixture->log, cases[i].said), 1);
        assert_false(fixture->settings.json);
    }
}

static void init__warns_of_an_endpoint_without_a_path(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        const char *value;
        size_t warnings;
    } cases[] = {
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://host:4318", 1},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://host:4318/", 0},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:4318", 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        log_file_clear(&fixture->log);
        setenv(cases[i].name, cases[i].value, 1);
        read_settings(fixture);
        unsetenv(cases[i].name);
        assert_int_equal(log_file_count(&fixture->log, "has no path"), cases[i].warnings);
    }
}

static const char *attribute(const struct fixture *fixture, const char *key)
{
    const char *value = NULL;
    for (size_t i = 0; i < fixture->resource.count; i++) {
        if (strcmp(fixture->resource.attributes[i].key, key) == 0) {
            assert_null(value); /* each key once */
            value = fixture->resource.attributes[i].value;
        }
    }
    return value == NULL ? "absent" : value;
}

static void resource__lets_the_stronger_win(void **state)
{
    struct fixture *fixture = *state;
    static char region_key[] = "region";
    static char region[] = "configured";
    struct eye_fixed_tag fixed[] = {{region_key, region}};
    struct eye_selection selection = {.prefix = ""};
    assert_int_equal(eye_otlp_resource_init(&fixture->resource, &selection), 0);
    assert_string_equal(attribute(fixture, "service.name"), "sockeye");
    assert_string_equal(attribute(fixture, "service.version"), EYE_VERSION);
    assert_string_not_equal(attribute(fixture, "host.name"), "absent");
    eye_otlp_resource_done(&fixture->resource);

    setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=listed,region=listed,a=b%2Cc,bad=%ff", 1);
    assert_int_equal(eye_otlp_resource_init(&fixture->resource, &selection), 0);
    assert_string_equal(attribute(fixture, "service.name"), "listed");
    assert_string_equal(attribute(fixture, "a"), "b,c");
    assert_string_equal(attribute(fixture, "bad"), "\xEF\xBF\xBD");
    eye_otlp_resource_done(&fixture->resource);

    setenv("OTEL_SERVICE_NAME", "named", 1);
    selection.fixed = fixed;
    selection.fixed_count = EYE_ARRAY_LENGTH(fixed);
    assert_int_equal(eye_otlp_resource_init(&fixture->resource, &selection), 0);
    assert_string_equal(attribute(fixture, "service.name"), "named");
    assert_string_equal(attribute(fixture, "region"), "configured");
}

/* The service itself is added to each; the environment's service.* are the daemon's. */
static void resource__of_services_says_what_is_true_of_the_host(void **state)
{
    struct fixture *fixture = *state;
    static char keys[][16] = {"region", "service.name"};
    static char value[] = "configured";
    struct eye_fixed_tag fixed[] = {{keys[0], value}, {keys[1], value}};
    const struct eye_selection selection = {
        .prefix = "", .fixed = fixed, .fixed_count = EYE_ARRAY_LENGTH(fixed)};
    setenv("OTEL_SERVICE_NAME", "named", 1);
    setenv("OTEL_RESOURCE_ATTRIBUTES",
           "service.name=listed,service.version=9,service.namespace=n,k8s.pod.name=p,"
           "container.id=c,process.pid=1,k8s.node.name=node,cloud.region=r",
           1);
    assert_int_equal(eye_otlp_resource_init_observed(&fixture->resource, &selection), 0);
    static const char *const absent[] = {"service.name", "service.version", "service.namespace",
                                         "k8s.pod.name", "container.id",    "process.pid"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(absent); i++) {
        assert_string_equal(attribute(fixture, absent[i]), "absent");
    }
    assert_string_equal(attribute(fixture, "k8s.node.name"), "node");
    assert_string_equal(attribute(fixture, "cloud.region"), "r");
    assert_string_equal(attribute(fixture, "region"), "configured");
    assert_string_not_equal(attribute(fixture, "host.name"), "absent");
    assert_string_equal(attribute(fixture, "service.instance.id"), attribute(fixture, "host.name"));
}

static void resource__passes_over_a_malformed_list(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_selection selection = {.prefix = ""};
    static const char *const lists[] = {"a=b,c", "a=%zz,b=1", "b=1,a=%4", "a=b,c=100%", "a%=1"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lists); i++) {
        log_file_clear(&fixture->log);
        setenv("OTEL_RESOURCE_ATTRIBUTES", lists[i], 1);
        eye_otlp_resource_done(&fixture->resource);
        assert_int_equal(eye_otlp_resource_init(&fixture->resource, &selection), 0);
        assert_string_equal(attribute(fixture, "service.name"), "sockeye");
        assert_string_equal(attribute(fixture, "a"), "absent");
        assert_string_equal(attribute(fixture, "b"), "absent");
        assert_int_equal(log_file_count(&fixture->log, "OTEL_RESOURCE_ATTRIBUTES is passed over"),
                         1);
        eye_otlp_resource_done(&fixture->resource);
        assert_int_equal(eye_otlp_resource_init_observed(&fixture->resource, &selection), 0);
        assert_string_equal(attribute(fixture, "b"), "absent");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init__has_the_defaults_of_the_specification),
        TEST(init__finds_the_endpoint),
        TEST(init__reads_the_environment),
        TEST(init__passes_over_files_that_are_of_no_use),
        TEST(init__lets_the_configuration_win),
        TEST(init__decodes_headers),
        TEST(init__passes_over_what_makes_no_sense),
        TEST(init__says_what_is_used_instead),
        TEST(init__warns_of_an_endpoint_without_a_path),
        TEST(resource__lets_the_stronger_win),
        TEST(resource__of_services_says_what_is_true_of_the_host),
        TEST(resource__passes_over_a_malformed_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
