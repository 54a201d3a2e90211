/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files whole, and who else may put others in their place. No state, any thread. */
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

/**
 * True when @path leads to another file than @stamp, or to another state of it; then that is in
 * @stamp. One that is away for a moment is being replaced: false. Cheap enough for every request.
 */
bool eye_file_has_changed(const char *path, struct eye_file_stamp *stamp);

/** Root, or this process. */
bool eye_file_is_trusted_owner(uid_t owner);

/**
 * Opens the folder @path: its descriptor, or -errno. A symbolic link is followed when its owner is
 * trusted, as systemd's state folders are links; of others it is -ELOOP.
 */
int eye_file_open_folder(const char *path);

/**
 * True when nobody but trusted users can rename or remove what is in @folder and belongs to us: a
 * trusted user owns it, and none of @strangers (S_IWGRP, S_IWOTH) may write there, unless it has
 * the sticky bit, as /tmp has.
 */
bool eye_file_keeps_entries(int folder, mode_t strangers);
