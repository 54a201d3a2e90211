/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote write 1.0: each series carries its labels as text. Everything but the sample is the same
 * in each body, so it is packed when the series appears: an identity holds, for each of its series,
 * tag and length (which only names and boundaries of equal length share), and once the labels, cut
 * where
 * __name__ and le go in.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/remote_write/packed.h"
#include "exporters/remote_write/version.h"

/*
 * A sample is as long as its timestamp is: 6 bytes in the years 1971 to 2109. Hosts without a clock
 * begin in 1970, which no receiver takes; they are written as the first one with 6 bytes.
 */
#define TIME_MIN_MS (INT64_C(1) << 35)
#define TIME_MAX_MS ((INT64_C(1) << 42) - 1)

/* Where SampleField has its value: behind its tag and length and the tag of the value. */
#define SAMPLE_BYTES 18
#define SAMPLE_VALUE_AT 3

/* What packed names and boundaries need at most. */
#define PIECE_MAX_BYTES 2048

struct head {
    uint8_t length;
    uint8_t bytes[EYE_PACKED_HEAD_BYTES];
};

/*
 * An identity's text: this, a head for each series, the labels, and the family's name, which tells
 * metrics apart whose names are of one length.
 */
struct layout {
    uint32_t name_at; /* in the labels */
    uint32_t le_at;
    uint32_t labels_length;
};

/* An identity taken apart. */
struct parts {
    struct layout layout;
    const char *heads;
    const char *labels;
    size_t count; /* of series */
};

struct encoder {
    struct eye_write_shared *shared;
    struct eye_text body;
    uint8_t sample[SAMPLE_BYTES];
    struct eye_write_time time;
    struct eye_text scratch;                    /* of an identity's labels, or a histogram */
    struct eye_text names[EYE_METRIC_COUNT][3]; /* __name__ packed: bucket or only, sum, count */
    struct eye_text boundaries[EYE_WRITE_BUCKET_INF + 1]; /* le packed */
};

/* ---- Pieces ---- */

static void append_label(struct eye_text *text, const char *name, const char *value)
{
    EyeWrite__Label label = EYE_WRITE__LABEL__INIT;
    EyeWrite__LabelField field = EYE_WRITE__LABEL_FIELD__INIT;
    /* protobuf-c only reads what it packs. */
    label.name = (char *)(uintptr_t)name;
    label.value = (char *)(uintptr_t)value;
    field.labels = &label;
    eye_packed_append(text, &field.base);
}

static const struct eye_text *name_of(const struct encoder *encoder,
                                      const struct eye_metric *metric, size_t part)
{
    size_t which = part <= EYE_WRITE_BUCKET_INF ? 0 : part - EYE_WRITE_BUCKET_INF;
    return &encoder->names[metric->id][which];
}

static void make_name(struct encoder *encoder, const struct eye_metric *metric, size_t part,
                      size_t part_count)
{
    struct eye_text *name = (struct eye_text *)(uintptr_t)name_of(encoder, metric, part);
    struct eye_text *scratch = &encoder->scratch;
    eye_text_init(name, PIECE_MAX_BYTES);
    eye_text_clear(scratch);
    eye_text_append(scratch, eye_text_string(&encoder->shared->family[metric->id]));
    eye_text_append(scratch, eye_write_suffix(metric, part, part_count));
    append_label(name, "__name__", eye_text_string(scratch));
}

static bool make_names(struct encoder *encoder)
{
    bool failed = false;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        size_t count = eye_write_part_count(encoder->shared, metric);
        make_name(encoder, metric, 0, count);
        if (count > 1) {
            make_name(encoder, metric, EYE_WRITE_SUM, count);
            make_name(encoder, metric, EYE_WRITE_COUNT, count);
        }
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(encoder->names[i]); j++) {
            failed |= encoder->names[i][j].failed;
        }
    }
    return !failed;
}

static bool make_boundaries(struct encoder *encoder)
{
    bool failed = false;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encoder->boundaries); i++) {
        eye_text_init(&encoder->boundaries[i], PIECE_MAX_BYTES);
        append_label(&encoder->boundaries[i], "le", eye_write_le(i, EYE_WRITE_PARTS));
        failed |= encoder->boundaries[i].failed;
    }
    return !failed;
}

/* Tag and length of a series of @length bytes. */
static size_t make_head(size_t length, uint8_t ret_head[EYE_PACKED_HEAD_BYTES])
{
    EyeWrite__TimeSeriesField field = EYE_WRITE__TIME_SERIES_FIELD__INIT;
    field.timeseries.len = length;
    return eye_packed_head(&field.base, ret_head);
}

/* ---- Identities ---- */

