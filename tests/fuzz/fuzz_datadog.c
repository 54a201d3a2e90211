/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as bodies of Datadog's intake: series as JSON and protobuf, distributions as
 * sketches. Bodies are read by jansson and with the schema of tests/data, which our encoder does
 * not use. Property: an entry for each point, with the name, the tags, the times and the numbers of
 * it and nothing else; bodies and tags stay within the limits.
 */
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "exporters/datadog/body.h"
#include "exporters/encode/template.h"
#include "exporters/encode/utf8.h"
#include "tests/data/datadog.pb-c.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Series that fill several payloads. */
#define CROWD 24

/* So small that inputs fill several bodies. */
#define PLAIN_MIN_BYTES 1024

/* Any entry fits a body of this size. */
#define ENTRY_FITS_BYTES ((size_t)256 << 10)

#define LABEL_MAX_BYTES 200
#define TAGS_MAX (EYE_TAG_COUNT + HOSTILE_FIXED_MAX)

struct encoder {
    struct eye_datadog_body body;
    struct eye_identities identities;
};

/* ---- Encoding ---- */

static void begin(void *state)
{
    struct encoder *encoder = state;
    eye_datadog_body_begin(&encoder->body);
}

static bool wants(void *state, const struct eye_change *change)
{
    struct encoder *encoder = state;
    bool distribution = change->point->metric->kind == EYE_DISTRIBUTION;
    bool news =
        change->point->metric->kind == EYE_GAUGE || change->counter > 0 || change->count > 0;
    return news && distribution == encoder->body.encoding->distributions;
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct encoder *encoder = state;
    (void)part;
    return eye_datadog_body_add(&encoder->body, eye_identities_at(&encoder->identities, index),
                                change);
}

static const struct eye_text *end(void *state)
{
    struct encoder *encoder = state;
    eye_datadog_body_end(&encoder->body);
    assert(encoder->body.bytes.length <= encoder->body.bytes.max_bytes);
    return &encoder->body.bytes;
}

static const struct trial_format format = {
    .begin = begin,
    .wants = wants,
    .add = add,
    .end = end,
};

/* ---- Names and tags ---- */

static const char *replace(uint32_t code_point)
{
    bool bad = code_point == ',' || code_point == '|' || code_point == '#' ||
               code_point == EYE_UTF8_REPLACEMENT || eye_utf8_is_control(code_point);
    return bad ? "_" : NULL;
}

/* Takes whole characters from the end until the rest fits. */
static void cut(struct eye_text *label)
{
    size_t fits = 0;
    for (const char *at = eye_text_string(label); *at != '\0';) {
        uint32_t code_point;
        at += expected_character(at, &code_point);
        size_t length = (size_t)(at - label->data);
        fits = length <= LABEL_MAX_BYTES ? length : fits;
    }
    eye_text_truncate(label, fits);
}

static void check_tag(const char *tag, const char *key, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    expected_append(&expected, key, replace);
    eye_text_append(&expected, *value == '\0' ? "" : ":");
    expected_append(&expected, value, replace);
    cut(&expected);
    if (expected.data[expected.length - 1] == ':') {
        expected.data[expected.length - 1] = '_';
    }
    assert(strcmp(tag, expected.data) == 0);
}

static bool is_host(const struct eye_fixed_tag *tag)
{
    return strcmp(tag->key, "host") == 0 && *tag->value != '\0';
}

static void check_tags(const struct hostile *world, const struct eye_point *point,
                       char *const *tags, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < world->selection.fixed_count; i++) {
        const struct eye_fixed_tag *fixed = &world->selection.fixed[i];
        if (!is_host(fixed) && !eye_point_has_tag(point, fixed->key)) {
            assert(at < count);
            check_tag(tags[at++], fixed->key, fixed->value);
        }
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (*tag->value != '\0') {
            assert(at < count);
            check_tag(tags[at++], eye_tag_info(tag->tag)->name, tag->value);
        }
    }
    assert(at == count);
}

