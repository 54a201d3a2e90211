/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for line formats: plain decimals, because an exponent is a bad line to many readers of
 * them. No state, any thread. Values are finite.
 */
#pragma once

#include "collector/base/text.h"

/** Appends the shortest decimal that reads back as @value; below 1e-12 rounded to 30 places. */
void eye_decimal_append(struct eye_text *text, double value);

/**
 * Appends @value rounded to @places (0 .. 9) decimals, without trailing zeros: tens of nanoseconds
 * where the shortest decimal takes a microsecond.
 */
void eye_decimal_append_rounded(struct eye_text *text, double value, unsigned places);

/* The largest weight of one rate: 10^k stays an exact double for all digits that it needs. */
#define EYE_RATE_MAX_WEIGHT UINT64_C(10000000000)

/* "0." and the digits; 10^22 is the largest exact power of ten. No NUL. */
#define EYE_RATE_TEXT_BYTES (2 + 22)

/* Of the weight: one unit of the last digit is up to 10^-12 of it, and doubles round. */
#define EYE_RATE_MIN_EXCESS 1.001e-12

/**
 * Writes the sample rate that makes a receiver count one value as many: the first r among the
 * decimals of 1 / @weight cut after 1, 2, 3... digits, or one unit of the last below, with
 * @weight <= 1 / r < @weight + @excess in double arithmetic. @weight: 2 .. EYE_RATE_MAX_WEIGHT.
 * @excess: @weight * EYE_RATE_MIN_EXCESS .. 1; 1 for receivers that truncate 1 / r. @ret_text:
 * EYE_RATE_TEXT_BYTES. Returns the length.
 */
size_t eye_decimal_format_rate(uint64_t weight, double excess, char *ret_text);
