/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process as /proc tells it: when it started and what it is called. Names are the process'
 * own word and hostile: control characters and bytes outside UTF-8 become "_". Belongs to the
 * collector thread.
 */
#pragma once

#include <stdbool.h>

#include "collector/process/process.h"

/* What lies beyond in a file (an environment, in practice) is not looked at. */
#define EYE_PROCFS_FILE_BYTES ((size_t)128 * 1024)

struct eye_procfs {
    int root;                            /* descriptor of /proc; -1: every process is gone */
    char content[EYE_PROCFS_FILE_BYTES]; /* of the file being read */
};

/** @root: "/proc"; where it cannot be opened, every process is gone. */
void eye_procfs_init(struct eye_procfs *procfs, const char *root);
void eye_procfs_done(struct eye_procfs *procfs);

/* What tells one program in a process from the next: a pid used again, or an exec. */
struct eye_process_image {
    uint64_t start_ticks; /* clock ticks after boot: field 22 of stat (proc(5)) */
    uint64_t start_stack; /* address of the stack's bottom: field 28; random, 0 when not shown */
};

/**
 * What runs as @pid now. 0, or -ENOENT or -ESRCH when there is no such process, or another -errno
 * when that cannot be known now.
 */
int eye_procfs_image(const struct eye_procfs *procfs, uint32_t pid,
                     struct eye_process_image *ret_image);

/**
 * Fills all of @ret_process but its id. True when the process was there; else it is named after
 * @comm, and after that "unknown".
 */
bool eye_procfs_describe(struct eye_procfs *procfs, uint32_t pid, const char *comm,
                         struct eye_process *ret_process);
