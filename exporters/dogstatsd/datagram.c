/* SPDX-License-Identifier: Apache-2.0 */
/* Address, socket, sending. */
#include "exporters/dogstatsd/datagram.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/parse.h"
#include "collector/base/text.h"

#define SCHEME "udp://"
#define RESOLVE_INTERVAL_NS (30 * EYE_NS_PER_SECOND)
#define BUSY_WAIT_MS 100

/* ---- Address of the receiver ---- */

/* A part of the URL, not NUL-terminated. */
struct span {
    const char *start;
    size_t length;
};

static bool copy_span(char *target, size_t size, struct span span)
{
    if (span.length == 0 || span.length >= size) {
        return false;
    }
    memcpy(target, span.start, span.length);
    target[span.length] = '\0';
    return true;
}

/* The interface behind % is looked at when the address is used. */
static bool is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    return copy_span(address, sizeof(address), (struct span){host, strcspn(host, "%")}) &&
           inet_pton(AF_INET6, address, &parsed) == 1;
}

static bool is_name(const char *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-._";
    return strspn(host, allowed) == strlen(host);
}

static bool is_port(const char *port)
{
    uint64_t number;
    return eye_parse_u64(port, &number) == 0 && number >= 1 && number <= UINT16_MAX;
}

/* Fills host and port; what it leaves behind on failure is nobody's. */
static bool split_url(const char *url, char host[EYE_DATAGRAM_HOST_BYTES],
                      char port[EYE_DATAGRAM_PORT_BYTES])
{
    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0) {
        return false;
    }
    const char *start = url + strlen(SCHEME);
    const char *colon = strrchr(start, ':');
    if (colon == NULL ||
        !copy_span(port, EYE_DATAGRAM_PORT_BYTES, (struct span){colon + 1, strlen(colon + 1)})) {
        return false;
    }
    bool bracketed = start[0] == '[' && colon > start + 1 && colon[-1] == ']';
    struct span inside = {start, (size_t)(colon - start)};
    if (bracketed) {
        inside = (struct span){start + 1, inside.length - 2};
    }
    return copy_span(host, EYE_DATAGRAM_HOST_BYTES, inside) &&
           (bracketed ? is_ipv6(host) : is_name(host)) && is_port(port);
}

bool eye_datagram_url_valid(const char *url)
{
    char host[EYE_DATAGRAM_HOST_BYTES];
    char port[EYE_DATAGRAM_PORT_BYTES];
    return split_url(url, host, port);
}

void eye_datagram_init(struct eye_datagram *datagram, const char *url,
                       struct eye_export_stats *stats)
{
    *datagram = (struct eye_datagram){.stats = stats, .fd = -1};
    bool valid = split_url(url, datagram->host, datagram->port);
    assert(valid);
}

static void close_socket(struct eye_datagram *datagram)
{
    eye_cleanup_close(&datagram->fd);
    datagram->fd = -1;
}

void eye_datagram_done(struct eye_datagram *datagram)
{
    close_socket(datagram);
}

/* ---- Failures ---- */

static void count_failure(const struct eye_datagram *datagram, enum eye_export_reason reason)
{
    atomic_fetch_add(&datagram->stats->failures[reason], 1);
}

/* Counts and explains a failed socket call. Full buffers say nothing about the receiver. */
static int fail(struct eye_datagram *datagram, int error, struct eye_error *message)
{
    count_failure(datagram, eye_export_reason_of(error));
    if (error != -EAGAIN && error != -ENOBUFS) {
        datagram->refused = true;
        close_socket(datagram);
    }
    return eye_error_set(message, error, "cannot send to %s port %s: %s", datagram->host,
                         datagram->port, strerror(-error));
}

/* ---- Name resolution ---- */

static void cleanup_addresses(struct addrinfo **list)
{
    if (*list != NULL) {
        freeaddrinfo(*list);
    }
}

static bool is_current(const struct eye_datagram *datagram, const struct addrinfo *candidate)
{
    return candidate->ai_addrlen == datagram->address_length &&
           memcmp(candidate->ai_addr, &datagram->address, datagram->address_length) == 0;
}

