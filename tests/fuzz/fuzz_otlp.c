/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as OTLP, in both encodings at once. Property: the protobuf request has one data
 * point for each point, with the attributes, times and numbers of its series under a metric of its
 * name in the resource of its service, which is there once, and no field that the schema does not
 * know; the JSON request says, member by member, what the protobuf one says.
 */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/parse.h"
#include "exporters/otlp/encoding.h"
#include "exporters/otlp/otlp.pb-c.h"
#include "exporters/otlp/resource.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Series that fill several requests. */
#define CROWD HOSTILE_CROWD_MAX

#define REQUEST_MAX_BYTES EYE_OTLP_REQUEST_BYTES

#define DIGITS 1e-14

struct encoder {
    const struct eye_otlp_encoding *encoding;
    struct eye_otlp_model *model;
    void *state; /* of the encoding */
    struct eye_identities identities;
    struct eye_otlp_value value;
    struct eye_text request;
};

/* ---- Encoding ---- */

static void begin(void *state)
{
    struct encoder *encoder = state;
    encoder->encoding->begin(encoder->state);
}

static bool wants(void *state, const struct eye_change *change)
{
    struct encoder *encoder = state;
    return encoder->model->temporality == EYE_OTLP_CUMULATIVE ||
           change->point->metric->kind == EYE_GAUGE || change->counter > 0 || change->count > 0;
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct encoder *encoder = state;
    const struct eye_identity *identity = eye_identities_at(&encoder->identities, index);
    int result = eye_identity_check(identity);
    (void)part;
    if (result == 0) {
        result = eye_otlp_value(encoder->model, identity->since_ns, change, &encoder->value);
    }
    return result == 0 ? encoder->encoding->add(encoder->state, change->point->metric, identity,
                                                &encoder->value)
                       : result;
}

static const struct eye_text *end(void *state)
{
    struct encoder *encoder = state;
    const void *bytes;
    size_t length;
    int result = encoder->encoding->finish(encoder->state, &bytes, &length);
    assert(result == 0 && length <= REQUEST_MAX_BYTES);
    eye_text_clear(&encoder->request);
    eye_text_append_bytes(&encoder->request, bytes, length);
    return &encoder->request;
}

static const struct trial_format format = {
    .begin = begin,
    .wants = wants,
    .add = add,
    .end = end,
};

/* ---- Requests taken apart ---- */

/* Where a data point stands. */
struct place {
    size_t request;
    char *service; /* of its resource; NULL: it is the daemon's; owned */
    bool read;
};

/* A data point, and what it stands in. */
struct protobuf_point {
    struct place place;
    const EyeOtlp__Metric *metric;
    ProtobufCMessage *message; /* owned */
};

struct json_point {
    struct place place;
    const json_t *metric;
    const json_t *object;
};

/* Both encodings: no request is without a point. */
struct requests {
    EyeOtlp__ExportMetricsServiceRequest *protobuf[HOSTILE_POINTS_MAX]; /* owned */
    size_t protobuf_count;
    json_t *json[HOSTILE_POINTS_MAX]; /* owned */
    size_t json_count;
    struct protobuf_point protobuf_points[HOSTILE_POINTS_MAX];
    size_t protobuf_point_count;
    struct json_point json_points[HOSTILE_POINTS_MAX];
    size_t json_point_count;
};

static const ProtobufCMessageDescriptor *point_descriptor(EyeOtlp__Metric__DataCase data_case)
{
    switch (data_case) {
    case EYE_OTLP__METRIC__DATA_GAUGE:
    case EYE_OTLP__METRIC__DATA_SUM:
        return &eye_otlp__number_data_point__descriptor;
    case EYE_OTLP__METRIC__DATA_HISTOGRAM:
        return &eye_otlp__histogram_data_point__descriptor;
    case EYE_OTLP__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        return &eye_otlp__exponential_histogram_data_point__descriptor;
    default:
        break;
    }
    assert(false);
    return NULL;
}

/* The daemon's resource goes on with its version, those of services with the host. */
#define OWN_KEY "service.version"

