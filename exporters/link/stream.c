/* SPDX-License-Identifier: Apache-2.0 */
/* Byte streams over TCP and Unix sockets: non-blocking, every wait limited. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/base/clock.h"
#include "exporters/link/transport.h"

static bool is_tcp(const struct eye_link *link)
{
    return link->address.scheme == EYE_LINK_TCP;
}

/* ---- Opening ---- */

/* False when the other side has ended the stream, or half of it. */
static bool is_alive(const struct eye_link *link)
{
    char nothing[EYE_LINK_DRAIN_BYTES];
    for (size_t i = 0; i < EYE_LINK_DRAIN_READS; i++) {
        ssize_t length = recv(link->fd, nothing, sizeof(nothing), MSG_DONTWAIT);
        if (length <= 0) {
            return length < 0 && errno == EAGAIN;
        }
    }
    return true;
}

static int connect_to(struct eye_link *link, const struct addrinfo *receiver, uint64_t until_ns)
{
    EYE_AUTOCLOSE int fd =
        socket(receiver->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, receiver->ai_addr, receiver->ai_addrlen) < 0) {
        if (errno != EINPROGRESS) {
            return -errno;
        }
        if (eye_link_wait(link, fd, POLLOUT, until_ns) == 0) {
            return -ETIMEDOUT;
        }
        int error = eye_link_pending_error(fd);
        if (error != 0) {
            return error;
        }
    }
    link->fd = EYE_TAKE_FD(fd);
    return 0;
}

/* One address after the other; each but the last gets half of the time that is left. */
static int connect_to_any(struct eye_link *link)
{
    uint64_t until_ns = eye_link_in_ms(EYE_LINK_CONNECT_MS);
    uint64_t now_ns = eye_clock_monotonic_ns();
    int result = -ETIMEDOUT;
    for (const struct addrinfo *receiver = link->resolver.list;
         result != 0 && receiver != NULL && now_ns < until_ns; receiver = receiver->ai_next) {
        bool last = receiver->ai_next == NULL;
        result = connect_to(link, receiver, last ? until_ns : now_ns + (until_ns - now_ns) / 2);
        now_ns = eye_clock_monotonic_ns();
    }
    return result;
}

static int fail_open(struct eye_link *link, int error, struct eye_export_failure *failure)
{
    return eye_export_fail(failure, error, eye_export_reason_of(error), "cannot connect to %s: %s",
                           link->label, strerror(-error));
}

static int connect_tcp(struct eye_link *link, struct eye_export_failure *failure)
{
    bool moved = false;
    int result = eye_resolver_ask(&link->resolver, &moved, failure);
    if (result != 0) {
        return result;
    }
    result = connect_to_any(link);
    return result == 0 ? 0 : fail_open(link, result, failure);
}

static int connect_unix(struct eye_link *link, struct eye_export_failure *failure)
{
    int result = eye_link_connect_unix(link, SOCK_STREAM);
    return result == 0 ? 0 : fail_open(link, result, failure);
}

static void close_stream(struct eye_link *link)
{
    eye_link_close_socket(link);
    if (link->address.scheme == EYE_LINK_UNIX) {
        link->transport = &eye_link_datagram; /* guess anew */
    }
}

static int open_stream(struct eye_link *link, struct eye_export_failure *failure)
{
    if (link->fd >= 0 && (!is_alive(link) || (!is_tcp(link) && eye_link_was_replaced(link)))) {
        close_stream(link);
        return link->transport->open(link, failure);
    }
    if (link->fd >= 0) {
        return 0;
    }
    return is_tcp(link) ? connect_tcp(link, failure) : connect_unix(link, failure);
}

/* ---- Sending ---- */

/* Writes what fits now: its length, or -errno. */
static ssize_t write_some(const struct eye_link *link, const char *bytes, size_t length)
{
    ssize_t written = send(link->fd, bytes, length, MSG_NOSIGNAL);
    return written < 0 ? -errno : written;
}

static int write_all(struct eye_link *link, const char *bytes, size_t length)
{
    uint64_t until_ns = eye_link_in_ms(EYE_LINK_WRITE_MS);
    while (length > 0) {
        ssize_t written = write_some(link, bytes, length);
        if (written >= 0) {
            bytes += written;
            length -= (size_t)written;
            atomic_fetch_add(&link->stats->bytes, (uint64_t)written);
        } else if (written != -EAGAIN || eye_link_wait(link, link->fd, POLLOUT, until_ns) == 0) {
            return (int)written;
        }
    }
    return 0;
}

static int send_stream(struct eye_link *link, const void *bytes, size_t length,
                       struct eye_export_failure *failure)
{
    int result = write_all(link, bytes, length);
    if (result == 0) {
        return 0;
    }
    eye_link_discard_unsent(link->fd);
    close_stream(link);
    return eye_export_fail(failure, result, eye_export_reason_of(result), "cannot write to %s: %s",
                           link->label, strerror(-result));
}

static enum eye_confirmation confirm_stream(struct eye_link *link, bool wait,
                                            struct eye_export_failure *failure)
{
    return is_tcp(link) ? eye_link_confirm_acknowledged(link, wait, failure) : EYE_CONFIRMED;
}

const struct eye_link_transport eye_link_stream = {
    .open = open_stream,
    .send = send_stream,
    .confirm = confirm_stream,
    .close = close_stream,
};