/* The address in use while the name still has it, unless it failed and there is another. */
static const struct addrinfo *choose(const struct eye_datagram *datagram,
                                     const struct addrinfo *list)
{
    for (const struct addrinfo *candidate = list; candidate != NULL;
         candidate = candidate->ai_next) {
        if (is_current(datagram, candidate)) {
            bool next = datagram->refused && candidate->ai_next != NULL;
            return !datagram->refused ? candidate : next ? candidate->ai_next : list;
        }
    }
    return list;
}

static void take_address(struct eye_datagram *datagram, const struct addrinfo *chosen)
{
    datagram->refused = false;
    if (is_current(datagram, chosen)) {
        return;
    }
    close_socket(datagram);
    memcpy(&datagram->address, chosen->ai_addr, chosen->ai_addrlen);
    datagram->address_length = chosen->ai_addrlen;
}

static int resolve(struct eye_datagram *datagram, struct eye_error *message)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_DGRAM,
        .ai_flags = AI_NUMERICSERV,
    };
    EYE_CLEANUP(cleanup_addresses) struct addrinfo *list = NULL;
    int problem = getaddrinfo(datagram->host, datagram->port, &hints, &list);
    datagram->resolve_at_ns = eye_clock_monotonic_ns() + RESOLVE_INTERVAL_NS;
    if (problem == 0 && list != NULL) {
        take_address(datagram, choose(datagram, list));
        return 0;
    }
    count_failure(datagram, EYE_EXPORT_UNRESOLVED);
    if (datagram->address_length > 0) {
        return 0;
    }
    return eye_error_set(message, -EDESTADDRREQ, "cannot resolve %s: %s", datagram->host,
                         gai_strerror(problem));
}

/* ---- Socket ---- */

static int connect_socket(struct eye_datagram *datagram)
{
    EYE_AUTOCLOSE int fd =
        socket(datagram->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&datagram->address, datagram->address_length) < 0) {
        return -errno;
    }
    datagram->fd = EYE_TAKE_FD(fd);
    return 0;
}

int eye_datagram_open(struct eye_datagram *datagram, struct eye_error *message)
{
    if (datagram->fd < 0 || eye_clock_monotonic_ns() >= datagram->resolve_at_ns) {
        int result = resolve(datagram, message);
        if (result != 0) {
            return result;
        }
    }
    if (datagram->fd >= 0) {
        return 0;
    }
    int result = connect_socket(datagram);
    return result == 0 ? 0 : fail(datagram, result, message);
}

/* The error that an answer to an earlier datagram left at the socket; reading clears it. */
static int pending_error(const struct eye_datagram *datagram)
{
    int error = 0;
    socklen_t length = sizeof(error);
    if (getsockopt(datagram->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) {
        return -errno;
    }
    return -error;
}

int eye_datagram_settle(struct eye_datagram *datagram, int milliseconds, struct eye_error *message)
{
    if (milliseconds > 0) {
        struct pollfd waiting = {.fd = datagram->fd};
        poll(&waiting, 1, milliseconds);
    }
    int error = pending_error(datagram);
    return error == 0 ? 0 : fail(datagram, error, message);
}

/* One attempt: 0, or -errno, also when the datagram was refused on the spot. */
static int transmit(const struct eye_datagram *datagram, const void *bytes, size_t length)
{
    if (send(datagram->fd, bytes, length, MSG_NOSIGNAL) < 0) {
        return -errno;
    }
    return pending_error(datagram);
}

int eye_datagram_send(struct eye_datagram *datagram, const void *bytes, size_t length,
                      struct eye_error *message)
{
    int result = transmit(datagram, bytes, length);
    if (result == -EAGAIN || result == -ENOBUFS) {
        struct pollfd waiting = {.fd = datagram->fd, .events = POLLOUT};
        poll(&waiting, 1, BUSY_WAIT_MS);
        result = transmit(datagram, bytes, length);
    }
    if (result != 0) {
        return fail(datagram, result, message);
    }
    atomic_fetch_add(&datagram->stats->bytes, length);
    return 0;
}
