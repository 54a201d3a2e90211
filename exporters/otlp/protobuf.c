/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP as protobuf. A data point is the packed attributes of its identity followed by its packed
 * value: fields of one message may stand in any pieces. Everything around the points is packed when
 * the request is finished.
 */
#include <errno.h>
#include <string.h>

#include "exporters/otlp/encoding.h"
#include "exporters/otlp/otlp.pb-c.h"

#define POINTS_MAX (EYE_OTLP_REQUEST_BYTES / 128)

/* More than any value takes, the counts of an exponential histogram excepted: at most 10 each. */
#define VALUE_MAX_BYTES 512
#define VARINT_MAX_BYTES 10

/* Tag and length of a point. */
#define FRAME_MAX_BYTES 8

#define RESOURCE_MAX_BYTES ((size_t)256 << 10)

/* One metric: the messages around its points. */
struct family {
    EyeOtlp__Metric metric;
    EyeOtlp__Data data;
    struct eye_text name;
};

struct encoder {
    const struct eye_otlp_model *model;
    struct eye_text resource; /* packed */
    struct eye_text scope;    /* packed */
    struct eye_text scratch;  /* values of attributes */
    struct family families[EYE_METRIC_COUNT];

    /* The request being gathered. */
    uint8_t *bytes; /* packed points; owned, EYE_OTLP_REQUEST_BYTES */
    size_t used;
    ProtobufCBinaryData *points; /* into bytes; owned, POINTS_MAX */
    size_t point_count;
    EyeOtlp__Metric *metrics[EYE_METRIC_COUNT]; /* those with points */
    size_t metric_count;

    uint8_t *request; /* the finished one; owned */
    size_t request_capacity;
};

/* ---- Packing into text ---- */

struct text_buffer {
    ProtobufCBuffer base;
    struct eye_text *text;
};

static void append_packed(ProtobufCBuffer *buffer, size_t length, const uint8_t *bytes)
{
    struct text_buffer *target = (struct text_buffer *)buffer;
    eye_text_append_bytes(target->text, bytes, length);
}

static void pack_into(const ProtobufCMessage *message, struct eye_text *text)
{
    struct text_buffer target = {.base.append = append_packed, .text = text};
    protobuf_c_message_pack_to_buffer(message, &target.base);
}

/* Protobuf-c takes strings without const and changes none. */
static char *unconst(const char *string)
{
    return (char *)(uintptr_t)string;
}

/* ---- Attributes ---- */

struct key_value {
    EyeOtlp__KeyValue message;
    EyeOtlp__AnyValue value;
};

static EyeOtlp__KeyValue *fill_key_value(struct key_value *pair,
                                         const struct eye_otlp_attribute *attribute)
{
    eye_otlp__key_value__init(&pair->message);
    eye_otlp__any_value__init(&pair->value);
    pair->message.key = unconst(attribute->key);
    pair->message.value = &pair->value;
    if (attribute->is_number) {
        pair->value.value_case = EYE_OTLP__ANY_VALUE__VALUE_INT_VALUE;
        pair->value.int_value = attribute->number;
    } else {
        pair->value.value_case = EYE_OTLP__ANY_VALUE__VALUE_STRING_VALUE;
        pair->value.string_value = unconst(attribute->value);
    }
    return &pair->message;
}

/* A message of the kind's data point that has nothing but attributes. */
static void pack_attributes(enum eye_otlp_kind kind, EyeOtlp__KeyValue **attributes, size_t count,
                            struct eye_text *text)
{
    EyeOtlp__NumberDataPoint number = EYE_OTLP__NUMBER_DATA_POINT__INIT;
    EyeOtlp__HistogramDataPoint histogram = EYE_OTLP__HISTOGRAM_DATA_POINT__INIT;
    EyeOtlp__ExponentialHistogramDataPoint exponential =
        EYE_OTLP__EXPONENTIAL_HISTOGRAM_DATA_POINT__INIT;
    number.attributes = histogram.attributes = exponential.attributes = attributes;
    number.n_attributes = histogram.n_attributes = exponential.n_attributes = count;
    switch (kind) {
    case EYE_OTLP_GAUGE:
    case EYE_OTLP_SUM:
        pack_into(&number.base, text);
        break;
    case EYE_OTLP_HISTOGRAM:
        pack_into(&histogram.base, text);
        break;
    case EYE_OTLP_EXPONENTIAL_HISTOGRAM:
        pack_into(&exponential.base, text);
        break;
    }
}

