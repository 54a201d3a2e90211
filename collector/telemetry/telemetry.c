/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry, groups and series. What a metric may hold, and who of it: budget.h.
 *
 * Ordinary series take up to three quarters of the budget, those with an __other__ tag up to all
 * but one place, and that last place is for a series whose tags are all __other__. Once it is
 * taken, series that find no place are counted there, even if they carry other tags. So overflow
 * always has somewhere to go, and the metric never holds more series than its budget.
 */
#include "collector/telemetry/telemetry.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "collector/telemetry/budget.h"

/* Intervals without use after which a series that came in a crowd and was used in one interval
 * makes room. */
#define CROWD_INTERVALS 3

/* Newcomers are refused from 75 percent of a limit on, see eye_budget_fill(). */
#define FILL_RELAXED 50
#define FILL_CROWDED 75
#define FILL_FULL 95

/* The part of limits.idle_ns after which any series makes room. */
#define ROOM_IDLE_PART 5

struct metric_state {
    struct eye_series *first;
    struct eye_series *last;
    struct eye_series *overflow; /* youngest whose tags are all __other__; not NULL when full */
    struct eye_budget budget;
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
    struct eye_budget_rules rules;
    uint64_t closed_ns;          /* end of the last interval, monotonic */
    uint64_t delivered_sequence; /* by every exporter, when it ended */
    uint64_t next_id;
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
    enum eye_tag chosen; /* the tag that `choice` is about; EYE_TAG_COUNT: none */
    enum eye_choice choice;
    uint64_t service; /* hash of its service's name; set when the series is not there yet */
    bool owned;       /* it has a service */
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
    assert(eye_metric_has_tag(key->metric, tag->tag));
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
    key->chosen = EYE_TAG_COUNT;
    key->choice = EYE_CHOICE_OURS;
    for (uint32_t i = 0; group->tags != NULL && i < group->tags->count; i++) {
        add_tag(key, &group->tags->tags[i]);
    }
    for (size_t i = 0; i < count; i++) {
        add_tag(key, &tags[i]);
    }
}

