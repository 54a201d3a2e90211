/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring, shortening and writing the cells. */
#include "exporters/console/grid.h"

#include <assert.h>
#include <string.h>

#include "exporters/encode/utf8.h"

#define GAP 2           /* spaces between columns */
#define SHORTENED_MIN 8 /* a column of text is not made narrower than this */

#define COLOUR_DIM "\033[2m"
#define COLOUR_OFF "\033[0m"

void eye_grid_init(struct eye_grid *grid, struct eye_text *text)
{
    eye_text_clear(text);
    grid->text = text;
    grid->columns = 0;
    grid->cells = 0;
}

void eye_grid_column(struct eye_grid *grid, const char *heading, bool numeric)
{
    assert(grid->columns < EYE_GRID_COLUMNS_MAX && grid->cells == grid->columns);
    grid->numeric[grid->columns++] = numeric;
    eye_text_append(grid->text, heading);
    eye_grid_end_cell(grid);
}

void eye_grid_end_cell(struct eye_grid *grid)
{
    assert(grid->cells < EYE_ARRAY_LENGTH(grid->ends));
    grid->ends[grid->cells++] = grid->text->length;
}

struct cell {
    const char *bytes;
    size_t length;
    size_t width; /* characters */
};

static struct cell cell_at(const struct eye_grid *grid, size_t index)
{
    size_t start = index == 0 ? 0 : grid->ends[index - 1];
    struct cell cell = {
        .bytes = eye_text_string(grid->text) + start,
        .length = grid->ends[index] - start,
    };
    cell.width = eye_utf8_count(cell.bytes, cell.length);
    return cell;
}

static void measure(struct eye_grid *grid)
{
    memset(grid->widths, 0, sizeof(grid->widths));
    for (size_t i = 0; i < grid->cells; i++) {
        size_t width = cell_at(grid, i).width;
        if (width > grid->widths[i % grid->columns]) {
            grid->widths[i % grid->columns] = width;
        }
    }
}

static size_t line_width(const struct eye_grid *grid)
{
    size_t width = 0;
    for (size_t i = 0; i < grid->columns; i++) {
        width += grid->widths[i] + (i == 0 ? 0 : GAP);
    }
    return width;
}

/* The widest column of text that may still be shortened; grid->columns when there is none. */
static size_t widest_text(const struct eye_grid *grid)
{
    size_t widest = grid->columns;
    size_t width = SHORTENED_MIN;
    for (size_t i = 0; i < grid->columns; i++) {
        if (!grid->numeric[i] && grid->widths[i] > width) {
            widest = i;
            width = grid->widths[i];
        }
    }
    return widest;
}

static void shorten(struct eye_grid *grid, size_t width)
{
    size_t excess = line_width(grid) > width ? line_width(grid) - width : 0;
    for (; excess > 0; excess--) {
        size_t widest = widest_text(grid);
        if (widest == grid->columns) {
            return;
        }
        grid->widths[widest]--;
    }
}

/* Bytes that the first @count characters take. */
static size_t bytes_of(const struct cell *cell, size_t count)
{
    size_t length = 0;
    uint32_t code_point = 0;
    for (size_t i = 0; i < count && length < cell->length; i++) {
        length += eye_utf8_decode(cell->bytes + length, &code_point);
    }
    return length;
}

static void append_padding(struct eye_text *out, size_t count)
{
    eye_text_appendf(out, "%*s", (int)count, "");
}

/* A shortened cell ends in ~. */
static void append_cell(const struct cell *cell, size_t width, bool numeric, struct eye_text *out)
{
    if (cell->width > width) {
        eye_text_append_bytes(out, cell->bytes, bytes_of(cell, width - 1));
        eye_text_append_char(out, '~');
        return;
    }
    if (numeric) {
        append_padding(out, width - cell->width);
    }
    eye_text_append_bytes(out, cell->bytes, cell->length);
    if (!numeric) {
        append_padding(out, width - cell->width);
    }
}

/* Removes the spaces that padding left at the end, and what lies beyond @width characters. */
static void trim_line(struct eye_text *out, size_t start, size_t width)
{
    if (out->failed) {
        return; /* truncating would hide it */
    }
    struct cell line = {.bytes = eye_text_string(out) + start, .length = out->length - start};
    size_t length = width == 0 ? line.length : bytes_of(&line, width);
    while (length > 0 && line.bytes[length - 1] == ' ') {
        length--;
    }
    eye_text_truncate(out, start + length);
}

static void append_line(const struct eye_grid *grid, size_t row, size_t width, struct eye_text *out)
{
    size_t start = out->length;
    for (size_t i = 0; i < grid->columns; i++) {
        struct cell cell = cell_at(grid, row * grid->columns + i);
        append_padding(out, i == 0 ? 0 : GAP);
        append_cell(&cell, grid->widths[i], grid->numeric[i], out);
    }
    trim_line(out, start, width);
}

void eye_grid_write(struct eye_grid *grid, const struct eye_console_style *style,
                    struct eye_text *out)
{
    assert(grid->columns > 0 && grid->cells % grid->columns == 0);
    measure(grid);
    if (style->width > 0) {
        shorten(grid, style->width);
    }
    for (size_t row = 0; row < grid->cells / grid->columns; row++) {
        bool dim = row == 0 && style->colour;
        eye_text_append(out, dim ? COLOUR_DIM : "");
        append_line(grid, row, style->width, out);
        eye_text_append(out, dim ? COLOUR_OFF "\n" : "\n");
    }
}
