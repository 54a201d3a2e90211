/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring buffers of one BPF object: who takes their records, how many came, how full they are.
 * Used by the collector thread; opened by the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/error.h"
#include "collector/source/ring_pages.h"

struct bpf_map;

/* In the order in which they are read: owners before the others, whose records name them; answers
 * of DNS before the connections to what they name; ends of owners last. */
enum eye_ring {
    EYE_RING_OWNERS,
    EYE_RING_REQUESTS,
    EYE_RING_CONNECTIONS,
    EYE_RING_PROCESSES,
    EYE_RING_COUNT,
};

/** "owners", "requests", "connections", "processes". */
const char *eye_ring_name(enum eye_ring ring);

/** Takes one record of @bytes (as the kernel wrote it, not validated). Good during the call only.
 */
typedef void eye_record_handler(void *context, const void *record, size_t bytes);

struct eye_ring_reader {
    eye_record_handler *handler;
    void *context;
    uint64_t records;
    struct eye_ring_pages pages;
    bool unreadable; /* was said */
};

struct eye_rings {
    int epoll;
    struct eye_ring_reader readers[EYE_RING_COUNT];
    size_t drained; /* records in the present drain */
};

/** @rings: zeroed, stays where it is. 0, or -errno with a message; closed by the caller in any
 * case. */
int eye_rings_open(struct eye_rings *rings, struct bpf_map *const maps[EYE_RING_COUNT],
                   struct eye_error *ret_error);

/** Takes a zeroed one. */
void eye_rings_close(struct eye_rings *rings);

/** Where a ring's records go. */
void eye_rings_on_record(struct eye_rings *rings, enum eye_ring ring, eye_record_handler *handler,
                         void *context);

/** Hands on a record that came in another way, as if it had been in the ring. */
void eye_rings_hand_on(struct eye_rings *rings, enum eye_ring ring, const void *record,
                       size_t bytes);

/** Readable when a ring asks to be drained. For epoll. */
int eye_rings_fd(const struct eye_rings *rings);

/** Reads them; stops after a bounded number of records, so that nothing else starves. */
void eye_rings_drain(struct eye_rings *rings);

/** The ring of owners alone, also while a record of another ring is being handled. */
void eye_rings_drain_owners(struct eye_rings *rings);

/** Records read so far. */
uint64_t eye_rings_records(const struct eye_rings *rings, enum eye_ring ring);

/** Used part of a ring now, 0 .. 1. */
double eye_rings_fill(const struct eye_rings *rings, enum eye_ring ring);
