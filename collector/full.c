/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for sockeye.series.overflow in every snapshot. */
#include "collector/full.h"

#include <string.h>

#include "collector/base/log.h"

static const char *const limits[EYE_FULL_LIMITS] = {EYE_LIMIT_SERIES, EYE_LIMIT_TAG_VALUES};

static void look_at(struct eye_full *full, const struct eye_point *point)
{
    const char *limit = eye_tag_set_value(point->tags, EYE_TAG_LIMIT);
    for (size_t i = 0; limit != NULL && i < EYE_FULL_LIMITS; i++) {
        if (!full->told[i] && strcmp(limits[i], limit) == 0) {
            full->told[i] = true;
            eye_log_warning("%s is used up: new values of the tag %s of %s are counted as "
                            "__other__; raise it, or leave the tag out (`sockeye status` has all "
                            "that are full)",
                            limit, eye_tag_set_value(point->tags, EYE_TAG_TAG),
                            eye_tag_set_value(point->tags, EYE_TAG_METRIC));
        }
    }
}

static void take(void *context, const struct eye_snapshot *snapshot)
{
    struct eye_full *full = context;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct eye_point *point = &snapshot->points[i];
        if (point->metric->id == EYE_METRIC_SELF_OVERFLOW && point->counter > 0) {
            look_at(full, point);
        }
    }
    eye_subscription_deliver(&full->subscription, snapshot->sequence);
}

int eye_full_join(struct eye_full *full, struct eye_publisher *publisher)
{
    const struct eye_snapshot *before;
    full->subscription = (struct eye_subscription){.take = take, .context = full};
    int result = eye_publisher_join(publisher, &full->subscription, &before);
    if (result == 0) {
        eye_snapshot_unref(before);
    }
    return result;
}

void eye_full_leave(struct eye_full *full)
{
    eye_subscription_leave(&full->subscription);
}
