/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespaces that are looked at: found at the start, and from time to time since, by a
 * thread that keeps the right to enter them. `places` is the collector thread's; what the other one
 * finds waits in `arrivals`, under the lock, as what it misses is marked as gone.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "collector/base/error.h"
#include "collector/source/namespaces.h"
#include "collector/source/sock_diag/connections.h"
#include "collector/source/sock_diag/link.h"

/* Two descriptors each, of some 1024 that a process usually may have. Those beyond are not looked
 * at: sockeye.namespaces.unseeded. */
#define EYE_DIAG_NAMESPACES_MAX 256

/* A namespace is known so late at most; what ended in it until then is not seen. */
#define EYE_DIAG_VISIT_MS 2500

/* A network namespace. */
struct eye_diag_place {
    TAILQ_ENTRY(eye_diag_place) link;
    uint32_t netns; /* inode number; 0: not known */
    uint32_t visit; /* that met it last */
    bool gone;      /* nobody but us is in it any more */
    struct eye_diag_link netlink;
    struct eye_diag_connections connections;
};

TAILQ_HEAD(eye_diag_places, eye_diag_place);

struct eye_diag_roster {
    const char *proc;
    pthread_mutex_t lock;
    struct eye_diag_places places;
    struct eye_diag_places arrivals;
    size_t count;         /* of both */
    atomic_size_t unseen; /* that the last visit could not look at */
    uint32_t visit;
    int stop; /* eventfd */
    bool runs;
    pthread_t thread;
};

/** Visits once: what is found has arrived. @proc outlives it. 0, or -errno: not even the caller's
 * own namespace can be looked at. */
int eye_diag_roster_open(struct eye_diag_roster *roster, const char *proc,
                         struct eye_visited *ret_visited);

/** Visits again and again from now on. 0, or -errno with a message. */
int eye_diag_roster_run(struct eye_diag_roster *roster, struct eye_error *ret_error);

/** The next one that has arrived, now one of the places; NULL: no other has. */
struct eye_diag_place *eye_diag_roster_welcome(struct eye_diag_roster *roster);

/** The next one that is gone, which is the caller's from now on; NULL: no other is. */
struct eye_diag_place *eye_diag_roster_dismiss(struct eye_diag_roster *roster);

/** Closes and frees it. */
void eye_diag_place_free(struct eye_diag_place *place);

/** Ends the thread, closes and forgets all. Takes a zeroed one. */
void eye_diag_roster_close(struct eye_diag_roster *roster);
