/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sockeye probe` tells: features, kernel programs one by one, the tier that follows, and
 * what cannot be seen here. Decided by the same checks as the start of the daemon. Main thread.
 */
#pragma once

#include <stdio.h>

#include "collector/kernel/features.h"
#include "collector/kernel/trial.h"

struct eye_probe {
    struct eye_feature_state features[EYE_FEATURE_COUNT];
    struct eye_program_trial programs[EYE_PROGRAM_COUNT];
    bool tried;               /* false: a feature is missing that all programs need */
    bool connections;         /* the tier is "socket-storage", else "none" */
    bool protocols;           /* requests are seen too */
    struct eye_error why_not; /* the first thing that cannot be seen; empty: all can */
};

/** Tries everything. Takes about half a second. */
void eye_probe_run(struct eye_probe *ret_probe);

/** For people. */
void eye_probe_print(const struct eye_probe *probe, FILE *out);

/** For programs; one JSON object. */
void eye_probe_print_json(const struct eye_probe *probe, FILE *out);
