/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DogStatsD encoder: one change of a series to lines "name:value|type|@rate|T|#tags|fields".
 * Counters go as increments (c), gauges as they are (g), distributions as one weighted value per
 * bin (d), whose weights sum to the exact count. What does not change from line to line is the
 * series' identity: "name:" before its cut, tags, fields and LF behind it. Used by one worker.
 *
 * Source: https://docs.datadoghq.com/extend/dogstatsd/datagram_shell, protocol 1.6.
 */
#pragma once

#include "exporters/dogstatsd/labels.h"
#include "exporters/encode/bins.h"
#include "exporters/encode/identities.h"

struct eye_lines {
    const struct eye_selection *selection;
    const struct eye_labels *labels;
    size_t max_bytes;          /* of a payload */
    struct eye_text timestamp; /* "|T" and the seconds of the snapshot in work; else empty */
    struct eye_bin_texts bins;
};

/** @selection and @labels must outlive it. 0 or -ENOMEM. */
int eye_lines_init(struct eye_lines *lines, const struct eye_selection *selection,
                   const struct eye_labels *labels, size_t max_bytes);

/** Takes a zeroed one. */
void eye_lines_done(struct eye_lines *lines);

/** Counters and gauges of the lines that follow carry @time_ns (wall clock). */
void eye_lines_set_time(struct eye_lines *lines, uint64_t time_ns);

/** An eye_identity_write; @context is the struct eye_lines. */
void eye_lines_write_identity(void *context, const struct eye_point *point, struct eye_text *text,
                              uint32_t *ret_cut);

/**
 * Appends lines of @change to @payload from part *@part on, as add() of exporters/engine/delivery.h
 * says. A part of a distribution is a place in its bins, so lines fill what room there is. 0,
 * -ENOBUFS, -EMSGSIZE: no line of it fits an empty payload. -EINVAL: a gauge that is not finite.
 */
int eye_lines_add(struct eye_lines *lines, const struct eye_identity *identity,
                  const struct eye_change *change, size_t *part, struct eye_text *payload);
