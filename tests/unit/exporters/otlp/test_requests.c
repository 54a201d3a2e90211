/* SPDX-License-Identifier: Apache-2.0 */
/* Both encodings of a request: exact JSON, protobuf read back, hostile names, limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>

#include "exporters/otlp/encoding.h"
#include "exporters/otlp/otlp.pb-c.h"
#include "tests/unit/exporters/sample.h"

struct fixture {
    struct sample *sample;
    struct eye_selection selection;
    struct eye_otlp_attribute resource[2];
    struct eye_otlp_attribute observed[2];
    struct eye_otlp_model model;
    const struct eye_otlp_encoding *encoding;
    void *encoder;
    struct eye_identities identities;
    struct eye_otlp_value value;
    EyeOtlp__ExportMetricsServiceRequest *request;
    json_t *json;
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sample = sample_new(NULL)};
    fixture.resource[0] = (struct eye_otlp_attribute){.key = "service.name", .value = "sockeye"};
    fixture.resource[1] = (struct eye_otlp_attribute){.key = "host.name", .value = "h\"1"};
    fixture.observed[0] = (struct eye_otlp_attribute){.key = "host.name", .value = "h\"1"};
    fixture.observed[1] = (struct eye_otlp_attribute){.key = "a", .value = "b"};
    fixture.model = (struct eye_otlp_model){
        .selection = &fixture.selection,
        .resource = fixture.resource,
        .resource_count = EYE_ARRAY_LENGTH(fixture.resource),
        .observed = fixture.observed,
        .observed_count = EYE_ARRAY_LENGTH(fixture.observed),
        .temporality = EYE_OTLP_CUMULATIVE,
        .exponential = true,
    };
    *state = &fixture;
    return eye_selection_init(&fixture.selection, &fixture.sample->setup);
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_identities_done(&fixture->identities);
    if (fixture->encoding != NULL) {
        fixture->encoding->close(fixture->encoder);
    }
    if (fixture->request != NULL) {
        eye_otlp__export_metrics_service_request__free_unpacked(fixture->request, NULL);
    }
    json_decref(fixture->json);
    eye_selection_done(&fixture->selection);
    sample_free(fixture->sample);
    return 0;
}

static void open_encoder(struct fixture *fixture, const struct eye_otlp_encoding *encoding)
{
    assert_int_equal(encoding->open(&fixture->model, &fixture->encoder), 0);
    fixture->encoding = encoding;
    eye_identities_init(&fixture->identities, encoding->write_identity, fixture->encoder,
                        fixture->selection.wanted, EYE_OTLP_IDENTITY_MAX_BYTES);
}

/* Adds all changes until the request is full; returns how many are in it. */
static size_t add_changes(struct fixture *fixture, const struct eye_snapshot *now,
                          const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    size_t added = 0;
    bool delta = fixture->model.temporality == EYE_OTLP_DELTA && before != NULL;
    fixture->model.start_ns = delta ? before->time_ns : now->start_ns;
    fixture->model.time_ns = now->time_ns;
    assert_int_equal(eye_identities_follow(&fixture->identities, now), 0);
    fixture->encoding->begin(fixture->encoder);
    eye_changes_begin(&changes, now, before);
    for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
        const struct eye_identity *identity = eye_identities_at(&fixture->identities, index);
        if (eye_otlp_value(&fixture->model, identity->since_ns, &change, &fixture->value) != 0 ||
            eye_identity_check(identity) != 0) {
            continue;
        }
        int result = fixture->encoding->add(fixture->encoder, change.point->metric, identity,
                                            &fixture->value);
        if (result != 0) {
            assert_int_equal(result, -ENOBUFS);
            break;
        }
        added++;
    }
    return added;
}

static const char *finish(struct fixture *fixture, size_t *ret_length)
{
    const void *bytes = NULL;
    assert_int_equal(fixture->encoding->finish(fixture->encoder, &bytes, ret_length), 0);
    return bytes;
}

static const char *render_json(struct fixture *fixture, const struct eye_snapshot *now,
                               const struct eye_snapshot *before)
{
    size_t length;
    add_changes(fixture, now, before);
    const char *json = finish(fixture, &length);
    assert_int_equal(strlen(json), length);
    fixture->json = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(fixture->json);
    return json;
}

