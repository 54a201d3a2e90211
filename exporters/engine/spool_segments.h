/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and order of a spool's segments. What the names mean is said in exporters/engine/spool.h.
 * Plain data of its owner, no thread rule of its own.
 */
#pragma once

#include "collector/snapshot/snapshot.h"

/* Endings of names. */
#define EYE_SPOOL_WAITING ".waiting"
#define EYE_SPOOL_DELIVERED ".delivered"
#define EYE_SPOOL_UNFINISHED ".new" /* being written */

#define EYE_SPOOL_NAME_BYTES 64 /* two numbers and the longest ending */

/* Names a segment without reading it. */
struct eye_spool_segment {
    uint64_t start_ns;
    uint64_t sequence;
};

struct eye_spool_segments {
    struct eye_spool_segment *items; /* by age; owned */
    uint64_t *sizes;                 /* bytes of each; owned */
    size_t count;
    size_t capacity;
};

/** The segment that holds @snapshot. */
struct eye_spool_segment eye_spool_segment_of(const struct eye_snapshot *snapshot);

/** By age: < 0 when @a is older, 0 when they are the same. */
int eye_spool_segment_compare(const struct eye_spool_segment *a, const struct eye_spool_segment *b);

/** The name of its file. */
void eye_spool_segment_format(const struct eye_spool_segment *segment, const char *ending,
                              char ret_name[static EYE_SPOOL_NAME_BYTES]);

/** Reads a name of ours; returns its ending, which may be any text, or NULL for one that is not;
 * then a part of *@ret_segment may be written. */
const char *eye_spool_segment_parse(const char *name, struct eye_spool_segment *ret_segment);

/** Makes room for one more. 0 or -ENOMEM. */
int eye_spool_segments_reserve(struct eye_spool_segments *segments);

/** Puts a segment of @size bytes in its place. Room is reserved. */
void eye_spool_segments_insert(struct eye_spool_segments *segments,
                               struct eye_spool_segment segment, uint64_t size);

/** Takes the one at @index out; there is one. */
void eye_spool_segments_remove(struct eye_spool_segments *segments, size_t index);

/** Whether it is in the list. */
bool eye_spool_segments_have(const struct eye_spool_segments *segments,
                             const struct eye_spool_segment *segment);

/** Frees what the list holds. Takes a zeroed one. */
void eye_spool_segments_done(struct eye_spool_segments *segments);
