/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that only whole lines are appended to, rotated by size:
 *
 *   PATH      what is written now
 *   PATH.1    what was written before, up to PATH.<keep>, the oldest
 *
 * What could not be written whole is taken back, and what a killed process left of a line is cut
 * when the file is opened again. A file that was moved away or removed is made anew. Only one
 * process may write to a file: it is locked.
 *
 * No line is written where a stranger decides: not through a symbolic link, not into a file of
 * another user or with a second name, not behind lines that are not ours, not in a folder of
 * another user or one that everybody may write to (unless it has the sticky bit, as /tmp has), nor
 * below such a folder. What is at PATH.1 to PATH.<keep> and is not ours ends the rotation before
 * anything is renamed.
 *
 * Used by one worker thread; eye_journal_open() by the main thread before.
 */
#pragma once

#include <stdint.h>

#include "collector/base/error.h"

struct eye_journal {
    const char *path;   /* the caller's */
    uint64_t max_bytes; /* 0: never rotated */
    uint64_t keep;
    int fd;
};

/**
 * 0, or -errno with a message: -EBUSY when another process writes to it, -EINVAL when it is no
 * regular file or ends with a line that is not ours, -ELOOP when it is a link, -EPERM when others
 * may replace it or it is theirs, -EEXIST when what it would be rotated to is not ours. @path is
 * absolute and outlives the journal.
 */
int eye_journal_open(struct eye_journal *journal, const char *path, uint64_t max_bytes,
                     uint64_t keep, struct eye_error *ret_error);

/** Takes one whose fd is -1. */
void eye_journal_close(struct eye_journal *journal);

/** Appends @bytes, whole lines, all or nothing. 0, or -errno with a message. */
int eye_journal_append(struct eye_journal *journal, const void *bytes, size_t length,
                       struct eye_error *ret_error);
