/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "file": lines of JSON (exporters/encode/json_line.h) to a file or to standard output,
 * for whoever has something else to read them with.
 */
#include <errno.h>
#include <string.h>

#include "collector/base/parse.h"
#include "exporters/encode/json_line.h"
#include "exporters/engine/delivery.h"
#include "exporters/file/journal.h"
#include "exporters/stdout.h"

/* Lines are written in pieces of this size; one line of any names fits beside it. */
#define PIECE_BYTES ((size_t)64 << 10)
#define PIECE_MAX_BYTES ((size_t)256 << 10)

struct values {
    char *path;
    uint64_t max_bytes;
    uint64_t keep;
};

struct file {
    const struct values *values;
    struct eye_selection selection;
    struct eye_export_stats *stats;
    struct eye_json_lines lines;
    struct eye_text piece;
    struct eye_delivery delivery;
    bool is_stdout;
    struct eye_output output;   /* standard output */
    struct eye_journal journal; /* unless it is standard output */
    size_t written;             /* of the piece, to standard output */
};

static void begin(void *state, const struct eye_snapshot *now)
{
    struct file *file = state;
    (void)now;
    eye_text_clear(&file->piece);
}

static bool wants(void *state, const struct eye_change *change)
{
    const struct file *file = state;
    return eye_json_lines_wants(&file->lines, change);
}

static int add(void *state, size_t index, const struct eye_change *change, size_t *part)
{
    struct file *file = state;
    size_t length = file->piece.length;
    (void)part;
    int result = eye_identity_check(eye_identities_at(&file->lines.identities, index));
    if (result == 0) {
        result = eye_json_lines_append(&file->lines, index, change, &file->piece);
    }
    if (result == 0 && length > 0 && file->piece.length > PIECE_BYTES) {
        result = -ENOBUFS;
    }
    if (result != 0) {
        eye_text_truncate(&file->piece, length);
    }
    return result;
}

static int write_stdout(struct file *file, struct eye_export_failure *failure)
{
    size_t before = file->written;
    int result =
        eye_stdout_write(&file->output, file->piece.data, file->piece.length, &file->written);
    atomic_fetch_add(&file->stats->bytes, file->written - before);
    if (result != 0) {
        failure->gone = eye_stdout_is_gone(result);
        return eye_error_set(&failure->cause, result, "cannot write to standard output: %s",
                             eye_stdout_error(result));
    }
    file->written = 0;
    return 0;
}

static int write_journal(struct file *file, struct eye_error *ret_error)
{
    int result =
        eye_journal_append(&file->journal, file->piece.data, file->piece.length, ret_error);
    if (result == 0) {
        atomic_fetch_add(&file->stats->bytes, file->piece.length);
    }
    return result;
}

static enum eye_verdict send_piece(void *state, uint64_t points, uint64_t *ret_rejected,
                                   struct eye_export_failure *failure)
{
    struct file *file = state;
    (void)points;
    (void)ret_rejected;
    int result =
        file->is_stdout ? write_stdout(file, failure) : write_journal(file, &failure->cause);
    failure->reason = result == 0 ? EYE_EXPORT_OTHER : eye_export_reason_of(result);
    return result == 0 ? EYE_VERDICT_DONE : EYE_VERDICT_RETRY;
}

static const struct eye_payload_format format = {
    .begin = begin,
    .wants = wants,
    .add = add,
    .send = send_piece,
};

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct eye_export_failure *failure)
{
    struct file *file = state;
    if (eye_json_lines_begin(&file->lines, now, before) != 0) {
        return eye_export_fail(failure, -ENOMEM, EYE_EXPORT_OTHER, "out of memory");
    }
    int result = eye_delivery_run(&file->delivery, now, before, failure);
    /* A line that a pipe took a part of goes on with the same snapshot. */
    failure->started = failure->started || file->written > 0;
    return result;
}

static void close_exporter(void *state)
{
    struct file *file = state;
    eye_journal_close(&file->journal);
    eye_stdout_close(&file->output);
    eye_json_lines_done(&file->lines);
    eye_text_done(&file->piece);
    eye_selection_done(&file->selection);
}

static int open_exporter(void *state, const struct eye_exporter_setup *setup,
                         struct eye_error *ret_error)
{
    struct file *file = state;
    const struct values *values = setup->own->values;
    file->journal.fd = -1;
    if (eye_selection_init(&file->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    file->stats = setup->stats;
    file->values = values;
    file->is_stdout = strcmp(values->path, "-") == 0;
    eye_json_lines_init(&file->lines, &file->selection, true);
    eye_text_init(&file->piece, PIECE_MAX_BYTES);
    eye_delivery_init(&file->delivery, &format, file, NULL, setup->stats);
    return 0;
}

static int bind_exporter(void *state, struct eye_error *ret_error)
{
    struct file *file = state;
    const struct values *values = file->values;
    if (file->is_stdout) {
        eye_stdout_open(&file->output);
        return 0;
    }
    return eye_journal_open(&file->journal, values->path, values->max_bytes, values->keep,
                            ret_error);
}

static bool is_file(const char *text)
{
    return text[0] == '/' && text[strlen(text) - 1] != '/';
}

static bool is_path(const char *text)
{
    return is_file(text) || strcmp(text, "-") == 0;
}

/* Whether @path is what @values rotates its file to: PATH.1 to PATH.keep. */
static bool is_rotated_to(const struct values *values, const char *path)
{
    size_t length = strlen(values->path);
    uint64_t number;
    if (values->max_bytes == 0 || strncmp(path, values->path, length) != 0 || path[length] != '.' ||
        path[length + 1] == '0') {
        return false;
    }
    return eye_parse_u64(path + length + 1, &number) == 0 && number >= 1 && number <= values->keep;
}

static const char *shared_files(const void *values, const void *other_values)
{
    const struct values *one = values;
    const struct values *other = other_values;
    bool shared = is_rotated_to(one, other->path) || is_rotated_to(other, one->path);
    return shared ? ", and files are rotated to PATH.1 and so on: both would write the same one; "
                    "choose another path"
                  : NULL;
}

static const struct eye_config_key keys[] = {
    {
        .path = "path",
        .foreign = "file filename file_path output",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, path),
        .default_value = "'-'",
        .valid = is_path,
        .exclusive = is_file,
        .shared = shared_files,
        .expects = "an absolute path, or - for standard output",
        .help = "where the lines go; - is standard output",
    },
    {
        .path = "max_size",
        .type = EYE_CONFIG_SIZE,
        .offset = offsetof(struct values, max_bytes),
        .default_value = "64MiB",
        .help = "the file is rotated before it grows beyond; 0: never",
    },
    {
        .path = "keep",
        .type = EYE_CONFIG_COUNT,
        .offset = offsetof(struct values, keep),
        .default_value = "5",
        .min = 1,
        .max = 1000,
        .help = "older files that are kept, as PATH.1 to PATH.5",
    },
};

const struct eye_exporter_type eye_exporter_file = {
    .section =
        {
            .type = "file",
            .foreign = "json jsonl ndjson",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .timestamped = true,
    .state_size = sizeof(struct file),
    .open = open_exporter,
    .bind = bind_exporter,
    .deliver = deliver,
    .close = close_exporter,
};
