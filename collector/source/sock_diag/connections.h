/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the connections of one network namespace from look to look: what was last
 * reported of each, whose it is, which way it goes. Made of dumps and of ends; makes records of it.
 * Knows no netlink. Belongs to the collector thread.
 *
 * A look: begin(), meet() for each socket of the dump, end() for each one that ends meanwhile, too,
 * owners for those that have none, report().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/base/table.h"
#include "collector/source/rings.h"
#include "collector/source/sock_diag/message.h"
#include "collector/source/sock_diag/queues.h"

/* Open connections of all namespaces together, some 200 bytes each. What finds no room is counted
 * (EYE_LOSS_DIAG_TABLE) and told at its end, if that is told, with all that it did. */
#define EYE_DIAG_CONNECTIONS_MAX 131072

/* Of all namespaces. */
struct eye_diag_totals {
    size_t connections;
    uint64_t losses[EYE_LOSS_COUNT];
};

struct eye_diag_connections {
    struct eye_table open;      /* by cookie */
    struct eye_table listeners; /* by port: at most one for each number */
    struct eye_diag_queues queues;
    struct eye_diag_totals *totals;
    uint32_t netns; /* inode number */
    uint32_t pass;  /* the counting pass that is going on */
    uint32_t look;
    bool looking; /* between begin() and report() */
    bool older;   /* what the look meets was there before the daemon */
};

/** @totals outlives it; @netns: inode number, 0: not known. */
void eye_diag_connections_init(struct eye_diag_connections *connections,
                               struct eye_diag_totals *totals, uint32_t netns);

/** Forgets all. Takes a zeroed one. */
void eye_diag_connections_done(struct eye_diag_connections *connections);

/** @older: what is met has done what it did before anybody counted. */
void eye_diag_connections_begin(struct eye_diag_connections *connections, uint32_t pass,
                                bool older);

/** An eye_diag_handler with the struct eye_diag_connections as context: a socket of a dump. */
void eye_diag_connections_meet(void *connections, const struct eye_diag_socket *socket);

/** A socket that has ended: makes the last record of its connection, or none, when it had none.
 */
void eye_diag_connections_end(struct eye_diag_connections *connections,
                              const struct eye_diag_socket *socket, eye_record_handler *handler,
                              void *context);

/** Is the owner of what listens at this port not known, nor that nobody listens there? */
bool eye_diag_connections_misses(const struct eye_diag_connections *connections, uint16_t port);

/** Calls @want with the inode of each socket whose owner is to be asked for: who was not asked for
 * yet, or, with @all, everybody. */
void eye_diag_connections_want(struct eye_diag_connections *connections, bool all,
                               void (*want)(void *context, uint32_t inode), void *context);

/** Sets the owners of those that were asked for: @find returns a key, or EYE_OWNER_UNKNOWN. */
void eye_diag_connections_own(struct eye_diag_connections *connections,
                              uint64_t (*find)(void *context, uint32_t inode), void *context);

/** Ends the look: a record of each connection that moved or is not counted in this pass, and the
 * last one of each whose end was not told. Returns how many records. */
uint64_t eye_diag_connections_report(struct eye_diag_connections *connections,
                                     eye_record_handler *handler, void *context);

/** Tells what waits at each listener, whether the look went well or was given up: what is known is
 * better than nothing. Returns how many records. */
uint64_t eye_diag_connections_report_queues(struct eye_diag_connections *connections,
                                            eye_record_handler *handler, void *context);

/** The dump failed: the look is as if it had not been. */
void eye_diag_connections_give_up(struct eye_diag_connections *connections);

/** The namespace has gone: the last record of each. */
void eye_diag_connections_vanish(struct eye_diag_connections *connections,
                                 eye_record_handler *handler, void *context);
