/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's clocks and an offset each; a test moves them while other threads read. */
#include "tests/support/moved_clock.h"

#include <stdatomic.h>
#include <time.h>

#include "collector/base/clock.h"

static atomic_uint_fast64_t monotonic_offset_ns;
static atomic_uint_fast64_t wall_offset_ns;

static uint64_t read_clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * EYE_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t eye_clock_monotonic_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC) + atomic_load(&monotonic_offset_ns);
}

uint64_t eye_clock_wall_ns(void)
{
    return read_clock_ns(CLOCK_REALTIME) + atomic_load(&wall_offset_ns);
}

uint64_t eye_clock_thread_ns(void)
{
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_move(uint64_t ns)
{
    atomic_fetch_add(&monotonic_offset_ns, ns);
    atomic_fetch_add(&wall_offset_ns, ns);
}

void clock_set_wall(int64_t ns)
{
    atomic_fetch_add(&wall_offset_ns, (uint64_t)ns);
}

void clock_reset(void)
{
    atomic_store(&monotonic_offset_ns, 0);
    atomic_store(&wall_offset_ns, 0);
}
