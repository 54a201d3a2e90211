/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams that leave in one call: all have one size, the last may be shorter (UDP_SEGMENT,
 * udp(7), Linux 4.18). The kernel walks its way once for all of them, and finds the receiver once:
 * on this host all of them arrive or none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Half of what a receiver's default buffer holds, and what of the usual 1432 bytes fits into one
 * call. The kernel's own limit is 64 (UDP_MAX_SEGMENTS). */
#define EYE_BURST_DATAGRAMS 45

struct eye_burst {
    size_t segment; /* bytes of each but the last */
    size_t room;    /* datagrams; as many as one call takes */
    size_t count;
    size_t lengths[EYE_BURST_DATAGRAMS]; /* without what fills them up */
    bool apart;                          /* the way to this receiver takes no bursts */
    char bytes[];
};

/** For datagrams of up to @segment bytes. NULL: no memory, or two do not fit into one call. */
struct eye_burst *eye_burst_new(size_t segment);

/** Appends a datagram; the one before is filled up with newlines. Not when it is full. */
void eye_burst_add(struct eye_burst *burst, const void *datagram, size_t length);

/**
 * Sends what it has, and empties it unless the socket is busy (-EAGAIN, -ENOBUFS: all of it or the
 * rest waits). 0 or -errno; @ret_bytes: what left. When the kernel cannot cut them (the size is
 * above the way's, no checksums from the device) each leaves by itself, and `apart` stays set.
 */
int eye_burst_send(struct eye_burst *burst, int fd, size_t *ret_bytes);
