/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc tells of one program: asked when its owner record is missing or not whole. Belongs to
 * the collector thread.
 */
#pragma once

#include <stdbool.h>

#include "collector/process/process.h"
#include "collector/process/span.h"

/* What lies beyond in a file (an environment, in practice) is not looked at. */
#define EYE_PROCFS_FILE_BYTES ((size_t)128 * 1024)

struct eye_procfs {
    int root;                            /* descriptor of /proc; -1: every process is gone */
    bool hides;                          /* processes of other users are hidden (hidepid=) */
    char content[EYE_PROCFS_FILE_BYTES]; /* of the file being read */
};

/** @root: "/proc"; where it cannot be opened, or is NULL, every process is gone. */
void eye_procfs_init(struct eye_procfs *procfs, const char *root);
void eye_procfs_done(struct eye_procfs *procfs);

/** Looks again whether processes are hidden: with other rights, or mounted anew, they may be. */
void eye_procfs_look(struct eye_procfs *procfs);

enum eye_life {
    EYE_LIFE_GOES_ON,
    EYE_LIFE_OVER,
    EYE_LIFE_UNCERTAIN, /* /proc does not tell */
};

/** Does the process of the key @owner live? It may run another program since: execs are not told.
 */
enum eye_life eye_procfs_life(const struct eye_procfs *procfs, uint64_t owner);

/* What there is to know of a program. */
enum eye_names {
    EYE_NAMES_ENVIRONMENT = 1,
    EYE_NAMES_CGROUP = 2,
    EYE_NAMES_EXECUTABLE = 4,
    EYE_NAMES_ALL = 7,
};

/**
 * Fills those @wanted (enum eye_names) of @process' names that can be read, when process->owner is
 * what runs under its pid now, as far as its start tells; what is not wanted is left alone.
 * Returns what was read: 0 when the program is gone. Less than @wanted: the rest may not be read
 * (environment and executable of other users: cap_sys_ptrace, cap_dac_read_search).
 */
unsigned eye_procfs_describe(struct eye_procfs *procfs, unsigned wanted,
                             struct eye_process *process);

/** The mount table of the process of the key @owner, in procfs->content. False when it cannot be
 * read, or is another process' by now. */
bool eye_procfs_mounts(struct eye_procfs *procfs, uint64_t owner, struct eye_span *ret_mounts);
