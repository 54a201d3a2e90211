/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/intervals.h"

#include <stdbool.h>

#include "collector/base/clock.h"

#define FIRST_MIN_NS EYE_NS_PER_SECOND

/* Steps of a time service that follows are smaller. */
#define WAITED_FOR_NS (10 * EYE_NS_PER_SECOND)

/* The end of the interval before is still to come, or is now, because the clock was set back. */
static bool is_waited_for(const struct eye_intervals *intervals, uint64_t next_ns)
{
    uint64_t length_ns = intervals->length_ns;
    uint64_t most_ns = length_ns > WAITED_FOR_NS ? length_ns : WAITED_FOR_NS;
    return next_ns <= intervals->previous_ns && intervals->previous_ns - next_ns < most_ns;
}

uint64_t eye_intervals_next_ns(const struct eye_intervals *intervals, uint64_t wall_ns)
{
    uint64_t length_ns = intervals->length_ns;
    uint64_t next_ns = (wall_ns / length_ns + 1) * length_ns;
    uint64_t min_ns = length_ns / 2 < FIRST_MIN_NS ? length_ns / 2 : FIRST_MIN_NS;
    if (is_waited_for(intervals, next_ns)) {
        next_ns = (intervals->previous_ns / length_ns + 1) * length_ns;
    }
    return next_ns - intervals->previous_ns < min_ns ? next_ns + length_ns : next_ns;
}

uint64_t eye_intervals_end_ns(const struct eye_intervals *intervals, uint64_t wall_ns)
{
    uint64_t end_ns = wall_ns / intervals->length_ns * intervals->length_ns;
    return end_ns > intervals->previous_ns ? end_ns : wall_ns;
}

uint64_t eye_intervals_moment_ns(uint64_t end_ns, const struct eye_moment *now)
{
    uint64_t late_ns = now->wall_ns > end_ns ? now->wall_ns - end_ns : 0;
    return now->monotonic_ns > late_ns ? now->monotonic_ns - late_ns : 0;
}

uint64_t eye_intervals_span_ns(const struct eye_intervals *intervals, uint64_t moment_ns)
{
    uint64_t span_ns = moment_ns > intervals->moment_ns ? moment_ns - intervals->moment_ns : 0;
    uint64_t rounded_ns = (span_ns + EYE_NS_PER_MS / 2) / EYE_NS_PER_MS * EYE_NS_PER_MS;
    return rounded_ns > 0 ? rounded_ns : span_ns + 1;
}
