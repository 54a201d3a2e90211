/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a server, and who of them gives way. Anybody may connect and say nothing, or
 * send a head or read a page byte by byte: such a one keeps its place as long as no other needs it,
 * and not longer than a deadline.
 *
 * A newcomer always finds a place. Who gives way to it belongs to the address that has the most
 * connections: the one that has waited longest without a whole request or without taking a byte of
 * its answer; else one that has not shown yet that it reads; else the one that took none for
 * longest. Those that came in the same round, whose requests nobody has looked for yet, are spared
 * as long as there are others, and so are those that wait for what their request began, who have no
 * deadline either. An address that has its share takes places from itself only. A socket is shut
 * down, so that the server notices an end like any other.
 *
 * Used by the server's thread. Times are monotonic.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "collector/base/clock.h"

/* Connections that may stay: a head takes 16 KiB of memory, an answer 80 KiB. */
#define EYE_PEERS_PLACES ((size_t)64)

/* Of one address; scrapers behind one proxy have one. */
#define EYE_PEERS_SHARE (EYE_PEERS_PLACES / 2)

/* Those that may be open: the server needs a moment to close one that gave way. */
#define EYE_PEERS_MAX (EYE_PEERS_PLACES + EYE_PEERS_SHARE)

/* For a whole head, a handshake included. Prometheus gives up after 10 s. */
#define EYE_PEERS_HEAD_NS (10 * EYE_NS_PER_SECOND)

/* For an answer to be taken whole: 4 MiB at 70 KiB/s. */
#define EYE_PEERS_ANSWER_NS (60 * EYE_NS_PER_SECOND)

/* Who has taken more than the kernel takes for one who does not read is reading. */
#define EYE_PEERS_READS_BYTES ((size_t)512 << 10)

/* Who takes nothing for so long is not reading any more. */
#define EYE_PEERS_STUCK_NS EYE_NS_PER_SECOND

/* Memory of pages under way; one page alone may be larger. */
#define EYE_PEERS_PAGE_BYTES ((size_t)16 << 20)

struct MHD_Connection;

/* One connection. */
struct eye_peer {
    int fd;            /* the server's; -1: free place */
    uint64_t address;  /* eye_peer_address() */
    uint64_t turn;     /* when it connected, asked, or took bytes; the least is longest ago */
    uint64_t round;    /* when it connected */
    uint64_t until_ns; /* its deadline */
    uint64_t moved_ns; /* when it took bytes last */
    uint64_t read_bytes;
    const void *page; /* under way; NULL: none */
    size_t page_bytes;
    bool answering; /* its request is whole; there is one per connection */

    struct MHD_Connection *waits; /* the server's, for its answer; NULL: it does not */
    uint64_t ticket;              /* of its request; 0: none */
};

/* Counters of the owner. */
struct eye_peers_counts {
    atomic_uint_fast64_t *gave_way;
    atomic_uint_fast64_t *too_late; /* a head or an answer met its deadline */
};

struct eye_peers {
    struct eye_peer items[EYE_PEERS_MAX];
    size_t open;   /* items with a connection */
    uint64_t turn; /* given last */
    uint64_t round;
    struct eye_peers_counts counts;
};

void eye_peers_init(struct eye_peers *peers, const struct eye_peers_counts *counts);

/**
 * What counts as one address: an IPv4 address, also when it is mapped into IPv6; the /64 of an IPv6
 * address, since one host has as many of these as it likes; of a unix socket the user at the other
 * end of @fd. Others: 0.
 */
uint64_t eye_peer_address(int fd, const struct sockaddr *address);

/** What those that are open sent was read; newcomers come. */
void eye_peers_next_round(struct eye_peers *peers);

/** A connection begins; another one may give way. NULL when EYE_PEERS_MAX are open. */
struct eye_peer *eye_peers_join(struct eye_peers *peers, int fd, uint64_t address, uint64_t now_ns);

/**
 * A request of @peer is whole. The answer is @page of @bytes, which others may read as well, or
 * NULL; readers of other pages may give way.
 */
void eye_peers_serve(struct eye_peers *peers, struct eye_peer *peer, const void *page, size_t bytes,
                     uint64_t now_ns);

/** The answer to the request of @peer will come when what it began is over. */
void eye_peers_wait(struct eye_peers *peers, struct eye_peer *peer,
                    struct MHD_Connection *connection, uint64_t ticket, uint64_t now_ns);

/** @peer takes bytes of its answer; @read_bytes: before these. */
void eye_peers_progress(struct eye_peers *peers, struct eye_peer *peer, uint64_t read_bytes,
                        uint64_t now_ns);

/** Whether it gave way, or met its deadline. */
bool eye_peer_is_shut_down(const struct eye_peer *peer);

/** The connection is about to be closed; what it held is free again. */
void eye_peers_leave(struct eye_peers *peers, struct eye_peer *peer);

/** Ends those whose deadline has passed. Returns the next deadline, UINT64_MAX: none. */
uint64_t eye_peers_expire(struct eye_peers *peers, uint64_t now_ns);
