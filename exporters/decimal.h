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
