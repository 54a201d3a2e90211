/* SPDX-License-Identifier: Apache-2.0 */
/* What the file stat of a process in /proc tells (proc(5)). No thread rule. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/clock.h"

/* Of /proc, on every architecture that we build for (USER_HZ). */
#define EYE_PROC_TICK_NS (EYE_NS_PER_SECOND / 100)

struct eye_proc_stat {
    bool zombie; /* its first thread is: it has neither environment nor executable */
    uint64_t threads;
    uint64_t start_ticks; /* after boot, of EYE_PROC_TICK_NS each */
};

/** @directory: descriptor of /proc/PID. 0, -EBADMSG when it is no such file, or -errno of reading
 * it. */
int eye_proc_stat_read(int directory, struct eye_proc_stat *ret_stat);
