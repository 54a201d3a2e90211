/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry, groups and series with their budgets.
 *
 * Budgets of one metric: ordinary series take up to three quarters of the budget, those with an
 * __other__ tag up to all but one place, and that last place is for a series whose tags are all
 * __other__. Once it is taken, series that find no place are counted there, even if they carry
 * other tags. So overflow always has somewhere to go, and the metric never holds more series than
 * its budget.
 */
#include "collector/telemetry/telemetry.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/table.h"

/* How many series of one metric use one value of one tag. */
struct value_use {
    uint64_t hash;
    enum eye_tag tag;
    uint32_t series;
};

struct metric_state {
    struct eye_series *first;
    struct eye_series *last;
    struct eye_series *overflow; /* youngest whose tags are all __other__; not NULL when full */
    uint32_t count;
    uint32_t distinct[EYE_TAG_COUNT]; /* values in use, by tag */
    struct eye_table values;          /* struct value_use */
};

struct eye_group {
    struct eye_registry *registry;
    struct eye_group *next;
    size_t tag_count;
    struct eye_tag_set *tags; /* NULL when it has none */
};

struct eye_registry {
    struct eye_limits limits;
    struct eye_group *groups;
    struct eye_table series; /* struct eye_series by metric and tags */
    struct metric_state metrics[EYE_METRIC_COUNT];
    uint64_t next_id;
    uint64_t sequence; /* of the snapshot to come */
    uint64_t generation;
    uint64_t lost;
    uint64_t expired;
    struct eye_group *self;                      /* for the counters about series */
    struct eye_series scratch[EYE_METRIC_COUNT]; /* where values go when memory is out */
};

/* What a series is looked up by. */
struct series_key {
    const struct eye_metric *metric;
    uint32_t count;
    struct eye_tag_value tags[EYE_TAG_COUNT]; /* sorted by tag */
};

static void init_scratch(struct eye_registry *registry)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        struct eye_series *scratch = &registry->scratch[i];
        scratch->metric = eye_metric((enum eye_metric_id)i);
        scratch->lost = &registry->lost;
        scratch->changed = true;
    }
}

struct eye_registry *eye_registry_new(const struct eye_limits *limits)
{
    struct eye_registry *registry = calloc(1, sizeof(*registry));
    if (registry == NULL) {
        return NULL;
    }
    assert(limits->series_per_metric > 0);
    registry->limits = *limits;
    registry->sequence = 1;
    registry->next_id = 1;
    init_scratch(registry);
    registry->self = eye_group_new(registry, NULL, 0);
    if (registry->self == NULL) {
        eye_registry_free(registry);
        return NULL;
    }
    return registry;
}

static void free_series(struct eye_series *series)
{
    if (series->metric->kind == EYE_DISTRIBUTION) {
        eye_distribution_done(&series->distribution);
        eye_distribution_unref(series->frozen);
    }
    eye_tag_set_unref(series->tags);
    free(series);
}

static void free_metric(struct metric_state *state)
{
    while (state->first != NULL) {
        struct eye_series *series = state->first;
        state->first = series->next;
        free_series(series);
    }
    struct value_use *use;
    eye_table_for_each (&state->values, use) {
        free(use);
    }
    eye_table_done(&state->values);
}

void eye_registry_free(struct eye_registry *registry)
{
    if (registry == NULL) {
        return;
    }
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        free_metric(&registry->metrics[i]);
        if (registry->scratch[i].metric->kind == EYE_DISTRIBUTION) {
            eye_distribution_done(&registry->scratch[i].distribution);
        }
    }
    eye_table_done(&registry->series);
    while (registry->groups != NULL) {
        struct eye_group *group = registry->groups;
        registry->groups = group->next;
        eye_tag_set_unref(group->tags);
        free(group);
    }
    free(registry);
}

struct eye_group *eye_group_new(struct eye_registry *registry, const struct eye_tag_value *tags,
                                size_t count)
{
    struct eye_group *group = calloc(1, sizeof(*group));
    if (group == NULL) {
        return NULL;
    }
    group->registry = registry;
    if (count > 0) {
        group->tags = eye_tag_set_new(tags, count);
        if (group->tags == NULL) {
            free(group);
            return NULL;
        }
    }
    group->next = registry->groups;
    registry->groups = group;
    return group;
}

