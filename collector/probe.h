/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sockeye probe` tells: features, kernel programs one by one, the tier that follows, and
 * what cannot be seen here. Decided by the same checks as the start of the daemon. Main thread.
 */
#pragma once

#include <stdio.h>

#include "collector/host/features.h"
#include "collector/source/socket_storage/trial.h"
#include "collector/source/source.h"

struct eye_probe {
    struct eye_features features;
    struct eye_program_trial programs[EYE_PROGRAM_COUNT];
    bool tried;            /* false: a feature is missing that all programs need */
    bool connections;      /* the tier is "socket-storage", else "none" */
    bool protocols_wanted; /* by the configuration */
    bool protocols;        /* requests are seen too, at least of a part of the host */
    struct eye_error not_seen[EYE_SHORTCOMINGS_MAX]; /* what cannot be seen, a line each */
    size_t not_seen_count;
};

/** Tries everything, looking where @config says, which outlives the answers. Takes about half a
 * second. */
void eye_probe_run(const struct eye_config *config, struct eye_probe *ret_probe);

/** For people. */
void eye_probe_print(const struct eye_probe *probe, FILE *out);

/** For programs; one JSON object. */
void eye_probe_print_json(const struct eye_probe *probe, FILE *out);
