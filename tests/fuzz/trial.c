/* SPDX-License-Identifier: Apache-2.0 */
/* The engine between a world and a format. */
#include "tests/fuzz/trial.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* Nothing that is made here comes near it. */
#define PAYLOAD_MAX_BYTES ((size_t)64 << 20)

static void begin(void *state, const struct eye_snapshot *now)
{
    struct trial *trial = state;
    assert(now == trial->now);
    trial->format->begin(trial->encoder);
}

static bool wants(void *state, const struct eye_change *change)
{
    struct trial *trial = state;
    return trial->format->wants(trial->encoder, change);
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct trial *trial = state;
    int result = trial->format->add(trial->encoder, index, change, part);
    assert(result == 0 || result == -ENOBUFS || result == -EMSGSIZE || result == -EINVAL ||
           result == -EEXIST);
    if (result != -ENOBUFS) {
        trial->outcomes[index] = result;
    }
    return result;
}

static void keep(struct trial *trial, const struct eye_text *payload)
{
    trial->payloads = reallocarray(trial->payloads, trial->count + 1, sizeof(struct eye_text));
    assert(trial->payloads != NULL);
    struct eye_text *kept = &trial->payloads[trial->count];
    eye_text_init(kept, PAYLOAD_MAX_BYTES);
    eye_text_append_bytes(kept, payload->data, payload->length);
    assert(!kept->failed);
}

static bool is_same(const struct eye_text *a, const struct eye_text *b)
{
    return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

static enum eye_verdict send_payload(void *state, uint64_t points, uint64_t *ret_rejected,
                                     struct eye_export_failure *failure)
{
    struct trial *trial = state;
    const struct eye_text *payload = trial->format->end(trial->encoder);
    (void)points;
    (void)ret_rejected;
    (void)failure;
    assert(payload != NULL && payload->length > 0 && !payload->failed);
    if (trial->failed) {
        assert(is_same(payload, &trial->payloads[trial->count]));
    } else {
        keep(trial, payload);
        trial->failed = trial->count < 32 && (trial->retries >> trial->count & 1) != 0;
        if (trial->failed) {
            return EYE_VERDICT_RETRY;
        }
    }
    trial->failed = false;
    trial->count++;
    return EYE_VERDICT_DONE;
}

static const struct eye_payload_format engine_format = {
    .begin = begin,
    .wants = wants,
    .add = add,
    .send = send_payload,
};

/* Every point that was wanted is delivered or dropped, once. */
static void check_stats(const struct trial *trial)
{
    uint64_t delivered = 0;
    uint64_t dropped = 0;
    for (size_t i = 0; i < trial->now->count; i++) {
        delivered += trial->outcomes[i] == 0;
        dropped += trial->outcomes[i] < 0;
    }
    assert(atomic_load(&trial->stats.points) == delivered);
    assert(atomic_load(&trial->stats.seen) == delivered + dropped);
}

/* ---- Refusals ---- */

static size_t bytes_of_tag(const char *key, const char *value)
{
    return strlen(key) + strlen(value) + strlen("=");
}

static size_t bytes_of(const struct hostile *world, const struct eye_point *point)
{
    size_t bytes = strlen(world->own.common.prefix) + strlen(point->metric->name);
    for (size_t i = 0; i < world->selection.fixed_count; i++) {
        const struct eye_fixed_tag *fixed = &world->selection.fixed[i];
        bytes += bytes_of_tag(fixed->key, fixed->value);
    }
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        bytes += bytes_of_tag(eye_tag_info(tag->tag)->name, tag->value);
    }
    return bytes;
}

/* A value that is no number, or more values than one sketch can count. */
static bool may_be_invalid(const struct eye_point *point)
{
    switch (point->metric->kind) {
    case EYE_GAUGE:
        return !isfinite(point->gauge);
    case EYE_DISTRIBUTION:
        return point->distribution->count > UINT32_MAX;
    case EYE_COUNTER:
        break;
    }
    return false;
}

/* An older series of the metric: points lie by metric, then by age. */
static bool may_collide(const struct trial *trial, size_t index)
{
    const struct eye_point *points = trial->now->points;
    return index > 0 && points[index - 1].metric == points[index].metric;
}

static void check_refusals(const struct trial *trial, const struct hostile *world, size_t fits)
{
    for (size_t i = 0; i < trial->now->count; i++) {
        const struct eye_point *point = &trial->now->points[i];
        assert(trial->outcomes[i] != -EINVAL || may_be_invalid(point));
        assert(trial->outcomes[i] != -EEXIST || may_collide(trial, i));
        assert(trial->outcomes[i] != -EMSGSIZE || bytes_of(world, point) > fits);
    }
}

/* ---- A delivery ---- */

struct trial *trial_new(const struct hostile *world, const struct eye_snapshot *now,
                        const struct eye_snapshot *before, const struct trial_format *format,
                        void *encoder, size_t fits)
{
    struct trial *trial = calloc(1, sizeof(*trial));
    assert(trial != NULL);
    trial->format = format;
    trial->encoder = encoder;
    trial->now = now;
    trial->before = before;
    trial->retries = world->retries;
    for (size_t i = 0; i < HOSTILE_POINTS_MAX; i++) {
        trial->outcomes[i] = TRIAL_UNWANTED;
    }
    struct eye_delivery delivery;
    struct eye_export_failure failure = {0};
    eye_delivery_init(&delivery, &engine_format, trial, NULL, &trial->stats);
    size_t attempts = 0;
    while (eye_delivery_run(&delivery, now, before, &failure) != 0) {
        assert(++attempts <= 32);
    }
    check_stats(trial);
    check_refusals(trial, world, fits);
    return trial;
}

void trial_free(struct trial *trial)
{
    for (size_t i = 0; i < trial->count; i++) {
        eye_text_done(&trial->payloads[i]);
    }
    free(trial->payloads);
    free(trial);
}

void trial_follow(const struct hostile *world, struct eye_identities *identities)
{
    int result = world->before == NULL ? 0 : eye_identities_follow(identities, world->before);
    assert(result == 0);
    result = eye_identities_follow(identities, world->now);
    assert(result == 0);
}

struct eye_changes trial_changes(const struct trial *trial)
{
    struct eye_changes changes;
    eye_changes_begin(&changes, trial->now, trial->before);
    return changes;
}

bool trial_next(const struct trial *trial, struct eye_changes *changes,
                struct eye_change *ret_change, size_t *ret_index)
{
    struct eye_change change;
    while (eye_changes_next(changes, &change)) {
        size_t index = (size_t)(change.point - trial->now->points);
        if (trial->outcomes[index] == 0) {
            *ret_change = change;
            *ret_index = index;
            return true;
        }
    }
    return false;
}
