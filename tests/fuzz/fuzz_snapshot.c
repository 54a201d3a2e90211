/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a snapshot, and as a family of points inside a good one. Property: what decodes is
 * in order, encodes, and decodes again to the same, bit by bit.
 */
#include <assert.h>
#include <string.h>

#include "collector/snapshot/codec.h"
#include "collector/snapshot/codec.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cleanup_snapshot(const struct eye_snapshot **snapshot)
{
    eye_snapshot_unref(*snapshot);
}

static void check_order(const struct eye_snapshot *snapshot)
{
    for (size_t i = 1; i < snapshot->count; i++) {
        const struct eye_point *a = &snapshot->points[i - 1];
        const struct eye_point *b = &snapshot->points[i];
        assert(a->metric->id < b->metric->id || (a->metric == b->metric && a->id < b->id));
    }
}

static void check_tags(const struct eye_point *a, const struct eye_point *b)
{
    assert(a->tags->count == b->tags->count);
    for (uint32_t i = 0; i < a->tags->count; i++) {
        assert(a->tags->tags[i].tag == b->tags->tags[i].tag);
        assert(eye_metric_has_tag(a->metric, a->tags->tags[i].tag));
        assert(strcmp(a->tags->tags[i].value, b->tags->tags[i].value) == 0);
    }
}

static void check_value(const struct eye_point *a, const struct eye_point *b)
{
    if (a->metric->kind != EYE_DISTRIBUTION) {
        assert(a->counter == b->counter); /* the bits of a gauge, too */
        return;
    }
    const struct eye_distribution *left = a->distribution;
    const struct eye_distribution *right = b->distribution;
    assert(left->count == right->count && left->sum == right->sum);
    assert(left->first_key == right->first_key && left->size == right->size);
    assert(left->first_key + left->size <= EYE_DISTRIBUTION_KEYS);
    assert(left->size == 0 ||
           memcmp(left->bins, right->bins, left->size * sizeof(left->bins[0])) == 0);
}

static void check_same(const struct eye_snapshot *a, const struct eye_snapshot *b)
{
    assert(a->sequence == b->sequence && a->time_ns == b->time_ns);
    assert(a->interval_ns == b->interval_ns && a->start_ns == b->start_ns);
    assert(a->elapsed_ns == b->elapsed_ns);
    assert(a->count == b->count && a->bytes == b->bytes);
    for (size_t i = 0; i < a->count; i++) {
        assert(a->points[i].metric == b->points[i].metric && a->points[i].id == b->points[i].id);
        check_tags(&a->points[i], &b->points[i]);
        check_value(&a->points[i], &b->points[i]);
    }
}

static void check(const void *data, size_t size)
{
    EYE_CLEANUP(cleanup_snapshot) const struct eye_snapshot *first = NULL;
    EYE_CLEANUP(cleanup_snapshot) const struct eye_snapshot *second = NULL;
    EYE_CLEANUP(eye_text_done) struct eye_text bytes;
    size_t unknown = 0;
    eye_text_init(&bytes, EYE_SNAPSHOT_ENCODED_MAX_BYTES);
    if (eye_snapshot_decode(data, size, &first, &unknown) != 0) {
        return;
    }
    check_order(first);
    int result = eye_snapshot_encode(first, &bytes);
    assert(result == 0);
    result = eye_snapshot_decode(bytes.data, bytes.length, &second, &unknown);
    assert(result == 0 && unknown == 0);
    check_same(first, second);
}

static void check_family(const uint8_t *data, size_t size)
{
    static char direction[] = "direction";
    static char service[] = "service";
    static char port[] = "port";
    char *tags[] = {direction, service, port};
    ProtobufCBinaryData family = {size, (uint8_t *)(uintptr_t)data}; /* only read */
    Eye__Snapshot__Snapshot message = EYE__SNAPSHOT__SNAPSHOT__INIT;
    message.has_sequence = message.has_time_ns = true;
    message.has_interval_ns = message.has_start_ns = true;
    message.n_tags = EYE_ARRAY_LENGTH(tags);
    message.tags = tags;
    message.n_families = 1;
    message.families = &family;
    EYE_AUTOFREE uint8_t *bytes = malloc(eye__snapshot__snapshot__get_packed_size(&message));
    assert(bytes != NULL);
    check(bytes, eye__snapshot__snapshot__pack(&message, bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    check_family(data, size);
    return 0;
}
