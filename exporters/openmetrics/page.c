/* SPDX-License-Identifier: Apache-2.0 */
/* Families, labels, samples. */
#include "exporters/openmetrics/page.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "exporters/utf8.h"

/* Names and labels of one series: a few tags of 200 bytes, each byte at most 3 when replaced. */
#define SCRATCH_MAX_BYTES ((size_t)1 << 20)

struct boundary {
    double value;
    const char *text; /* canonical: Go's %g, with ".0" where it would look like an integer */
};

static const struct boundary boundaries[] = {
    {1e-5, "1e-05"},     {2.5e-5, "2.5e-05"}, {5e-5, "5e-05"},   {1e-4, "0.0001"},
    {2.5e-4, "0.00025"}, {5e-4, "0.0005"},    {1e-3, "0.001"},   {2.5e-3, "0.0025"},
    {5e-3, "0.005"},     {1e-2, "0.01"},      {2.5e-2, "0.025"}, {5e-2, "0.05"},
    {0.1, "0.1"},        {0.25, "0.25"},      {0.5, "0.5"},      {1, "1.0"},
    {2.5, "2.5"},        {5, "5.0"},          {10, "10.0"},      {30, "30.0"},
    {60, "60.0"},
};

/* One series that is on the page: what the table of label sets points to. */
struct written {
    const struct eye_point *point;
};

struct writer {
    const struct eye_snapshot *snapshot;
    const struct eye_selection *selection;
    enum eye_page_format format;
    struct eye_text *page;
    struct eye_page_counts counts;
    uint32_t boundary_keys[EYE_ARRAY_LENGTH(boundaries)]; /* largest bin key within each */
    struct eye_text families;                             /* names of those on the page */

    /* The family in hand. */
    struct eye_text family;  /* its name */
    struct eye_text fixed;   /* labels of the fixed tags */
    struct eye_table seen;   /* struct written by label set */
    struct written *written; /* as many as the snapshot has points; owned */
    size_t written_count;

    /* The series in hand. */
    struct eye_text labels;
    struct eye_text bucket; /* a bucket's line up to the value of le */

    struct eye_text other; /* labels of a series that may have the same ones */
};

/* Appends @name with everything that no name may hold as an underscore. */
static void append_sanitised(struct eye_text *text, const char *name)
{
    size_t i = text->length;
    eye_text_append(text, name);
    for (; i < text->length; i++) {
        unsigned char byte = (unsigned char)text->data[i];
        if (byte >= 0x80 || isalnum(byte) == 0) {
            text->data[i] = '_';
        }
    }
}

static bool ends_with(const struct eye_text *text, const char *word)
{
    size_t length = strlen(word);
    return text->length > length && text->data[text->length - length - 1] == '_' &&
           strcmp(text->data + text->length - length, word) == 0;
}

static void append_unit(struct eye_text *text, const struct eye_metric *metric)
{
    const char *word = eye_unit_word(metric->unit);
    if (*word != '\0' && !ends_with(text, word)) {
        eye_text_append_char(text, '_');
        eye_text_append(text, word);
    }
}

void eye_page_append_family(const struct eye_selection *selection, const struct eye_metric *metric,
                            struct eye_text *text)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, SCRATCH_MAX_BYTES);
    if (metric->semantic) {
        eye_text_append(&name, metric->name);
    } else {
        eye_selection_append_name(selection, &name, metric);
    }
    if (isdigit((unsigned char)*eye_text_string(&name)) != 0) {
        eye_text_append_char(text, '_');
    }
    append_sanitised(text, eye_text_string(&name));
    append_unit(text, metric);
    text->failed |= name.failed;
}

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

static void append_separator(struct eye_text *labels)
{
    if (labels->length > 0) {
        eye_text_append_char(labels, ',');
    }
}

static void append_label_value(struct eye_text *labels, const char *value)
{
    eye_text_append(labels, "=\"");
    eye_utf8_append(labels, value, escape);
    eye_text_append_char(labels, '"');
}

static const char *label_source(const struct eye_metric *metric, enum eye_tag tag)
{
    const struct eye_tag_info *info = eye_tag_info(tag);
    return metric->semantic && *info->attribute != '\0' ? info->attribute : info->name;
}

