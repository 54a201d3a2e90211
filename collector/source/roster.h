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
#include "collector/base/privileges.h"
#include "collector/source/namespaces.h"

/* At most two descriptors each, of some 1024 that a process usually may have. Those beyond are not
 * looked at: sockeye.namespaces.unseeded. */
#define EYE_ROSTER_NAMESPACES_MAX 256

/* A namespace is known so late at most; what ended in it until then is not seen. */
#define EYE_ROSTER_VISIT_MS 2500

/* A network namespace: the beginning of what its user knows of it. */
struct eye_place {
    TAILQ_ENTRY(eye_place) link;
    uint32_t netns; /* inode number; 0: not known */
    uint32_t visit; /* that met it last */
    bool gone;      /* nobody but us is in it any more */
};

/* Who has a roster. */
struct eye_roster_type {
    const char *step;   /* what is made in each namespace, where that fails: "sock_diag" */
    size_t place_bytes; /* of the user's struct, which begins with a struct eye_place */
    enum eye_role role; /* of the thread that visits */

    /** In the namespace, by whichever thread: makes what is needed there. 0 or -errno, and nothing
     * is left. */
    int (*open)(struct eye_place *place);

    /** Closes what open() and the user made, without freeing the place. */
    void (*close)(struct eye_place *place);
};

TAILQ_HEAD(eye_places, eye_place);

struct eye_roster {
    const struct eye_roster_type *type;
    const char *proc;
    pthread_mutex_t lock;
    struct eye_places places;
    struct eye_places arrivals;
    size_t count;         /* of both */
    atomic_size_t unseen; /* that the last visit could not look at */
    uint32_t visit;
    int stop; /* eventfd */
    bool runs;
    pthread_t thread;
};

/** Visits once: what is found has arrived. @type and @proc outlive it. 0, or -errno: not even the
 * caller's own namespace can be looked at. */
int eye_roster_open(struct eye_roster *roster, const struct eye_roster_type *type, const char *proc,
                    struct eye_visited *ret_visited);

/** Visits again and again from now on. 0, or -errno with a message. */
int eye_roster_run(struct eye_roster *roster, struct eye_error *ret_error);

/** The next one that has arrived, now one of the places; NULL: no other has. */
struct eye_place *eye_roster_welcome(struct eye_roster *roster);

/** The next one that is gone, which is the caller's from now on; NULL: no other is. */
struct eye_place *eye_roster_dismiss(struct eye_roster *roster);

/** Closes and frees one that was dismissed. */
void eye_roster_free(const struct eye_roster *roster, struct eye_place *place);

/** Ends the thread, closes and forgets all. Takes a zeroed one. */
void eye_roster_close(struct eye_roster *roster);
