/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as StatsD, in all dialects and both kinds of distributions. Property: a line is
 * one name, one value, one type and at most one rate, with the tags where the dialect has them;
 * names and tags are those of the series, cleaned byte by byte; increments and gauges arrive
 * exactly, every bin of a distribution with its number of values, quantiles as computed here.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "exporters/statsd/lines.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Series that fill several payloads. */
#define CROWD 24

/* The smallest that the configuration takes. */
#define PAYLOAD_MIN_BYTES 512

#define DIALECTS 6

#define WORD_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
#define LINE_BYTES WORD_BYTES "/*+%$!?~"

struct encoder {
    struct eye_statsd_names names;
    struct eye_statsd_lines lines;
    struct eye_identities identities;
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
    (void)state;
    return eye_change_has_news(change);
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct encoder *encoder = state;
    return eye_statsd_lines_add(&encoder->lines, eye_identities_at(&encoder->identities, index),
                                change, &encoder->payload, part);
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

/* ---- What a line should say ---- */

/* How a dialect writes tags: before the first, between key and value, before others, at the end. */
static const struct {
    const char *open;
    char equals;
    char between;
    const char *close;
    const char *keeps;
} dialects[DIALECTS] = {
    [EYE_STATSD_DATADOG] = {"#", ':', ',', "", WORD_BYTES},
    [EYE_STATSD_INFLUXDB] = {",", '=', ',', "", LINE_BYTES},
    [EYE_STATSD_GRAPHITE] = {";", '=', ';', "", WORD_BYTES},
    [EYE_STATSD_SIGNALFX] = {"[", '=', ',', "]", LINE_BYTES},
    [EYE_STATSD_LIBRATO] = {"#", '=', ',', "", LINE_BYTES},
};

struct identity {
    struct eye_text name;
    struct eye_text tags; /* with all marks; empty without any */
};

static void append_tag(struct eye_text *tags, enum eye_statsd_dialect_id dialect, const char *key,
                       const char *value)
{
    const char *keeps = dialects[dialect].keeps;
    if (tags->length == 0) {
        eye_text_append(tags, dialects[dialect].open);
    } else {
        eye_text_append_char(tags, dialects[dialect].between);
    }
    expected_append_bytes(tags, key, keeps);
    eye_text_append_char(tags, dialects[dialect].equals);
    expected_append_bytes(tags, *value == '\0' ? "true" : value, keeps);
}

static bool has_tag(const struct eye_point *point, const char *key)
{
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (strcmp(eye_tag_info(tag->tag)->name, key) == 0 && *tag->value != '\0') {
            return true;
        }
    }
    return false;
}

static void append_tags(struct eye_text *tags, const struct encoder *encoder,
                        const struct eye_point *point)
{
    const struct eye_selection *selection = encoder->names.selection;
    enum eye_statsd_dialect_id dialect = encoder->names.dialect;
    for (size_t i = 0; i < selection->fixed_count; i++) {
        if (!has_tag(point, selection->fixed[i].key)) {
            append_tag(tags, dialect, selection->fixed[i].key, selection->fixed[i].value);
        }
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (*tag->value != '\0') {
            append_tag(tags, dialect, eye_tag_info(tag->tag)->name, tag->value);
        }
    }
    eye_text_append(tags, tags->length > 0 ? dialects[dialect].close : "");
}

static void make_identity(const struct hostile *world, const struct encoder *encoder,
                          const struct eye_point *point, struct identity *ret_identity)
{
    eye_text_init(&ret_identity->name, EXPECTED_MAX_BYTES);
    eye_text_init(&ret_identity->tags, EXPECTED_MAX_BYTES);
    if (encoder->names.dialect == EYE_STATSD_NONE) {
        expected_append_dotted(&ret_identity->name, world, point);
        return;
    }
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    expected_append_name(&name, world, point->metric);
    expected_append_bytes(&ret_identity->name, name.data, WORD_BYTES);
    append_tags(&ret_identity->tags, encoder, point);
}

