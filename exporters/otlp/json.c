/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP as JSON: names in lowerCamelCase, enums as numbers, 64-bit integers as strings. Everything
 * that holds a string (attributes, names, resources) is made by jansson once; points are text, kept
 * until the request is finished, which has them resource by resource.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "exporters/otlp/encoding.h"
#include "exporters/otlp/groups.h"

/* A NUL and a little more. */
#define TAIL_BYTES 64

#define POINTS_MAX (EYE_OTLP_REQUEST_BYTES / 128)

/* A resource with one point takes more than a request has for each of so many. */
#define GROUPS_MAX (EYE_OTLP_REQUEST_BYTES / 256)

/* A constant as its digits. */
#define QUOTE(text) #text
#define TO_STRING(constant) QUOTE(constant)

/* Both, with their names. */
#define TIMES_MAX_BYTES 128

#define PIECE_MAX_BYTES ((size_t)256 << 10)

/* As text: nearly all points of a snapshot have the same. */
struct times {
    uint64_t start_ns;
    uint64_t time_ns;
    struct eye_text text;
    size_t time_at; /* where the time stands in it, which gauges have alone */
};

struct encoder {
    const struct eye_otlp_model *model;
    struct eye_text own;      /* attributes of the daemon's resource, with a comma behind each */
    struct eye_text observed; /* of a service's beside its name, likewise */
    struct eye_text families[EYE_METRIC_COUNT]; /* of a metric, up to the first point */
    struct eye_text scratch;                    /* values of attributes */
    struct eye_text service;                    /* the attribute of one */
    struct eye_text name;                       /* of a metric */

    /* The request being gathered. */
    struct eye_text points;
    struct times times;    /* of the last one */
    size_t envelope_bytes; /* what stands around them */
    struct eye_otlp_groups groups;

    struct eye_text request; /* the finished one */
};

/* ---- Strings, by jansson ---- */

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}

static int append_dumped(const char *bytes, size_t length, void *text)
{
    eye_text_append_bytes(text, bytes, length);
    return 0;
}

/* NULL counts as out of memory: all strings that we give jansson are UTF-8. */
static void append_json(struct eye_text *text, const json_t *json)
{
    if (json == NULL ||
        json_dump_callback(json, append_dumped, text, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        text->failed = true;
    }
}

static json_t *make_attribute(const struct eye_otlp_attribute *attribute)
{
    if (attribute->is_number) {
        char digits[24];
        snprintf(digits, sizeof(digits), "%" PRId64, attribute->number);
        return json_pack("{s:s, s:{s:s}}", "key", attribute->key, "value", "intValue", digits);
    }
    return json_pack("{s:s, s:{s:s}}", "key", attribute->key, "value", "stringValue",
                     attribute->value);
}

static void append_attributes(struct eye_text *text, const struct eye_otlp_attribute *attributes,
                              size_t count)
{
    EYE_CLEANUP(cleanup_json) json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, make_attribute(&attributes[i])) != 0) {
            text->failed = true;
        }
    }
    eye_text_append(text, "\"attributes\":");
    append_json(text, array);
}

static void append_string(struct eye_text *text, const char *string)
{
    EYE_CLEANUP(cleanup_json) json_t *json = json_string(string);
    append_json(text, json);
}

static void append_attribute(struct eye_text *text, const struct eye_otlp_attribute *attribute)
{
    EYE_CLEANUP(cleanup_json) json_t *json = make_attribute(attribute);
    append_json(text, json);
}

static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    struct encoder *encoder = context;
    struct eye_otlp_attribute attributes[EYE_TAG_COUNT];
    struct eye_otlp_attribute service;
    size_t count = eye_otlp_attributes(point, &encoder->scratch, attributes);
    append_attributes(text, attributes, count);
    *ret_split = (uint32_t)text->length;
    text->failed |= encoder->scratch.failed;
    eye_text_clear(&encoder->service);
    eye_text_clear(&encoder->name);
    if (eye_otlp_service(encoder->model, point, &encoder->scratch, &service)) {
        append_attribute(&encoder->service, &service);
    }
    text->failed |= encoder->scratch.failed;
    eye_otlp_append_name(encoder->model, point->metric, &encoder->name);
    eye_otlp_append_owner(text, &encoder->service, &encoder->name);
}

/* ---- Values ---- */

static void append_u64(struct eye_text *text, const char *name, uint64_t value)
{
    eye_text_append(text, name);
    eye_text_append_char(text, '"');
    eye_text_append_u64(text, value);
    eye_text_append_char(text, '"');
}

static void append_double(struct eye_text *text, const char *name, double value)
{
    eye_text_append(text, name);
    eye_text_append_rounded(text, value);
}

