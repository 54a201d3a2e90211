/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's numbers as metrics, tagged with its name (collector/publish/reports.h). */
#pragma once

#include "collector/publish/reports.h"
#include "exporters/engine/worker.h"

/** Reads @worker, which lives until the report is closed. NULL when out of memory. */
struct eye_report *eye_worker_report_new(struct eye_worker *worker);

/** One that was never opened. Takes NULL. */
void eye_worker_report_free(struct eye_report *report);
