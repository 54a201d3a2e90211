/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int eye_counts_open(struct eye_counts *counts, struct eye_error *ret_error)
{
    counts->cpus = libbpf_num_possible_cpus();
    if (counts->cpus <= 0) {
        return eye_error_set(ret_error, counts->cpus, "cannot count CPUs: %s",
                             strerror(-counts->cpus));
    }
    counts->values = calloc((size_t)counts->cpus, sizeof(uint64_t));
    return counts->values == NULL ? eye_error_set(ret_error, -ENOMEM, "out of memory") : 0;
}

void eye_counts_close(struct eye_counts *counts)
{
    free(counts->values);
    counts->values = NULL;
}

static bool read_values(const struct eye_counts *counts, uint32_t key)
{
    return bpf_map_lookup_elem(counts->map, &key, counts->values) == 0;
}

bool eye_counts_are_readable(const struct eye_counts *counts)
{
    return read_values(counts, 0);
}

uint64_t eye_counts_sum(const struct eye_counts *counts, uint32_t key)
{
    uint64_t sum = 0;
    if (read_values(counts, key)) {
        for (int cpu = 0; cpu < counts->cpus; cpu++) {
            sum += counts->values[cpu];
        }
    }
    return sum;
}
