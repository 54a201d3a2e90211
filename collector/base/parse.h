/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to numbers with units. Every function takes a NUL-terminated text and accepts it only
 * whole: no leading or trailing space, no sign where none makes sense. 0 or -errno; the output
 * is untouched on failure. -EINVAL: not of the form. -ERANGE: does not fit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Decimal digits only. */
int eye_parse_u64(const char *text, uint64_t *ret_value);

/** Duration with unit: ns us ms s m h d ("250ms", "1.5s", "5m"), or several, the greater first
 * ("1m30s"); a bare number is -EINVAL, but "0" is 0. */
int eye_parse_duration_ns(const char *text, uint64_t *ret_ns);

/** Size with unit: B KiB MiB GiB TiB kB MB GB TB ("4MiB"); a bare number is -EINVAL, but "0" is 0.
 */
int eye_parse_size_bytes(const char *text, uint64_t *ret_bytes);

/** YAML 1.2 booleans: true or false. */
int eye_parse_bool(const char *text, bool *ret_value);
