/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else decides what a path leads to: whoever may rename in one of the folders on its way, or
 * made one of the links. No state, any thread.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/** Root, or this process. */
bool eye_is_trusted_owner(uid_t owner);

/** Whether what is open as @fd lies on a file system that is mounted read-only. */
bool eye_is_read_only(int fd);

/* A folder or a link on the way that somebody else can exchange or has made. */
struct eye_stranger {
    char path[PATH_MAX]; /* without links */
    uid_t owner;
    mode_t mode; /* also says whether it is a link */
};

/* Who is trusted beside root and this process: nobody. */
#define EYE_NOBODY_ELSE ((uid_t)-1)

/**
 * Goes to @path as the kernel does and looks at each folder and each link on the way, @path itself
 * when it is one, and at the folders above. Others are in the way when the owner of one of them is
 * not trusted, or when everybody may write to such a folder, unless it has the sticky bit, as /tmp
 * has; in the last folder none of @strangers (S_IWGRP, S_IWOTH) may. What is on a file system that
 * is mounted read-only nobody exchanges. A relative path begins where the process works.
 *
 * 0; -EPERM (a folder) or -ELOOP (a link) with @ret_stranger, whose path is set in no other case;
 * another -errno: there is no such path, -EMLINK: too many links.
 */
int eye_look_for_strangers(const char *path, mode_t strangers, uid_t also_trusted,
                           struct eye_stranger *ret_stranger);

/** The same; opens the folder that is found: its descriptor, or -errno. */
int eye_open_trusted_folder(const char *path, mode_t strangers, struct eye_stranger *ret_stranger);