static uint64_t hash_key(const struct series_key *key)
{
    uint64_t hash = (uint64_t)key->metric->id;
    for (uint32_t i = 0; i < key->count; i++) {
        hash = (hash ^ eye_value_hash(key->tags[i].tag, key->tags[i].value)) *
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

static void append_series(struct metric_state *state, struct eye_series *series)
{
    series->previous = state->last;
    if (state->last == NULL) {
        state->first = series;
    } else {
        state->last->next = series;
    }
    state->last = series;
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

static bool has_budget(const struct eye_metric *metric)
{
    return metric->bound == EYE_SERIES_BUDGETED;
}

/* Counted in the table and, if there is one, in the budget. */
static int enter_series(struct eye_registry *registry, struct eye_series *series, uint64_t hash)
{
    struct eye_budget *budget = &registry->metrics[series->metric->id].budget;
    if (eye_table_insert(&registry->series, hash, series) != 0) {
        return -ENOMEM;
    }
    if (!has_budget(series->metric)) {
        budget->series++;
        return 0;
    }
    int result = eye_budget_add(budget, &registry->rules, series);
    if (result != 0) {
        eye_table_remove(&registry->series, hash, series);
    }
    return result;
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
    series->chosen = key->choice != EYE_CHOICE_OURS;
    series->volume_bytes = (uint32_t)eye_series_volume(key->metric, key->tags, key->count);
    series->tags = eye_tag_set_new(key->tags, key->count);
    if (series->tags == NULL || enter_series(registry, series, hash) != 0) {
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

static void note_service(struct series_key *key)
{
    const char *service = NULL;
    for (uint32_t i = 0; i < key->count; i++) {
        service = key->tags[i].tag == EYE_TAG_SERVICE ? key->tags[i].value : service;
    }
    key->owned = service != NULL;
    key->service = eye_value_hash(EYE_TAG_SERVICE, service == NULL ? "" : service);
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

/* @service: whose limit it is, EYE_ANYBODY for the metric's. */
static void replace_tag(struct eye_registry *registry, struct series_key *key, uint32_t index,
                        uint64_t service)
{
    struct eye_budget *budget = &registry->metrics[key->metric->id].budget;
    eye_budget_note_refusal(budget, &registry->rules, service);
    count_overflow(registry, key->metric, key->tags[index].tag);
    key->tags[index].value = EYE_TAG_OTHER;
    if (key->tags[index].tag == EYE_TAG_SERVICE) {
        note_service(key);
    }
}

/* Whose series have to make room for the value of this tag. */
static uint64_t who_fills(const struct series_key *key, uint32_t index)
{
    bool chosen = key->tags[index].tag == key->chosen && key->choice != EYE_CHOICE_OURS;
    return chosen ? key->service : EYE_ANYBODY;
}

static enum eye_answer ask_value(struct eye_registry *registry, const struct series_key *key,
                                 uint32_t index)
{
    const struct eye_tag_value *tag = &key->tags[index];
    return eye_budget_ask_value(&registry->metrics[key->metric->id].budget, &registry->rules,
                                key->metric->id, tag, key->service,
                                tag->tag == key->chosen ? key->choice : EYE_CHOICE_OURS);
}

static void leave_budget(struct eye_registry *registry, struct eye_series *series)
{
    struct eye_budget *budget = &registry->metrics[series->metric->id].budget;
    if (has_budget(series->metric)) {
        eye_budget_remove(budget, &registry->rules, series);
    } else {
        budget->series--;
    }
}

void eye_series_remove(struct eye_registry *registry, struct eye_series *series)
{
    struct metric_state *state = &registry->metrics[series->metric->id];
    struct series_key key = {.metric = series->metric, .count = series->tags->count};
    memcpy(key.tags, series->tags->tags, key.count * sizeof(key.tags[0]));
    eye_table_remove(&registry->series, hash_key(&key), series);
    leave_budget(registry, series);
    *(series->previous == NULL ? &state->first : &series->previous->next) = series->next;
    *(series->next == NULL ? &state->last : &series->next->previous) = series->previous;
    state->overflow = state->overflow == series ? NULL : state->overflow;
    registry->generation++;
    free_series(series);
}

/* Nobody would miss it: every exporter has delivered its last value. */
static bool may_go(const struct eye_registry *registry, const struct eye_series *series)
{
    return !series->changed && !series->kept_elsewhere &&
           (series->metric->kind != EYE_GAUGE || series->gauge == 0) &&
           series->changed_sequence <= registry->delivered_sequence;
}

static void expire(struct eye_registry *registry, struct eye_series *series)
{
    registry->expired++;
    eye_series_remove(registry, series);
}

/* ---- room ---- */

static bool has_other(const struct eye_series *series)
{
    for (uint32_t i = 0; i < series->tags->count; i++) {
        if (is_other(&series->tags->tags[i])) {
            return true;
        }
    }
    return false;
}

static bool is_idle(const struct eye_registry *registry, const struct eye_series *series)
{
    return registry->closed_ns - series->changed_ns >= registry->limits.idle_ns / ROOM_IDLE_PART;
}

/* Used in one interval and not since; of a crowd, one need not wait long to know. */
static bool was_in_crowd(const struct eye_registry *registry, const struct eye_series *series)
{
    uint64_t intervals = registry->rules.sequence - series->changed_sequence;
    return series->crowded && series->intervals <= 1 && intervals > CROWD_INTERVALS;
}

static bool passed_by(const struct eye_registry *registry, const struct eye_series *series)
{
    return series->intervals <= 1 && is_idle(registry, series);
}

/* Idle series of @service go, oldest first, until its limits are used to @fill percent. */
static void let_go(struct eye_registry *registry, enum eye_metric_id metric, uint64_t service,
                   bool (*idle)(const struct eye_registry *, const struct eye_series *),
                   uint32_t fill)
{
    struct metric_state *state = &registry->metrics[metric];
    struct eye_series *series = state->first;
    while (series != NULL && eye_budget_fill(&state->budget, &registry->rules, service) > fill) {
        struct eye_series *next = series->next;
        if ((service == EYE_ANYBODY || series->holder->hash == service) && !has_other(series) &&
            may_go(registry, series) && idle(registry, series)) {
            expire(registry, series);
        }
        series = next;
    }
}

/*
 * Somebody finds no place: what passed by makes room, half of all; what was used more often only
 * when nothing is left even for those that come again. True when it was worth it.
 */
static bool make_room(struct eye_registry *registry, enum eye_metric_id metric, uint64_t service,
                      bool newcomer)
{
    struct eye_budget *budget = &registry->metrics[metric].budget;
    uint64_t expired = registry->expired;
    if (!eye_budget_may_look_for_room(budget, &registry->rules, service, newcomer)) {
        return false;
    }
    let_go(registry, metric, service, was_in_crowd, FILL_RELAXED);
    let_go(registry, metric, service, passed_by, FILL_RELAXED);
    if (eye_budget_fill(budget, &registry->rules, service) >= FILL_FULL) {
        let_go(registry, metric, service, is_idle, FILL_CROWDED);
    }
    return registry->expired > expired;
}

static bool takes_value(struct eye_registry *registry, const struct series_key *key, uint32_t index)
{
    enum eye_answer answer = ask_value(registry, key, index);
    if (answer != EYE_ANSWER_YES &&
        make_room(registry, key->metric->id, who_fills(key, index), answer == EYE_ANSWER_NOT_YET)) {
        answer = ask_value(registry, key, index);
    }
    return answer == EYE_ANSWER_YES;
}

/* New values that find no place become __other__. By tag: the service's comes before those that
 * its clients choose, which belong to what it is then. */
static void apply_value_budgets(struct eye_registry *registry, struct series_key *key)
{
    for (uint32_t i = 0; has_budget(key->metric) && i < key->count; i++) {
        if (!is_other(&key->tags[i]) && !takes_value(registry, key, i)) {
            replace_tag(registry, key, i, who_fills(key, i));
        }
    }
}

/* Index of the tag with most values that is not __other__ yet, @spared only when it is the last
 * one; key->count when all are. */
static uint32_t widest_tag(const struct eye_budget *budget, const struct series_key *key,
                           enum eye_tag spared)
{
    uint32_t widest = key->count;
    for (uint32_t i = 0; i < key->count; i++) {
        if (!is_other(&key->tags[i]) &&
            (widest == key->count || key->tags[widest].tag == spared ||
             (key->tags[i].tag != spared &&
              budget->distinct[key->tags[i].tag] > budget->distinct[key->tags[widest].tag]))) {
            widest = i;
        }
    }
    return widest;
}

enum verdict { VERDICT_FITS, VERDICT_SERVICE_IS_FULL, VERDICT_METRIC_IS_FULL };

static enum verdict judge(const struct eye_registry *registry, const struct series_key *key)
{
    const struct eye_budget *budget = &registry->metrics[key->metric->id].budget;
    const struct eye_claim claim = {
        .service = key->service,
        .owned = key->owned,
        .others = count_others(key),
        .count = key->count,
        .volume_bytes = eye_series_volume(key->metric, key->tags, key->count),
    };
    if (!has_budget(key->metric)) {
        return VERDICT_FITS;
    }
    if (!eye_budget_takes_share(budget, &registry->rules, &claim)) {
        return VERDICT_SERVICE_IS_FULL;
    }
    return eye_budget_takes_series(budget, &registry->rules, &claim) ? VERDICT_FITS
                                                                     : VERDICT_METRIC_IS_FULL;
}

static enum verdict judge_after_making_room(struct eye_registry *registry,
                                            const struct series_key *key)
{
    enum verdict verdict = judge(registry, key);
    if (verdict != VERDICT_FITS &&
        make_room(registry, key->metric->id,
                  verdict == VERDICT_SERVICE_IS_FULL ? key->service : EYE_ANYBODY, false)) {
        verdict = judge(registry, key);
    }
    return verdict;
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

/* The series of a key that is not there yet, or of the one that it becomes by the budgets. */
static struct eye_series *make_series(struct eye_registry *registry, struct series_key *key)
{
    enum eye_metric_id metric = key->metric->id;
    note_service(key);
    apply_value_budgets(registry, key);
    for (;;) {
        uint64_t hash = hash_key(key);
        struct eye_series *series = find_series(registry, key, hash);
        if (series != NULL) {
            return series;
        }
        enum verdict verdict = judge_after_making_room(registry, key);
        if (verdict == VERDICT_FITS) {
            series = new_series(registry, key, hash);
            return series == NULL ? lose(registry, metric) : series;
        }
        uint32_t widest =
            widest_tag(&registry->metrics[metric].budget, key,
                       verdict == VERDICT_SERVICE_IS_FULL ? EYE_TAG_SERVICE : EYE_TAG_COUNT);
        if (widest == key->count) {
            return registry->metrics[metric].overflow;
        }
        replace_tag(registry, key, widest,
                    verdict == VERDICT_SERVICE_IS_FULL ? key->service : EYE_ANYBODY);
    }
}

struct eye_series *eye_group_series_chosen(struct eye_group *group, enum eye_metric_id metric,
                                           const struct eye_tag_value *tags, size_t count,
                                           enum eye_tag chosen, enum eye_choice choice)
{
    struct series_key key;
    make_key(&key, group, metric, tags, count);
    key.chosen = chosen;
    key.choice = choice;
    struct eye_series *series = find_series(group->registry, &key, hash_key(&key));
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

/* ---- the end of an interval ---- */

static void note_change(struct eye_registry *registry, struct eye_series *series)
{
    series->changed = false;
    series->changed_sequence = registry->rules.sequence;
    series->changed_ns = registry->closed_ns;
    series->crowded |= series->intervals == 0 && has_budget(series->metric) &&
                       eye_budget_was_refused(&registry->metrics[series->metric->id].budget,
                                              &registry->rules, series);
    series->intervals += series->intervals < UINT32_MAX ? 1 : 0;
    if (series->metric->kind == EYE_DISTRIBUTION) {
        eye_distribution_unref(series->frozen);
        series->frozen = NULL;
    }
}

static void close_series(struct eye_registry *registry, struct eye_series *series)
{
    if (series->changed) {
        note_change(registry, series);
    } else if (may_go(registry, series) &&
               registry->closed_ns - series->changed_ns >= registry->limits.idle_ns) {
        expire(registry, series);
    }
}

/* What was refused is asked for anew: the answer may be another now. */
static void begin_interval(struct eye_registry *registry)
{
    registry->generation += registry->rules.refused ? 1 : 0;
    registry->rules.refused = false;
    registry->rules.sequence++;
}

void eye_registry_close_interval(struct eye_registry *registry, uint64_t sequence, uint64_t now_ns,
                                 uint64_t delivered_sequence)
{
    registry->rules.sequence = sequence;
    registry->closed_ns = now_ns;
    registry->delivered_sequence = delivered_sequence;
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        struct eye_series *series = registry->metrics[i].first;
        while (series != NULL) {
            struct eye_series *next = series->next;
            close_series(registry, series);
            series = next;
        }
    }
    begin_interval(registry);
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
    return registry->metrics[metric].budget.series;
}
