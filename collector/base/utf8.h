/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from outside, read as UTF-8. No state, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* U+FFFD, what stands for bytes that are no character. */
#define EYE_UTF8_REPLACEMENT UINT32_C(0xFFFD)
#define EYE_UTF8_REPLACEMENT_TEXT "\xEF\xBF\xBD"

/**
 * The character that @bytes begin with (The Unicode Standard, table 3-7; RFC 3629), and how many
 * of them it takes: never more than @length, which is not 0. 0 when they begin none, also when the
 * end cuts it; then @ret_code_point is untouched.
 */
size_t eye_utf8_decode(const char *bytes, size_t length, uint32_t *ret_code_point);

/** True for C0 and C1 controls, DEL, and invisible characters that reorder or hide text. */
bool eye_utf8_is_control(uint32_t code_point);
