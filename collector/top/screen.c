/* SPDX-License-Identifier: Apache-2.0 */
/* Header, table, hints. */
#include "collector/top/screen.h"

#include <errno.h>
#include <string.h>

#include "collector/top/cells.h"

/* Title, totals, choices and headings stand above the rows, hints below. */
#define LINES_ABOVE 4
#define LINES_BELOW 1

#define CELL_MAX_BYTES 1024
#define COLUMNS_MAX 24
#define GAP 1

/* A row more of the help is a line more here. */
static const char *const help[] = {
    "",
    "  1 2 Tab            connections, requests",
    "  s > <              sort by the next column, the one before",
    "  g                  group by the next one: service, port, protocol ...",
    "  /                  filter: a part of any text; Enter keeps it, Esc removes it",
    "  space              freeze, and go on",
    "  arrows PgUp PgDn   through the rows; Home, End",
    "  ?                  this, and back",
    "  q                  end",
    "",
    "  Rates are of the time since the last reading, requests those of the daemon's",
    "  last interval. A connection that closed is shown once. \"-\": not known.",
    "  Of a group RTT, AGE, P50 and P99 are the worst of its members, the rest their",
    "  sum; \"*\": they differ. ERR: no answer, or one that tells of a failure.",
};

/* ---- Columns ---- */

