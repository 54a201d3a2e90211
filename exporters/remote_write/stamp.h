/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of samples. A receiver wants each one later than the one before, and a start that is not
 * later than its sample, also when the wall clock is set back. Used by one worker thread.
 */
#pragma once

#include "collector/snapshot/snapshot.h"
#include "exporters/remote_write/version.h"

struct eye_write_stamp {
    struct eye_write_time time; /* of the snapshot stamped last */
    uint64_t start_ns;          /* of its run */
    uint64_t sequence;
    uint64_t time_ns; /* its own time; another one when it got too old for the receiver */
};

/** Chooses the time of @now; the same again when @now is the one stamped last. */
void eye_write_stamp(struct eye_write_stamp *stamp, const struct eye_snapshot *now);

/** The time of what ends at @wall_ns, behind all snapshots. */
void eye_write_stamp_end(struct eye_write_stamp *stamp, uint64_t wall_ns);
