/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a snapshot's changes, and what becomes of each payload. */
#include "exporters/engine/delivery.h"

#include <assert.h>
#include <errno.h>

/*
 * A payload of so few points that a receiver finds too large is given up: asking on, point by
 * point, would cost a request for each.
 */
#define SPLIT_MIN_POINTS 16

void eye_delivery_init(struct eye_delivery *delivery, const struct eye_payload_format *format,
                       void *state, const bool *wanted, struct eye_export_stats *stats)
{
    *delivery = (struct eye_delivery){
        .format = format,
        .state = state,
        .wanted = wanted,
        .stats = stats,
        .points_max = SIZE_MAX,
    };
}

int eye_payload_init(struct eye_text *payload, size_t max_bytes)
{
    eye_text_init(payload, max_bytes);
    payload->data = malloc(max_bytes + 1);
    payload->capacity = payload->data == NULL ? 0 : max_bytes + 1;
    return payload->data == NULL ? -ENOMEM : 0;
}

/* ---- Tallies ---- */

/* Appends @more to @tally. */
static void merge(struct eye_payload_tally *tally, const struct eye_payload_tally *more)
{
    tally->next = more->next;
    tally->seen += more->seen;
    tally->points += more->points;
    tally->refused += more->refused;
    for (size_t i = 0; i < EYE_EXPORT_REASON_COUNT; i++) {
        tally->dropped[i] += more->dropped[i];
    }
}

/* What @tally carries is delivered or given up, for good. */
static void settle(struct eye_delivery *delivery, struct eye_payload_tally *tally)
{
    struct eye_export_stats *stats = delivery->stats;
    atomic_fetch_add(&stats->points, tally->points);
    atomic_fetch_add(&stats->seen, tally->seen);
    atomic_fetch_add(&stats->refused_points, tally->refused);
    for (size_t i = 0; i < EYE_EXPORT_REASON_COUNT; i++) {
        if (tally->dropped[i] > 0) {
            atomic_fetch_add(&stats->dropped[i], tally->dropped[i]);
        }
    }
    delivery->settled = tally->next;
    *tally = (struct eye_payload_tally){.next = tally->next};
}

/* ---- Sending ---- */

/* 0 unless payloads that were sent got lost. */
static int confirm(struct eye_delivery *delivery, bool wait, struct eye_export_failure *failure)
{
    if (delivery->format->confirm == NULL) {
        settle(delivery, &delivery->unheard);
        return 0;
    }
    switch (delivery->format->confirm(delivery->state, wait, failure)) {
    case EYE_CONFIRMED:
        settle(delivery, &delivery->unheard);
        return 0;
    case EYE_UNHEARD:
        assert(!wait);
        return 0;
    case EYE_LOST:
        break;
    }
    return -EIO;
}

/* The receiver will never take the payload's points. */
static void refuse(struct eye_delivery *delivery, uint64_t points,
                   const struct eye_export_failure *failure)
{
    struct eye_payload_tally *filling = &delivery->filling;
    atomic_fetch_add(&delivery->stats->failures[failure->reason], 1);
    filling->points -= points;
    filling->refused += points;
    filling->dropped[failure->reason] += points;
    delivery->refused = true;
}

/* -EAGAIN: the walk goes back to the first point that is not settled. */
static int make_smaller(struct eye_delivery *delivery, struct eye_export_failure *failure)
{
    uint64_t points = delivery->filling.points;
    if (points <= SPLIT_MIN_POINTS) {
        refuse(delivery, points, failure);
        return 0;
    }
    atomic_fetch_add(&delivery->stats->failures[failure->reason], 1);
    delivery->points_max = points / 2;
    return -EAGAIN;
}

/* What the receiver took out of a payload that it took. */
static void note_rejected(struct eye_delivery *delivery, uint64_t rejected)
{
    struct eye_payload_tally *filling = &delivery->filling;
    rejected = rejected < filling->points ? rejected : filling->points;
    filling->points -= rejected;
    filling->refused += rejected;
    filling->dropped[EYE_EXPORT_REJECTED] += rejected;
    delivery->refused |= rejected > 0;
}

static int dispatch(struct eye_delivery *delivery, struct eye_export_failure *failure)
{
    uint64_t points = delivery->filling.points;
    uint64_t rejected = 0;
    switch (delivery->format->send(delivery->state, points, &rejected, failure)) {
    case EYE_VERDICT_DONE:
        note_rejected(delivery, rejected);
        return 0;
    case EYE_VERDICT_RETRY:
        return -EIO;
    case EYE_VERDICT_GIVE_UP:
        refuse(delivery, points, failure);
        return 0;
    case EYE_VERDICT_TOO_LARGE:
        return make_smaller(delivery, failure);
    }
    return -EIO;
}