static char *copy_service(const EyeOtlp__Resource *resource)
{
    EyeOtlp__KeyValue *const *attributes = resource->attributes;
    assert(resource->n_attributes > 1 && strcmp(attributes[0]->key, "service.name") == 0);
    if (strcmp(attributes[1]->key, OWN_KEY) == 0) {
        return NULL;
    }
    char *service = strdup(attributes[0]->value->string_value);
    assert(service != NULL);
    return service;
}

static void take_points(struct requests *requests, const EyeOtlp__Resource *resource,
                        const EyeOtlp__Metric *metric)
{
    const EyeOtlp__Data *data = metric->gauge; /* a union of pointers to the same type */
    assert(metric->base.n_unknown_fields == 0 && data->base.n_unknown_fields == 0);
    assert(data->n_data_points > 0);
    for (size_t i = 0; i < data->n_data_points; i++) {
        assert(requests->protobuf_point_count < HOSTILE_POINTS_MAX);
        ProtobufCMessage *message =
            protobuf_c_message_unpack(point_descriptor(metric->data_case), NULL,
                                      data->data_points[i].len, data->data_points[i].data);
        assert(message != NULL && message->n_unknown_fields == 0);
        requests->protobuf_points[requests->protobuf_point_count++] = (struct protobuf_point){
            {requests->protobuf_count - 1, copy_service(resource), false}, metric, message};
    }
}

static bool is_same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void take_resource(struct requests *requests, const EyeOtlp__ResourceMetrics *metrics)
{
    assert(metrics->base.n_unknown_fields == 0 && metrics->n_scope_metrics == 1);
    const EyeOtlp__ScopeMetrics *scope = metrics->scope_metrics[0];
    EyeOtlp__Resource *resource =
        eye_otlp__resource__unpack(NULL, metrics->resource.len, metrics->resource.data);
    assert(resource != NULL);
    for (size_t i = 0; i < scope->n_metrics; i++) {
        assert(i == 0 || strcmp(scope->metrics[i]->name, scope->metrics[i - 1]->name) != 0);
        take_points(requests, resource, scope->metrics[i]);
    }
    eye_otlp__resource__free_unpacked(resource, NULL);
}

static void take_protobuf(struct requests *requests, const struct eye_text *payload)
{
    EyeOtlp__ExportMetricsServiceRequest *request =
        eye_otlp__export_metrics_service_request__unpack(NULL, payload->length,
                                                         (const uint8_t *)payload->data);
    assert(request != NULL && request->base.n_unknown_fields == 0);
    assert(requests->protobuf_count < HOSTILE_POINTS_MAX);
    requests->protobuf[requests->protobuf_count++] = request;
    for (size_t i = 0; i < request->n_resource_metrics; i++) {
        for (size_t j = 0; j < i; j++) {
            assert(!is_same_bytes(&request->resource_metrics[i]->resource,
                                  &request->resource_metrics[j]->resource));
        }
        take_resource(requests, request->resource_metrics[i]);
    }
}

/* The only element of the array @name of @object. */
static const json_t *only(const json_t *object, const char *name)
{
    const json_t *array = json_object_get(object, name);
    assert(json_is_array(array) && json_array_size(array) == 1);
    return json_array_get(array, 0);
}

static const json_t *data_of(const json_t *metric)
{
    static const char *const kinds[] = {"gauge", "sum", "histogram", "exponentialHistogram"};
    const json_t *data = NULL;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(kinds); i++) {
        const json_t *found = json_object_get(metric, kinds[i]);
        assert(found == NULL || data == NULL);
        data = found != NULL ? found : data;
    }
    assert(json_object_size(metric) == 4);
    return data;
}

/* Points of one metric share its envelope. */
static bool has_same_name(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "name"), json_object_get(b, "name"));
}

static const json_t *resource_of(const json_t *resource_metrics)
{
    return json_object_get(json_object_get(resource_metrics, "resource"), "attributes");
}

static const char *key_at(const json_t *attributes, size_t index)
{
    return json_string_value(json_object_get(json_array_get(attributes, index), "key"));
}

static char *copy_json_service(const json_t *attributes)
{
    const json_t *value = json_object_get(json_array_get(attributes, 0), "value");
    assert(strcmp(key_at(attributes, 0), "service.name") == 0);
    if (strcmp(key_at(attributes, 1), OWN_KEY) == 0) {
        return NULL;
    }
    char *service = strdup(json_string_value(json_object_get(value, "stringValue")));
    assert(service != NULL);
    return service;
}

