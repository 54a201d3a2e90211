/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink sockets of conntrack in one network namespace: what it is asked by, and what it tells by
 * itself. They stay in the namespace that they were opened in, and keep that alive. Opened by any
 * thread with CAP_NET_ADMIN, then the collector's, which raises that for each question: the kernel
 * looks at who opened and at who asks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/error.h"
#include "collector/nat/message.h"

/* More than the kernel fills of it: a page, or 32 KiB of a dump. */
#define EYE_CONNTRACK_DATAGRAM_BYTES ((size_t)64 << 10)

struct eye_conntrack_link {
    int asks;
    int events; /* entries that are new, or no more; -1: not wanted */
    uint32_t sequence;
    uint64_t malformed; /* datagrams that were not the kernel's, or cut; messages that were none */
    uint32_t *buffer;   /* of EYE_CONNTRACK_DATAGRAM_BYTES, shared by the links of one thread */
};

/** In the calling thread's namespace. 0 or -errno. */
int eye_conntrack_link_open(bool events, struct eye_conntrack_link *ret_link);

/** Takes one that could not be opened. */
void eye_conntrack_link_close(struct eye_conntrack_link *link);

/** Asks for one entry, as eye_conntrack_ask(). 0: it was handed on; -ENOENT: there is none;
 * -EAGAIN: no answer in time; -EINVAL: a kernel without nf_conntrack_netlink; or -errno. */
int eye_conntrack_link_ask(struct eye_conntrack_link *link, const struct eye_tuple *tuple,
                           eye_conntrack_handler *handler, void *context);

/** Begins a dump, as eye_conntrack_ask_all(). What is left of another one is given up. */
int eye_conntrack_link_ask_all(struct eye_conntrack_link *link, enum eye_nat nat);

/** The next part of the dump: 1, and there may be more; 0: that was all; or -errno. */
int eye_conntrack_link_next(struct eye_conntrack_link *link, eye_conntrack_handler *handler,
                            void *context);

/** The next entries that came or went: 1; 0: there are none now; -ENOBUFS: some were lost before;
 * -errno. */
int eye_conntrack_link_event(struct eye_conntrack_link *link, eye_conntrack_handler *handler,
                             void *context);

/** Can conntrack be asked, in the calling thread's namespace? The kernel loads nf_conntrack_netlink
 * for the first one who asks. 0, or -errno with a message: what is missing, what to do. */
int eye_conntrack_link_check(bool events, struct eye_error *ret_error);
