/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The StatsD encoder: one change of a series to lines of etsy's format
 * (https://github.com/statsd/statsd/blob/master/docs/metric_types.md): one value per line, only the
 * types c, g and ms, "@" before "#", no exponents. Counters go as increments. Distributions go as
 * samples or as quantiles made here; what is in seconds goes as milliseconds, which is what ms
 * means.
 *
 * Samples: each value is a line while there are few. Beyond that, values of one bin share lines,
 * whose rates say how many they stand for. Many servers (etsy's among them) leave the rate out of
 * the quantiles, so each line stands for nearly the same number of values.
 *
 * The same change always gives the same lines. Used by one worker thread.
 */
#pragma once

#include "exporters/encode/bins.h"
#include "exporters/encode/identities.h"
#include "exporters/statsd/dialect.h"

/* Lines of a distribution, and one more for each of its bins at most. */
#define EYE_STATSD_SAMPLES 500

/* What a line has besides name and tags, the value of a gauge excepted. */
#define EYE_STATSD_LINE_BYTES 128

/* Order of the choices of `distributions`. */
enum eye_statsd_distributions { EYE_STATSD_AS_SAMPLES, EYE_STATSD_AS_GAUGES };

struct eye_statsd_lines {
    enum eye_statsd_distributions distributions;
    bool tags_last;
    struct eye_bin_texts milliseconds; /* bins of distributions in seconds */
    struct eye_bin_texts plain;        /* of others */
};

/** 0 or -ENOMEM. */
int eye_statsd_lines_init(struct eye_statsd_lines *lines, enum eye_statsd_dialect_id dialect,
                          enum eye_statsd_distributions distributions);

/** Takes a zeroed one. */
void eye_statsd_lines_done(struct eye_statsd_lines *lines);

/**
 * The add() of exporters/engine/delivery.h: appends the lines of @change from line *@part on to
 * @payload, which never grows beyond its maximum. @identity is not longer than that less
 * EYE_STATSD_LINE_BYTES.
 */
int eye_statsd_lines_add(struct eye_statsd_lines *lines, const struct eye_identity *identity,
                         const struct eye_change *change, struct eye_text *payload, size_t *part);

/** The same for the gauges that @point was sent as: each becomes 0. Nothing for other series. */
int eye_statsd_lines_add_zeros(const struct eye_statsd_lines *lines,
                               const struct eye_identity *identity, const struct eye_point *point,
                               struct eye_text *payload, size_t *part);