static void keep_name(struct expected_names *names, const struct identity *identity)
{
    struct eye_text *name = expected_next_name(names);
    eye_text_append(name, identity->name.data);
    eye_text_append_char(name, '\n');
    eye_text_append(name, eye_text_string(&identity->tags));
}

static void free_identity(struct identity *identity)
{
    eye_text_done(&identity->name);
    eye_text_done(&identity->tags);
}

/* ---- Reading ---- */

struct reader {
    const struct encoder *encoder;
    const struct trial *trial;
    size_t payload;
    struct piece rest;
};

struct line {
    double value;
    bool is_signed;
    uint64_t weight;
};

static struct piece next_line(struct reader *reader)
{
    if (reader->rest.length == 0) {
        assert(reader->payload < reader->trial->count);
        const struct eye_text *payload = &reader->trial->payloads[reader->payload++];
        assert(payload->length <= reader->encoder->payload.max_bytes);
        assert(payload->data[payload->length - 1] == '\n');
        reader->rest = (struct piece){payload->data, payload->length};
    }
    return piece_cut(&reader->rest, '\n');
}

/* Everything before the value: the name with the tags of most dialects. */
static void check_name(const struct reader *reader, struct piece name,
                       const struct identity *identity, const char *suffix)
{
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    eye_text_append(&expected, identity->name.data);
    eye_text_append(&expected, suffix);
    if (reader->encoder->names.dialect != EYE_STATSD_DATADOG) {
        eye_text_append(&expected, eye_text_string(&identity->tags));
    }
    assert(piece_is_text(name, &expected));
}

static uint64_t read_rate(struct piece *rest)
{
    if (rest->length == 0 || rest->start[0] != '@') {
        return 1;
    }
    struct piece rate = piece_cut(rest, '|');
    double inverse = 1 / piece_number((struct piece){rate.start + 1, rate.length - 1});
    uint64_t weight = (uint64_t)inverse;
    assert(weight > 1 && expected_near(inverse, (double)weight, 1.01e-12));
    return weight;
}

static struct line read_line(struct reader *reader, const struct identity *identity,
                             const char *suffix, const char *type)
{
    struct piece rest = next_line(reader);
    check_name(reader, piece_cut(&rest, ':'), identity, suffix);
    struct piece value = piece_cut(&rest, '|');
    assert(piece_count(value, 'e') == 0); /* an exponent is a bad line */
    struct line line = {.value = piece_number(value), .is_signed = value.start[0] == '-'};
    assert(piece_is(piece_cut(&rest, '|'), type));
    line.weight = read_rate(&rest);
    if (reader->encoder->names.dialect == EYE_STATSD_DATADOG) {
        assert(piece_is_text(piece_cut(&rest, '|'), &identity->tags));
    }
    assert(rest.length == 0);
    return line;
}

/* ---- Values ---- */

static void check_number(struct reader *reader, const struct identity *identity, const char *type,
                         double expected)
{
    struct line line = read_line(reader, identity, "", type);
    /* Below 1e-12 there are 30 places. */
    assert(line.value == expected || (fabs(expected) < 1e-12 && fabs(line.value) < 1.1e-12));
    assert(line.weight == 1);
}

/* A value with a sign is relative to the one before, so that one is zero. */
static void check_gauge(struct reader *reader, const struct identity *identity, double value)
{
    if (value < 0) {
        check_number(reader, identity, "g", 0);
    }
    check_number(reader, identity, "g", value);
}

/* Durations are in milliseconds, all values rounded to nanoseconds. */
static bool is_value(const struct eye_change *change, double written, double value)
{
    bool seconds = change->point->metric->unit == EYE_UNIT_SECONDS;
    double expected = seconds ? value * 1000 : value;
    return fabs(written - expected) <= (seconds ? 0.51e-6 : 0.51e-9) ||
           expected_near(written, expected, 1e-12);
}

static void check_samples(struct reader *reader, const struct identity *identity,
                          const struct eye_change *change)
{
    for (uint32_t key = 0; key < EYE_DISTRIBUTION_KEYS; key++) {
        uint64_t left =
            eye_distribution_bin_since(change->point->distribution, change->before, key);
        while (left > 0) {
            struct line line = read_line(reader, identity, "", "ms");
            assert(!line.is_signed && line.weight <= left);
            assert(is_value(change, line.value, eye_distribution_key_value(key)));
            left -= line.weight;
        }
    }
}