static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    struct encoder *encoder = context;
    struct eye_otlp_attribute attributes[EYE_TAG_COUNT];
    struct key_value pairs[EYE_TAG_COUNT];
    EyeOtlp__KeyValue *messages[EYE_TAG_COUNT];
    size_t count = eye_otlp_attributes(point, &encoder->scratch, attributes);
    for (size_t i = 0; i < count; i++) {
        messages[i] = fill_key_value(&pairs[i], &attributes[i]);
    }
    pack_attributes(eye_otlp_kind_of(encoder->model, point->metric), messages, count, text);
    *ret_split = (uint32_t)text->length;
    eye_text_append(text, eye_text_string(&encoder->families[point->metric->id].name));
    text->failed |= encoder->scratch.failed;
}

/* ---- Values ---- */

static size_t pack_number(const struct eye_otlp_value *value, bool is_gauge, uint8_t *out)
{
    EyeOtlp__NumberDataPoint message = EYE_OTLP__NUMBER_DATA_POINT__INIT;
    message.has_start_time_unix_nano = !is_gauge;
    message.start_time_unix_nano = value->start_ns;
    message.has_time_unix_nano = true;
    message.time_unix_nano = value->time_ns;
    if (value->whole) {
        message.value_case = EYE_OTLP__NUMBER_DATA_POINT__VALUE_AS_INT;
        message.as_int = value->integer;
    } else {
        message.value_case = EYE_OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE;
        message.as_double = value->real;
    }
    return eye_otlp__number_data_point__pack(&message, out);
}

static size_t pack_histogram(struct eye_otlp_value *value, uint8_t *out)
{
    double bounds[EYE_BOUNDARY_COUNT];
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        bounds[i] = eye_boundaries[i].value;
    }
    EyeOtlp__HistogramDataPoint message = EYE_OTLP__HISTOGRAM_DATA_POINT__INIT;
    message.has_start_time_unix_nano = true;
    message.start_time_unix_nano = value->start_ns;
    message.has_time_unix_nano = true;
    message.time_unix_nano = value->time_ns;
    message.has_count = true;
    message.count = value->count;
    message.has_sum = true;
    message.sum = value->sum;
    message.n_bucket_counts = EYE_OTLP_EXPLICIT_COUNTS;
    message.bucket_counts = value->explicit_counts;
    message.n_explicit_bounds = EYE_BOUNDARY_COUNT;
    message.explicit_bounds = bounds;
    message.has_min = message.has_max = value->has_range;
    message.min = value->min;
    message.max = value->max;
    return eye_otlp__histogram_data_point__pack(&message, out);
}

static size_t pack_exponential(struct eye_otlp_value *value, uint8_t *out)
{
    EyeOtlp__Buckets positive = EYE_OTLP__BUCKETS__INIT;
    positive.has_offset = true;
    positive.offset = value->exponential.offset;
    positive.n_bucket_counts = value->exponential.size;
    positive.bucket_counts = value->exponential.counts;
    EyeOtlp__ExponentialHistogramDataPoint message =
        EYE_OTLP__EXPONENTIAL_HISTOGRAM_DATA_POINT__INIT;
    message.has_start_time_unix_nano = true;
    message.start_time_unix_nano = value->start_ns;
    message.has_time_unix_nano = true;
    message.time_unix_nano = value->time_ns;
    message.has_count = true;
    message.count = value->count;
    message.has_sum = true;
    message.sum = value->sum;
    message.has_scale = true;
    message.scale = EYE_EXPONENTIAL_SCALE;
    message.has_zero_count = true;
    message.zero_count = value->exponential.zero;
    message.positive = &positive;
    message.has_min = message.has_max = value->has_range;
    message.min = value->min;
    message.max = value->max;
    message.has_zero_threshold = true;
    message.zero_threshold = EYE_OTLP_ZERO_THRESHOLD;
    return eye_otlp__exponential_histogram_data_point__pack(&message, out);
}

static size_t pack_value(enum eye_otlp_kind kind, struct eye_otlp_value *value, uint8_t *out)
{
    switch (kind) {
    case EYE_OTLP_GAUGE:
    case EYE_OTLP_SUM:
        break;
    case EYE_OTLP_HISTOGRAM:
        return pack_histogram(value, out);
    case EYE_OTLP_EXPONENTIAL_HISTOGRAM:
        return pack_exponential(value, out);
    }
    return pack_number(value, kind == EYE_OTLP_GAUGE, out);
}

