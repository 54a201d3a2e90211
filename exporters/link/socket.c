/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting within limits, errors of sockets, Unix paths. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "collector/base/clock.h"
#include "exporters/link/transport.h"

uint64_t eye_link_in_ms(unsigned milliseconds)
{
    return eye_clock_monotonic_ns() + milliseconds * EYE_NS_PER_MS;
}

int eye_link_wait(const struct eye_link *link, int fd, short events, uint64_t until_ns)
{
    int slice_ms = 0;
    while ((slice_ms = eye_deadline_slice_ms(link->deadline, until_ns)) > 0) {
        struct pollfd waiting = {.fd = fd, .events = events};
        if (poll(&waiting, 1, slice_ms) > 0) {
            return waiting.revents;
        }
    }
    return 0;
}

int eye_link_pending_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) {
        return -errno;
    }
    return -error;
}

int eye_link_connect_unix(struct eye_link *link, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _Static_assert(sizeof(address.sun_path) == EYE_LINK_PATH_BYTES, "sun_path holds any path");
    memcpy(address.sun_path, link->address.path, sizeof(address.sun_path));
    EYE_AUTOCLOSE int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Looked at first: a socket put there meanwhile is found to be another one later. */
    if (fd < 0 || stat(address.sun_path, &link->socket) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        return -errno;
    }
    link->fd = EYE_TAKE_FD(fd);
    return 0;
}

/* An inode number may be used again at once; its time of change tells the two apart. */
bool eye_link_was_replaced(const struct eye_link *link)
{
    const struct stat *then = &link->socket;
    struct stat now;
    return stat(link->address.path, &now) == 0 &&
           (now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
            now.st_ctim.tv_sec != then->st_ctim.tv_sec ||
            now.st_ctim.tv_nsec != then->st_ctim.tv_nsec);
}

void eye_link_discard_unsent(int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
}

void eye_link_close_socket(struct eye_link *link)
{
    eye_cleanup_close(&link->fd);
    link->fd = -1;
}
