/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-up of series, and what becomes of one that is not there yet.
 *
 * Ordinary series take up to three quarters of the budget, those with an __other__ tag up to all
 * but one place, and that last place is for a series whose tags are all __other__. Once it is
 * taken, series that find no place are counted there, even if they carry other tags. So overflow
 * always has somewhere to go, and the metric never holds more series than its budget. Only when
 * the budget is made smaller than what the metric holds, the last place is beyond it.
 */
#include <stdlib.h>

#include "collector/base/base.h"
#include "collector/telemetry/expiry.h"
#include "collector/telemetry/series_key.h"

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

/* Counts the overflow under the daemon's own metric, which has no budget and so no overflow. */
static void count_overflow(struct eye_registry *registry, const struct eye_metric *metric,
                           enum eye_tag tag, const char *limit)
{
    const struct eye_tag_value tags[] = {
        {EYE_TAG_METRIC, metric->name},
        {EYE_TAG_TAG, eye_tag_info(tag)->name},
        {EYE_TAG_LIMIT, limit},
    };
    eye_counter_add(
        eye_group_series(registry->self, EYE_METRIC_SELF_OVERFLOW, tags, EYE_ARRAY_LENGTH(tags)),
        1);
}

/* @service: whose share of @limit it is, EYE_ANYBODY for the metric's. */
static void replace_tag(struct eye_registry *registry, struct eye_series_key *key, uint32_t index,
                        uint64_t service, const char *limit)
{
    struct eye_budget *budget = &registry->metrics[key->metric->id].budget;
    eye_budget_note_refusal(budget, &registry->rules, service);
    count_overflow(registry, key->metric, key->tags[index].tag, limit);
    key->tags[index].value = EYE_TAG_OTHER;
    if (key->tags[index].tag == EYE_TAG_SERVICE) {
        eye_series_key_note_service(key);
    }
}

/* Whose series have to make room for the value of this tag. */
static uint64_t who_fills(const struct eye_series_key *key, uint32_t index)
{
    bool chosen = key->tags[index].tag == key->chosen && key->choice != EYE_CHOICE_OURS;
    return chosen ? key->service : EYE_ANYBODY;
}

static enum eye_answer ask_value(struct eye_registry *registry, const struct eye_series_key *key,
                                 uint32_t index)
{
    const struct eye_tag_value *tag = &key->tags[index];
    return eye_budget_ask_value(&registry->metrics[key->metric->id].budget, &registry->rules,
                                key->metric->id, tag, key->service,
                                tag->tag == key->chosen ? key->choice : EYE_CHOICE_OURS);
}

static bool takes_value(struct eye_registry *registry, const struct eye_series_key *key,
                        uint32_t index)
{
    enum eye_answer answer = ask_value(registry, key, index);
    if (answer != EYE_ANSWER_YES &&
        eye_registry_make_room(registry, key->metric->id, who_fills(key, index),
                               answer == EYE_ANSWER_NOT_YET)) {
        answer = ask_value(registry, key, index);
    }
    return answer == EYE_ANSWER_YES;
}

/* New values that find no place become __other__. By tag: the service's comes before those that
 * its clients choose, which belong to what it is then. */
static void apply_value_budgets(struct eye_registry *registry, struct eye_series_key *key)
{
    for (uint32_t i = 0; eye_metric_has_budget(key->metric) && i < key->count; i++) {
        if (!eye_tag_is_other(&key->tags[i]) && !takes_value(registry, key, i)) {
            replace_tag(registry, key, i, who_fills(key, i), EYE_LIMIT_TAG_VALUES);
        }
    }
}

/* Index of the tag with most values that is not __other__ yet, @spared only when it is the last
 * one; key->count when all are. */
static uint32_t widest_tag(const struct eye_budget *budget, const struct eye_series_key *key,
                           enum eye_tag spared)
{
    uint32_t widest = key->count;
    for (uint32_t i = 0; i < key->count; i++) {
        if (!eye_tag_is_other(&key->tags[i]) &&
            (widest == key->count || key->tags[widest].tag == spared ||
             (key->tags[i].tag != spared &&
              budget->distinct[key->tags[i].tag] > budget->distinct[key->tags[widest].tag]))) {
            widest = i;
        }
    }
    return widest;
}

enum verdict { VERDICT_FITS, VERDICT_SERVICE_IS_FULL, VERDICT_METRIC_IS_FULL };

