/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every exporter does with names and tags before its own format begins: which metrics it
 * wants, what stands before the name, which fixed tags go along. Immutable after init; used by one
 * worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/text.h"
#include "exporters/exporter.h"

/* A fixed tag from the configuration, split at its first colon; value "" when it has none. */
struct eye_fixed_tag {
    char *key;   /* owned */
    char *value; /* owned */
};

/*
 * Of tags that are given twice one goes out, in every format: the series' own, else the exporter's,
 * else the daemon's, else the environment's; within a list the last. (In the formats of Prometheus
 * a key that a metric can have, by its name there, is the series' own also where it has no value,
 * since the labels of a family are alike; OTLP has fixed tags as attributes of the resource, apart
 * from those of points.)
 */
struct eye_selection {
    bool wanted[EYE_METRIC_COUNT];
    const char *prefix;          /* of the configuration */
    struct eye_fixed_tag *fixed; /* the daemon's, then the exporter's; no key twice; owned */
    size_t fixed_count;
};

/**
 * 0 or -ENOMEM. Patterns of metrics.allow and metrics.deny are names of the catalogue; one that
 * matches none of them is taken for what receivers show: with the prefix, or with underscores, unit
 * and ending (sockeye.tcp.sent.bytes, sockeye_tcp_sent_bytes_total), or a part of a distribution
 * (tcp.rtt.p50), which stands for the whole of it.
 */
int eye_selection_init(struct eye_selection *selection, const struct eye_exporter_setup *setup);
/**
 * Appends a line for each pattern of metrics.allow and metrics.deny that matches no metric, with
 * the name that it may mean, and for each exporter that they leave nothing to send.
 */
void eye_selection_append_warnings(const struct eye_config *config, struct eye_text *out);

/** Adds the fixed tag "key:value" or "key", unless there is one of its key. 0 or -ENOMEM. */
int eye_selection_add_default(struct eye_selection *selection, const char *tag);

void eye_selection_done(struct eye_selection *selection);

/** Appends prefix and name; a name that already begins with the prefix gets no second one. */
void eye_selection_append_name(const struct eye_selection *selection, struct eye_text *text,
                               const struct eye_metric *metric);

/** The same for Prometheus' formats and OTLP: the plain name where it is one of the semantic
 * conventions. */
void eye_selection_append_plain_name(const struct eye_selection *selection, struct eye_text *text,
                                     const struct eye_metric *metric);
