/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series as JSON. jansson writes what names a series, once; a point adds time and value to it, both
 * of which are plain numbers.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "exporters/datadog/body.h"

static int append_piece(const char *bytes, size_t length, void *context)
{
    struct eye_text *text = context;
    eye_text_append_bytes(text, bytes, length);
    return text->failed ? -1 : 0;
}

static json_t *make_tags(const struct eye_datadog_labels *labels)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < labels->tag_count; i++) {
        json_array_append_new(tags, json_string(labels->tags[i]));
    }
    return tags;
}

static json_t *make_identity(const struct eye_datadog_labels *labels,
                             const struct eye_metric *metric)
{
    const char *unit = eye_unit_info(metric->unit)->datadog;
    return json_pack("{s:s, s:i, s:s*, s:[{s:s, s:s}], s:o}", "metric", labels->name, "type",
                     eye_datadog_type(metric->kind), "unit", unit[0] != '\0' ? unit : NULL,
                     "resources", "type", "host", "name", labels->host, "tags", make_tags(labels));
}

/* The members of the object, without its braces: a point's own follow. */
static void write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                           uint32_t *ret_split)
{
    struct eye_datadog_body *body = context;
    (void)ret_split;
    if (eye_datadog_labels_make(&body->labels, point) != 0) {
        text->failed = true;
        return;
    }
    json_t *identity = make_identity(&body->labels, point->metric);
    if (identity == NULL ||
        json_dump_callback(identity, append_piece, text, JSON_COMPACT | JSON_EMBED) != 0) {
        text->failed = true;
    }
    json_decref(identity);
}

/* What stands between identity and value is the same in the whole body. */
static void begin(struct eye_datadog_body *body)
{
    eye_text_clear(&body->middle);
    eye_text_append(&body->middle, ",\"interval\":");
    eye_text_append_u64(&body->middle, body->interval_s);
    eye_text_append(&body->middle, ",\"points\":[{\"timestamp\":");
    eye_text_append_u64(&body->middle, body->time_s);
    eye_text_append(&body->middle, ",\"value\":");
    eye_text_append(&body->bytes, "{\"series\":[");
}

static int append(struct eye_datadog_body *body, const struct eye_identity *identity,
                  const struct eye_change *change)
{
    struct eye_text *bytes = &body->bytes;
    double value = eye_datadog_value(change);
    if (!isfinite(value)) {
        return -EINVAL;
    }
    eye_text_append(bytes, body->points > 0 ? ",{" : "{");
    eye_text_append_bytes(bytes, identity->text, identity->length);
    eye_text_append_bytes(bytes, body->middle.data, body->middle.length);
    eye_text_append_double(bytes, value);
    eye_text_append(bytes, "}]}");
    return 0;
}

const struct eye_datadog_encoding eye_datadog_series_json = {
    .path = "/api/v2/series",
    .content_type = "application/json",
    .plain_max = 5242880,
    .packed_max = 512000,
    .points_max = 10000,
    .end = "]}",
    .write_identity = write_identity,
    .begin = begin,
    .append = append,
};
