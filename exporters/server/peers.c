/* SPDX-License-Identifier: Apache-2.0 */
/* Places, turns, deadlines, and giving way. */
#include "exporters/server/peers.h"

#include <netinet/in.h>
#include <string.h>

/* The turn of one that was shut down: it is chosen no more. */
#define SHUT_DOWN UINT64_MAX

void eye_peers_init(struct eye_peers *peers, const struct eye_peers_counts *counts)
{
    *peers = (struct eye_peers){.counts = *counts};
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        peers->items[i].fd = -1;
    }
}

/* ---- Addresses ---- */

static uint64_t address_v6(const struct in6_addr *address)
{
    uint32_t v4;
    uint64_t network;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        memcpy(&v4, &address->s6_addr[12], sizeof(v4));
        return v4;
    }
    memcpy(&network, address->s6_addr, sizeof(network));
    return network;
}

static uint64_t user_of(int fd)
{
    struct ucred peer = {0};
    socklen_t length = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.uid : UINT64_MAX;
}

uint64_t eye_peer_address(int fd, const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    switch (address->sa_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof(v4));
        return v4.sin_addr.s_addr;
    case AF_INET6:
        memcpy(&v6, address, sizeof(v6));
        return address_v6(&v6.sin6_addr);
    case AF_UNIX:
        return user_of(fd);
    default:
        return 0;
    }
}

/* ---- Who gives way ---- */

bool eye_peer_is_shut_down(const struct eye_peer *peer)
{
    return peer->turn == SHUT_DOWN;
}

static bool stays(const struct eye_peer *peer)
{
    return peer->fd >= 0 && !eye_peer_is_shut_down(peer);
}

static size_t count_staying(const struct eye_peers *peers)
{
    size_t count = 0;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        count += stays(&peers->items[i]);
    }
    return count;
}

static size_t count_of(const struct eye_peers *peers, uint64_t address)
{
    size_t count = 0;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        count += stays(&peers->items[i]) && peers->items[i].address == address;
    }
    return count;
}

static bool is_new(const struct eye_peers *peers, const struct eye_peer *peer)
{
    return !peer->answering && peer->round == peers->round;
}

enum rank { IDLE, BEGINNING, READING, WAITING };

static enum rank rank_of(const struct eye_peer *peer, uint64_t now_ns)
{
    if (peer->waits != NULL) {
        return WAITING;
    }
    if (!peer->answering || now_ns - peer->moved_ns > EYE_PEERS_STUCK_NS) {
        return IDLE;
    }
    return peer->read_bytes < EYE_PEERS_READS_BYTES ? BEGINNING : READING;
}

/* Whether @a gives way before @b. */
static bool goes_first(const struct eye_peers *peers, const struct eye_peer *a,
                       const struct eye_peer *b, uint64_t now_ns)
{
    enum rank rank_a = rank_of(a, now_ns);
    enum rank rank_b = rank_of(b, now_ns);
    if (is_new(peers, a) != is_new(peers, b)) {
        return is_new(peers, b);
    }
    size_t of_a = count_of(peers, a->address);
    size_t of_b = count_of(peers, b->address);
    if (of_a != of_b) {
        return of_a > of_b;
    }
    return rank_a != rank_b ? rank_a < rank_b : a->turn < b->turn;
}

static void shut_down(struct eye_peer *peer, atomic_uint_fast64_t *counter)
{
    const struct linger abort = {.l_onoff = 1};
    if (peer->answering) {
        /* What it does not read is not kept by the kernel either. */
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    }
    shutdown(peer->fd, SHUT_RDWR);
    peer->turn = SHUT_DOWN;
    atomic_fetch_add(counter, 1);
}

/* One of @newcomer's own address when it @own says so, else any. */
static void make_place(struct eye_peers *peers, const struct eye_peer *newcomer, bool own,
                       uint64_t now_ns)
{
    struct eye_peer *first = NULL;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        struct eye_peer *peer = &peers->items[i];
        if (stays(peer) && peer != newcomer && (!own || peer->address == newcomer->address) &&
            (first == NULL || goes_first(peers, peer, first, now_ns))) {
            first = peer;
        }
    }
    if (first != NULL) {
        shut_down(first, peers->counts.gave_way);
    }
}

