/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of values and services, and what they may grow to. */
#include "collector/telemetry/budget.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"

/*
 * Tags whose values clients choose, in the order of eye_holder.chosen, and what those of one
 * service may hold: a part of what nobody holds. Of 1000 routes one service gets 83, two get 75
 * each, ten get 41 each.
 */
static const struct {
    enum eye_tag tag;
    uint32_t parts;
} chosen_tags[] = {
    {EYE_TAG_ROUTE, 8},  {EYE_TAG_METHOD, 8},      {EYE_TAG_REMOTE, 1},  {EYE_TAG_TYPE, 8},
    {EYE_TAG_STATUS, 8}, {EYE_TAG_DESTINATION, 8}, {EYE_TAG_SUMMARY, 8},
};

static_assert(EYE_ARRAY_LENGTH(chosen_tags) == EYE_CHOSEN_TAGS, "a place for each chosen tag");

/* The last quarter of the tag's values is for services that have fewer. */
#define CHOSEN_LEAST 8

/* A service's series, in multiples of what nobody holds: one alone gets two thirds. */
#define SERIES_MULTIPLE 2

/* A refused value that does not come again for so many intervals is a stranger once more. */
#define RETURN_INTERVALS 60

/* A page has so many lines for a distribution: 22 buckets, sum and count. */
#define DISTRIBUTION_LINES 24

/* Memory that a series takes beside its text. */
#define SERIES_BYTES 256

/* Of a line: name, number, and what stands around the tags and each of them. */
#define LINE_BYTES 56
#define LINE_TAG_BYTES 4

/* How many series use one value of one tag. */
struct value_use {
    uint64_t hash; /* of tag, value, and the service whose clients chose it */
    uint32_t series;
};

int eye_chosen_index(enum eye_tag tag)
{
    int place = EYE_CHOSEN_TAGS - 1;
    while (place >= 0 && chosen_tags[place].tag != tag) {
        place--;
    }
    return place;
}

