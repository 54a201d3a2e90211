/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams over UDP and Unix sockets. The UDP socket is connected, so that the kernel reports a
 * receiver that is not there; of one on this host it does so within the call that sends.
 *
 * Where the receiver passes over empty lines (eye_link_fill_up()), datagrams leave in bursts: over
 * loopback one of 1432 bytes takes 1.4 us so, and 5.5 us with send(2) and the question for its
 * error; nearly all of it is the network's own work, so sendmmsg(2) saves 6 %. Elsewhere one call
 * sends one datagram, and a refusal is that of the payload which met it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/base/clock.h"
#include "exporters/link/transport.h"

/*
 * A receiver's default buffer (net.core.rmem_default, 212992 bytes) holds about 90 datagrams, and
 * what does not fit is lost without a word. So it gets 5 ms to read after EYE_BURST_DATAGRAMS. The
 * first datagram is a burst of its own: a receiver in reach that is down says so in this time.
 */
#define BURST_PAUSE_MS 5

/* Without a datagram for so long a receiver has read what it had. */
#define BURST_OVER_NS (100 * EYE_NS_PER_MS)

static bool is_udp(const struct eye_link *link)
{
    return link->address.scheme == EYE_LINK_UDP;
}

/* ---- Failures ---- */

/* The engine makes them again. */
static void drop_waiting(struct eye_link *link)
{
    if (link->waiting != NULL) {
        link->waiting->count = 0;
    }
}

static bool is_busy(int error)
{
    return error == -EAGAIN || error == -ENOBUFS;
}

/* Full buffers and long datagrams say nothing about the receiver. */
static int fail(struct eye_link *link, int error, struct eye_export_failure *failure)
{
    drop_waiting(link);
    if (!is_busy(error) && error != -EMSGSIZE) {
        link->resolver.refused = true;
        eye_link_close_socket(link);
    }
    return eye_export_fail(failure, error, eye_export_reason_of(error), "cannot send to %s: %s",
                           link->label, strerror(-error));
}

/* ---- Opening ---- */

