/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files whole, and whether they changed. No state, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/** Reads @fd until its end or until @size bytes are in @buffer: their number, or -errno. */
ssize_t eye_file_read(int fd, void *buffer, size_t size);

/* Which file a path led to, and its state: another one when any of these is. Zeroed: none yet. */
struct eye_file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed; /* st_ctim: contents, mode, name */
};

/** True when @status is of another file or state than @stamp; then that is in @stamp. */
bool eye_file_stamp_set(struct eye_file_stamp *stamp, const struct stat *status);

/**
 * True when @path leads to another file than @stamp, or to another state of it; then that is in
 * @stamp. One that is away for a moment is being replaced: false. Cheap enough for every request.
 */
bool eye_file_has_changed(const char *path, struct eye_file_stamp *stamp);

/**
 * Opens @path below the folder @root (a descriptor) as if that were the root folder: no link leads
 * out of it. @flags of open(2) come to those that keep it from waiting. The descriptor, or -errno.
 */
int eye_file_open_below(int root, const char *path, int flags);

/**
 * Reads the file @fd whole. 0, -EINVAL when it is not a regular one, -EFBIG when it is longer than
 * @limit bytes, -ENOMEM, or another -errno; outputs are then untouched. @ret_bytes is the caller's.
 */
int eye_file_load(int fd, size_t limit, char **ret_bytes, size_t *ret_length);
