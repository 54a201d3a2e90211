/* SPDX-License-Identifier: Apache-2.0 */
/* What all bodies have in common: limits, times, words. */
#include "exporters/datadog/body.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"

/* Two numbers and their names. */
#define MIDDLE_MAX_BYTES 128

int eye_datadog_body_init(struct eye_datadog_body *body,
                          const struct eye_datadog_encoding *encoding,
                          const struct eye_selection *selection, size_t plain_max)
{
    assert(plain_max <= encoding->plain_max);
    struct eye_datadog_body made = {.encoding = encoding};
    eye_text_init(&made.bytes, plain_max);
    eye_text_init(&made.middle, MIDDLE_MAX_BYTES);
    made.entry = malloc(EYE_DATADOG_ENTRY_MAX_BYTES);
    made.bins = malloc(sizeof(*made.bins));
    if (made.entry == NULL || made.bins == NULL ||
        eye_datadog_labels_init(&made.labels, selection) != 0) {
        eye_datadog_body_done(&made);
        return -ENOMEM;
    }
    *body = made;
    return 0;
}

void eye_datadog_body_done(struct eye_datadog_body *body)
{
    eye_datadog_labels_done(&body->labels);
    eye_text_done(&body->bytes);
    eye_text_done(&body->middle);
    free(body->entry);
    free(body->bins);
    body->entry = NULL;
    body->bins = NULL;
}

void eye_datadog_body_set_time(struct eye_datadog_body *body, const struct eye_snapshot *now,
                               const struct eye_snapshot *before)
{
    bool same_run = before != NULL && before->start_ns == now->start_ns;
    uint64_t interval_ns = eye_snapshot_span_ns(now, before);
    body->time_s = now->time_ns / EYE_NS_PER_SECOND;
    body->interval_s = (interval_ns + EYE_NS_PER_SECOND / 2) / EYE_NS_PER_SECOND;
    body->interval_s = body->interval_s > 0 ? body->interval_s : 1;
    /*
     * Of two points of one series in one second the intake keeps the last. The snapshot that ends a
     * daemon may come within the second of the one before.
     */
    if (same_run && body->time_s <= before->time_ns / EYE_NS_PER_SECOND) {
        body->time_s = before->time_ns / EYE_NS_PER_SECOND + 1;
    }
}

void eye_datadog_body_begin(struct eye_datadog_body *body)
{
    eye_text_clear(&body->bytes);
    body->points = 0;
    body->encoding->begin(body);
}

int eye_datadog_body_add(struct eye_datadog_body *body, const struct eye_identity *identity,
                         const struct eye_change *change)
{
    int result = eye_identity_check(identity);
    if (result != 0) {
        return result;
    }
    if (body->points == body->encoding->points_max) {
        return -ENOBUFS;
    }
    struct eye_text *bytes = &body->bytes;
    size_t start = bytes->length;
    result = body->encoding->append(body, identity, change);
    bool full = bytes->failed || bytes->length + strlen(body->encoding->end) > bytes->max_bytes;
    if (result == 0 && full) {
        result = body->points > 0 ? -ENOBUFS : -EMSGSIZE;
    }
    if (result != 0) {
        eye_text_truncate(bytes, start);
        return result;
    }
    body->points++;
    return 0;
}

void eye_datadog_body_end(struct eye_datadog_body *body)
{
    eye_text_append(&body->bytes, body->encoding->end);
}

int eye_datadog_type(enum eye_metric_kind kind)
{
    return kind == EYE_COUNTER ? 1 : 3;
}

double eye_datadog_value(const struct eye_change *change)
{
    const struct eye_point *point = change->point;
    return point->metric->kind == EYE_COUNTER ? eye_counter_value(point->metric, change->counter)
                                              : point->gauge;
}
