/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's numbers as metrics (collector/publish/reports.h). */
#pragma once

#include "collector/control/control.h"
#include "collector/publish/reports.h"

/** Reads @control, which lives until the report is closed. NULL when out of memory. */
struct eye_report *eye_control_report_new(const struct eye_control *control);
