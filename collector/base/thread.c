/* SPDX-License-Identifier: Apache-2.0 */
/* A new thread inherits the signal mask of its maker: block, make, restore. */
#include "collector/base/thread.h"

#include <string.h>

#include "collector/base/text.h"

#define NAME_BYTES 16 /* TASK_COMM_LEN, with the NUL */

static void set_name(pthread_t thread, const char *name)
{
    char full[NAME_BYTES] = "eye:";
    size_t length = strlen(full);
    eye_copy_string(full + length, sizeof(full) - length, name);
    pthread_setname_np(thread, full);
}

void eye_thread_block_signals(sigset_t *ret_previous)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, ret_previous);
}

int eye_thread_start(const char *name, void *(*run)(void *context), void *context,
                     pthread_t *ret_thread)
{
    sigset_t previous;
    pthread_t thread;
    eye_thread_block_signals(&previous);
    int result = pthread_create(&thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    if (result == 0) {
        set_name(thread, name);
        *ret_thread = thread;
    }
    return -result;
}
