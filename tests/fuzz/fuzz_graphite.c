/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as Graphite: tagged and dotted, lines and pickle messages. Property: a line is
 * path, value and time; a message unpickles to the list of them; paths are printable ASCII and
 * those of the series, cleaned byte by byte; numbers are exact, or rounded to nanoseconds.
 */
#include <assert.h>
#include <endian.h>
#include <math.h>
#include <string.h>

#include "exporters/graphite/paths.h"
#include "exporters/graphite/pickle.h"
#include "exporters/graphite/points.h"
#include "tests/fuzz/expected.h"
#include "tests/fuzz/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Series that fill several payloads. */
#define CROWD 24

/* A datagram: the exporter's smallest. */
#define PAYLOAD_BYTES 1432

/* Beside the longest host name and gauge. */
#define PATH_FITS_BYTES 700

#define TIME_S INT64_C(1785672010)

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
/* Printable ASCII but ; = ! ^ ~ and brackets, quotes, commas, bars and backslashes. */
#define TAG_BYTES NAME_BYTES "#$%&*+/:?@"

struct encoder {
    struct eye_graphite_paths paths;
    struct eye_graphite_points points;
    struct eye_identities identities;
};

/* ---- Encoding ---- */

static void begin(void *state)
{
    struct encoder *encoder = state;
    eye_graphite_points_begin(&encoder->points, TIME_S);
}

static bool wants(void *state, const struct eye_change *change)
{
    (void)state;
    (void)change;
    return true;
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct encoder *encoder = state;
    return eye_graphite_points_add(&encoder->points, eye_identities_at(&encoder->identities, index),
                                   change, part);
}

static const struct eye_text *end(void *state)
{
    struct encoder *encoder = state;
    eye_graphite_points_end(&encoder->points);
    return &encoder->points.payload;
}

static const struct trial_format format = {
    .begin = begin,
    .wants = wants,
    .add = add,
    .end = end,
};

/* ---- What a path should be ---- */

struct identity {
    struct eye_text name;
    struct eye_text tags; /* behind the ending of the name */
};

