/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One point as one line of JSON, for a program that reads our output. Counters carry their
 * increase and its rate, distributions what was recorded in between; "time" is the end of the
 * interval. What names a series is made once, by jansson, and kept. Belongs to one thread.
 */
#pragma once

#include "exporters/encode/identities.h"
#include "exporters/encode/selection.h"

struct eye_json_lines {
    const struct eye_selection *selection;
    struct eye_identities identities;
    bool details; /* also "total" of counters and "max" of distributions */

    /* The snapshot in hand. */
    struct eye_text head; /* of its lines: time and interval */
    double seconds;       /* that its changes cover */
};

/** @selection outlives the lines. */
void eye_json_lines_init(struct eye_json_lines *lines, const struct eye_selection *selection,
                         bool details);
void eye_json_lines_done(struct eye_json_lines *lines);

/** What the changes from @before (may be NULL) to @now cover: after a skipped snapshot more than
 * one interval. */
double eye_seconds_between(const struct eye_snapshot *now, const struct eye_snapshot *before);

/** The next lines are of @now, compared with @before (may be NULL). 0 or -ENOMEM. */
int eye_json_lines_begin(struct eye_json_lines *lines, const struct eye_snapshot *now,
                         const struct eye_snapshot *before);

/** False when there is nothing to say: a counter or distribution at rest, an unwanted metric. */
bool eye_json_lines_wants(const struct eye_json_lines *lines, const struct eye_change *change);

/** Appends the line of @change, which stands at @index of the snapshot. 0; -EMSGSIZE when its names
 * are too long; -ENOBUFS when @out is full, then it may hold a part of the line. */
int eye_json_lines_append(const struct eye_json_lines *lines, size_t index,
                          const struct eye_change *change, struct eye_text *out);
