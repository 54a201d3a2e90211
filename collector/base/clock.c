/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the kernel's clocks. */
#include "collector/base/clock.h"

#include <time.h>

static uint64_t read_clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * EYE_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t eye_clock_monotonic_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

uint64_t eye_clock_wall_ns(void)
{
    return read_clock_ns(CLOCK_REALTIME);
}

uint64_t eye_clock_thread_ns(void)
{
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
