/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BPF ring buffer as its reader sees it (kernel/bpf/ringbuf.c): two pages that say how far it was
 * written and read, and its records, through a window. libbpf would map all of it, twice, and each
 * mapped page counts as the daemon's memory; here a ring is mapped as a whole while much flows.
 * Records are read by one thread, the positions by any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct eye_ring_pages {
    int fd;
    size_t bytes;                  /* of the ring: a power of two */
    unsigned long *consumer;       /* bytes read ... */
    const unsigned long *producer; /* ... and written */
    const unsigned char *window;   /* NULL: none is mapped yet */
    size_t window_bytes;
    unsigned long window_from; /* position of its first byte */
    unsigned int busy;         /* how much flows: see ring_pages.c */
    unsigned long next;        /* position behind the record that was taken last */
    unsigned long written;     /* the producer's position as it was last looked at */
};

/** Maps the positions. 0, or -errno of mmap(2) with nothing mapped and @ret_pages untouched.
 * @fd: of the ring's map, which outlives the mapping. @bytes: its size. */
int eye_ring_pages_map(int fd, size_t bytes, struct eye_ring_pages *ret_pages);

/** The next record that was written whole, good until the next call. 1, or 0: there is none. -errno
 * of mmap(2): its window cannot be mapped, it is still the next one. */
int eye_ring_pages_take(struct eye_ring_pages *pages, const void **ret_record, size_t *ret_bytes);

/** Gives the room of the record that was taken last back to the writers. */
void eye_ring_pages_release(const struct eye_ring_pages *pages);

/** Used part now, 0 .. 1. */
double eye_ring_pages_fill(const struct eye_ring_pages *pages);

/** Takes a zeroed one. */
void eye_ring_pages_unmap(struct eye_ring_pages *pages);
