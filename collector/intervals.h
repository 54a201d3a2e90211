/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where intervals begin and end: at multiples of their length by the wall clock, whatever somebody
 * does to that clock. How long they are is by the other clock, which nobody sets. Arithmetic on the
 * caller's numbers. No thread rule.
 */
#pragma once

#include <stdint.h>

struct eye_intervals {
    uint64_t length_ns; /* may change at any time; ends of intervals are multiples of the new one */
    uint64_t start_ns;  /* wall: the daemon's */
    uint64_t previous_ns; /* wall: end of the last interval; the start before the first one */
    uint64_t moment_ns;   /* monotonic: the same moment */
};

/* A moment by both clocks. */
struct eye_moment {
    uint64_t wall_ns;
    uint64_t monotonic_ns;
};

/**
 * When the present interval is over: the next multiple of the length after @wall_ns. The first one,
 * and one during which the length was changed, ends one later when it would be shorter than a
 * second and than half of the others: what comes in a moment would make rates that nobody sent. A
 * clock that was set back by less than ten seconds or an interval is waited for: an interval that
 * ends where another one did would take its place at receivers that keep one point per time.
 */
uint64_t eye_intervals_next_ns(const struct eye_intervals *intervals, uint64_t wall_ns);

/** The end of an interval that was found to be over at @wall_ns: the multiple before, or @wall_ns
 * itself when the last one ended there or later, because the clock was set back. */
uint64_t eye_intervals_end_ns(const struct eye_intervals *intervals, uint64_t wall_ns);

/** The monotonic time at which the wall clock showed @end_ns, seen from @now a little later. */
uint64_t eye_intervals_moment_ns(uint64_t end_ns, const struct eye_moment *now);

/** How long the interval was that ended at @moment_ns (monotonic): to the millisecond, so that
 * what two clocks drift apart does not show; more than 0. */
uint64_t eye_intervals_span_ns(const struct eye_intervals *intervals, uint64_t moment_ns);
