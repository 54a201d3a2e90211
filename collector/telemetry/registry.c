/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry holds, and how a series comes in and goes. */
#include "collector/telemetry/registry.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/telemetry/series_key.h"

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
    registry->rules.limits = &registry->limits;
    registry->rules.sequence = 1;
    registry->next_id = 1;
    init_scratch(registry);
    registry->self = eye_group_new(registry, NULL, 0);
    if (registry->self == NULL) {
        eye_registry_free(registry);
        return NULL;
    }
    return registry;
}

void eye_registry_set_limits(struct eye_registry *registry, const struct eye_limits *limits)
{
    assert(limits->series_per_metric > 0);
    registry->limits = *limits;
    registry->generation++; /* what was refused may have room now */
}

static void free_metric(struct eye_metric_state *state)
{
    while (state->first != NULL) {
        struct eye_series *series = state->first;
        state->first = series->next;
        eye_series_free(series);
    }
    eye_budget_done(&state->budget);
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

static void append_series(struct eye_metric_state *state, struct eye_series *series)
{
    series->previous = state->last;
    if (state->last == NULL) {
        state->first = series;
    } else {
        state->last->next = series;
    }
    state->last = series;
}

/* Counted in the table and, if there is one, in the budget. */
static int enter_series(struct eye_registry *registry, struct eye_series *series, uint64_t hash)
{
    struct eye_budget *budget = &registry->metrics[series->metric->id].budget;
    if (eye_table_insert(&registry->series, hash, series) != 0) {
        return -ENOMEM;
    }
    if (!eye_metric_has_budget(series->metric)) {
        budget->series++;
        return 0;
    }
    int result = eye_budget_add(budget, &registry->rules, series);
    if (result != 0) {
        eye_table_remove(&registry->series, hash, series);
    }
    return result;
}

struct eye_series *eye_registry_add(struct eye_registry *registry, const struct eye_series_key *key,
                                    uint64_t hash)
{
    struct eye_metric_state *state = &registry->metrics[key->metric->id];
    struct eye_series *series = calloc(1, sizeof(*series));
    if (series == NULL) {
        return NULL;
    }
    series->metric = key->metric;
    series->lost = &registry->lost;
    series->chosen = key->choice != EYE_CHOICE_OURS;
    series->volume_bytes = (uint32_t)eye_series_volume(key->metric, key->tags, key->count);
    series->tags = eye_tag_set_new(key->tags, key->count);
    if (series->tags == NULL || enter_series(registry, series, hash) != 0) {
        eye_series_free(series);
        return NULL;
    }
    series->id = registry->next_id++;
    series->changed = true;
    append_series(state, series);
    if (eye_series_key_others(key) == key->count) {
        state->overflow = series;
    }
    return series;
}

static void leave_budget(struct eye_registry *registry, struct eye_series *series)
{
    struct eye_budget *budget = &registry->metrics[series->metric->id].budget;
    if (eye_metric_has_budget(series->metric)) {
        eye_budget_remove(budget, &registry->rules, series);
    } else {
        budget->series--;
    }
}

void eye_series_remove(struct eye_registry *registry, struct eye_series *series)
{
    struct eye_metric_state *state = &registry->metrics[series->metric->id];
    struct eye_series_key key = {.metric = series->metric, .count = series->tags->count};
    memcpy(key.tags, series->tags->tags, key.count * sizeof(key.tags[0]));
    eye_table_remove(&registry->series, eye_series_key_hash(&key), series);
    leave_budget(registry, series);
    *(series->previous == NULL ? &state->first : &series->previous->next) = series->next;
    *(series->next == NULL ? &state->last : &series->next->previous) = series->previous;
    state->overflow = state->overflow == series ? NULL : state->overflow;
    registry->generation++;
    eye_series_free(series);
}

uint64_t eye_registry_generation(const struct eye_registry *registry)
{
    return registry->generation;
}

uint64_t eye_registry_lost(const struct eye_registry *registry)
{
    return registry->lost;
}

struct eye_series *eye_registry_first(const struct eye_registry *registry,
                                      enum eye_metric_id metric)
{
    return registry->metrics[metric].first;
}

size_t eye_registry_count(const struct eye_registry *registry, enum eye_metric_id metric)
{
    return registry->metrics[metric].budget.series;
}
