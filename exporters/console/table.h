/* SPDX-License-Identifier: Apache-2.0 */
/* One interval as a page for a person. Belongs to one thread. */
#pragma once

#include "exporters/console/style.h"
#include "exporters/encode/selection.h"

/* Rows of each section at most. */
#define EYE_CONSOLE_ROWS 20

/**
 * Appends the page of what happened between @before (may be NULL) and @now, which are @seconds
 * (> 0) apart. Tag values cannot reach the terminal as control characters. 0 or -ENOMEM.
 */
int eye_console_table(const struct eye_selection *selection, const struct eye_console_style *style,
                      const struct eye_snapshot *now, const struct eye_snapshot *before,
                      double seconds, struct eye_text *out);
