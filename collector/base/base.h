/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every file may use: cleanup attributes, ownership hand-over, array length.
 * No state, no thread rule.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define EYE_ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define EYE_PRINTF(format_index, first_argument)                                                   \
    __attribute__((format(printf, format_index, first_argument)))

/** Runs `function(&variable)` when the variable goes out of scope. */
#define EYE_CLEANUP(function) __attribute__((cleanup(function)))

static inline void eye_cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void eye_cleanup_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

#define EYE_AUTOFREE EYE_CLEANUP(eye_cleanup_free)
#define EYE_AUTOCLOSE EYE_CLEANUP(eye_cleanup_close)

/** Hands an owning pointer on and leaves NULL behind, so its cleanup does nothing. */
#define EYE_TAKE(pointer)                                                                          \
    __extension__({                                                                                \
        __auto_type eye_taken = (pointer);                                                         \
        (pointer) = NULL;                                                                          \
        eye_taken;                                                                                 \
    })

/** The same for a descriptor: leaves -1 behind. */
#define EYE_TAKE_FD(fd)                                                                            \
    __extension__({                                                                                \
        int eye_taken = (fd);                                                                      \
        (fd) = -1;                                                                                 \
        eye_taken;                                                                                 \
    })
