/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots through protobuf-c. Both ways go family by family, so that what is made of the bytes
 * for protobuf-c is small whatever the size of the snapshot.
 */
#include "collector/snapshot/codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/snapshot/codec.pb-c.h"

#define FAMILY_POINTS ((size_t)64)

/* Of one family. A varint has at most 10 bytes. */
#define POINT_MAX_BYTES                                                                            \
    ((EYE_TAG_COUNT) * (EYE_TAG_VALUE_MAX_BYTES + 8) + (EYE_DISTRIBUTION_KEYS + 8) * 10)
#define FAMILY_MAX_BYTES ((size_t)4 << 20)
static_assert(FAMILY_POINTS * POINT_MAX_BYTES < FAMILY_MAX_BYTES, "a family has room");

/* ---- Encoding ---- */

struct encoder {
    struct eye_text family;
    size_t count; /* points filled */
    Eye__Snapshot__Point *list[FAMILY_POINTS];
    Eye__Snapshot__Point points[FAMILY_POINTS];
    Eye__Snapshot__Distribution distributions[FAMILY_POINTS];
    uint32_t tags[FAMILY_POINTS][EYE_TAG_COUNT];
    ProtobufCBinaryData values[FAMILY_POINTS][EYE_TAG_COUNT];
};

struct text_buffer {
    ProtobufCBuffer base;
    struct eye_text *text;
};

static void append_to_text(ProtobufCBuffer *base, size_t length, const uint8_t *data)
{
    eye_text_append_bytes(((struct text_buffer *)base)->text, data, length);
}

static void pack(struct eye_text *text, const ProtobufCMessage *message)
{
    struct text_buffer buffer = {{append_to_text}, text};
    protobuf_c_message_pack_to_buffer(message, &buffer.base);
}

/* The fields of @piece become fields of the whole: concatenated messages are one message. */
static int append_piece(struct eye_text *bytes, const Eye__Snapshot__Snapshot *piece)
{
    if (eye__snapshot__snapshot__get_packed_size(piece) > bytes->max_bytes - bytes->length) {
        return -EMSGSIZE;
    }
    pack(bytes, &piece->base);
    return bytes->failed ? -ENOMEM : 0;
}

static int append_head(struct eye_text *bytes, const struct eye_snapshot *snapshot)
{
    char *names[EYE_TAG_COUNT];
    for (unsigned i = 0; i < EYE_TAG_COUNT; i++) {
        names[i] = (char *)(uintptr_t)eye_tag_info((enum eye_tag)i)->name; /* only read */
    }
    Eye__Snapshot__Snapshot head = EYE__SNAPSHOT__SNAPSHOT__INIT;
    head.has_sequence = head.has_time_ns = head.has_interval_ns = head.has_start_ns = true;
    head.sequence = snapshot->sequence;
    head.time_ns = snapshot->time_ns;
    head.interval_ns = snapshot->interval_ns;
    head.start_ns = snapshot->start_ns;
    head.has_elapsed_ns = true;
    head.elapsed_ns = snapshot->elapsed_ns;
    head.n_tags = EYE_TAG_COUNT;
    head.tags = names;
    return append_piece(bytes, &head);
}

static void fill_tags(struct encoder *encoder, Eye__Snapshot__Point *message,
                      const struct eye_tag_set *set)
{
    message->n_tags = message->n_values = set->count;
    message->tags = encoder->tags[encoder->count];
    message->values = encoder->values[encoder->count];
    for (uint32_t i = 0; i < set->count; i++) {
        message->tags[i] = set->tags[i].tag;
        message->values[i].len = strlen(set->tags[i].value);
        message->values[i].data = (uint8_t *)(uintptr_t)set->tags[i].value; /* only read */
    }
}

static Eye__Snapshot__Distribution *fill_distribution(struct encoder *encoder,
                                                      const struct eye_distribution *distribution)
{
    Eye__Snapshot__Distribution *message = &encoder->distributions[encoder->count];
    eye__snapshot__distribution__init(message);
    message->sum = distribution->sum;
    message->first_key = distribution->first_key;
    message->n_bins = distribution->size;
    message->bins = distribution->bins;
    return message;
}

static void fill_point(struct encoder *encoder, const struct eye_point *point)
{
    Eye__Snapshot__Point *message = &encoder->points[encoder->count];
    eye__snapshot__point__init(message);
    message->series = point->id;
    fill_tags(encoder, message, point->tags);
    switch (point->metric->kind) {
    case EYE_COUNTER:
        message->has_counter = true;
        message->counter = point->counter;
        break;
    case EYE_GAUGE:
        message->has_gauge = true;
        message->gauge = point->gauge;
        break;
    case EYE_DISTRIBUTION:
        message->distribution = fill_distribution(encoder, point->distribution);
        break;
    }
    encoder->list[encoder->count++] = message;
}