/* Packs the labels of @point into the scratch, and finds the cuts. */
static int pack_labels(struct encoder *encoder, const struct eye_point *point,
                       struct layout *ret_layout)
{
    struct eye_write_labels *labels = &encoder->shared->labels;
    struct eye_text *scratch = &encoder->scratch;
    struct layout layout = {0};
    int result = eye_write_labels_fill(labels, point);
    eye_text_clear(scratch);
    for (size_t i = 0; result == 0 && i < labels->count; i++) {
        const char *name = eye_write_label_name(labels, i);
        append_label(scratch, name, eye_write_label_value(labels, i));
        layout.name_at = strcmp(name, "__name__") < 0 ? (uint32_t)scratch->length : layout.name_at;
        layout.le_at = strcmp(name, "le") < 0 ? (uint32_t)scratch->length : layout.le_at;
    }
    layout.labels_length = (uint32_t)scratch->length;
    *ret_layout = layout;
    return scratch->failed ? -EMSGSIZE : result;
}

static size_t length_of_series(const struct encoder *encoder, const struct eye_metric *metric,
                               size_t part, size_t part_count, const struct layout *layout)
{
    size_t boundary = eye_write_le(part, part_count) == NULL ? 0 : encoder->boundaries[part].length;
    return layout->labels_length + name_of(encoder, metric, part)->length + boundary + SAMPLE_BYTES;
}

static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    struct encoder *encoder = context;
    size_t count = eye_write_part_count(encoder->shared, point->metric);
    struct layout layout;
    (void)ret_split;
    if (pack_labels(encoder, point, &layout) != 0) {
        text->failed = true;
        return;
    }
    eye_text_append_bytes(text, &layout, sizeof(layout));
    for (size_t part = 0; part < count; part++) {
        struct head head = {0};
        size_t length = length_of_series(encoder, point->metric, part, count, &layout);
        head.length = (uint8_t)make_head(length, head.bytes);
        eye_text_append_bytes(text, &head, sizeof(head));
    }
    eye_text_append_bytes(text, eye_text_string(&encoder->scratch), layout.labels_length);
    eye_text_append(text, eye_text_string(&encoder->shared->family[point->metric->id]));
}

static struct parts split(const struct encoder *encoder, const struct eye_identity *identity,
                          const struct eye_metric *metric)
{
    struct parts parts = {
        .heads = identity->text + sizeof(parts.layout),
        .count = eye_write_part_count(encoder->shared, metric),
    };
    memcpy(&parts.layout, identity->text, sizeof(parts.layout));
    parts.labels = parts.heads + parts.count * sizeof(struct head);
    return parts;
}

/* ---- Bodies ---- */

static int64_t clamp_time(int64_t time_ms)
{
    time_ms = time_ms < TIME_MIN_MS ? TIME_MIN_MS : time_ms;
    return time_ms > TIME_MAX_MS ? TIME_MAX_MS : time_ms;
}

static void begin(void *context, const struct eye_write_time *time)
{
    struct encoder *encoder = context;
    EyeWrite__Sample sample = EYE_WRITE__SAMPLE__INIT;
    EyeWrite__SampleField field = EYE_WRITE__SAMPLE_FIELD__INIT;
    encoder->time = *time;
    encoder->time.now_ms = clamp_time(time->now_ms);
    sample.timestamp = encoder->time.now_ms;
    field.samples = &sample;
    assert(eye_write__sample_field__get_packed_size(&field) == SAMPLE_BYTES);
    eye_write__sample_field__pack(&field, encoder->sample);
    eye_text_clear(&encoder->body);
}

static void append_text(struct eye_text *text, const struct eye_text *more)
{
    eye_text_append_bytes(text, more->data, more->length);
}

/* The labels of a series, those that differ between the series of an identity in their places. */
static void append_labels(struct encoder *encoder, const struct parts *parts,
                          const struct eye_metric *metric, size_t part)
{
    const struct layout *layout = &parts->layout;
    struct eye_text *body = &encoder->body;
    eye_text_append_bytes(body, parts->labels, layout->name_at);
    append_text(body, name_of(encoder, metric, part));
    if (eye_write_le(part, parts->count) == NULL) {
        eye_text_append_bytes(body, parts->labels + layout->name_at,
                              layout->labels_length - layout->name_at);
        return;
    }
    eye_text_append_bytes(body, parts->labels + layout->name_at, layout->le_at - layout->name_at);
    append_text(body, &encoder->boundaries[part]);
    eye_text_append_bytes(body, parts->labels + layout->le_at,
                          layout->labels_length - layout->le_at);
}

static void append_sample(struct encoder *encoder, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bits = htole64(bits);
    memcpy(encoder->sample + SAMPLE_VALUE_AT, &bits, sizeof(bits));
    eye_text_append_bytes(&encoder->body, encoder->sample, SAMPLE_BYTES);
}

