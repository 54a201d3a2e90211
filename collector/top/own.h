/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon of `sockeye top` alone, where none runs: a child with a control socket in a folder that
 * nobody else may enter, without a configuration, that exports nothing. The kernel ends it with its
 * parent, however that ends. Main thread, which must live as long.
 */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "collector/base/error.h"

#define EYE_OWN_PATH_BYTES 64

struct eye_own {
    pid_t pid; /* 0: there is none */
    int log_fd;
    char folder[EYE_OWN_PATH_BYTES];
    char socket[EYE_OWN_PATH_BYTES];
};

#define EYE_OWN_NONE ((struct eye_own){.log_fd = -1})

/**
 * Starts it and waits until it observes. @ends: blocked signals, of which each ends the waiting.
 * 0; -ECANCELED: such a signal came; or another -errno with a message, which is the child's log
 * where it ended. Whatever it is, eye_own_stop() is called in the end.
 */
int eye_own_start(struct eye_own *own, const sigset_t *ends, struct eye_error *ret_error);

/** Ends it, waits for that, and removes the folder. Takes EYE_OWN_NONE. */
void eye_own_stop(struct eye_own *own);
