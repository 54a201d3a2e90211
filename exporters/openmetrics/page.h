/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as a page of OpenMetrics 1.0 or Prometheus text 0.0.4.
 *
 * Names: a semantic convention keeps its name with underscores for dots, everything else gets the
 * prefix; then the unit's word unless the name ends with it, then "_total" for counters. Labels:
 * the OpenTelemetry attribute of a tag on semantic conventions, the tag's own name elsewhere; then
 * the fixed tags that are no label of the metric yet. A label without a value is left out, because
 * Prometheus takes it as absent.
 *
 * Distributions become classic histograms over one list of boundaries that never changes.
 *
 * Belongs to the thread of the scrape.
 */
#pragma once

#include "exporters/openmetrics/negotiate.h"
#include "exporters/selection.h"

struct eye_page_counts {
    uint64_t points;     /* series on the page */
    uint64_t collisions; /* left out: same name and labels as an earlier one */
};

/**
 * Appends the page. @snapshot may be NULL: none was taken yet. 0, or -ENOMEM: out of memory or
 * @page reached its maximum.
 */
int eye_page_write(const struct eye_snapshot *snapshot, const struct eye_selection *selection,
                   enum eye_page_format format, struct eye_text *page,
                   struct eye_page_counts *ret_counts);

/** Appends the family's name as OpenMetrics has it: with unit, without "_total". */
void eye_page_append_family(const struct eye_selection *selection, const struct eye_metric *metric,
                            struct eye_text *text);
