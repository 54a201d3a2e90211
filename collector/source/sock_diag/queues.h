/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of one network namespace from look to look: what waits to be accepted, and what each
 * dropped since it was last told of. By socket, since workers may share a port, and each counts for
 * itself. Knows no netlink. Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/base/table.h"
#include "collector/source/rings.h"
#include "collector/source/sock_diag/message.h"

/* Listeners of one namespace, some 80 bytes each. The queue of one beyond is not told, and counted
 * (EYE_LOSS_DIAG_TABLE). */
#define EYE_DIAG_QUEUES_MAX 16384

struct eye_diag_queues {
    struct eye_table table; /* by cookie */
};

/** Forgets all. Takes a zeroed one. */
void eye_diag_queues_done(struct eye_diag_queues *queues);

/** A listener of the dump of the look @look. @older: what it dropped was before anybody counted.
 * False: it found no room. */
bool eye_diag_queues_meet(struct eye_diag_queues *queues, uint32_t look, bool older,
                          const struct eye_diag_socket *socket);

/** As eye_diag_connections_want(). */
void eye_diag_queues_want(struct eye_diag_queues *queues, bool all,
                          void (*want)(void *context, uint32_t inode), void *context);

/** As eye_diag_connections_own(). */
void eye_diag_queues_own(struct eye_diag_queues *queues,
                         uint64_t (*find)(void *context, uint32_t inode), void *context);

/** A record of each that was met in the look @look or, when that failed, in the one before; who was
 * in neither is forgotten. @netns: inode number. Returns how many records. */
uint64_t eye_diag_queues_report(struct eye_diag_queues *queues, uint32_t look, uint32_t netns,
                                eye_record_handler *handler, void *context);
