/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to standard output, where a reader that stalls delays nobody but the worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/base/output.h"

/** Opens @output for an exporter that writes there. Main thread. */
void eye_stdout_open(struct eye_output *output);

/** Takes a zeroed one. Main thread. */
void eye_stdout_close(struct eye_output *output);

/** The daemon starts, its exporters are bound. If one has it open by now, it lives for the reader,
 * as any program in a pipe, until none has it open any more. Main thread. */
void eye_stdout_follow(void);

/** Whether it lives for that reader. One that was added to a running daemon fails when nobody reads
 * it, as other exporters do. Any thread. */
bool eye_stdout_is_followed(void);

/**
 * Writes @bytes from *@written on, which goes on with what went out. 0 when all did, -EAGAIN when
 * the reader took nothing for 200 ms, or another -errno; then call again with the same later.
 */
int eye_stdout_write(const struct eye_output *output, const char *bytes, size_t length,
                     size_t *written);

/** What @result of eye_stdout_write() means, for the log. */
const char *eye_stdout_error(int result);

/** Whether @result of eye_stdout_write() says that the reader, whom the daemon lives for, has gone
 * for good: a broken pipe or connection, or a terminal that was hung up. */
bool eye_stdout_is_gone(int result);
