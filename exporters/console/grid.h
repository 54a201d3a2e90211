/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned columns: cells are appended row by row, then the whole is written with each column as
 * wide as its widest cell. Where the lines would be wider than the terminal, the widest columns of
 * text are shortened first, then the lines cut. Belongs to one thread.
 */
#pragma once

#include "exporters/console/style.h"

#define EYE_GRID_COLUMNS_MAX 24
#define EYE_GRID_ROWS_MAX 64

struct eye_grid {
    struct eye_text *text; /* holds the cells one after the other; the caller's */
    size_t columns;
    size_t cells;
    bool numeric[EYE_GRID_COLUMNS_MAX];                    /* aligned to the right */
    size_t ends[EYE_GRID_COLUMNS_MAX * EYE_GRID_ROWS_MAX]; /* of each cell in text */
    size_t widths[EYE_GRID_COLUMNS_MAX];
};

/** An empty grid without columns. @text is emptied and used until the grid is written. */
void eye_grid_init(struct eye_grid *grid, struct eye_text *text);

/** Adds a column with its heading. All columns come before the first row. */
void eye_grid_column(struct eye_grid *grid, const char *heading, bool numeric);

/** Ends the cell that the caller appended to grid->text. At most EYE_GRID_ROWS_MAX - 1 rows. */
void eye_grid_end_cell(struct eye_grid *grid);

/** Appends headings and rows to @out. */
void eye_grid_write(struct eye_grid *grid, const struct eye_console_style *style,
                    struct eye_text *out);