/* The labels of a point's own tags, without braces. */
static void append_own_labels(const struct eye_point *point, struct eye_text *labels)
{
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        if (*tag->value != '\0') {
            append_separator(labels);
            append_sanitised(labels, label_source(point->metric, tag->tag));
            append_label_value(labels, tag->value);
        }
    }
}

/* Label names begin with a letter; a leading underscore is reserved. */
static void append_fixed_name(struct eye_text *text, const char *key)
{
    size_t start = text->length;
    while (*key != '\0' && isalnum((unsigned char)*key) == 0) {
        key++;
    }
    eye_text_append(text, isdigit((unsigned char)*key) != 0 ? "tag_" : "");
    append_sanitised(text, key);
    if (text->length == start) {
        eye_text_append(text, "tag");
    }
}

static bool same_name(const struct eye_text *name, const char *source)
{
    EYE_CLEANUP(eye_text_done) struct eye_text other;
    eye_text_init(&other, SCRATCH_MAX_BYTES);
    append_sanitised(&other, source);
    return strcmp(eye_text_string(name), eye_text_string(&other)) == 0;
}

/* Whether the metric itself uses the label @name, in any series. */
static bool is_own_label(const struct eye_metric *metric, const struct eye_text *name)
{
    for (unsigned i = 0; i < EYE_TAG_COUNT; i++) {
        if ((metric->tags >> i & 1) != 0 &&
            same_name(name, label_source(metric, (enum eye_tag)i))) {
            return true;
        }
    }
    return metric->kind == EYE_DISTRIBUTION && strcmp(eye_text_string(name), "le") == 0;
}

/* Whether a later fixed tag has the same label: the exporter's own come after the daemon's. */
static bool is_replaced(const struct eye_selection *selection, size_t index,
                        const struct eye_text *name)
{
    for (size_t i = index + 1; i < selection->fixed_count; i++) {
        EYE_CLEANUP(eye_text_done) struct eye_text later;
        eye_text_init(&later, SCRATCH_MAX_BYTES);
        append_fixed_name(&later, selection->fixed[i].key);
        if (strcmp(eye_text_string(name), eye_text_string(&later)) == 0) {
            return true;
        }
    }
    return false;
}

static void append_fixed_label(struct writer *writer, const struct eye_metric *metric, size_t index)
{
    const struct eye_fixed_tag *tag = &writer->selection->fixed[index];
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, SCRATCH_MAX_BYTES);
    append_fixed_name(&name, tag->key);
    if (*tag->value == '\0' || is_own_label(metric, &name) ||
        is_replaced(writer->selection, index, &name)) {
        return;
    }
    append_separator(&writer->fixed);
    eye_text_append(&writer->fixed, eye_text_string(&name));
    append_label_value(&writer->fixed, tag->value);
}

static bool has_same_labels(const void *item, const void *key)
{
    const struct written *written = item;
    struct writer *writer = *(struct writer *const *)key;
    eye_text_clear(&writer->other);
    append_own_labels(written->point, &writer->other);
    return strcmp(eye_text_string(&writer->other), eye_text_string(&writer->labels)) == 0;
}

/*
 * Remembers the labels in hand; false when a series of the family has them already. The registry
 * keeps tag sets apart, but two may differ only in bytes that no page can hold.
 */
static bool remember_labels(struct writer *writer, const struct eye_point *point)
{
    uint64_t hash = eye_hash_bytes(eye_text_string(&writer->labels), writer->labels.length);
    const struct writer *key = writer;
    if (eye_table_find(&writer->seen, hash, has_same_labels, &key) != NULL) {
        return false;
    }
    struct written *written = &writer->written[writer->written_count++];
    written->point = point;
    if (eye_table_insert(&writer->seen, hash, written) != 0) {
        writer->page->failed = true;
    }
    return true;
}

/* Opens a sample: name, suffix, labels. */
static void append_series(struct writer *writer, const char *suffix)
{
    eye_text_append_bytes(writer->page, writer->family.data, writer->family.length);
    eye_text_append(writer->page, suffix);
    if (writer->labels.length > 0) {
        eye_text_append_char(writer->page, '{');
        eye_text_append_bytes(writer->page, writer->labels.data, writer->labels.length);
        eye_text_append_char(writer->page, '}');
    }
    eye_text_append_char(writer->page, ' ');
}

