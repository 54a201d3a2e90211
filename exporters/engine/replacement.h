/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one configuration's workers to another's, step by step, so that whoever has a loop is never
 * kept by a receiver that is slow. All functions are the main thread's, which leaves the workers to
 * it meanwhile.
 */
#pragma once

#include "exporters/engine/workers.h"

/* How many exporters. */
struct eye_workers_change {
    size_t kept;
    size_t added;
    size_t changed;
    size_t removed;
    size_t stuck; /* workers that hang, of this change and those before */
};

/* Who has a part in it that is taken or refused whole. */
struct eye_workers_ready {
    /** The exporters can be had: 0, or -errno with a message, and all are as before. */
    int (*take)(void *context, struct eye_error *ret_error);
    void *context;
};

struct eye_replacement;

/* What it takes part in; borrowed until it has ended. */
struct eye_replacement_setup {
    struct eye_workers *workers; /* they run */
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct eye_workers_ready ready; /* without `take`: nobody has a part */
    uint64_t timeout_ns;            /* for who gives way to deliver what it has */
};

/**
 * Begins to make the workers what @config asks for. An exporter whose settings are the same goes on
 * untouched. One that changed stands still first, when it has delivered what it had or the timeout
 * is over (at once when its receiver is away), and the new one goes on behind its last delivery.
 * One that is not asked for any more has the same time, then says goodbye.
 *
 * 0; or -errno and all problems in @ret_error, as eye_workers_new() has them: nothing has begun.
 */
int eye_replacement_begin(const struct eye_replacement_setup *setup,
                          const struct eye_config *config, struct eye_replacement **ret_replacement,
                          struct eye_error *ret_error);

/* Workers do not say when they have come so far: how often to look. */
#define EYE_REPLACEMENT_LOOK_NS (5 * EYE_NS_PER_MS)

/** Does what needs no waiting. Whether it is over. */
bool eye_replacement_step(struct eye_replacement *replacement);

/**
 * The daemon ends. What can be taken back is; else successors wait no longer than until
 * @deadline_ns (monotonic) for a goodbye. Waits until it is over.
 */
void eye_replacement_cancel(struct eye_replacement *replacement, uint64_t deadline_ns);

/**
 * How it went, once it is over; frees it. 0; or -errno and all problems in @ret_error, as
 * eye_workers_bind() has them: then all workers are as before, those that stood still go on. One
 * that cannot (somebody took its address meanwhile) is told there, too, and gone.
 */
int eye_replacement_end(struct eye_replacement *replacement, struct eye_workers_change *ret_change,
                        struct eye_error *ret_error);
