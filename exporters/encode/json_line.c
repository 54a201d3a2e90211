/* SPDX-License-Identifier: Apache-2.0 */
/* Strings through jansson once per series; time, numbers and punctuation for each point. */
#include "exporters/encode/json_line.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "collector/base/clock.h"
#include "exporters/encode/utf8.h"

#define HEAD_MAX_BYTES 256
#define IDENTITY_MAX_BYTES ((size_t)64 << 10)

/* ---- Names and tags ---- */

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}

static const char *replace_bad_bytes(uint32_t code_point)
{
    return code_point == EYE_UTF8_REPLACEMENT ? EYE_UTF8_REPLACEMENT_TEXT : NULL;
}

static json_t *make_string(const char *bytes)
{
    EYE_CLEANUP(eye_text_done) struct eye_text clean;
    eye_text_init(&clean, IDENTITY_MAX_BYTES);
    eye_utf8_append(&clean, bytes, replace_bad_bytes);
    return clean.failed ? NULL : json_string(eye_text_string(&clean));
}

static int set_tag(json_t *tags, const char *key, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text clean;
    eye_text_init(&clean, IDENTITY_MAX_BYTES);
    eye_utf8_append(&clean, key, replace_bad_bytes);
    return clean.failed ? -1
                        : json_object_set_new(tags, eye_text_string(&clean), make_string(value));
}

/* A point's own tag wins over a fixed one of the same name. */
static json_t *make_tags(const struct eye_selection *selection, const struct eye_tag_set *own)
{
    EYE_CLEANUP(cleanup_json) json_t *tags = json_object();
    int result = 0;
    for (size_t i = 0; result == 0 && i < selection->fixed_count; i++) {
        result = set_tag(tags, selection->fixed[i].key, selection->fixed[i].value);
    }
    for (uint32_t i = 0; result == 0 && i < own->count; i++) {
        result = set_tag(tags, eye_tag_info(own->tags[i].tag)->name, own->tags[i].value);
    }
    return result == 0 ? EYE_TAKE(tags) : NULL;
}

static json_t *make_name(const struct eye_selection *selection, const struct eye_metric *metric)
{
    EYE_CLEANUP(eye_text_done) struct eye_text name;
    eye_text_init(&name, IDENTITY_MAX_BYTES);
    eye_selection_append_name(selection, &name, metric);
    return name.failed ? NULL : make_string(eye_text_string(&name));
}

static int append_dumped(const char *bytes, size_t length, void *text)
{
    eye_text_append_bytes(text, bytes, length);
    return 0;
}

/* eye_identity_write: what stands between head and value, without the braces of an object. */
static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    const struct eye_selection *selection = context;
    const struct eye_metric *metric = point->metric;
    (void)ret_split;
    /* json_pack() owns what "o" takes, also when it fails, and fails on NULL. */
    EYE_CLEANUP(cleanup_json)
    json_t *names =
        json_pack("{s:o, s:s, s:s, s:o}", "metric", make_name(selection, metric), "kind",
                  eye_metric_kind_name(metric->kind), "unit", eye_unit_info(metric->unit)->word,
                  "tags", make_tags(selection, point->tags));
    if (names == NULL ||
        json_dump_callback(names, append_dumped, text, JSON_COMPACT | JSON_EMBED) != 0) {
        text->failed = true;
    }
}

/* ---- Life ---- */

void eye_json_lines_init(struct eye_json_lines *lines, const struct eye_selection *selection,
                         bool details)
{
    *lines = (struct eye_json_lines){.selection = selection, .details = details};
    /* The writer takes the selection as its context and changes nothing in it. */
    eye_identities_init(&lines->identities, write_identity, (void *)(uintptr_t)selection,
                        selection->wanted, IDENTITY_MAX_BYTES);
    eye_text_init(&lines->head, HEAD_MAX_BYTES);
}

void eye_json_lines_done(struct eye_json_lines *lines)
{
    eye_identities_done(&lines->identities);
    eye_text_done(&lines->head);
}

/* ---- Lines ---- */

double eye_seconds_between(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    return (double)eye_snapshot_span_ns(now, before) / (double)EYE_NS_PER_SECOND;
}

/* JSON has no NaN and no infinity; a number that is measured, not counted, shows a point. */
static void append_real(struct eye_text *text, const char *name, double value)
{
    eye_text_append(text, name);
    if (!isfinite(value)) {
        eye_text_append(text, "null");
        return;
    }
    size_t start = text->length;
    eye_text_append_rounded(text, value);
    if (!text->failed && strpbrk(text->data + start, ".e") == NULL) {
        eye_text_append(text, ".0");
    }
}

