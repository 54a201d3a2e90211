/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in datagrams that nobody has answered in time: the kernel side only takes out what was
 * answered. Belongs to the collector thread.
 */
#pragma once

#include <stdint.h>

#include "bpf/abi.h"
#include "collector/source/rings.h"

struct eye_waiting_limits {
    uint64_t now_ns;     /* monotonic */
    uint64_t timeout_ns; /* since it was asked for the last time */
    const __u8 *epochs;  /* by protocol, as eye_epochs: what is of another one is void */
};

/* What a sweep took out and found no room for, since the start: by protocol, beside what the kernel
 * side counts as pipeline_full. */
struct eye_waiting_losses {
    uint64_t pipeline[EYE_PROTOCOL_COUNT];
};

/**
 * Takes out of the map what waits no longer, and hands on each as a record of the ring "requests",
 * unanswered, or as a loss, which is added to @losses. 0 or -errno; what was not reached is found
 * by the next sweep.
 */
int eye_waiting_sweep(int map, const struct eye_waiting_limits *limits,
                      struct eye_waiting_losses *losses, struct eye_rings *rings);
