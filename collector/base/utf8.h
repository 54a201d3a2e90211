/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from outside, read as UTF-8. No state, any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * The character that @bytes begin with (The Unicode Standard, table 3-7; RFC 3629), and how many
 * of them it takes: never more than @length, which is not 0. 0 when they begin none, also when the
 * end cuts it; then @ret_code_point is untouched.
 */
size_t eye_utf8_decode(const char *bytes, size_t length, uint32_t *ret_code_point);
