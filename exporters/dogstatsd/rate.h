/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sample rate that makes a receiver count one value as many. Agents take int(1 / rate),
 * truncated, as the weight, so most roundings of 1/n weigh n - 1. No state, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The largest weight of one line: 10^k stays an exact double for all digits that it needs. */
#define EYE_RATE_MAX_WEIGHT UINT64_C(10000000000)

/* "0." and the digits; 10^22 is the largest exact power of ten. No NUL. */
#define EYE_RATE_MAX_DIGITS 22
#define EYE_RATE_TEXT_BYTES (2 + EYE_RATE_MAX_DIGITS)

/**
 * Writes the shortest plain decimal r with trunc(1 / r) == @weight in double arithmetic.
 * @weight: 2 .. EYE_RATE_MAX_WEIGHT. @ret_text: EYE_RATE_TEXT_BYTES. Returns the length.
 */
size_t eye_rate_format(uint64_t weight, char *ret_text);
