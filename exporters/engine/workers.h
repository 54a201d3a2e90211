/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers of a whole configuration, one per exporter and lane. Making them is the validation of
 * what the keys' own rules cannot tell (config/config.h): `check`, `run` and a reload call the same
 * functions, so they agree. The main thread's, where nothing else is said.
 */
#pragma once

#include "exporters/engine/worker.h"

struct eye_workers {
    struct eye_worker **items; /* owned, each owned; in the order of the configuration */
    size_t count;
    struct eye_worker **stuck; /* owned: threads that hang, left behind by a replacement */
    size_t stuck_count;
};

/** How many workers the exporters of @config need. */
size_t eye_workers_lanes(const struct eye_config *config);

/**
 * Makes all workers: settings, variables of the environment and secrets are read, nothing is bound
 * or created. 0; or -errno of the first problem, and @ret_error has one line
 * "FILE:LINE:COL: exporter NAME: ..." for each exporter that cannot be made. @ret_workers is
 * untouched on failure.
 */
int eye_workers_new(const struct eye_config *config, struct eye_workers *ret_workers,
                    struct eye_error *ret_error);

/** Takes what only one process may have: addresses, files, spools. As above, all problems. */
int eye_workers_bind(struct eye_workers *workers, struct eye_error *ret_error);

/** All join @publisher, each with a report; once bound, before they start. 0, or -errno with a
 * message; those that joined leave when they end. */
int eye_workers_join(struct eye_workers *workers, struct eye_publisher *publisher,
                     struct eye_reports *reports, struct eye_error *ret_error);

/* What became of them. */
struct eye_workers_end {
    enum eye_worker_end worst;
    bool unwritten; /* one of them came to EYE_WORKER_UNWRITTEN */
};

/** All leave, have until @deadline_ns (monotonic) to deliver what they have, and are freed. Takes a
 * zeroed one. */
struct eye_workers_end eye_workers_end(struct eye_workers *workers, uint64_t deadline_ns);

/** Frees those that hung and do no longer. How many still do. */
size_t eye_workers_reap(struct eye_workers *workers);

/* Each keeps a thread, what it has in work and its configuration. More hang only where something is
 * broken that another configuration does not heal. */
#define EYE_WORKERS_STUCK_MAX 8