/* ---- The request ---- */

static void begin(void *context)
{
    struct encoder *encoder = context;
    encoder->used = 0;
    encoder->point_count = 0;
    encoder->metric_count = 0;
}

static bool has_room(const struct encoder *encoder, enum eye_otlp_kind kind,
                     const struct eye_identity *identity, const struct eye_otlp_value *value)
{
    size_t counts = kind == EYE_OTLP_EXPONENTIAL_HISTOGRAM ? value->exponential.size : 0;
    size_t most = identity->split + VALUE_MAX_BYTES + counts * VARINT_MAX_BYTES;
    size_t frames = (encoder->point_count + 1) * FRAME_MAX_BYTES;
    return encoder->point_count < POINTS_MAX &&
           encoder->used + most + frames <= EYE_OTLP_REQUEST_BYTES;
}

/* The data that the next point of @metric goes to; its points lie side by side. */
static EyeOtlp__Data *find_data(struct encoder *encoder, const struct eye_metric *metric)
{
    struct family *family = &encoder->families[metric->id];
    if (encoder->metric_count == 0 ||
        encoder->metrics[encoder->metric_count - 1] != &family->metric) {
        family->data.data_points = encoder->points + encoder->point_count;
        family->data.n_data_points = 0;
        encoder->metrics[encoder->metric_count++] = &family->metric;
    }
    return &family->data;
}

static int add(void *context, const struct eye_metric *metric, const struct eye_identity *identity,
               struct eye_otlp_value *value)
{
    struct encoder *encoder = context;
    enum eye_otlp_kind kind = eye_otlp_kind_of(encoder->model, metric);
    if (!has_room(encoder, kind, identity, value)) {
        return -ENOBUFS;
    }
    EyeOtlp__Data *data = find_data(encoder, metric);
    uint8_t *point = encoder->bytes + encoder->used;
    memcpy(point, identity->text, identity->split);
    size_t length = identity->split + pack_value(kind, value, point + identity->split);
    encoder->points[encoder->point_count++] = (ProtobufCBinaryData){.data = point, .len = length};
    encoder->used += length;
    data->n_data_points++;
    return 0;
}

static int reserve_request(struct encoder *encoder, size_t length)
{
    if (length <= encoder->request_capacity) {
        return 0;
    }
    uint8_t *request = realloc(encoder->request, length);
    if (request == NULL) {
        return -ENOMEM;
    }
    encoder->request = request;
    encoder->request_capacity = length;
    return 0;
}

static ProtobufCBinaryData binary(const struct eye_text *text)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)text->data, .len = text->length};
}

static int finish(void *context, const void **ret_bytes, size_t *ret_length)
{
    struct encoder *encoder = context;
    EyeOtlp__ScopeMetrics scope = EYE_OTLP__SCOPE_METRICS__INIT;
    EyeOtlp__ScopeMetrics *scopes[] = {&scope};
    EyeOtlp__ResourceMetrics resource = EYE_OTLP__RESOURCE_METRICS__INIT;
    EyeOtlp__ResourceMetrics *resources[] = {&resource};
    EyeOtlp__ExportMetricsServiceRequest request = EYE_OTLP__EXPORT_METRICS_SERVICE_REQUEST__INIT;
    scope.has_scope = true;
    scope.scope = binary(&encoder->scope);
    scope.metrics = encoder->metrics;
    scope.n_metrics = encoder->metric_count;
    resource.has_resource = true;
    resource.resource = binary(&encoder->resource);
    resource.scope_metrics = scopes;
    resource.n_scope_metrics = EYE_ARRAY_LENGTH(scopes);
    request.resource_metrics = resources;
    request.n_resource_metrics = EYE_ARRAY_LENGTH(resources);
    size_t length = eye_otlp__export_metrics_service_request__get_packed_size(&request);
    int result = reserve_request(encoder, length);
    if (result == 0) {
        *ret_length = eye_otlp__export_metrics_service_request__pack(&request, encoder->request);
        *ret_bytes = encoder->request;
    }
    return result;
}

/* ---- Life ---- */

static void close_encoder(void *context)
{
    struct encoder *encoder = context;
    if (encoder == NULL) {
        return;
    }
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        eye_text_done(&encoder->families[i].name);
    }
    eye_text_done(&encoder->resource);
    eye_text_done(&encoder->scope);
    eye_text_done(&encoder->scratch);
    free(encoder->bytes);
    free(encoder->points);
    free(encoder->request);
    free(encoder);
}