static void take_json_resource(struct requests *requests, const json_t *resource_metrics)
{
    const json_t *metrics = json_object_get(only(resource_metrics, "scopeMetrics"), "metrics");
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const json_t *metric = json_array_get(metrics, i);
        const json_t *points = json_object_get(data_of(metric), "dataPoints");
        assert(json_array_size(points) > 0);
        assert(i == 0 || !has_same_name(metric, json_array_get(metrics, i - 1)));
        for (size_t j = 0; j < json_array_size(points); j++) {
            assert(requests->json_point_count < HOSTILE_POINTS_MAX);
            requests->json_points[requests->json_point_count++] = (struct json_point){
                {requests->json_count - 1, copy_json_service(resource_of(resource_metrics)), false},
                metric,
                json_array_get(points, j)};
        }
    }
}

static void take_json(struct requests *requests, const struct eye_text *payload)
{
    json_t *request = json_loadb(payload->data, payload->length, JSON_REJECT_DUPLICATES, NULL);
    assert(json_is_object(request) && json_object_size(request) == 1);
    assert(requests->json_count < HOSTILE_POINTS_MAX);
    requests->json[requests->json_count++] = request;
    const json_t *resources = json_object_get(request, "resourceMetrics");
    assert(json_array_size(resources) > 0);
    for (size_t i = 0; i < json_array_size(resources); i++) {
        for (size_t j = 0; j < i; j++) {
            assert(!json_equal(resource_of(json_array_get(resources, i)),
                               resource_of(json_array_get(resources, j))));
        }
        take_json_resource(requests, json_array_get(resources, i));
    }
}

static void free_requests(struct requests *requests)
{
    for (size_t i = 0; i < requests->protobuf_point_count; i++) {
        protobuf_c_message_free_unpacked(requests->protobuf_points[i].message, NULL);
        free(requests->protobuf_points[i].place.service);
    }
    for (size_t i = 0; i < requests->json_point_count; i++) {
        free(requests->json_points[i].place.service);
    }
    for (size_t i = 0; i < requests->protobuf_count; i++) {
        eye_otlp__export_metrics_service_request__free_unpacked(requests->protobuf[i], NULL);
    }
    for (size_t i = 0; i < requests->json_count; i++) {
        json_decref(requests->json[i]);
    }
    free(requests);
}

/* ---- JSON against protobuf: the mapping of proto3, by the schema ---- */

static void check_message(const json_t *object, const ProtobufCMessage *message);

static const void *member_of(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *quantifier = member_of(message, field->quantifier_offset);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        return *(const uint32_t *)quantifier == field->id;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return *(const void *const *)member_of(message, field->offset) != NULL;
    }
    return *(const protobuf_c_boolean *)quantifier != 0;
}

/* 64-bit numbers are strings of digits. */
static void check_digits(const json_t *value, const char *format_of, uint64_t number)
{
    char digits[24];
    if (*format_of == '-') {
        snprintf(digits, sizeof(digits), "%" PRId64, (int64_t)number);
    } else {
        snprintf(digits, sizeof(digits), "%" PRIu64, number);
    }
    assert(json_is_string(value) && strcmp(json_string_value(value), digits) == 0);
}

static void check_scalar(const json_t *value, ProtobufCType type, const void *member)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
        assert(json_is_string(value));
        assert(strcmp(json_string_value(value), *(char *const *)member) == 0);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        check_message(value, *(ProtobufCMessage *const *)member);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        assert(json_is_number(value));
        assert(expected_near(json_number_value(value), *(const double *)member, DIGITS));
        break;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT32:
        assert(json_is_integer(value) && json_integer_value(value) == *(const int32_t *)member);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        check_digits(value, "-", *(const uint64_t *)member);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        check_digits(value, "", *(const uint64_t *)member);
        break;
    default:
        assert(false);
    }
}

/* Repeated fields of our points are of 8 bytes: numbers, or pointers to messages. */
static bool check_array(const json_t *array, const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field)
{
    size_t count = *(const size_t *)member_of(message, field->quantifier_offset);
    const char *const *items = member_of(message, field->offset);
    assert(json_array_size(array) == count);
    for (size_t i = 0; i < count; i++) {
        check_scalar(json_array_get(array, i), field->type, *items + i * sizeof(uint64_t));
    }
    return array != NULL;
}

