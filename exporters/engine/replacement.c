/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two waits, for who is to stand still and for goodbyes. Up to the commit everything can be taken
 * back:
 *
 *   plan      who stays, comes, changes, goes; the new ones are made
 *   pause     who changes or goes stands still, and gives back what only one may have
 *   prepare   the new ones take that, join, and have a thread that stands still
 *   commit    each hands over to its successor, which queues from now on
 *   retire    goodbyes are said, and only then the new ones go on
 */
#include "exporters/engine/replacement.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "config/problems.h"
#include "exporters/engine/worker_handover.h"

/* A receiver that is in reach has taken a goodbye by then. */
#define GOODBYE_NS EYE_NS_PER_SECOND

enum fate { FATE_KEPT, FATE_ADDED, FATE_CHANGED, FATE_REMOVED };

struct step {
    enum fate fate;
    struct eye_worker *old;  /* NULL: added, or retired */
    struct eye_worker *made; /* added, changed */
    bool paused;             /* the old one, as it was asked to */
};

struct plan {
    struct step *steps; /* owned; in the order of the new configuration, then those removed */
    size_t count;
    struct eye_workers_change change;
    struct eye_problems problems;
};

enum phase { PHASE_PAUSE, PHASE_RETIRE, PHASE_OVER };

struct eye_replacement {
    struct eye_replacement_setup setup;
    struct plan plan;
    enum phase phase;
};

static bool gives_way(const struct step *step)
{
    return step->fate == FATE_CHANGED || step->fate == FATE_REMOVED;
}

/* ---- Plan ---- */

static struct eye_worker *find(const struct eye_workers *workers,
                               const struct eye_exporter_type *type, const char *exporter,
                               unsigned lane)
{
    for (size_t i = 0; i < workers->count; i++) {
        if (eye_worker_is_lane(workers->items[i], type, exporter, lane)) {
            return workers->items[i];
        }
    }
    return NULL;
}

static void add_step(struct plan *plan, struct step step, unsigned lane)
{
    struct eye_workers_change *change = &plan->change;
    size_t *counts[] = {
        [FATE_KEPT] = &change->kept,
        [FATE_ADDED] = &change->added,
        [FATE_CHANGED] = &change->changed,
        [FATE_REMOVED] = &change->removed,
    };
    plan->steps[plan->count++] = step;
    *counts[step.fate] += lane == 0 ? 1 : 0;
}

/* 0, or -errno: the exporter has a problem. */
static int plan_lane(struct plan *plan, const struct eye_workers *workers,
                     const struct eye_config *config, const struct eye_exporter_config *own,
                     unsigned lane)
{
    const struct eye_exporter_type *type = eye_exporter_type_find(own->section->type);
    struct eye_worker *old = find(workers, type, own->name, lane);
    struct step step = {.fate = old == NULL ? FATE_ADDED : FATE_CHANGED, .old = old};
    if (old != NULL && eye_worker_is_configured(old, config, own)) {
        step.fate = FATE_KEPT;
    } else {
        struct eye_error error;
        int result = eye_worker_new_behind(old, type, config, own, lane, &step.made, &error);
        if (result != 0) {
            eye_problems_add(&plan->problems, result, "%s", error.text);
            return result;
        }
    }
    add_step(plan, step, lane);
    return 0;
}

static void plan_exporter(struct plan *plan, const struct eye_workers *workers,
                          const struct eye_config *config, const struct eye_exporter_config *own)
{
    unsigned lanes = eye_worker_lanes(eye_exporter_type_find(own->section->type));
    int result = 0;
    for (unsigned lane = 0; lane < lanes && result == 0; lane++) {
        result = plan_lane(plan, workers, config, own, lane);
    }
}

static bool is_planned(const struct plan *plan, const struct eye_worker *old)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->steps[i].old == old) {
            return true;
        }
    }
    return false;
}

static void plan_removals(struct plan *plan, const struct eye_workers *workers)
{
    for (size_t i = 0; i < workers->count; i++) {
        struct eye_worker *old = workers->items[i];
        if (!is_planned(plan, old)) {
            add_step(plan, (struct step){.fate = FATE_REMOVED, .old = old}, eye_worker_lane(old));
        }
    }
}

/* All of it is what a commit has to have; behind it nothing can fail. */
static bool reserve(struct plan *plan, struct eye_workers *workers, size_t lanes)
{
    size_t most = lanes + workers->count + 1;
    plan->steps = calloc(most, sizeof(*plan->steps));
    struct eye_worker **items = realloc(workers->items, most * sizeof(struct eye_worker *));
    workers->items = items == NULL ? workers->items : items;
    struct eye_worker **stuck =
        realloc(workers->stuck, (workers->stuck_count + most) * sizeof(struct eye_worker *));
    workers->stuck = stuck == NULL ? workers->stuck : stuck;
    return plan->steps != NULL && items != NULL && stuck != NULL;
}

