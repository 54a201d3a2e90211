/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sample rate that makes a StatsD receiver count one value as many. etsy's server adds 1 / rate
 * as it is, others truncate it, so 1 / rate is the weight or a trillionth part above it. No state,
 * any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The largest weight of one line: 10^k stays an exact double for all digits that it needs. */
#define EYE_STATSD_MAX_WEIGHT UINT64_C(10000000000)

/* "0." and the digits; 10^22 is the largest exact power of ten. No NUL. */
#define EYE_STATSD_RATE_BYTES (2 + 22)

/**
 * Writes the shortest plain decimal r with @weight <= 1 / r <= @weight (1 + 10^-12) in double
 * arithmetic. @weight: 2 .. EYE_STATSD_MAX_WEIGHT. @ret_text: EYE_STATSD_RATE_BYTES. Returns the
 * length.
 */
size_t eye_statsd_rate_format(uint64_t weight, char *ret_text);