#define HEAD                                                                                       \
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"   \
    "\"stringValue\":\"sockeye\"}},{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h\\\"1\"}}" \
    "]"                                                                                            \
    "},\"scopeMetrics\":[{\"scope\":{\"name\":\"sockeye\",\"version\":\"" EYE_VERSION              \
    "\"},\"metrics\":["
#define TAIL "]}]}]}"

static void json__is_as_the_specification_shows(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    open_encoder(fixture, &eye_otlp_json);
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 2.5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 6, SAMPLE_TAGS({EYE_TAG_PORT, "81"}));
    sample_add(sample, EYE_METRIC_HTTP_SERVER_DURATION, 1,
               SAMPLE_TAGS({EYE_TAG_METHOD, "GET"}, {EYE_TAG_STATUS, "200"}));
    sample_add(sample, EYE_METRIC_SELF_CPU, 15e6, SAMPLE_TAGS());
    const char *json = render_json(fixture, sample_take(sample), NULL);
    assert_string_equal(
        json, HEAD
        "{\"name\":\"sockeye.tcp.connections.active\",\"description\":\"established TCP "
        "connections "
        "now\",\"unit\":\"{connection}\",\"gauge\":{\"dataPoints\":[{\"attributes\":[{\"key\":"
        "\"server.port\","
        "\"value\":{\"intValue\":\"80\"}}],\"timeUnixNano\":\"1785672010000000000\","
        "\"asDouble\":2.5}]}},"
        "{\"name\":\"sockeye.tcp.sent.bytes\",\"description\":\"payload sent, each byte "
        "once\",\"unit\":\"By\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,"
        "\"dataPoints\":[{\"attributes\":[{\"key\":\"server.port\",\"value\":{\"intValue\":\"80\"}}"
        "],"
        "\"startTimeUnixNano\":\"1785672000000000000\",\"timeUnixNano\":\"1785672010000000000\","
        "\"asInt\":\"5\"},{\"attributes\":[{\"key\":\"server.port\",\"value\":{\"intValue\":\"81\"}"
        "}],"
        "\"startTimeUnixNano\":\"1785672000000000000\",\"timeUnixNano\":\"1785672010000000000\","
        "\"asInt\":\"6\"}]}},"
        "{\"name\":\"http.server.request.duration\",\"description\":\"first byte of the request to "
        "first byte of the response, server end\",\"unit\":\"s\",\"exponentialHistogram\":{"
        "\"aggregationTemporality\":2,\"dataPoints\":[{\"attributes\":[{\"key\":\"http.request."
        "method\",\"value\":{\"stringValue\":\"GET\"}},{\"key\":\"http.response.status_code\","
        "\"value\":{\"intValue\":\"200\"}}],\"startTimeUnixNano\":\"1785672000000000000\","
        "\"timeUnixNano\":\"1785672010000000000\",\"count\":\"1\",\"sum\":1,\"scale\":5,"
        "\"zeroThreshold\":1e-9,\"zeroCount\":\"0\",\"positive\":{\"offset\":-1,\"bucketCounts\":["
        "\"1\"]}}]}},"
        "{\"name\":\"sockeye.cpu.time\",\"description\":\"CPU time of the daemon, user and "
        "system\","
        "\"unit\":\"s\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":["
        "{"
        "\"attributes\":[],\"startTimeUnixNano\":\"1785672000000000000\",\"timeUnixNano\":"
        "\"1785672010000000000\",\"asDouble\":0.015}]}}" TAIL);
}

