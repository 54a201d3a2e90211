/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile series as a page of OpenMetrics or Prometheus text. Property: each family has its
 * metadata once, in order; a sample is a name, labels and a number; label names are legal and each
 * there once, values unescape to those of the series; every series that is not counted as left out
 * has its samples, and nothing else is on the page.
 */
#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "exporters/encode/buckets.h"
#include "exporters/openmetrics/page.h"
#include "exporters/prometheus/names.h"
#include "tests/fuzz/expected.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A page has no limit. */
#define CROWD 24

#define PAGE_MAX_BYTES ((size_t)64 << 20)
#define LABELS_MAX (EYE_TAG_COUNT + HOSTILE_FIXED_MAX + 1)

struct page {
    const struct hostile *world;
    struct eye_pages *pages;
    enum eye_page_format format;
    struct piece rest;
    struct eye_page_counts seen;
    struct expected_names names;
};

/* ---- Labels ---- */

struct label {
    struct piece name;
    struct eye_text value; /* unescaped; owned */
};

struct labels {
    struct label items[LABELS_MAX];
    size_t count;
};

static void check_label_name(const struct labels *labels, struct piece name)
{
    assert(name.length > 0 && (isalpha((unsigned char)name.start[0]) != 0));
    for (size_t i = 0; i < name.length; i++) {
        assert(isalnum((unsigned char)name.start[i]) != 0 || name.start[i] == '_');
    }
    for (size_t i = 0; i < labels->count; i++) {
        const struct piece *other = &labels->items[i].name;
        assert(other->length != name.length || memcmp(other->start, name.start, name.length) != 0);
    }
}

/* What stands between quotes; @rest goes on behind the second one. */
static void read_quoted(struct piece *rest, struct eye_text *ret_value)
{
    size_t at = 0;
    for (; assert(at < rest->length), rest->start[at] != '"'; at++) {
        char byte = rest->start[at];
        if (byte == '\\') {
            byte = rest->start[++at];
            assert(byte == '\\' || byte == '"' || byte == 'n');
            byte = byte == 'n' ? '\n' : byte;
        }
        eye_text_append_char(ret_value, byte);
    }
    *rest = (struct piece){rest->start + at + 1, rest->length - at - 1};
}

/* Behind the brace that opens; @rest goes on behind the one that closes. */
static void read_labels(struct piece *rest, struct labels *labels)
{
    char separator = ',';
    while (separator == ',') {
        assert(labels->count < LABELS_MAX);
        struct piece name = piece_cut(rest, '=');
        check_label_name(labels, name);
        struct label *label = &labels->items[labels->count++];
        *label = (struct label){.name = name, .value.max_bytes = EXPECTED_MAX_BYTES};
        assert(rest->length > 1 && rest->start[0] == '"');
        *rest = (struct piece){rest->start + 1, rest->length - 1};
        read_quoted(rest, &label->value);
        assert(rest->length > 0);
        separator = rest->start[0];
        *rest = (struct piece){rest->start + 1, rest->length - 1};
    }
    assert(separator == '}');
}

static void free_labels(struct labels *labels)
{
    for (size_t i = 0; i < labels->count; i++) {
        eye_text_done(&labels->items[i].value);
    }
}

/* ---- What a series should have ---- */

static void check_label(const struct label *label, const struct eye_text *name, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    expected_append(&expected, value, expected_visible);
    assert(piece_is_text(label->name, name));
    assert(strcmp(eye_text_string(&label->value), eye_text_string(&expected)) == 0);
}

