/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sockeye probe` tells: features, kernel programs one by one, the tier that follows, and what
 * cannot be seen here. Main thread.
 */
#pragma once

#include <stdio.h>

#include "collector/host/features.h"
#include "collector/nat/conntracker.h"
#include "collector/source/source.h"

struct eye_probe {
    struct eye_features features;
    bool tried;                       /* false: a feature is missing that kernel programs need */
    const struct eye_tier_type *tier; /* the one that was tried; else the one that would be */
    struct eye_tier_trial trial;
    bool protocols_wanted;    /* by the configuration */
    const char *nat;          /* who would tell of it */
    struct eye_error nat_why; /* and why nobody better; "": it is the best */
    bool ktls;                /* this kernel encrypts TLS by itself for those who ask for it */
};

/** Tries everything, looking where @config says, which outlives the answers. Takes about half a
 * second. */
void eye_probe_run(const struct eye_config *config, struct eye_probe *ret_probe);

/** For people. */
void eye_probe_print(const struct eye_probe *probe, FILE *out);

/** For programs; one JSON object. */
void eye_probe_print_json(const struct eye_probe *probe, FILE *out);
