/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as DogStatsD. Property: a line has a name, values, a type and the fields that
 * belong to it, in the order of the protocol, and nothing else; its name and tags are those of its
 * series, cleaned; increments, gauges and the bins of distributions arrive exactly; no payload is
 * longer than its limit.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "collector/base/clock.h"
#include "exporters/dogstatsd/lines.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Series that fill several payloads. */
#define CROWD 24

/* The smallest that the configuration takes is 512. */
#define PAYLOAD_MIN_BYTES 512

#define TAG_MAX_BYTES 200

struct encoder {
    struct eye_selection *selection;
    struct eye_labels labels;
    struct eye_lines lines;
    struct eye_identities identities;
    struct eye_text payload;
    bool timed;
    const char *cardinality;
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
    return eye_lines_add(&encoder->lines, eye_identities_at(&encoder->identities, index), change,
                         part, &encoder->payload);
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

static bool is_plain(char byte, const char *refused)
{
    return byte >= ' ' && byte < 0x7f && strchr(refused, byte) == NULL;
}

/* What is left of @value when at most @max_bytes of it count. */
static void append_clean(struct eye_text *text, const char *value, size_t max_bytes,
                         const char *refused)
{
    EYE_AUTOFREE char *cut = strndup(value, max_bytes);
    assert(cut != NULL);
    for (const char *at = cut; *at != '\0';) {
        uint32_t code_point;
        size_t length = expected_character(at, &code_point);
        if (length > 1 && code_point >= 0xa0) {
            eye_text_append_bytes(text, at, length);
            at += length;
        } else {
            eye_text_append_char(text, is_plain(*at, refused) ? *at : '_');
            at++;
        }
    }
}

static void append_tag(struct eye_text *tags, const char *key, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text tag;
    eye_text_init(&tag, EXPECTED_MAX_BYTES);
    eye_text_append(&tag, key);
    eye_text_append(&tag, *value == '\0' ? "" : ":");
    eye_text_append(&tag, value);
    eye_text_append(tags, tags->length == 0 ? "#" : ",");
    append_clean(tags, tag.data, TAG_MAX_BYTES, "|,#");
    if (tags->data[tags->length - 1] == ':') {
        tags->data[tags->length - 1] = '_';
    }
}

static void append_tags(struct eye_text *tags, const struct encoder *encoder,
                        const struct eye_point *point)
{
    for (size_t i = 0; i < encoder->selection->fixed_count; i++) {
        const struct eye_fixed_tag *fixed = &encoder->selection->fixed[i];
        if (!eye_point_has_tag(point, fixed->key)) {
            append_tag(tags, fixed->key, fixed->value);
        }
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (*tag->value != '\0') {
            append_tag(tags, eye_tag_info(tag->tag)->name, tag->value);
        }
    }
}

/* What is the same in all lines of a point. */
struct identity {
    struct eye_text name;
    struct eye_text tags; /* "#..."; empty without any */
};

static void make_identity(const struct hostile *world, const struct encoder *encoder,
                          const struct eye_point *point, struct identity *ret_identity)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    eye_text_init(&ret_identity->name, EXPECTED_MAX_BYTES);
    eye_text_init(&ret_identity->tags, EXPECTED_MAX_BYTES);
    expected_append_name(&name, world, point->metric);
    append_clean(&ret_identity->name, name.data, SIZE_MAX, ":|@#,");
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

struct line {
    struct piece values; /* with colons between them */
    double rate;         /* 1: none is told */
};

struct reader {
    const struct encoder *encoder;
    const struct trial *trial;
    size_t payload;    /* of the trial's, whose lines are read */
    struct piece rest; /* of it */
};

static struct piece next_line(struct reader *reader)
{
    if (reader->rest.length == 0) {
        assert(reader->payload < reader->trial->count);
        const struct eye_text *payload = &reader->trial->payloads[reader->payload++];
        assert(payload->length <= reader->encoder->lines.max_bytes);
        assert(payload->data[payload->length - 1] == '\n');
        reader->rest = (struct piece){payload->data, payload->length};
    }
    return piece_cut(&reader->rest, '\n');
}

/* A field that begins with @mark, when there is one. */
static bool read_field(struct piece *rest, const char *mark, struct piece *ret_field)
{
    size_t length = strlen(mark);
    if (rest->length < length || memcmp(rest->start, mark, length) != 0) {
        return false;
    }
    *ret_field = piece_cut(rest, '|');
    *ret_field = (struct piece){ret_field->start + length, ret_field->length - length};
    return true;
}

static void read_time(const struct reader *reader, struct piece *rest, const char *type)
{
    struct piece field;
    bool told = read_field(rest, "T", &field);
    assert(told == (reader->encoder->timed && *type != 'd'));
    assert(!told ||
           piece_number(field) == (double)(reader->trial->now->time_ns / EYE_NS_PER_SECOND));
}

static struct line read_line(struct reader *reader, const struct identity *identity,
                             const char *type)
{
    struct piece rest = next_line(reader);
    struct line line = {.values = piece_cut(&rest, '|'), .rate = 1};
    struct piece field;
    assert(piece_is_text(piece_cut(&line.values, ':'), &identity->name));
    assert(piece_is(piece_cut(&rest, '|'), type));
    if (read_field(&rest, "@", &field)) {
        line.rate = piece_number(field);
        assert(line.rate > 0 && line.rate < 1);
    }
    read_time(reader, &rest, type);
    if (identity->tags.length > 0) {
        assert(piece_is_text(piece_cut(&rest, '|'), &identity->tags));
    }
    bool told = read_field(&rest, "card:", &field);
    assert(told == (reader->encoder->cardinality != NULL));
    assert(!told || piece_is(field, reader->encoder->cardinality));
    assert(rest.length == 0);
    return line;
}

static void check_number(struct reader *reader, const struct identity *identity, const char *type,
                         double expected)
{
    struct line line = read_line(reader, identity, type);
    assert(piece_number(line.values) == expected && line.rate == 1);
}

/* Agents take the weight that a rate stands for as its truncated inverse. */
static uint64_t count_values(struct line line, uint64_t bins[EYE_DISTRIBUTION_KEYS])
{
    uint64_t weight = (uint64_t)(1 / line.rate);
    uint64_t count = 0;
    do {
        double value = piece_number(piece_cut(&line.values, ':'));
        uint32_t key = eye_distribution_key(value);
        assert(value == eye_distribution_key_value(key));
        bins[key] += weight;
        count += weight;
    } while (line.values.length > 0);
    return count;
}

static void check_distribution(struct reader *reader, const struct identity *identity,
                               const struct eye_change *change)
{
    EYE_AUTOFREE uint64_t *bins = calloc(EYE_DISTRIBUTION_KEYS, sizeof(*bins));
    assert(bins != NULL);
    for (uint64_t count = 0; count < change->count;) {
        count += count_values(read_line(reader, identity, "d"), bins);
        assert(count <= change->count);
    }
    for (uint32_t key = 0; key < EYE_DISTRIBUTION_KEYS; key++) {
        assert(bins[key] ==
               eye_distribution_bin_since(change->point->distribution, change->before, key));
    }
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
        check_number(reader, identity, "g", point->gauge);
        break;
    case EYE_DISTRIBUTION:
        check_distribution(reader, identity, change);
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

/* False when the fixed tags alone are too long: the exporter does not start. */
static bool open_encoder(struct encoder *encoder, struct hostile *world, size_t max_bytes)
{
    struct eye_environment environment = {0};
    const struct eye_labels_source source = {
        .environment = &environment,
        .cardinality = encoder->cardinality,
    };
    encoder->selection = &world->selection;
    if (eye_labels_init(&encoder->labels, encoder->selection, &source, max_bytes) != 0) {
        return false;
    }
    int result = eye_lines_init(&encoder->lines, encoder->selection, &encoder->labels, max_bytes);
    assert(result == 0);
    eye_text_init(&encoder->payload, max_bytes);
    eye_identities_init(&encoder->identities, eye_lines_write_identity, &encoder->lines,
                        encoder->selection->wanted, max_bytes);
    return true;
}

static void close_encoder(struct encoder *encoder)
{
    eye_identities_done(&encoder->identities);
    eye_text_done(&encoder->payload);
    eye_lines_done(&encoder->lines);
    eye_labels_done(&encoder->labels);
}

static void run(struct hostile *world, struct encoder *encoder)
{
    if (encoder->timed) {
        eye_lines_set_time(&encoder->lines, world->now->time_ns);
    }
    trial_follow(world, &encoder->identities);
    struct trial *trial = trial_new(world, world->now, world->before, &format, encoder,
                                    encoder->lines.max_bytes - PAYLOAD_MIN_BYTES);
    check(world, encoder, trial);
    trial_free(trial);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct encoder encoder = {0};
    hostile_init(&world, data, size);
    size_t max_bytes = PAYLOAD_MIN_BYTES + hostile_choice(&world, 256) * 32;
    encoder.timed = hostile_choice(&world, 2) != 0;
    encoder.cardinality = hostile_choice(&world, 2) != 0 ? "low" : NULL;
    hostile_make(&world, CROWD);
    if (open_encoder(&encoder, &world, max_bytes)) {
        run(&world, &encoder);
        close_encoder(&encoder);
    }
    hostile_done(&world);
    return 0;
}