/* Appends the points in hand, all of @metric, as one family. */
static int append_family(struct encoder *encoder, const struct eye_metric *metric,
                         struct eye_text *bytes)
{
    Eye__Snapshot__Family family = EYE__SNAPSHOT__FAMILY__INIT;
    family.metric = (char *)(uintptr_t)metric->name; /* only read */
    family.kind = (char *)(uintptr_t)eye_metric_kind_name(metric->kind);
    family.scale = metric->scale;
    family.n_points = encoder->count;
    family.points = encoder->list;
    eye_text_clear(&encoder->family);
    pack(&encoder->family, &family.base);
    encoder->count = 0;
    if (encoder->family.failed) {
        return -ENOMEM;
    }
    ProtobufCBinaryData packed = {encoder->family.length, (uint8_t *)encoder->family.data};
    Eye__Snapshot__Snapshot piece = EYE__SNAPSHOT__SNAPSHOT__INIT;
    piece.n_families = 1;
    piece.families = &packed;
    return append_piece(bytes, &piece);
}

static int append_points(struct encoder *encoder, const struct eye_snapshot *snapshot,
                         struct eye_text *bytes)
{
    int result = 0;
    for (size_t i = 0; i < snapshot->count && result == 0; i++) {
        const struct eye_metric *metric = snapshot->points[i].metric;
        fill_point(encoder, &snapshot->points[i]);
        if (encoder->count == FAMILY_POINTS || i + 1 == snapshot->count ||
            snapshot->points[i + 1].metric != metric) {
            result = append_family(encoder, metric, bytes);
        }
    }
    return result;
}

int eye_snapshot_encode(const struct eye_snapshot *snapshot, struct eye_text *bytes)
{
    EYE_AUTOFREE struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL) {
        return -ENOMEM;
    }
    size_t start = bytes->length;
    eye_text_init(&encoder->family, FAMILY_MAX_BYTES);
    int result = append_head(bytes, snapshot);
    if (result == 0) {
        result = append_points(encoder, snapshot, bytes);
    }
    if (result != 0) {
        eye_text_truncate(bytes, start);
    }
    eye_text_done(&encoder->family);
    return result;
}

/* ---- Memory for protobuf-c: no more than a multiple of the input ---- */

/* Of a whole snapshot: a copy of its bytes and a few words for each family. */
#define SNAPSHOT_EXPANSION 4
/* Of a family: a point of 6 bytes becomes a structure, a pointer and its parser's notes. */
#define FAMILY_EXPANSION 40
#define BUDGET_BASE_BYTES ((size_t)64 << 10)

struct budget {
    size_t left;
    bool out_of_memory;
};

static void *allocate(void *context, size_t size)
{
    struct budget *budget = context;
    if (size > budget->left) {
        return NULL;
    }
    void *memory = malloc(size);
    budget->left -= size;
    budget->out_of_memory |= memory == NULL;
    return memory;
}

static void release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static int unpack(const ProtobufCMessageDescriptor *descriptor, size_t expansion,
                  const ProtobufCBinaryData *bytes, ProtobufCMessage **ret_message)
{
    struct budget budget = {.left = BUDGET_BASE_BYTES + expansion * bytes->len};
    ProtobufCAllocator allocator = {allocate, release, &budget};
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, &allocator, bytes->len, bytes->data);
    if (message == NULL) {
        return budget.out_of_memory ? -ENOMEM : -EBADMSG;
    }
    *ret_message = message;
    return 0;
}

static void cleanup_message(ProtobufCMessage **message)
{
    ProtobufCAllocator allocator = {allocate, release, NULL};
    protobuf_c_message_free_unpacked(*message, &allocator); /* takes NULL */
}

/* ---- Decoding ---- */

struct decoder {
    struct eye_snapshot *snapshot; /* grows; owned */
    size_t capacity;               /* points there is room for */
    uint8_t *tags;                 /* enum eye_tag by index in the message; owned */
    size_t tag_count;
    size_t unknown;
};

static enum eye_tag find_tag(const char *name)
{
    unsigned tag = 0;
    while (tag < EYE_TAG_COUNT && strcmp(eye_tag_info((enum eye_tag)tag)->name, name) != 0) {
        tag++;
    }
    return (enum eye_tag)tag;
}

/* The metric that a family is of, or NULL when there is no such one here. */
static const struct eye_metric *find_metric(const Eye__Snapshot__Family *family)
{
    for (unsigned i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        if (strcmp(metric->name, family->metric) == 0) {
            bool same = strcmp(eye_metric_kind_name(metric->kind), family->kind) == 0 &&
                        metric->scale == family->scale;
            return same ? metric : NULL;
        }
    }
    return NULL;
}