static uint64_t mix(uint64_t hash)
{
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

uint64_t eye_value_hash(enum eye_tag tag, const char *value)
{
    uint64_t mixed = eye_hash_bytes(value, strnlen(value, EYE_TAG_VALUE_MAX_BYTES));
    return mixed ^ (((uint64_t)tag + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* A value that clients chose is another one for each service. */
static uint64_t chosen_hash(uint64_t value, uint64_t service)
{
    return mix(value ^ mix(service + 1));
}

uint64_t eye_series_volume(const struct eye_metric *metric, const struct eye_tag_value *tags,
                           size_t count)
{
    uint64_t line = LINE_BYTES;
    for (size_t i = 0; i < count; i++) {
        const char *label = eye_tag_label(metric, tags[i].tag);
        line += strlen(label) + strnlen(tags[i].value, EYE_TAG_VALUE_MAX_BYTES) + LINE_TAG_BYTES;
    }
    return SERIES_BYTES + (metric->kind == EYE_DISTRIBUTION ? line * DISTRIBUTION_LINES : line);
}

/* ---- what is held ---- */

static bool value_matches(const void *item, const void *wanted)
{
    const struct value_use *use = item;
    return use->hash == *(const uint64_t *)wanted;
}

static struct value_use *find_value(const struct eye_budget *budget, uint64_t hash)
{
    return eye_table_find(&budget->values, hash, value_matches, &hash);
}

static bool holder_matches(const void *item, const void *wanted)
{
    const struct eye_holder *holder = item;
    return holder->hash == *(const uint64_t *)wanted;
}

static struct eye_holder *find_holder(const struct eye_budget *budget, uint64_t service)
{
    return eye_table_find(&budget->holders, service, holder_matches, &service);
}

bool eye_budget_knows(const struct eye_budget *budget, enum eye_tag tag, uint64_t value,
                      uint64_t service)
{
    return find_value(budget, value) != NULL ||
           (eye_chosen_index(tag) >= 0 && find_value(budget, chosen_hash(value, service)) != NULL);
}

uint32_t eye_budget_chosen(const struct eye_budget *budget, enum eye_tag tag, uint64_t service)
{
    const struct eye_holder *holder = find_holder(budget, service);
    return holder == NULL ? 0 : holder->chosen[eye_chosen_index(tag)];
}

static uint32_t part(uint32_t whole, uint32_t parts)
{
    return whole / parts;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* What those may fill who come for the first time. */
static uint32_t for_newcomers(uint32_t limit)
{
    return limit - part(limit, 4);
}

/* What the clients of one service may hold of the tag with this place in eye_holder.chosen. */
static uint32_t chosen_limit(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                             int place)
{
    assert(place >= 0);
    uint32_t all = rules->limits->values_per_tag;
    uint32_t used = budget->distinct[chosen_tags[place].tag];
    uint32_t left = for_newcomers(all) - smaller(for_newcomers(all), used);
    uint32_t least = smaller(CHOSEN_LEAST, part(all + 1 - smaller(all, used), 2));
    return larger(part(left, chosen_tags[place].parts), least);
}

/* Ordinary series, those without an __other__, leave a quarter of the metric's to the others. */
static uint32_t ordinary_limit(const struct eye_budget_rules *rules)
{
    uint32_t all = rules->limits->series_per_metric;
    return all - part(all, 4);
}

/* ---- what may be added ---- */

/* Where this one is remembered, or else the oldest of its set. */
static struct eye_refusal *refusal_of(struct eye_budget_rules *rules, uint64_t hash)
{
    struct eye_refusal *set = rules->refusals[hash % EYE_REFUSAL_SETS];
    struct eye_refusal *oldest = set;
    for (size_t i = 0; i < EYE_REFUSAL_PLACES; i++) {
        if (set[i].hash == hash) {
            return &set[i];
        }
        oldest = set[i].sequence < oldest->sequence ? &set[i] : oldest;
    }
    return oldest;
}

static bool came_before(struct eye_budget_rules *rules, uint64_t hash)
{
    const struct eye_refusal *refusal = refusal_of(rules, hash);
    return refusal->hash == hash && refusal->sequence < rules->sequence &&
           rules->sequence - refusal->sequence <= RETURN_INTERVALS;
}

static void remember(struct eye_budget_rules *rules, uint64_t hash)
{
    struct eye_refusal *refusal = refusal_of(rules, hash);
    if (refusal->hash != hash || rules->sequence - refusal->sequence > RETURN_INTERVALS) {
        *refusal = (struct eye_refusal){.hash = hash, .sequence = rules->sequence};
    }
}

static bool is_below(uint32_t used, uint32_t limit, bool returns, enum eye_choice choice)
{
    if (choice == EYE_CHOICE_REFUSED) {
        return used < part(limit, 4);
    }
    return used < (returns ? limit : for_newcomers(limit));
}

enum eye_answer eye_budget_ask_value(const struct eye_budget *budget,
                                     struct eye_budget_rules *rules, enum eye_metric_id metric,
                                     const struct eye_tag_value *tag, uint64_t service,
                                     enum eye_choice choice)
{
    bool chosen = choice != EYE_CHOICE_OURS;
    uint32_t limit = chosen ? chosen_limit(budget, rules, eye_chosen_index(tag->tag))
                            : rules->limits->values_per_tag;
    uint32_t used =
        chosen ? eye_budget_chosen(budget, tag->tag, service) : budget->distinct[tag->tag];
    if (is_below(used, limit, false, choice)) {
        return EYE_ANSWER_YES;
    }
    uint64_t value = eye_value_hash(tag->tag, tag->value);
    if (eye_budget_knows(budget, tag->tag, value, service)) {
        return EYE_ANSWER_YES;
    }
    uint64_t name = mix(value + metric) ^ (chosen ? mix(service + 1) : 0);
    bool again = came_before(rules, name);
    if (is_below(used, limit, again, choice)) {
        return EYE_ANSWER_YES;
    }
    remember(rules, name);
    return again ? EYE_ANSWER_NO : EYE_ANSWER_NOT_YET;
}

bool eye_budget_takes_share(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                            const struct eye_claim *claim)
{
    const struct eye_holder *holder = find_holder(budget, claim->service);
    uint32_t all = claim->others > 0 ? rules->limits->series_per_metric : ordinary_limit(rules);
    uint32_t left = all - smaller(all, budget->series);
    return !claim->owned || claim->others == claim->count || holder == NULL ||
           holder->series < (uint64_t)left * SERIES_MULTIPLE;
}

/* What a metric may take is what all of them leave. A quarter is for series with an __other__. */
static bool takes_volume(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                         const struct eye_claim *claim)
{
    uint64_t all = rules->limits->volume_bytes;
    all -= claim->others > 0 ? 0 : all / 4;
    uint64_t taken = rules->volume_bytes + budget->volume_bytes + claim->volume_bytes;
    return rules->limits->volume_bytes == 0 || taken <= all;
}

bool eye_budget_takes_series(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                             const struct eye_claim *claim)
{
    uint32_t all = rules->limits->series_per_metric;
    if (claim->others == claim->count) {
        return budget->series < all;
    }
    return budget->series + 1 < all && takes_volume(budget, rules, claim) &&
           (claim->others > 0 || budget->series < ordinary_limit(rules));
}

/* ---- in and out ---- */

/* The place in eye_holder.chosen that this tag of the series counts for, or -1. */
static int chosen_place(const struct eye_series *series, enum eye_tag tag)
{
    return series->chosen ? eye_chosen_index(tag) : -1;
}

static uint64_t use_hash(const struct eye_series *series, const struct eye_tag_value *tag)
{
    uint64_t value = eye_value_hash(tag->tag, tag->value);
    return chosen_place(series, tag->tag) < 0 ? value : chosen_hash(value, series->holder->hash);
}

static void count_value(struct eye_budget *budget, const struct eye_series *series,
                        enum eye_tag tag, int32_t change)
{
    int place = chosen_place(series, tag);
    budget->distinct[tag] += (uint32_t)change;
    if (place >= 0) {
        series->holder->chosen[place] += (uint32_t)change;
    }
}

static int use_value(struct eye_budget *budget, const struct eye_series *series,
                     const struct eye_tag_value *tag)
{
    uint64_t hash = use_hash(series, tag);
    struct value_use *use = find_value(budget, hash);
    if (use != NULL) {
        use->series++;
        return 0;
    }
    use = calloc(1, sizeof(*use));
    if (use == NULL) {
        return -ENOMEM;
    }
    *use = (struct value_use){.hash = hash, .series = 1};
    if (eye_table_insert(&budget->values, hash, use) != 0) {
        free(use);
        return -ENOMEM;
    }
    count_value(budget, series, tag->tag, 1);
    return 0;
}

static void release_value(struct eye_budget *budget, const struct eye_series *series,
                          const struct eye_tag_value *tag)
{
    struct value_use *use = find_value(budget, use_hash(series, tag));
    if (use == NULL || --use->series > 0) {
        return;
    }
    eye_table_remove(&budget->values, use->hash, use);
    count_value(budget, series, tag->tag, -1);
    free(use);
}

static void release_values(struct eye_budget *budget, const struct eye_series *series,
                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!eye_tag_is_other(&series->tags->tags[i])) {
            release_value(budget, series, &series->tags->tags[i]);
        }
    }
}

static int use_values(struct eye_budget *budget, const struct eye_series *series)
{
    for (uint32_t i = 0; i < series->tags->count; i++) {
        if (!eye_tag_is_other(&series->tags->tags[i]) &&
            use_value(budget, series, &series->tags->tags[i]) != 0) {
            release_values(budget, series, i);
            return -ENOMEM;
        }
    }
    return 0;
}

static struct eye_holder *find_or_add_holder(struct eye_budget *budget, uint64_t service)
{
    struct eye_holder *holder = find_holder(budget, service);
    if (holder != NULL) {
        return holder;
    }
    holder = calloc(1, sizeof(*holder));
    if (holder == NULL || eye_table_insert(&budget->holders, service, holder) != 0) {
        free(holder);
        return NULL;
    }
    holder->hash = service;
    return holder;
}

static void drop_if_empty(struct eye_budget *budget, struct eye_holder *holder)
{
    if (holder->series == 0) {
        eye_table_remove(&budget->holders, holder->hash, holder);
        free(holder);
    }
}

int eye_budget_add(struct eye_budget *budget, struct eye_budget_rules *rules,
                   struct eye_series *series)
{
    const char *service = eye_tag_set_value(series->tags, EYE_TAG_SERVICE);
    uint64_t hash = eye_value_hash(EYE_TAG_SERVICE, service == NULL ? "" : service);
    series->holder = find_or_add_holder(budget, hash);
    if (series->holder == NULL) {
        return -ENOMEM;
    }
    if (use_values(budget, series) != 0) {
        drop_if_empty(budget, series->holder);
        return -ENOMEM;
    }
    series->holder->series++;
    budget->series++;
    budget->volume_bytes += series->volume_bytes;
    rules->volume_bytes += series->volume_bytes;
    return 0;
}

void eye_budget_remove(struct eye_budget *budget, struct eye_budget_rules *rules,
                       struct eye_series *series)
{
    release_values(budget, series, series->tags->count);
    budget->series--;
    budget->volume_bytes -= series->volume_bytes;
    rules->volume_bytes -= series->volume_bytes;
    series->holder->series--;
    drop_if_empty(budget, series->holder);
}

/* ---- room ---- */

/* How far the metric is used, at most 100: its values, its series, its volume. */
static uint32_t metric_fill(const struct eye_budget *budget, const struct eye_budget_rules *rules)
{
    const struct eye_limits *limits = rules->limits;
    uint64_t fill = (uint64_t)budget->series * 100 / ordinary_limit(rules);
    for (size_t tag = 0; tag < EYE_TAG_COUNT; tag++) {
        uint64_t of_tag = (uint64_t)budget->distinct[tag] * 100 / limits->values_per_tag;
        fill = of_tag > fill ? of_tag : fill;
    }
    if (limits->volume_bytes > 0) {
        uint64_t ordinary = limits->volume_bytes - limits->volume_bytes / 4;
        uint64_t of_volume = (rules->volume_bytes + budget->volume_bytes) * 100 / ordinary;
        fill = of_volume > fill ? of_volume : fill;
    }
    return fill > 100 ? 100 : (uint32_t)fill;
}

static uint32_t share_fill(uint32_t used, uint64_t limit)
{
    uint64_t fill = limit == 0 ? 100 : (uint64_t)used * 100 / limit;
    return used == 0 ? 0 : fill > 100 ? 100 : (uint32_t)fill;
}

static uint32_t holder_fill(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                            const struct eye_holder *holder)
{
    uint32_t all = ordinary_limit(rules);
    uint64_t left = all - smaller(all, budget->series);
    uint32_t fill = share_fill(holder->series, left * SERIES_MULTIPLE);
    for (int i = 0; i < EYE_CHOSEN_TAGS; i++) {
        fill = larger(fill, share_fill(holder->chosen[i], chosen_limit(budget, rules, i)));
    }
    return fill;
}

uint32_t eye_budget_fill(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                         uint64_t service)
{
    if (service == EYE_ANYBODY) {
        return metric_fill(budget, rules);
    }
    const struct eye_holder *holder = find_holder(budget, service);
    return holder == NULL ? 0 : holder_fill(budget, rules, holder);
}

bool eye_budget_may_look_for_room(struct eye_budget *budget, const struct eye_budget_rules *rules,
                                  uint64_t service, bool newcomer)
{
    struct eye_holder *holder = service == EYE_ANYBODY ? NULL : find_holder(budget, service);
    if (service != EYE_ANYBODY && holder == NULL) {
        return false;
    }
    uint64_t *looked = holder == NULL ? &budget->looked_sequence : &holder->looked_sequence;
    uint64_t refused = holder == NULL ? budget->refused_sequence : holder->refused_sequence;
    if (*looked == rules->sequence || (newcomer && refused + 1 >= rules->sequence)) {
        return false;
    }
    *looked = rules->sequence;
    return true;
}

void eye_budget_note_refusal(struct eye_budget *budget, struct eye_budget_rules *rules,
                             uint64_t service)
{
    struct eye_holder *holder = service == EYE_ANYBODY ? NULL : find_holder(budget, service);
    *(holder == NULL ? &budget->refused_sequence : &holder->refused_sequence) = rules->sequence;
    rules->refused = true;
}

bool eye_budget_was_refused(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                            const struct eye_series *series)
{
    return budget->refused_sequence == rules->sequence ||
           series->holder->refused_sequence == rules->sequence;
}

void eye_budget_done(struct eye_budget *budget)
{
    struct value_use *use;
    eye_table_for_each (&budget->values, use) {
        free(use);
    }
    eye_table_done(&budget->values);
    struct eye_holder *holder;
    eye_table_for_each (&budget->holders, holder) {
        free(holder);
    }
    eye_table_done(&budget->holders);
}