/* Of the first metric. */
static const json_t *point_at(const struct fixture *fixture, const char *kind, size_t index)
{
    const json_t *scope = json_array_get(json_object_get(fixture->json, "resourceMetrics"), 0);
    const json_t *metrics = json_array_get(json_object_get(scope, "scopeMetrics"), 0);
    const json_t *metric = json_array_get(json_object_get(metrics, "metrics"), 0);
    return json_array_get(json_object_get(json_object_get(metric, kind), "dataPoints"), index);
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void json__carries_what_happened_in_between(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    fixture->model.temporality = EYE_OTLP_DELTA;
    fixture->model.exponential = false;
    open_encoder(fixture, &eye_otlp_json);
    sample_add(sample, EYE_METRIC_TCP_RTT, 0.5, SAMPLE_TAGS());
    const struct eye_snapshot *before = sample_take(sample);
    sample_add(sample, EYE_METRIC_TCP_RTT, 1, SAMPLE_TAGS());
    sample_add(sample, EYE_METRIC_TCP_RTT, 100, SAMPLE_TAGS());
    render_json(fixture, sample_take(sample), before);
    const json_t *point = point_at(fixture, "histogram", 0);
    assert_string_equal(text_at(point, "startTimeUnixNano"), "1785672010000000000");
    assert_string_equal(text_at(point, "count"), "2");
    assert_true(json_number_value(json_object_get(point, "sum")) == 101);
    assert_true(json_number_value(json_object_get(point, "min")) == 1);
    assert_true(fabs(json_number_value(json_object_get(point, "max")) / 100 - 1) < 0.008);
    const json_t *counts = json_object_get(point, "bucketCounts");
    assert_int_equal(json_array_size(counts), EYE_BOUNDARY_COUNT + 1);
    assert_int_equal(json_array_size(json_object_get(point, "explicitBounds")), EYE_BOUNDARY_COUNT);
    for (size_t i = 0; i <= EYE_BOUNDARY_COUNT; i++) {
        const char *expected = i == 15 || i == EYE_BOUNDARY_COUNT ? "1" : "0"; /* 1.0, above 60 */
        assert_string_equal(json_string_value(json_array_get(counts, i)), expected);
    }
}

/* The bin of each stands for 1. */
static void json__the_mean_lies_between_min_and_max(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    static const double values[] = {1.007, 0.993};
    fixture->model.temporality = EYE_OTLP_DELTA;
    open_encoder(fixture, &eye_otlp_json);
    const struct eye_snapshot *before = sample_take(sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        sample_add(sample, EYE_METRIC_TCP_RTT, values[i],
                   SAMPLE_TAGS({EYE_TAG_PROCESS, i == 0 ? "a" : "b"}));
    }
    render_json(fixture, sample_take(sample), before);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        const json_t *point = point_at(fixture, "exponentialHistogram", i);
        assert_true(json_number_value(json_object_get(point, "sum")) == values[i]);
        assert_true(json_number_value(json_object_get(point, "min")) <= values[i]);
        assert_true(json_number_value(json_object_get(point, "max")) >= values[i]);
    }
}

static void json__stays_valid_with_hostile_tags(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *value;
        const char *expected;
    } cases[] = {
        {"\"}}],\"asInt\":\"9", "\"}}],\"asInt\":\"9"},
        {"line\nbreak\r\t\x01\x7f\\", "line\nbreak\r\t\x01\x7f\\"},
        {"\xFF\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"", ""},
    };
    open_encoder(fixture, &eye_otlp_json);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_PROCESS, cases[i].value}));
    }
    render_json(fixture, sample_take(fixture->sample), NULL);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const json_t *attributes = json_object_get(point_at(fixture, "sum", i), "attributes");
        const json_t *value = json_object_get(json_array_get(attributes, 0), "value");
        assert_int_equal(json_array_size(attributes), 1);
        assert_string_equal(text_at(value, "stringValue"), cases[i].expected);
    }
    assert_null(point_at(fixture, "sum", EYE_ARRAY_LENGTH(cases)));
}

static const EyeOtlp__ScopeMetrics *read_request(struct fixture *fixture)
{
    size_t length;
    const void *bytes = finish(fixture, &length);
    fixture->request = eye_otlp__export_metrics_service_request__unpack(NULL, length, bytes);
    assert_non_null(fixture->request);
    assert_int_equal(fixture->request->n_resource_metrics, 1);
    assert_int_equal(fixture->request->resource_metrics[0]->n_scope_metrics, 1);
    return fixture->request->resource_metrics[0]->scope_metrics[0];
}

