/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the service manager how we are: the protocol of sd_notify(3), datagrams to the socket
 * that $NOTIFY_SOCKET names, without libsystemd. Without that variable nobody wants to know, and
 * every function does nothing.
 *
 * Nothing here waits for the manager: what its socket does not take now is lost, but for READY=1,
 * which goes with the next message then, because without it a start ends as a failure.
 *
 * eye_notify_open() and eye_notify_close() are the main thread's, while no other one uses it; any
 * thread may send.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "collector/base/error.h"

struct eye_notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un address;
    socklen_t address_length;
    uint64_t watchdog_ns;   /* a manager that hears nothing for so long ends us; 0: none waits */
    atomic_bool owes_ready; /* READY=1 could not be sent */
};

/**
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the environment: they
 * are for this process alone. Before threads start. 0, also without any; or -errno with a message,
 * and nobody is told anything.
 */
int eye_notify_open(struct eye_notify *notify, struct eye_error *ret_error);

void eye_notify_close(struct eye_notify *notify);

/** Whether there is somebody to tell. */
bool eye_notify_is_wanted(const struct eye_notify *notify);

/*
 * All of them: 0, also when nobody wants to know; or -errno of sendto(2), -EAGAIN when the
 * manager is behind.
 */

/** The start, or a reload, is over. */
int eye_notify_ready(struct eye_notify *notify);

/** @text is one line for a person, shown as eye_copy_shown() has it. */
int eye_notify_status(struct eye_notify *notify, const char *text);

/** A reload begins; eye_notify_ready() ends it. Type=notify-reload wants the time, too. */
int eye_notify_reloading(struct eye_notify *notify);

/** The start, the reload or the stop that is under way may take @ns more from now on. */
int eye_notify_extend(struct eye_notify *notify, uint64_t ns);

/** The end has begun, and takes @ns at most; a READY=1 that is owed is so no more. */
int eye_notify_stopping(struct eye_notify *notify, uint64_t ns);

/** To be called twice within watchdog_ns. */
int eye_notify_watchdog(struct eye_notify *notify);
