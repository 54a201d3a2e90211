/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as lines of JSON, short and with details. Property: every line is one object with
 * the members of its kind and no others, no name twice; name and tags are those of the series with
 * U+FFFD for what is no UTF-8; whole numbers are exact, measured ones have 15 digits.
 */
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "exporters/encode/json_line.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Series that fill several payloads. */
#define CROWD 24

#define PAYLOAD_BYTES ((size_t)4 << 10)
#define DIGITS 1e-14

struct encoder {
    struct eye_json_lines lines;
    struct eye_text payload;
};

/* ---- Encoding ---- */

static void begin(void *state)
{
    struct encoder *encoder = state;
    eye_text_clear(&encoder->payload);
}

static bool wants(void *state, const struct eye_change *change)
{
    struct encoder *encoder = state;
    return eye_json_lines_wants(&encoder->lines, change);
}

/* As the file exporter does: a line goes into the payload whole. */
static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct encoder *encoder = state;
    struct eye_text *payload = &encoder->payload;
    size_t length = payload->length;
    (void)part;
    int result = eye_identity_check(eye_identities_at(&encoder->lines.identities, index));
    if (result == 0) {
        result = eye_json_lines_append(&encoder->lines, index, change, payload);
    }
    if (result == 0 && length > 0 && payload->length > PAYLOAD_BYTES) {
        result = -ENOBUFS;
    }
    if (result != 0) {
        eye_text_truncate(payload, length);
    }
    return result;
}

static const struct eye_text *end(void *state)
{
    struct encoder *encoder = state;
    return &encoder->payload;
}

static const struct trial_format format = {
    .begin = begin,
    .wants = wants,
    .add = add,
    .end = end,
};

/* ---- What an object should hold ---- */

static json_t *make_string(const char *bytes)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, EXPECTED_MAX_BYTES);
    expected_append(&text, bytes, expected_utf8);
    json_t *string = json_string(eye_text_string(&text));
    assert(string != NULL);
    return string;
}

static void set_tag(json_t *tags, const char *key, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, EXPECTED_MAX_BYTES);
    expected_append(&text, key, expected_utf8);
    int result = json_object_set_new(tags, text.data, make_string(value));
    assert(result == 0);
}

static json_t *make_tags(const struct hostile *world, const struct eye_point *point)
{
    json_t *tags = json_object();
    for (size_t i = 0; i < world->selection.fixed_count; i++) {
        set_tag(tags, world->selection.fixed[i].key, world->selection.fixed[i].value);
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        set_tag(tags, eye_tag_info(point->tags->tags[i].tag)->name, point->tags->tags[i].value);
    }
    return tags;
}

static void check_names(const struct hostile *world, const json_t *line,
                        const struct eye_point *point)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    expected_append_name(&name, world, point->metric);
    json_t *tags = make_tags(world, point);
    assert(json_equal(json_object_get(line, "tags"), tags));
    json_decref(tags);
    assert(strcmp(json_string_value(json_object_get(line, "metric")), name.data) == 0);
    assert(strcmp(json_string_value(json_object_get(line, "kind")),
                  eye_metric_kind_name(point->metric->kind)) == 0);
    assert(strcmp(json_string_value(json_object_get(line, "unit")),
                  eye_unit_info(point->metric->unit)->word) == 0);
    assert(strcmp(json_string_value(json_object_get(line, "time")), "2026-08-02T12:00:30.000Z") ==
           0);
}

/* ---- Values ---- */

static void check_real(const json_t *line, const char *name, double expected)
{
    const json_t *value = json_object_get(line, name);
    if (!isfinite(expected)) {
        assert(json_is_null(value));
        return;
    }
    assert(json_is_real(value) && expected_near(json_real_value(value), expected, DIGITS));
}

static void check_counter(const json_t *line, const char *name, const struct eye_metric *metric,
                          uint64_t counter)
{
    const json_t *value = json_object_get(line, name);
    if (metric->scale == 1) {
        assert(json_is_integer(value) && json_integer_value(value) == (json_int_t)counter);
    } else {
        check_real(line, name, eye_counter_value(metric, counter));
    }
}

