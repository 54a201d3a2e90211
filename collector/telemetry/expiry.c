/* SPDX-License-Identifier: Apache-2.0 */
/* Who may go, and whom it helps. */
#include "collector/telemetry/expiry.h"

/* Intervals without use after which a series that came in a crowd and was used in one interval
 * makes room. */
#define CROWD_INTERVALS 3

/* Newcomers are refused from 75 percent of a limit on, see eye_budget_fill(). */
#define FILL_RELAXED 50
#define FILL_CROWDED 75
#define FILL_FULL 95

/* The part of limits.idle_ns after which any series makes room. */
#define ROOM_IDLE_PART 5

bool eye_series_may_go(const struct eye_registry *registry, const struct eye_series *series)
{
    return !series->changed && !series->kept_elsewhere &&
           (series->metric->kind != EYE_GAUGE || series->gauge == 0) &&
           series->changed_sequence <= registry->delivered_sequence;
}

void eye_series_expire(struct eye_registry *registry, struct eye_series *series)
{
    registry->expired++;
    eye_series_remove(registry, series);
}

static bool has_other(const struct eye_series *series)
{
    for (uint32_t i = 0; i < series->tags->count; i++) {
        if (eye_tag_is_other(&series->tags->tags[i])) {
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
    struct eye_metric_state *state = &registry->metrics[metric];
    struct eye_series *series = state->first;
    while (series != NULL && eye_budget_fill(&state->budget, &registry->rules, service) > fill) {
        struct eye_series *next = series->next;
        if ((service == EYE_ANYBODY || series->holder->hash == service) && !has_other(series) &&
            eye_series_may_go(registry, series) && idle(registry, series)) {
            eye_series_expire(registry, series);
        }
        series = next;
    }
}

bool eye_registry_make_room(struct eye_registry *registry, enum eye_metric_id metric,
                            uint64_t service, bool newcomer)
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