/* Where the tags of a point are gathered. */
struct gathered {
    struct eye_tag_value tags[EYE_TAG_COUNT];
    char values[EYE_TAG_COUNT][EYE_TAG_VALUE_MAX_BYTES + 1];
    size_t count;
    uint64_t seen; /* eye_tag_bit() of those */
};

static int gather_tag(struct gathered *gathered, enum eye_tag tag, const ProtobufCBinaryData *value)
{
    uint64_t bit = eye_tag_bit(tag);
    if ((gathered->seen & bit) != 0 || value->len > EYE_TAG_VALUE_MAX_BYTES ||
        (value->len > 0 && memchr(value->data, '\0', value->len) != NULL)) {
        return -EBADMSG;
    }
    char *copy = gathered->values[gathered->count];
    if (value->len > 0) {
        memcpy(copy, value->data, value->len);
    }
    copy[value->len] = '\0';
    gathered->tags[gathered->count++] = (struct eye_tag_value){tag, copy};
    gathered->seen |= bit;
    return 0;
}

/* 0, -EBADMSG, -ENOMEM, or -ENOTSUP for a tag that @metric does not have here. */
static int decode_tags(const struct decoder *decoder, const struct eye_metric *metric,
                       const Eye__Snapshot__Point *message, struct eye_tag_set **ret_tags)
{
    struct gathered gathered;
    gathered.count = gathered.seen = 0;
    if (message->n_tags != message->n_values) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < message->n_tags; i++) {
        if (message->tags[i] >= decoder->tag_count) {
            return -EBADMSG;
        }
        uint8_t tag = decoder->tags[message->tags[i]];
        if (tag == EYE_TAG_COUNT || !eye_metric_has_tag(metric, tag)) {
            return -ENOTSUP;
        }
        int result = gather_tag(&gathered, (enum eye_tag)tag, &message->values[i]);
        if (result != 0) {
            return result;
        }
    }
    struct eye_tag_set *tags = eye_tag_set_new(gathered.tags, gathered.count);
    if (tags == NULL) {
        return -ENOMEM;
    }
    *ret_tags = tags;
    return 0;
}

static int decode_distribution(const Eye__Snapshot__Distribution *message,
                               struct eye_distribution **ret_distribution)
{
    if (message == NULL) {
        return -EBADMSG;
    }
    int result = eye_distribution_new_frozen(message->first_key, message->bins, message->n_bins,
                                             message->sum, ret_distribution);
    return result == -EINVAL ? -EBADMSG : result;
}

static int decode_value(const Eye__Snapshot__Point *message, struct eye_point *point)
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        point->counter = message->counter;
        return message->has_counter ? 0 : -EBADMSG;
    case EYE_GAUGE:
        point->gauge = message->gauge;
        return message->has_gauge ? 0 : -EBADMSG;
    case EYE_DISTRIBUTION:
        return decode_distribution(message->distribution, &point->distribution);
    }
    return -EBADMSG;
}

static size_t snapshot_bytes(size_t points)
{
    return sizeof(struct eye_snapshot) + points * sizeof(struct eye_point);
}

static int resize(struct decoder *decoder, size_t capacity)
{
    struct eye_snapshot *snapshot = realloc(decoder->snapshot, snapshot_bytes(capacity));
    if (snapshot == NULL) {
        return -ENOMEM;
    }
    decoder->snapshot = snapshot;
    decoder->capacity = capacity;
    return 0;
}

static int decode_point(struct decoder *decoder, const struct eye_metric *metric,
                        const Eye__Snapshot__Point *message)
{
    struct eye_point *point = &decoder->snapshot->points[decoder->snapshot->count];
    *point = (struct eye_point){.metric = metric, .id = message->series};
    int result = decode_tags(decoder, metric, message, &point->tags);
    if (result == -ENOTSUP) {
        decoder->unknown++;
        return 0;
    }
    if (result == 0) {
        result = decode_value(message, point);
        if (result != 0) {
            eye_tag_set_unref(point->tags);
        }
    }
    decoder->snapshot->count += result == 0;
    return result;
}

static int decode_points(struct decoder *decoder, const Eye__Snapshot__Family *family)
{
    const struct eye_metric *metric = find_metric(family);
    if (metric == NULL) {
        decoder->unknown += family->n_points;
        return 0;
    }
    int result = 0;
    if (decoder->capacity - decoder->snapshot->count < family->n_points) {
        result = resize(decoder, 2 * decoder->capacity + family->n_points);
    }
    for (size_t i = 0; i < family->n_points && result == 0; i++) {
        result = decode_point(decoder, metric, family->points[i]);
    }
    return result;
}

