/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Prometheus calls our metrics and tags, the same wherever it gets them: scraped, pushed or
 * written. A semantic convention keeps its name with underscores for dots, everything else gets the
 * prefix; then the unit's word unless the name ends with it. Labels: the OpenTelemetry attribute of
 * a tag on semantic conventions, the tag's own name elsewhere; then the fixed tags that are no
 * label of the metric yet. No state, any thread.
 */
#pragma once

#include "exporters/encode/selection.h"

/** Appends the family's name as OpenMetrics has it: with unit, without "_total". */
void eye_prometheus_append_family(const struct eye_selection *selection,
                                  const struct eye_metric *metric, struct eye_text *text);

/** Appends the name of the label that @tag is on @metric. */
void eye_prometheus_append_label(const struct eye_metric *metric, enum eye_tag tag,
                                 struct eye_text *text);

/**
 * Appends the name of the label that fixed tag @index of @selection is on @metric. False, with
 * nothing appended, when it is none: without a value, a label of the metric itself, or replaced by
 * a later fixed tag.
 */
bool eye_prometheus_append_fixed_label(const struct eye_selection *selection,
                                       const struct eye_metric *metric, size_t index,
                                       struct eye_text *text);