static void protobuf__shares_one_envelope_per_metric(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    open_encoder(fixture, &eye_otlp_protobuf);
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 2.5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 5, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 6, SAMPLE_TAGS({EYE_TAG_PORT, "81"}));
    assert_int_equal(add_changes(fixture, sample_take(sample), NULL), 3);
    const EyeOtlp__ScopeMetrics *scope = read_request(fixture);
    assert_int_equal(scope->n_metrics, 2);
    assert_string_equal(scope->metrics[0]->name, "sockeye.tcp.connections.active");
    assert_int_equal(scope->metrics[0]->data_case, EYE_OTLP__METRIC__DATA_GAUGE);
    assert_false(scope->metrics[0]->gauge->has_aggregation_temporality);
    assert_string_equal(scope->metrics[1]->unit, "By");
    assert_int_equal(scope->metrics[1]->data_case, EYE_OTLP__METRIC__DATA_SUM);
    assert_int_equal(scope->metrics[1]->sum->aggregation_temporality, EYE_OTLP_CUMULATIVE);
    assert_true(scope->metrics[1]->sum->is_monotonic);
    assert_int_equal(scope->metrics[1]->sum->n_data_points, 2);
    const ProtobufCBinaryData *packed = &scope->metrics[1]->sum->data_points[1];
    EyeOtlp__NumberDataPoint *point =
        eye_otlp__number_data_point__unpack(NULL, packed->len, packed->data);
    assert_non_null(point);
    assert_int_equal(point->as_int, 6);
    assert_int_equal(point->n_attributes, 1);
    assert_string_equal(point->attributes[0]->key, "server.port");
    assert_int_equal(point->attributes[0]->value->int_value, 81);
    eye_otlp__number_data_point__free_unpacked(point, NULL);
}

static void add_many(struct sample *sample, enum eye_metric_id metric)
{
    static char value[EYE_TAG_VALUE_MAX_BYTES];
    memset(value, 'x', sizeof(value) - 1);
    for (int i = 0; i < 2000; i++) {
        char service[16];
        char port[16];
        snprintf(service, sizeof(service), "s%d", i / 50);
        snprintf(port, sizeof(port), "%d", i % 50);
        sample_add(sample, metric, 1 + i,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, service}, {EYE_TAG_PORT, port},
                               {EYE_TAG_PROCESS, value}, {EYE_TAG_NETNS, value}));
    }
}

static void add__leaves_a_full_request_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    static const struct eye_otlp_encoding *const encodings[] = {&eye_otlp_protobuf, &eye_otlp_json};
    add_many(fixture->sample, EYE_METRIC_TCP_OPENED);
    add_many(fixture->sample, EYE_METRIC_TCP_CLOSED);
    add_many(fixture->sample, EYE_METRIC_TCP_RTT);
    const struct eye_snapshot *now = sample_take(fixture->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encodings); i++) {
        size_t length;
        open_encoder(fixture, encodings[i]);
        size_t added = add_changes(fixture, now, NULL);
        finish(fixture, &length);
        assert_in_range(added, 1000, now->count - 1);
        assert_in_range(length, EYE_OTLP_REQUEST_BYTES * 8 / 10, EYE_OTLP_REQUEST_BYTES);
        eye_identities_done(&fixture->identities);
        fixture->encoding->close(fixture->encoder);
        fixture->encoding = NULL;
    }
}

static void add__takes_the_largest_distribution(void **state)
{
    struct fixture *fixture = *state;
    open_encoder(fixture, &eye_otlp_protobuf);
    for (uint32_t key = 0; key < EYE_DISTRIBUTION_KEYS; key++) {
        sample_add(fixture->sample, EYE_METRIC_TCP_RTT, eye_distribution_key_value(key),
                   SAMPLE_TAGS());
    }
    assert_int_equal(add_changes(fixture, sample_take(fixture->sample), NULL), 1);
    const EyeOtlp__ScopeMetrics *scope = read_request(fixture);
    const ProtobufCBinaryData *packed = &scope->metrics[0]->exponential_histogram->data_points[0];
    EyeOtlp__ExponentialHistogramDataPoint *point =
        eye_otlp__exponential_histogram_data_point__unpack(NULL, packed->len, packed->data);
    assert_non_null(point);
    uint64_t total = point->zero_count;
    for (size_t i = 0; i < point->positive->n_bucket_counts; i++) {
        total += point->positive->bucket_counts[i];
    }
    assert_int_equal(total, EYE_DISTRIBUTION_KEYS);
    assert_int_equal(point->count, EYE_DISTRIBUTION_KEYS);
    assert_int_equal(point->scale, EYE_EXPONENTIAL_SCALE);
    eye_otlp__exponential_histogram_data_point__free_unpacked(point, NULL);
}

/* ---- Resources ---- */

/* Two metrics of two services and of none, so that each resource is met again; the daemon is itself
 * a service that was observed. */
