/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that processes run code of, as /proc/PID/maps has them, and that may be a library of TLS,
 * or a program that has one inside. No state; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/base/error.h"

/* What a file may be, as its name says. */
enum eye_tls_kind {
    EYE_TLS_OTHER, /* another library */
    EYE_TLS_LIBRARY,
    EYE_TLS_PROGRAM, /* of whatever kind */
};

/* One mapping of a process. */
struct eye_tls_mapping {
    enum eye_tls_kind kind;
    pid_t pid;
    uint64_t device;  /* major << 32 | minor: of an overlay, the overlay's own */
    uint64_t inode;   /* of an overlay, that of its lower or upper layer */
    const char *path; /* within the process's root; of a deleted file with " (deleted)" */
};

enum eye_tls_kind eye_tls_kind_of(const char *path);

/** Reads one line, which is changed. False: it is none, or no code is run from there that matters.
 */
bool eye_tls_mapping_parse(char *line, struct eye_tls_mapping *ret_mapping);

/**
 * Looks at all processes below @proc and tells @found of each such mapping, one for each process
 * and file in a row. Processes that vanish, or whose maps may not be read, are passed over. 0, or
 * -errno: there is no @proc.
 */
int eye_tls_mappings_scan(const char *proc,
                          void (*found)(void *context, const struct eye_tls_mapping *mapping),
                          void *context);

/** Whether the process is still there. */
bool eye_tls_is_process(const char *proc, pid_t pid);

/** Where the root folder of the process stands, as who asks sees it: mostly "/"; the caller's.
 * NULL: it is out of reach. */
char *eye_tls_mapping_root(const char *proc, const struct eye_tls_mapping *mapping);

/** The options of the overlay that holds the file, its layers among them; the caller's. NULL: it is
 * in none. */
char *eye_tls_mapping_layers(const char *proc, const struct eye_tls_mapping *mapping);

/**
 * Opens the file of a mapping for reading, by a path outside of the process where it is one of an
 * overlay: what is attached to it then does not keep the overlay mounted. A program that was
 * deleted or replaced is opened all the same. A descriptor, the caller's, or -errno with a message:
 * -ENOENT, it is not there any more; -ESTALE, another file is; -EXDEV, the layers of its overlay
 * are out of reach; -EREMOTE, it is on FUSE, which is not asked.
 */
int eye_tls_mapping_open(const char *proc, const struct eye_tls_mapping *mapping,
                         struct eye_error *ret_error);
