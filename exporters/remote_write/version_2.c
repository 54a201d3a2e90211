/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote write 2.0: a request has a table of strings, and each series names its labels by number.
 * The numbers differ from request to request, so an identity holds the strings with their hashes.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "exporters/remote_write/packed.h"
#include "exporters/remote_write/symbols.h"
#include "exporters/remote_write/version.h"

/*
 * What one series adds to a body beside its strings: a number has at most 4 bytes in a body of
 * 1 MiB, then come two or three times, a value, metadata, and what protobuf puts around them.
 */
#define NUMBER_MAX_BYTES 4
#define SERIES_MAX_BYTES 96

/* What a series may add to the strings: suffix, le, help, unit; and the names that the series of an
 * identity have are three times its family. */
#define STRINGS_MAX_BYTES 512
#define FAMILY_TIMES 3

/* A native histogram: tag, zigzag and length of a bucket, each at its longest. */
#define BUCKET_MAX_BYTES 24

/* In front of each string of an identity, which ends with a NUL. Names and values alternate; the
 * family's name, which tells metrics apart, is the last. There are a dozen for each series, so each
 * byte of it is a megabyte of 100 000 series. */
struct entry {
    uint32_t hash;
    uint16_t length;
} __attribute__((packed));
_Static_assert(EYE_WRITE_IDENTITY_BYTES <= UINT16_MAX, "the length of each string of it fits");

/* A string of ours that outlives every request, and the number that it has in one. */
struct constant {
    const char *string;
    size_t length;
    uint32_t hash;
    uint64_t request;
    uint32_t number;
};

/* A packed field that is the same for many series of a request. */
struct field {
    uint64_t request; /* that it was packed for */
    size_t length;
    uint8_t bytes[64];
};

/* Where SampleField has its value: behind its tag and length and the tag of the value. */
#define SAMPLE_VALUE_AT 3

/* The labels of a point as numbers, and where __name__ and le go in. */
struct numbers {
    uint32_t *list; /* owned; room for all labels of a point, __name__ and le */
    size_t count;
    size_t name_at;
    size_t le_at;
};

struct encoder {
    struct eye_write_shared *shared;
    struct eye_symbols symbols;
    struct eye_text series; /* Request.timeseries, packed */
    struct eye_text body;
    struct eye_write_time time;
    struct numbers numbers;
    uint32_t *refs;        /* of the series at hand; owned; as long as numbers.list */
    uint8_t *packed_refs;  /* owned */
    struct eye_text value; /* a packed histogram */
    uint64_t request;      /* bodies begun */
    struct field sample;   /* of gauges */
    struct field counted;  /* of what counts from a start */
    struct field metadata[EYE_METRIC_COUNT];
    struct constant name;
    struct constant le;
    struct constant boundaries[EYE_WRITE_BUCKET_INF + 1];
    struct eye_text name_texts[EYE_METRIC_COUNT][3]; /* with suffix: bucket or only, sum, count */
    struct constant names[EYE_METRIC_COUNT][3];
    struct constant helps[EYE_METRIC_COUNT];
    struct constant units[EYE_METRIC_COUNT];
};

/* ---- Constants ---- */

#define NAME_MAX_BYTES 1024

/* Constants and identities share a table of strings, so their hashes are cut alike. */
static uint32_t hash_of(const char *string, size_t length)
{
    return (uint32_t)eye_hash_bytes(string, length);
}

static struct constant constant_of(const char *string)
{
    size_t length = strlen(string);
    return (struct constant){
        .string = string,
        .length = length,
        .hash = hash_of(string, length),
    };
}

static size_t place_of_name(size_t part)
{
    return part <= EYE_WRITE_BUCKET_INF ? 0 : part - EYE_WRITE_BUCKET_INF;
}

static bool make_name(struct encoder *encoder, const struct eye_metric *metric, size_t part,
                      size_t part_count)
{
    struct eye_text *text = &encoder->name_texts[metric->id][place_of_name(part)];
    eye_text_init(text, NAME_MAX_BYTES);
    eye_text_append(text, eye_text_string(&encoder->shared->family[metric->id]));
    eye_text_append(text, eye_write_suffix(metric, part, part_count));
    encoder->names[metric->id][place_of_name(part)] = constant_of(eye_text_string(text));
    return !text->failed;
}

