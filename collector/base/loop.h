/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread's loop over descriptors: who has one to read joins with a function that reads it. All
 * functions belong to the thread that runs the loop, or to the time before it runs.
 */
#pragma once

#include <stdbool.h>

struct eye_loop;

/* Owned by who joins; must live until it leaves, or the loop is freed. */
struct eye_watch {
    int fd;
    bool (*on_readable)(void *context); /* false: the loop ends */
    void *context;
};

/** NULL when it cannot be made: errno. */
struct eye_loop *eye_loop_new(void);

/** Takes NULL. Closes no descriptor of a watch. */
void eye_loop_free(struct eye_loop *loop);

/** 0 or -errno. A watch that asks for an fd of -1 is refused (-EBADF). */
int eye_loop_join(struct eye_loop *loop, struct eye_watch *watch);

/** From now on its function is not called, also when the descriptor is readable already. */
void eye_loop_leave(struct eye_loop *loop, const struct eye_watch *watch);

/** Until a function says that it ends. */
void eye_loop_run(struct eye_loop *loop);
