/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message for the user that travels with an errno: what failed, on which object, why, and what
 * to do. Filled by the function that fails, printed by the one that decides. No thread rule: each
 * caller owns its own.
 */
#pragma once

#include "collector/base/base.h"

/* Long enough for a path and an explanation; longer messages are cut. */
#define EYE_ERROR_TEXT_BYTES 1024

struct eye_error {
    char text[EYE_ERROR_TEXT_BYTES];
};

/**
 * Writes the message and returns @code, so that a failure is one line:
 * `return eye_error_set(ret_error, -EINVAL, "...", ...);`
 * The message is one line, shown as eye_copy_shown() has it.
 * @code: a negative errno. @ret_error may be NULL: then only the code is returned.
 */
int eye_error_set(struct eye_error *ret_error, int code, const char *format, ...) EYE_PRINTF(3, 4);
