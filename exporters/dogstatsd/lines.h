/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DogStatsD encoder: one change of a series to lines "name:value|type|@rate|#tags". Counters go
 * as increments (c), gauges as they are (g), distributions as one weighted value per bin (d), whose
 * weights sum to the exact count. The same change always gives the same lines, so a sender can
 * start again in the middle. Belongs to one worker thread.
 *
 * Source: https://docs.datadoghq.com/extend/dogstatsd/datagram_shell, protocol 1.1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/text.h"
#include "collector/snapshot/snapshot.h"
#include "exporters/selection.h"

/* Datadog cuts longer tags, key and colon included. */
#define EYE_LINES_TAG_MAX_BYTES 200

struct eye_bin_text;

enum eye_lines_stage {
    EYE_LINES_SINGLE,   /* the one line of a counter or gauge is ready */
    EYE_LINES_PACKED,   /* bins that are shorter as repeated values */
    EYE_LINES_WEIGHTED, /* the others, a line each */
    EYE_LINES_END,
};

struct eye_lines {
    const struct eye_selection *selection;
    struct eye_text line;       /* the line made last, with its LF */
    struct eye_text head;       /* "name:" of the change at hand */
    struct eye_text tail;       /* "|#tags" and LF */
    size_t fixed_length;        /* of the tail's beginning that every change has: the fixed tags */
    struct eye_text scratch;    /* for making one of the texts */
    struct eye_bin_text *texts; /* values of bins by key, made when first needed; owned */
    struct eye_change change;
    enum eye_lines_stage stage;
    uint32_t key;  /* the bin that the walk has come to */
    uint64_t rest; /* its values that are in no line yet */
};

/**
 * @max_bytes: no line is longer, LF included. @selection must outlive it. 0, -ENOMEM, or -EMSGSIZE
 * when the fixed tags alone are longer.
 */
int eye_lines_init(struct eye_lines *lines, const struct eye_selection *selection,
                   size_t max_bytes);

/** Takes a zeroed one. */
void eye_lines_done(struct eye_lines *lines);

/**
 * Starts on @change. 0: eye_lines_next() gives its lines, none when nothing changed.
 * -EMSGSIZE: name and tags leave no room for a value. -EINVAL: a gauge that is not finite.
 */
int eye_lines_begin(struct eye_lines *lines, const struct eye_change *change);

/** Makes the next line in lines->line; false when there is none. No allocation. */
bool eye_lines_next(struct eye_lines *lines);