static void check_quantiles(struct reader *reader, const struct identity *identity,
                            const struct eye_change *change)
{
    static const struct {
        const char *suffix;
        double q;
    } quantiles[] = {{".p50", 0.5}, {".p95", 0.95}, {".p99", 0.99}, {".max", 1}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(quantiles); i++) {
        struct line line = read_line(reader, identity, quantiles[i].suffix, "g");
        assert(is_value(change, line.value, expected_quantile(change, quantiles[i].q)));
    }
    struct line mean = read_line(reader, identity, ".mean", "g");
    assert(is_value(change, mean.value, change->sum / (double)change->count));
    struct line count = read_line(reader, identity, ".count", "c");
    assert(count.value == (double)change->count);
}

static void check_point(struct reader *reader, const struct identity *identity,
                        const struct eye_change *change)
{
    const struct eye_point *point = change->point;
    switch (point->metric->kind) {
    case EYE_COUNTER:
        check_number(reader, identity, "c", eye_counter_value(point->metric, change->counter));
        break;
    case EYE_GAUGE:
        check_gauge(reader, identity, point->gauge);
        break;
    case EYE_DISTRIBUTION:
        if (reader->encoder->lines.distributions == EYE_STATSD_AS_GAUGES) {
            check_quantiles(reader, identity, change);
        } else {
            check_samples(reader, identity, change);
        }
        break;
    }
}

static void check(const struct hostile *world, const struct encoder *encoder,
                  const struct trial *trial)
{
    struct reader reader = {.encoder = encoder, .trial = trial};
    struct expected_names names = {.count = 0};
    struct eye_changes changes = trial_changes(trial);
    struct eye_change change;
    size_t index;
    while (trial_next(trial, &changes, &change, &index)) {
        struct identity identity;
        make_identity(world, encoder, change.point, &identity);
        check_point(&reader, &identity, &change);
        keep_name(&names, &identity);
        free_identity(&identity);
    }
    expected_finish_names(&names);
    assert(reader.payload == trial->count && reader.rest.length == 0);
}

/* ---- A run ---- */

static void open_encoder(struct encoder *encoder, const struct hostile *world, size_t max_bytes,
                         enum eye_statsd_distributions distributions)
{
    struct eye_error error;
    encoder->names.selection = &world->selection;
    int result =
        eye_template_parse("{metric}.{tags}", &world->selection, &encoder->names.template, &error);
    assert(result == 0);
    result = eye_statsd_lines_init(&encoder->lines, encoder->names.dialect, distributions);
    assert(result == 0);
    eye_text_init(&encoder->payload, max_bytes);
    eye_identities_init(&encoder->identities, eye_statsd_write_name, &encoder->names,
                        world->selection.wanted, max_bytes - EYE_STATSD_LINE_BYTES);
    trial_follow(world, &encoder->identities);
}

static void close_encoder(struct encoder *encoder)
{
    eye_identities_done(&encoder->identities);
    eye_text_done(&encoder->payload);
    eye_statsd_lines_done(&encoder->lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct encoder encoder = {0};
    hostile_init(&world, data, size);
    size_t max_bytes = PAYLOAD_MIN_BYTES + hostile_choice(&world, 256) * 32;
    encoder.names.dialect = (enum eye_statsd_dialect_id)hostile_choice(&world, DIALECTS);
    enum eye_statsd_distributions distributions =
        (enum eye_statsd_distributions)hostile_choice(&world, 2);
    hostile_make(&world, CROWD);
    open_encoder(&encoder, &world, max_bytes, distributions);
    struct trial *trial = trial_new(&world, world.now, world.before, &format, &encoder,
                                    (max_bytes - PAYLOAD_MIN_BYTES) / 2);
    check(&world, &encoder, trial);
    trial_free(trial);
    close_encoder(&encoder);
    hostile_done(&world);
    return 0;
}
