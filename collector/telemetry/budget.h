/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds what of a metric's budget. Private to the registry, collector thread.
 *
 *   budget (one metric) -> holders (its services) -> values that their clients chose
 *                       -> values of every other tag
 *
 * A budget is shared by what is left: whoever wants more may hold at most a multiple of what nobody
 * holds (Choudhury and Hahne, "Dynamic queue length thresholds", 1998). So one alone gets much,
 * many get equal parts, and something is left for whoever comes next, whatever the others do. Of
 * each limit the last quarter is for values that come again in a later interval: who comes once (a
 * scanned path, a short process) cannot take it from who stays.
 *
 * All look-ups here belong to series that are not there yet; a known series costs none of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/table.h"
#include "collector/telemetry/telemetry.h"

/* Tags whose values a service's clients may choose: routes, remote addresses, and their like. */
#define EYE_CHOSEN_TAGS 7

/* In place of a service's hash: all of them. */
#define EYE_ANYBODY 0

/* One service within one metric. */
struct eye_holder {
    uint64_t hash; /* of the service's name */
    uint32_t series;
    uint32_t chosen[EYE_CHOSEN_TAGS]; /* values that its clients chose */
    uint64_t looked_sequence;         /* interval in which idle series of it made room */
    uint64_t refused_sequence;        /* interval in which something of it found no place */
};

struct eye_budget {
    uint32_t series;
    uint64_t volume_bytes;
    uint32_t distinct[EYE_TAG_COUNT]; /* values in use, __other__ apart */
    struct eye_table values;          /* struct value_use */
    struct eye_table holders;         /* struct eye_holder */
    uint64_t looked_sequence;         /* interval in which idle series of anybody made room */
    uint64_t refused_sequence;        /* interval in which something found no place */
};

/* Values that were refused lately: the hash tells one of so many sets, whose oldest gives way. Two
 * that come again at every interval must not keep each other from being known. */
#define EYE_REFUSAL_SETS 1024
#define EYE_REFUSAL_PLACES 4

struct eye_refusal {
    uint64_t hash;
    uint64_t sequence; /* of the interval in which it was refused first */
};

/* What the budgets of all metrics share. */
struct eye_budget_rules {
    const struct eye_limits *limits;
    uint64_t volume_bytes; /* of all metrics */
    uint64_t sequence;     /* of the present interval */
    bool refused;          /* something was, in this interval */
    struct eye_refusal refusals[EYE_REFUSAL_SETS][EYE_REFUSAL_PLACES];
};

/* One series that is to be. */
struct eye_claim {
    uint64_t service; /* hash of its service's name */
    bool owned;       /* it has a service */
    uint32_t others;  /* tags that are __other__ already */
    uint32_t count;   /* of its tags */
    uint64_t volume_bytes;
};

/** The tag's place in eye_holder.chosen, or -1: clients do not choose it. */
int eye_chosen_index(enum eye_tag tag);

uint64_t eye_value_hash(enum eye_tag tag, const char *value);

/** About what a series of @metric with these tags takes: its lines in a page of text, and memory.
 */
uint64_t eye_series_volume(const struct eye_metric *metric, const struct eye_tag_value *tags,
                           size_t count);

/** Whether the budget knows the value: chosen by clients of @service, or not by clients. */
bool eye_budget_knows(const struct eye_budget *budget, enum eye_tag tag, uint64_t value,
                      uint64_t service);

/** How many values of @tag clients of @service have chosen. */
uint32_t eye_budget_chosen(const struct eye_budget *budget, enum eye_tag tag, uint64_t service);

enum eye_answer {
    EYE_ANSWER_YES,
    EYE_ANSWER_NOT_YET, /* a newcomer; remembered, it has better chances in the next interval */
    EYE_ANSWER_NO,      /* one that comes again */
};

/** Whether a series may have this value of @tag. */
enum eye_answer eye_budget_ask_value(const struct eye_budget *budget,
                                     struct eye_budget_rules *rules, enum eye_metric_id metric,
                                     const struct eye_tag_value *tag, uint64_t service,
                                     enum eye_choice choice);

/** Whether the service may have one more series. */
bool eye_budget_takes_share(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                            const struct eye_claim *claim);

/** Whether the metric may have one more series. */
bool eye_budget_takes_series(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                             const struct eye_claim *claim);

/**
 * Counts a series in: @series->tags, chosen and volume_bytes are set; sets its holder. 0, or
 * -ENOMEM and nothing is counted.
 */
int eye_budget_add(struct eye_budget *budget, struct eye_budget_rules *rules,
                   struct eye_series *series);

/** Counts a series out that was counted in. */
void eye_budget_remove(struct eye_budget *budget, struct eye_budget_rules *rules,
                       struct eye_series *series);

/**
 * How far, in percent, a limit is used that the clients of @service meet, or (EYE_ANYBODY) one of
 * the whole metric. Newcomers are refused from 75 on, everybody at 100.
 */
uint32_t eye_budget_fill(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                         uint64_t service);

/**
 * Whether it is worth a look which idle series could make room: once per interval and service, and
 * for newcomers not while they come in crowds, which would only take places from each other.
 */
bool eye_budget_may_look_for_room(struct eye_budget *budget, const struct eye_budget_rules *rules,
                                  uint64_t service, bool newcomer);

/** Something of @service, or (EYE_ANYBODY) of the metric, found no place in this interval. */
void eye_budget_note_refusal(struct eye_budget *budget, struct eye_budget_rules *rules,
                             uint64_t service);

/** Whether something found no place beside this series in the present interval. */
bool eye_budget_was_refused(const struct eye_budget *budget, const struct eye_budget_rules *rules,
                            const struct eye_series *series);

/** Frees what it holds; the series are the caller's. */
void eye_budget_done(struct eye_budget *budget);