/* Most buckets between two values are empty. */
static void append_counts(struct eye_text *text, const uint64_t *counts, size_t count)
{
    static const char empty[] = ",\"0\"";
    for (size_t i = 0; i < count; i++) {
        size_t skipped = i == 0 ? 1 : 0;
        if (counts[i] == 0) {
            eye_text_append_bytes(text, empty + skipped, sizeof(empty) - 1 - skipped);
        } else {
            append_u64(text, i == 0 ? "" : ",", counts[i]);
        }
    }
    eye_text_append_char(text, ']');
}

static void append_number(struct eye_text *text, const struct eye_otlp_value *value)
{
    if (value->whole) {
        append_u64(text, ",\"asInt\":", (uint64_t)value->integer);
    } else {
        append_double(text, ",\"asDouble\":", value->real);
    }
}

static void append_explicit(struct eye_text *text, const struct eye_otlp_value *value)
{
    eye_text_append(text, ",\"bucketCounts\":[");
    append_counts(text, value->explicit_counts, EYE_OTLP_EXPLICIT_COUNTS);
    eye_text_append(text, ",\"explicitBounds\":");
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        eye_text_append_char(text, i == 0 ? '[' : ',');
        eye_text_append(text, eye_boundaries[i].text);
    }
    eye_text_append_char(text, ']');
}

static void append_exponential(struct eye_text *text, const struct eye_otlp_value *value)
{
    const struct eye_exponential *buckets = &value->exponential;
    uint64_t distance = (uint64_t)(buckets->offset < 0 ? -buckets->offset : buckets->offset);
    append_u64(text,
               ",\"scale\":" TO_STRING(
                   EYE_EXPONENTIAL_SCALE) ","
                                          "\"zeroThreshold\":" TO_STRING(
                                              EYE_OTLP_ZERO_THRESHOLD) ","
                                                                       "\"zeroCount\":",
               buckets->zero);
    eye_text_append(text, ",\"positive\":{\"offset\":");
    eye_text_append(text, buckets->offset < 0 ? "-" : "");
    eye_text_append_u64(text, distance);
    eye_text_append(text, ",\"bucketCounts\":[");
    append_counts(text, buckets->counts, buckets->size);
    eye_text_append_char(text, '}');
}

static void append_summary(struct eye_text *text, const struct eye_otlp_value *value)
{
    append_u64(text, ",\"count\":", value->count);
    append_double(text, ",\"sum\":", value->sum);
    if (value->has_range) {
        append_double(text, ",\"min\":", value->min);
        append_double(text, ",\"max\":", value->max);
    }
}

static void append_value(struct eye_text *text, enum eye_otlp_kind kind,
                         const struct eye_otlp_value *value)
{
    switch (kind) {
    case EYE_OTLP_GAUGE:
    case EYE_OTLP_SUM:
        append_number(text, value);
        break;
    case EYE_OTLP_HISTOGRAM:
        append_summary(text, value);
        append_explicit(text, value);
        break;
    case EYE_OTLP_EXPONENTIAL_HISTOGRAM:
        append_summary(text, value);
        append_exponential(text, value);
        break;
    }
}

/* ---- The request ---- */

#define REQUEST_HEAD "{\"resourceMetrics\":["
#define RESOURCE_HEAD "{\"resource\":{\"attributes\":["
#define SCOPE_HEAD                                                                                 \
    "]},\"scopeMetrics\":[{\"scope\":{\"name\":\"" EYE_OTLP_SCOPE "\",\"version\":\"" EYE_VERSION  \
    "\"},\"metrics\":["
#define FAMILY_END "]}}"
#define RESOURCE_END "]}]}"
#define REQUEST_END "]}"

/* The commas between resources, between metrics and between points stand for one each. */
#define RESOURCE_BYTES (sizeof(RESOURCE_HEAD SCOPE_HEAD RESOURCE_END ",") - 1)
#define FAMILY_BYTES (sizeof(FAMILY_END ",") - 1)

static void begin(void *context)
{
    struct encoder *encoder = context;
    eye_text_clear(&encoder->points);
    encoder->envelope_bytes = sizeof(REQUEST_HEAD REQUEST_END) - 1;
    eye_otlp_groups_clear(&encoder->groups);
}

/* What a point of @metric adds to what stands around it. */
static size_t envelope_bytes(const struct encoder *encoder, const struct eye_otlp_group *group,
                             const struct eye_metric *metric)
{
    size_t bytes = 1;
    if (eye_otlp_group_is_new(group)) {
        bytes +=
            RESOURCE_BYTES + (group->length == 0 ? encoder->own.length
                                                 : group->length + 1 + encoder->observed.length);
    }
    if (group->metric != (uint32_t)metric->id) {
        bytes += FAMILY_BYTES + encoder->families[metric->id].length;
    }
    return bytes;
}

