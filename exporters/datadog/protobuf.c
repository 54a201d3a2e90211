/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series and sketches as protobuf. protobuf-c writes every tag and length: the identity of a series
 * once, a point's part behind it, and both together as one entry of the payload.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "exporters/datadog/body.h"
#include "exporters/datadog/intake.pb-c.h"

#define PROTOBUF "application/x-protobuf"

/*
 * The intake takes sketches of 62 914 560 bytes. We make no larger ones than the Agent does of
 * other payloads, so that nobody has to hold that much in memory.
 */
#define SKETCHES_PLAIN_MAX_BYTES ((size_t)4 << 20)
#define SKETCHES_PACKED_MAX_BYTES 3200000

/* A text as protobuf-c's output. */
struct text_output {
    ProtobufCBuffer base;
    struct eye_text *text;
};

static void append_to_text(ProtobufCBuffer *buffer, size_t length, const uint8_t *bytes)
{
    struct text_output *output = (struct text_output *)buffer;
    eye_text_append_bytes(output->text, bytes, length);
}

static void append_message(struct eye_text *text, const ProtobufCMessage *message)
{
    struct text_output output = {.base.append = append_to_text, .text = text};
    protobuf_c_message_pack_to_buffer(message, &output.base);
}

/* Identity and @value become one entry of the payload. */
static void append_entry(struct eye_datadog_body *body, const struct eye_identity *identity,
                         const ProtobufCMessage *value)
{
    memcpy(body->entry, identity->text, identity->length);
    size_t length = protobuf_c_message_pack(value, body->entry + identity->length);
    ProtobufCBinaryData packed = {.len = identity->length + length, .data = body->entry};
    Datadog__Entries entries = DATADOG__ENTRIES__INIT;
    entries.n_entries = 1;
    entries.entries = &packed;
    append_message(&body->bytes, &entries.base);
}

static void begin(struct eye_datadog_body *body)
{
    (void)body; /* a payload is its entries */
}

/* ---- Series ---- */

static void write_series_identity(void *context, const struct eye_point *point,
                                  struct eye_text *text, uint32_t *ret_split)
{
    struct eye_datadog_body *body = context;
    struct eye_datadog_labels *labels = &body->labels;
    char host[] = "host";
    (void)ret_split;
    if (eye_datadog_labels_make(labels, point) != 0) {
        text->failed = true;
        return;
    }
    Datadog__Resource resource;
    datadog__resource__init(&resource);
    resource.type = host;
    resource.name = labels->host;
    Datadog__Resource *resources[] = {&resource};
    Datadog__SeriesIdentity identity;
    datadog__series_identity__init(&identity);
    identity.n_resources = EYE_ARRAY_LENGTH(resources);
    identity.resources = resources;
    identity.metric = labels->name;
    identity.n_tags = labels->tag_count;
    identity.tags = labels->tags;
    identity.type = eye_datadog_type(point->metric->kind);
    /* protobuf-c reads it only. */
    identity.unit = (char *)(uintptr_t)eye_unit_info(point->metric->unit)->datadog;
    append_message(text, &identity.base);
}

static int append_series(struct eye_datadog_body *body, const struct eye_identity *identity,
                         const struct eye_change *change)
{
    Datadog__Point point = DATADOG__POINT__INIT;
    point.value = eye_datadog_value(change);
    point.timestamp = (int64_t)body->time_s;
    if (!isfinite(point.value)) {
        return -EINVAL;
    }
    Datadog__Point *points[] = {&point};
    Datadog__SeriesValue value = DATADOG__SERIES_VALUE__INIT;
    value.n_points = EYE_ARRAY_LENGTH(points);
    value.points = points;
    value.interval = (int64_t)body->interval_s;
    append_entry(body, identity, &value.base);
    return 0;
}

const struct eye_datadog_encoding eye_datadog_series_protobuf = {
    .path = "/api/v2/series",
    .content_type = PROTOBUF,
    .plain_max = 5242880,
    .packed_max = 512000,
    .points_max = 10000,
    .end = "",
    .write_identity = write_series_identity,
    .begin = begin,
    .append = append_series,
};