static void add_tag(struct series_key *key, const struct eye_tag_value *tag)
{
    if (tag->value == NULL) {
        return;
    }
    assert((key->metric->tags & (UINT32_C(1) << tag->tag)) != 0);
    uint32_t place = key->count++;
    for (; place > 0 && key->tags[place - 1].tag > tag->tag; place--) {
        key->tags[place] = key->tags[place - 1];
    }
    key->tags[place] = *tag;
}

static void make_key(struct series_key *key, const struct eye_group *group,
                     enum eye_metric_id metric, const struct eye_tag_value *tags, size_t count)
{
    key->metric = eye_metric(metric);
    key->count = 0;
    for (uint32_t i = 0; group->tags != NULL && i < group->tags->count; i++) {
        add_tag(key, &group->tags->tags[i]);
    }
    for (size_t i = 0; i < count; i++) {
        add_tag(key, &tags[i]);
    }
}

static uint64_t hash_value(enum eye_tag tag, const char *value)
{
    uint64_t mixed = eye_hash_bytes(value, strnlen(value, EYE_TAG_VALUE_MAX_BYTES));
    return mixed ^ (((uint64_t)tag + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t hash_key(const struct series_key *key)
{
    uint64_t hash = (uint64_t)key->metric->id;
    for (uint32_t i = 0; i < key->count; i++) {
        hash = (hash ^ hash_value(key->tags[i].tag, key->tags[i].value)) *
               UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    return hash;
}

static bool series_matches(const void *item, const void *wanted)
{
    const struct eye_series *series = item;
    const struct series_key *key = wanted;
    if (series->metric != key->metric || series->tags->count != key->count) {
        return false;
    }
    for (uint32_t i = 0; i < key->count; i++) {
        const struct eye_tag_value *have = &series->tags->tags[i];
        if (have->tag != key->tags[i].tag ||
            strncmp(have->value, key->tags[i].value, EYE_TAG_VALUE_MAX_BYTES) != 0) {
            return false;
        }
    }
    return true;
}

static bool value_matches(const void *item, const void *wanted)
{
    const struct value_use *use = item;
    const struct value_use *key = wanted;
    return use->hash == key->hash && use->tag == key->tag;
}

static struct value_use *find_value(const struct metric_state *state, enum eye_tag tag,
                                    const char *value)
{
    struct value_use key = {.hash = hash_value(tag, value), .tag = tag};
    return eye_table_find(&state->values, key.hash, value_matches, &key);
}

static int use_value(struct metric_state *state, enum eye_tag tag, const char *value)
{
    struct value_use *use = find_value(state, tag, value);
    if (use != NULL) {
        use->series++;
        return 0;
    }
    use = calloc(1, sizeof(*use));
    if (use == NULL) {
        return -ENOMEM;
    }
    *use = (struct value_use){.hash = hash_value(tag, value), .tag = tag, .series = 1};
    if (eye_table_insert(&state->values, use->hash, use) != 0) {
        free(use);
        return -ENOMEM;
    }
    state->distinct[tag]++;
    return 0;
}

static void release_value(struct metric_state *state, enum eye_tag tag, const char *value)
{
    struct value_use *use = find_value(state, tag, value);
    if (use != NULL && --use->series == 0) {
        eye_table_remove(&state->values, use->hash, use);
        state->distinct[tag]--;
        free(use);
    }
}

static void release_values(struct metric_state *state, const struct eye_tag_set *tags,
                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        release_value(state, tags->tags[i].tag, tags->tags[i].value);
    }
}

static int use_values(struct metric_state *state, const struct eye_tag_set *tags)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        if (use_value(state, tags->tags[i].tag, tags->tags[i].value) != 0) {
            release_values(state, tags, i);
            return -ENOMEM;
        }
    }
    return 0;
}

static void append_series(struct metric_state *state, struct eye_series *series)
{
    series->previous = state->last;
    if (state->last == NULL) {
        state->first = series;
    } else {
        state->last->next = series;
    }
    state->last = series;
    state->count++;
}

static bool is_other(const struct eye_tag_value *tag)
{
    return strcmp(tag->value, EYE_TAG_OTHER) == 0;
}

static uint32_t count_others(const struct series_key *key)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < key->count; i++) {
        others += is_other(&key->tags[i]) ? 1 : 0;
    }
    return others;
}

