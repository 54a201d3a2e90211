/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration while the daemon runs: read, validated, compared, applied; whole or not at
 * all, and step by step, so that its loop goes on. The main thread's.
 */
#pragma once

#include "collector/base/log.h"
#include "collector/base/text.h"
#include "collector/collector.h"
#include "exporters/engine/replacement.h"

/* What a reload reads, and changes; one that was begun is ended by eye_reload_end(). All but the
 * configurations are borrowed. */
struct eye_reload {
    const struct eye_config_source *source;
    const struct eye_config *config; /* in force; one reference */
    struct eye_collector *collector;
    struct eye_workers *workers;
    struct eye_publisher *publisher;
    struct eye_reports *reports;

    const struct eye_config *next;       /* one reference; NULL: none was read */
    struct eye_replacement *replacement; /* NULL: none is under way */
    struct eye_error error;              /* of a beginning that failed */
    int failed;                          /* -errno of it, or 0 */
};

/** Reads the configuration where it was read before, and begins. */
void eye_reload_begin(struct eye_reload *reload);

/** Goes on as far as it goes without waiting for exporters. True: it is over, or none was begun.
 * Takes as long as those that end need, shutdown_timeout at most. */
bool eye_reload_step(struct eye_reload *reload);

/** The daemon ends: as eye_replacement_cancel(). One that was not begun is refused. */
void eye_reload_cancel(struct eye_reload *reload, uint64_t deadline_ns);

/* What became of one, in lines. */
struct eye_reload_outcome {
    int result;               /* 0: it is in force; or -errno: nothing has changed */
    enum eye_log_level level; /* of `words` */
    struct eye_text words;    /* what changed; or why nothing has, "FILE:LINE:COL: message" for each
                                 problem that has a place */
    struct eye_text warnings; /* what is valid and most likely not what was meant */
};

/** Once it is over; adds to the texts of @outcome, which are the caller's. */
void eye_reload_end(struct eye_reload *reload, struct eye_reload_outcome *outcome);
