/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to standard output or standard error, whose reader may have stopped reading (a pager, a
 * terminal after ^S, a log driver that stands still), without ever waiting for it. O_NONBLOCK
 * belongs to the open file, which is shared with other processes, so it is never set on theirs: a
 * pipe or terminal is opened once more through /proc/self/fd. One writer at a time.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct eye_output {
    int fd;
    bool owned;  /* opened once more, without blocking; else the fd that was given */
    bool socket; /* sent to */
};

/**
 * @fd: borrowed, must stay open. What cannot be opened once more (rights, no /proc) is asked with
 * poll(2) before each write: then a second process that fills the same pipe in between could block
 * us.
 */
void eye_output_open(struct eye_output *output, int fd);

/** Closes what was opened; not the fd that was given. */
void eye_output_close(struct eye_output *output);

/**
 * Writes at once what can be written of @bytes. How many bytes that was (a line of up to PIPE_BUF
 * into a pipe goes whole or not at all); -EAGAIN: none now; or another -errno of write(2).
 */
ssize_t eye_output_write(const struct eye_output *output, const void *bytes, size_t length);

/** Whether @fd is a terminal that shows colours, and nobody forbids them (NO_COLOR, not empty
 * [no-color.org]). */
bool eye_output_has_colour(int fd);
