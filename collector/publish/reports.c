/* SPDX-License-Identifier: Apache-2.0 */
/* A list under a lock. */
#include "collector/publish/reports.h"

#include <pthread.h>
#include <stdlib.h>

struct eye_reports {
    pthread_mutex_t mutex;
    struct eye_report *first; /* oldest first: who comes under the name of one that goes is behind
                                 it, and has the last word */
};

struct eye_reports *eye_reports_new(void)
{
    struct eye_reports *reports = calloc(1, sizeof(*reports));
    if (reports != NULL) {
        pthread_mutex_init(&reports->mutex, NULL);
    }
    return reports;
}

void eye_reports_free(struct eye_reports *reports)
{
    if (reports == NULL) {
        return;
    }
    while (reports->first != NULL) {
        struct eye_report *report = reports->first;
        reports->first = report->next;
        report->type->free(report);
    }
    pthread_mutex_destroy(&reports->mutex);
    free(reports);
}

void eye_reports_open(struct eye_reports *reports, struct eye_report *report)
{
    pthread_mutex_lock(&reports->mutex);
    struct eye_report **place = &reports->first;
    while (*place != NULL) {
        place = &(*place)->next;
    }
    report->next = NULL;
    report->closed = false;
    *place = report;
    pthread_mutex_unlock(&reports->mutex);
}

void eye_reports_close(struct eye_reports *reports, struct eye_report *report)
{
    pthread_mutex_lock(&reports->mutex);
    report->type->read(report);
    report->closed = true;
    pthread_mutex_unlock(&reports->mutex);
}

void eye_reports_tell(struct eye_reports *reports, struct eye_registry *registry,
                      struct eye_group *group)
{
    pthread_mutex_lock(&reports->mutex);
    struct eye_report **place = &reports->first;
    while (*place != NULL) {
        struct eye_report *report = *place;
        if (report->closed) {
            report->type->tell(report, group);
            report->type->retire(report, registry, group);
            *place = report->next;
            report->type->free(report);
        } else {
            report->type->read(report);
            report->type->tell(report, group);
            place = &report->next;
        }
    }
    pthread_mutex_unlock(&reports->mutex);
}