static struct eye_series *new_series(struct eye_registry *registry, const struct series_key *key,
                                     uint64_t hash)
{
    struct metric_state *state = &registry->metrics[key->metric->id];
    struct eye_series *series = calloc(1, sizeof(*series));
    if (series == NULL) {
        return NULL;
    }
    series->metric = key->metric;
    series->lost = &registry->lost;
    series->tags = eye_tag_set_new(key->tags, key->count);
    if (series->tags == NULL || use_values(state, series->tags) != 0) {
        free_series(series);
        return NULL;
    }
    if (eye_table_insert(&registry->series, hash, series) != 0) {
        release_values(state, series->tags, series->tags->count);
        free_series(series);
        return NULL;
    }
    series->id = registry->next_id++;
    series->changed = true;
    append_series(state, series);
    if (count_others(key) == key->count) {
        state->overflow = series;
    }
    return series;
}

/* Counts the overflow under the daemon's own metric, which has no budget and so no overflow. */
static void count_overflow(struct eye_registry *registry, const struct eye_metric *metric,
                           enum eye_tag tag)
{
    const struct eye_tag_value tags[] = {
        {EYE_TAG_METRIC, metric->name},
        {EYE_TAG_TAG, eye_tag_info(tag)->name},
    };
    eye_counter_add(eye_group_series(registry->self, EYE_METRIC_SELF_OVERFLOW, tags, 2), 1);
}

static void replace_tag(struct eye_registry *registry, struct series_key *key, uint32_t index)
{
    count_overflow(registry, key->metric, key->tags[index].tag);
    key->tags[index].value = EYE_TAG_OTHER;
}

/* The daemon's own tags (programs, reasons, metrics, exporters) are few by construction: however
 * small the user's budgets are, its health stays visible. */
static bool has_budget(const struct eye_metric *metric)
{
    return strncmp(metric->name, "sockeye.", strlen("sockeye.")) != 0;
}

/* New values of tags that have used up their budget become __other__. */
static void apply_value_budgets(struct eye_registry *registry, struct series_key *key)
{
    const struct metric_state *state = &registry->metrics[key->metric->id];
    if (!has_budget(key->metric)) {
        return;
    }
    for (uint32_t i = 0; i < key->count; i++) {
        enum eye_tag tag = key->tags[i].tag;
        if (state->distinct[tag] >= registry->limits.values_per_tag &&
            find_value(state, tag, key->tags[i].value) == NULL && !is_other(&key->tags[i])) {
            replace_tag(registry, key, i);
        }
    }
}

/* Index of the tag with most values that is not __other__ yet; key->count when all are. */
static uint32_t widest_tag(const struct metric_state *state, const struct series_key *key)
{
    uint32_t widest = key->count;
    for (uint32_t i = 0; i < key->count; i++) {
        if (!is_other(&key->tags[i]) &&
            (widest == key->count ||
             state->distinct[key->tags[i].tag] > state->distinct[key->tags[widest].tag])) {
            widest = i;
        }
    }
    return widest;
}

static bool fits(const struct eye_registry *registry, const struct series_key *key)
{
    uint32_t budget = registry->limits.series_per_metric;
    if (!has_budget(key->metric)) {
        return true;
    }
    uint32_t count = registry->metrics[key->metric->id].count;
    uint32_t others = count_others(key);
    if (others == key->count) {
        return count < budget;
    }
    return count + 1 < budget && (others > 0 || count < budget - budget / 4);
}

static struct eye_series *find_series(const struct eye_registry *registry,
                                      const struct series_key *key, uint64_t hash)
{
    return eye_table_find(&registry->series, hash, series_matches, key);
}

static struct eye_series *lose(struct eye_registry *registry, enum eye_metric_id metric)
{
    registry->lost++;
    return &registry->scratch[metric];
}