struct layout {
    const struct eye_top_view *view;
    bool grouped;
    size_t count; /* of columns that fit */
    const struct eye_column *columns[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
};

static size_t width_of(const struct eye_column *column, const struct eye_top_row *row)
{
    return eye_cells_width(row->texts[column->value]);
}

/* What a column of texts would like to have. */
static size_t wanted(const struct eye_column *column, const struct eye_top_rows *rows)
{
    size_t most = column->width;
    for (size_t i = 0; i < rows->count && column->shown == EYE_SHOWN_TEXT; i++) {
        size_t width = width_of(column, &rows->items[i]);
        most = width > most ? width : most;
    }
    return most < column->width_most ? most : column->width_most;
}

/* As many columns as fit. The width that they take. */
static size_t choose_columns(struct layout *layout, size_t width)
{
    const struct eye_top_view *view = layout->view;
    size_t used = 0;
    for (size_t i = 0; i < view->column_count; i++) {
        const struct eye_column *column = &view->columns[i];
        size_t next = column->width + (layout->count == 0 ? 0 : GAP);
        if (column->of_groups && !layout->grouped) {
            continue;
        }
        if (used + next > width) {
            break;
        }
        used += next;
        layout->columns[layout->count] = column;
        layout->widths[layout->count++] = column->width;
    }
    return used;
}

/* What is left goes to those that need it, from the left. */
static void lay_out(struct layout *layout, const struct eye_top_rows *rows, size_t width)
{
    size_t used = choose_columns(layout, width);
    for (size_t i = 0; i < layout->count && used < width; i++) {
        size_t more = wanted(layout->columns[i], rows) - layout->widths[i];
        more = more < width - used ? more : width - used;
        layout->widths[i] += more;
        used += more;
    }
}

static void append_gap(size_t column, struct eye_text *line)
{
    if (column > 0) {
        eye_text_append_char(line, ' ');
    }
}

static void append_headings(const struct layout *layout, struct eye_text *line)
{
    for (size_t i = 0; i < layout->count; i++) {
        const struct eye_column *column = layout->columns[i];
        append_gap(i, line);
        eye_cells_append(line, column->title, layout->widths[i], column->shown != EYE_SHOWN_TEXT);
    }
}

static void append_row(const struct layout *layout, const struct eye_top_row *row,
                       struct eye_text *line)
{
    EYE_CLEANUP(eye_text_done) struct eye_text cell;
    eye_text_init(&cell, CELL_MAX_BYTES);
    for (size_t i = 0; i < layout->count; i++) {
        const struct eye_column *column = layout->columns[i];
        eye_text_clear(&cell);
        eye_column_append(column, row, &cell);
        append_gap(i, line);
        eye_cells_append(line, eye_text_string(&cell), layout->widths[i],
                         column->shown != EYE_SHOWN_TEXT);
    }
}

/* ---- Header ---- */

static const struct eye_sorting *sorting_of(const struct eye_top_choice *choice)
{
    return &eye_top_view(choice->view)->sortings[choice->sorting[choice->view]];
}

static const struct eye_grouping *grouping_of(const struct eye_top_choice *choice)
{
    return &eye_top_view(choice->view)->groupings[choice->grouping[choice->view]];
}

static void append_totals(const struct eye_top_view *view, const struct eye_top_rows *rows,
                          struct eye_text *line)
{
    struct eye_top_row total;
    eye_top_rows_total(rows, &total);
    for (size_t i = 0; i < view->total_count; i++) {
        eye_text_append(line, i == 0 ? "" : "  ");
        eye_column_append(&view->totals[i], &total, line);
        eye_text_appendf(line, " %s", view->totals[i].title);
    }
}

static void append_choices(const struct eye_moment *moment, const struct eye_top_choice *choice,
                           struct eye_text *line)
{
    for (size_t i = 0; i < EYE_TOP_VIEWS; i++) {
        bool chosen = i == choice->view;
        const char *name = eye_top_view((enum eye_top_view_id)i)->name;
        eye_text_appendf(line, chosen ? "[%zu %s] " : " %zu %s  ", i + 1, name);
    }
    eye_text_appendf(line, " sort: %s  group: %s", sorting_of(choice)->name,
                     grouping_of(choice)->name);
    if (choice->filter[0] != '\0') {
        eye_text_appendf(line, "  filter: %s", choice->filter);
    }
    if (choice->frozen) {
        eye_text_append(line, "  FROZEN");
    }
    if (moment->left_out[choice->view] > 0) {
        eye_text_appendf(line, "  %zu not told", moment->left_out[choice->view]);
    }
}

/* ---- The screen ---- */

/* The line that was appended last, from @start on, as @width columns. */
static void end_line(struct eye_screen *screen, struct eye_text *line, enum eye_style style,
                     size_t width)
{
    eye_cells_append(&screen->text, eye_text_string(line), width, false);
    eye_text_append_char(&screen->text, '\n');
    screen->styles[screen->lines++] = style;
    screen->text.failed |= line->failed;
    eye_text_clear(line);
}

static void draw_header(struct eye_screen *screen, struct eye_text *line,
                        const struct eye_moment *moment, const struct eye_top_choice *choice,
                        const struct layout *layout, const struct eye_top_rows *rows, size_t width)
{
    eye_text_append(line, moment->title);
    end_line(screen, line, moment->healthy ? EYE_STYLE_GOOD : EYE_STYLE_BAD, width);
    append_totals(layout->view, rows, line);
    end_line(screen, line, EYE_STYLE_PLAIN, width);
    append_choices(moment, choice, line);
    end_line(screen, line, EYE_STYLE_PLAIN, width);
    append_headings(layout, line);
    end_line(screen, line, EYE_STYLE_HEADING, width);
}

static void draw_rows(struct eye_screen *screen, struct eye_text *line,
                      const struct eye_top_choice *choice, const struct layout *layout,
                      const struct eye_top_rows *rows, size_t width, size_t height)
{
    for (size_t i = 0; i < eye_screen_rows(height); i++) {
        size_t row = choice->first[choice->view] + i;
        if (choice->help && i < EYE_ARRAY_LENGTH(help)) {
            eye_text_append(line, help[i]);
        } else if (!choice->help && row < rows->count) {
            append_row(layout, &rows->items[row], line);
        }
        end_line(screen, line, EYE_STYLE_PLAIN, width);
    }
}

static void draw_hints(struct eye_screen *screen, struct eye_text *line,
                       const struct eye_moment *moment, const struct eye_top_choice *choice,
                       size_t width)
{
    enum eye_style style = EYE_STYLE_HINT;
    if (choice->typing) {
        eye_text_appendf(line, "filter: %s_", choice->filter);
    } else if (moment->message[0] != '\0') {
        eye_text_append(line, moment->message);
        style = EYE_STYLE_BAD;
    } else {
        eye_text_append(line, "q end  ? help  1/2 table  s sort  g group  / filter  space freeze");
    }
    end_line(screen, line, style, width);
}

size_t eye_screen_rows(size_t height)
{
    return height > LINES_ABOVE + LINES_BELOW ? height - LINES_ABOVE - LINES_BELOW : 0;
}

static int arrange(const struct eye_moment *moment, const struct eye_top_choice *choice,
                   struct eye_top_rows *ret_rows)
{
    const struct eye_arrangement how = {
        .filter = choice->filter,
        .group = grouping_of(choice)->text,
        .sort = sorting_of(choice)->number,
    };
    return eye_top_rows_arrange(&moment->rows[choice->view], &how, ret_rows);
}

static void keep_within(struct eye_top_choice *choice, size_t count, size_t height)
{
    size_t rows = eye_screen_rows(height);
    size_t last = count > rows ? count - rows : 0;
    size_t *first = &choice->first[choice->view];
    *first = *first < last ? *first : last;
}

int eye_screen_draw(struct eye_screen *screen, const struct eye_moment *moment,
                    struct eye_top_choice *choice, size_t width, size_t height)
{
    EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows rows = {0};
    EYE_CLEANUP(eye_text_done) struct eye_text line;
    struct layout layout = {.view = eye_top_view(choice->view),
                            .grouped = grouping_of(choice)->text >= 0};
    width = width < EYE_SCREEN_WIDTH_MAX ? width : EYE_SCREEN_WIDTH_MAX;
    height = height < EYE_SCREEN_LINES_MAX ? height : EYE_SCREEN_LINES_MAX;
    eye_text_init(&line, EYE_MESSAGE_BYTES + EYE_SCREEN_WIDTH_MAX * 8);
    eye_text_clear(&screen->text);
    screen->lines = 0;
    if (arrange(moment, choice, &rows) != 0) {
        return -ENOMEM;
    }
    keep_within(choice, rows.count, height);
    lay_out(&layout, &rows, width);
    draw_header(screen, &line, moment, choice, &layout, &rows, width);
    draw_rows(screen, &line, choice, &layout, &rows, width, height);
    draw_hints(screen, &line, moment, choice, width);
    return screen->text.failed ? -ENOMEM : 0;
}

int eye_screen_print(struct eye_text *text, const struct eye_moment *moment,
                     const struct eye_top_choice *choice, size_t width)
{
    EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows rows = {0};
    struct layout layout = {.view = eye_top_view(choice->view),
                            .grouped = grouping_of(choice)->text >= 0};
    if (arrange(moment, choice, &rows) != 0) {
        return -ENOMEM;
    }
    lay_out(&layout, &rows, width);
    append_totals(layout.view, &rows, text);
    eye_text_append_char(text, '\n');
    append_headings(&layout, text);
    eye_text_append_char(text, '\n');
    for (size_t i = 0; i < rows.count; i++) {
        append_row(&layout, &rows.items[i], text);
        eye_text_append_char(text, '\n');
    }
    return text->failed ? -ENOMEM : 0;
}