void eye_peers_next_round(struct eye_peers *peers)
{
    peers->round++;
}

struct eye_peer *eye_peers_join(struct eye_peers *peers, int fd, uint64_t address, uint64_t now_ns)
{
    struct eye_peer *peer = NULL;
    for (size_t i = 0; i < EYE_PEERS_MAX && peer == NULL; i++) {
        peer = peers->items[i].fd < 0 ? &peers->items[i] : NULL;
    }
    if (peer == NULL) {
        return NULL;
    }
    *peer = (struct eye_peer){
        .fd = fd,
        .address = address,
        .turn = ++peers->turn,
        .round = peers->round,
        .until_ns = now_ns + EYE_PEERS_HEAD_NS,
    };
    peers->open++;
    bool own = count_of(peers, address) > EYE_PEERS_SHARE;
    if (own || count_staying(peers) > EYE_PEERS_PLACES) {
        make_place(peers, peer, own, now_ns);
    }
    return peer;
}

/* ---- Answers ---- */

/* Whether one before @index reads the same page, so that it is counted already. */
static bool is_counted(const struct eye_peers *peers, size_t index)
{
    bool counted = false;
    for (size_t i = 0; i < index && !counted; i++) {
        counted = stays(&peers->items[i]) && peers->items[i].page == peers->items[index].page;
    }
    return counted;
}

static size_t page_bytes(const struct eye_peers *peers)
{
    size_t bytes = 0;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        if (stays(&peers->items[i]) && !is_counted(peers, i)) {
            bytes += peers->items[i].page_bytes;
        }
    }
    return bytes;
}

/* Of those that read another page than @page. */
static struct eye_peer *find_slowest(struct eye_peers *peers, const void *page)
{
    struct eye_peer *slowest = NULL;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        struct eye_peer *peer = &peers->items[i];
        if (stays(peer) && peer->page != NULL && peer->page != page &&
            (slowest == NULL || peer->turn < slowest->turn)) {
            slowest = peer;
        }
    }
    return slowest;
}

void eye_peers_serve(struct eye_peers *peers, struct eye_peer *peer, const void *page, size_t bytes,
                     uint64_t now_ns)
{
    struct eye_peer *slowest;
    peer->answering = true;
    peer->page = page;
    peer->page_bytes = bytes;
    peer->until_ns = now_ns + EYE_PEERS_ANSWER_NS;
    eye_peers_progress(peers, peer, 0, now_ns);
    while (page_bytes(peers) > EYE_PEERS_PAGE_BYTES &&
           (slowest = find_slowest(peers, page)) != NULL) {
        shut_down(slowest, peers->counts.gave_way);
    }
}

void eye_peers_wait(struct eye_peers *peers, struct eye_peer *peer,
                    struct MHD_Connection *connection, uint64_t ticket, uint64_t now_ns)
{
    eye_peers_serve(peers, peer, NULL, 0, now_ns);
    peer->until_ns = UINT64_MAX;
    peer->waits = connection;
    peer->ticket = ticket;
}

void eye_peers_progress(struct eye_peers *peers, struct eye_peer *peer, uint64_t read_bytes,
                        uint64_t now_ns)
{
    peer->moved_ns = now_ns;
    peer->read_bytes = read_bytes;
    if (stays(peer)) {
        peer->turn = ++peers->turn;
    }
}

void eye_peers_leave(struct eye_peers *peers, struct eye_peer *peer)
{
    peer->fd = -1;
    peers->open--;
}

/* ---- Deadlines ---- */

uint64_t eye_peers_expire(struct eye_peers *peers, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        struct eye_peer *peer = &peers->items[i];
        if (!stays(peer)) {
            continue;
        }
        if (peer->until_ns <= now_ns) {
            shut_down(peer, peers->counts.too_late);
        } else if (peer->until_ns < next_ns) {
            next_ns = peer->until_ns;
        }
    }
    return next_ns;
}