static void check_host(const struct hostile *world, const char *host)
{
    char machine[256] = "";
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    for (size_t i = 0; i < world->selection.fixed_count; i++) {
        if (is_host(&world->selection.fixed[i])) {
            eye_text_clear(&expected);
            expected_append(&expected, world->selection.fixed[i].value, replace);
        }
    }
    gethostname(machine, sizeof(machine) - 1);
    assert(strcmp(host, expected.length > 0 ? expected.data : machine) == 0);
}

static void check_name(const struct hostile *world, const struct eye_metric *metric,
                       const char *name)
{
    EYE_CLEANUP(eye_text_done) struct eye_text plain;
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    eye_text_init(&plain, EXPECTED_MAX_BYTES);
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    expected_append_name(&plain, world, metric);
    expected_append_bytes(&expected, plain.data,
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._");
    assert(strcmp(name, expected.data) == 0);
}

/* ---- Series ---- */

/* The member of @object called @name, of @type. */
static json_t *member(const json_t *object, const char *name, json_type type)
{
    json_t *value = json_object_get(object, name);
    assert(value != NULL && json_typeof(value) == type);
    return value;
}

/* The first of an array of one. */
static json_t *only(const json_t *array)
{
    assert(json_array_size(array) == 1);
    return json_array_get(array, 0);
}

/* What a series of JSON says, as a message; strings stay those of @object. */
struct parsed_series {
    Reference__MetricPayload__MetricSeries series;
    Reference__MetricPayload__Resource resource;
    Reference__MetricPayload__Resource *resources[1];
    Reference__MetricPayload__MetricPoint point;
    Reference__MetricPayload__MetricPoint *points[1];
    char *tags[TAGS_MAX];
};

static char *string_of(const json_t *object, const char *name)
{
    return (char *)(uintptr_t)json_string_value(member(object, name, JSON_STRING));
}

static void parse_tags(const json_t *tags, struct parsed_series *parsed)
{
    parsed->series.n_tags = json_array_size(tags);
    parsed->series.tags = parsed->tags;
    assert(parsed->series.n_tags <= TAGS_MAX);
    for (size_t i = 0; i < parsed->series.n_tags; i++) {
        assert(json_is_string(json_array_get(tags, i)));
        parsed->tags[i] = (char *)(uintptr_t)json_string_value(json_array_get(tags, i));
    }
}

static void parse_point(const json_t *object, struct parsed_series *parsed)
{
    assert(json_object_size(object) == 2 && json_is_number(json_object_get(object, "value")));
    reference__metric_payload__metric_point__init(&parsed->point);
    parsed->point.timestamp = json_integer_value(member(object, "timestamp", JSON_INTEGER));
    parsed->point.value = json_number_value(json_object_get(object, "value"));
    parsed->points[0] = &parsed->point;
    parsed->series.points = parsed->points;
    parsed->series.n_points = 1;
}

static void parse_resource(const json_t *object, struct parsed_series *parsed)
{
    assert(json_object_size(object) == 2);
    reference__metric_payload__resource__init(&parsed->resource);
    parsed->resource.type = string_of(object, "type");
    parsed->resource.name = string_of(object, "name");
    parsed->resources[0] = &parsed->resource;
    parsed->series.resources = parsed->resources;
    parsed->series.n_resources = 1;
}

static void parse_series(const json_t *object, struct parsed_series *parsed)
{
    bool has_unit = json_object_get(object, "unit") != NULL;
    assert(json_object_size(object) == (has_unit ? 7U : 6U));
    reference__metric_payload__metric_series__init(&parsed->series);
    parsed->series.metric = string_of(object, "metric");
    if (has_unit) {
        parsed->series.unit = string_of(object, "unit");
    }
    parsed->series.type = (Reference__MetricPayload__MetricType)json_integer_value(
        member(object, "type", JSON_INTEGER));
    parsed->series.interval = json_integer_value(member(object, "interval", JSON_INTEGER));
    parse_tags(member(object, "tags", JSON_ARRAY), parsed);
    parse_point(only(member(object, "points", JSON_ARRAY)), parsed);
    parse_resource(only(member(object, "resources", JSON_ARRAY)), parsed);
}

static void check_series(const struct hostile *world, const struct eye_change *change,
                         const Reference__MetricPayload__MetricSeries *series)
{
    const struct eye_point *point = change->point;
    bool counter = point->metric->kind == EYE_COUNTER;
    check_name(world, point->metric, series->metric);
    check_tags(world, point, series->tags, series->n_tags);
    assert(series->n_resources == 1 && strcmp(series->resources[0]->type, "host") == 0);
    check_host(world, series->resources[0]->name);
    assert(strcmp(series->unit, eye_unit_info(point->metric->unit)->datadog) == 0);
    assert(series->type == (counter ? REFERENCE__METRIC_PAYLOAD__METRIC_TYPE__COUNT
                                    : REFERENCE__METRIC_PAYLOAD__METRIC_TYPE__GAUGE));
    assert(series->interval == (int64_t)(world->before != NULL ? 10 : 20));
    assert(series->n_points == 1);
    assert(series->points[0]->timestamp == (int64_t)(world->now->time_ns / 1000000000));
    assert(series->points[0]->value ==
           (counter ? eye_counter_value(point->metric, change->counter) : point->gauge));
    assert(series->base.n_unknown_fields == 0 && *series->source_type_name == '\0' &&
           series->metadata == NULL);
}

/* ---- Sketches ---- */

static void check_bins(const struct eye_change *change,
                       const Reference__SketchPayload__Sketch__Dogsketch *sketch)
{
    EYE_AUTOFREE uint64_t *bins = calloc(EYE_DISTRIBUTION_KEYS, sizeof(*bins));
    assert(bins != NULL && sketch->n_k == sketch->n_n);
    for (size_t i = 0; i < sketch->n_k; i++) {
        assert(sketch->k[i] >= 0 && sketch->k[i] < EYE_DISTRIBUTION_KEYS);
        assert(i == 0 || sketch->k[i] >= sketch->k[i - 1]);
        bins[sketch->k[i]] += sketch->n[i];
    }
    for (uint32_t key = 0; key < EYE_DISTRIBUTION_KEYS; key++) {
        assert(bins[key] ==
               eye_distribution_bin_since(change->point->distribution, change->before, key));
    }
}

static void check_sketch(const struct hostile *world, const struct eye_change *change,
                         const Reference__SketchPayload__Sketch *message)
{
    check_name(world, change->point->metric, message->metric);
    check_tags(world, change->point, message->tags, message->n_tags);
    check_host(world, message->host);
    assert(message->n_dogsketches == 1 && message->metadata == NULL);
    const Reference__SketchPayload__Sketch__Dogsketch *sketch = message->dogsketches[0];
    check_bins(change, sketch);
    assert(sketch->ts == (int64_t)(world->now->time_ns / 1000000000));
    assert(sketch->cnt == (int64_t)change->count && sketch->sum == change->sum);
    assert(sketch->avg == change->sum / (double)change->count && sketch->min <= sketch->max);
    assert(message->base.n_unknown_fields == 0 && sketch->base.n_unknown_fields == 0);
}

/* ---- Reading ---- */

/* A walk over the points that were delivered, in step with the entries of the bodies. */
struct reader {
    const struct hostile *world;
    const struct trial *trial;
    struct eye_changes changes;
    struct expected_names names;
};

static struct eye_change next_change(struct reader *reader)
{
    struct eye_change change;
    size_t index;
    bool more = trial_next(reader->trial, &reader->changes, &change, &index);
    assert(more);
    return change;
}

static void keep_name(struct reader *reader, const char *metric, char *const *tags, size_t count)
{
    struct eye_text *name = expected_next_name(&reader->names);
    eye_text_append(name, metric);
    for (size_t i = 0; i < count; i++) {
        eye_text_append_char(name, ',');
        eye_text_append(name, tags[i]);
    }
}

static void check_json(struct reader *reader, const struct eye_text *payload)
{
    json_t *body = json_loadb(payload->data, payload->length, JSON_REJECT_DUPLICATES, NULL);
    assert(json_is_object(body) && json_object_size(body) == 1);
    const json_t *all = member(body, "series", JSON_ARRAY);
    for (size_t i = 0; i < json_array_size(all); i++) {
        struct parsed_series parsed;
        struct eye_change change = next_change(reader);
        parse_series(json_array_get(all, i), &parsed);
        check_series(reader->world, &change, &parsed.series);
        keep_name(reader, parsed.series.metric, parsed.series.tags, parsed.series.n_tags);
    }
    json_decref(body);
}

static void check_protobuf(struct reader *reader, const struct eye_text *payload)
{
    Reference__MetricPayload *body =
        reference__metric_payload__unpack(NULL, payload->length, (const uint8_t *)payload->data);
    assert(body != NULL && body->base.n_unknown_fields == 0);
    for (size_t i = 0; i < body->n_series; i++) {
        struct eye_change change = next_change(reader);
        const Reference__MetricPayload__MetricSeries *series = body->series[i];
        check_series(reader->world, &change, series);
        keep_name(reader, series->metric, series->tags, series->n_tags);
    }
    reference__metric_payload__free_unpacked(body, NULL);
}

static void check_sketches(struct reader *reader, const struct eye_text *payload)
{
    Reference__SketchPayload *body =
        reference__sketch_payload__unpack(NULL, payload->length, (const uint8_t *)payload->data);
    assert(body != NULL && body->base.n_unknown_fields == 0);
    for (size_t i = 0; i < body->n_sketches; i++) {
        struct eye_change change = next_change(reader);
        const Reference__SketchPayload__Sketch *sketch = body->sketches[i];
        check_sketch(reader->world, &change, sketch);
        keep_name(reader, sketch->metric, sketch->tags, sketch->n_tags);
    }
    reference__sketch_payload__free_unpacked(body, NULL);
}

static const struct {
    const struct eye_datadog_encoding *encoding;
    void (*check)(struct reader *reader, const struct eye_text *payload);
} encodings[] = {
    {&eye_datadog_series_json, check_json},
    {&eye_datadog_series_protobuf, check_protobuf},
    {&eye_datadog_sketches, check_sketches},
};

static void check(const struct hostile *world, const struct trial *trial, size_t choice)
{
    struct reader reader = {.world = world, .trial = trial, .changes = trial_changes(trial)};
    struct eye_change change;
    size_t index;
    for (size_t i = 0; i < trial->count; i++) {
        encodings[choice].check(&reader, &trial->payloads[i]);
    }
    expected_finish_names(&reader.names);
    assert(!trial_next(trial, &reader.changes, &change, &index));
}

/* ---- A run ---- */

static void run(struct hostile *world, struct encoder *encoder, size_t choice)
{
    eye_identities_init(&encoder->identities, encodings[choice].encoding->write_identity,
                        &encoder->body, world->selection.wanted, EYE_DATADOG_IDENTITY_MAX_BYTES);
    trial_follow(world, &encoder->identities);
    eye_datadog_body_set_time(&encoder->body, world->now, world->before);
    struct trial *trial =
        trial_new(world, world->now, world->before, &format, encoder,
                  encoder->body.bytes.max_bytes < ENTRY_FITS_BYTES ? 0 : HOSTILE_BYTES_MAX);
    check(world, trial, choice);
    trial_free(trial);
    eye_identities_done(&encoder->identities);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct encoder encoder;
    hostile_init(&world, data, size);
    size_t plain_max = (size_t)PLAIN_MIN_BYTES << hostile_choice(&world, 12);
    size_t choice = hostile_choice(&world, EYE_ARRAY_LENGTH(encodings));
    hostile_make(&world, CROWD);
    int result = eye_datadog_body_init(&encoder.body, encodings[choice].encoding, &world.selection,
                                       plain_max);
    assert(result == 0);
    run(&world, &encoder, choice);
    eye_datadog_body_done(&encoder.body);
    hostile_done(&world);
    return 0;
}
