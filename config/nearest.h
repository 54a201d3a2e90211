/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The known name that a mistyped one most likely means. Candidates are offered one by one; the
 * caller owns all texts, which must outlive the search. No thread rule.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct eye_nearest {
    const char *name;
    const char *best; /* NULL: nothing is near enough; not NUL-terminated */
    size_t best_length;
    size_t distance; /* of best; at first the greatest that still counts as near, plus one */
};

/** Starts a search for what @name may mean. */
void eye_nearest_init(struct eye_nearest *nearest, const char *name);

/** Whether @name is one of the @words, which are parted by spaces; NULL: there are none. */
bool eye_nearest_lists(const char *words, const char *name);

/** Offers the first @length bytes of @candidate. True when it is the best so far. */
bool eye_nearest_offer(struct eye_nearest *nearest, const char *candidate, size_t length);
