/* SPDX-License-Identifier: Apache-2.0 */
/* Places, turns, and giving way. */
#include "exporters/openmetrics/peers.h"

#include <stdbool.h>
#include <sys/socket.h>

/* The turn of one that gave way: it is chosen no more. */
#define GAVE_WAY UINT64_MAX

void eye_peers_init(struct eye_peers *peers, atomic_uint_fast64_t *gave_way)
{
    *peers = (struct eye_peers){.gave_way = gave_way};
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        peers->items[i].fd = -1;
    }
}

static bool stays(const struct eye_peer *peer)
{
    return peer->fd >= 0 && peer->turn != GAVE_WAY;
}

/* Of those that are @reading a page, or of the others, the one whose turn is oldest; not @spared.
 * NULL when there is none. */
static struct eye_peer *find_oldest(struct eye_peers *peers, bool reading,
                                    const struct eye_peer *spared)
{
    struct eye_peer *oldest = NULL;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        struct eye_peer *peer = &peers->items[i];
        if (stays(peer) && peer != spared && (peer->page_bytes > 0) == reading &&
            (oldest == NULL || peer->turn < oldest->turn)) {
            oldest = peer;
        }
    }
    return oldest;
}

static void give_way(struct eye_peers *peers, struct eye_peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    peer->turn = GAVE_WAY;
    atomic_fetch_add(peers->gave_way, 1);
}

static size_t count_staying(const struct eye_peers *peers)
{
    size_t count = 0;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        count += stays(&peers->items[i]);
    }
    return count;
}

static size_t page_bytes(const struct eye_peers *peers)
{
    size_t bytes = 0;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        bytes += stays(&peers->items[i]) ? peers->items[i].page_bytes : 0;
    }
    return bytes;
}

struct eye_peer *eye_peers_join(struct eye_peers *peers, int fd)
{
    struct eye_peer *peer = NULL;
    for (size_t i = 0; i < EYE_PEERS_MAX && peer == NULL; i++) {
        peer = peers->items[i].fd < 0 ? &peers->items[i] : NULL;
    }
    if (peer == NULL) {
        return NULL;
    }
    *peer = (struct eye_peer){.fd = fd, .turn = ++peers->turn};
    if (count_staying(peers) > EYE_PEERS_PLACES) {
        struct eye_peer *oldest = find_oldest(peers, false, peer);
        give_way(peers, oldest != NULL ? oldest : find_oldest(peers, true, peer));
    }
    return peer;
}

void eye_peers_serve(struct eye_peers *peers, struct eye_peer *peer, size_t bytes)
{
    struct eye_peer *oldest;
    peer->page_bytes = bytes;
    while (page_bytes(peers) > EYE_PEERS_PAGE_BYTES &&
           (oldest = find_oldest(peers, true, peer)) != NULL) {
        give_way(peers, oldest);
    }
}

void eye_peers_served(struct eye_peers *peers, struct eye_peer *peer)
{
    peer->page_bytes = 0;
    if (stays(peer)) {
        peer->turn = ++peers->turn;
    }
}

void eye_peers_leave(struct eye_peer *peer)
{
    peer->fd = -1;
}