static void make_plan(struct plan *plan, struct eye_workers *workers,
                      const struct eye_config *config)
{
    if (!reserve(plan, workers, eye_workers_lanes(config))) {
        eye_problems_add_out_of_memory(&plan->problems);
        return;
    }
    for (size_t i = 0; i < config->exporter_count; i++) {
        plan_exporter(plan, workers, config, &config->exporters[i]);
    }
    plan_removals(plan, workers);
}

static bool has_problems(const struct plan *plan)
{
    return plan->problems.count > 0;
}

/* ---- Pause ---- */

static void tell_stuck(struct plan *plan, const struct eye_worker *worker)
{
    eye_problems_add(&plan->problems, -EBUSY,
                     "exporter %s hangs in a call, and %d that hang were left behind already: "
                     "restart the daemon to change it",
                     eye_worker_name(worker), EYE_WORKERS_STUCK_MAX);
}

static void pause_all(const struct plan *plan, uint64_t deadline_ns)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        if (gives_way(step)) {
            eye_worker_pause(step->old, deadline_ns, step->fate == FATE_CHANGED);
        }
    }
}

/* Whether all that are to stand still do, or will not. */
static bool all_paused(const struct plan *plan)
{
    bool settled = true;
    for (size_t i = 0; i < plan->count && settled; i++) {
        const struct step *step = &plan->steps[i];
        settled =
            !gives_way(step) || eye_worker_is_paused(step->old) || eye_worker_is_overdue(step->old);
    }
    return settled;
}

static void note_paused(struct plan *plan, size_t stuck)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[i];
        if (!gives_way(step)) {
            continue;
        }
        step->paused = eye_worker_is_paused(step->old);
        stuck += step->paused ? 0 : 1;
        if (!step->paused && stuck > EYE_WORKERS_STUCK_MAX) {
            tell_stuck(plan, step->old);
        }
    }
}

static void release_all(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->steps[i].paused) {
            eye_worker_release(plan->steps[i].old);
        }
    }
}

/* ---- Prepare ---- */

static int prepare(const struct step *step, struct eye_publisher *publisher,
                   struct eye_reports *reports, struct eye_error *ret_error)
{
    int result = eye_worker_bind(step->made, ret_error);
    if (result == 0 && step->fate == FATE_ADDED) {
        result = eye_worker_join(step->made, publisher, reports, ret_error);
    }
    if (result == 0) {
        eye_worker_pause(step->made, 0, true);
        result = eye_worker_start(step->made);
        if (result != 0) {
            eye_error_set(ret_error, result, "cannot start a thread for %s: %s",
                          eye_worker_name(step->made), strerror(-result));
        }
    }
    return result;
}

static void prepare_all(struct plan *plan, struct eye_publisher *publisher,
                        struct eye_reports *reports)
{
    const struct eye_exporter_config *failed = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        struct eye_error error;
        const struct step *step = &plan->steps[i];
        bool wanted = step->made != NULL && eye_worker_config(step->made) != failed;
        int result = wanted ? prepare(step, publisher, reports, &error) : 0;
        if (result != 0) {
            failed = eye_worker_config(step->made);
            eye_problems_add(&plan->problems, result, "%s", error.text);
        }
    }
}

/* ---- Taking it back ---- */

static void discard_made(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        eye_worker_discard(EYE_TAKE(plan->steps[i].made));
    }
}

static void forget(struct eye_workers *workers, const struct eye_worker *worker)
{
    size_t left = 0;
    for (size_t i = 0; i < workers->count; i++) {
        if (workers->items[i] != worker) {
            workers->items[left++] = workers->items[i];
        }
    }
    workers->count = left;
}

static void end_old(struct eye_workers *workers, struct eye_worker *old)
{
    if (eye_worker_free(old) == EYE_WORKER_STUCK) {
        workers->stuck[workers->stuck_count++] = old;
    }
}

static void roll_back(struct plan *plan, struct eye_workers *workers)
{
    discard_made(plan);
    for (size_t i = 0; i < plan->count; i++) {
        struct eye_worker *old = plan->steps[i].old;
        struct eye_error error;
        if (!gives_way(&plan->steps[i])) {
            continue;
        }
        int result = plan->steps[i].paused ? eye_worker_retake(old, &error) : 0;
        if (result == 0) {
            eye_worker_resume(old);
        } else {
            eye_problems_add(&plan->problems, result, "%s; it cannot go on", error.text);
            eye_worker_dismiss(old, 0);
            forget(workers, old);
            end_old(workers, old);
        }
    }
}

/* ---- Commit ---- */

static void hand_over_all(const struct plan *plan, uint64_t deadline_ns)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        if (step->fate == FATE_CHANGED) {
            eye_worker_succeed(step->made);
        }
        if (gives_way(step)) {
            eye_worker_dismiss(step->old, deadline_ns);
        }
    }
}

