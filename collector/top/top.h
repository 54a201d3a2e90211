/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and requests of the running daemon, live. Main thread. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/base/error.h"

struct eye_top_settings {
    const char *path;     /* of the control socket */
    uint64_t interval_ns; /* between two readings */
    const sigset_t *ends; /* blocked signals that end it */
};

/** On the terminal until somebody ends it. 0, or -errno with a message. */
int eye_top_watch(const struct eye_top_settings *settings, struct eye_error *ret_error);

/**
 * Prints what the daemon says one interval from now, as tables or, with @json, as one object. 0;
 * -ENODATA: printed, and something is missing; -ECANCELED: a signal ended it; or another -errno;
 * the message says what.
 */
int eye_top_once(const struct eye_top_settings *settings, bool json, struct eye_error *ret_error);