static bool make_metric(struct encoder *encoder, const struct eye_metric *metric)
{
    size_t count = eye_write_part_count(encoder->shared, metric);
    encoder->helps[metric->id] = constant_of(metric->help);
    encoder->units[metric->id] = constant_of(eye_unit_info(metric->unit)->word);
    return make_name(encoder, metric, 0, count) &&
           (count == 1 || (make_name(encoder, metric, EYE_WRITE_SUM, count) &&
                           make_name(encoder, metric, EYE_WRITE_COUNT, count)));
}

static bool make_constants(struct encoder *encoder)
{
    encoder->name = constant_of("__name__");
    encoder->le = constant_of("le");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(encoder->boundaries); i++) {
        encoder->boundaries[i] = constant_of(eye_write_le(i, EYE_WRITE_PARTS));
    }
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        if (!make_metric(encoder, eye_metric((enum eye_metric_id)i))) {
            return false;
        }
    }
    return true;
}

/* ---- Identities ---- */

static void append_entry(struct eye_text *text, const char *string)
{
    size_t length = strlen(string);
    const struct entry entry = {.hash = hash_of(string, length), .length = (uint16_t)length};
    eye_text_append_bytes(text, &entry, sizeof(entry));
    eye_text_append_bytes(text, string, length + 1);
}

static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    struct encoder *encoder = context;
    struct eye_write_labels *labels = &encoder->shared->labels;
    if (eye_write_labels_fill(labels, point) != 0) {
        text->failed = true;
        return;
    }
    for (size_t i = 0; i < labels->count; i++) {
        append_entry(text, eye_write_label_name(labels, i));
        append_entry(text, eye_write_label_value(labels, i));
    }
    *ret_split = (uint32_t)text->length;
    append_entry(text, eye_text_string(&encoder->shared->family[point->metric->id]));
}

/* ---- Numbers ---- */

/* The number of the entry at *@at, which moves behind it. */
static uint32_t number_of_entry(struct encoder *encoder, const char **at, const char **ret_string)
{
    struct entry entry;
    memcpy(&entry, *at, sizeof(entry));
    *ret_string = *at + sizeof(entry);
    *at = *ret_string + entry.length + 1;
    return eye_symbols_number(&encoder->symbols, *ret_string, entry.length, entry.hash);
}

static uint32_t number_of(struct encoder *encoder, struct constant *constant)
{
    if (constant->request != encoder->request) {
        constant->number = eye_symbols_number(&encoder->symbols, constant->string, constant->length,
                                              constant->hash);
        constant->request = encoder->request;
    }
    return constant->number;
}

/* The identity's labels. They are sorted, so the last that comes before is the place. */
static void number_labels(struct encoder *encoder, const struct eye_identity *identity)
{
    struct numbers *numbers = &encoder->numbers;
    const char *at = identity->text;
    const char *end = identity->text + identity->split;
    numbers->count = 0;
    numbers->name_at = 0;
    numbers->le_at = 0;
    while (at < end) {
        const char *name;
        const char *value;
        numbers->list[numbers->count++] = number_of_entry(encoder, &at, &name);
        numbers->list[numbers->count++] = number_of_entry(encoder, &at, &value);
        numbers->name_at = strcmp(name, "__name__") < 0 ? numbers->count : numbers->name_at;
        numbers->le_at = strcmp(name, "le") < 0 ? numbers->count : numbers->le_at;
    }
}

static size_t put_pair(struct encoder *encoder, size_t at, struct constant *name,
                       struct constant *value)
{
    encoder->refs[at++] = number_of(encoder, name);
    encoder->refs[at++] = number_of(encoder, value);
    return at;
}

static size_t put_range(struct encoder *encoder, size_t at, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        encoder->refs[at++] = encoder->numbers.list[i];
    }
    return at;
}

/* Fills `refs` with all labels of one series; returns how many. */
static size_t fill_refs(struct encoder *encoder, const struct eye_metric *metric, size_t part,
                        size_t part_count)
{
    const struct numbers *numbers = &encoder->numbers;
    struct constant *name = &encoder->names[metric->id][place_of_name(part)];
    size_t at = put_range(encoder, 0, 0, numbers->name_at);
    at = put_pair(encoder, at, &encoder->name, name);
    if (eye_write_le(part, part_count) == NULL) {
        return put_range(encoder, at, numbers->name_at, numbers->count);
    }
    at = put_range(encoder, at, numbers->name_at, numbers->le_at);
    at = put_pair(encoder, at, &encoder->le, &encoder->boundaries[part]);
    return put_range(encoder, at, numbers->le_at, numbers->count);
}