static const struct eye_snapshot *take_services(struct sample *sample)
{
    static const char *const services[] = {"web", "d\"b"};
    static const enum eye_metric_id metrics[] = {EYE_METRIC_TCP_OPENED, EYE_METRIC_TCP_CLOSED};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(metrics); i++) {
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(services); j++) {
            sample_add(sample, metrics[i], 1,
                       SAMPLE_TAGS({EYE_TAG_SERVICE, services[j]}, {EYE_TAG_PORT, "1"}));
            sample_add(sample, metrics[i], 1,
                       SAMPLE_TAGS({EYE_TAG_SERVICE, services[j]}, {EYE_TAG_PORT, "2"}));
        }
        sample_add(sample, metrics[i], 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    }
    sample_add(sample, EYE_METRIC_TCP_SENT_BYTES, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "sockeye"}));
    return sample_take(sample);
}

static const char *resource_text(const json_t *resource_metrics, const char *key)
{
    const json_t *attributes =
        json_object_get(json_object_get(resource_metrics, "resource"), "attributes");
    const char *found = NULL;
    size_t index;
    json_t *attribute;
    json_array_foreach((json_t *)(uintptr_t)attributes, index, attribute)
    {
        if (strcmp(text_at(attribute, "key"), key) == 0) {
            assert_null(found);
            found = text_at(json_object_get(attribute, "value"), "stringValue");
        }
    }
    return found;
}

static const json_t *metrics_of(const json_t *resource_metrics)
{
    const json_t *scopes = json_object_get(resource_metrics, "scopeMetrics");
    assert_int_equal(json_array_size(scopes), 1);
    return json_object_get(json_array_get(scopes, 0), "metrics");
}

static void assert_times(const json_t *metric, size_t index, const char *start)
{
    const json_t *points = json_object_get(json_object_get(metric, "sum"), "dataPoints");
    const json_t *point = json_array_get(points, index);
    assert_string_equal(text_at(point, "startTimeUnixNano"), start);
    assert_string_equal(text_at(point, "timeUnixNano"), "1785672020000000000");
}

/* The series that came later stands between two older ones. */
static void json__has_the_times_of_each_point(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    open_encoder(fixture, &eye_otlp_json);
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    sample_add(sample, EYE_METRIC_TCP_CLOSED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    assert_int_equal(eye_identities_follow(&fixture->identities, sample_take(sample)), 0);
    sample_add(sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "2"}));
    render_json(fixture, sample_take(sample), NULL);
    const json_t *metrics =
        metrics_of(json_array_get(json_object_get(fixture->json, "resourceMetrics"), 0));
    assert_times(json_array_get(metrics, 0), 0, "1785672000000000000");
    assert_times(json_array_get(metrics, 0), 1, "1785672010000000000");
    assert_times(json_array_get(metrics, 1), 0, "1785672000000000000");
}

static size_t points_of(const json_t *metric)
{
    return json_array_size(json_object_get(json_object_get(metric, "sum"), "dataPoints"));
}

static void json__has_a_resource_for_each_service(void **state)
{
    struct fixture *fixture = *state;
    static const char *const services[] = {"web", "d\"b", "sockeye"};
    open_encoder(fixture, &eye_otlp_json);
    render_json(fixture, take_services(fixture->sample), NULL);
    const json_t *all = json_object_get(fixture->json, "resourceMetrics");
    assert_int_equal(json_array_size(all), EYE_ARRAY_LENGTH(services));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(services); i++) {
        const json_t *resource = json_array_get(all, i);
        bool own = i == EYE_ARRAY_LENGTH(services) - 1;
        assert_string_equal(resource_text(resource, "service.name"), services[i]);
        assert_string_equal(resource_text(resource, "host.name"), "h\"1");
        assert_int_equal(resource_text(resource, "a") == NULL, own);
        const json_t *metrics = metrics_of(resource);
        assert_int_equal(json_array_size(metrics), own ? 3 : 2);
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(points_of(json_array_get(metrics, j)), own ? 1 : 2);
        }
    }
}

static void assert_resource(const EyeOtlp__ResourceMetrics *metrics, const char *service)
{
    EyeOtlp__Resource *resource =
        eye_otlp__resource__unpack(NULL, metrics->resource.len, metrics->resource.data);
    assert_non_null(resource);
    const struct {
        const char *key;
        const char *value;
    } expected[] = {{"service.name", service}, {"host.name", "h\"1"}};
    size_t found = 0;
    for (size_t i = 0; i < resource->n_attributes; i++) {
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(expected); j++) {
            if (strcmp(resource->attributes[i]->key, expected[j].key) == 0) {
                assert_string_equal(resource->attributes[i]->value->string_value,
                                    expected[j].value);
                found++;
            }
        }
    }
    assert_int_equal(found, EYE_ARRAY_LENGTH(expected));
    eye_otlp__resource__free_unpacked(resource, NULL);
}

