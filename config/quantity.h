/* SPDX-License-Identifier: Apache-2.0 */
/* Counts, durations and sizes: from text, and their ranges to text. No state, no thread rule. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

/* How a kind of number is spoken of. */
struct eye_quantity {
    const char *noun;  /* "a duration" */
    const char *units; /* those that exist; NULL: it takes none */
};

/** True for COUNT, DURATION and SIZE. */
bool eye_quantity_is(enum eye_config_type type);

/** @type: COUNT, DURATION or SIZE. */
const struct eye_quantity *eye_quantity_of(enum eye_config_type type);

/** 0; -EINVAL: not of the form; -ERANGE: outside the range of @key or of 64 bits. What @key takes
 * beside its range (`zero_too`) is inside. */
int eye_quantity_parse(const struct eye_config_key *key, const char *text, uint64_t *ret_value);

struct eye_range_text {
    char text[64]; /* "1s to 1h"; empty: no limits */
};

/** The range of @key in the largest units that say it exactly; without what it takes beside. */
struct eye_range_text eye_quantity_range(const struct eye_config_key *key);

struct eye_quantity_text {
    char text[28]; /* 20 digits and a unit */
};

/** The unit that the bare number @number most likely means: the first usual one with which @key
 * takes it. NULL: with none. */
const char *eye_quantity_likely_unit(const struct eye_config_key *key, const char *number);

/** A value that @key takes: its default, unless that is 0, else its greatest. */
struct eye_quantity_text eye_quantity_example(const struct eye_config_key *key);
