/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP as protobuf. A data point is the packed attributes of its identity followed by its packed
 * value: fields of one message may stand in any pieces. Everything around the points is packed when
 * the request is finished, resource by resource: requests one after the other are one request.
 */
#include <errno.h>
#include <string.h>

#include "exporters/otlp/encoding.h"
#include "exporters/otlp/groups.h"
#include "exporters/otlp/otlp.pb-c.h"

#define POINTS_MAX (EYE_OTLP_REQUEST_BYTES / 128)

/* A resource with one point takes more than a request has for each of so many. */
#define GROUPS_MAX (EYE_OTLP_REQUEST_BYTES / 256)

/* More than any value takes, the counts of an exponential histogram excepted: at most 10 each. */
#define VALUE_MAX_BYTES 512
#define VARINT_MAX_BYTES 10

/* Tag and length of a message that is shorter than a request; the most that are added around a
 * metric's points or a resource's metrics, which is four. */
#define FRAME_MAX_BYTES 5
#define ENVELOPE_FRAMES_MAX_BYTES ((size_t)4 * FRAME_MAX_BYTES)

#define RESOURCE_MAX_BYTES ((size_t)256 << 10)

/* One metric: the messages around its points. */
struct family {
    EyeOtlp__Metric metric;
    EyeOtlp__Data data;
    struct eye_text name;
    size_t envelope_bytes; /* at most, without the points */
};

struct encoder {
    const struct eye_otlp_model *model;
    struct eye_text resource; /* the daemon's, packed */
    struct eye_text observed; /* a service's without its name, packed */
    struct eye_text scope;    /* packed */
    struct eye_text scratch;  /* values of attributes */
    struct eye_text service;  /* packed resource of a service, or its name alone */
    struct family families[EYE_METRIC_COUNT];

    /* The request being gathered. */
    uint8_t *bytes; /* packed points; owned, EYE_OTLP_REQUEST_BYTES */
    size_t used;
    size_t envelope_bytes; /* what the messages around them take, at most */
    struct eye_otlp_groups groups;

    /* The finished one. */
    ProtobufCBinaryData *points; /* of one resource, into bytes; owned, POINTS_MAX */
    uint8_t *request;            /* owned */
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

static void pack_resource_attribute(const struct eye_otlp_attribute *attribute,
                                    struct eye_text *text)
{
    struct key_value pair;
    EyeOtlp__KeyValue *message = fill_key_value(&pair, attribute);
    EyeOtlp__Resource resource = EYE_OTLP__RESOURCE__INIT;
    resource.attributes = &message;
    resource.n_attributes = 1;
    pack_into(&resource.base, text);
}

static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    struct encoder *encoder = context;
    struct eye_otlp_attribute attributes[EYE_TAG_COUNT];
    struct eye_otlp_attribute service;
    struct key_value pairs[EYE_TAG_COUNT];
    EyeOtlp__KeyValue *messages[EYE_TAG_COUNT];
    size_t count = eye_otlp_attributes(point, &encoder->scratch, attributes);
    for (size_t i = 0; i < count; i++) {
        messages[i] = fill_key_value(&pairs[i], &attributes[i]);
    }
    pack_attributes(eye_otlp_kind_of(encoder->model, point->metric), messages, count, text);
    *ret_split = (uint32_t)text->length;
    text->failed |= encoder->scratch.failed;
    eye_text_clear(&encoder->service);
    if (eye_otlp_service(encoder->model, point, &encoder->scratch, &service)) {
        pack_resource_attribute(&service, &encoder->service);
    }
    text->failed |= encoder->scratch.failed;
    eye_otlp_append_owner(text, &encoder->service, &encoder->families[point->metric->id].name);
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
    encoder->envelope_bytes = 0;
    eye_otlp_groups_clear(&encoder->groups);
}

