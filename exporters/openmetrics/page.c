/* SPDX-License-Identifier: Apache-2.0 */
/* Families, labels, samples. */
#include "exporters/openmetrics/page.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "exporters/encode/utf8.h"
#include "exporters/prometheus/names.h"

/* Name and labels of one series: a few tags of 200 bytes, each byte at most 3 when replaced. */
#define SERIES_MAX_BYTES ((size_t)1 << 20)

static const char total_suffix[] = "_total";
static const char bucket_opening[] = "_bucket{";
static const char le_opening[] = "le=\"";

#define LENGTH(literal) (sizeof(literal) - 1)

/* One page in the making. */
struct writer {
    struct eye_pages *pages;
    const struct eye_snapshot *snapshot;
    enum eye_page_format format;
    struct eye_text *text;
    eye_page_sink *sink; /* gets the pieces; NULL: the text is kept whole */
    void *context;
    struct eye_page_counts counts;
};

static const char *escape(uint32_t code_point)
{
    switch (code_point) {
    case '\\':
        return "\\\\";
    case '"':
        return "\\\"";
    case '\n':
        return "\\n";
    default:
        return code_point == EYE_UTF8_REPLACEMENT || eye_utf8_is_control(code_point)
                   ? EYE_UTF8_REPLACEMENT_TEXT
                   : NULL;
    }
}

/* HELP has the same escapes, but 0.0.4 knows none for quotes. */
static const char *escape_help_text(uint32_t code_point)
{
    return code_point == '"' ? NULL : escape(code_point);
}

/* ---- What is made once ---- */

/* Before each label but the first, which stands behind @start. */
static void append_separator(struct eye_text *labels, size_t start)
{
    if (labels->length > start) {
        eye_text_append_char(labels, ',');
    }
}

static void append_label_value(struct eye_text *labels, const char *value)
{
    eye_text_append(labels, "=\"");
    eye_utf8_append(labels, value, escape);
    eye_text_append_char(labels, '"');
}

static void append_labels(const struct eye_page_family *family, const struct eye_point *point,
                          struct eye_text *text)
{
    size_t start = text->length;
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (*tag->value != '\0') {
            append_separator(text, start);
            eye_prometheus_append_label(point->metric, tag->tag, text);
            append_label_value(text, tag->value);
        }
    }
    if (family->fixed.length > 0) {
        append_separator(text, start);
        eye_text_append(text, family->fixed.data);
    }
}

/* name_bucket{labels,le=" */
static void write_histogram(const struct eye_page_family *family, const struct eye_point *point,
                            struct eye_text *text)
{
    eye_text_append(text, bucket_opening);
    size_t start = text->length;
    append_labels(family, point, text);
    append_separator(text, start);
    eye_text_append(text, le_opening);
}

/* name_total{labels} with a space behind; without labels no braces. */
static void write_number(const struct eye_page_family *family, const struct eye_point *point,
                         struct eye_text *text)
{
    eye_text_append(text, point->metric->kind == EYE_COUNTER ? total_suffix : "");
    size_t start = text->length;
    eye_text_append_char(text, '{');
    append_labels(family, point, text);
    if (text->length == start + 1) {
        eye_text_truncate(text, start);
        eye_text_append_char(text, ' ');
    } else {
        eye_text_append(text, "} ");
    }
}

/* The split is where the family's name ends. */
static void write_series(void *context, const struct eye_point *point, struct eye_text *text,
                         uint32_t *ret_split)
{
    const struct eye_pages *pages = context;
    const struct eye_page_family *family = &pages->families[point->metric->id];
    eye_text_append(text, eye_text_string(&family->name));
    *ret_split = (uint32_t)text->length;
    if (point->metric->kind == EYE_DISTRIBUTION) {
        write_histogram(family, point, text);
    } else {
        write_number(family, point, text);
    }
}

