/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers that programs are in, and what people call them. Runtimes and the kubelet tell
 * names in files of the host, without their sockets; containers.c has the table. A container's
 * files are read when its first program is met, and again when they changed (docker rename), or
 * while nobody has told of a name. It is forgotten with its last program. Belongs to the collector
 * thread, and keeps it for some milliseconds per interval at most: what is beyond the limits waits.
 */
#pragma once

#include <stdint.h>

#include "collector/base/clock.h"
#include "collector/process/container.h"
#include "collector/process/procfs.h"

/* Containers whose names are kept, some 500 bytes each; one beyond is called by its id. */
#define EYE_CONTAINER_MAX 4096

/* A file that is longer is not read: a container's own has some 20 KiB, podman's list of all 1 KiB
 * for each. */
#define EYE_CONTAINER_FILE_BYTES ((size_t)1024 * 1024)

/* What one interval reads, some 10 ms for each MiB; who comes later is read at the end of one. */
#define EYE_CONTAINER_INTERVAL_BYTES ((size_t)4 * 1024 * 1024)

/* Names in /var/log/containers that are looked at, for one container. */
#define EYE_CONTAINER_LOGS_MAX 8192

/* How often a file that told a name is looked at for another one. */
#define EYE_CONTAINER_LOOK_NS (5 * EYE_NS_PER_SECOND)

/* Where nobody told one: looked for after EYE_CONTAINER_LOOK_NS, after twice that, ... this. */
#define EYE_CONTAINER_PAUSE_MAX_NS (320 * EYE_NS_PER_SECOND)

/* X(identifier, name): what came of looking for a name. */
#define EYE_CONTAINER_OUTCOMES(X)                                                                  \
    X(NAMED, "named")                                                                              \
    X(UNKNOWN, "unknown")     /* no runtime that we know tells of it */                            \
    X(DENIED, "denied")       /* a file may not be read: cap_dac_read_search */                    \
    X(TOO_LARGE, "too_large") /* beyond EYE_CONTAINER_FILE_BYTES or _LOGS_MAX */                   \
    X(MALFORMED, "malformed") /* a file is not what it should be */                                \
    X(FAILED, "failed")       /* another error of reading, or no memory */                         \
    X(POSTPONED, "postponed") /* beyond EYE_CONTAINER_INTERVAL_BYTES */                            \
    X(NO_ROOM, "no_room")     /* beyond EYE_CONTAINER_MAX */

enum eye_container_outcome {
#define X(identifier, ...) EYE_CONTAINER_##identifier,
    EYE_CONTAINER_OUTCOMES(X)
#undef X
        EYE_CONTAINER_OUTCOME_COUNT,
};

/** As a tag's value. */
const char *eye_container_outcome_name(enum eye_container_outcome outcome);

struct eye_container_stats {
    size_t count; /* containers with a program in them */
    size_t named; /* of them, those that somebody told a name of */
    uint64_t outcomes[EYE_CONTAINER_OUTCOME_COUNT];
};

struct eye_container;
struct eye_containers;

/**
 * @root: the host's root folder; where it cannot be opened nothing has a name. @procfs stays the
 * caller's. Returns NULL when out of memory.
 */
struct eye_containers *eye_containers_new(const char *root, struct eye_procfs *procfs);

/** Takes NULL. Nobody may be in one any more. */
void eye_containers_free(struct eye_containers *containers);

/** The program of the key @owner is in the container @id. NULL: it is in none, or out of memory. */
struct eye_container *eye_containers_join(struct eye_containers *containers,
                                          const struct eye_container_id *id, uint64_t owner);

/** One of those that joined has gone. Takes NULL. */
void eye_containers_leave(struct eye_containers *containers, struct eye_container *container);

/** NULL when nobody told. Good until the next eye_containers_refresh() or the last one left. */
const struct eye_container_names *eye_container_names(const struct eye_container *container);

/** @container has other names than before. */
typedef void eye_container_renamed(void *context, const struct eye_container *container);

/** When an interval ends: looks at those whose time has come. */
void eye_containers_refresh(struct eye_containers *containers, uint64_t now_ns,
                            eye_container_renamed *renamed, void *context);

struct eye_container_stats eye_containers_stats(const struct eye_containers *containers);
