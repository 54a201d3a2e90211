/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the daemon is: what `GET /status` and SIGUSR1 tell. Whatever is a metric comes from the last
 * two snapshots, so status and exporters say the same. Main thread.
 */
#pragma once

#include <jansson.h>

#include "collector/base/text.h"
#include "collector/control/running.h"

/* An interval that is late by this part of itself, or by a second, is no sign of anything. */
#define EYE_STATUS_GRACE_NS EYE_NS_PER_SECOND

/** Whether intervals end: the last one did, not longer ago than two of them. */
bool eye_status_is_alive(const struct eye_running *running);

/**
 * The whole status; fields as in tests/data/schemas/status.json: times are RFC 3339 in UTC
 * or null, durations seconds, sizes bytes. Owned by the caller; NULL when out of memory.
 *
 * "degraded" is what somebody has to do something about: "problems" has a line for each.
 */
json_t *eye_status_json(const struct eye_running *running);

/* Of a status for people: what is longer is cut. */
#define EYE_STATUS_TEXT_MAX ((size_t)4 << 20)

/** The same for people; @status as above, of this or of another process: what is missing in it is
 * left out. @colour: with ANSI colours. */
void eye_status_write(const json_t *status, bool colour, struct eye_text *text);
