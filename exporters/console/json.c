/* SPDX-License-Identifier: Apache-2.0 */
/* Points as JSON objects. */
#include "exporters/console/json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <time.h>

#include "collector/base/clock.h"
#include "exporters/utf8.h"

/* Digits of a number: all that is true of a measured value, and no 0.10000000000000001. */
#define DIGITS 15

/* A tag or name is at most this long after its bad bytes are replaced. */
#define STRING_MAX_BYTES ((size_t)1 << 16)

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}

bool eye_console_json_wants(const struct eye_selection *selection, const struct eye_change *change)
{
    const struct eye_metric *metric = change->point->metric;
    bool news = metric->kind == EYE_GAUGE || change->counter > 0 || change->count > 0;
    return news && selection->wanted[metric->id];
}

static const char *replace_bad_bytes(uint32_t code_point)
{
    return code_point == EYE_UTF8_REPLACEMENT ? EYE_UTF8_REPLACEMENT_TEXT : NULL;
}

/* JSON has no NaN and no infinity. */
static json_t *make_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *make_time(uint64_t time_ns)
{
    char seconds[32] = "";
    struct tm utc;
    time_t whole = (time_t)(time_ns / EYE_NS_PER_SECOND);
    if (gmtime_r(&whole, &utc) != NULL) {
        strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    }
    unsigned milliseconds = (unsigned)(time_ns / EYE_NS_PER_MS % 1000);
    return json_sprintf("%s.%03uZ", seconds, milliseconds);
}

static int set_tag(json_t *tags, const char *key, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text clean;
    eye_text_init(&clean, STRING_MAX_BYTES);
    eye_utf8_append(&clean, key, replace_bad_bytes);
    eye_text_append_char(&clean, '\0');
    size_t value_at = clean.length;
    eye_utf8_append(&clean, value, replace_bad_bytes);
    if (clean.failed) {
        return -ENOMEM;
    }
    json_t *string = json_string(clean.data + value_at);
    return json_object_set_new_nocheck(tags, clean.data, string) == 0 ? 0 : -ENOMEM;
}

/* A point's own tag wins over a fixed one of the same name. */
static json_t *make_tags(const struct eye_selection *selection, const struct eye_tag_set *own)
{
    EYE_CLEANUP(cleanup_json) json_t *tags = json_object();
    int result = tags == NULL ? -ENOMEM : 0;
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
    EYE_CLEANUP(eye_text_done) struct eye_text clean;
    eye_text_init(&name, STRING_MAX_BYTES);
    eye_text_init(&clean, STRING_MAX_BYTES);
    eye_selection_append_name(selection, &name, metric);
    eye_utf8_append(&clean, eye_text_string(&name), replace_bad_bytes);
    return json_string(eye_text_string(&clean));
}

/* A whole number where the unit is counted whole. */
static json_t *make_increase(const struct eye_metric *metric, uint64_t counter)
{
    bool whole = metric->scale == 1 && counter <= INT64_MAX;
    return whole ? json_integer((json_int_t)counter)
                 : make_number(eye_counter_value(metric, counter));
}

static json_t *make_quantile(const struct eye_change *change, double quantile)
{
    return make_number(
        eye_distribution_quantile_since(change->point->distribution, change->before, quantile));
}

/* json_object_set_new() takes NULL values as a failure and owns what it gets either way. */
static int set_value(json_t *line, const struct eye_change *change, double seconds)
{
    const struct eye_metric *metric = change->point->metric;
    int result = 0;
    switch (metric->kind) {
    case EYE_COUNTER:
        result |= json_object_set_new(line, "value", make_increase(metric, change->counter));
        result |= json_object_set_new(
            line, "rate", make_number(eye_counter_value(metric, change->counter) / seconds));
        break;
    case EYE_GAUGE:
        result |= json_object_set_new(line, "value", make_number(change->point->gauge));
        break;
    case EYE_DISTRIBUTION:
        result |= json_object_set_new(line, "count", json_integer((json_int_t)change->count));
        result |= json_object_set_new(line, "sum", make_number(change->sum));
        result |= json_object_set_new(line, "p50", make_quantile(change, 0.5));
        result |= json_object_set_new(line, "p95", make_quantile(change, 0.95));
        result |= json_object_set_new(line, "p99", make_quantile(change, 0.99));
        break;
    }
    return result;
}

static int set_head(json_t *line, const struct eye_selection *selection,
                    const struct eye_snapshot *snapshot, double seconds,
                    const struct eye_point *point)
{
    const struct eye_metric *metric = point->metric;
    int result = 0;
    result |= json_object_set_new(line, "time", make_time(snapshot->time_ns));
    result |= json_object_set_new(line, "interval", make_number(seconds));
    result |= json_object_set_new(line, "metric", make_name(selection, metric));
    result |= json_object_set_new(line, "kind", json_string(eye_metric_kind_name(metric->kind)));
    result |= json_object_set_new(line, "unit", json_string(eye_unit_word(metric->unit)));
    result |= json_object_set_new(line, "tags", make_tags(selection, point->tags));
    return result;
}

static int append_bytes(const char *bytes, size_t length, void *out)
{
    eye_text_append_bytes(out, bytes, length);
    return 0;
}

int eye_console_json_append(const struct eye_selection *selection,
                            const struct eye_snapshot *snapshot, double seconds,
                            const struct eye_change *change, struct eye_text *out)
{
    EYE_CLEANUP(cleanup_json) json_t *line = json_object();
    if (line == NULL || set_head(line, selection, snapshot, seconds, change->point) != 0 ||
        set_value(line, change, seconds) != 0 ||
        json_dump_callback(line, append_bytes, out, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) !=
            0) {
        return -ENOMEM;
    }
    eye_text_append_char(out, '\n');
    return out->failed ? -ENOMEM : 0;
}
