/* SPDX-License-Identifier: Apache-2.0 */
/* Taking pictures and comparing them. */
#include "collector/snapshot/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static size_t count_series(const struct eye_registry *registry)
{
    size_t count = 0;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        count += eye_registry_count(registry, (enum eye_metric_id)i);
    }
    return count;
}

/* The series' frozen distribution, made anew only when it changed since the last picture. */
static struct eye_distribution *freeze(struct eye_series *series)
{
    if (series->frozen == NULL) {
        series->frozen = eye_distribution_freeze(&series->distribution);
    }
    return series->frozen == NULL ? NULL : eye_distribution_ref(series->frozen);
}

static bool take_point(struct eye_snapshot *snapshot, struct eye_series *series)
{
    struct eye_point *point = &snapshot->points[snapshot->count];
    point->metric = series->metric;
    point->id = series->id;
    switch (series->metric->kind) {
    case EYE_COUNTER:
        point->counter = series->counter;
        break;
    case EYE_GAUGE:
        point->gauge = series->gauge;
        break;
    case EYE_DISTRIBUTION:
        point->distribution = freeze(series);
        if (point->distribution == NULL) {
            return false;
        }
        snapshot->bytes += sizeof(struct eye_distribution) +
                           point->distribution->size * sizeof(point->distribution->bins[0]);
        break;
    }
    point->tags = eye_tag_set_ref(series->tags);
    snapshot->count++;
    return true;
}

struct eye_snapshot *eye_snapshot_take(struct eye_registry *registry, uint64_t sequence,
                                       uint64_t time_ns, uint64_t interval_ns, uint64_t start_ns)
{
    size_t count = count_series(registry);
    size_t bytes = sizeof(struct eye_snapshot) + count * sizeof(struct eye_point);
    struct eye_snapshot *snapshot = malloc(bytes);
    if (snapshot == NULL) {
        return NULL;
    }
    *snapshot = (struct eye_snapshot){
        .sequence = sequence,
        .time_ns = time_ns,
        .interval_ns = interval_ns,
        .start_ns = start_ns,
        .elapsed_ns = time_ns > start_ns ? time_ns - start_ns : 0,
        .bytes = bytes,
    };
    atomic_init(&snapshot->references, 1);
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        struct eye_series *series = eye_registry_first(registry, (enum eye_metric_id)i);
        for (; series != NULL; series = series->next) {
            if (!take_point(snapshot, series)) {
                eye_snapshot_unref(snapshot);
                return NULL;
            }
        }
    }
    return snapshot;
}

/* All snapshots come from malloc() in this module: none is const by nature. */
static struct eye_snapshot *writable(const struct eye_snapshot *snapshot)
{
    return (struct eye_snapshot *)(uintptr_t)snapshot;
}

const struct eye_snapshot *eye_snapshot_ref(const struct eye_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&writable(snapshot)->references, 1, memory_order_relaxed);
    return snapshot;
}

void eye_snapshot_unref(const struct eye_snapshot *constant)
{
    struct eye_snapshot *snapshot = writable(constant);
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        if (snapshot->points[i].metric->kind == EYE_DISTRIBUTION) {
            eye_distribution_unref(snapshot->points[i].distribution);
        }
        eye_tag_set_unref(snapshot->points[i].tags);
    }
    free(snapshot);
}

uint64_t eye_snapshot_span_ns(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    bool same_run = before != NULL && before->start_ns == now->start_ns;
    uint64_t from_ns = same_run ? before->elapsed_ns : 0;
    uint64_t span_ns = now->elapsed_ns > from_ns ? now->elapsed_ns - from_ns : now->interval_ns;
    return span_ns > 0 ? span_ns : 1;
}

void eye_changes_begin(struct eye_changes *changes, const struct eye_snapshot *now,
                       const struct eye_snapshot *before)
{
    *changes = (struct eye_changes){.now = now, .before = before};
}

static bool lies_before(const struct eye_point *a, const struct eye_point *b)
{
    return a->metric->id != b->metric->id ? a->metric->id < b->metric->id : a->id < b->id;
}

