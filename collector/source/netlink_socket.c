/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/netlink_socket.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <sys/socket.h>

int eye_netlink_send(int fd, const void *message, size_t bytes)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent = sendto(fd, message, bytes, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
    return sent == (ssize_t)bytes ? 0 : sent < 0 ? -errno : -EIO;
}

ssize_t eye_netlink_receive(int fd, void *buffer, size_t size)
{
    struct sockaddr_nl from = {0};
    struct iovec space = {buffer, size};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &space, .msg_iovlen = 1};
    ssize_t length = recvmsg(fd, &message, 0);
    if (length < 0) {
        return -errno;
    }
    bool is_kernel = message.msg_namelen == sizeof(from) && from.nl_pid == 0;
    return is_kernel && (message.msg_flags & MSG_TRUNC) == 0 ? length : 0;
}

void eye_netlink_enlarge(int fd, int bytes)
{
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
}
