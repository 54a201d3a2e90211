/* SPDX-License-Identifier: Apache-2.0 */
/* Following the series from snapshot to snapshot: both are sorted, so one walk matches them. */
#include "exporters/encode/identities.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"

/* What an identity needs behind its struct: the text and a NUL. */
static size_t bytes_for(size_t length)
{
    return sizeof(struct eye_identity) + length + 1;
}

void eye_identities_init(struct eye_identities *identities, eye_identity_write *write,
                         void *context, const bool *wanted, size_t max_bytes)
{
    *identities = (struct eye_identities){.write = write, .context = context, .wanted = wanted};
    eye_text_init(&identities->scratch, max_bytes);
}

static void free_all(struct eye_identities *identities)
{
    for (size_t i = 0; i < identities->count; i++) {
        free(identities->all[i]);
    }
    identities->count = 0;
    identities->collisions = 0;
    identities->freed = false;
    eye_table_clear(&identities->owners);
}

void eye_identities_done(struct eye_identities *identities)
{
    free_all(identities);
    free(identities->all);
    free(identities->next);
    eye_table_done(&identities->owners);
    eye_text_done(&identities->scratch);
    *identities = (struct eye_identities){0};
}

/* ---- One identity ---- */

static bool has_same_text(const void *item, const void *key)
{
    const struct eye_identity *a = item;
    const struct eye_identity *b = key;
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/*
 * Takes the text for @identity, or marks that another has it, or may have: a text that was set free
 * on this walk belongs to the oldest series that waits for it.
 */
static int claim(struct eye_identities *identities, struct eye_identity *identity)
{
    bool waiting = identities->freed && identities->collisions > 0;
    if (waiting ||
        eye_table_find(&identities->owners, identity->hash, has_same_text, identity) != NULL) {
        identity->collides = true;
        identities->collisions++;
        return 0;
    }
    identity->collides = false;
    return eye_table_insert(&identities->owners, identity->hash, identity);
}

/* When a series that @snapshot has first began: after the snapshot before; by the present time of a
 * wall clock that was set back. */
static uint64_t begin_of_new(const struct eye_identities *identities,
                             const struct eye_snapshot *snapshot)
{
    if (identities->time_ns <= snapshot->time_ns) {
        return identities->time_ns;
    }
    return snapshot->time_ns > snapshot->interval_ns ? snapshot->time_ns - snapshot->interval_ns
                                                     : 0;
}

static struct eye_identity *make(struct eye_identities *identities, const struct eye_point *point,
                                 uint64_t since_ns)
{
    struct eye_text *text = &identities->scratch;
    uint32_t split = 0;
    eye_text_clear(text);
    identities->write(identities->context, point, text, &split);
    bool too_long = text->failed;
    size_t length = too_long ? 0 : text->length;
    struct eye_identity *identity = malloc(bytes_for(length));
    if (identity == NULL) {
        return NULL;
    }
    *identity = (struct eye_identity){
        .series = point->id,
        .metric = (uint32_t)point->metric->id,
        .length = (uint32_t)length,
        .split = split,
        .too_long = too_long,
        .hash = eye_hash_bytes(eye_text_string(text), length),
        .since_ns = since_ns,
    };
    memcpy(identity->text, eye_text_string(text), length);
    identity->text[length] = '\0';
    if (!too_long && claim(identities, identity) != 0) {
        free(identity);
        return NULL;
    }
    return identity;
}

static void discard(struct eye_identities *identities, struct eye_identity *identity)
{
    if (identity == NULL) {
        return;
    }
    if (identity->collides) {
        identities->collisions--;
    } else if (!identity->too_long) {
        eye_table_remove(&identities->owners, identity->hash, identity);
        identities->freed = true;
    }
    free(identity);
}

/* ---- From one snapshot to the next ---- */

static int grow(struct eye_identities *identities, size_t count)
{
    if (count <= identities->capacity) {
        return 0;
    }
    struct eye_identity **all = realloc(identities->all, count * sizeof(struct eye_identity *));
    if (all != NULL) {
        identities->all = all;
    }
    struct eye_identity **next = realloc(identities->next, count * sizeof(struct eye_identity *));
    if (next != NULL) {
        identities->next = next;
    }
    if (all == NULL || next == NULL) {
        return -ENOMEM;
    }
    identities->capacity = count;
    return 0;
}

/* < 0: the identity's series comes before the point's. */
static int compare(const struct eye_identity *identity, const struct eye_point *point)
{
    uint32_t metric = (uint32_t)point->metric->id;
    if (identity->metric != metric) {
        return identity->metric < metric ? -1 : 1;
    }
    return identity->series < point->id ? -1 : identity->series > point->id;
}

/*
 * Keeps in all[] what the walk has not come to, NULL where it was moved to next[]; slots of metrics
 * that are not wanted are NULL in both.
 */
static struct eye_identity *take_old(struct eye_identities *identities, size_t *at,
                                     const struct eye_point *point)
{
    for (; *at < identities->count; (*at)++) {
        struct eye_identity *old = identities->all[*at];
        int order = old == NULL ? -1 : compare(old, point);
        if (order > 0) {
            return NULL;
        }
        identities->all[*at] = NULL;
        if (order == 0) {
            (*at)++;
            return old;
        }
        discard(identities, old);
    }
    return NULL;
}

/* A text whose owner is gone goes to the oldest series that wants it. */
static int settle_collisions(struct eye_identities *identities)
{
    if (!identities->freed || identities->collisions == 0) {
        identities->freed = false;
        return 0;
    }
    identities->collisions = 0;
    identities->freed = false;
    for (size_t i = 0; i < identities->count; i++) {
        struct eye_identity *identity = identities->all[i];
        if (identity != NULL && identity->collides && claim(identities, identity) != 0) {
            identities->freed = true;
            return -ENOMEM;
        }
    }
    return 0;
}

static void swap_lists(struct eye_identities *identities, size_t count)
{
    struct eye_identity **old = identities->all;
    identities->all = identities->next;
    identities->next = old;
    identities->count = count;
}

static int walk(struct eye_identities *identities, const struct eye_snapshot *snapshot)
{
    uint64_t since_ns = begin_of_new(identities, snapshot);
    size_t at = 0;
    size_t done = 0;
    for (; done < snapshot->count; done++) {
        const struct eye_point *point = &snapshot->points[done];
        identities->next[done] = NULL;
        if (!identities->wanted[point->metric->id]) {
            continue;
        }
        struct eye_identity *identity = take_old(identities, &at, point);
        identity = identity != NULL ? identity : make(identities, point, since_ns);
        if (identity == NULL) {
            break;
        }
        if (identity->since_ns > snapshot->time_ns) {
            identity->since_ns = snapshot->time_ns;
        }
        identities->next[done] = identity;
    }
    for (; at < identities->count; at++) {
        discard(identities, identities->all[at]);
    }
    swap_lists(identities, done);
    return done == snapshot->count ? settle_collisions(identities) : -ENOMEM;
}

int eye_identities_follow(struct eye_identities *identities, const struct eye_snapshot *snapshot)
{
    if (snapshot->start_ns != identities->start_ns) {
        free_all(identities);
        identities->start_ns = snapshot->start_ns;
        identities->time_ns = snapshot->start_ns;
    } else if (snapshot->sequence == identities->sequence) {
        return 0;
    }
    identities->sequence = 0;
    int result = grow(identities, snapshot->count);
    if (result == 0) {
        result = walk(identities, snapshot);
    }
    if (result == 0) {
        identities->sequence = snapshot->sequence;
        identities->time_ns = snapshot->time_ns;
    }
    return result;
}

int eye_identities_prepare(struct eye_identities *identities, const struct eye_snapshot *now,
                           struct eye_export_failure *failure)
{
    int result = eye_identities_follow(identities, now);
    return result == 0 ? 0 : eye_export_fail(failure, result, EYE_EXPORT_OTHER, "out of memory");
}

int eye_identity_check(const struct eye_identity *identity)
{
    if (identity->collides) {
        return -EEXIST;
    }
    return identity->too_long ? -EMSGSIZE : 0;
}
