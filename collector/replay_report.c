/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay_report.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/human.h"
#include "collector/control/values.h"

#define TEXT_MAX_BYTES ((size_t)64 << 20)

/* A tag's value, as a terminal may have it, and "name=" before it. */
#define TAG_BYTES 1024

static const struct {
    const char *name;
    const char *meaning;
} unusable[EYE_PACKET_UNUSABLE_COUNT] = {
#define X(identifier, name, meaning) {name, meaning},
    EYE_UNUSABLE(X)
#undef X
};

static double seconds_of(const struct eye_replay_summary *summary)
{
    return (double)(summary->last_ns - summary->first_ns) / (double)EYE_NS_PER_SECOND;
}

/* ---- For a person ---- */

/* Of a metric; `amount` is what rows are sorted by. */
struct row {
    const struct eye_point *point;
    uint64_t amount;
};

static uint64_t amount_of(const struct eye_point *point)
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        return point->counter;
    case EYE_DISTRIBUTION:
        return eye_distribution_count_since(point->distribution, NULL);
    default:
        return 0;
    }
}

/* Most first, equals as the snapshot has them. */
static int compare(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    if (left->point->metric != right->point->metric) {
        return left->point < right->point ? -1 : 1;
    }
    if (left->amount != right->amount) {
        return left->amount > right->amount ? -1 : 1;
    }
    return left->point < right->point ? -1 : left->point > right->point;
}

#define CELL_BYTES 32

static void append_cell(struct eye_text *text, const struct eye_point *point, double quantile)
{
    EYE_CLEANUP(eye_text_done) struct eye_text cell;
    eye_text_init(&cell, CELL_BYTES);
    if (point->metric->kind == EYE_DISTRIBUTION) {
        eye_human_append_seconds(
            &cell, eye_distribution_quantile_since(point->distribution, NULL, quantile));
    }
    eye_text_appendf(text, "%10s", eye_text_string(&cell));
}

static void append_tags(struct eye_text *text, const struct eye_tag_set *tags)
{
    char shown[TAG_BYTES];
    for (uint32_t i = 0; i < tags->count; i++) {
        const struct eye_tag_value *tag = &tags->tags[i];
        eye_copy_shown(shown, sizeof(shown), tag->value, strlen(tag->value));
        eye_text_appendf(text, " %s=%s", eye_tag_info(tag->tag)->name, shown);
    }
    eye_text_append_char(text, '\n');
}

static void append_row(struct eye_text *text, const struct row *row)
{
    eye_text_appendf(text, "%10llu", (unsigned long long)row->amount);
    append_cell(text, row->point, 0.5);
    append_cell(text, row->point, 0.99);
    eye_text_append(text, " ");
    append_tags(text, row->point->tags);
}

static void append_rows(struct eye_text *text, const struct row *rows, size_t count, bool colour)
{
    for (size_t i = 0; i < count; i++) {
        const struct eye_metric *metric = rows[i].point->metric;
        if (i == 0 || rows[i - 1].point->metric != metric) {
            eye_text_appendf(text, "\n%s%s%s\n%10s%10s%10s  tags\n", colour ? "\033[1m" : "",
                             metric->name, colour ? "\033[0m" : "", "count", "p50", "p99");
        }
        append_row(text, &rows[i]);
    }
}

/* "a kind (12)" for each kind that there is, "; " between them. */
static void append_unusable(struct eye_text *text, const struct eye_replay_summary *summary)
{
    const struct eye_connection_counts *connections = &summary->connections;
    const struct {
        uint64_t count;
        const char *words;
    } others[] = {
        {connections->cut + summary->cut_datagrams,
         "packets whose payload was not captured whole: snaplen"},
        {connections->evicted, "connections beyond those that are remembered"},
        {connections->lost_memory, "packets that there was no memory for"},
        {connections->waiting + summary->questions_waiting,
         "requests without an answer when the capture ended"},
    };
    const char *before = "not used: ";
    for (size_t i = 0; i < EYE_PACKET_UNUSABLE_COUNT; i++) {
        if (summary->unusable[i] > 0) {
            eye_text_appendf(text, "%s%s (%llu)", before, unusable[i].meaning,
                             (unsigned long long)summary->unusable[i]);
            before = "; ";
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        if (others[i].count > 0) {
            eye_text_appendf(text, "%s%s (%llu)", before, others[i].words,
                             (unsigned long long)others[i].count);
            before = "; ";
        }
    }
    if (*before == ';') {
        eye_text_append_char(text, '\n');
    }
}

static void append_summary(struct eye_text *text, const struct eye_replay_report *report)
{
    const struct eye_replay_summary *summary = report->summary;
    const struct eye_connection_counts *connections = &summary->connections;
    eye_text_appendf(text, "%s (%s), at the %s's end: %llu packets over ", report->file,
                     report->link, report->client_end ? "client" : "server",
                     (unsigned long long)summary->packets);
    eye_human_append_seconds(text, seconds_of(summary));
    eye_text_appendf(
        text,
        "; connections: %llu (without a SYN: %llu, of no protocol that is known: "
        "%llu); datagrams of DNS: %llu\n",
        (unsigned long long)connections->seen, (unsigned long long)connections->guessed,
        (unsigned long long)connections->unrecognised, (unsigned long long)summary->dns);
    append_unusable(text, summary);
    if (summary->problem[0] != '\0') {
        eye_text_appendf(text, "read to packet %llu only: %s\n",
                         (unsigned long long)summary->packets, summary->problem);
    }
}

/* Whatever @text has, whole or not at all. */
static int print_text(const struct eye_text *text, FILE *out)
{
    if (text->failed) {
        return -ENOMEM;
    }
    fputs(eye_text_string(text), out);
    return 0;
}

int eye_replay_print(const struct eye_replay_report *report, bool colour, FILE *out)
{
    const struct eye_snapshot *snapshot = report->snapshot;
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    EYE_AUTOFREE struct row *rows = calloc(snapshot->count + 1, sizeof(*rows));
    if (rows == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        rows[i] = (struct row){&snapshot->points[i], amount_of(&snapshot->points[i])};
    }
    qsort(rows, snapshot->count, sizeof(*rows), compare);
    eye_text_init(&text, TEXT_MAX_BYTES);
    append_summary(&text, report);
    append_rows(&text, rows, snapshot->count, colour);
    return print_text(&text, out);
}

void eye_replay_print_summary(const struct eye_replay_report *report, FILE *out)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, TEXT_MAX_BYTES);
    append_summary(&text, report);
    print_text(&text, out);
}

