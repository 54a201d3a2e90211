/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring, leaving out, folding and writing the cells. */
#include "exporters/console/grid.h"

#include <assert.h>
#include <string.h>

#include "exporters/encode/utf8.h"

#define GAP 2             /* spaces between columns */
#define FOLDED_MIN 8      /* a column of text is not made narrower than this */
#define FOLDED_AT_EASE 20 /* nor than this as long as there is a column to leave out */

/* Headings of all columns. */
#define LEFT_OUT_MAX_BYTES 512

#define COLOUR_DIM "\033[2m"
#define COLOUR_OFF "\033[0m"

void eye_grid_init(struct eye_grid *grid, struct eye_text *text)
{
    eye_text_clear(text);
    grid->text = text;
    grid->columns = 0;
    grid->cells = 0;
}

void eye_grid_column(struct eye_grid *grid, const char *heading, bool numeric, unsigned rank)
{
    assert(grid->columns < EYE_GRID_COLUMNS_MAX && grid->cells == grid->columns);
    grid->headings[grid->columns] = heading;
    grid->ranks[grid->columns] = rank;
    grid->left_out[grid->columns] = false;
    grid->empty[grid->columns] = false;
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
        if (!grid->left_out[i]) {
            width += grid->widths[i] + (width == 0 ? 0 : GAP);
        }
    }
    return width;
}

/* The widest column of text of more than @min characters; grid->columns when there is none. */
static size_t widest_text(const struct eye_grid *grid, size_t min)
{
    size_t widest = grid->columns;
    size_t width = min;
    for (size_t i = 0; i < grid->columns; i++) {
        if (!grid->left_out[i] && !grid->numeric[i] && grid->widths[i] > width) {
            widest = i;
            width = grid->widths[i];
        }
    }
    return widest;
}

/* Makes texts narrower, down to @min, until lines fit @width if they can. */
static void fold(struct eye_grid *grid, size_t width, size_t min)
{
    size_t excess = line_width(grid) > width ? line_width(grid) - width : 0;
    for (; excess > 0; excess--) {
        size_t widest = widest_text(grid, min);
        if (widest == grid->columns) {
            return;
        }
        grid->widths[widest]--;
    }
}

/* Every row says none or zero. */
static bool shows_nothing(const struct eye_grid *grid, size_t column)
{
    bool nothing = grid->numeric[column];
    for (size_t i = grid->columns + column; i < grid->cells && nothing; i += grid->columns) {
        struct cell cell = cell_at(grid, i);
        bool zero = cell.bytes[0] == '0' && (cell.length == 1 || cell.bytes[1] == ' ');
        nothing = zero || (cell.length == 1 && cell.bytes[0] == '-');
    }
    return nothing;
}

static bool same_cell(const struct eye_grid *grid, size_t row, size_t other, size_t column)
{
    struct cell left = cell_at(grid, row * grid->columns + column);
    struct cell right = cell_at(grid, other * grid->columns + column);
    return left.length == right.length && memcmp(left.bytes, right.bytes, left.length) == 0;
}

/* Whether two rows have the same texts but for @column. */
static bool differ_there_only(const struct eye_grid *grid, size_t row, size_t other, size_t column)
{
    for (size_t i = 0; i < grid->columns; i++) {
        bool compared = i != column && !grid->left_out[i] && !grid->numeric[i];
        if (compared && !same_cell(grid, row, other, i)) {
            return false;
        }
    }
    return !same_cell(grid, row, other, column);
}

/* Without @column rows would be alike that are not. */
static bool tells_rows_apart(const struct eye_grid *grid, size_t column)
{
    size_t rows = grid->cells / grid->columns;
    for (size_t row = 1; row < rows && !grid->numeric[column]; row++) {
        for (size_t other = row + 1; other < rows; other++) {
            if (differ_there_only(grid, row, other, column)) {
                return true;
            }
        }
    }
    return false;
}

/* Which columns may be left out; the later ones only when there is none of the earlier. */
enum dispensable { SHOWS_NOTHING, SPARE, TELLS_NO_ROWS_APART, NOT_NEEDED };

static bool is_dispensable(const struct eye_grid *grid, size_t column, enum dispensable which)
{
    switch (which) {
    case SHOWS_NOTHING:
        return grid->empty[column];
    case SPARE:
        return grid->ranks[column] >= EYE_GRID_SPARE_RANK && !tells_rows_apart(grid, column);
    case TELLS_NO_ROWS_APART:
        return grid->ranks[column] > 0 && !tells_rows_apart(grid, column);
    case NOT_NEEDED:
        return grid->ranks[column] > 0;
    }
    return false;
}

/* Leaves out the one of these columns that is missed least; false when there is none. */
static bool leave_one_out(struct eye_grid *grid, enum dispensable which)
{
    size_t least = grid->columns;
    for (size_t i = 0; i < grid->columns; i++) {
        if (!grid->left_out[i] && is_dispensable(grid, i, which) &&
            (least == grid->columns || grid->ranks[i] > grid->ranks[least])) {
            least = i;
        }
    }
    if (least == grid->columns) {
        return false;
    }
    grid->left_out[least] = true;
    return true;
}

/* A row in one line is easier to read than one more number: without spare columns, if that is
 * enough for all rows. */
