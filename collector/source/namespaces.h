/* SPDX-License-Identifier: Apache-2.0 */
/* Visiting every network namespace that may be entered. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What is done in each of them. */
struct eye_visitor {
    const char *step; /* what it is, where it fails: "iterator" */

    /** @netns: inode number; 0: not known. In the namespace, and never in two threads at once. 0 or
     * -errno. */
    int (*look)(void *context, uint32_t netns);
    void *context;
};

struct eye_visited {
    size_t failed;      /* namespaces that could not be entered or looked at */
    int error;          /* errno of the first of these ... */
    const char *step;   /* ... and what ended in it: "setns" */
    size_t closed;      /* processes whose namespace may not be looked at: perhaps another one */
    uint64_t others_ns; /* processor time that it took beside the caller's own */
};

/**
 * Looks around in the caller's network namespace and in that of every process, the caller's first.
 * setns(2) is per thread, and a thread of its own enters the others: whatever fails, the caller and
 * the threads that it starts later stay where they are. @proc: "/proc".
 */
void eye_namespaces_visit(const char *proc, const struct eye_visitor *visitor,
                          struct eye_visited *ret_visited);
