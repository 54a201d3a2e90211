/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What parts that come and go tell of themselves as metrics: exporters today. The collector tells
 * all of them once per interval and knows none. A report outlives its subject by one telling, so
 * that what the subject counted last is told, too.
 *
 * Threads: tell() is the collector's. Any thread may open and close.
 */
#pragma once

#include "collector/telemetry/telemetry.h"

struct eye_report;
struct eye_reports;

/* All are called under the lock of the list; none may open or close. */
struct eye_report_type {
    /** Copies the subject's numbers into the report. */
    void (*read)(struct eye_report *report);

    /** Brings the series up to date with the numbers read last. */
    void (*tell)(struct eye_report *report, struct eye_group *group);

    /** After the last tell(): the subject has gone, and its series retire. */
    void (*retire)(struct eye_report *report, struct eye_registry *registry,
                   struct eye_group *group);

    void (*free)(struct eye_report *report);
};

/* Begins what a type keeps. */
struct eye_report {
    const struct eye_report_type *type;

    /* The list's. */
    struct eye_report *next;
    bool closed; /* there is no subject to read any more */
};

/** NULL when out of memory. */
struct eye_reports *eye_reports_new(void);

/** Takes NULL; frees the reports. */
void eye_reports_free(struct eye_reports *reports);

/** Takes over @report. */
void eye_reports_open(struct eye_reports *reports, struct eye_report *report);

/** Reads for the last time: when it returns, the subject may go. The next telling frees @report. */
void eye_reports_close(struct eye_reports *reports, struct eye_report *report);

void eye_reports_tell(struct eye_reports *reports, struct eye_registry *registry,
                      struct eye_group *group);
