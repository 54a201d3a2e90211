/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of /proc/PID/mountinfo (proc_pid_mountinfo(5)). No state, any thread. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "collector/base/base.h"

/* A mount; the texts lie in the line that it was read from. */
struct eye_mount {
    uint64_t id;     /* statx(2) tells the same of what is open */
    uint64_t device; /* of the file system, major << 32 | minor: as in /proc/PID/maps */
    const char *path;
    const char *type; /* of the file system: "cgroup2" */
    char *options;    /* of the file system: "rw,lowerdir=/a:/b"; "": the line has none */
};

/**
 * Reads one line, which is changed: it is cut up, and blanks, tabs, line breaks and backslashes in
 * the path, which the kernel writes as \ooo, become themselves. 0, or -EBADMSG with @ret_mount
 * untouched.
 */
int eye_mount_parse(char *line, struct eye_mount *ret_mount);