/* ---- Bodies ---- */

static void pack_field(struct field *field, const ProtobufCMessage *message, uint64_t request)
{
    field->length = protobuf_c_message_get_packed_size(message);
    assert(field->length <= sizeof(field->bytes));
    protobuf_c_message_pack(message, field->bytes);
    field->request = request;
}

static void pack_sample(struct encoder *encoder, struct field *field, bool has_start)
{
    EyeWrite__Sample sample = EYE_WRITE__SAMPLE__INIT;
    EyeWrite__SampleField message = EYE_WRITE__SAMPLE_FIELD__INIT;
    sample.timestamp = encoder->time.now_ms;
    sample.has_start_timestamp = has_start;
    sample.start_timestamp = encoder->time.start_ms;
    message.samples = &sample;
    pack_field(field, &message.base, encoder->request);
}

static void begin(void *context, const struct eye_write_time *time)
{
    struct encoder *encoder = context;
    encoder->time = *time;
    encoder->request++;
    eye_symbols_begin(&encoder->symbols);
    eye_text_clear(&encoder->series);
    pack_sample(encoder, &encoder->sample, false);
    pack_sample(encoder, &encoder->counted, true);
}

static const struct field *metadata_of(struct encoder *encoder, const struct eye_metric *metric)
{
    struct field *field = &encoder->metadata[metric->id];
    if (field->request != encoder->request) {
        EyeWrite__Metadata metadata = EYE_WRITE__METADATA__INIT;
        EyeWrite__SymbolizedMetadataField message = EYE_WRITE__SYMBOLIZED_METADATA_FIELD__INIT;
        metadata.type = eye_write_type(metric);
        metadata.help_ref = number_of(encoder, &encoder->helps[metric->id]);
        metadata.unit_ref = number_of(encoder, &encoder->units[metric->id]);
        message.metadata = &metadata;
        pack_field(field, &message.base, encoder->request);
    }
    return field;
}

static size_t pack_refs(struct encoder *encoder, size_t ref_count)
{
    EyeWrite__LabelsRefsField message = EYE_WRITE__LABELS_REFS_FIELD__INIT;
    message.labels_refs = encoder->refs;
    message.n_labels_refs = ref_count;
    return eye_write__labels_refs_field__pack(&message, encoder->packed_refs);
}

/* One series whose labels are in `refs`; @value: its packed sample or histogram. */
static void append_series(struct encoder *encoder, const struct eye_metric *metric,
                          size_t ref_count, const void *value, size_t value_length)
{
    const struct field *metadata = metadata_of(encoder, metric);
    struct eye_text *series = &encoder->series;
    uint8_t head[EYE_PACKED_HEAD_BYTES];
    EyeWrite__SymbolizedSeriesField message = EYE_WRITE__SYMBOLIZED_SERIES_FIELD__INIT;
    size_t refs_length = pack_refs(encoder, ref_count);
    message.timeseries.len = refs_length + value_length + metadata->length;
    eye_text_append_bytes(series, head, eye_packed_head(&message.base, head));
    eye_text_append_bytes(series, encoder->packed_refs, refs_length);
    eye_text_append_bytes(series, value, value_length);
    eye_text_append_bytes(series, metadata->bytes, metadata->length);
}

static void append_native(struct encoder *encoder, const struct eye_point *point, bool ended)
{
    struct eye_write_histogram *histogram = encoder->shared->histogram;
    struct eye_text *value = &encoder->value;
    EyeWrite__SymbolizedHistogramField message = EYE_WRITE__SYMBOLIZED_HISTOGRAM_FIELD__INIT;
    if (ended) {
        eye_write_histogram_end(histogram, eye_write_stale_marker());
    } else {
        eye_write_histogram_fill(histogram, point->distribution);
    }
    histogram->message.timestamp = encoder->time.now_ms;
    histogram->message.has_start_timestamp = true;
    histogram->message.start_timestamp = encoder->time.start_ms;
    message.histograms = &histogram->message;
    eye_text_clear(value);
    eye_packed_append(value, &message.base);
    append_series(encoder, point->metric, fill_refs(encoder, point->metric, 0, 1), value->data,
                  value->length);
    encoder->series.failed |= value->failed;
}

static void set_value(struct field *sample, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bits = htole64(bits);
    memcpy(sample->bytes + SAMPLE_VALUE_AT, &bits, sizeof(bits));
}