/* Those of the series and the fixed ones, in order; returns how many. */
static size_t check_labels(const struct page *page, const struct labels *labels,
                           const struct eye_point *point)
{
    const struct eye_selection *selection = &page->world->selection;
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    size_t count = 0;
    eye_text_init(&name, EXPECTED_MAX_BYTES);
    for (uint32_t i = 0; i < point->tags->count; i++) {
        const struct eye_tag_value *tag = &point->tags->tags[i];
        eye_text_clear(&name);
        eye_prometheus_append_label(point->metric, tag->tag, &name);
        if (*tag->value != '\0') {
            assert(count < labels->count);
            check_label(&labels->items[count++], &name, tag->value);
        }
    }
    for (size_t i = 0; i < selection->fixed_count; i++) {
        eye_text_clear(&name);
        if (eye_prometheus_append_fixed_label(selection, point->metric, i, &name)) {
            assert(count < labels->count);
            check_label(&labels->items[count++], &name, selection->fixed[i].value);
        }
    }
    return count;
}

static void keep_name(struct page *page, const struct eye_metric *metric,
                      const struct labels *labels)
{
    struct eye_text *name = expected_next_name(&page->names);
    eye_text_append(name, metric->name);
    for (size_t i = 0; i < labels->count; i++) {
        const struct label *label = &labels->items[i];
        eye_text_append_bytes(name, label->name.start, label->name.length);
        eye_text_append_bytes(name, eye_text_string(&label->value), label->value.length + 1);
    }
}

/* ---- Samples ---- */

static struct piece next_line(struct page *page)
{
    assert(page->rest.length > 0 && memchr(page->rest.start, '\n', page->rest.length) != NULL);
    return piece_cut(&page->rest, '\n');
}

static void check_name(const struct page *page, const struct eye_metric *metric, const char *suffix,
                       struct piece name)
{
    EYE_CLEANUP(eye_text_done) struct eye_text expected;
    eye_text_init(&expected, EXPECTED_MAX_BYTES);
    eye_prometheus_append_family(&page->world->selection, metric, &expected);
    eye_text_append(&expected, suffix);
    assert(piece_is_text(name, &expected));
    assert(isdigit((unsigned char)name.start[0]) == 0);
    for (size_t i = 0; i < name.length; i++) {
        assert(isalnum((unsigned char)name.start[i]) != 0 || name.start[i] == '_');
    }
}

/* A sample that each series has once. */
static bool is_first(enum eye_metric_kind kind, const char *suffix)
{
    static const char *const suffixes[] = {
        [EYE_COUNTER] = "_total", [EYE_GAUGE] = "", [EYE_DISTRIBUTION] = "_sum"};
    return strcmp(suffix, suffixes[kind]) == 0;
}

/* The value of the next sample, which is of @point; @le: of a bucket, else NULL. */
static struct piece read_sample(struct page *page, const struct eye_point *point,
                                const char *suffix, const char *le)
{
    struct piece rest = next_line(page);
    struct labels labels = {.count = 0};
    size_t name_length = 0;
    while (assert(name_length < rest.length), strchr("{ ", rest.start[name_length]) == NULL) {
        name_length++;
    }
    check_name(page, point->metric, suffix, (struct piece){rest.start, name_length});
    bool has_labels = rest.start[name_length] == '{';
    rest = (struct piece){rest.start + name_length + 1, rest.length - name_length - 1};
    if (has_labels) {
        read_labels(&rest, &labels);
        assert(piece_is(piece_cut(&rest, ' '), ""));
    }
    size_t count = check_labels(page, &labels, point);
    if (le != NULL) {
        assert(count < labels.count && piece_is(labels.items[count].name, "le"));
        assert(strcmp(eye_text_string(&labels.items[count].value), le) == 0);
        count++;
    }
    assert(count == labels.count);
    if (is_first(point->metric->kind, suffix)) {
        keep_name(page, point->metric, &labels);
    }
    free_labels(&labels);
    return rest;
}

static void check_sample(struct page *page, const struct eye_point *point, const char *suffix,
                         const char *le, double expected)
{
    struct piece value = read_sample(page, point, suffix, le);
    if (isnan(expected)) {
        assert(piece_is(value, "NaN"));
    } else if (isinf(expected)) {
        assert(piece_is(value, expected > 0 ? "+Inf" : "-Inf"));
    } else {
        assert(piece_number(value) == expected);
    }
}

