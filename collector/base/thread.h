/* SPDX-License-Identifier: Apache-2.0 */
/* Starting threads the way all of ours are: without signals, with a name. Any thread. */
#pragma once

#include <pthread.h>
#include <signal.h>

/**
 * Starts @run(@context) in a joinable thread called "eye:<name>" (cut to the kernel's 15 bytes).
 * Signals are the main thread's (signalfd), so the new thread has all of them blocked.
 * 0, or -errno of pthread_create(3) with @ret_thread untouched.
 */
int eye_thread_start(const char *name, void *(*run)(void *context), void *context,
                     pthread_t *ret_thread);

/**
 * Blocks all signals of the calling thread, so that threads which a library starts have them
 * blocked too. @ret_previous: for pthread_sigmask(SIG_SETMASK) afterwards.
 */
void eye_thread_block_signals(sigset_t *ret_previous);
