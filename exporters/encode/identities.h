/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a format calls each series: its name and tags the way the format writes them, made once when
 * the series appears and kept while it lives. So a point costs its value and a copy, and two series
 * that a format cannot tell apart are noticed: the one that came later is marked.
 *
 * When a series began is told by the snapshot before the first one that has it (since_ns), and is
 * never later than the snapshot followed: a wall clock that is set back to before it takes it
 * along.
 *
 * Identities lie in the order of the snapshot's points, so finding one is an index.
 *
 * Used by one worker thread.
 */
#pragma once

#include "collector/base/table.h"
#include "collector/base/text.h"
#include "collector/snapshot/snapshot.h"
#include "exporters/exporter.h"

struct eye_identity {
    uint64_t series;   /* id; with the metric it names the series in every snapshot of one run */
    uint32_t metric;   /* id */
    uint32_t length;   /* bytes of text */
    uint32_t split;    /* where the format cuts it: what stands before the value; else 0 */
    bool collides;     /* an older series has the same text */
    bool too_long;     /* the format said so, or no memory was left; text is empty */
    uint64_t hash;     /* of the text */
    uint64_t since_ns; /* the series began after this, see above */
    char text[];       /* NUL-terminated for formats of text; any bytes */
};

/**
 * Writes the identity of @point into the empty @text and, when the format needs it, the place of
 * the cut into *@ret_split. What leaves text->failed set is too long.
 */
typedef void eye_identity_write(void *context, const struct eye_point *point, struct eye_text *text,
                                uint32_t *ret_split);

struct eye_identities {
    eye_identity_write *write;
    void *context;
    const bool *wanted;         /* by metric id: others get no identity; of the selection */
    struct eye_identity **all;  /* by index of the snapshot followed; NULL: not wanted; owned */
    struct eye_identity **next; /* for the one that follows; owned */
    size_t count;
    size_t capacity;
    uint64_t start_ns;       /* of the run that the ids belong to */
    uint64_t sequence;       /* of the snapshot followed; 0: none */
    uint64_t time_ns;        /* of the snapshot followed last in this run; else start_ns */
    struct eye_table owners; /* identities that own their text, by hash */
    size_t collisions;       /* identities marked now */
    bool freed;              /* an identity went since collisions were looked at */
    struct eye_text scratch;
};

/** @max_bytes: of one identity; @wanted has EYE_METRIC_COUNT entries and outlives this. */
void eye_identities_init(struct eye_identities *identities, eye_identity_write *write,
                         void *context, const bool *wanted, size_t max_bytes);
void eye_identities_done(struct eye_identities *identities);

/**
 * Follows @snapshot: makes identities of series that are new, frees those that are gone. Snapshots
 * may come in any order and from several runs. 0 or -ENOMEM; then try again later.
 */
int eye_identities_follow(struct eye_identities *identities, const struct eye_snapshot *snapshot);

/** The same in a deliver(): -ENOMEM with @failure. */
int eye_identities_prepare(struct eye_identities *identities, const struct eye_snapshot *now,
                           struct eye_export_failure *failure);

/** Of the point at @index of the snapshot followed last; NULL when its metric is not wanted. */
static inline const struct eye_identity *eye_identities_at(const struct eye_identities *identities,
                                                           size_t index)
{
    return identities->all[index];
}

/**
 * What a format's add() answers for @identity before it looks at the value: 0, -EEXIST for one that
 * collides, -EMSGSIZE for one that is too long.
 */
int eye_identity_check(const struct eye_identity *identity);