/* "zero_count" is "zeroCount". */
static void make_camel_case(const char *name, char ret_name[64])
{
    bool upper = false;
    size_t length = 0;
    for (; *name != '\0'; name++) {
        if (*name != '_') {
            assert(length < 63);
            ret_name[length++] = (char)(upper ? *name - 'a' + 'A' : *name);
        }
        upper = *name == '_';
    }
    ret_name[length] = '\0';
}

/* Returns whether @object has the member. */
static bool check_field(const json_t *object, const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field)
{
    char name[64];
    make_camel_case(field->name, name);
    const json_t *value = json_object_get(object, name);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return check_array(value, message, field);
    }
    if (!is_set(message, field)) {
        assert(value == NULL);
        return false;
    }
    assert(value != NULL);
    check_scalar(value, field->type, member_of(message, field->offset));
    return true;
}

static void check_message(const json_t *object, const ProtobufCMessage *message)
{
    size_t members = 0;
    assert(json_is_object(object));
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        members += check_field(object, message, &message->descriptor->fields[i]);
    }
    assert(json_object_size(object) == members);
}

static bool is_member(const json_t *object, const char *name, const char *expected)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL && strcmp(value, expected) == 0;
}

static void check_json_metric(const json_t *object, const EyeOtlp__Metric *metric)
{
    const json_t *data = data_of(object);
    assert(is_member(object, "name", metric->name));
    assert(is_member(object, "description", metric->description));
    assert(is_member(object, "unit", metric->unit));
    assert(
        json_integer_value(json_object_get(data, "aggregationTemporality")) ==
        (metric->gauge->has_aggregation_temporality ? metric->gauge->aggregation_temporality : 0));
    assert(json_is_true(json_object_get(data, "isMonotonic")) == metric->gauge->is_monotonic);
}

/* ---- Protobuf against the snapshot ---- */

static void check_attribute(const struct eye_metric *metric, const struct eye_tag_value *tag,
                            const EyeOtlp__KeyValue *attribute)
{
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    const char *convention = eye_tag_attribute(metric, tag->tag)->name;
    bool named = strcmp(attribute->key, eye_tag_info(tag->tag)->name) == 0;
    uint64_t number;
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    expected_append(&expected, tag->value, expected_utf8);
    assert(named ? *convention == '\0' || tag->tag == EYE_TAG_REMOTE
                 : strcmp(attribute->key, convention) == 0);
    if (attribute->value->value_case == EYE_OTLP__ANY_VALUE__VALUE_INT_VALUE) {
        assert(tag->tag == EYE_TAG_STATUS || tag->tag == EYE_TAG_PORT);
        assert(eye_parse_u64(tag->value, &number) == 0);
        assert(number == (uint64_t)attribute->value->int_value);
    } else {
        assert(strcmp(attribute->value->string_value, eye_text_string(&expected)) == 0);
    }
}

/* The service is the resource's. */
static void check_attributes(const struct eye_point *point, EyeOtlp__KeyValue *const *attributes,
                             size_t count)
{
    size_t at = 0;
    for (uint32_t i = 0; i < point->tags->count; i++) {
        if (point->tags->tags[i].tag != EYE_TAG_SERVICE) {
            assert(at < count);
            check_attribute(point->metric, &point->tags->tags[i], attributes[at++]);
        }
    }
    assert(at == count);
}

static void check_number(const struct eye_otlp_model *model, const struct eye_change *change,
                         const EyeOtlp__NumberDataPoint *number)
{
    const struct eye_point *point = change->point;
    bool delta = model->temporality == EYE_OTLP_DELTA;
    uint64_t counter = delta ? change->counter : point->counter;
    bool gauge = point->metric->kind == EYE_GAUGE;
    check_attributes(point, number->attributes, number->n_attributes);
    assert(number->time_unix_nano == model->time_ns);
    assert(number->has_start_time_unix_nano == !gauge);
    assert(gauge || number->start_time_unix_nano == model->start_ns);
    if (number->value_case == EYE_OTLP__NUMBER_DATA_POINT__VALUE_AS_INT) {
        assert(!gauge && (uint64_t)number->as_int == counter);
    } else {
        assert(number->value_case == EYE_OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE);
        assert(number->as_double ==
               (gauge ? point->gauge : eye_counter_value(point->metric, counter)));
    }
}