static enum verdict judge(const struct eye_registry *registry, const struct eye_series_key *key)
{
    const struct eye_budget *budget = &registry->metrics[key->metric->id].budget;
    const struct eye_claim claim = {
        .service = key->service,
        .owned = key->owned,
        .others = eye_series_key_others(key),
        .count = key->count,
        .volume_bytes = eye_series_volume(key->metric, key->tags, key->count),
    };
    if (!eye_metric_has_budget(key->metric)) {
        return VERDICT_FITS;
    }
    if (!eye_budget_takes_share(budget, &registry->rules, &claim)) {
        return VERDICT_SERVICE_IS_FULL;
    }
    return eye_budget_takes_series(budget, &registry->rules, &claim) ? VERDICT_FITS
                                                                     : VERDICT_METRIC_IS_FULL;
}

static enum verdict judge_after_making_room(struct eye_registry *registry,
                                            const struct eye_series_key *key)
{
    enum verdict verdict = judge(registry, key);
    if (verdict != VERDICT_FITS &&
        eye_registry_make_room(registry, key->metric->id,
                               verdict == VERDICT_SERVICE_IS_FULL ? key->service : EYE_ANYBODY,
                               false)) {
        verdict = judge(registry, key);
    }
    return verdict;
}

static struct eye_series *find_series(const struct eye_registry *registry,
                                      const struct eye_series_key *key, uint64_t hash)
{
    return eye_table_find(&registry->series, hash, eye_series_key_matches, key);
}

static struct eye_series *lose(struct eye_registry *registry, enum eye_metric_id metric)
{
    registry->lost++;
    return &registry->scratch[metric];
}

static struct eye_series *add_series(struct eye_registry *registry,
                                     const struct eye_series_key *key, uint64_t hash)
{
    struct eye_series *series = eye_registry_add(registry, key, hash);
    return series == NULL ? lose(registry, key->metric->id) : series;
}

/* The series of a key that is not there yet, or of the one that it becomes by the budgets. */
static struct eye_series *make_series(struct eye_registry *registry, struct eye_series_key *key)
{
    enum eye_metric_id metric = key->metric->id;
    eye_series_key_note_service(key);
    apply_value_budgets(registry, key);
    for (;;) {
        uint64_t hash = eye_series_key_hash(key);
        struct eye_series *series = find_series(registry, key, hash);
        if (series != NULL) {
            return series;
        }
        enum verdict verdict = judge_after_making_room(registry, key);
        if (verdict == VERDICT_FITS) {
            return add_series(registry, key, hash);
        }
        uint32_t widest =
            widest_tag(&registry->metrics[metric].budget, key,
                       verdict == VERDICT_SERVICE_IS_FULL ? EYE_TAG_SERVICE : EYE_TAG_COUNT);
        if (widest == key->count) {
            series = registry->metrics[metric].overflow;
            return series == NULL ? add_series(registry, key, hash) : series;
        }
        replace_tag(registry, key, widest,
                    verdict == VERDICT_SERVICE_IS_FULL ? key->service : EYE_ANYBODY,
                    EYE_LIMIT_SERIES);
    }
}

struct eye_series *eye_group_series_chosen(struct eye_group *group, enum eye_metric_id metric,
                                           const struct eye_tag_value *tags, size_t count,
                                           enum eye_tag chosen, enum eye_choice choice)
{
    struct eye_series_key key;
    eye_series_key_make(&key, group->tags, metric, tags, count);
    key.chosen = chosen;
    key.choice = choice;
    struct eye_series *series = find_series(group->registry, &key, eye_series_key_hash(&key));
    return series != NULL ? series : make_series(group->registry, &key);
}

struct eye_series *eye_group_series(struct eye_group *group, enum eye_metric_id metric,
                                    const struct eye_tag_value *tags, size_t count)
{
    return eye_group_series_chosen(group, metric, tags, count, EYE_TAG_COUNT, EYE_CHOICE_OURS);
}

bool eye_group_knows(const struct eye_group *group, enum eye_metric_id metric, const char *service,
                     enum eye_tag tag, const char *value)
{
    return eye_budget_knows(&group->registry->metrics[metric].budget, tag,
                            eye_value_hash(tag, value), eye_value_hash(EYE_TAG_SERVICE, service));
}

uint32_t eye_group_chosen(const struct eye_group *group, enum eye_metric_id metric,
                          const char *service, enum eye_tag tag)
{
    return eye_budget_chosen(&group->registry->metrics[metric].budget, tag,
                             eye_value_hash(EYE_TAG_SERVICE, service));
}
