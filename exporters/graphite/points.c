/* SPDX-License-Identifier: Apache-2.0 */
/* Points into payloads. */
#include "exporters/graphite/points.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "exporters/encode/decimal.h"
#include "exporters/engine/delivery.h"
#include "exporters/graphite/pickle.h"

/* Nanoseconds. */
#define PLACES 9

/* ---- Life ---- */

int eye_graphite_points_init(struct eye_graphite_points *points,
                             enum eye_graphite_protocol protocol,
                             enum eye_graphite_counters counters, size_t max_bytes)
{
    if (protocol == EYE_GRAPHITE_PICKLE) {
        max_bytes = EYE_PICKLE_MAX_BYTES;
    }
    struct eye_graphite_points made = {.protocol = protocol, .counters = counters};
    int result = eye_payload_init(&made.payload, max_bytes + EYE_PICKLE_FRAME_BYTES);
    made.payload.max_bytes = max_bytes;
    if (result != 0 || eye_bin_texts_init(&made.bins, 1, PLACES) != 0) {
        free(made.payload.data);
        return -ENOMEM;
    }
    *points = made;
    return 0;
}

void eye_graphite_points_done(struct eye_graphite_points *points)
{
    eye_text_done(&points->payload);
    eye_bin_texts_done(&points->bins);
}

size_t eye_graphite_points_max_path(const struct eye_graphite_points *points)
{
    size_t in_line = EYE_GRAPHITE_LINE_MAX_BYTES - EYE_GRAPHITE_GAUGE_BYTES;
    size_t in_payload = points->payload.max_bytes - EYE_GRAPHITE_POINT_BYTES;
    return in_line < in_payload ? in_line : in_payload;
}

void eye_graphite_points_begin(struct eye_graphite_points *points, int64_t time_s)
{
    points->time_s = time_s;
    points->count = 0;
    eye_text_clear(&points->payload);
    if (points->protocol == EYE_GRAPHITE_PICKLE) {
        eye_pickle_begin(&points->payload);
    }
    points->empty = points->payload.length;
    int length = snprintf(points->line_end, sizeof(points->line_end), " %lld\n", (long long)time_s);
    points->line_end_length = (size_t)length;
}

void eye_graphite_points_end(struct eye_graphite_points *points)
{
    if (points->protocol == EYE_GRAPHITE_PICKLE) {
        /* Room for the end was kept behind the maximum. */
        struct eye_text message = points->payload;
        message.max_bytes = message.capacity - 1;
        eye_pickle_end(&message);
        points->payload.length = message.length;
    }
}

/* ---- One point ---- */

static void append_path(struct eye_text *payload, const struct eye_identity *identity,
                        const char *ending)
{
    eye_text_append_bytes(payload, identity->text, identity->split);
    eye_text_append(payload, ending);
    eye_text_append_bytes(payload, identity->text + identity->split,
                          identity->length - identity->split);
}

static void append_line(struct eye_graphite_points *points, const struct eye_identity *identity,
                        const struct eye_graphite_value *value, bool rounded)
{
    struct eye_text *payload = &points->payload;
    append_path(payload, identity, value->ending);
    eye_text_append_char(payload, ' ');
    if (value->bin != EYE_GRAPHITE_NO_BIN) {
        const struct eye_bin_text *bin = eye_bin_text(&points->bins, value->bin);
        eye_text_append_bytes(payload, bin->digits, bin->length);
    } else if (rounded) {
        eye_decimal_append_rounded(payload, value->number, PLACES);
    } else {
        eye_decimal_append(payload, value->number);
    }
    eye_text_append_bytes(payload, points->line_end, points->line_end_length);
}

static void append_pickle(struct eye_graphite_points *points, const struct eye_identity *identity,
                          const struct eye_graphite_value *value)
{
    struct eye_text *payload = &points->payload;
    eye_pickle_begin_point(payload, identity->length + strlen(value->ending));
    append_path(payload, identity, value->ending);
    double number =
        value->bin == EYE_GRAPHITE_NO_BIN ? value->number : eye_distribution_key_value(value->bin);
    eye_pickle_end_point(payload, points->time_s, number);
}

/* 0, -ENOBUFS, or -EMSGSIZE when it does not fit an empty payload either. */
static int append_point(struct eye_graphite_points *points, const struct eye_identity *identity,
                        const struct eye_graphite_value *value, bool rounded)
{
    size_t start = points->payload.length;
    if (points->protocol == EYE_GRAPHITE_LINES) {
        append_line(points, identity, value, rounded);
    } else if (points->count == EYE_PICKLE_MAX_POINTS) {
        return -ENOBUFS;
    } else {
        append_pickle(points, identity, value);
    }
    if (points->payload.failed) {
        eye_text_truncate(&points->payload, start);
        return start == points->empty ? -EMSGSIZE : -ENOBUFS;
    }
    points->count++;
    return 0;
}

int eye_graphite_points_add(struct eye_graphite_points *points, const struct eye_identity *identity,
                            const struct eye_change *change, size_t *part)
{
    bool gauge = change->point->metric->kind == EYE_GAUGE;
    int result = eye_identity_check(identity);
    if (result != 0 || (gauge && !isfinite(change->point->gauge))) {
        return result != 0 ? result : -EINVAL;
    }
    struct eye_graphite_value values[EYE_GRAPHITE_VALUES_MAX];
    size_t count = eye_graphite_values(change, points->counters, values);
    for (; *part < count; (*part)++) {
        result = append_point(points, identity, &values[*part], !gauge);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}