static void append_fixed_label(const struct eye_selection *selection,
                               const struct eye_metric *metric, size_t index,
                               struct eye_text *labels)
{
    size_t before = labels->length;
    append_separator(labels, 0);
    if (eye_prometheus_append_fixed_label(selection, metric, index, labels)) {
        append_label_value(labels, selection->fixed[index].value);
    } else {
        eye_text_truncate(labels, before);
    }
}

static bool init_family(struct eye_page_family *family, const struct eye_selection *selection,
                        const struct eye_metric *metric)
{
    eye_text_init(&family->name, SERIES_MAX_BYTES);
    eye_text_init(&family->fixed, SERIES_MAX_BYTES);
    eye_prometheus_append_family(selection, metric, &family->name);
    for (size_t i = 0; i < selection->fixed_count; i++) {
        append_fixed_label(selection, metric, i, &family->fixed);
    }
    return !family->name.failed && !family->fixed.failed;
}

static void init_boundaries(struct eye_pages *pages)
{
    for (size_t i = 0; i <= EYE_BOUNDARY_COUNT; i++) {
        struct eye_page_boundary *boundary = &pages->boundaries[i];
        const char *value = i < EYE_BOUNDARY_COUNT ? eye_boundaries[i].text : "+Inf";
        boundary->length =
            (size_t)snprintf(boundary->text, sizeof(boundary->text), "%s\"} ", value);
        assert(boundary->length < sizeof(boundary->text));
    }
}

int eye_pages_init(struct eye_pages *pages, const struct eye_selection *selection, bool created)
{
    bool whole = true;
    *pages = (struct eye_pages){.created = created};
    init_boundaries(pages);
    eye_identities_init(&pages->identities, write_series, pages, selection->wanted,
                        SERIES_MAX_BYTES);
    for (unsigned i = 0; i < EYE_METRIC_COUNT; i++) {
        const struct eye_metric *metric = eye_metric((enum eye_metric_id)i);
        whole = init_family(&pages->families[i], selection, metric) && whole;
    }
    if (!whole) {
        eye_pages_done(pages);
        return -ENOMEM;
    }
    return 0;
}

void eye_pages_done(struct eye_pages *pages)
{
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        eye_text_done(&pages->families[i].name);
        eye_text_done(&pages->families[i].fixed);
    }
    eye_identities_done(&pages->identities);
}

/* ---- Samples ---- */

static void append_identity(struct eye_text *text, const struct eye_identity *identity)
{
    eye_text_append_bytes(text, identity->text, identity->length);
}

static void end_with_double(struct eye_text *text, double value)
{
    eye_text_append_double(text, value);
    eye_text_append_char(text, '\n');
}

static void end_with_count(struct eye_text *text, uint64_t count)
{
    eye_text_append_u64(text, count);
    eye_text_append_char(text, '\n');
}

/* In seconds with milliseconds, as much as is known. */
static void end_with_time(struct eye_text *text, uint64_t time_ns)
{
    eye_text_append_u64(text, time_ns / EYE_NS_PER_SECOND);
    eye_text_appendf(text, ".%03u\n", (unsigned)(time_ns % EYE_NS_PER_SECOND / EYE_NS_PER_MS));
}

static bool tells_created(const struct writer *writer)
{
    return writer->pages->created && writer->format == EYE_PAGE_OPENMETRICS;
}

static void append_counter(struct writer *writer, const struct eye_identity *identity, double value)
{
    struct eye_text *text = writer->text;
    append_identity(text, identity);
    end_with_double(text, value);
    if (tells_created(writer)) {
        eye_text_append_bytes(text, identity->text, identity->split);
        eye_text_append(text, "_created");
        eye_text_append(text, identity->text + identity->split + LENGTH(total_suffix));
        end_with_time(text, identity->since_ns);
    }
}

/* Opens a histogram's sample that is no bucket. */
static void append_histogram_series(struct eye_text *text, const struct eye_identity *identity,
                                    const char *suffix)
{
    const char *labels = identity->text + identity->split + LENGTH(bucket_opening);
    size_t length =
        identity->length - identity->split - LENGTH(bucket_opening) - LENGTH(le_opening);
    eye_text_append_bytes(text, identity->text, identity->split);
    eye_text_append(text, suffix);
    if (length > 0) {
        eye_text_append_char(text, '{');
        eye_text_append_bytes(text, labels, length - 1); /* without the comma before le */
        eye_text_append_char(text, '}');
    }
    eye_text_append_char(text, ' ');
}

