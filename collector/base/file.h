/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files whole, and who else may put others in their place. No state, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** Reads @fd until its end or until @size bytes are in @buffer: their number, or -errno. */
ssize_t eye_file_read(int fd, void *buffer, size_t size);

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
