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
#include "collector/source/netlink_socket.h"

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
    eye_netlink_enlarge(fd, EVENTS_BUFFER_BYTES);
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
    return eye_netlink_send(link->dumps, &ask, sizeof(ask));
}

int eye_diag_link_next(struct eye_diag_link *link, eye_diag_handler *handler, void *context)
{
    struct eye_netlink_found found;
    ssize_t length = eye_netlink_receive(link->dumps, link->dump_buffer, EYE_DIAG_DATAGRAM_BYTES);
    if (length < 0) {
        return (int)length;
    }
    eye_diag_parse(link->dump_buffer, (size_t)length, link->sequence, handler, context, &found);
    link->refused += found.malformed + (length == 0);
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
    struct eye_netlink_found found;
    ssize_t length = eye_netlink_receive(link->events, link->event_buffer, EYE_DIAG_DATAGRAM_BYTES);
    if (length < 0) {
        return length == -EAGAIN ? 0 : (int)length;
    }
    eye_diag_parse(link->event_buffer, (size_t)length, 0, handler, context, &found);
    link->refused += found.malformed + (length == 0);
    return 1;
}
