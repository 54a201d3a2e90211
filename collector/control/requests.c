/* SPDX-License-Identifier: Apache-2.0 */
/* From the last two snapshots to what lies between them. */
#include "collector/control/requests.h"

#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/control/values.h"

/* Tags that only requests have. */
#define REQUEST_TAGS (EYE_TAG_BIT(METHOD) | EYE_TAG_BIT(ROUTE) | EYE_TAG_BIT(ERROR))

struct list {
    struct eye_change *items; /* owned; the points are the snapshot's */
    size_t count;
};

static void cleanup_list(struct list *list)
{
    free(list->items);
}

static bool is_of_requests(const struct eye_metric *metric)
{
    return metric->kind == EYE_DISTRIBUTION && (metric->tags & REQUEST_TAGS) != 0;
}

/* Most first, then older series. */
static int compare(const void *a, const void *b)
{
    const struct eye_change *first = a;
    const struct eye_change *second = b;
    if (first->count != second->count) {
        return first->count < second->count ? 1 : -1;
    }
    return first->point->id < second->point->id ? -1 : first->point->id > second->point->id;
}

/* 0 or -ENOMEM. */
static int collect(const struct eye_snapshot *now, const struct eye_snapshot *before,
                   struct list *list)
{
    struct eye_changes changes;
    struct eye_change change;
    if (now == NULL || now->count == 0) {
        return 0;
    }
    list->items = malloc(now->count * sizeof(*list->items));
    if (list->items == NULL) {
        return -ENOMEM;
    }
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        if (is_of_requests(change.point->metric) && change.count > 0) {
            list->items[list->count++] = change;
        }
    }
    qsort(list->items, list->count, sizeof(*list->items), compare);
    return 0;
}

/* The conventions name metrics PROTOCOL.client.WHAT and PROTOCOL.server.WHAT; of DNS the client's
 * alone is theirs. */
static const char *side_of(const struct eye_metric *metric)
{
    return strstr(metric->name, ".server.") != NULL ? "server" : "client";
}

/* What is asked for, of what, and what is answered, as each family of metrics has it. */
static const enum eye_tag method_tags[] = {EYE_TAG_METHOD, EYE_TAG_TYPE, EYE_TAG_OPERATION};
static const enum eye_tag route_tags[] = {EYE_TAG_ROUTE, EYE_TAG_DESTINATION, EYE_TAG_SUMMARY};
static const enum eye_tag status_tags[] = {EYE_TAG_STATUS, EYE_TAG_RCODE};

/* That of @tags which the metric has; "": none. */
static const char *word_of(const struct eye_point *point, const enum eye_tag *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (eye_metric_has_tag(point->metric, tags[i])) {
            return eye_json_tag(point, tags[i]);
        }
    }
    return "";
}

static json_t *request_of(const struct eye_change *change, double span_s)
{
    const struct eye_point *point = change->point;
    const struct eye_distribution *now = point->distribution;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:f, s:f}", "side",
                     side_of(point->metric), "metric", point->metric->name, "service",
                     eye_json_tag(point, EYE_TAG_SERVICE), "port",
                     eye_json_tag(point, EYE_TAG_PORT), "method",
                     word_of(point, method_tags, EYE_ARRAY_LENGTH(method_tags)), "route",
                     word_of(point, route_tags, EYE_ARRAY_LENGTH(route_tags)), "status",
                     word_of(point, status_tags, EYE_ARRAY_LENGTH(status_tags)), "error_type",
                     eye_json_tag(point, EYE_TAG_ERROR), "count", (json_int_t)change->count, "rate",
                     (double)change->count / span_s, "p50_s",
                     eye_distribution_quantile_since(now, change->before, 0.5), "p99_s",
                     eye_distribution_quantile_since(now, change->before, 0.99));
}

static json_t *answer_of(const struct eye_snapshot *now, const struct eye_snapshot *before)
{
    EYE_CLEANUP(cleanup_list) struct list list = {0};
    if (collect(now, before, &list) != 0) {
        return NULL;
    }
    uint64_t span_ns = now == NULL ? 0 : eye_snapshot_span_ns(now, before);
    double span_s = (double)span_ns / (double)EYE_NS_PER_SECOND;
    size_t shown = list.count < EYE_REQUESTS_MAX ? list.count : EYE_REQUESTS_MAX;
    json_t *requests = json_array();
    for (size_t i = 0; i < shown; i++) {
        json_array_append_new(requests, request_of(&list.items[i], span_s));
    }
    return json_pack("{s:f, s:o, s:I, s:o}", "interval_s", span_s, "ended",
                     eye_json_time(now == NULL ? 0 : now->time_ns), "truncated",
                     (json_int_t)(list.count - shown), "requests", requests);
}

json_t *eye_requests_json(const struct eye_running *running)
{
    const struct eye_snapshot *now = NULL;
    const struct eye_snapshot *before = NULL;
    eye_view_read(running->view, &now, &before);
    json_t *answer = answer_of(now, before);
    eye_snapshot_unref(now);
    eye_snapshot_unref(before);
    return answer;
}
