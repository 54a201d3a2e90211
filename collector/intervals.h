/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where intervals begin and end: at multiples of their length by the wall clock, whatever somebody
 * does to that clock. Arithmetic on the caller's numbers. No thread rule.
 */
#pragma once

#include <stdint.h>

struct eye_intervals {
    uint64_t length_ns;
    uint64_t start_ns;    /* wall: the daemon's */
    uint64_t previous_ns; /* wall: end of the last interval; the start before the first one */
    uint64_t read_ns;     /* monotonic: the same moment */
};

/**
 * When the present interval is over: the next multiple of the length after @wall_ns. The first one
 * ends one later when it would be shorter than a second and than half of the others: what comes in
 * a moment would make rates that nobody sent.
 */
uint64_t eye_intervals_next_ns(const struct eye_intervals *intervals, uint64_t wall_ns);

/** The end of an interval that was found to be over at @wall_ns: the multiple before, or @wall_ns
 * itself when the last one ended there or later, because the clock was set back. */
uint64_t eye_intervals_end_ns(const struct eye_intervals *intervals, uint64_t wall_ns);

/** How long an interval with this end was: by the wall clock, so that intervals add up; by the
 * other one (@now_ns, monotonic) when that was set back. */
uint64_t eye_intervals_span_ns(const struct eye_intervals *intervals, uint64_t end_ns,
                               uint64_t now_ns);
