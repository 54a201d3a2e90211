/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files whole. No state, any thread. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/** Reads @fd until its end or until @size bytes are in @buffer: their number, or -errno. */
ssize_t eye_file_read(int fd, void *buffer, size_t size);
