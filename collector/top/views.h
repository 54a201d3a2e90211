/* SPDX-License-Identifier: Apache-2.0 */
/* The two tables of `sockeye top`: their columns, what they are sorted by and grouped by. */
#pragma once

#include "collector/base/text.h"
#include "collector/top/rows.h"

enum eye_unit_shown {
    EYE_SHOWN_TEXT,
    EYE_SHOWN_NUMBER,
    EYE_SHOWN_BYTES,
    EYE_SHOWN_SECONDS,
};

/* From the left, as they matter: where the terminal is narrow the last ones are left out. */
struct eye_column {
    const char *title;
    enum eye_unit_shown shown;
    int value;         /* enum eye_top_row_text or enum eye_top_row_number */
    size_t width;      /* at least */
    size_t width_most; /* where there is room, and a text needs it */
    bool of_groups;    /* says nothing of a row that is none */
};

/* A choice that a key goes on to. */
struct eye_sorting {
    const char *name;
    enum eye_top_row_number number;
};

struct eye_grouping {
    const char *name;
    int text; /* as struct eye_arrangement has it */
};

struct eye_top_view {
    const char *name; /* of its rows, and their member in the answer */
    const struct eye_column *columns;
    size_t column_count;
    const struct eye_sorting *sortings; /* the first one to begin with */
    size_t sorting_count;
    const struct eye_grouping *groupings; /* the first one to begin with */
    size_t grouping_count;
    const struct eye_column *totals; /* in the header */
    size_t total_count;
};

enum eye_top_view_id { EYE_TOP_CONNECTIONS, EYE_TOP_REQUESTS, EYE_TOP_VIEWS };

const struct eye_top_view *eye_top_view(enum eye_top_view_id id);

/** A value as a column shows it. @text: initialised, appended to. */
void eye_column_append(const struct eye_column *column, const struct eye_top_row *row,
                       struct eye_text *text);