static int decode_family(struct decoder *decoder, const ProtobufCBinaryData *bytes)
{
    EYE_CLEANUP(cleanup_message) ProtobufCMessage *message = NULL;
    if (bytes->len > FAMILY_MAX_BYTES) {
        return -EBADMSG;
    }
    int result = unpack(&eye__snapshot__family__descriptor, FAMILY_EXPANSION, bytes, &message);
    return result != 0 ? result : decode_points(decoder, (Eye__Snapshot__Family *)message);
}

static int decode_head(struct decoder *decoder, const Eye__Snapshot__Snapshot *message)
{
    decoder->tags = malloc(message->n_tags + 1); /* never an allocation of nothing */
    if (decoder->tags == NULL || resize(decoder, 0) != 0) {
        return -ENOMEM;
    }
    decoder->tag_count = message->n_tags;
    for (size_t i = 0; i < message->n_tags; i++) {
        decoder->tags[i] = (uint8_t)find_tag(message->tags[i]);
    }
    uint64_t wall_ns =
        message->time_ns > message->start_ns ? message->time_ns - message->start_ns : 0;
    *decoder->snapshot = (struct eye_snapshot){
        .sequence = message->sequence,
        .time_ns = message->time_ns,
        .interval_ns = message->interval_ns,
        .start_ns = message->start_ns,
        .elapsed_ns = message->has_elapsed_ns ? message->elapsed_ns : wall_ns,
    };
    atomic_init(&decoder->snapshot->references, 1);
    bool whole = message->has_sequence && message->has_time_ns && message->has_interval_ns &&
                 message->has_start_ns;
    return whole ? 0 : -EBADMSG;
}

static int compare_points(const void *left, const void *right)
{
    const struct eye_point *a = left;
    const struct eye_point *b = right;
    if (a->metric->id != b->metric->id) {
        return a->metric->id < b->metric->id ? -1 : 1;
    }
    return a->id < b->id ? -1 : a->id > b->id;
}

static size_t distribution_bytes(const struct eye_point *point)
{
    return point->metric->kind != EYE_DISTRIBUTION
               ? 0
               : sizeof(struct eye_distribution) +
                     point->distribution->size * sizeof(point->distribution->bins[0]);
}

/* Sorts, since the writer's catalogue may have another order; the same series twice is an error. */
static int finish(struct decoder *decoder)
{
    int result = resize(decoder, decoder->snapshot->count);
    if (result != 0) {
        return result;
    }
    struct eye_snapshot *snapshot = decoder->snapshot;
    qsort(snapshot->points, snapshot->count, sizeof(snapshot->points[0]), compare_points);
    snapshot->bytes = snapshot_bytes(snapshot->count);
    for (size_t i = 0; i < snapshot->count; i++) {
        if (i > 0 && compare_points(&snapshot->points[i - 1], &snapshot->points[i]) == 0) {
            return -EBADMSG;
        }
        snapshot->bytes += distribution_bytes(&snapshot->points[i]);
    }
    return 0;
}

static int decode(struct decoder *decoder, const Eye__Snapshot__Snapshot *message)
{
    int result = decode_head(decoder, message);
    for (size_t i = 0; i < message->n_families && result == 0; i++) {
        result = decode_family(decoder, &message->families[i]);
    }
    return result != 0 ? result : finish(decoder);
}

static void decoder_done(struct decoder *decoder)
{
    eye_snapshot_unref(decoder->snapshot);
    free(decoder->tags);
}

int eye_snapshot_decode(const void *bytes, size_t length, const struct eye_snapshot **ret_snapshot,
                        size_t *ret_unknown)
{
    EYE_CLEANUP(cleanup_message) ProtobufCMessage *message = NULL;
    EYE_CLEANUP(decoder_done) struct decoder decoder = {0};
    ProtobufCBinaryData input = {length, (uint8_t *)(uintptr_t)bytes}; /* only read */
    if (length > EYE_SNAPSHOT_ENCODED_MAX_BYTES) {
        return -EBADMSG;
    }
    int result = unpack(&eye__snapshot__snapshot__descriptor, SNAPSHOT_EXPANSION, &input, &message);
    if (result == 0) {
        result = decode(&decoder, (Eye__Snapshot__Snapshot *)message);
    }
    if (result != 0) {
        return result; /* NOLINT(clang-analyzer-unix.Malloc): decoder_done() frees it */
    }
    *ret_unknown = decoder.unknown;
    *ret_snapshot = EYE_TAKE(decoder.snapshot);
    return 0;
}