static void append_tag(struct eye_text *tags, const char *key, const char *value)
{
    eye_text_append(tags, ";");
    expected_append_bytes(tags, key, TAG_BYTES);
    eye_text_append(tags, "=");
    expected_append_bytes(tags, *value == '\0' ? "true" : value, TAG_BYTES);
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

static void append_host(struct eye_text *tags, const struct eye_selection *selection)
{
    char host[256] = "";
    for (size_t i = 0; i < selection->fixed_count; i++) {
        if (strcmp(selection->fixed[i].key, "host") == 0) {
            return;
        }
    }
    int result = gethostname(host, sizeof(host) - 1);
    assert(result == 0);
    append_tag(tags, "host", host);
}

static void append_tags(struct eye_text *tags, const struct eye_selection *selection,
                        const struct eye_point *point)
{
    append_host(tags, selection);
    for (size_t i = 0; i < selection->fixed_count; i++) {
        if (!has_tag(point, selection->fixed[i].key)) {
            append_tag(tags, selection->fixed[i].key, selection->fixed[i].value);
        }
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (*tag->value != '\0') {
            append_tag(tags, eye_tag_info(tag->tag)->name, tag->value);
        }
    }
}

static void make_identity(const struct hostile *world, const struct encoder *encoder,
                          const struct eye_point *point, struct identity *ret_identity)
{
    eye_text_init(&ret_identity->name, EXPECTED_MAX_BYTES);
    eye_text_init(&ret_identity->tags, EXPECTED_MAX_BYTES);
    if (encoder->paths.style == EYE_GRAPHITE_DOTTED) {
        expected_append_dotted(&ret_identity->name, world, point);
        return;
    }
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    expected_append_name(&name, world, point->metric);
    expected_append_bytes(&ret_identity->name, name.data, NAME_BYTES);
    append_tags(&ret_identity->tags, &world->selection, point);
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
    size_t points; /* read of the payload */
    struct piece rest;
};

struct reading {
    struct piece path;
    double value;
    int64_t time_s;
};

static struct reading read_line(struct reader *reader)
{
    struct piece rest = piece_cut(&reader->rest, '\n');
    struct reading reading = {.path = piece_cut(&rest, ' ')};
    struct piece value = piece_cut(&rest, ' ');
    assert(piece_count(value, 'e') == 0);
    reading.value = piece_number(value);
    reading.time_s = (int64_t)piece_number(rest);
    return reading;
}

static struct piece read_bytes(struct reader *reader, size_t length)
{
    assert(reader->rest.length >= length);
    struct piece bytes = {reader->rest.start, length};
    reader->rest = (struct piece){bytes.start + length, reader->rest.length - length};
    return bytes;
}

static void read_exactly(struct reader *reader, const void *bytes, size_t length)
{
    assert(memcmp(read_bytes(reader, length).start, bytes, length) == 0);
}

/* BINUNICODE, LONG1 of 8 bytes, BINFLOAT, and two pairs made of them. */
static struct reading read_pickle(struct reader *reader)
{
    struct reading reading;
    uint32_t length;
    uint64_t time;
    uint64_t number;
    read_exactly(reader, "X", 1);
    memcpy(&length, read_bytes(reader, sizeof(length)).start, sizeof(length));
    reading.path = read_bytes(reader, le32toh(length));
    read_exactly(reader, "\x8a\x08", 2);
    memcpy(&time, read_bytes(reader, sizeof(time)).start, sizeof(time));
    reading.time_s = (int64_t)le64toh(time);
    read_exactly(reader, "G", 1);
    memcpy(&number, read_bytes(reader, sizeof(number)).start, sizeof(number));
    number = be64toh(number);
    memcpy(&reading.value, &number, sizeof(reading.value));
    read_exactly(reader, "\x86\x86", 2);
    return reading;
}

static bool is_pickle(const struct reader *reader)
{
    return reader->encoder->points.protocol == EYE_GRAPHITE_PICKLE;
}

static void open_payload(struct reader *reader)
{
    assert(reader->payload < reader->trial->count);
    const struct eye_text *payload = &reader->trial->payloads[reader->payload++];
    reader->rest = (struct piece){payload->data, payload->length};
    reader->points = 0;
    if (!is_pickle(reader)) {
        assert(payload->length <= PAYLOAD_BYTES && payload->data[payload->length - 1] == '\n');
        return;
    }
    uint32_t length;
    memcpy(&length, read_bytes(reader, sizeof(length)).start, sizeof(length));
    assert(be32toh(length) == reader->rest.length && reader->rest.length <= EYE_PICKLE_MAX_BYTES);
    read_exactly(reader, "\x80\x02](", 4);
}

/* What closes a message. */
static void close_payload(struct reader *reader)
{
    if (is_pickle(reader) && reader->rest.length == 2) {
        read_exactly(reader, "e.", 2);
        assert(reader->points > 0 && reader->points <= EYE_PICKLE_MAX_POINTS);
    }
}

static struct reading next_reading(struct reader *reader)
{
    if (reader->rest.length == 0) {
        open_payload(reader);
    }
    struct reading reading = is_pickle(reader) ? read_pickle(reader) : read_line(reader);
    reader->points++;
    close_payload(reader);
    assert(reading.time_s == TIME_S);
    return reading;
}

/* ---- Values ---- */

static void check_path(struct piece path, const struct identity *identity, const char *ending)
{
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    eye_text_append(&expected, identity->name.data);
    eye_text_append(&expected, ending);
    eye_text_append(&expected, eye_text_string(&identity->tags));
    assert(piece_is_text(path, &expected));
    for (size_t i = 0; i < path.length; i++) {
        assert(path.start[i] > ' ' && path.start[i] <= '~');
    }
}

static void check_value(struct reader *reader, const struct identity *identity, const char *ending,
                        double expected)
{
    struct reading reading = next_reading(reader);
    check_path(reading.path, identity, ending);
    assert(fabs(reading.value - expected) <= (is_pickle(reader) ? 0 : 0.51e-9) ||
           expected_near(reading.value, expected, is_pickle(reader) ? 0 : 1e-14));
}

static void check_distribution(struct reader *reader, const struct identity *identity,
                               const struct eye_change *change)
{
    static const struct {
        const char *ending;
        double q;
    } quantiles[] = {{".p50", 0.5}, {".p95", 0.95}, {".p99", 0.99}, {".max", 1}};
    const struct eye_distribution *now = change->point->distribution;
    bool total = reader->encoder->points.counters == EYE_GRAPHITE_TOTAL;
    check_value(reader, identity, ".count", (double)(total ? now->count : change->count));
    check_value(reader, identity, ".sum", total ? now->sum : change->sum);
    for (size_t i = 0; change->count > 0 && i < EYE_ARRAY_LENGTH(quantiles); i++) {
        check_value(reader, identity, quantiles[i].ending,
                    expected_quantile(change, quantiles[i].q));
    }
}

static void check_point(struct reader *reader, const struct identity *identity,
                        const struct eye_change *change)
{
    const struct eye_point *point = change->point;
    bool total = reader->encoder->points.counters == EYE_GRAPHITE_TOTAL;
    switch (point->metric->kind) {
    case EYE_COUNTER:
        check_value(reader, identity, "",
                    eye_counter_value(point->metric, total ? point->counter : change->counter));
        break;
    case EYE_GAUGE:
        check_value(reader, identity, "", point->gauge);
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

static void open_encoder(struct encoder *encoder, const struct hostile *world,
                         enum eye_graphite_style style, enum eye_graphite_protocol protocol,
                         enum eye_graphite_counters counters)
{
    struct eye_error error;
    const char *template = style == EYE_GRAPHITE_DOTTED ? "{metric}.{tags}" : NULL;
    int result =
        eye_graphite_paths_init(&encoder->paths, style, template, &world->selection, &error);
    assert(result == 0);
    result = eye_graphite_points_init(&encoder->points, protocol, counters, PAYLOAD_BYTES);
    assert(result == 0);
    eye_identities_init(&encoder->identities, eye_graphite_write_path, &encoder->paths,
                        world->selection.wanted, eye_graphite_points_max_path(&encoder->points));
    trial_follow(world, &encoder->identities);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct encoder encoder = {0};
    hostile_init(&world, data, size);
    enum eye_graphite_style style = (enum eye_graphite_style)hostile_choice(&world, 2);
    enum eye_graphite_protocol protocol = (enum eye_graphite_protocol)hostile_choice(&world, 2);
    enum eye_graphite_counters counters = (enum eye_graphite_counters)hostile_choice(&world, 2);
    hostile_make(&world, CROWD);
    open_encoder(&encoder, &world, style, protocol, counters);
    struct trial *trial =
        trial_new(&world, world.now, world.before, &format, &encoder, PATH_FITS_BYTES);
    check(&world, &encoder, trial);
    trial_free(trial);
    eye_identities_done(&encoder.identities);
    eye_graphite_points_done(&encoder.points);
    hostile_done(&world);
    return 0;
}