static void make_times(struct times *times, uint64_t start_ns, uint64_t time_ns)
{
    times->start_ns = start_ns;
    times->time_ns = time_ns;
    eye_text_clear(&times->text);
    append_u64(&times->text, ",\"startTimeUnixNano\":", start_ns);
    times->time_at = times->text.length;
    append_u64(&times->text, ",\"timeUnixNano\":", time_ns);
}

static void append_times(struct eye_text *text, struct times *times, enum eye_otlp_kind kind,
                         const struct eye_otlp_value *value)
{
    if (times->start_ns != value->start_ns || times->time_ns != value->time_ns) {
        make_times(times, value->start_ns, value->time_ns);
    }
    size_t skipped = kind == EYE_OTLP_GAUGE ? times->time_at : 0;
    eye_text_append_bytes(text, times->text.data + skipped, times->text.length - skipped);
}

static void append_point(struct encoder *encoder, enum eye_otlp_kind kind,
                         const struct eye_identity *identity, const struct eye_otlp_value *value)
{
    struct eye_text *points = &encoder->points;
    eye_text_append_char(points, '{');
    eye_text_append_bytes(points, identity->text, identity->split);
    append_times(points, &encoder->times, kind, value);
    append_value(points, kind, value);
    eye_text_append_char(points, '}');
}

static int add(void *context, const struct eye_metric *metric, const struct eye_identity *identity,
               struct eye_otlp_value *value)
{
    struct encoder *encoder = context;
    struct eye_otlp_group *group = eye_otlp_groups_find(&encoder->groups, identity);
    if (group == NULL) {
        return -ENOBUFS;
    }
    size_t offset = encoder->points.length;
    size_t around = encoder->envelope_bytes + envelope_bytes(encoder, group, metric);
    append_point(encoder, eye_otlp_kind_of(encoder->model, metric), identity, value);
    if (encoder->points.failed || encoder->points.length + around > EYE_OTLP_REQUEST_BYTES) {
        eye_text_truncate(&encoder->points, offset);
        return -ENOBUFS;
    }
    const struct eye_otlp_packed point = {
        .offset = (uint32_t)offset,
        .length = (uint32_t)(encoder->points.length - offset),
        .metric = (uint32_t)metric->id,
    };
    eye_otlp_groups_add(&encoder->groups, group, &point);
    encoder->envelope_bytes = around;
    return 0;
}

/* Attributes, without the comma behind the last one. */
static void append_resource(struct encoder *encoder, const struct eye_otlp_group *group)
{
    const struct eye_text *list = group->length == 0 ? &encoder->own : &encoder->observed;
    struct eye_text *request = &encoder->request;
    eye_text_append_bytes(request, group->service, group->length);
    eye_text_append(request, group->length > 0 && list->length > 0 ? "," : "");
    eye_text_append_bytes(request, eye_text_string(list), list->length > 0 ? list->length - 1 : 0);
}

static void append_group(struct encoder *encoder, const struct eye_otlp_group *group)
{
    struct eye_text *request = &encoder->request;
    uint32_t metric = EYE_OTLP_NONE;
    eye_text_append(request, RESOURCE_HEAD);
    append_resource(encoder, group);
    eye_text_append(request, SCOPE_HEAD);
    for (uint32_t i = group->first; i != EYE_OTLP_NONE; i = encoder->groups.points[i].next) {
        const struct eye_otlp_packed *point = &encoder->groups.points[i];
        if (point->metric == metric) {
            eye_text_append_char(request, ',');
        } else {
            const struct eye_text *family = &encoder->families[point->metric];
            eye_text_append(request, metric == EYE_OTLP_NONE ? "" : FAMILY_END ",");
            eye_text_append_bytes(request, family->data, family->length);
            metric = point->metric;
        }
        eye_text_append_bytes(request, encoder->points.data + point->offset, point->length);
    }
    eye_text_append(request, FAMILY_END RESOURCE_END);
}

