/* SPDX-License-Identifier: Apache-2.0 */
/* The running daemon: starts every stage, waits for signals, stops every stage. The main thread's.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "exporters/engine/workers.h"

/**
 * Runs until SIGTERM, SIGINT or SIGQUIT, until the reader of standard output has gone (if an
 * exporter writes there), or with config->once until one whole interval was published. @source:
 * where
 * @config was read, and will be again when it is to be loaded anew. Then takes the last
 * snapshot and gives the @workers, made of this configuration and ended here,
 * config->shutdown_timeout_ns to deliver it; a second SIGINT does not wait for that. Returns the
 * exit code: 0, or 1 when something could not be started (said in the log) or, with --once, not be
 * delivered. Without a reader it ends by SIGPIPE. A signal that comes during the start ends that
 * at its next step: 0, too.
 *
 * The service manager is told (collector/base/notify.h): READY when all programs are attached and
 * all exporters have bound what they listen on.
 */
int eye_daemon_run(const struct eye_config *config, const struct eye_config_source *source,
                   struct eye_workers *workers);