static void check_created(struct page *page, const struct eye_point *point)
{
    if (page->pages->created && page->format == EYE_PAGE_OPENMETRICS) {
        assert(piece_number(read_sample(page, point, "_created", NULL)) ==
               (double)page->world->now->start_ns / 1e9);
    }
}

static void check_histogram(struct page *page, const struct eye_point *point)
{
    const struct eye_distribution *distribution = point->distribution;
    uint64_t counts[EYE_BOUNDARY_COUNT];
    eye_buckets_classic(distribution, NULL, counts);
    for (size_t i = 0; i < EYE_BOUNDARY_COUNT; i++) {
        check_sample(page, point, "_bucket", eye_boundaries[i].text, (double)counts[i]);
    }
    check_sample(page, point, "_bucket", "+Inf", (double)distribution->count);
    check_sample(page, point, "_sum", NULL, distribution->sum);
    check_sample(page, point, "_count", NULL, (double)distribution->count);
    check_created(page, point);
}

static void check_samples(struct page *page, const struct eye_point *point)
{
    switch (point->metric->kind) {
    case EYE_COUNTER:
        check_sample(page, point, "_total", NULL, eye_counter_value(point->metric, point->counter));
        check_created(page, point);
        break;
    case EYE_GAUGE:
        check_sample(page, point, "", NULL, point->gauge);
        break;
    case EYE_DISTRIBUTION:
        check_histogram(page, point);
        break;
    }
}

/* ---- The page ---- */

static void check_metadata(struct page *page, const struct eye_metric *metric, const char *keyword)
{
    bool openmetrics = page->format == EYE_PAGE_OPENMETRICS;
    struct piece rest = next_line(page);
    assert(piece_is(piece_cut(&rest, ' '), "#"));
    assert(piece_is(piece_cut(&rest, ' '), keyword));
    check_name(page, metric, metric->kind == EYE_COUNTER && !openmetrics ? "_total" : "",
               piece_cut(&rest, ' '));
}

static void check_family(struct page *page, const struct eye_metric *metric)
{
    check_metadata(page, metric, "TYPE");
    if (page->format == EYE_PAGE_OPENMETRICS && *eye_unit_info(metric->unit)->word != '\0') {
        check_metadata(page, metric, "UNIT");
    }
    check_metadata(page, metric, "HELP");
}

static void check(struct page *page)
{
    const struct eye_snapshot *now = page->world->now;
    for (size_t i = 0; i < now->count; i++) {
        const struct eye_point *point = &now->points[i];
        const struct eye_identity *identity = eye_identities_at(&page->pages->identities, i);
        if (i == 0 || point->metric != now->points[i - 1].metric) {
            check_family(page, point->metric);
        }
        page->seen.collisions += identity->collides;
        page->seen.too_long += identity->too_long;
        if (!identity->collides && !identity->too_long) {
            check_samples(page, point);
            page->seen.points++;
        }
    }
    expected_finish_names(&page->names);
    if (page->format == EYE_PAGE_OPENMETRICS) {
        assert(piece_is(next_line(page), "# EOF"));
    }
    assert(page->rest.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostile world;
    struct eye_pages pages;
    struct eye_page_counts counts;
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    hostile_init(&world, data, size);
    bool created = hostile_choice(&world, 2) != 0;
    struct page page = {.world = &world, .pages = &pages};
    page.format = hostile_choice(&world, 2) != 0 ? EYE_PAGE_OPENMETRICS : EYE_PAGE_TEXT;
    hostile_make(&world, CROWD);
    eye_text_init(&text, PAGE_MAX_BYTES);
    int result = eye_pages_init(&pages, &world.selection, created);
    assert(result == 0);
    result = eye_pages_write(&pages, world.now, page.format, &text, &counts);
    assert(result == 0);
    page.rest = (struct piece){text.data, text.length};
    check(&page);
    assert(memcmp(&page.seen, &counts, sizeof(counts)) == 0);
    eye_pages_done(&pages);
    hostile_done(&world);
    return 0;
}
