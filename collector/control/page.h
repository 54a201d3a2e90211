/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics as Prometheus reads them, for whoever asks once. Main thread. */
#pragma once

#include "collector/control/running.h"

/** The page of the last interval, OpenMetrics 1.0 text with the names that the exporter of that
 * type gives. From malloc(); NULL: no interval has ended, or out of memory. */
char *eye_control_page(const struct eye_running *running);
