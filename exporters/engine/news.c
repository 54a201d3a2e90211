/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a worker's results are news. */
#include "exporters/engine/news.h"

#include <inttypes.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"

/* How often the log says again that a receiver refuses points. */
#define REMIND_EVERY_NS (3600 * EYE_NS_PER_SECOND)

void eye_news_failed(struct eye_news *news, const char *cause)
{
    if (news->failing_since_ns == 0) {
        eye_log_warning("exporter %s: cannot deliver, retrying: %s", news->name, cause);
        news->failing_since_ns = eye_clock_monotonic_ns();
    }
}

static void note_delivered(const struct eye_news *news)
{
    uint64_t failing_ns = eye_clock_monotonic_ns() - news->failing_since_ns;
    eye_log_info("exporter %s: delivering again after %.1f s", news->name,
                 (double)failing_ns / (double)EYE_NS_PER_SECOND);
}

static void note_refused(struct eye_news *news, const char *cause, uint64_t refused_points)
{
    bool refusing = cause[0] != '\0';
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (refusing && !news->refusing) {
        eye_log_warning("exporter %s: the receiver refuses points: %s", news->name, cause);
        news->refusing_told_ns = now_ns;
    } else if (refusing && now_ns - news->refusing_told_ns >= REMIND_EVERY_NS) {
        eye_log_warning("exporter %s: the receiver still refuses points, %" PRIu64
                        " since the start: %s",
                        news->name, refused_points, cause);
        news->refusing_told_ns = now_ns;
    } else if (!refusing && news->refusing) {
        eye_log_info("exporter %s: the receiver takes all points again", news->name);
    }
    news->refusing = refusing;
}

void eye_news_settled(struct eye_news *news, const char *cause, uint64_t refused_points, bool whole)
{
    if (news->failing_since_ns != 0) {
        if (whole) {
            news->refusing = false; /* that it refuses what it gets is news once more */
        } else {
            note_delivered(news);
        }
        news->failing_since_ns = 0;
    }
    note_refused(news, cause, refused_points);
}