/* What a distribution counts from. */
static const struct eye_distribution *base_of(const struct eye_otlp_model *model,
                                              const struct eye_change *change)
{
    return model->temporality == EYE_OTLP_DELTA ? change->before : NULL;
}

static void check_histogram(const struct eye_otlp_model *model, const struct eye_change *change,
                            const EyeOtlp__HistogramDataPoint *histogram)
{
    const struct eye_distribution *now = change->point->distribution;
    const struct eye_distribution *before = base_of(model, change);
    uint64_t within[EYE_BOUNDARY_COUNT];
    uint64_t below = 0;
    eye_buckets_classic(now, before, within);
    check_attributes(change->point, histogram->attributes, histogram->n_attributes);
    assert(histogram->start_time_unix_nano == model->start_ns);
    assert(histogram->time_unix_nano == model->time_ns);
    assert(histogram->count == eye_distribution_count_since(now, before));
    assert(histogram->sum == eye_distribution_sum_since(now, before));
    assert(histogram->n_explicit_bounds == EYE_BOUNDARY_COUNT);
    assert(histogram->n_bucket_counts == EYE_BOUNDARY_COUNT + 1);
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        below += histogram->bucket_counts[i];
        assert(histogram->explicit_bounds[i] == eye_boundaries[i].value && below == within[i]);
    }
    assert(below + histogram->bucket_counts[EYE_BOUNDARY_COUNT] == histogram->count);
}

static void check_exponential(const struct eye_otlp_model *model, const struct eye_change *change,
                              const EyeOtlp__ExponentialHistogramDataPoint *histogram)
{
    EYE_AUTOFREE struct eye_exponential *buckets = malloc(sizeof(*buckets));
    const struct eye_distribution *now = change->point->distribution;
    const struct eye_distribution *before = base_of(model, change);
    assert(buckets != NULL);
    eye_buckets_exponential(now, before, buckets);
    check_attributes(change->point, histogram->attributes, histogram->n_attributes);
    assert(histogram->start_time_unix_nano == model->start_ns);
    assert(histogram->time_unix_nano == model->time_ns);
    assert(histogram->count == eye_distribution_count_since(now, before));
    assert(histogram->sum == eye_distribution_sum_since(now, before));
    assert(histogram->scale == EYE_EXPONENTIAL_SCALE);
    assert(histogram->zero_count == buckets->zero);
    assert(histogram->positive->n_bucket_counts == buckets->size);
    uint64_t count = histogram->zero_count;
    for (size_t i = 0; i < buckets->size; i++) {
        assert(histogram->positive->bucket_counts[i] == buckets->counts[i]);
        count += buckets->counts[i];
    }
    assert(buckets->size == 0 || histogram->positive->offset == buckets->offset);
    assert(count == histogram->count);
}

static void check_metric(const struct hostile *world, const struct eye_otlp_model *model,
                         const struct eye_metric *metric, const EyeOtlp__Metric *message)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    bool gauge = metric->kind == EYE_GAUGE;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    expected_append_name(&name, world, metric);
    assert(strcmp(message->name, metric->family->semantic ? metric->name : name.data) == 0);
    assert(strcmp(message->description, metric->help) == 0);
    assert(strcmp(message->unit, eye_unit_info(metric->unit)->ucum) == 0);
    assert(message->gauge->has_aggregation_temporality == !gauge);
    assert(gauge || message->gauge->aggregation_temporality == (int32_t)model->temporality);
}

static const char *own_name(const struct eye_otlp_model *model)
{
    assert(strcmp(model->resource[0].key, "service.name") == 0);
    return model->resource[0].value;
}

/* What a receiver knows the series by. The daemon's resource has its name, not an empty one, which
 * a service may have. */