static void append_number(struct writer *writer, const char *suffix, double value)
{
    append_series(writer, suffix);
    eye_text_append_double(writer->page, value);
    eye_text_append_char(writer->page, '\n');
}

static void append_bucket(struct writer *writer, const char *boundary, uint64_t count)
{
    eye_text_append_bytes(writer->page, writer->bucket.data, writer->bucket.length);
    eye_text_append(writer->page, boundary);
    eye_text_append(writer->page, "\"} ");
    eye_text_append_u64(writer->page, count);
    eye_text_append_char(writer->page, '\n');
}

static void begin_buckets(struct writer *writer)
{
    eye_text_clear(&writer->bucket);
    eye_text_append(&writer->bucket, eye_text_string(&writer->family));
    eye_text_append(&writer->bucket, "_bucket{");
    eye_text_append(&writer->bucket, eye_text_string(&writer->labels));
    eye_text_append(&writer->bucket, writer->labels.length > 0 ? ",le=\"" : "le=\"");
}

static void append_histogram(struct writer *writer, const struct eye_distribution *distribution)
{
    uint64_t count = 0;
    uint32_t key = distribution->first_key;
    uint32_t end = key + distribution->size;
    begin_buckets(writer);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(boundaries); i++) {
        for (; key < end && key <= writer->boundary_keys[i]; key++) {
            count += eye_distribution_bin_since(distribution, NULL, key);
        }
        append_bucket(writer, boundaries[i].text, count);
    }
    append_bucket(writer, "+Inf", distribution->count);
    append_number(writer, "_sum", distribution->sum);
    append_series(writer, "_count");
    eye_text_append_u64(writer->page, distribution->count);
    eye_text_append_char(writer->page, '\n');
}

static void append_samples(struct writer *writer, const struct eye_point *point)
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        append_number(writer, "_total", eye_counter_value(point->metric, point->counter));
        break;
    case EYE_GAUGE:
        append_number(writer, "", point->gauge);
        break;
    case EYE_DISTRIBUTION:
        append_histogram(writer, point->distribution);
        break;
    }
}

static void append_point(struct writer *writer, const struct eye_point *point)
{
    eye_text_clear(&writer->labels);
    append_own_labels(point, &writer->labels);
    if (!remember_labels(writer, point)) {
        writer->counts.collisions++;
        return;
    }
    if (writer->fixed.length > 0) {
        append_separator(&writer->labels);
        eye_text_append(&writer->labels, writer->fixed.data);
    }
    append_samples(writer, point);
    writer->counts.points++;
    writer->page->failed |= writer->labels.failed || writer->bucket.failed || writer->other.failed;
}

static void append_metadata(struct writer *writer, const char *keyword, const char *suffix)
{
    eye_text_append(writer->page, "# ");
    eye_text_append(writer->page, keyword);
    eye_text_append_char(writer->page, ' ');
    eye_text_append(writer->page, eye_text_string(&writer->family));
    eye_text_append(writer->page, suffix);
    eye_text_append_char(writer->page, ' ');
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
    const char *suffix = metric->kind == EYE_COUNTER && !openmetrics ? "_total" : "";
    append_metadata(writer, "TYPE", suffix);
    eye_text_append(writer->page, type_word(metric->kind));
    eye_text_append_char(writer->page, '\n');
    if (openmetrics && metric->unit != EYE_UNIT_NONE) {
        append_metadata(writer, "UNIT", suffix);
        eye_text_append(writer->page, eye_unit_word(metric->unit));
        eye_text_append_char(writer->page, '\n');
    }
    append_metadata(writer, "HELP", suffix);
    eye_utf8_append(writer->page, metric->help, openmetrics ? escape : escape_help_text);
    eye_text_append_char(writer->page, '\n');
}

/* Two metrics with one name would need one TYPE. Names are kept between line breaks. */
static bool family_is_taken(struct writer *writer)
{
    if (writer->families.length == 0) {
        eye_text_append_char(&writer->families, '\n');
    }
    size_t start = writer->families.length - 1;
    eye_text_append(&writer->families, eye_text_string(&writer->family));
    eye_text_append_char(&writer->families, '\n');
    if (writer->families.failed) {
        writer->page->failed = true;
        return true;
    }
    return strstr(writer->families.data, writer->families.data + start) !=
           writer->families.data + start;
}