static void protobuf__has_a_resource_for_each_service(void **state)
{
    struct fixture *fixture = *state;
    size_t length;
    open_encoder(fixture, &eye_otlp_protobuf);
    assert_int_equal(add_changes(fixture, take_services(fixture->sample), NULL), 11);
    const void *bytes = finish(fixture, &length);
    fixture->request = eye_otlp__export_metrics_service_request__unpack(NULL, length, bytes);
    assert_non_null(fixture->request);
    assert_int_equal(fixture->request->n_resource_metrics, 3);
    EyeOtlp__ResourceMetrics **all = fixture->request->resource_metrics;
    assert_resource(all[0], "web");
    assert_resource(all[1], "d\"b");
    assert_resource(all[2], "sockeye");
    for (size_t i = 0; i < fixture->request->n_resource_metrics; i++) {
        bool own = i == 2;
        EyeOtlp__ScopeMetrics *scope = all[i]->scope_metrics[0];
        assert_int_equal(scope->n_metrics, own ? 3 : 2);
        assert_string_equal(scope->metrics[0]->name, "sockeye.tcp.connections.opened");
        assert_string_equal(scope->metrics[1]->name, "sockeye.tcp.connections.closed");
        assert_int_equal(scope->metrics[0]->sum->n_data_points, own ? 1 : 2);
        assert_int_equal(scope->metrics[1]->sum->n_data_points, own ? 1 : 2);
    }
}

/* Envelopes count: a resource and a metric around each point, still within the limit. */
static void add__counts_what_stands_around_the_points(void **state)
{
    struct fixture *fixture = *state;
    static const struct eye_otlp_encoding *const encodings[] = {&eye_otlp_protobuf, &eye_otlp_json};
    static const enum eye_metric_id metrics[] = {
        EYE_METRIC_TCP_OPENED,         EYE_METRIC_TCP_CLOSED,        EYE_METRIC_TCP_SENT_BYTES,
        EYE_METRIC_TCP_RECEIVED_BYTES, EYE_METRIC_TCP_SENT_SEGMENTS, EYE_METRIC_TCP_RETRANSMITS};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(metrics); i++) {
        for (int j = 0; j < 1900; j++) {
            char service[16];
            snprintf(service, sizeof(service), "s%d", j);
            sample_add(fixture->sample, metrics[i], 1, SAMPLE_TAGS({EYE_TAG_SERVICE, service}));
        }
    }
    const struct eye_snapshot *now = sample_take(fixture->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encodings); i++) {
        size_t length;
        open_encoder(fixture, encodings[i]);
        assert_in_range(add_changes(fixture, now, NULL), 1900, now->count - 1);
        finish(fixture, &length);
        assert_in_range(length, EYE_OTLP_REQUEST_BYTES * 7 / 10, EYE_OTLP_REQUEST_BYTES);
        eye_identities_done(&fixture->identities);
        fixture->encoding->close(fixture->encoder);
        fixture->encoding = NULL;
    }
}

static void identity__tells_services_apart(void **state)
{
    struct fixture *fixture = *state;
    open_encoder(fixture, &eye_otlp_json);
    add_changes(fixture, take_services(fixture->sample), NULL);
    assert_int_equal(fixture->identities.collisions, 0);
}

/* An empty service has a resource of its own; one called like the daemon shares the daemon's. */
static void identity__knows_a_resource_by_its_service(void **state)
{
    struct fixture *fixture = *state;
    static const struct eye_otlp_encoding *const encodings[] = {&eye_otlp_protobuf, &eye_otlp_json};
    static const int expected[] = {0, 0, -EEXIST};
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, ""}, {EYE_TAG_PORT, "1"}));
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "sockeye"}, {EYE_TAG_PORT, "1"}));
    const struct eye_snapshot *now = sample_take(fixture->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encodings); i++) {
        open_encoder(fixture, encodings[i]);
        assert_int_equal(eye_identities_follow(&fixture->identities, now), 0);
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(expected); j++) {
            assert_int_equal(eye_identity_check(eye_identities_at(&fixture->identities, j)),
                             expected[j]);
        }
        eye_identities_done(&fixture->identities);
        fixture->encoding->close(fixture->encoder);
        fixture->encoding = NULL;
    }
}

