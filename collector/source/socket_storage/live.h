/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at every live socket of every network namespace: iter/bpf_sk_storage_map, or where that is
 * not to be had (eye_storage_walk()) iter/tcp and iter/udp in each. Within one read the kernel
 * shows each socket that lives through it; of more than one read that cannot be proved, so the
 * iterator runs again for those that were passed over. Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/source/rings.h"
#include "collector/source/socket_storage/counts.h"

struct bpf_link;
struct socket_storage;

/* What is known from one look to the next; zeroed before the first one. */
struct eye_live {
    uint64_t vanished;      /* connections whose end was not seen */
    uint64_t unproved;      /* looks that have perhaps not met every socket */
    uint64_t others_due_ns; /* monotonic: then tables of other namespaces are walked again */
};

struct eye_live_request {
    struct socket_storage *programs;
    const struct bpf_link *tcp; /* of tcp_live, or tcp_live_table */
    const struct bpf_link *udp; /* of udp_live, or udp_live_table; NULL: UDP is not seen */
    int flows;                  /* udp_flow_live */
    const char *proc;           /* where namespaces are found, to walk over the tables of each;
                                   NULL: over storage */
    const struct eye_counts *counts;
    uint32_t pass; /* see eye_connection_record */
    bool full;     /* it is a counting pass: nobody is left out */
    eye_record_handler *handler;
    void *context;
};

/** Takes a look. *ret_records: how many were handed on, in any case. 0 or -errno; what was not
 * reached is told by the next look. */
int eye_live_read(struct eye_live *live, const struct eye_live_request *request,
                  uint64_t *ret_records);