static void check_distribution(const json_t *line, const struct eye_change *change, bool details)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}};
    const json_t *count = json_object_get(line, "count");
    assert(json_is_integer(count) && json_integer_value(count) == (json_int_t)change->count);
    check_real(line, "sum", change->sum);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(quantiles) - (details ? 0 : 1); i++) {
        check_real(line, quantiles[i].name, expected_quantile(change, quantiles[i].q));
    }
}

/* How many members a line has: time, interval, metric, kind, unit, tags, and those of its kind. */
static size_t count_members(enum eye_metric_kind kind, bool details)
{
    static const size_t own[] = {[EYE_COUNTER] = 2, [EYE_GAUGE] = 1, [EYE_DISTRIBUTION] = 5};
    return 6 + own[kind] + (details && kind != EYE_GAUGE ? 1 : 0);
}

static void check_value(const struct encoder *encoder, const json_t *line,
                        const struct eye_change *change)
{
    const struct eye_point *point = change->point;
    const struct eye_metric *metric = point->metric;
    bool details = encoder->lines.details;
    switch (metric->kind) {
    case EYE_COUNTER:
        check_counter(line, "value", metric, change->counter);
        check_real(line, "rate",
                   eye_counter_value(metric, change->counter) / encoder->lines.seconds);
        if (details) {
            check_counter(line, "total", metric, point->counter);
        }
        break;
    case EYE_GAUGE:
        check_real(line, "value", point->gauge);
        break;
    case EYE_DISTRIBUTION:
        check_distribution(line, change, details);
        break;
    }
    assert(json_object_size(line) == count_members(metric->kind, details));
}

/* ---- Reading ---- */

struct reader {
    const struct trial *trial;
    size_t payload;
    struct piece rest;
};

static json_t *next_line(struct reader *reader)
{
    if (reader->rest.length == 0) {
        assert(reader->payload < reader->trial->count);
        const struct eye_text *payload = &reader->trial->payloads[reader->payload++];
        assert(payload->data[payload->length - 1] == '\n');
        reader->rest = (struct piece){payload->data, payload->length};
    }
    struct piece line = piece_cut(&reader->rest, '\n');
    json_t *object = json_loadb(line.start, line.length, JSON_REJECT_DUPLICATES, NULL);
    assert(json_is_object(object));
    return object;
}

static int append_dumped(const char *bytes, size_t length, void *text)
{
    eye_text_append_bytes(text, bytes, length);
    return 0;
}

static void keep_name(struct expected_names *names, const json_t *line)
{
    struct eye_text *name = expected_next_name(names);
    eye_text_append(name, json_string_value(json_object_get(line, "metric")));
    int result = json_dump_callback(json_object_get(line, "tags"), append_dumped, name,
                                    JSON_SORT_KEYS | JSON_COMPACT);
    assert(result == 0);
}

static void check(const struct hostile *world, const struct encoder *encoder,
                  const struct trial *trial)
{
    struct reader reader = {.trial = trial};
    struct expected_names names = {.count = 0};
    struct eye_changes changes = trial_changes(trial);
    struct eye_change change;
    size_t index;
    while (trial_next(trial, &changes, &change, &index)) {
        json_t *line = next_line(&reader);
        check_names(world, line, change.point);
        check_real(line, "interval", encoder->lines.seconds);
        check_value(encoder, line, &change);
        keep_name(&names, line);
        json_decref(line);
    }
    expected_finish_names(&names);
    assert(reader.payload == trial->count && reader.rest.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct encoder encoder;
    hostile_init(&world, data, size);
    bool details = hostile_choice(&world, 2) != 0;
    hostile_make(&world, CROWD);
    eye_json_lines_init(&encoder.lines, &world.selection, details);
    eye_text_init(&encoder.payload, EXPECTED_MAX_BYTES);
    trial_follow(&world, &encoder.lines.identities);
    int result = eye_json_lines_begin(&encoder.lines, world.now, world.before);
    assert(result == 0);
    struct trial *trial =
        trial_new(&world, world.now, world.before, &format, &encoder, HOSTILE_BYTES_MAX);
    check(&world, &encoder, trial);
    trial_free(trial);
    eye_text_done(&encoder.payload);
    eye_json_lines_done(&encoder.lines);
    hostile_done(&world);
    return 0;
}
