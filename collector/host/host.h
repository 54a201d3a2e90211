/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose host this is: whether /proc, the cgroup v2 tree and the namespaces that the daemon sees are
 * the machine's or a container's. The initial namespaces have fixed inode numbers (enum init_ns_ino
 * of linux/nsfs.h, the same since Linux 3.8), the root of the cgroup v2 tree has number 1
 * (kernfs, Linux 5.5). Keeps nothing between calls. Main thread.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/base/base.h"

enum eye_host_namespace {
    EYE_HOST_PID,
    EYE_HOST_USER,
    EYE_HOST_CGROUP,
};

/** Whether we are in the host's namespace, as @proc (a path: "/proc") shows it. 0 or -errno of
 * reading it. */
int eye_host_namespace(const char *proc, enum eye_host_namespace which, bool *ret_initial);

enum eye_proc_state {
    EYE_PROC_HOST,   /* it shows the processes of the host under the numbers that the kernel uses */
    EYE_PROC_HIDING, /* the same, but of ours only: hidepid= (proc(5)) */
    EYE_PROC_FOREIGN, /* of another pid namespace: its numbers are other processes */
    EYE_PROC_ABSENT,  /* there is none */
};

/** What is mounted at @proc. *ret_error: errno of ABSENT (0: it is no proc file system) and of
 * HIDING. */
enum eye_proc_state eye_proc_look(const char *proc, int *ret_error);

struct eye_cgroup {
    int fd;         /* of the directory; owned */
    uint64_t inode; /* 1: the root of the tree */
    char path[PATH_MAX];
};

/** True for the root of the tree: every process of the host is below it. */
bool eye_cgroup_is_root(const struct eye_cgroup *cgroup);

/**
 * Opens the directory of the cgroup v2 tree below which protocols are watched: @configured, or when
 * that is NULL the root among what the mount table of @proc shows, else the first mount that is not
 * hidden by another one. 0 with the descriptor to be closed by the caller, or -ENOENT (not
 * mounted), -ENOTSUP (@configured is in no cgroup v2 tree), or another -errno of opening
 * @configured or the mount table; ret_cgroup->path then is what could not be opened, or "".
 */
int eye_cgroup_open(const char *configured, const char *proc, struct eye_cgroup *ret_cgroup);