/* What a point of @metric adds to the messages around it. */
static size_t envelope_bytes(const struct encoder *encoder, const struct eye_otlp_group *group,
                             const struct eye_metric *metric)
{
    size_t bytes = FRAME_MAX_BYTES;
    if (eye_otlp_group_is_new(group)) {
        bytes += ENVELOPE_FRAMES_MAX_BYTES + encoder->scope.length +
                 (group->length == 0 ? encoder->resource.length
                                     : group->length + encoder->observed.length);
    }
    if (group->metric != (uint32_t)metric->id) {
        bytes += encoder->families[metric->id].envelope_bytes;
    }
    return bytes;
}

static size_t most_bytes(enum eye_otlp_kind kind, const struct eye_identity *identity,
                         const struct eye_otlp_value *value)
{
    size_t counts = kind == EYE_OTLP_EXPONENTIAL_HISTOGRAM ? value->exponential.size : 0;
    return identity->split + VALUE_MAX_BYTES + counts * VARINT_MAX_BYTES;
}

static int add(void *context, const struct eye_metric *metric, const struct eye_identity *identity,
               struct eye_otlp_value *value)
{
    struct encoder *encoder = context;
    enum eye_otlp_kind kind = eye_otlp_kind_of(encoder->model, metric);
    struct eye_otlp_group *group = eye_otlp_groups_find(&encoder->groups, identity);
    if (group == NULL) {
        return -ENOBUFS;
    }
    size_t around = encoder->envelope_bytes + envelope_bytes(encoder, group, metric);
    if (encoder->used + most_bytes(kind, identity, value) + around > EYE_OTLP_REQUEST_BYTES) {
        return -ENOBUFS;
    }
    uint8_t *bytes = encoder->bytes + encoder->used;
    memcpy(bytes, identity->text, identity->split);
    size_t length = identity->split + pack_value(kind, value, bytes + identity->split);
    const struct eye_otlp_packed point = {
        .offset = (uint32_t)encoder->used,
        .length = (uint32_t)length,
        .metric = (uint32_t)metric->id,
    };
    eye_otlp_groups_add(&encoder->groups, group, &point);
    encoder->used += length;
    encoder->envelope_bytes = around;
    return 0;
}

static int reserve_request(struct encoder *encoder, size_t length)
{
    if (length <= encoder->request_capacity) {
        return 0;
    }
    size_t capacity = length < EYE_OTLP_REQUEST_BYTES ? EYE_OTLP_REQUEST_BYTES : length;
    uint8_t *request = realloc(encoder->request, capacity);
    if (request == NULL) {
        return -ENOMEM;
    }
    encoder->request = request;
    encoder->request_capacity = capacity;
    return 0;
}

static ProtobufCBinaryData binary(const struct eye_text *text)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)text->data, .len = text->length};
}

static ProtobufCBinaryData resource_of(struct encoder *encoder, const struct eye_otlp_group *group)
{
    if (group->length == 0) {
        return binary(&encoder->resource);
    }
    eye_text_clear(&encoder->service);
    eye_text_append_bytes(&encoder->service, group->service, group->length);
    eye_text_append_bytes(&encoder->service, eye_text_string(&encoder->observed),
                          encoder->observed.length);
    return binary(&encoder->service);
}

/* Fills the messages of the metrics of @group; their points lie side by side in encoder->points. */
static size_t gather_metrics(struct encoder *encoder, const struct eye_otlp_group *group,
                             EyeOtlp__Metric *metrics[EYE_METRIC_COUNT])
{
    EyeOtlp__Data *data = NULL;
    uint32_t metric = EYE_OTLP_NONE;
    size_t count = 0;
    size_t points = 0;
    for (uint32_t i = group->first; i != EYE_OTLP_NONE; i = encoder->groups.points[i].next) {
        const struct eye_otlp_packed *point = &encoder->groups.points[i];
        if (data == NULL || point->metric != metric) {
            struct family *family = &encoder->families[point->metric];
            metric = point->metric;
            data = &family->data;
            data->data_points = encoder->points + points;
            data->n_data_points = 0;
            metrics[count++] = &family->metric;
        }
        encoder->points[points++] = (ProtobufCBinaryData){
            .data = encoder->bytes + point->offset,
            .len = point->length,
        };
        data->n_data_points++;
    }
    return count;
}

