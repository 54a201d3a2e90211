/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic whose numbers are known: a process that asks by HTTP over connections that stay, opens
 * and closes others as fast as it can, and holds some that say nothing. What it does next is told
 * by a word in shared memory.
 */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

#define LOAD_CLIENTS 2 /* that ask */
#define LOAD_HELD 7    /* connections that say nothing */

enum load_phase {
    LOAD_WAITS, /* nothing was opened yet */
    LOAD_BETWEEN,
    LOAD_COUNTED,
    LOAD_IGNORED,
    LOAD_STILL, /* what stays open stays, and says nothing */
    LOAD_ENDS,
    LOAD_PHASES,
};

/* What is asked for; NULL: nothing. */
extern const char *const load_paths[LOAD_PHASES];

struct load {
    _Atomic enum load_phase phase;
    _Atomic enum load_phase seen[LOAD_CLIENTS + 1]; /* by each client; the last one opens */
    atomic_ulong requests[LOAD_PHASES];             /* that were answered */
    atomic_ulong opened;                            /* connections */
    atomic_bool failed;
    pid_t process;
    int listener;
    unsigned short port;
};

/* A process of its own, which waits. Before there are threads. */
struct load *load_start(void);

/* When it returns, nothing of the phase before is under way. */
void load_turn(struct load *load, enum load_phase phase);

/* All is closed and its process gone; the numbers are there until load_free(). */
void load_end(struct load *load);
void load_free(struct load *load);
