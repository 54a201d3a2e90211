/* SPDX-License-Identifier: Apache-2.0 */
/* A counter for each outcome. */
#include "collector/control/report.h"

#include <stdlib.h>

struct control_report {
    struct eye_report report; /* first: this is what the list has */
    const struct eye_control *control;
    uint64_t now[EYE_CONTROL_OUTCOME_COUNT];
    uint64_t told[EYE_CONTROL_OUTCOME_COUNT];
};

static struct control_report *own(struct eye_report *report)
{
    return (struct control_report *)report;
}

static void read_control(struct eye_report *report)
{
    struct control_report *mine = own(report);
    for (size_t i = 0; i < EYE_CONTROL_OUTCOME_COUNT; i++) {
        mine->now[i] = atomic_load(&mine->control->counts[i]);
    }
}

static struct eye_series *series(struct eye_group *group, size_t outcome)
{
    const struct eye_tag_value tags[] = {
        {EYE_TAG_OUTCOME, eye_control_outcome_name((enum eye_control_outcome)outcome)}};
    return eye_group_series(group, EYE_METRIC_SELF_CONTROL, tags, EYE_ARRAY_LENGTH(tags));
}

static void tell(struct eye_report *report, struct eye_group *group)
{
    struct control_report *mine = own(report);
    for (size_t i = 0; i < EYE_CONTROL_OUTCOME_COUNT; i++) {
        if (mine->now[i] > 0) {
            eye_counter_follow(series(group, i), mine->now[i], &mine->told[i]);
        }
    }
}

static void retire(struct eye_report *report, struct eye_registry *registry,
                   struct eye_group *group)
{
    for (size_t i = 0; i < EYE_CONTROL_OUTCOME_COUNT; i++) {
        if (own(report)->now[i] > 0) {
            eye_series_retire(registry, series(group, i));
        }
    }
}

static void free_report(struct eye_report *report)
{
    free(report);
}

static const struct eye_report_type type = {
    .read = read_control,
    .tell = tell,
    .retire = retire,
    .free = free_report,
};

struct eye_report *eye_control_report_new(const struct eye_control *control)
{
    struct control_report *mine = calloc(1, sizeof(*mine));
    if (mine == NULL) {
        return NULL;
    }
    mine->report.type = &type;
    mine->control = control;
    return &mine->report;
}