/* ---- Sketches ---- */

static void write_sketch_identity(void *context, const struct eye_point *point,
                                  struct eye_text *text, uint32_t *ret_split)
{
    struct eye_datadog_body *body = context;
    struct eye_datadog_labels *labels = &body->labels;
    (void)ret_split;
    if (eye_datadog_labels_make(labels, point) != 0) {
        text->failed = true;
        return;
    }
    Datadog__SketchIdentity identity;
    datadog__sketch_identity__init(&identity);
    identity.metric = labels->name;
    identity.host = labels->host;
    identity.n_tags = labels->tag_count;
    identity.tags = labels->tags;
    append_message(text, &identity.base);
}

/* Adds one bin; a key comes again when its values are more than an entry can count. False when
 * there are too many. */
static bool add_bin(struct eye_datadog_bins *bins, uint32_t key, uint64_t count, size_t *size)
{
    for (; count > 0; (*size)++) {
        if (*size == EYE_DATADOG_BINS_MAX) {
            return false;
        }
        uint32_t part = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
        bins->keys[*size] = (int32_t)key;
        bins->counts[*size] = part;
        count -= part;
    }
    return true;
}

/* How often @key was counted in @before, which may be NULL. */
static uint64_t count_before(const struct eye_distribution *before, uint32_t key)
{
    bool known =
        before != NULL && key >= before->first_key && key - before->first_key < before->size;
    return known ? before->bins[key - before->first_key] : 0;
}

/*
 * The bins of @change; their number, 0 when there are too many. Most bins between the first and the
 * last are empty, so this is the loop that a sketch's time goes into.
 */
static size_t collect_bins(struct eye_datadog_bins *bins, const struct eye_change *change)
{
    const struct eye_distribution *now = change->point->distribution;
    size_t size = 0;
    for (uint32_t i = 0; i < now->size; i++) {
        uint32_t key = now->first_key + i;
        if (now->bins[i] != 0 &&
            !add_bin(bins, key, now->bins[i] - count_before(change->before, key), &size)) {
            return 0;
        }
    }
    return size;
}

static int append_sketch(struct eye_datadog_body *body, const struct eye_identity *identity,
                         const struct eye_change *change)
{
    struct eye_datadog_bins *bins = body->bins;
    size_t size = collect_bins(bins, change);
    if (size == 0 || !isfinite(change->sum)) {
        return -EINVAL;
    }
    Datadog__Dogsketch sketch = DATADOG__DOGSKETCH__INIT;
    sketch.ts = (int64_t)body->time_s;
    sketch.cnt = (int64_t)change->count;
    sketch.avg = change->sum / (double)change->count;
    sketch.min = eye_distribution_least((uint32_t)bins->keys[0], sketch.avg);
    sketch.max = eye_distribution_greatest((uint32_t)bins->keys[size - 1], sketch.avg);
    sketch.sum = change->sum;
    sketch.n_k = size;
    sketch.k = bins->keys;
    sketch.n_n = size;
    sketch.n = bins->counts;
    Datadog__Dogsketch *sketches[] = {&sketch};
    Datadog__SketchValue value = DATADOG__SKETCH_VALUE__INIT;
    value.n_dogsketches = EYE_ARRAY_LENGTH(sketches);
    value.dogsketches = sketches;
    append_entry(body, identity, &value.base);
    return 0;
}

const struct eye_datadog_encoding eye_datadog_sketches = {
    .path = "/api/beta/sketches",
    .content_type = PROTOBUF,
    .plain_max = SKETCHES_PLAIN_MAX_BYTES,
    .packed_max = SKETCHES_PACKED_MAX_BYTES,
    .points_max = SIZE_MAX,
    .end = "",
    .distributions = true,
    .write_identity = write_sketch_identity,
    .begin = begin,
    .append = append_sketch,
};
