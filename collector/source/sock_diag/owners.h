/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which program has a socket open, by the inode of its file: found in /proc/PID/fd, of all
 * processes that may be read. Belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Inodes that are asked for at once, and files of processes that are looked at for them: at some
 * 2 us each half a second. What is beyond is counted, and asked for by the next full pass. */
#define EYE_DIAG_WANTED_MAX 65536
#define EYE_DIAG_FILES_MAX 262144

/* Processes that are looked at: those that /proc names first. */
#define EYE_DIAG_PROCESSES_MAX 65536

struct eye_diag_wanted;

struct eye_diag_owners {
    const char *proc;
    struct eye_diag_wanted *wanted; /* sorted by inode once they are read */
    size_t count;
    size_t capacity;
    size_t unread; /* of these reading had no room or no time for; in all */
};

/** @proc: "/proc", of whatever pid namespace; outlives it. */
void eye_diag_owners_init(struct eye_diag_owners *owners, const char *proc);
void eye_diag_owners_done(struct eye_diag_owners *owners);

/** Forgets the answers, for other questions. */
void eye_diag_owners_begin(struct eye_diag_owners *owners);

/** Asks for the owner of @inode. With a struct eye_diag_owners as context. */
void eye_diag_owners_want(void *owners, uint32_t inode);

/** Looks for all of them, if there are any. */
void eye_diag_owners_read(struct eye_diag_owners *owners);

/**
 * The key of whoever has it open (eye_owner_key()); where several have, of the youngest, mostly:
 * a service, not whoever opened the socket for it. EYE_OWNER_UNKNOWN: nobody who may be read. How
 * often a process called exec nobody tells, so in its place are bits of the inode of what it runs:
 * another program is somebody else.
 */
uint64_t eye_diag_owners_find(void *owners, uint32_t inode);