#define COUNT_BYTES 24 /* 20 digits and a line feed */

/* A count as the end of a line. */
struct count_text {
    char bytes[COUNT_BYTES];
    size_t length;
};

static void format_count(uint64_t count, struct count_text *ret_text)
{
    char digits[COUNT_BYTES];
    size_t start = sizeof(digits);
    digits[--start] = '\n';
    do {
        digits[--start] = (char)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    ret_text->length = sizeof(digits) - start;
    memcpy(ret_text->bytes, digits + start, ret_text->length);
}

/*
 * The lines of a histogram are most of a page. Copies have a fixed size and the next one begins
 * where the text of the last one ends; many a bucket has the count of the one before.
 */
static char *write_buckets(char *to, const struct eye_pages *pages,
                           const struct eye_identity *identity,
                           const uint64_t counts[EYE_BOUNDARY_COUNT + 1])
{
    struct count_text count = {.length = 0};
    for (size_t i = 0; i <= EYE_BOUNDARY_COUNT; i++) {
        if (i == 0 || counts[i] != counts[i - 1]) {
            format_count(counts[i], &count);
        }
        memcpy(to, identity->text, identity->length);
        to += identity->length;
        memcpy(to, pages->boundaries[i].text, EYE_PAGE_BOUNDARY_BYTES);
        to += pages->boundaries[i].length;
        memcpy(to, count.bytes, COUNT_BYTES);
        to += count.length;
    }
    return to;
}

static void append_buckets(struct writer *writer, const struct eye_identity *identity,
                           const struct eye_distribution *distribution)
{
    uint64_t counts[EYE_BOUNDARY_COUNT + 1];
    size_t line = identity->length + EYE_PAGE_BOUNDARY_BYTES + COUNT_BYTES;
    char *to = eye_text_room(writer->text, line * (EYE_BOUNDARY_COUNT + 1));
    if (to == NULL) {
        return;
    }
    eye_buckets_classic(distribution, NULL, counts);
    counts[EYE_BOUNDARY_COUNT] = distribution->count;
    eye_text_end_at(writer->text, write_buckets(to, writer->pages, identity, counts));
}

static void append_histogram(struct writer *writer, const struct eye_identity *identity,
                             const struct eye_distribution *distribution)
{
    struct eye_text *text = writer->text;
    append_buckets(writer, identity, distribution);
    append_histogram_series(text, identity, "_sum");
    end_with_double(text, distribution->sum);
    append_histogram_series(text, identity, "_count");
    end_with_count(text, distribution->count);
    if (tells_created(writer)) {
        append_histogram_series(text, identity, "_created");
        end_with_time(text, identity->since_ns);
    }
}

static void append_samples(struct writer *writer, const struct eye_point *point,
                           const struct eye_identity *identity)
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        append_counter(writer, identity, eye_counter_value(point->metric, point->counter));
        break;
    case EYE_GAUGE:
        append_identity(writer->text, identity);
        end_with_double(writer->text, point->gauge);
        break;
    case EYE_DISTRIBUTION:
        append_histogram(writer, identity, point->distribution);
        break;
    }
}

static void append_point(struct writer *writer, size_t index)
{
    const struct eye_identity *identity = eye_identities_at(&writer->pages->identities, index);
    switch (eye_identity_check(identity)) {
    case 0:
        append_samples(writer, &writer->snapshot->points[index], identity);
        writer->counts.points++;
        break;
    case -EEXIST:
        writer->counts.collisions++;
        break;
    default:
        writer->counts.too_long++;
    }
}

/* ---- Families ---- */