static void append_series(struct encoder *encoder, const struct parts *parts,
                          const struct eye_metric *metric, const double *values)
{
    for (size_t part = 0; part < parts->count; part++) {
        struct head head;
        memcpy(&head, parts->heads + part * sizeof(head), sizeof(head));
        eye_text_append_bytes(&encoder->body, head.bytes, head.length);
        append_labels(encoder, parts, metric, part);
        append_sample(encoder, values[part]);
    }
}

static void append_native(struct encoder *encoder, const struct parts *parts,
                          const struct eye_point *point, bool ended)
{
    struct eye_write_histogram *histogram = encoder->shared->histogram;
    struct eye_text *scratch = &encoder->scratch;
    uint8_t head[EYE_PACKED_HEAD_BYTES];
    EyeWrite__HistogramField field = EYE_WRITE__HISTOGRAM_FIELD__INIT;
    if (ended) {
        eye_write_histogram_end(histogram, eye_write_stale_marker());
    } else {
        eye_write_histogram_fill(histogram, point->distribution);
    }
    histogram->message.timestamp = encoder->time.now_ms;
    field.histograms = &histogram->message;
    eye_text_clear(scratch);
    eye_packed_append(scratch, &field.base);
    size_t length = parts->layout.labels_length + name_of(encoder, point->metric, 0)->length;
    size_t head_length = make_head(length + scratch->length, head);
    eye_text_append_bytes(&encoder->body, head, head_length);
    append_labels(encoder, parts, point->metric, 0);
    append_text(&encoder->body, scratch);
    encoder->body.failed |= scratch->failed;
}

static void append_point(struct encoder *encoder, const struct parts *parts,
                         const struct eye_point *point, bool ended)
{
    if (point->metric->kind == EYE_DISTRIBUTION && encoder->shared->native) {
        append_native(encoder, parts, point, ended);
        return;
    }
    double values[EYE_WRITE_PARTS];
    if (ended) {
        for (size_t part = 0; part < parts->count; part++) {
            values[part] = eye_write_stale_marker();
        }
    } else {
        eye_write_values(point, values);
    }
    append_series(encoder, parts, point->metric, values);
}

static int add(void *context, const struct eye_identity *identity, const struct eye_point *point,
               bool ended)
{
    struct encoder *encoder = context;
    struct parts parts = split(encoder, identity, point->metric);
    size_t before = encoder->body.length;
    append_point(encoder, &parts, point, ended);
    if (encoder->body.failed) {
        eye_text_truncate(&encoder->body, before);
        return -ENOBUFS;
    }
    return 0;
}

static void describe(void *context)
{
    struct encoder *encoder = context;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        EyeWrite__MetricMetadata metadata = EYE_WRITE__METRIC_METADATA__INIT;
        EyeWrite__MetadataField field = EYE_WRITE__METADATA_FIELD__INIT;
        metadata.type = eye_write_type(metric);
        metadata.metric_family_name = encoder->shared->family[i].data;
        metadata.help = (char *)(uintptr_t)metric->help;
        metadata.unit = (char *)(uintptr_t)eye_unit_info(metric->unit)->word;
        field.metadata = &metadata;
        if (encoder->shared->selection->wanted[i]) {
            eye_packed_append(&encoder->body, &field.base);
        }
    }
}

static const struct eye_text *body(void *context)
{
    struct encoder *encoder = context;
    return encoder->body.failed ? NULL : &encoder->body;
}

/* ---- Life ---- */

static void close_encoder(void *context)
{
    struct encoder *encoder = context;
    if (encoder == NULL) {
        return;
    }
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(encoder->names[i]); j++) {
            eye_text_done(&encoder->names[i][j]);
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encoder->boundaries); i++) {
        eye_text_done(&encoder->boundaries[i]);
    }
    eye_text_done(&encoder->body);
    eye_text_done(&encoder->scratch);
    free(encoder);
}

static int open_encoder(struct eye_write_shared *shared, void **ret_encoder)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL) {
        return -ENOMEM;
    }
    encoder->shared = shared;
    eye_text_init(&encoder->body, EYE_WRITE_BODY_BYTES);
    eye_text_init(&encoder->scratch, EYE_WRITE_BODY_BYTES);
    if (!make_names(encoder) || !make_boundaries(encoder)) {
        close_encoder(encoder);
        return -ENOMEM;
    }
    *ret_encoder = encoder;
    return 0;
}

const struct eye_write_version eye_write_version_1 = {
    .content_type = "application/x-protobuf",
    .number = "0.1.0",
    .open = open_encoder,
    .close = close_encoder,
    .identity = write_identity,
    .begin = begin,
    .describe = describe,
    .add = add,
    .body = body,
};
