/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at every live socket of every network namespace: iter/bpf_sk_storage_map, or where that is
 * not safe (eye_storage_walk_is_safe()) iter/tcp and iter/udp in each. Within one read the kernel
 * shows each socket that lives through it; of more than one read that cannot be proved, so the
 * iterator runs again for those that were passed over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/source/rings.h"

struct bpf_link;
struct socket_storage;

struct eye_live_look {
    const char *proc; /* where namespaces are found to run it in, one after the other; NULL: it sees
                         them all */
    eye_record_handler *handler;
    void *context;
    uint64_t records;   /* handed on */
    uint64_t met;       /* sockets, by the kernel side's own count */
    bool whole;         /* every socket that lived through the look was met ... */
    bool closed;        /* ... unless it is in a namespace of which nothing is known */
    uint64_t others_ns; /* what other namespaces than the daemon's own took */
};

/** A look begins: from now on who leaves and was not met by it is counted (EYE_COUNT_UNMET).
 * @pass: see eye_connection_record. */
void eye_live_begin(struct socket_storage *programs, uint32_t pass);

/**
 * The look itself. @link: of the program tcp_live. Fills what stands behind the context. 0 or
 * -errno; what was not reached is told by the next look.
 */
int eye_live_read(struct socket_storage *programs, const struct bpf_link *link,
                  struct eye_live_look *look);

/** Hands on what UDP sockets, or their flows, have counted since the last look. @link: of udp_live
 * or udp_flow_live. 0 or -errno. */
int eye_live_read_datagrams(struct socket_storage *programs, const struct bpf_link *link,
                            struct eye_live_look *look);
