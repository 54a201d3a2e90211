/* SPDX-License-Identifier: Apache-2.0 */
/* Visiting every network namespace once, to seed the sockets that are older than the daemon. */
#pragma once

#include <stddef.h>

struct bpf_link;

struct eye_seed {
    size_t unseeded;  /* namespaces that could not be entered or looked at */
    int error;        /* errno of the first of these ... */
    const char *step; /* ... and what ended in it: "setns" */
    size_t closed;    /* processes whose namespace may not be looked at: perhaps another one */
};

/**
 * Runs the iterator `tcp_seed` in the caller's network namespace and in that of every process.
 * setns(2) is per thread, and a thread of its own enters the others: whatever fails, the caller and
 * the threads that it starts later stay where they are. @proc: "/proc".
 */
void eye_seed_namespaces(const struct bpf_link *tcp_seed, const char *proc,
                         struct eye_seed *ret_seed);