static void append_whole(struct eye_text *text, const char *name, uint64_t value)
{
    eye_text_append(text, name);
    eye_text_append_u64(text, value);
}

static void append_time(struct eye_text *text, uint64_t time_ns)
{
    char seconds[32] = "";
    struct tm utc;
    time_t whole = (time_t)(time_ns / EYE_NS_PER_SECOND);
    if (gmtime_r(&whole, &utc) != NULL) {
        strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    }
    unsigned milliseconds = (unsigned)(time_ns / EYE_NS_PER_MS % 1000);
    eye_text_appendf(text, "{\"time\":\"%s.%03uZ\"", seconds, milliseconds);
}

int eye_json_lines_begin(struct eye_json_lines *lines, const struct eye_snapshot *now,
                         const struct eye_snapshot *before)
{
    lines->seconds = eye_seconds_between(now, before);
    eye_text_clear(&lines->head);
    append_time(&lines->head, now->time_ns);
    append_real(&lines->head, ",\"interval\":", lines->seconds);
    eye_text_append_char(&lines->head, ',');
    return lines->head.failed ? -ENOMEM : eye_identities_follow(&lines->identities, now);
}

bool eye_json_lines_wants(const struct eye_json_lines *lines, const struct eye_change *change)
{
    return lines->selection->wanted[change->point->metric->id] && eye_change_has_news(change);
}

/* A whole number where the unit is counted whole. */
static void append_counter(struct eye_text *text, const char *name, const struct eye_metric *metric,
                           uint64_t counter)
{
    if (metric->scale == 1) {
        append_whole(text, name, counter);
    } else {
        append_real(text, name, eye_counter_value(metric, counter));
    }
}

/* What a line tells of a distribution, ascending. */
static const struct {
    const char *name;
    double quantile;
} quantiles[] = {
    {",\"p50\":", 0.5},
    {",\"p95\":", 0.95},
    {",\"p99\":", 0.99},
    {",\"max\":", 1},
};

#define QUANTILES EYE_ARRAY_LENGTH(quantiles)

/* As eye_distribution_quantile_since(), all of them in one walk over the bins; the greatest is no
 * less than the mean. */
static void find_quantiles(const struct eye_change *change, double ret_values[QUANTILES])
{
    const struct eye_distribution *now = change->point->distribution;
    uint32_t last = now->first_key + now->size - 1;
    uint64_t seen = 0;
    size_t found = 0;
    uint32_t last_found = last;
    for (uint32_t key = now->first_key; found < QUANTILES; key++) {
        seen += eye_distribution_bin_since(now, change->before, key);
        while (found < QUANTILES &&
               (key >= last ||
                (double)seen > quantiles[found].quantile * (double)(change->count - 1))) {
            ret_values[found++] = eye_distribution_key_value(key);
            last_found = key;
        }
    }
    ret_values[QUANTILES - 1] =
        eye_distribution_greatest(last_found, change->sum / (double)change->count);
}

static void append_distribution(const struct eye_json_lines *lines, const struct eye_change *change,
                                struct eye_text *out)
{
    double values[QUANTILES];
    append_whole(out, ",\"count\":", change->count);
    append_real(out, ",\"sum\":", change->sum);
    find_quantiles(change, values);
    for (size_t i = 0; i < (lines->details ? QUANTILES : QUANTILES - 1); i++) {
        append_real(out, quantiles[i].name, values[i]);
    }
}

static void append_value(const struct eye_json_lines *lines, const struct eye_change *change,
                         struct eye_text *out)
{
    const struct eye_metric *metric = change->point->metric;
    switch (metric->kind) {
    case EYE_COUNTER:
        append_counter(out, ",\"value\":", metric, change->counter);
        append_real(out, ",\"rate\":", eye_counter_value(metric, change->counter) / lines->seconds);
        if (lines->details) {
            append_counter(out, ",\"total\":", metric, change->point->counter);
        }
        break;
    case EYE_GAUGE:
        append_real(out, ",\"value\":", change->point->gauge);
        break;
    case EYE_DISTRIBUTION:
        append_distribution(lines, change, out);
        break;
    }
}

int eye_json_lines_append(const struct eye_json_lines *lines, size_t index,
                          const struct eye_change *change, struct eye_text *out)
{
    const struct eye_identity *identity = eye_identities_at(&lines->identities, index);
    if (identity->too_long) {
        return -EMSGSIZE;
    }
    eye_text_append_bytes(out, lines->head.data, lines->head.length);
    eye_text_append_bytes(out, identity->text, identity->length);
    append_value(lines, change, out);
    eye_text_append(out, "}\n");
    return out->failed ? -ENOBUFS : 0;
}