static void append_samples(struct encoder *encoder, const struct eye_point *point, bool ended)
{
    double values[EYE_WRITE_PARTS];
    const struct eye_metric *metric = point->metric;
    size_t count = eye_write_part_count(encoder->shared, metric);
    struct field *sample = metric->kind == EYE_GAUGE ? &encoder->sample : &encoder->counted;
    eye_write_values(point, values);
    for (size_t part = 0; part < count; part++) {
        set_value(sample, ended ? eye_write_stale_marker() : values[part]);
        append_series(encoder, metric, fill_refs(encoder, metric, part, count), sample->bytes,
                      sample->length);
    }
}

/* Asked before anything is added, so that nothing has to be taken back. */
static bool has_room(const struct encoder *encoder, const struct eye_identity *identity,
                     const struct eye_point *point)
{
    size_t count = eye_write_part_count(encoder->shared, point->metric);
    bool native = point->metric->kind == EYE_DISTRIBUTION && count == 1;
    size_t buckets = native ? (size_t)point->distribution->size * BUCKET_MAX_BYTES : 0;
    size_t numbers = (identity->split / sizeof(struct entry) + 4) * NUMBER_MAX_BYTES;
    size_t more = (1 + FAMILY_TIMES) * (size_t)identity->length + buckets +
                  count * (STRINGS_MAX_BYTES + numbers + SERIES_MAX_BYTES);
    return encoder->symbols.packed.length + encoder->series.length + more <= EYE_WRITE_BODY_BYTES;
}

static int add(void *context, const struct eye_identity *identity, const struct eye_point *point,
               bool ended)
{
    struct encoder *encoder = context;
    if (!has_room(encoder, identity, point)) {
        return -ENOBUFS;
    }
    number_labels(encoder, identity);
    if (point->metric->kind == EYE_DISTRIBUTION && encoder->shared->native) {
        append_native(encoder, point, ended);
    } else {
        append_samples(encoder, point, ended);
    }
    return 0;
}

static const struct eye_text *body(void *context)
{
    struct encoder *encoder = context;
    const struct eye_text *symbols = &encoder->symbols.packed;
    eye_text_clear(&encoder->body);
    eye_text_append_bytes(&encoder->body, symbols->data, symbols->length);
    eye_text_append_bytes(&encoder->body, encoder->series.data, encoder->series.length);
    bool failed = symbols->failed || encoder->series.failed || encoder->body.failed;
    return failed ? NULL : &encoder->body;
}

/* ---- Life ---- */

static void close_encoder(void *context)
{
    struct encoder *encoder = context;
    if (encoder == NULL) {
        return;
    }
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(encoder->name_texts[i]); j++) {
            eye_text_done(&encoder->name_texts[i][j]);
        }
    }
    eye_symbols_done(&encoder->symbols);
    eye_text_done(&encoder->series);
    eye_text_done(&encoder->body);
    free(encoder->numbers.list);
    free(encoder->refs);
    free(encoder->packed_refs);
    eye_text_done(&encoder->value);
    free(encoder);
}

static int open_encoder(struct eye_write_shared *shared, void **ret_encoder)
{
    /* All tags, job and instance, __name__ and le: a name and a value each. */
    size_t numbers = 2 * (EYE_TAG_COUNT + shared->selection->fixed_count + 4);
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL) {
        return -ENOMEM;
    }
    encoder->shared = shared;
    encoder->numbers.list = calloc(numbers, sizeof(uint32_t));
    encoder->refs = calloc(numbers, sizeof(uint32_t));
    encoder->packed_refs = malloc(EYE_PACKED_HEAD_BYTES + numbers * NUMBER_MAX_BYTES);
    eye_text_init(&encoder->value, EYE_WRITE_BODY_BYTES);
    eye_text_init(&encoder->series, EYE_WRITE_BODY_BYTES);
    eye_text_init(&encoder->body, EYE_WRITE_BODY_BYTES);
    if (eye_symbols_init(&encoder->symbols, EYE_WRITE_BODY_BYTES) != 0 ||
        encoder->numbers.list == NULL || encoder->refs == NULL || encoder->packed_refs == NULL ||
        !make_constants(encoder)) {
        close_encoder(encoder);
        return -ENOMEM;
    }
    *ret_encoder = encoder;
    return 0;
}

const struct eye_write_version eye_write_version_2 = {
    .content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    .number = "2.0.0",
    .open = open_encoder,
    .close = close_encoder,
    .identity = write_identity,
    .begin = begin,
    .add = add,
    .body = body,
};