/* The same series in the earlier snapshot: both are sorted, so one walk finds them all. */
static const struct eye_point *find_before(struct eye_changes *changes,
                                           const struct eye_point *point)
{
    const struct eye_snapshot *before = changes->before;
    if (before == NULL) {
        return NULL;
    }
    while (changes->before_index < before->count &&
           lies_before(&before->points[changes->before_index], point)) {
        changes->before_index++;
    }
    if (changes->before_index == before->count ||
        before->points[changes->before_index].id != point->id) {
        return NULL;
    }
    return &before->points[changes->before_index];
}

bool eye_changes_next(struct eye_changes *changes, struct eye_change *ret_change)
{
    if (changes->index == changes->now->count) {
        return false;
    }
    const struct eye_point *point = &changes->now->points[changes->index++];
    const struct eye_point *before = find_before(changes, point);
    struct eye_change change = {.point = point};
    if (point->metric->kind == EYE_COUNTER) {
        change.counter = point->counter - (before == NULL ? 0 : before->counter);
    } else if (point->metric->kind == EYE_DISTRIBUTION) {
        change.before = before == NULL ? NULL : before->distribution;
        change.count = eye_distribution_count_since(point->distribution, change.before);
        change.sum = eye_distribution_sum_since(point->distribution, change.before);
    }
    *ret_change = change;
    return true;
}

/* The next point of @before, from *@index on, that @now does not have; NULL at the end. */
static const struct eye_point *next_gone(const struct eye_snapshot *now, size_t *now_index,
                                         const struct eye_snapshot *before, size_t *index)
{
    while (*index < before->count) {
        const struct eye_point *point = &before->points[(*index)++];
        while (*now_index < now->count && lies_before(&now->points[*now_index], point)) {
            (*now_index)++;
        }
        if (*now_index == now->count || lies_before(point, &now->points[*now_index])) {
            return point;
        }
    }
    return NULL;
}

static size_t count_gone(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    size_t now_index = 0;
    size_t index = 0;
    size_t count = 0;
    while (before != NULL && next_gone(now, &now_index, before, &index) != NULL) {
        count++;
    }
    return count;
}

static void copy_point(struct eye_snapshot *snapshot, const struct eye_point *point)
{
    snapshot->points[snapshot->count++] = *point;
    eye_tag_set_ref(point->tags);
    if (point->metric->kind == EYE_DISTRIBUTION) {
        eye_distribution_ref(point->distribution);
    }
}

/* Without points, with room for @count; NULL when out of memory. */
static struct eye_snapshot *make_like(const struct eye_snapshot *model, size_t count)
{
    size_t bytes = sizeof(struct eye_snapshot) + count * sizeof(struct eye_point);
    struct eye_snapshot *snapshot = malloc(bytes);
    if (snapshot == NULL) {
        return NULL;
    }
    *snapshot = (struct eye_snapshot){
        .sequence = model->sequence,
        .time_ns = model->time_ns,
        .interval_ns = model->interval_ns,
        .start_ns = model->start_ns,
        .elapsed_ns = model->elapsed_ns,
        .bytes = bytes,
    };
    atomic_init(&snapshot->references, 1);
    return snapshot;
}

const struct eye_snapshot *eye_snapshot_at(const struct eye_snapshot *snapshot, uint64_t time_ns)
{
    struct eye_snapshot *moved = make_like(snapshot, snapshot->count);
    if (moved == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        copy_point(moved, &snapshot->points[i]);
    }
    moved->time_ns = time_ns;
    return moved;
}

int eye_snapshot_gone(const struct eye_snapshot *now, const struct eye_snapshot *before,
                      const struct eye_snapshot **ret_gone)
{
    size_t count = count_gone(now, before);
    if (count == 0) {
        *ret_gone = NULL;
        return 0;
    }
    struct eye_snapshot *gone = make_like(now, count);
    if (gone == NULL) {
        return -ENOMEM;
    }
    size_t now_index = 0;
    size_t index = 0;
    const struct eye_point *point = next_gone(now, &now_index, before, &index);
    for (; point != NULL; point = next_gone(now, &now_index, before, &index)) {
        assert(gone->count < count); /* the same walk as count_gone()'s */
        copy_point(gone, point);
    }
    *ret_gone = gone;
    return 0;
}
