/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's process events connector: exec and exit of every process of the host, by netlink
 * (drivers/connector/cn_proc.c; Documentation/driver-api/connector.rst). Where kernel programs may
 * be used they are cheaper and lose nothing. Opened and read by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/error.h"

enum eye_connector_what {
    EYE_CONNECTOR_ANSWER, /* to the request: `error` */
    EYE_CONNECTOR_EXEC,
    EYE_CONNECTOR_EXIT,
    EYE_CONNECTOR_OTHER, /* of a thread, or nothing that is asked for */
};

struct eye_connector_event {
    enum eye_connector_what what;
    int error;             /* ANSWER: errno; 0: it is granted */
    uint32_t pid;          /* EXEC, EXIT: of the process in the root pid namespace */
    uint64_t monotonic_ns; /* when it happened */
};

/** Takes one event; good during the call only. */
typedef void eye_connector_handler(void *context, const struct eye_connector_event *event);

/** Hands on the events of one datagram (any bytes). False: there is something in it that is no
 * message of the connector's. */
bool eye_connector_parse(const void *datagram, size_t bytes, eye_connector_handler *handler,
                         void *context);

struct eye_connector {
    int fd;             /* -1: closed */
    uint64_t malformed; /* datagrams */
};

/**
 * Makes a socket in the root network namespace (that of kthreadd, process 2 in @proc, where that is
 * not NULL and can be entered; else in ours), and asks for events. Whether they come is told by
 * them: for whom is not in the root pid and user namespace there is no answer, and no refusal
 * (before Linux 6.9 or so no events, too). 0; or -errno with a message, and @connector is closed.
 */
int eye_connector_open(const char *proc, struct eye_connector *ret_connector,
                       struct eye_error *ret_error);

/** Takes one that is closed. */
void eye_connector_close(struct eye_connector *connector);

/** Exec and exit are all that is to come from now on. Before Linux 6.6 the kernel ignores that, and
 * from then on it filters its answers away: so this is for when one has come. */
void eye_connector_narrow(const struct eye_connector *connector);

/** Hands on what is there; a bounded number, so that nothing else starves. 0 or -errno: the socket
 * is of no use any more. */
int eye_connector_read(struct eye_connector *connector, eye_connector_handler *handler,
                       void *context);

/** Events that the socket had no room for. */
uint32_t eye_connector_lost(const struct eye_connector *connector);
