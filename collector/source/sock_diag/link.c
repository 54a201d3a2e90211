/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/sock_diag/link.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "collector/base/drops.h"

/* Room for ends that are not read yet: an end takes 768 bytes of it. Who has no right to that much
 * gets what net.core.rmem_max allows. */
#define EVENTS_BUFFER_BYTES (8 << 20)

/* A dump is made while it is read, so there is nothing to wait for. */
static const struct timeval patience = {.tv_sec = 2};

static int open_dumps(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static void make_room(int fd)
{
    int bytes = EVENTS_BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
}

static int open_events(void)
{
    const struct sockaddr_nl groups = {
        .nl_family = AF_NETLINK,
        .nl_groups = 1U << (SKNLGRP_INET_TCP_DESTROY - 1) | 1U << (SKNLGRP_INET6_TCP_DESTROY - 1),
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    if (fd < 0) {
        return -errno;
    }
    make_room(fd);
    if (bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int eye_diag_link_open(struct eye_diag_link *ret_link)
{
    struct eye_diag_link link = {.dumps = open_dumps(), .events = -1};
    if (link.dumps < 0) {
        return link.dumps;
    }
    link.events = open_events();
    if (link.events < 0) {
        close(link.dumps);
        return link.events;
    }
    *ret_link = link;
    return 0;
}

void eye_diag_link_close(struct eye_diag_link *link)
{
    if (link->dumps >= 0) {
        close(link->dumps);
    }
    if (link->events >= 0) {
        close(link->events);
    }
    link->dumps = -1;
    link->events = -1;
}

/* The kernel makes no dump while another one is not read. */
static void give_up_dump(struct eye_diag_link *link)
{
    while (recv(link->dumps, link->dump_buffer, EYE_DIAG_DATAGRAM_BYTES, MSG_DONTWAIT) > 0) {
    }
}

int eye_diag_link_ask(struct eye_diag_link *link, int family, uint32_t states)
{
    give_up_dump(link);
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } ask = {
        .header = {.nlmsg_len = sizeof(ask),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                   .nlmsg_seq = ++link->sequence},
        .request = {.sdiag_family = (uint8_t)family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_ext = 1U << (INET_DIAG_INFO - 1) | 1U << (INET_DIAG_SKMEMINFO - 1),
                    .idiag_states = states},
    };
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent =
        sendto(link->dumps, &ask, sizeof(ask), 0, (const struct sockaddr *)&kernel, sizeof(kernel));
    return sent == (ssize_t)sizeof(ask) ? 0 : sent < 0 ? -errno : -EIO;
}

/* One datagram: its length; 0: not the kernel's, or cut, which is counted; or -errno. */
static ssize_t receive(struct eye_diag_link *link, int fd, uint8_t *buffer)
{
    struct sockaddr_nl from = {0};
    struct iovec space = {buffer, EYE_DIAG_DATAGRAM_BYTES};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &space, .msg_iovlen = 1};
    ssize_t length = recvmsg(fd, &message, 0);
    if (length < 0) {
        return -errno;
    }
    bool ours = message.msg_namelen == sizeof(from) && from.nl_pid == 0 &&
                (message.msg_flags & MSG_TRUNC) == 0 && length > 0;
    link->refused += !ours;
    return ours ? length : 0;
}

int eye_diag_link_next(struct eye_diag_link *link, eye_diag_handler *handler, void *context)
{
    struct eye_diag_found found;
    ssize_t length = receive(link, link->dumps, link->dump_buffer);
    if (length <= 0) {
        return length < 0 ? (int)length : 1;
    }
    eye_diag_parse(link->dump_buffer, (size_t)length, link->sequence, handler, context, &found);
    link->refused += found.malformed;
    return found.error != 0 ? -found.error : !found.done;
}

void eye_diag_link_count_lost(struct eye_diag_link *link)
{
    uint32_t drops = eye_socket_drops(link->events);
    link->lost += drops - link->drops;
    link->drops = drops;
}

int eye_diag_link_event(struct eye_diag_link *link, eye_diag_handler *handler, void *context)
{
    struct eye_diag_found found;
    ssize_t length = receive(link, link->events, link->event_buffer);
    if (length <= 0) {
        return length == -EAGAIN ? 0 : length < 0 ? (int)length : 1;
    }
    eye_diag_parse(link->event_buffer, (size_t)length, 0, handler, context, &found);
    link->refused += found.malformed;
    return 1;
}
