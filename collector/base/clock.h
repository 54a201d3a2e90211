/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks that matter: one that never jumps, the wall, and what a thread has cost. Safe from
 * every thread. */
#pragma once

#include <stdint.h>

#define EYE_NS_PER_US UINT64_C(1000)
#define EYE_NS_PER_MS UINT64_C(1000000)
#define EYE_NS_PER_SECOND UINT64_C(1000000000)

/** CLOCK_MONOTONIC in nanoseconds: the clock of bpf_ktime_get_ns(). */
uint64_t eye_clock_monotonic_ns(void);

/** CLOCK_REALTIME in nanoseconds since 1970. */
uint64_t eye_clock_wall_ns(void);

/** CLOCK_THREAD_CPUTIME_ID: processor time of the calling thread, in nanoseconds. */
uint64_t eye_clock_thread_ns(void);
