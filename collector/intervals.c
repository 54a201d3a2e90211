/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/intervals.h"

#include "collector/base/clock.h"

#define FIRST_MIN_NS EYE_NS_PER_SECOND

uint64_t eye_intervals_next_ns(const struct eye_intervals *intervals, uint64_t wall_ns)
{
    uint64_t length_ns = intervals->length_ns;
    uint64_t next_ns = (wall_ns / length_ns + 1) * length_ns;
    uint64_t min_ns = length_ns / 2 < FIRST_MIN_NS ? length_ns / 2 : FIRST_MIN_NS;
    return next_ns - intervals->start_ns < min_ns ? next_ns + length_ns : next_ns;
}

uint64_t eye_intervals_end_ns(const struct eye_intervals *intervals, uint64_t wall_ns)
{
    uint64_t end_ns = wall_ns / intervals->length_ns * intervals->length_ns;
    return end_ns > intervals->previous_ns ? end_ns : wall_ns;
}

uint64_t eye_intervals_span_ns(const struct eye_intervals *intervals, uint64_t end_ns,
                               uint64_t now_ns)
{
    return end_ns > intervals->previous_ns ? end_ns - intervals->previous_ns
                                           : now_ns - intervals->read_ns;
}
