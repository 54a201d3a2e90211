/* SPDX-License-Identifier: Apache-2.0 */
/* Times that only grow, as long as a clock that was set back is waited for. */
#include "exporters/remote_write/stamp.h"

#include "collector/base/clock.h"
#include "exporters/engine/window.h"

#define HOLD_MS ((int64_t)(EYE_CLOCK_HOLD_NS / EYE_NS_PER_MS))

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Its own time, but later than that of the one before, as long as a clock that was set back has not
 * come there again. */
void eye_write_stamp(struct eye_write_stamp *stamp, const struct eye_snapshot *now)
{
    if (now->start_ns == stamp->start_ns && now->sequence == stamp->sequence &&
        now->time_ns == stamp->time_ns) {
        return;
    }
    struct eye_write_time *time = &stamp->time;
    int64_t now_ms = (int64_t)(now->time_ns / EYE_NS_PER_MS);
    int64_t reached_ms = time->now_ms + 1;
    time->now_ms = reached_ms - now_ms <= HOLD_MS ? later(now_ms, reached_ms) : now_ms;
    if (now->start_ns != stamp->start_ns) {
        time->start_ms = (int64_t)(now->start_ns / EYE_NS_PER_MS);
    }
    if (time->start_ms > time->now_ms) {
        time->start_ms = time->now_ms; /* the wall clock was set back */
    }
    stamp->start_ns = now->start_ns;
    stamp->sequence = now->sequence;
    stamp->time_ns = now->time_ns;
}

void eye_write_stamp_end(struct eye_write_stamp *stamp, uint64_t wall_ns)
{
    stamp->time.now_ms = later((int64_t)(wall_ns / EYE_NS_PER_MS), stamp->time.now_ms + 1);
}