/* ---- For a program ---- */

static json_t *pack_tags(const struct eye_tag_set *tags)
{
    json_t *object = json_object();
    for (uint32_t i = 0; i < tags->count; i++) {
        json_object_set_new(object, eye_tag_info(tags->tags[i].tag)->name,
                            json_string(tags->tags[i].value));
    }
    return object;
}

static json_t *pack_point(const struct eye_point *point)
{
    const struct eye_distribution *values = point->distribution;
    if (point->metric->kind != EYE_DISTRIBUTION) {
        return json_pack("{s:s, s:o, s:I}", "metric", point->metric->name, "tags",
                         pack_tags(point->tags), "count", (json_int_t)amount_of(point));
    }
    return json_pack("{s:s, s:o, s:I, s:f, s:f, s:f, s:f}", "metric", point->metric->name, "tags",
                     pack_tags(point->tags), "count", (json_int_t)amount_of(point), "sum",
                     eye_distribution_sum_since(values, NULL), "p50",
                     eye_distribution_quantile_since(values, NULL, 0.5), "p99",
                     eye_distribution_quantile_since(values, NULL, 0.99), "max",
                     eye_distribution_quantile_since(values, NULL, 1));
}

static json_t *pack_series(const struct eye_snapshot *snapshot)
{
    json_t *list = json_array();
    for (size_t i = 0; i < snapshot->count; i++) {
        if (json_array_append_new(list, pack_point(&snapshot->points[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *pack_connections(const struct eye_connection_counts *counts)
{
    return json_pack("{s:I, s:I, s:I}", "seen", (json_int_t)counts->seen, "guessed",
                     (json_int_t)counts->guessed, "unrecognised", (json_int_t)counts->unrecognised);
}

static json_t *pack_unused(const struct eye_replay_summary *summary)
{
    const struct eye_connection_counts *connections = &summary->connections;
    uint64_t cut = connections->cut + summary->cut_datagrams;
    uint64_t unanswered = connections->waiting + summary->questions_waiting;
    json_t *object = json_object();
    for (size_t i = 0; i < EYE_PACKET_UNUSABLE_COUNT; i++) {
        json_object_set_new(object, unusable[i].name,
                            json_integer((json_int_t)summary->unusable[i]));
    }
    json_object_set_new(object, "cut_payloads", json_integer((json_int_t)cut));
    json_object_set_new(object, "connections_evicted",
                        json_integer((json_int_t)connections->evicted));
    json_object_set_new(object, "no_memory", json_integer((json_int_t)connections->lost_memory));
    json_object_set_new(object, "unanswered", json_integer((json_int_t)unanswered));
    return object;
}

int eye_replay_print_json(const struct eye_replay_report *report, FILE *out)
{
    const struct eye_replay_summary *summary = report->summary;
    json_t *series = pack_series(report->snapshot);
    json_t *root =
        series == NULL
            ? NULL
            : json_pack("{s:s, s:s, s:s, s:o, s:f, s:I, s:I, s:I, s:I, s:b, s:s, s:o, s:o, s:o}",
                        "version", EYE_VERSION, "link", report->link, "end",
                        report->client_end ? "client" : "server", "start",
                        eye_json_time(summary->first_ns), "seconds", seconds_of(summary), "packets",
                        (json_int_t)summary->packets, "bytes", (json_int_t)summary->bytes,
                        "tcp_packets", (json_int_t)summary->tcp, "dns_datagrams",
                        (json_int_t)summary->dns, "whole", summary->problem[0] == '\0', "problem",
                        summary->problem, "connections", pack_connections(&summary->connections),
                        "unused", pack_unused(summary), "series", series);
    if (root == NULL) {
        return -ENOMEM;
    }
    json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    fputc('\n', out);
    json_decref(root);
    return 0;
}
