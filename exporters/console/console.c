/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console exporter: every interval to standard output, as a table for a person or as lines of
 * JSON. This file writes; table.c and json_line.c encode.
 *
 * A reader that stalls delays nobody but this worker: each write waits for a moment only, and what
 * is left goes first when the worker tries again.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "collector/base/clock.h"
#include "collector/base/parse.h"
#include "exporters/console/table.h"
#include "exporters/encode/json_line.h"
#include "exporters/stdout.h"

/* Lines of JSON are encoded in pieces of about this size; a table is one piece. */
#define PIECE_BYTES ((size_t)64 << 10)
#define PIECE_MAX_BYTES ((size_t)4 << 20)

/* Characters of a line. */
#define PAGE_WIDTH 80
#define PAGE_MAX_WIDTH 10000

enum format { FORMAT_TABLE, FORMAT_JSON };

struct console_config {
    int format;
};

struct console {
    struct eye_selection selection;
    struct eye_export_stats *stats;
    struct eye_output output;
    enum format format;
    bool terminal;
    bool colour;

    /* The snapshot in work. */
    bool begun;     /* a part of it was written */
    bool encoded;   /* all of it is in `piece` or written */
    double seconds; /* that its changes cover */
    struct eye_json_lines lines;
    struct eye_changes changes; /* JSON: what is not yet encoded */
    struct eye_text piece;
    size_t written; /* bytes of the piece */
};

static const char *const formats[] = {"table", "json", NULL};

static const struct eye_config_key keys[] = {
    {.path = "format",
     .type = EYE_CONFIG_CHOICE,
     .offset = offsetof(struct console_config, format),
     .default_value = "table",
     .choices = formats,
     .help = "a table for people, or one line of JSON for each point that changed"},
};

static int console_open(void *state, const struct eye_exporter_setup *setup,
                        struct eye_error *ret_error)
{
    struct console *console = state;
    const struct console_config *config = setup->own->values;
    if (eye_selection_init(&console->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    console->stats = setup->stats;
    console->format = (enum format)config->format;
    eye_json_lines_init(&console->lines, &console->selection, false);
    eye_text_init(&console->piece, PIECE_MAX_BYTES);
    return 0;
}

static int console_bind(void *state, struct eye_error *ret_error)
{
    struct console *console = state;
    (void)ret_error;
    eye_stdout_open(&console->output);
    console->terminal = isatty(STDOUT_FILENO) == 1;
    console->colour = eye_output_has_colour(STDOUT_FILENO);
    return 0;
}

static int begin(struct console *console, const struct eye_snapshot *now,
                 const struct eye_snapshot *before)
{
    console->encoded = false;
    console->seconds = eye_seconds_between(now, before);
    console->written = 0;
    eye_text_clear(&console->piece);
    eye_changes_begin(&console->changes, now, before);
    return console->format == FORMAT_JSON ? eye_json_lines_begin(&console->lines, now, before) : 0;
}

/* The terminal's, now; of other readers nobody knows it, unless $COLUMNS tells. */
static size_t page_width(const struct console *console)
{
    struct winsize size;
    if (console->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    const char *columns = getenv("COLUMNS");
    uint64_t width = 0;
    bool known = columns != NULL && eye_parse_u64(columns, &width) == 0 && width > 0;
    return known && width < PAGE_MAX_WIDTH ? (size_t)width : PAGE_WIDTH;
}

static int encode_table(struct console *console)
{
    const struct eye_console_style style = {
        .colour = console->colour,
        .width = page_width(console),
    };
    int result = eye_console_table(&console->selection, &style, console->changes.now,
                                   console->changes.before, console->seconds, &console->piece);
    console->encoded = result == 0;
    return result;
}

/* A line has room for any tags that are not absurd. */
static bool is_too_long(const struct console *console, size_t index)
{
    return console->format == FORMAT_JSON &&
           eye_identities_at(&console->lines.identities, index)->too_long;
}

static bool is_written(const struct console *console, size_t index, const struct eye_change *change)
{
    return eye_json_lines_wants(&console->lines, change) && !is_too_long(console, index);
}

/* A line that fails is taken back and encoded again next time. */
static int encode_line(struct console *console, const struct eye_change *change,
                       const struct eye_changes *at_change)
{
    size_t start = console->piece.length;
    int result = eye_json_lines_append(&console->lines, at_change->index, change, &console->piece);
    if (result != 0) {
        eye_text_truncate(&console->piece, start);
        console->changes = *at_change;
    }
    return result;
}

static int encode_lines(struct console *console)
{
    struct eye_change change;
    while (console->piece.length < PIECE_BYTES) {
        const struct eye_changes at_change = console->changes;
        if (!eye_changes_next(&console->changes, &change)) {
            console->encoded = true;
            return 0;
        }
        if (is_written(console, at_change.index, &change)) {
            int result = encode_line(console, &change, &at_change);
            if (result != 0) {
                return result;
            }
        }
    }
    return 0;
}

static int encode_piece(struct console *console)
{
    eye_text_clear(&console->piece);
    console->written = 0;
    return console->format == FORMAT_TABLE ? encode_table(console) : encode_lines(console);
}

static int write_piece(struct console *console)
{
    size_t before = console->written;
    int result = eye_stdout_write(&console->output, console->piece.data, console->piece.length,
                                  &console->written);
    console->begun = console->begun || console->written > 0;
    atomic_fetch_add(&console->stats->bytes, console->written - before);
    return result;
}

static int write_snapshot(struct console *console)
{
    int result = write_piece(console);
    while (result == 0 && !console->encoded) {
        result = encode_piece(console);
        if (result == 0) {
            result = write_piece(console);
        }
    }
    return result;
}

static void count_points(struct console *console, const struct eye_snapshot *now,
                         const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    uint64_t seen = 0;
    uint64_t points = 0;
    eye_changes_begin(&changes, now, before);
    for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
        seen += eye_json_lines_wants(&console->lines, &change);
        points += is_written(console, index, &change);
    }
    atomic_fetch_add(&console->stats->seen, seen);
    atomic_fetch_add(&console->stats->points, points);
    atomic_fetch_add(&console->stats->dropped[EYE_EXPORT_TOO_LONG], seen - points);
}

static int console_deliver(void *state, const struct eye_snapshot *now,
                           const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    struct console *console = state;
    int result = console->begun ? 0 : begin(console, now, before);
    if (result == 0) {
        result = write_snapshot(console);
    }
    if (result != 0) {
        failure->gone = eye_stdout_is_gone(result);
        console->begun = console->begun && !failure->gone;
        failure->started = console->begun;
        return eye_export_fail(failure, result, eye_export_reason_of(result),
                               "cannot write to standard output: %s", eye_stdout_error(result));
    }
    console->begun = false;
    count_points(console, now, before);
    return 0;
}

static void console_close(void *state)
{
    struct console *console = state;
    eye_json_lines_done(&console->lines);
    eye_selection_done(&console->selection);
    eye_text_done(&console->piece);
    eye_stdout_close(&console->output);
}

const struct eye_exporter_type eye_exporter_console = {
    .section =
        {
            .type = "console",
            .foreign = "stdout stderr print debug logging terminal",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct console_config),
        },
    .state_size = sizeof(struct console),
    .open = console_open,
    .bind = console_bind,
    .deliver = console_deliver,
    .close = console_close,
};