union socket_address {
    struct sockaddr_storage any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* The kernel speaks to an address of its own from the same address, or from loopback. */
static bool is_nearby(int fd, const struct addrinfo *receiver)
{
    union socket_address other = {0};
    union socket_address own = {0};
    socklen_t length = sizeof(own);
    memcpy(&other, receiver->ai_addr, receiver->ai_addrlen);
    if (getsockname(fd, (struct sockaddr *)&own.any, &length) < 0) {
        return false;
    }
    if (own.any.ss_family == AF_INET) {
        return own.v4.sin_addr.s_addr == other.v4.sin_addr.s_addr ||
               ntohl(other.v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
    }
    return IN6_ARE_ADDR_EQUAL(&own.v6.sin6_addr, &other.v6.sin6_addr);
}

static int connect_udp(struct eye_link *link)
{
    const struct addrinfo *receiver = link->resolver.current;
    EYE_AUTOCLOSE int fd =
        socket(receiver->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, receiver->ai_addr, receiver->ai_addrlen) < 0) {
        return -errno;
    }
    link->nearby = is_nearby(fd, receiver);
    if (link->waiting != NULL) {
        link->waiting->apart = false;
    }
    link->sent_at_ns = 0;
    link->fd = EYE_TAKE_FD(fd);
    return 0;
}

static int open_udp(struct eye_link *link, struct eye_export_failure *failure)
{
    drop_waiting(link);
    if (link->fd < 0 || eye_resolver_is_due(&link->resolver)) {
        bool moved = false;
        int result = eye_resolver_ask(&link->resolver, &moved, failure);
        if (result != 0) {
            return result;
        }
        if (moved) {
            eye_link_close_socket(link);
        }
    }
    int result = link->fd < 0 ? connect_udp(link) : 0;
    return result == 0 ? 0 : fail(link, result, failure);
}

/* What is at the path decides how unix:// goes on. */
static int open_unix(struct eye_link *link, struct eye_export_failure *failure)
{
    if (link->fd >= 0 && eye_link_was_replaced(link)) {
        eye_link_close_socket(link);
    }
    int result = link->fd < 0 ? eye_link_connect_unix(link, SOCK_DGRAM) : 0;
    if (result == -EPROTOTYPE && link->address.scheme == EYE_LINK_UNIX) {
        link->transport = &eye_link_stream;
        return link->transport->open(link, failure);
    }
    return result == 0 ? 0 : fail(link, result, failure);
}

static int open_datagram(struct eye_link *link, struct eye_export_failure *failure)
{
    return is_udp(link) ? open_udp(link, failure) : open_unix(link, failure);
}

/* ---- Sending ---- */

static int send_one(int fd, const void *bytes, size_t length, size_t *ret_bytes)
{
    if (send(fd, bytes, length, MSG_NOSIGNAL) < 0) {
        return -errno;
    }
    *ret_bytes = length;
    return 0;
}

/* One datagram, or (@bytes NULL) those that wait. 0, or -errno, also when it was refused at once.
 */
static int transmit(struct eye_link *link, const void *bytes, size_t length)
{
    size_t sent = 0;
    int result = bytes == NULL ? eye_burst_send(link->waiting, link->fd, &sent)
                               : send_one(link->fd, bytes, length, &sent);
    if (result == 0) {
        result = eye_link_pending_error(link->fd);
    }
    if (result == 0 || is_busy(result)) {
        atomic_fetch_add(&link->stats->bytes, sent);
    }
    return result;
}

/* False when time is up. Of full device queues (ENOBUFS) poll(2) knows nothing. */
static bool wait_for_room(const struct eye_link *link, int error, uint64_t until_ns)
{
    if (error == -EAGAIN) {
        return eye_link_wait(link, link->fd, POLLOUT, until_ns) != 0;
    }
    uint64_t soon_ns = eye_link_in_ms(BURST_PAUSE_MS);
    eye_link_wait(link, link->fd, 0, soon_ns);
    return soon_ns < until_ns;
}

static int transmit_patiently(struct eye_link *link, const void *bytes, size_t length)
{
    int result = transmit(link, bytes, length);
    if (!is_busy(result)) {
        return result;
    }
    uint64_t until_ns = eye_link_in_ms(EYE_LINK_BUSY_MS);
    while (is_busy(result) && wait_for_room(link, result, until_ns)) {
        result = transmit(link, bytes, length);
    }
    return result;
}

/* How often the receiver got time to read: after the first datagram, then after each burst. */
static unsigned pauses(unsigned datagrams)
{
    return (datagrams + EYE_BURST_DATAGRAMS - 1) / EYE_BURST_DATAGRAMS;
}

/* After @count datagrams. */
static int pause_for_reader(struct eye_link *link, size_t count)
{
    unsigned before = link->burst;
    link->sent_at_ns = eye_clock_monotonic_ns();
    link->burst += (unsigned)count;
    if (pauses(link->burst) == pauses(before)) {
        return 0;
    }
    eye_link_wait(link, link->fd, 0, eye_link_in_ms(BURST_PAUSE_MS));
    return eye_link_pending_error(link->fd);
}

/* Sends those that wait. */
static int send_waiting(struct eye_link *link)
{
    size_t count = link->waiting->count;
    int result = transmit_patiently(link, NULL, 0);
    return result == 0 ? pause_for_reader(link, count) : result;
}

/* Whether the receiver has had so much time that the next datagram is a first one. */
static bool is_burst_over(const struct eye_link *link)
{
    return link->sent_at_ns == 0 || eye_clock_monotonic_ns() - link->sent_at_ns > BURST_OVER_NS;
}

static int send_udp(struct eye_link *link, const void *bytes, size_t length)
{
    struct eye_burst *waiting = link->waiting;
    if ((waiting == NULL || waiting->count == 0) && is_burst_over(link)) {
        link->burst = 0;
    }
    if (waiting == NULL || link->burst == 0 || length > waiting->segment) {
        int result = transmit_patiently(link, bytes, length);
        return result == 0 ? pause_for_reader(link, 1) : result;
    }
    eye_burst_add(waiting, bytes, length);
    return waiting->count == waiting->room ? send_waiting(link) : 0;
}

static int send_datagram(struct eye_link *link, const void *bytes, size_t length,
                         struct eye_export_failure *failure)
{
    int result =
        is_udp(link) ? send_udp(link, bytes, length) : transmit_patiently(link, bytes, length);
    return result == 0 ? 0 : fail(link, result, failure);
}

/* ---- What became of it ---- */

/* Whether bad news of the last datagram would have come by now. */
static bool is_heard(struct eye_link *link, bool wait)
{
    uint64_t heard_ns = link->sent_at_ns + BURST_PAUSE_MS * EYE_NS_PER_MS;
    if (wait && !link->nearby) {
        eye_link_wait(link, link->fd, 0, heard_ns);
    }
    return wait || eye_clock_monotonic_ns() >= heard_ns;
}

static enum eye_confirmation lose(struct eye_link *link, int error,
                                  struct eye_export_failure *failure)
{
    fail(link, error, failure);
    return EYE_LOST;
}

static enum eye_confirmation confirm_udp(struct eye_link *link, bool wait,
                                         struct eye_export_failure *failure)
{
    if (link->waiting != NULL && link->waiting->count > 0) {
        int result = wait ? send_waiting(link) : 0;
        if (result != 0 || !wait) {
            return result == 0 ? EYE_UNHEARD : lose(link, result, failure);
        }
    }
    /* Of a receiver on this host the call that sent has heard everything. */
    if (link->nearby && !wait) {
        return EYE_CONFIRMED;
    }
    bool heard = is_heard(link, wait);
    int error = eye_link_pending_error(link->fd);
    if (error != 0) {
        return lose(link, error, failure);
    }
    return heard ? EYE_CONFIRMED : EYE_UNHEARD;
}

static enum eye_confirmation confirm_datagram(struct eye_link *link, bool wait,
                                              struct eye_export_failure *failure)
{
    return is_udp(link) ? confirm_udp(link, wait, failure) : EYE_CONFIRMED;
}

const struct eye_link_transport eye_link_datagram = {
    .open = open_datagram,
    .send = send_datagram,
    .confirm = confirm_datagram,
    .close = eye_link_close_socket,
};