/* The payload at hand is done with; what comes next goes into an empty one. */
static void next_payload(struct eye_delivery *delivery, const struct eye_snapshot *now)
{
    merge(&delivery->unheard, &delivery->filling);
    delivery->filling = (struct eye_payload_tally){.next = delivery->unheard.next};
    delivery->format->begin(delivery->state, now);
}

/* Sends the payload and begins the next one. */
static int send_payload(struct eye_delivery *delivery, const struct eye_snapshot *now,
                        struct eye_export_failure *failure)
{
    int result = dispatch(delivery, failure);
    if (result == 0) {
        next_payload(delivery, now);
        result = confirm(delivery, false, failure);
    }
    return result;
}

/* ---- From changes to payloads ---- */

static enum eye_export_reason reason_of_add(int error)
{
    switch (error) {
    case -EMSGSIZE:
        return EYE_EXPORT_TOO_LONG;
    case -EEXIST:
        return EYE_EXPORT_COLLISION;
    default:
        return EYE_EXPORT_INVALID;
    }
}

/* Adds @change, which stands at @index; payloads that get full on the way are sent. */
static int add_change(struct eye_delivery *delivery, size_t index, const struct eye_change *change,
                      const struct eye_snapshot *now, struct eye_export_failure *failure)
{
    struct eye_payload_tally *filling = &delivery->filling;
    size_t part = index == filling->next.point ? filling->next.part : 0;
    size_t first = part;
    int result = 0;
    while ((result = delivery->format->add(delivery->state, index, change, &part)) == -ENOBUFS) {
        assert(filling->points > 0 || part > first); /* an empty payload takes something */
        filling->next = (struct eye_cursor){.point = index, .part = part};
        result = send_payload(delivery, now, failure);
        if (result != 0) {
            return result;
        }
        first = part;
    }
    if (result == 0) {
        filling->points++;
    } else {
        filling->dropped[reason_of_add(result)]++;
    }
    filling->next = (struct eye_cursor){.point = index + 1};
    return 0;
}

static bool wants(const struct eye_delivery *delivery, const struct eye_change *change)
{
    const struct eye_payload_format *format = delivery->format;
    if (format->wants != NULL) {
        return format->wants(delivery->state, change);
    }
    return delivery->wanted[change->point->metric->id] &&
           (delivery->idle_too || eye_change_has_news(change));
}

static int walk(struct eye_delivery *delivery, const struct eye_snapshot *now,
                const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, now, before);
    for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
        if (index < delivery->filling.next.point || !wants(delivery, &change)) {
            continue;
        }
        int result = add_change(delivery, index, &change, now, failure);
        /* Counted apart from what becomes of it, so that the sum can show a mistake. */
        delivery->filling.seen += result == 0;
        if (result == 0 && delivery->filling.points >= delivery->points_max) {
            result = send_payload(delivery, now, failure);
        }
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* Sends what is left after the last full payload, and waits for news of all of them. */
static int finish(struct eye_delivery *delivery, const struct eye_snapshot *now,
                  struct eye_export_failure *failure)
{
    int result = 0;
    if (delivery->filling.points > 0) {
        result = send_payload(delivery, now, failure);
    } else {
        next_payload(delivery, now); /* points given up behind the last one */
    }
    return result == 0 ? confirm(delivery, true, failure) : result;
}

/* One walk from the first point that is not settled. */
static int attempt(struct eye_delivery *delivery, const struct eye_snapshot *now,
                   const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    delivery->unheard = (struct eye_payload_tally){.next = delivery->settled};
    delivery->filling = (struct eye_payload_tally){.next = delivery->settled};
    delivery->format->begin(delivery->state, now);
    int result = walk(delivery, now, before, failure);
    return result == 0 ? finish(delivery, now, failure) : result;
}

int eye_delivery_run(struct eye_delivery *delivery, const struct eye_snapshot *now,
                     const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    int result = 0;
    delivery->refused = false;
    do {
        result = attempt(delivery, now, before, failure);
    } while (result == -EAGAIN);
    if (result != 0) {
        failure->started = delivery->settled.point > 0 || delivery->settled.part > 0;
        return result;
    }
    if (!delivery->refused) {
        failure->cause.text[0] = '\0';
    }
    delivery->settled = (struct eye_cursor){0};
    return 0;
}
