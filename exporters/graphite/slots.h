/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which slot the points of a snapshot go to, and since when they count. Carbon keeps one point per
 * slot, the last one written; as it comes, a slot is 60 s long. So every point says what its whole
 * slot has had so far: whoever is asked last has the sum, and nothing that was sent before is lost.
 *
 * No two stretches of counting share a slot, or one would replace the other:
 *
 *   - a run begins with the slot behind the one that it was started in, where the run before may
 *     have left its last point;
 *   - what a spool kept goes behind the slot of what was delivered before it;
 *   - a clock that goes back by less than EYE_CLOCK_HOLD_NS stays in the slot that it had
 *     reached, until it is there again.
 *
 * A run that begins and ends within one slot and is followed by another there is not known to it:
 * of such the last one stays. Counts that are moved so stand at most a slot, or the step of the
 * clock, later than they were made. Used by one worker thread.
 */
#pragma once

#include "collector/snapshot/snapshot.h"

struct eye_graphite_slots {
    uint64_t length_ns;
    uint64_t run_ns;                 /* start_ns of the run that the slot is of; 0: none yet */
    uint64_t slot_ns;                /* its beginning, wall clock */
    const struct eye_snapshot *base; /* the slot's points count from here; NULL: from the run's
                                        beginning; one reference */
};

/** @length_ns: the longer one of carbon's slot and our interval. */
void eye_graphite_slots_init(struct eye_graphite_slots *slots, uint64_t length_ns);

/** Takes a zeroed one. */
void eye_graphite_slots_done(struct eye_graphite_slots *slots);

/**
 * Chooses the slot of @now, when @before (may be NULL) was delivered last. The same two choose the
 * same slot again. slots->base is what the points of @now are changes from.
 */
void eye_graphite_slots_choose(struct eye_graphite_slots *slots, const struct eye_snapshot *now,
                               const struct eye_snapshot *before);
