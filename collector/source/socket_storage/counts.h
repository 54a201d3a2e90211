/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side's counters (map "losses"), of which every CPU has its own. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/error.h"

struct eye_counts {
    int map; /* its descriptor, set by whoever has loaded it */
    int cpus;
    uint64_t *values; /* one per CPU: where a look-up lands */
};

/** Makes room for them. 0, or -errno with a message; eye_counts_close() in any case. */
int eye_counts_open(struct eye_counts *counts, struct eye_error *ret_error);

/** Takes a zeroed one. */
void eye_counts_close(struct eye_counts *counts);

/** Whether the calling thread may read them. */
bool eye_counts_are_readable(const struct eye_counts *counts);

/** Over all CPUs; @key: enum eye_loss, or EYE_COUNT_*. 0 also when it cannot be read. */
uint64_t eye_counts_sum(const struct eye_counts *counts, uint32_t key);
