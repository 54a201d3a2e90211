/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter to nowhere: takes every snapshot and counts the points that another exporter would
 * have to send. It tests the plumbing and measures what the daemon costs without any output.
 */
#include <errno.h>

#include "exporters/encode/selection.h"

struct null_exporter {
    struct eye_selection selection;
    struct eye_export_stats *stats;
};

static int null_open(void *state, const struct eye_exporter_setup *setup,
                     struct eye_error *ret_error)
{
    struct null_exporter *exporter = state;
    if (eye_selection_init(&exporter->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    exporter->stats = setup->stats;
    return 0;
}

static int null_deliver(void *state, const struct eye_snapshot *now,
                        const struct eye_snapshot *before, struct eye_export_failure *failure)
{
    (void)failure;
    struct null_exporter *exporter = state;
    struct eye_changes changes;
    struct eye_change change;
    uint64_t points = 0;
    eye_changes_begin(&changes, now, before);
    while (eye_changes_next(&changes, &change)) {
        points +=
            exporter->selection.wanted[change.point->metric->id] && eye_change_has_news(&change);
    }
    atomic_fetch_add(&exporter->stats->seen, points);
    atomic_fetch_add(&exporter->stats->points, points);
    return 0;
}

static void null_close(void *state)
{
    struct null_exporter *exporter = state;
    eye_selection_done(&exporter->selection);
}

const struct eye_exporter_type eye_exporter_null = {
    .section = {.type = "null", .foreign = "none noop blackhole discard"},
    .state_size = sizeof(struct null_exporter),
    .open = null_open,
    .deliver = null_deliver,
    .close = null_close,
};
