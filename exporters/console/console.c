/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console exporter: every interval to standard output, as a table for a person or as lines of
 * JSON. This file writes; table.c and json.c encode.
 *
 * A reader that stalls delays nobody but this worker: each write waits at most a second, and what
 * is left goes first when the worker tries again.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "collector/base/clock.h"
#include "exporters/console/json.h"
#include "exporters/console/table.h"

/* A reader that stalls is asked again by the worker, which must not be late for its deadline. */
#define WRITE_TIMEOUT_MS 200

/* Lines of JSON are encoded in pieces of about this size; a table is one piece. */
#define PIECE_BYTES ((size_t)64 << 10)
#define PIECE_MAX_BYTES ((size_t)4 << 20)

enum format { FORMAT_TABLE, FORMAT_JSON };

struct console_config {
    int format;
};

struct console {
    struct eye_selection selection;
    struct eye_export_stats *stats;
    enum format format;
    bool terminal;
    bool colour;

    /* The snapshot in work. */
    bool begun;                 /* a part of it was written */
    bool encoded;               /* all of it is in `piece` or written */
    double seconds;             /* that its changes cover */
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

/* https://no-color.org: set and not empty. */
static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

static int console_open(const struct eye_exporter_setup *setup, void **ret_state,
                        struct eye_error *ret_error)
{
    const struct console_config *config = setup->own->values;
    EYE_AUTOFREE struct console *console = calloc(1, sizeof(*console));
    if (console == NULL || eye_selection_init(&console->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    console->stats = setup->stats;
    console->format = (enum format)config->format;
    console->terminal = isatty(STDOUT_FILENO) == 1;
    console->colour = console->terminal && wants_colour();
    eye_text_init(&console->piece, PIECE_MAX_BYTES);
    *ret_state = EYE_TAKE(console);
    return 0;
}

/* After a skipped snapshot the changes cover more than one interval. */
static double seconds_between(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    uint64_t ns = now->interval_ns;
    if (before != NULL && now->time_ns > before->time_ns) {
        ns = now->time_ns - before->time_ns;
    }
    return ns == 0 ? 1 : (double)ns / (double)EYE_NS_PER_SECOND;
}

static void begin(struct console *console, const struct eye_snapshot *now,
                  const struct eye_snapshot *before)
{
    console->encoded = false;
    console->seconds = seconds_between(now, before);
    console->written = 0;
    eye_text_clear(&console->piece);
    eye_changes_begin(&console->changes, now, before);
}

static size_t terminal_width(const struct console *console)
{
    struct winsize size;
    bool known = console->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    return known ? size.ws_col : 0;
}

static int encode_table(struct console *console)
{
    const struct eye_console_style style = {
        .colour = console->colour,
        .width = terminal_width(console),
    };
    int result = eye_console_table(&console->selection, &style, console->changes.now,
                                   console->changes.before, console->seconds, &console->piece);
    console->encoded = result == 0;
    return result;
}

/* A line that fails is taken back and encoded again next time. */
static int encode_line(struct console *console, const struct eye_change *change,
                       const struct eye_changes *at_change)
{
    size_t start = console->piece.length;
    int result = eye_console_json_append(&console->selection, console->changes.now,
                                         console->seconds, change, &console->piece);
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
        if (eye_console_json_wants(&console->selection, &change)) {
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

/* At most PIPE_BUF bytes: that many fit a pipe which poll() calls writable. */
static int write_some(struct console *console)
{
    struct pollfd descriptor = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int ready = poll(&descriptor, 1, WRITE_TIMEOUT_MS);
    if (ready <= 0) {
        return ready == 0 ? -EAGAIN : -errno;
    }
    size_t length = console->piece.length - console->written;
    ssize_t count = write(STDOUT_FILENO, console->piece.data + console->written,
                          length < PIPE_BUF ? length : PIPE_BUF);
    if (count < 0) {
        return -errno;
    }
    console->begun = true;
    console->written += (size_t)count;
    atomic_fetch_add(&console->stats->bytes, (uint64_t)count);
    return 0;
}

static int write_piece(struct console *console)
{
    while (console->written < console->piece.length) {
        int result = write_some(console);
        if (result != 0 && result != -EINTR) {
            return result;
        }
    }
    return 0;
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

static uint64_t count_points(const struct console *console, const struct eye_snapshot *now,
                             const struct eye_snapshot *before)
{
    struct eye_changes changes;
    struct eye_change change;
    uint64_t points = 0;
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        points += eye_console_json_wants(&console->selection, &change);
    }
    return points;
}

static int console_deliver(void *state, const struct eye_snapshot *now,
                           const struct eye_snapshot *before, bool *ret_started,
                           struct eye_error *message)
{
    struct console *console = state;
    if (!console->begun) {
        begin(console, now, before);
    }
    int result = write_snapshot(console);
    if (result != 0) {
        atomic_fetch_add(&console->stats->failures[eye_export_reason_of(result)], 1);
        *ret_started = console->begun;
        return eye_error_set(message, result, "cannot write to standard output: %s",
                             strerror(-result));
    }
    console->begun = false;
    atomic_fetch_add(&console->stats->points, count_points(console, now, before));
    return 0;
}

static void console_close(void *state)
{
    struct console *console = state;
    if (console != NULL) {
        eye_selection_done(&console->selection);
        eye_text_done(&console->piece);
        free(console);
    }
}

const struct eye_exporter_type eye_exporter_console = {
    .section =
        {
            .type = "console",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct console_config),
        },
    .open = console_open,
    .deliver = console_deliver,
    .close = console_close,
};