static void keep_name(struct expected_names *names, const struct eye_otlp_model *model,
                      const struct json_point *point)
{
    const json_t *list = json_object_get(point->object, "attributes");
    EYE_AUTOFREE char *attributes = json_dumps(list, JSON_COMPACT);
    struct eye_text *name = expected_next_name(names);
    assert(attributes != NULL);
    eye_text_append(name, json_string_value(json_object_get(point->metric, "name")));
    eye_text_append(name, attributes);
    eye_text_append(name, point->place.service == NULL ? own_name(model) : point->place.service);
}

static void check_point(const struct hostile *world, const struct eye_otlp_model *model,
                        const struct eye_change *change, const struct protobuf_point *point)
{
    const struct eye_metric *metric = change->point->metric;
    check_metric(world, model, metric, point->metric);
    if (metric->kind != EYE_DISTRIBUTION) {
        assert(point->metric->data_case == (metric->kind == EYE_GAUGE
                                                ? EYE_OTLP__METRIC__DATA_GAUGE
                                                : EYE_OTLP__METRIC__DATA_SUM));
        check_number(model, change, (const EyeOtlp__NumberDataPoint *)point->message);
    } else if (model->exponential) {
        assert(point->metric->data_case == EYE_OTLP__METRIC__DATA_EXPONENTIAL_HISTOGRAM);
        check_exponential(model, change,
                          (const EyeOtlp__ExponentialHistogramDataPoint *)point->message);
    } else {
        assert(point->metric->data_case == EYE_OTLP__METRIC__DATA_HISTOGRAM);
        check_histogram(model, change, (const EyeOtlp__HistogramDataPoint *)point->message);
    }
}

/* ---- All of it ---- */

static bool is_of(const struct place *place, const char *service)
{
    return service == NULL ? place->service == NULL
                           : place->service != NULL && strcmp(place->service, service) == 0;
}

/*
 * A request is about as many points as the snapshot has side by side; of a service they stand in
 * their order. So the next one is the first of the service's in the first request that has points
 * left. @stride: from place to place.
 */
static size_t find_next(struct place *first, size_t stride, size_t count, const char *service)
{
    struct place *place = first;
    size_t left = count;
    for (size_t i = 0; i < count; i++) {
        place = (struct place *)((char *)first + i * stride);
        if (place->read) {
            continue;
        }
        left = left == count ? place->request : left;
        assert(place->request == left);
        if (is_of(place, service)) {
            place->read = true;
            return i;
        }
    }
    assert(false);
    return 0;
}

static void check_points(const struct hostile *world, const struct eye_otlp_model *model,
                         const struct trial *trial, struct requests *requests)
{
    struct eye_changes changes = trial_changes(trial);
    struct eye_change change;
    size_t index;
    struct expected_names names = {.count = 0};
    size_t at = 0;
    for (; trial_next(trial, &changes, &change, &index); at++) {
        EYE_CLEANUP(eye_text_done) struct eye_text text;
        const char *tag = eye_tag_set_value(change.point->tags, EYE_TAG_SERVICE);
        eye_text_init(&text, EXPECTED_MAX_BYTES);
        expected_append(&text, tag == NULL ? "" : tag, expected_utf8);
        bool own = tag == NULL || strcmp(eye_text_string(&text), own_name(model)) == 0;
        const char *service = own ? NULL : eye_text_string(&text);
        const struct protobuf_point *protobuf = &requests->protobuf_points[find_next(
            &requests->protobuf_points[0].place, sizeof(requests->protobuf_points[0]),
            requests->protobuf_point_count, service)];
        const struct json_point *json = &requests->json_points[find_next(
            &requests->json_points[0].place, sizeof(requests->json_points[0]),
            requests->json_point_count, service)];
        check_point(world, model, &change, protobuf);
        check_json_metric(json->metric, protobuf->metric);
        check_message(json->object, protobuf->message);
        keep_name(&names, model, json);
    }
    expected_finish_names(&names);
    assert(at == requests->protobuf_point_count && at == requests->json_point_count);
}

static const json_t *json_resource(const struct requests *requests, size_t index)
{
    const json_t *all = json_object_get(requests->json[0], "resourceMetrics");
    return json_object_get(json_array_get(all, index), "resource");
}

