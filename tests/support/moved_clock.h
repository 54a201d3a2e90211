/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks of collector/base/clock.h, linked instead of them by tests of what happens once an
 * hour: the kernel's, and what a test has moved them on or back by. So waits are as long as ever.
 */
#pragma once

#include <stdint.h>

/** Both clocks go on by @ns. */
void clock_move(uint64_t ns);

/** The wall clock alone is set; @ns may be negative. */
void clock_set_wall(int64_t ns);

/** Both are the kernel's again. */
void clock_reset(void);
