/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/limits.h"

/* Of all metrics together, in page and memory: 2.8 MB with the default limit of 2000 series per
 * metric, so that whatever is counted a page stays below 4 MiB and the daemon below 24 MiB. Who
 * wants fewer series does not need less. */
#define VOLUME_PER_SERIES_BYTES UINT64_C(1400)
#define VOLUME_LEAST_BYTES UINT64_C(2800000)

static uint64_t volume_of(uint64_t series)
{
    uint64_t bytes = series * VOLUME_PER_SERIES_BYTES;
    return bytes > VOLUME_LEAST_BYTES ? bytes : VOLUME_LEAST_BYTES;
}

struct eye_limits eye_limits_of(const struct eye_config *config)
{
    return (struct eye_limits){
        .series_per_metric = (uint32_t)config->limits.series,
        .values_per_tag = (uint32_t)config->limits.tag_values,
        .idle_ns = config->limits.idle_ns,
        .volume_bytes = volume_of(config->limits.series),
    };
}
