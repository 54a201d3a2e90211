/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours
 * count one each. "teir" is as near to "tier" as "tie" is.
 */
#include "config/nearest.h"

#include <string.h>
#include <strings.h>

/* Longer names are never near anything: no key has so many bytes. */
#define NAME_BYTES_MAX 64

static size_t smaller(size_t left, size_t right)
{
    return left < right ? left : right;
}

/* The rows of the distance matrix that belong to the two bytes before @row, and to @row itself. */
struct rows {
    size_t before_last[NAME_BYTES_MAX + 1];
    size_t last[NAME_BYTES_MAX + 1];
    size_t current[NAME_BYTES_MAX + 1];
};

static size_t cell(const struct rows *rows, const char *name, size_t row, const char *candidate,
                   size_t column)
{
    size_t replaced = rows->last[column - 1] + (name[row - 1] != candidate[column - 1]);
    size_t shifted = smaller(rows->last[column], rows->current[column - 1]) + 1;
    size_t best = smaller(replaced, shifted);
    if (row > 1 && column > 1 && name[row - 1] == candidate[column - 2] &&
        name[row - 2] == candidate[column - 1]) {
        best = smaller(best, rows->before_last[column - 2] + 1);
    }
    return best;
}

static size_t distance(const char *name, size_t name_length, const char *candidate, size_t length)
{
    struct rows rows = {0};
    for (size_t column = 0; column <= length; column++) {
        rows.current[column] = column;
    }
    for (size_t row = 1; row <= name_length; row++) {
        memcpy(rows.before_last, rows.last, sizeof(rows.last));
        memcpy(rows.last, rows.current, sizeof(rows.current));
        rows.current[0] = row;
        for (size_t column = 1; column <= length; column++) {
            rows.current[column] = cell(&rows, name, row, candidate, column);
        }
    }
    return rows.current[length];
}

void eye_nearest_init(struct eye_nearest *nearest, const char *name)
{
    *nearest = (struct eye_nearest){.name = name, .distance = strlen(name) / 4 + 2};
}

bool eye_nearest_offer(struct eye_nearest *nearest, const char *candidate, size_t length)
{
    size_t name_length = strlen(nearest->name);
    if (name_length > NAME_BYTES_MAX || length > NAME_BYTES_MAX) {
        return false;
    }
    size_t found = distance(nearest->name, name_length, candidate, length);
    if (found >= nearest->distance || found >= name_length) {
        return false;
    }
    nearest->best = candidate;
    nearest->best_length = length;
    nearest->distance = found;
    return true;
}

bool eye_nearest_lists(const char *words, const char *name)
{
    size_t length = strlen(name);
    for (; words != NULL && *words != '\0'; words += strspn(words, " ")) {
        size_t word = strcspn(words, " ");
        if (word == length && strncasecmp(words, name, length) == 0) {
            return true;
        }
        words += word;
    }
    return false;
}
