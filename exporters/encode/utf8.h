/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tag values are bytes from outside: any bytes but NUL. This walks them as UTF-8 and rewrites what
 * a format or a terminal must not get. No state, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/text.h"
#include "collector/base/utf8.h"

/**
 * As eye_utf8_decode(), but a byte that begins no character counts as one U+FFFD of length 1, so
 * that a walk always goes on.
 */
size_t eye_utf8_next(const char *bytes, size_t length, uint32_t *ret_code_point);

/** Characters of @length bytes of @text; a character that the end cuts counts by its bytes. */
size_t eye_utf8_count(const char *text, size_t length);

/** What is written instead of a character; NULL: the character itself. */
typedef const char *eye_utf8_replace(uint32_t code_point);

/** Appends @value with each character passed through @replace. */
void eye_utf8_append(struct eye_text *text, const char *value, eye_utf8_replace *replace);