/* Each key once, as many as there are, the same in both encodings. */
static void check_resource(const EyeOtlp__ResourceMetrics *metrics, const json_t *json,
                           const struct eye_otlp_model *model)
{
    EyeOtlp__Resource *resource =
        eye_otlp__resource__unpack(NULL, metrics->resource.len, metrics->resource.data);
    assert(resource != NULL);
    bool own = strcmp(resource->attributes[1]->key, OWN_KEY) == 0;
    assert(resource->n_attributes == (own ? model->resource_count : model->observed_count + 1));
    for (size_t i = 0; i < resource->n_attributes; i++) {
        for (size_t j = 0; j < i; j++) {
            assert(strcmp(resource->attributes[i]->key, resource->attributes[j]->key) != 0);
        }
    }
    check_message(json, &resource->base);
    eye_otlp__resource__free_unpacked(resource, NULL);
}

/* Of the first request: which resources come in the others depends on how much goes into one. */
static void check_resources(const struct requests *requests, const struct eye_otlp_model *model)
{
    if (requests->protobuf_count == 0) {
        return;
    }
    const json_t *all = json_object_get(requests->json[0], "resourceMetrics");
    size_t count = requests->protobuf[0]->n_resource_metrics;
    size_t both = count < json_array_size(all) ? count : json_array_size(all);
    for (size_t i = 0; i < both; i++) {
        check_resource(requests->protobuf[0]->resource_metrics[i], json_resource(requests, i),
                       model);
    }
}

static struct trial *run(const struct hostile *world, struct eye_otlp_model *model,
                         const struct eye_otlp_encoding *encoding)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    assert(encoder != NULL);
    encoder->encoding = encoding;
    encoder->model = model;
    eye_text_init(&encoder->request, REQUEST_MAX_BYTES);
    int result = encoding->open(model, &encoder->state);
    assert(result == 0);
    eye_identities_init(&encoder->identities, encoding->write_identity, encoder->state,
                        world->selection.wanted, EYE_OTLP_IDENTITY_MAX_BYTES);
    result = eye_identities_follow(&encoder->identities, world->now);
    assert(result == 0);
    struct trial *trial =
        trial_new(world, world->now, world->before, &format, encoder, HOSTILE_BYTES_MAX);
    eye_identities_done(&encoder->identities);
    encoding->close(encoder->state);
    eye_text_done(&encoder->request);
    free(encoder);
    return trial;
}

static void run_both(const struct hostile *world, struct eye_otlp_model *model)
{
    struct trial *protobuf = run(world, model, &eye_otlp_protobuf);
    struct trial *json = run(world, model, &eye_otlp_json);
    struct requests *requests = calloc(1, sizeof(*requests));
    assert(requests != NULL);
    assert(memcmp(protobuf->outcomes, json->outcomes, sizeof(json->outcomes)) == 0);
    for (size_t i = 0; i < protobuf->count; i++) {
        take_protobuf(requests, &protobuf->payloads[i]);
    }
    for (size_t i = 0; i < json->count; i++) {
        take_json(requests, &json->payloads[i]);
    }
    check_points(world, model, protobuf, requests);
    check_resources(requests, model);
    free_requests(requests);
    trial_free(protobuf);
    trial_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct eye_otlp_resource resource;
    struct eye_otlp_resource observed;
    hostile_init(&world, data, size);
    struct eye_otlp_model model = {.selection = &world.selection};
    model.temporality = hostile_choice(&world, 2) != 0 ? EYE_OTLP_DELTA : EYE_OTLP_CUMULATIVE;
    model.exponential = hostile_choice(&world, 2) != 0;
    hostile_make(&world, CROWD);
    int result = eye_otlp_resource_init(&resource, &world.selection);
    assert(result == 0);
    result = eye_otlp_resource_init_observed(&observed, &world.selection);
    assert(result == 0 && observed.count > 0 && strcmp(observed.tags[0].key, "host.name") == 0);
    model.resource = resource.attributes;
    model.resource_count = resource.count;
    model.observed = observed.attributes;
    model.observed_count = observed.count;
    model.time_ns = world.now->time_ns;
    model.start_ns = model.temporality == EYE_OTLP_DELTA && world.before != NULL
                         ? world.before->time_ns
                         : world.now->start_ns;
    run_both(&world, &model);
    eye_otlp_resource_done(&resource);
    eye_otlp_resource_done(&observed);
    hostile_done(&world);
    return 0;
}