static void append_metadata(struct writer *writer, const struct eye_metric *metric,
                            const char *keyword, const char *suffix)
{
    eye_text_append(writer->text, "# ");
    eye_text_append(writer->text, keyword);
    eye_text_append_char(writer->text, ' ');
    eye_text_append(writer->text, eye_text_string(&writer->pages->families[metric->id].name));
    eye_text_append(writer->text, suffix);
    eye_text_append_char(writer->text, ' ');
}

static const char *type_word(enum eye_metric_kind kind)
{
    static const char *const words[] = {
        [EYE_COUNTER] = "counter", [EYE_GAUGE] = "gauge", [EYE_DISTRIBUTION] = "histogram"};
    return words[kind];
}

/* In text 0.0.4 a counter's metadata carries the name of its samples, and there is no UNIT. */
static void append_head(struct writer *writer, const struct eye_metric *metric)
{
    bool openmetrics = writer->format == EYE_PAGE_OPENMETRICS;
    const char *suffix = metric->kind == EYE_COUNTER && !openmetrics ? total_suffix : "";
    append_metadata(writer, metric, "TYPE", suffix);
    eye_text_append(writer->text, type_word(metric->kind));
    eye_text_append_char(writer->text, '\n');
    if (openmetrics && *eye_unit_info(metric->unit)->word != '\0') {
        append_metadata(writer, metric, "UNIT", suffix);
        eye_text_append(writer->text, eye_unit_info(metric->unit)->word);
        eye_text_append_char(writer->text, '\n');
    }
    append_metadata(writer, metric, "HELP", suffix);
    eye_utf8_append(writer->text, metric->help, openmetrics ? escape : escape_help_text);
    eye_text_append_char(writer->text, '\n');
}

/* ---- Pages ---- */

static int hand_on(struct writer *writer)
{
    if (writer->text->failed) {
        return -ENOMEM;
    }
    if (writer->sink == NULL) {
        return 0;
    }
    int result = writer->sink(writer->context, writer->text);
    eye_text_clear(writer->text);
    return result;
}

/* The points of a snapshot lie in the order of their metrics. */
static int append_points(struct writer *writer)
{
    const struct eye_snapshot *snapshot = writer->snapshot;
    enum eye_metric_id family = EYE_METRIC_COUNT; /* none yet */
    size_t piece = writer->sink == NULL ? SIZE_MAX : EYE_PAGE_PIECE_BYTES;
    int result = 0;
    for (size_t i = 0; i < snapshot->count && !writer->text->failed && result == 0; i++) {
        const struct eye_metric *metric = snapshot->points[i].metric;
        if (eye_identities_at(&writer->pages->identities, i) == NULL) {
            continue;
        }
        if (metric->id != family) {
            append_head(writer, metric);
            family = metric->id;
        }
        append_point(writer, i);
        if (writer->text->length >= piece) {
            result = hand_on(writer);
        }
    }
    return result;
}

static int write_page(struct writer *writer)
{
    int result = 0;
    if (writer->snapshot != NULL) {
        result = eye_identities_follow(&writer->pages->identities, writer->snapshot);
        if (result == 0) {
            result = append_points(writer);
        }
    }
    if (result != 0) {
        return result;
    }
    if (writer->format == EYE_PAGE_OPENMETRICS) {
        eye_text_append(writer->text, "# EOF\n");
    }
    return hand_on(writer);
}

int eye_pages_write_pieces(struct eye_pages *pages, const struct eye_snapshot *snapshot,
                           enum eye_page_format format, struct eye_text *scratch,
                           eye_page_sink *sink, void *context, struct eye_page_counts *ret_counts)
{
    struct writer writer = {
        .pages = pages,
        .snapshot = snapshot,
        .format = format,
        .text = scratch,
        .sink = sink,
        .context = context,
    };
    int result = write_page(&writer);
    if (result == 0) {
        *ret_counts = writer.counts;
    }
    return result;
}

int eye_pages_write(struct eye_pages *pages, const struct eye_snapshot *snapshot,
                    enum eye_page_format format, struct eye_text *text,
                    struct eye_page_counts *ret_counts)
{
    return eye_pages_write_pieces(pages, snapshot, format, text, NULL, NULL, ret_counts);
}