static void cleanup_encoder(struct encoder **encoder)
{
    close_encoder(*encoder);
}

static void set_data(struct family *family, enum eye_otlp_kind kind)
{
    static const EyeOtlp__Metric__DataCase cases[] = {
        [EYE_OTLP_GAUGE] = EYE_OTLP__METRIC__DATA_GAUGE,
        [EYE_OTLP_SUM] = EYE_OTLP__METRIC__DATA_SUM,
        [EYE_OTLP_HISTOGRAM] = EYE_OTLP__METRIC__DATA_HISTOGRAM,
        [EYE_OTLP_EXPONENTIAL_HISTOGRAM] = EYE_OTLP__METRIC__DATA_EXPONENTIAL_HISTOGRAM,
    };
    family->metric.data_case = cases[kind];
    family->metric.gauge = &family->data; /* one member of a union of pointers to the same type */
}

static void make_family(struct encoder *encoder, const struct eye_metric *metric)
{
    struct family *family = &encoder->families[metric->id];
    enum eye_otlp_kind kind = eye_otlp_kind_of(encoder->model, metric);
    eye_text_init(&family->name, EYE_OTLP_IDENTITY_MAX_BYTES);
    eye_otlp_append_name(encoder->model, metric, &family->name);
    eye_otlp__metric__init(&family->metric);
    eye_otlp__data__init(&family->data);
    family->metric.name = family->name.data;
    family->metric.description = unconst(metric->help);
    family->metric.unit = unconst(eye_unit_info(metric->unit)->ucum);
    set_data(family, kind);
    family->data.has_aggregation_temporality = kind != EYE_OTLP_GAUGE;
    family->data.aggregation_temporality = (int32_t)encoder->model->temporality;
    family->data.has_is_monotonic = family->data.is_monotonic = kind == EYE_OTLP_SUM;
}

static void pack_scope(struct eye_text *text)
{
    EyeOtlp__InstrumentationScope scope = EYE_OTLP__INSTRUMENTATION_SCOPE__INIT;
    scope.name = unconst(EYE_OTLP_SCOPE);
    scope.version = unconst(EYE_VERSION);
    pack_into(&scope.base, text);
}

/* Attribute by attribute: messages one after the other are one message. */
static void pack_resource(const struct eye_otlp_model *model, struct eye_text *text)
{
    for (size_t i = 0; i < model->resource_count; i++) {
        struct key_value pair;
        EyeOtlp__KeyValue *message = fill_key_value(&pair, &model->resource[i]);
        EyeOtlp__Resource resource = EYE_OTLP__RESOURCE__INIT;
        resource.attributes = &message;
        resource.n_attributes = 1;
        pack_into(&resource.base, text);
    }
}

static int fill_encoder(struct encoder *encoder)
{
    bool failed = false;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        make_family(encoder, eye_metric((enum eye_metric_id)i));
        failed |= encoder->families[i].name.failed;
    }
    pack_scope(&encoder->scope);
    pack_resource(encoder->model, &encoder->resource);
    encoder->bytes = malloc(EYE_OTLP_REQUEST_BYTES);
    encoder->points = calloc(POINTS_MAX, sizeof(encoder->points[0]));
    failed |= encoder->scope.failed || encoder->resource.failed;
    return failed || encoder->bytes == NULL || encoder->points == NULL ? -ENOMEM : 0;
}

static int open_encoder(const struct eye_otlp_model *model, void **ret_encoder)
{
    EYE_CLEANUP(cleanup_encoder) struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL) {
        return -ENOMEM;
    }
    encoder->model = model;
    eye_text_init(&encoder->resource, RESOURCE_MAX_BYTES);
    eye_text_init(&encoder->scope, EYE_OTLP_IDENTITY_MAX_BYTES);
    eye_text_init(&encoder->scratch, EYE_OTLP_IDENTITY_MAX_BYTES);
    int result = fill_encoder(encoder);
    if (result == 0) {
        *ret_encoder = EYE_TAKE(encoder);
    }
    return result;
}

const struct eye_otlp_encoding eye_otlp_protobuf = {
    .content_type = "application/x-protobuf",
    .open = open_encoder,
    .close = close_encoder,
    .write_identity = write_identity,
    .begin = begin,
    .add = add,
    .finish = finish,
};