static int append_group(struct encoder *encoder, const struct eye_otlp_group *group,
                        size_t *request_length)
{
    EyeOtlp__Metric *metrics[EYE_METRIC_COUNT];
    EyeOtlp__ScopeMetrics scope = EYE_OTLP__SCOPE_METRICS__INIT;
    EyeOtlp__ScopeMetrics *scopes[] = {&scope};
    EyeOtlp__ResourceMetrics resource = EYE_OTLP__RESOURCE_METRICS__INIT;
    EyeOtlp__ResourceMetrics *resources[] = {&resource};
    EyeOtlp__ExportMetricsServiceRequest request = EYE_OTLP__EXPORT_METRICS_SERVICE_REQUEST__INIT;
    scope.has_scope = true;
    scope.scope = binary(&encoder->scope);
    scope.metrics = metrics;
    scope.n_metrics = gather_metrics(encoder, group, metrics);
    resource.has_resource = true;
    resource.resource = resource_of(encoder, group);
    resource.scope_metrics = scopes;
    resource.n_scope_metrics = EYE_ARRAY_LENGTH(scopes);
    request.resource_metrics = resources;
    request.n_resource_metrics = EYE_ARRAY_LENGTH(resources);
    size_t length = eye_otlp__export_metrics_service_request__get_packed_size(&request);
    int result =
        encoder->service.failed ? -ENOMEM : reserve_request(encoder, *request_length + length);
    if (result == 0) {
        *request_length += eye_otlp__export_metrics_service_request__pack(
            &request, encoder->request + *request_length);
    }
    return result;
}

static int finish(void *context, const void **ret_bytes, size_t *ret_length)
{
    struct encoder *encoder = context;
    size_t length = 0;
    for (uint32_t i = 0; i < encoder->groups.count; i++) {
        const struct eye_otlp_group *group = &encoder->groups.all[i];
        int result = eye_otlp_group_is_new(group) ? 0 : append_group(encoder, group, &length);
        if (result != 0) {
            return result;
        }
    }
    *ret_bytes = encoder->request;
    *ret_length = length;
    return 0;
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
    eye_text_done(&encoder->observed);
    eye_text_done(&encoder->scope);
    eye_text_done(&encoder->scratch);
    eye_text_done(&encoder->service);
    eye_otlp_groups_done(&encoder->groups);
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
    family->envelope_bytes =
        eye_otlp__metric__get_packed_size(&family->metric) + ENVELOPE_FRAMES_MAX_BYTES;
}

static void pack_scope(struct eye_text *text)
{
    EyeOtlp__InstrumentationScope scope = EYE_OTLP__INSTRUMENTATION_SCOPE__INIT;
    scope.name = unconst(EYE_OTLP_SCOPE);
    scope.version = unconst(EYE_VERSION);
    pack_into(&scope.base, text);
}

/* Attribute by attribute: messages one after the other are one message. */
static void pack_resource(const struct eye_otlp_attribute *attributes, size_t count,
                          struct eye_text *text)
{
    for (size_t i = 0; i < count; i++) {
        pack_resource_attribute(&attributes[i], text);
    }
}

static int fill_encoder(struct encoder *encoder)
{
    const struct eye_otlp_model *model = encoder->model;
    bool failed = eye_otlp_groups_init(&encoder->groups, POINTS_MAX, GROUPS_MAX) != 0;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        make_family(encoder, eye_metric((enum eye_metric_id)i));
        failed |= encoder->families[i].name.failed;
    }
    pack_scope(&encoder->scope);
    pack_resource(model->resource, model->resource_count, &encoder->resource);
    pack_resource(model->observed, model->observed_count, &encoder->observed);
    encoder->bytes = malloc(EYE_OTLP_REQUEST_BYTES);
    encoder->points = calloc(POINTS_MAX, sizeof(encoder->points[0]));
    failed |= encoder->scope.failed || encoder->resource.failed || encoder->observed.failed;
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
    eye_text_init(&encoder->observed, RESOURCE_MAX_BYTES);
    eye_text_init(&encoder->service, RESOURCE_MAX_BYTES + EYE_OTLP_IDENTITY_MAX_BYTES);
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
