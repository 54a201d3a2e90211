/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Datadog's orchestration tells a client through DD_* variables, and what of it our
 * configuration leaves to them. Main thread at start; immutable after that.
 */
#pragma once

#include <stdbool.h>

#include "collector/base/base.h"
#include "collector/base/text.h"

/* Longest value of DD_EXTERNAL_ENV that is handed on: it goes with every line. */
#define EYE_ENVIRONMENT_MAX_BYTES 256

/* A tag that a variable stands for; value NULL when the variable is not set or empty. */
struct eye_environment_tag {
    const char *variable;
    const char *key;
    const char *value; /* of the environment */
};

#define EYE_ENVIRONMENT_TAGS 4

struct eye_environment {
    char *url; /* of the Agent; NULL: none is told; owned */
    struct eye_environment_tag tags[EYE_ENVIRONMENT_TAGS];
    bool disabled;           /* DD_DOGSTATSD_DISABLE says yes: nothing is sent */
    bool origin_detection;   /* unless DD_ORIGIN_DETECTION_ENABLED says no */
    char *external;          /* DD_EXTERNAL_ENV without what would end a field; owned */
    const char *cardinality; /* DD_CARDINALITY, else DATADOG_CARDINALITY; NULL: neither */
};

/** True for none, low, orchestrator and high. */
bool eye_environment_cardinality_valid(const char *text);

/* Whether a URL can be used. */
typedef bool eye_environment_valid(const char *url);

/**
 * Reads the variables as the official clients do. What cannot be used is told in the log and passed
 * over, as if it was not set: others wrote it, for other programs too. 0 or -ENOMEM.
 */
int eye_environment_read(eye_environment_valid *valid, struct eye_environment *ret_environment);

/** Takes a zeroed one. */
void eye_environment_done(struct eye_environment *environment);
