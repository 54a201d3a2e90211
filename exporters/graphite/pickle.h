/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message of carbon's pickle receiver: 4 bytes big-endian length, then the Python list
 * [(path, (time, value)), ...] in pickle protocol 2. Only five kinds of things stand in it, so the
 * operation codes are written one by one.
 *
 * Source: https://graphite.readthedocs.io/en/latest/feeding-carbon.html, CPython
 * Lib/pickletools.py.
 */
#pragma once

#include <stdint.h>

#include "collector/base/text.h"

/* Longest message without its length: carbon's PICKLE_RECEIVER_MAX_LENGTH. */
#define EYE_PICKLE_MAX_BYTES ((size_t)1 << 20)

/* What carbon's own client sends at most. */
#define EYE_PICKLE_MAX_POINTS 500

/* What begin() and end() write, and a point besides its path. */
#define EYE_PICKLE_FRAME_BYTES 10
#define EYE_PICKLE_POINT_BYTES 26

/** Appends the beginning of a message to the empty @message. */
void eye_pickle_begin(struct eye_text *message);

/** Appends what stands before a path of @length bytes (ASCII), which the caller appends. */
void eye_pickle_begin_point(struct eye_text *message, size_t length);

/** Appends what stands behind a path. */
void eye_pickle_end_point(struct eye_text *message, int64_t time_s, double value);

/** Appends the end, and writes the length into the beginning. */
void eye_pickle_end(struct eye_text *message);
