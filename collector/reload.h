/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration while the daemon runs: read, validated, compared, applied; whole or not at
 * all. The main thread's.
 */
#pragma once

#include "collector/base/notify.h"
#include "collector/base/text.h"
#include "collector/collector.h"
#include "exporters/engine/workers.h"

/* What a reload reads, and changes. All but the configuration are borrowed. */
struct eye_reload {
    const struct eye_config_source *source;
    const struct eye_config *config; /* in force; one reference */
    struct eye_collector *collector;
    struct eye_workers *workers;
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct eye_notify *notify;
};

/**
 * Reads the configuration where it was read before. 0: it is in force, @words tells what changed;
 * or -errno: nothing has changed, and @words tells why, a line "FILE:LINE:COL: message" for each
 * problem that has a place. Takes as long as exporters that end need, shutdown_timeout at most.
 */
int eye_reload_run(struct eye_reload *reload, struct eye_text *words);
