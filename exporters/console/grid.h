/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned columns: cells are appended row by row, then the whole is written with each column as
 * wide as its widest cell. Where the lines would be wider than the terminal, whole columns are left
 * out: first those that show nothing, last texts without which two rows would look alike. A line
 * below says which; texts that are too long all the same go on in the next line. No value is ever
 * cut. Belongs to one thread.
 */
#pragma once

#include "exporters/console/style.h"

#define EYE_GRID_COLUMNS_MAX 24
#define EYE_GRID_ROWS_MAX 64

/* Columns from this rank on are left out sooner than a text goes on in the next line. */
#define EYE_GRID_SPARE_RANK 4

struct eye_grid {
    struct eye_text *text; /* holds the cells one after the other; the caller's */
    size_t columns;
    const char *headings[EYE_GRID_COLUMNS_MAX];
    unsigned ranks[EYE_GRID_COLUMNS_MAX];
    bool left_out[EYE_GRID_COLUMNS_MAX];
    bool empty[EYE_GRID_COLUMNS_MAX]; /* numbers that are none or zero in every row */
    size_t cells;
    bool numeric[EYE_GRID_COLUMNS_MAX];                    /* aligned to the right */
    size_t ends[EYE_GRID_COLUMNS_MAX * EYE_GRID_ROWS_MAX]; /* of each cell in text */
    size_t widths[EYE_GRID_COLUMNS_MAX];
};

/** An empty grid without columns. @text is emptied and used until the grid is written. */
void eye_grid_init(struct eye_grid *grid, struct eye_text *text);

/**
 * Adds a column. @heading outlives the grid. @rank: the higher, the sooner it is left out; 0: only
 * when it shows nothing. Whatever shows nothing goes before all that shows something. All columns
 * come before the first row.
 */
void eye_grid_column(struct eye_grid *grid, const char *heading, bool numeric, unsigned rank);

/** Ends the cell that the caller appended to grid->text. At most EYE_GRID_ROWS_MAX - 1 rows. */
void eye_grid_end_cell(struct eye_grid *grid);

/** Appends headings and rows to @out. */
void eye_grid_write(struct eye_grid *grid, const struct eye_console_style *style,
                    struct eye_text *out);

/** Appends the line that names what eye_grid_write() left out, if it did. */
void eye_grid_write_left_out(const struct eye_grid *grid, const struct eye_console_style *style,
                             struct eye_text *out);