/* From now on the workers are the new ones, also of those that still wait for a goodbye. */
static void enter_all(const struct plan *plan, struct eye_workers *workers)
{
    workers->count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        if (step->fate != FATE_REMOVED) {
            workers->items[workers->count++] = step->made != NULL ? step->made : step->old;
        }
    }
}

static int ask_ready(const struct eye_workers_ready *ready, struct plan *plan)
{
    struct eye_error error;
    int result = ready->take == NULL ? 0 : ready->take(ready->context, &error);
    if (result != 0) {
        eye_problems_add(&plan->problems, result, "%s", error.text);
    }
    return result;
}

static enum phase commit(struct eye_replacement *replacement)
{
    struct plan *plan = &replacement->plan;
    const struct eye_replacement_setup *setup = &replacement->setup;
    note_paused(plan, eye_workers_reap(setup->workers));
    if (!has_problems(plan)) {
        release_all(plan);
        prepare_all(plan, setup->publisher, setup->reports);
    }
    if (has_problems(plan) || ask_ready(&setup->ready, plan) != 0) {
        roll_back(plan, setup->workers);
        return PHASE_OVER;
    }
    hand_over_all(plan, eye_clock_monotonic_ns() + GOODBYE_NS);
    enter_all(plan, setup->workers);
    return PHASE_RETIRE;
}

/* ---- Retire ---- */

/* Whether all that said goodbye have ended, or will not. */
static bool retire_all(struct plan *plan, struct eye_workers *workers)
{
    size_t left = 0;
    for (size_t i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[i];
        if (!gives_way(step) || step->old == NULL) {
            continue;
        }
        if (eye_worker_has_ended(step->old) || eye_worker_is_overdue(step->old)) {
            end_old(workers, EYE_TAKE(step->old));
        } else {
            left++;
        }
    }
    return left == 0;
}

static void go_on(const struct plan *plan, struct eye_reports *reports)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        if (step->fate == FATE_CHANGED) {
            eye_worker_report_to(step->made, reports);
        }
        if (step->made != NULL) {
            eye_worker_resume(step->made);
        }
    }
}

static enum phase retire(struct eye_replacement *replacement)
{
    struct plan *plan = &replacement->plan;
    const struct eye_replacement_setup *setup = &replacement->setup;
    if (!retire_all(plan, setup->workers)) {
        return PHASE_RETIRE;
    }
    go_on(plan, setup->reports);
    plan->change.stuck = setup->workers->stuck_count;
    return PHASE_OVER;
}

/* ---- All of it ---- */

static void free_replacement(struct eye_replacement *replacement)
{
    eye_problems_done(&replacement->plan.problems);
    free(replacement->plan.steps);
    free(replacement);
}

int eye_replacement_begin(const struct eye_replacement_setup *setup,
                          const struct eye_config *config, struct eye_replacement **ret_replacement,
                          struct eye_error *ret_error)
{
    struct eye_replacement *replacement = calloc(1, sizeof(*replacement));
    if (replacement == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    struct plan *plan = &replacement->plan;
    replacement->setup = *setup;
    eye_problems_init(&plan->problems);
    make_plan(plan, setup->workers, config);
    int result = eye_problems_result(&plan->problems, ret_error);
    if (result != 0) {
        discard_made(plan);
        free_replacement(replacement);
        return result;
    }
    pause_all(plan, eye_clock_monotonic_ns() + setup->timeout_ns);
    *ret_replacement = replacement;
    return 0;
}

bool eye_replacement_step(struct eye_replacement *replacement)
{
    if (replacement->phase == PHASE_PAUSE && all_paused(&replacement->plan)) {
        replacement->phase = commit(replacement);
    }
    if (replacement->phase == PHASE_RETIRE) {
        replacement->phase = retire(replacement);
    }
    return replacement->phase == PHASE_OVER;
}

/* No one is given more time than it had. */
static void hurry_all(const struct plan *plan, uint64_t deadline_ns)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        if (gives_way(step) && step->old != NULL) {
            eye_worker_hurry(step->old, deadline_ns);
        }
    }
}

void eye_replacement_cancel(struct eye_replacement *replacement, uint64_t deadline_ns)
{
    struct plan *plan = &replacement->plan;
    if (replacement->phase == PHASE_PAUSE) {
        eye_problems_add(&plan->problems, -ECANCELED, "the daemon stops");
        roll_back(plan, replacement->setup.workers);
        replacement->phase = PHASE_OVER;
        return;
    }
    hurry_all(plan, deadline_ns);
    while (!eye_replacement_step(replacement)) {
        poll(NULL, 0, EYE_REPLACEMENT_LOOK_NS / EYE_NS_PER_MS);
    }
}

int eye_replacement_end(struct eye_replacement *replacement, struct eye_workers_change *ret_change,
                        struct eye_error *ret_error)
{
    assert(replacement->phase == PHASE_OVER);
    int result = eye_problems_result(&replacement->plan.problems, ret_error);
    if (result == 0) {
        *ret_change = replacement->plan.change;
    }
    free_replacement(replacement);
    return result;
}
