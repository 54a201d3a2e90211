/* SPDX-License-Identifier: Apache-2.0 */
/* What a statement of SQL does, and to which tables, as a text of bounded variety. No state, any
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Longest summary, with its end. */
#define EYE_SUMMARY_BYTES 96

/**
 * db.query.summary of a statement's first bytes (OpenTelemetry semantic conventions 1.44 for
 * databases, "Generating a summary of the query"): operations and their targets in the order of
 * the text, "INSERT shipping_details SELECT orders". Unlike there, operations are in capitals;
 * what WITH defines is left out, the statement behind it is what counts; four digits or more in a
 * name are one "?". At most three operations and four targets. What stands for itself (SET, SHOW,
 * COMMIT) has no target, nor has what calls a function.
 *
 * @text: @bytes of PostgreSQL or MySQL, not NUL-terminated, hostile; without string literals (it
 * ends before the first), which nobody can tell from names here.
 * @cut: the text goes on. What may be half a name, or less than all of it, is no target: the
 * summary is the beginning of the whole text's.
 * @ret_summary: UTF-8 without control characters. It holds no literal, and nothing of a comment.
 * Returns its length; 0, and it is empty: the text begins with no word of EYE_SQL_OPERATIONS, or
 * with a WITH that it does not go beyond.
 */
size_t eye_summarise(const uint8_t *text, size_t bytes, bool cut,
                     char ret_summary[static EYE_SUMMARY_BYTES]);