struct eye_series *eye_group_series(struct eye_group *group, enum eye_metric_id metric,
                                    const struct eye_tag_value *tags, size_t count)
{
    struct eye_registry *registry = group->registry;
    struct series_key key;
    make_key(&key, group, metric, tags, count);
    uint64_t hash = hash_key(&key);
    struct eye_series *series = find_series(registry, &key, hash);
    if (series != NULL) {
        return series;
    }
    apply_value_budgets(registry, &key);
    for (;;) {
        hash = hash_key(&key);
        series = find_series(registry, &key, hash);
        if (series != NULL) {
            return series;
        }
        if (fits(registry, &key)) {
            series = new_series(registry, &key, hash);
            return series == NULL ? lose(registry, metric) : series;
        }
        uint32_t widest = widest_tag(&registry->metrics[metric], &key);
        if (widest == key.count) {
            return registry->metrics[metric].overflow;
        }
        replace_tag(registry, &key, widest);
    }
}

uint64_t eye_registry_generation(const struct eye_registry *registry)
{
    return registry->generation;
}

uint64_t eye_registry_lost(const struct eye_registry *registry)
{
    return registry->lost;
}

void eye_counter_add(struct eye_series *series, uint64_t amount)
{
    assert(series->metric->kind == EYE_COUNTER);
    series->counter += amount;
    series->changed |= amount != 0;
}

void eye_counter_set(struct eye_series *series, uint64_t total)
{
    series->kept_elsewhere = true;
    if (total > series->counter) {
        eye_counter_add(series, total - series->counter);
    }
}

void eye_gauge_set(struct eye_series *series, double value)
{
    assert(series->metric->kind == EYE_GAUGE);
    series->changed |= series->gauge != value;
    series->gauge = value;
}

void eye_gauge_add(struct eye_series *series, double amount)
{
    eye_gauge_set(series, series->gauge + amount);
}

void eye_distribution_add(struct eye_series *series, double value, uint64_t weight)
{
    assert(series->metric->kind == EYE_DISTRIBUTION);
    if (eye_distribution_record(&series->distribution, value, weight) == 0) {
        series->changed = true;
    } else {
        ++*series->lost;
    }
}

void eye_series_remove(struct eye_registry *registry, struct eye_series *series)
{
    struct metric_state *state = &registry->metrics[series->metric->id];
    struct series_key key = {.metric = series->metric, .count = series->tags->count};
    memcpy(key.tags, series->tags->tags, key.count * sizeof(key.tags[0]));
    eye_table_remove(&registry->series, hash_key(&key), series);
    release_values(state, series->tags, series->tags->count);
    *(series->previous == NULL ? &state->first : &series->previous->next) = series->next;
    *(series->next == NULL ? &state->last : &series->next->previous) = series->previous;
    state->overflow = state->overflow == series ? NULL : state->overflow;
    state->count--;
    registry->generation++;
    free_series(series);
}

static bool may_expire(const struct eye_series *series)
{
    return !series->kept_elsewhere && (series->metric->kind != EYE_GAUGE || series->gauge == 0);
}

static void close_series(struct eye_registry *registry, struct eye_series *series, uint64_t now_ns,
                         uint64_t delivered_sequence)
{
    if (series->changed) {
        series->changed = false;
        series->changed_sequence = registry->sequence;
        series->changed_ns = now_ns;
        if (series->metric->kind == EYE_DISTRIBUTION) {
            eye_distribution_unref(series->frozen);
            series->frozen = NULL;
        }
    } else if (now_ns - series->changed_ns >= registry->limits.idle_ns &&
               series->changed_sequence <= delivered_sequence && may_expire(series)) {
        registry->expired++;
        eye_series_remove(registry, series);
    }
}

void eye_registry_close_interval(struct eye_registry *registry, uint64_t sequence, uint64_t now_ns,
                                 uint64_t delivered_sequence)
{
    registry->sequence = sequence;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        struct eye_series *series = registry->metrics[i].first;
        while (series != NULL) {
            struct eye_series *next = series->next;
            close_series(registry, series, now_ns, delivered_sequence);
            series = next;
        }
    }
    if (registry->expired > 0) {
        eye_counter_set(eye_group_series(registry->self, EYE_METRIC_SELF_EXPIRED, NULL, 0),
                        registry->expired);
    }
}

struct eye_series *eye_registry_first(const struct eye_registry *registry,
                                      enum eye_metric_id metric)
{
    return registry->metrics[metric].first;
}

size_t eye_registry_count(const struct eye_registry *registry, enum eye_metric_id metric)
{
    return registry->metrics[metric].count;
}