static int finish(void *context, const void **ret_bytes, size_t *ret_length)
{
    struct encoder *encoder = context;
    struct eye_text *request = &encoder->request;
    bool first = true;
    eye_text_clear(request);
    eye_text_append(request, REQUEST_HEAD);
    for (uint32_t i = 0; i < encoder->groups.count; i++) {
        const struct eye_otlp_group *group = &encoder->groups.all[i];
        if (!eye_otlp_group_is_new(group)) {
            eye_text_append(request, first ? "" : ",");
            append_group(encoder, group);
            first = false;
        }
    }
    eye_text_append(request, REQUEST_END);
    if (request->failed) {
        return -ENOMEM;
    }
    *ret_bytes = request->data;
    *ret_length = request->length;
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
        eye_text_done(&encoder->families[i]);
    }
    eye_text_done(&encoder->own);
    eye_text_done(&encoder->observed);
    eye_text_done(&encoder->scratch);
    eye_text_done(&encoder->service);
    eye_text_done(&encoder->name);
    eye_text_done(&encoder->points);
    eye_text_done(&encoder->times.text);
    eye_otlp_groups_done(&encoder->groups);
    eye_text_done(&encoder->request);
    free(encoder);
}

static void cleanup_encoder(struct encoder **encoder)
{
    close_encoder(*encoder);
}

static void append_data_head(struct eye_text *text, enum eye_otlp_kind kind, int temporality)
{
    static const char *const names[] = {
        [EYE_OTLP_GAUGE] = "gauge",
        [EYE_OTLP_SUM] = "sum",
        [EYE_OTLP_HISTOGRAM] = "histogram",
        [EYE_OTLP_EXPONENTIAL_HISTOGRAM] = "exponentialHistogram",
    };
    eye_text_appendf(text, ",\"%s\":{", names[kind]);
    if (kind != EYE_OTLP_GAUGE) {
        eye_text_appendf(text, "\"aggregationTemporality\":%d,", temporality);
    }
    eye_text_append(text, kind == EYE_OTLP_SUM ? "\"isMonotonic\":true," : "");
    eye_text_append(text, "\"dataPoints\":[");
}

static void make_family(struct encoder *encoder, const struct eye_metric *metric)
{
    struct eye_text *family = &encoder->families[metric->id];
    eye_text_init(family, PIECE_MAX_BYTES);
    eye_text_clear(&encoder->scratch);
    eye_otlp_append_name(encoder->model, metric, &encoder->scratch);
    eye_text_append(family, "{\"name\":");
    append_string(family, eye_text_string(&encoder->scratch));
    eye_text_append(family, ",\"description\":");
    append_string(family, metric->help);
    eye_text_append(family, ",\"unit\":");
    append_string(family, eye_unit_info(metric->unit)->ucum);
    append_data_head(family, eye_otlp_kind_of(encoder->model, metric),
                     (int)encoder->model->temporality);
    family->failed |= encoder->scratch.failed;
}

static void append_list(struct eye_text *text, const struct eye_otlp_attribute *attributes,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        append_attribute(text, &attributes[i]);
        eye_text_append_char(text, ',');
    }
}

static int open_encoder(const struct eye_otlp_model *model, void **ret_encoder)
{
    EYE_CLEANUP(cleanup_encoder) struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL) {
        return -ENOMEM;
    }
    encoder->model = model;
    eye_text_init(&encoder->own, PIECE_MAX_BYTES);
    eye_text_init(&encoder->observed, PIECE_MAX_BYTES);
    eye_text_init(&encoder->scratch, EYE_OTLP_IDENTITY_MAX_BYTES);
    eye_text_init(&encoder->service, EYE_OTLP_IDENTITY_MAX_BYTES);
    eye_text_init(&encoder->name, EYE_OTLP_IDENTITY_MAX_BYTES);
    eye_text_init(&encoder->times.text, TIMES_MAX_BYTES);
    eye_text_init(&encoder->points, EYE_OTLP_REQUEST_BYTES + TAIL_BYTES);
    eye_text_init(&encoder->request, EYE_OTLP_REQUEST_BYTES + TAIL_BYTES);
    append_list(&encoder->own, model->resource, model->resource_count);
    append_list(&encoder->observed, model->observed, model->observed_count);
    make_times(&encoder->times, 0, 0); /* has its memory from now on */
    bool failed = encoder->own.failed || encoder->observed.failed || encoder->times.text.failed ||
                  eye_otlp_groups_init(&encoder->groups, POINTS_MAX, GROUPS_MAX) != 0;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        make_family(encoder, eye_metric((enum eye_metric_id)i));
        failed |= encoder->families[i].failed;
    }
    if (failed) {
        return -ENOMEM;
    }
    *ret_encoder = EYE_TAKE(encoder);
    return 0;
}

const struct eye_otlp_encoding eye_otlp_json = {
    .content_type = "application/json",
    .open = open_encoder,
    .close = close_encoder,
    .write_identity = write_identity,
    .begin = begin,
    .add = add,
    .finish = finish,
};
