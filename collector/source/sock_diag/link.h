/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two netlink sockets in one network namespace: what it is asked by, and what it tells by itself.
 * They stay in the namespace that they were opened in, and keep that alive. Opened by any thread,
 * then the collector's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/source/sock_diag/message.h"

/* The kernel fills as much as is asked for, up to 32 KiB; more is cut, and counted. */
#define EYE_DIAG_DATAGRAM_BYTES ((size_t)64 << 10)

struct eye_diag_link {
    int dumps;
    int events; /* what sockets had counted at their end */
    uint32_t sequence;
    uint32_t drops;   /* by the kernel's count, which wraps */
    uint64_t lost;    /* sockets whose end the kernel had no room to tell of */
    uint64_t refused; /* datagrams that were not the kernel's, or cut; messages that were none */
    /* Of EYE_DIAG_DATAGRAM_BYTES each, shared by the links of one thread. While an end is handled a
     * dump may be read. */
    uint8_t *dump_buffer;
    uint8_t *event_buffer;
};

/** Opens both in the calling thread's namespace. 0 or -errno. */
int eye_diag_link_open(struct eye_diag_link *ret_link);

/** Takes one that could not be opened. */
void eye_diag_link_close(struct eye_diag_link *link);

/** Begins a dump of the TCP sockets of @family (AF_INET, AF_INET6) that are in one of @states (bits
 * by TCP_*). What is left of another one is given up. 0 or -errno. */
int eye_diag_link_ask(struct eye_diag_link *link, int family, uint32_t states);

/** The next part of the dump: 1, and there may be more; 0: that was all; or -errno. */
int eye_diag_link_next(struct eye_diag_link *link, eye_diag_handler *handler, void *context);

/** Counts into `lost` what the kernel has lost meanwhile. It goes on losing, without another
 * -ENOBUFS, until all that waits was read. */
void eye_diag_link_count_lost(struct eye_diag_link *link);

/** The next sockets that ended: 1; 0: there is none now; -ENOBUFS: some were lost before; -errno.
 */
int eye_diag_link_event(struct eye_diag_link *link, eye_diag_handler *handler, void *context);
