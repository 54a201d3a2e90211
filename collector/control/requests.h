/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the last interval, of every protocol, for who looks at them live. Main thread. */
#pragma once

#include <jansson.h>

#include "collector/control/running.h"

/* Series in one answer: more than anybody reads, and 300 kB. What is left out is counted there. */
#define EYE_REQUESTS_MAX 1000

/** What the last interval added to each series of requests, most first. The caller's; NULL when out
 * of memory. */
json_t *eye_requests_json(const struct eye_running *running);
