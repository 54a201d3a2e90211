/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts in columns of a terminal: how wide they are, cut and filled up. Widths are those of the
 * locale (wcwidth(3)), so setlocale() comes first. No state.
 */
#pragma once

#include <stdbool.h>

#include "collector/base/text.h"

/** Whether the locale's characters are UTF-8. */
bool eye_cells_utf8(void);

/**
 * Copies @length bytes at @bytes, at most as many, and a NUL: "?" stands for what is no character,
 * is obeyed or not shown by terminals, has no width of its own without a character to stand on, or,
 * without @utf8, is not ASCII. The number of bytes without the NUL.
 */
size_t eye_cells_clean(char *target, const char *bytes, size_t length, bool utf8);

/** Columns of a clean text. */
size_t eye_cells_width(const char *text);

/** Appends @text as @width columns: filled up with blanks (before it, if @right), or cut, and the
 * last column is "~". */
void eye_cells_append(struct eye_text *line, const char *text, size_t width, bool right);