static void begin_family(struct writer *writer, const struct eye_metric *metric)
{
    eye_text_clear(&writer->family);
    eye_page_append_family(writer->selection, metric, &writer->family);
    eye_text_clear(&writer->fixed);
    for (size_t i = 0; i < writer->selection->fixed_count; i++) {
        append_fixed_label(writer, metric, i);
    }
    eye_table_clear(&writer->seen);
    writer->written_count = 0;
    writer->page->failed |= writer->family.failed || writer->fixed.failed;
}

/* Writes the points [first, end), which are all of one metric. */
static void append_family(struct writer *writer, size_t first, size_t end)
{
    const struct eye_metric *metric = writer->snapshot->points[first].metric;
    begin_family(writer, metric);
    if (family_is_taken(writer)) {
        writer->counts.collisions += end - first;
        return;
    }
    append_head(writer, metric);
    for (size_t i = first; i < end && !writer->page->failed; i++) {
        append_point(writer, &writer->snapshot->points[i]);
    }
}

/* The points of a snapshot lie in the order of their metrics. */
static void append_families(struct writer *writer)
{
    const struct eye_snapshot *snapshot = writer->snapshot;
    size_t first = 0;
    while (first < snapshot->count && !writer->page->failed) {
        const struct eye_metric *metric = snapshot->points[first].metric;
        size_t end = first + 1;
        while (end < snapshot->count && snapshot->points[end].metric == metric) {
            end++;
        }
        if (writer->selection->wanted[metric->id]) {
            append_family(writer, first, end);
        }
        first = end;
    }
}

/* The largest key whose value lies within each boundary; key and value round on their own. */
static void find_boundary_keys(struct writer *writer)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(boundaries); i++) {
        uint32_t key = eye_distribution_key(boundaries[i].value);
        while (eye_distribution_key_value(key) > boundaries[i].value) {
            key--;
        }
        writer->boundary_keys[i] = key;
    }
}

static int writer_init(struct writer *writer)
{
    find_boundary_keys(writer);
    eye_text_init(&writer->families, SCRATCH_MAX_BYTES);
    eye_text_init(&writer->family, SCRATCH_MAX_BYTES);
    eye_text_init(&writer->fixed, SCRATCH_MAX_BYTES);
    eye_text_init(&writer->labels, SCRATCH_MAX_BYTES);
    eye_text_init(&writer->bucket, SCRATCH_MAX_BYTES);
    eye_text_init(&writer->other, SCRATCH_MAX_BYTES);
    size_t points = writer->snapshot == NULL ? 0 : writer->snapshot->count;
    /* One more: an empty snapshot must not look like a lack of memory. */
    writer->written = calloc(points + 1, sizeof(writer->written[0]));
    return writer->written == NULL ? -ENOMEM : 0;
}

static void writer_done(struct writer *writer)
{
    eye_text_done(&writer->families);
    eye_text_done(&writer->family);
    eye_text_done(&writer->fixed);
    eye_text_done(&writer->labels);
    eye_text_done(&writer->bucket);
    eye_text_done(&writer->other);
    eye_table_done(&writer->seen);
    free(writer->written);
}

static int append_page(struct writer *writer)
{
    if (writer->snapshot != NULL) {
        append_families(writer);
    }
    if (writer->format == EYE_PAGE_OPENMETRICS) {
        eye_text_append(writer->page, "# EOF\n");
    }
    return writer->page->failed ? -ENOMEM : 0;
}

int eye_page_write(const struct eye_snapshot *snapshot, const struct eye_selection *selection,
                   enum eye_page_format format, struct eye_text *page,
                   struct eye_page_counts *ret_counts)
{
    struct writer writer = {
        .snapshot = snapshot,
        .selection = selection,
        .format = format,
        .page = page,
    };
    int result = writer_init(&writer);
    if (result == 0) {
        result = append_page(&writer);
    }
    if (result == 0) {
        *ret_counts = writer.counts;
    }
    writer_done(&writer);
    return result;
}