/* By the conventions on TCP metrics, too; a zone is no address. */
static void attributes__are_those_of_the_conventions(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *remote;
        const char *key;
    } cases[] = {
        {"10.0.0.1", "network.peer.address"},
        {"fe80::1", "network.peer.address"},
        {"private", "remote"},
    };
    EYE_CLEANUP(eye_text_done) struct eye_text scratch;
    struct eye_otlp_attribute attributes[EYE_TAG_COUNT];
    eye_text_init(&scratch, 1000);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1,
                   SAMPLE_TAGS({EYE_TAG_SERVICE, "web"}, {EYE_TAG_PORT, "80"},
                               {EYE_TAG_FAMILY, "ipv4"}, {EYE_TAG_REMOTE, cases[i].remote}));
    }
    const struct eye_snapshot *now = sample_take(fixture->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(eye_otlp_attributes(&now->points[i], &scratch, attributes), 3);
        assert_string_equal(attributes[0].key, "server.port");
        assert_true(attributes[0].is_number && attributes[0].number == 80);
        assert_string_equal(attributes[1].key, "network.type");
        assert_string_equal(attributes[2].key, cases[i].key);
    }
}

static void value__refuses_what_is_no_number(void **state)
{
    struct fixture *fixture = *state;
    open_encoder(fixture, &eye_otlp_json);
    sample_add(fixture->sample, EYE_METRIC_TCP_ACTIVE, NAN, SAMPLE_TAGS());
    sample_add(fixture->sample, EYE_METRIC_SELF_QUEUED, INFINITY, SAMPLE_TAGS());
    assert_int_equal(add_changes(fixture, sample_take(fixture->sample), NULL), 0);
}

static void value__counts_from_where_the_series_began(void **state)
{
    struct fixture *fixture = *state;
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS());
    const struct eye_snapshot *now = sample_take(fixture->sample);
    const struct eye_change change = {.point = &now->points[0], .counter = 1};
    fixture->model.start_ns = 100;
    assert_int_equal(eye_otlp_value(&fixture->model, 50, &change, &fixture->value), 0);
    assert_int_equal(fixture->value.start_ns, 100);
    assert_int_equal(eye_otlp_value(&fixture->model, 150, &change, &fixture->value), 0);
    assert_int_equal(fixture->value.start_ns, 150);
}

static void identity__tells_series_apart_by_metric_and_attributes(void **state)
{
    struct fixture *fixture = *state;
    static const struct eye_otlp_encoding *const encodings[] = {&eye_otlp_protobuf, &eye_otlp_json};
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    sample_add(fixture->sample, EYE_METRIC_TCP_CLOSED, 1, SAMPLE_TAGS({EYE_TAG_PORT, "1"}));
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "\xFE"}));
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, 1, SAMPLE_TAGS({EYE_TAG_SERVICE, "\xFF"}));
    const struct eye_snapshot *now = sample_take(fixture->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encodings); i++) {
        open_encoder(fixture, encodings[i]);
        assert_int_equal(add_changes(fixture, now, NULL), 3);
        assert_int_equal(fixture->identities.collisions, 1);
        eye_identities_done(&fixture->identities);
        fixture->encoding->close(fixture->encoder);
        fixture->encoding = NULL;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json__is_as_the_specification_shows),
        TEST(json__carries_what_happened_in_between),
        TEST(json__the_mean_lies_between_min_and_max),
        TEST(json__stays_valid_with_hostile_tags),
        TEST(protobuf__shares_one_envelope_per_metric),
        TEST(add__leaves_a_full_request_as_it_was),
        TEST(add__takes_the_largest_distribution),
        TEST(value__refuses_what_is_no_number),
        TEST(value__counts_from_where_the_series_began),
        TEST(identity__tells_series_apart_by_metric_and_attributes),
        TEST(json__has_the_times_of_each_point),
        TEST(json__has_a_resource_for_each_service),
        TEST(protobuf__has_a_resource_for_each_service),
        TEST(add__counts_what_stands_around_the_points),
        TEST(identity__tells_services_apart),
        TEST(identity__knows_a_resource_by_its_service),
        TEST(attributes__are_those_of_the_conventions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
