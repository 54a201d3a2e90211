/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the daemon's own numbers as every reader of a snapshot finds them. */
#include "collector/service.h"

#include <string.h>

#include "collector/base/text.h"

/* Sum of a gauge over all its series. */
static double sum_of(const struct eye_snapshot *snapshot, enum eye_metric_id metric)
{
    double sum = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct eye_point *point = &snapshot->points[i];
        sum += point->metric->id == metric ? point->gauge : 0;
    }
    return sum;
}

static void append_count(struct eye_text *text, double count, const char *noun, const char *plural)
{
    eye_text_appendf(text, "%.0f %s", count, count == 1 ? noun : plural);
}

static void append_failing(struct eye_text *text, const struct eye_snapshot *snapshot)
{
    const char *lead = "; failing: ";
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct eye_point *point = &snapshot->points[i];
        if (point->metric->id == EYE_METRIC_SELF_FAILING && point->gauge > 0) {
            eye_text_appendf(text, "%s%s", lead, eye_tag_set_value(point->tags, EYE_TAG_EXPORTER));
            lead = ", ";
        }
    }
}

void eye_status_line(const struct eye_snapshot *snapshot, char ret_line[EYE_STATUS_LINE_BYTES])
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, EYE_STATUS_LINE_BYTES - 1);
    append_count(&text, sum_of(snapshot, EYE_METRIC_TCP_ACTIVE), "connection", "connections");
    eye_text_append(&text, " active, ");
    append_count(&text, sum_of(snapshot, EYE_METRIC_SELF_SERIES), "series", "series");
    append_failing(&text, snapshot);
    eye_copy_string(ret_line, EYE_STATUS_LINE_BYTES, eye_text_string(&text));
}

/* The collector thread's. A line that was not taken is another one than the last in the next
 * interval, too. */
static void take(void *context, const struct eye_snapshot *snapshot)
{
    struct eye_service *service = context;
    char line[EYE_STATUS_LINE_BYTES];
    eye_status_line(snapshot, line);
    if (strcmp(line, service->told) != 0 && eye_notify_status(&service->notify, line) == 0) {
        eye_copy_string(service->told, sizeof(service->told), line);
    }
    eye_subscription_deliver(&service->subscription, snapshot->sequence);
}

int eye_service_join(struct eye_service *service, struct eye_publisher *publisher)
{
    const struct eye_snapshot *before;
    if (!eye_notify_is_wanted(&service->notify)) {
        return 0;
    }
    service->subscription = (struct eye_subscription){.take = take, .context = service};
    int result = eye_publisher_join(publisher, &service->subscription, &before);
    if (result == 0) {
        eye_snapshot_unref(before);
    }
    return result;
}

void eye_service_leave(struct eye_service *service)
{
    eye_subscription_leave(&service->subscription);
}
