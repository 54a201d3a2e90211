/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distributions for formats of text: quantiles in one walk, and the values of bins as decimals. A
 * distribution has hundreds of bins, but there are few keys: each is written once. Used by one
 * worker thread.
 */
#pragma once

#include <limits.h>

#include "collector/base/text.h"
#include "collector/snapshot/snapshot.h"

enum eye_quantile { EYE_P50, EYE_P95, EYE_P99, EYE_MAX, EYE_QUANTILE_COUNT };

/** The bins that hold the quantiles of a change with count > 0: value of rank q (n - 1). */
void eye_bins_quantiles(const struct eye_change *change, uint32_t ret_keys[EYE_QUANTILE_COUNT]);

/* Of eye_bin_texts.places: as many decimals as reading back takes. */
#define EYE_BIN_SHORTEST UINT_MAX

/* The last bin in milliseconds has 22 digits, the shortest decimal of the first one 28 bytes. */
#define EYE_BIN_DIGITS 30

struct eye_bin_text {
    uint8_t length;                  /* of the digits; 0: not made yet */
    char digits[EYE_BIN_DIGITS + 1]; /* with a colon behind them, for lines of several values */
};

struct eye_bin_texts {
    double scale;    /* values are multiplied by it: 1000 writes seconds as milliseconds */
    unsigned places; /* and rounded to so many decimals, or EYE_BIN_SHORTEST */
    struct eye_bin_text *texts; /* by key; owned */
};

/** 0 or -ENOMEM. */
int eye_bin_texts_init(struct eye_bin_texts *texts, double scale, unsigned places);

/** Takes a zeroed one. */
void eye_bin_texts_done(struct eye_bin_texts *texts);

/** No allocation. Valid as long as @texts. */
const struct eye_bin_text *eye_bin_text(struct eye_bin_texts *texts, uint32_t key);
