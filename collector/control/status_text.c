/* SPDX-License-Identifier: Apache-2.0 */
/* A status for people: what is wrong first, then what is worth a look. */
#include <string.h>

#include "collector/control/status.h"

#define WIDTH 80
#define INDENT ((size_t)4)

#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

struct page {
    struct eye_text *text;
    bool colour;
};

static const char *ink(const struct page *page, const char *code)
{
    return page->colour ? code : "";
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value == NULL ? "" : value;
}

static json_int_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* ---- Units ---- */

static void append_bytes(struct eye_text *text, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < EYE_ARRAY_LENGTH(units); unit++) {
        bytes /= 1024;
    }
    eye_text_appendf(text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

/* "3 d 4 h", "12 min", "3.2 s", "4.1 ms" */
static void append_duration(struct eye_text *text, double seconds)
{
    if (seconds >= 86400) {
        eye_text_appendf(text, "%ld d %ld h", (long)seconds / 86400, (long)seconds / 3600 % 24);
    } else if (seconds >= 3600) {
        eye_text_appendf(text, "%ld h %ld min", (long)seconds / 3600, (long)seconds / 60 % 60);
    } else if (seconds >= 60) {
        eye_text_appendf(text, "%ld min %ld s", (long)seconds / 60, (long)seconds % 60);
    } else if (seconds >= 1) {
        eye_text_appendf(text, "%.1f s", seconds);
    } else {
        eye_text_appendf(text, "%.1f ms", seconds * 1e3);
    }
}

/* ---- Parts ---- */

static void write_head(const struct page *page, const json_t *status)
{
    bool healthy = strcmp(string_of(status, "status"), "healthy") == 0;
    const json_t *self = json_object_get(status, "self");
    const json_t *interval = json_object_get(status, "interval");
    struct eye_text *text = page->text;
    eye_text_appendf(text, "sockeye %s is %s%s%s, process %lld, up ", string_of(status, "version"),
                     ink(page, healthy ? GREEN : RED), string_of(status, "status"),
                     ink(page, PLAIN), (long long)integer_of(status, "pid"));
    append_duration(text, number_of(status, "uptime_s"));
    eye_text_appendf(text, "\ntier %s, NAT by %s, configuration %s\n", string_of(status, "tier"),
                     string_of(status, "nat"),
                     json_is_null(json_object_get(status, "config_file"))
                         ? "built-in"
                         : string_of(status, "config_file"));
    if (integer_of(interval, "number") == 0) {
        eye_text_appendf(text, "intervals of %g s, the first one is not over\n",
                         number_of(interval, "length_s"));
        return;
    }
    eye_text_appendf(text, "intervals of %g s, %lld so far, the last one with %lld series\n",
                     number_of(interval, "length_s"), (long long)integer_of(interval, "number"),
                     (long long)integer_of(interval, "series"));
    eye_text_append(text, "memory ");
    append_bytes(text, number_of(self, "memory_bytes"));
    if (json_is_number(json_object_get(self, "cpu_ratio"))) { /* of the first interval: unknown */
        eye_text_appendf(text, ", CPU %.2f %%", 100 * number_of(self, "cpu_ratio"));
    }
    eye_text_append_char(text, '\n');
}

static void write_lines(const struct page *page, const char *title, const char *code,
                        const json_t *lines)
{
    size_t i;
    const json_t *line;
    if (json_array_size(lines) == 0) {
        return;
    }
    eye_text_appendf(page->text, "\n%s%s%s\n", ink(page, code), title, ink(page, PLAIN));
    json_array_foreach(lines, i, line)
    {
        eye_text_append(page->text, "  ");
        eye_text_append_wrapped(page->text, json_string_value(line), INDENT, WIDTH);
        eye_text_append_char(page->text, '\n');
    }
}

static void write_title(const struct page *page, const char *title)
{
    eye_text_appendf(page->text, "\n%s%s%s\n", ink(page, BOLD), title, ink(page, PLAIN));
}

static void append_since(struct eye_text *text, const char *words, const json_t *time)
{
    eye_text_appendf(text, "%s%s", words, json_is_string(time) ? json_string_value(time) : "never");
}

static void write_reasons(const struct page *page, const char *title, const json_t *reasons)
{
    const char *reason;
    const json_t *count;
    const char *lead = "";
    if (json_object_size(reasons) == 0) {
        return;
    }
    eye_text_appendf(page->text, "    %s ", title);
    json_object_foreach((json_t *)(uintptr_t)reasons, reason, count)
    { /* only read */
        eye_text_appendf(page->text, "%s%s %lld", lead, reason,
                         (long long)json_integer_value(count));
        lead = ", ";
    }
    eye_text_append_char(page->text, '\n');
}

static void write_exporter(const struct page *page, const json_t *exporter)
{
    struct eye_text *text = page->text;
    const json_t *snapshots = json_object_get(exporter, "snapshots");
    bool failing = integer_of(exporter, "failing_attempts") > 0;
    eye_text_appendf(text, "  %s%s%s (%s): ", ink(page, failing ? RED : GREEN),
                     string_of(exporter, "name"), ink(page, PLAIN), string_of(exporter, "type"));
    if (failing) {
        append_since(text, "failing since ", json_object_get(exporter, "failing_since"));
        append_since(text, ", last success ", json_object_get(exporter, "last_success"));
    } else {
        append_since(text, "last success ", json_object_get(exporter, "last_success"));
    }
    if (number_of(exporter, "last_attempt_s") > 0) {
        eye_text_append(text, ", took ");
        append_duration(text, number_of(exporter, "last_attempt_s"));
    }
    eye_text_appendf(
        text, "\n    delivered %lld, queued %lld, skipped %lld, refused %lld; points %lld, ",
        (long long)integer_of(snapshots, "delivered"), (long long)integer_of(snapshots, "queued"),
        (long long)integer_of(snapshots, "skipped"), (long long)integer_of(snapshots, "refused"),
        (long long)integer_of(exporter, "points"));
    append_bytes(text, number_of(exporter, "sent_bytes"));
    eye_text_append_char(text, '\n');
    if (json_is_string(json_object_get(exporter, "last_error"))) {
        eye_text_append(text, "    ");
        eye_text_append_wrapped(text, string_of(exporter, "last_error"), 2 * INDENT, WIDTH);
        eye_text_append_char(text, '\n');
    }
    write_reasons(page, "failures:", json_object_get(exporter, "failures"));
    write_reasons(page, "points dropped:", json_object_get(exporter, "dropped_points"));
}

static void write_exporters(const struct page *page, const json_t *exporters)
{
    size_t i;
    const json_t *exporter;
    write_title(page, "Exporters");
    json_array_foreach(exporters, i, exporter)
    {
        write_exporter(page, exporter);
    }
}

/* Rows "  tcp ring_full   12  3": two names, all, and what the last interval added; behind a name
 * of
 * @third what it has there ("": nothing). */
static void write_counts(const struct page *page, const char *title, const json_t *rows,
                         const char *first, const char *second, const char *third)
{
    size_t i;
    const json_t *row;
    if (json_array_size(rows) == 0) {
        return;
    }
    write_title(page, title);
    eye_text_appendf(page->text, "  %-30s %-14s %12s %10s%s%s\n", first, second, "since start",
                     "last", third[0] == '\0' ? "" : "  ", third);
    json_array_foreach(rows, i, row)
    {
        bool now = integer_of(row, "last_interval") > 0;
        const char *behind = string_of(row, third);
        eye_text_appendf(page->text, "  %-30s %-14s %12lld %s%10lld%s%s%s\n", string_of(row, first),
                         string_of(row, second), (long long)integer_of(row, "total"),
                         ink(page, now ? YELLOW : ""), (long long)integer_of(row, "last_interval"),
                         ink(page, now ? PLAIN : ""), behind[0] == '\0' ? "" : "  ", behind);
    }
}

static void write_program(const struct page *page, const json_t *program)
{
    bool attached = json_is_true(json_object_get(program, "attached"));
    eye_text_appendf(page->text, "  %-28s %s%s%s", string_of(program, "name"),
                     ink(page, attached ? "" : RED), attached ? "works" : "refused",
                     ink(page, attached ? "" : PLAIN));
    if (json_is_integer(json_object_get(program, "runs"))) {
        double runs = number_of(program, "runs");
        eye_text_appendf(page->text, "  %12.0f runs, %.0f ns each", runs,
                         runs > 0 ? 1e9 * number_of(program, "time_s") / runs : 0);
    }
    eye_text_append_char(page->text, '\n');
}

/* Whether there is nothing to tell of @program but that it works. */
static bool is_plain(const json_t *program)
{
    return json_is_true(json_object_get(program, "attached")) &&
           !json_is_integer(json_object_get(program, "runs"));
}

/* Those that merely work are counted. */
static void write_programs(const struct page *page, const json_t *programs)
{
    size_t i;
    size_t plain = 0;
    const json_t *program;
    write_title(page, "Kernel programs");
    json_array_foreach(programs, i, program)
    {
        if (is_plain(program)) {
            plain++;
        } else {
            write_program(page, program);
        }
    }
    if (plain > 0) {
        eye_text_appendf(page->text, "  %zu work\n", plain);
    }
}

static void write_sites(const struct page *page, const json_t *file)
{
    struct eye_text *text = page->text;
    eye_text_appendf(text, "    %s by its %s: %lld places", string_of(file, "library"),
                     string_of(file, "way"), (long long)integer_of(file, "sites"));
    if (integer_of(file, "stepped") > 0) {
        eye_text_appendf(text, " (%lld stepped)", (long long)integer_of(file, "stepped"));
    }
    eye_text_append(text, " in ");
    append_duration(text, number_of(file, "took_s"));
    long long processes = integer_of(file, "processes");
    eye_text_appendf(text, ", %lld calls, %lld process%s\n", (long long)integer_of(file, "calls"),
                     processes, processes == 1 ? "" : "es");
}

/* Two lines, or what the reason takes. */
static void write_tls_file(const struct page *page, const json_t *file)
{
    struct eye_text *text = page->text;
    const char *outcome = string_of(file, "outcome");
    bool probed = strcmp(outcome, "probed") == 0;
    eye_text_appendf(text, "  %s%s%s %s\n", ink(page, probed ? GREEN : YELLOW), outcome,
                     ink(page, PLAIN), string_of(file, "path"));
    if (json_is_string(json_object_get(file, "library"))) {
        write_sites(page, file);
    }
    if (json_is_string(json_object_get(file, "reason"))) {
        eye_text_append(text, "    ");
        eye_text_append_wrapped(text, string_of(file, "reason"), INDENT, WIDTH);
        eye_text_append_char(text, '\n');
    }
}

static void write_tls(const struct page *page, const json_t *tls)
{
    size_t i;
    const json_t *file;
    if (!json_is_object(tls)) {
        return;
    }
    write_title(page, "Inside TLS");
    eye_text_appendf(page->text,
                     "  %lld libraries probed, %lld refused, %lld let go in doubt, %lld left out\n",
                     (long long)integer_of(tls, "probed"), (long long)integer_of(tls, "refused"),
                     (long long)integer_of(tls, "doubted"), (long long)integer_of(tls, "excluded"));
    if (integer_of(tls, "beyond") > 0) {
        eye_text_appendf(page->text,
                         "  %lld times the last look met one that there is no room for\n",
                         (long long)integer_of(tls, "beyond"));
    }
    eye_text_appendf(
        page->text, "  %lld ends of connections began TLS since start, %lld are read\n",
        (long long)integer_of(tls, "connections"), (long long)integer_of(tls, "sessions"));
    json_array_foreach(json_object_get(tls, "files"), i, file)
    {
        write_tls_file(page, file);
    }
}

void eye_status_write(const json_t *status, bool colour, struct eye_text *text)
{
    const struct page page = {text, colour};
    write_head(&page, status);
    write_lines(&page, "Problems", RED, json_object_get(status, "problems"));
    write_lines(&page, "Not seen", YELLOW, json_object_get(status, "not_seen"));
    write_exporters(&page, json_object_get(status, "exporters"));
    write_counts(&page, "Lost in the kernel", json_object_get(status, "losses"), "program",
                 "reason", "");
    write_counts(&page, "Full: counted as __other__", json_object_get(status, "budgets"), "metric",
                 "tag", "limit");
    if (json_array_size(json_object_get(status, "programs")) > 0) {
        write_programs(&page, json_object_get(status, "programs"));
    }
    write_tls(&page, json_object_get(status, "tls"));
}
