/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a server, and who of them gives way. Anybody may connect and say nothing, or
 * read a page byte by byte: such a one keeps its place as long as no other needs it. What gives way
 * is the connection that has waited longest without a whole request; the reader of the oldest page
 * when all others are reading, or when the pages under way take too much memory. Its socket is shut
 * down, so that the server notices an end like any other.
 *
 * Used by the server's thread.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Connections that may stay. */
#define EYE_PEERS_PLACES ((size_t)16)

/* Those that may be open: the server needs a moment to close one that gave way. */
#define EYE_PEERS_MAX (2 * EYE_PEERS_PLACES)

/* Memory of pages under way; one page alone may be larger. */
#define EYE_PEERS_PAGE_BYTES ((size_t)16 << 20)

/* One connection. */
struct eye_peer {
    int fd;            /* the server's; -1: free place */
    uint64_t turn;     /* when it connected, or was last served: the smallest has waited longest */
    size_t page_bytes; /* of the page under way; 0: none */
};

struct eye_peers {
    struct eye_peer items[EYE_PEERS_MAX];
    uint64_t turn;                  /* given last */
    atomic_uint_fast64_t *gave_way; /* counts them; the owner's */
};

void eye_peers_init(struct eye_peers *peers, atomic_uint_fast64_t *gave_way);

/** A connection begins; another one may give way. NULL when EYE_PEERS_MAX are open. */
struct eye_peer *eye_peers_join(struct eye_peers *peers, int fd);

/** A page of @bytes goes to @peer; readers of older ones may give way. */
void eye_peers_serve(struct eye_peers *peers, struct eye_peer *peer, size_t bytes);

/** The answer to @peer is over; what it held is free again. */
void eye_peers_served(struct eye_peers *peers, struct eye_peer *peer);

/** The connection is about to be closed. */
void eye_peers_leave(struct eye_peer *peer);
