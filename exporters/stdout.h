/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to standard output, where a reader that stalls delays nobody but the worker. */
#pragma once

#include <stddef.h>

/**
 * Writes @bytes from *@written on, which goes on with what went out. 0 when all did, -EAGAIN when
 * the reader took nothing for 200 ms, or another -errno; then call again with the same later.
 */
int eye_stdout_write(const char *bytes, size_t length, size_t *written);