static void keep_rows_in_one_line(struct eye_grid *grid, size_t width)
{
    bool before[EYE_GRID_COLUMNS_MAX];
    memcpy(before, grid->left_out, sizeof(before));
    while (line_width(grid) > width && leave_one_out(grid, SPARE)) {
    }
    if (line_width(grid) > width) {
        memcpy(grid->left_out, before, sizeof(before));
    }
}

static void fit(struct eye_grid *grid, size_t width)
{
    for (size_t i = 0; i < grid->columns; i++) {
        grid->empty[i] = shows_nothing(grid, i);
    }
    while (line_width(grid) > width && leave_one_out(grid, SHOWS_NOTHING)) {
    }
    keep_rows_in_one_line(grid, width);
    fold(grid, width, FOLDED_AT_EASE);
    while (line_width(grid) > width && leave_one_out(grid, TELLS_NO_ROWS_APART)) {
    }
    while (line_width(grid) > width && leave_one_out(grid, NOT_NEEDED)) {
    }
    measure(grid); /* what was left out may have made room */
    fold(grid, width, FOLDED_MIN);
}

/* Bytes that the first @count characters take. */
static size_t bytes_of(const struct cell *cell, size_t count)
{
    size_t length = 0;
    uint32_t code_point = 0;
    for (size_t i = 0; i < count && length < cell->length; i++) {
        length += eye_utf8_next(cell->bytes + length, cell->length - length, &code_point);
    }
    return length;
}

static void append_padding(struct eye_text *out, size_t count)
{
    eye_text_appendf(out, "%*s", (int)count, "");
}

/* What of @cell stands in line @line of its row. */
static struct cell slice(const struct cell *cell, size_t line, size_t width)
{
    size_t start = bytes_of(cell, line * width);
    struct cell rest = {.bytes = cell->bytes + start, .length = cell->length - start};
    rest.length = bytes_of(&rest, width);
    rest.width = eye_utf8_count(rest.bytes, rest.length);
    return rest;
}

static void append_cell(const struct cell *cell, size_t width, bool numeric, struct eye_text *out)
{
    if (numeric) {
        append_padding(out, width - cell->width);
    }
    eye_text_append_bytes(out, cell->bytes, cell->length);
    if (!numeric) {
        append_padding(out, width - cell->width);
    }
}

/* Removes the spaces that padding left at the end. */
static void trim_line(struct eye_text *out, size_t start)
{
    if (out->failed) {
        return; /* truncating would hide it */
    }
    size_t length = out->length;
    while (length > start && out->data[length - 1] == ' ') {
        length--;
    }
    eye_text_truncate(out, length);
}

/* True when the row needs another line. */
static bool append_line(const struct eye_grid *grid, size_t row, size_t line, struct eye_text *out)
{
    size_t start = out->length;
    bool more = false;
    for (size_t i = 0; i < grid->columns; i++) {
        if (grid->left_out[i]) {
            continue;
        }
        struct cell cell = cell_at(grid, row * grid->columns + i);
        struct cell part = slice(&cell, line, grid->widths[i]);
        append_padding(out, out->length == start ? 0 : GAP);
        append_cell(&part, grid->widths[i], grid->numeric[i], out);
        more |= cell.width > (line + 1) * grid->widths[i];
    }
    trim_line(out, start);
    return more && !out->failed;
}

static void append_row(const struct eye_grid *grid, size_t row, bool dim, struct eye_text *out)
{
    bool more = true;
    for (size_t line = 0; more; line++) {
        eye_text_append(out, dim ? COLOUR_DIM : "");
        more = append_line(grid, row, line, out);
        eye_text_append(out, dim ? COLOUR_OFF "\n" : "\n");
    }
}

void eye_grid_write(struct eye_grid *grid, const struct eye_console_style *style,
                    struct eye_text *out)
{
    assert(grid->columns > 0 && grid->cells % grid->columns == 0);
    measure(grid);
    if (style->width > 0) {
        fit(grid, style->width);
    }
    for (size_t row = 0; row < grid->cells / grid->columns; row++) {
        append_row(grid, row, row == 0 && style->colour, out);
    }
}

/* Names the columns that were left out, with @lead before them: those that show nothing, or the
 * others. */
static void append_left_out(const struct eye_grid *grid, bool nothing, const char *lead,
                            struct eye_text *words)
{
    for (size_t i = 0; i < grid->columns; i++) {
        if (grid->left_out[i] && grid->empty[i] == nothing) {
            eye_text_append(words, lead);
            eye_text_append(words, grid->headings[i]);
            lead = ", ";
        }
    }
}

void eye_grid_write_left_out(const struct eye_grid *grid, const struct eye_console_style *style,
                             struct eye_text *out)
{
    EYE_CLEANUP(eye_text_done) struct eye_text words;
    eye_text_init(&words, LEFT_OUT_MAX_BYTES);
    append_left_out(grid, false, "no room for ", &words);
    append_left_out(grid, true, words.length == 0 ? "no room and nothing in " : "; nothing in ",
                    &words);
    if (words.length > 0) {
        eye_text_append(out, style->colour ? COLOUR_DIM : "");
        eye_text_append_wrapped(out, eye_text_string(&words), 0, style->width);
        eye_text_append(out, style->colour ? COLOUR_OFF "\n" : "\n");
    }
}
