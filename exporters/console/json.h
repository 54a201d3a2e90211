/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One point as one line of JSON, for a program that reads our output. Counters carry their
 * increase and its rate, distributions what was recorded in between; "time" is the end of the
 * interval. Belongs to one thread.
 */
#pragma once

#include "exporters/selection.h"

/** False when there is nothing to say: a counter or distribution at rest, an unwanted metric. */
bool eye_console_json_wants(const struct eye_selection *selection, const struct eye_change *change);

/**
 * Appends the line. @seconds: what the changes cover. 0 or -ENOMEM, then @out may hold a part of
 * it.
 */
int eye_console_json_append(const struct eye_selection *selection,
                            const struct eye_snapshot *snapshot, double seconds,
                            const struct eye_change *change, struct eye_text *out);
