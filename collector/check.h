/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sockeye check --open` finds out beside `run`: whether what cannot be had is only the
 * running daemon's. Main thread, no state.
 */
#pragma once

#include <stdio.h>

#include "exporters/engine/workers.h"

/**
 * Takes what only one process may have, as eye_workers_bind() does, and writes a line on @out for
 * each exporter that cannot have it. What the daemon has that answers at control.socket of @config
 * is told as a note: a reload or a restart hands it over. 0, or -errno of the first other one.
 */
int eye_check_open(const struct eye_config *config, struct eye_workers *workers, FILE *out);
