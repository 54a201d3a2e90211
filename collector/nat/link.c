/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/nat/link.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/privileges.h"
#include "collector/source/netlink_socket.h"

/* Room for events that are not read yet: one takes 1.3 KB of it. Memory is used only while they
 * wait. */
#define EVENTS_BUFFER_BYTES (8 << 20)

/* The kernel answers while it is asked; what takes longer is not waited for. */
static const struct timeval patience = {.tv_usec = 100000};

/* A translation is decided before an entry is told of, so changes of it (UPDATE) tell nothing more,
 * and would cost who connects some 10 us for each connection. */
static const struct sockaddr_nl groups = {
    .nl_family = AF_NETLINK,
    .nl_groups = NF_NETLINK_CONNTRACK_NEW | NF_NETLINK_CONNTRACK_DESTROY,
};

static int open_asks(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static int open_events(void)
{
    EYE_AUTOCLOSE int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (fd < 0) {
        return -errno;
    }
    eye_netlink_enlarge(fd, EVENTS_BUFFER_BYTES);
    if (bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) != 0) {
        return -errno;
    }
    return EYE_TAKE_FD(fd);
}

int eye_conntrack_link_open(bool events, struct eye_conntrack_link *ret_link)
{
    struct eye_conntrack_link link = {.asks = open_asks(), .events = -1};
    if (link.asks < 0) {
        return link.asks;
    }
    if (events) {
        link.events = open_events();
    }
    if (events && link.events < 0) {
        int result = link.events;
        close(link.asks);
        return result;
    }
    *ret_link = link;
    return 0;
}

static void close_one(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

void eye_conntrack_link_close(struct eye_conntrack_link *link)
{
    close_one(&link->asks);
    close_one(&link->events);
}

static int send_question(struct eye_conntrack_link *link, const void *question, size_t bytes)
{
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    int result = eye_netlink_send(link->asks, question, bytes);
    eye_privileges_lower(privileges);
    return result;
}

/* As eye_conntrack_parse(), of the next datagram; 0 or -errno. */
static int read_datagram(struct eye_conntrack_link *link, int fd, uint32_t sequence,
                         eye_conntrack_handler *handler, void *context,
                         struct eye_netlink_found *ret_found)
{
    ssize_t length = eye_netlink_receive(fd, link->buffer, EYE_CONNTRACK_DATAGRAM_BYTES);
    if (length < 0) {
        return (int)length;
    }
    eye_conntrack_parse(link->buffer, (size_t)length, sequence, handler, context, ret_found);
    link->malformed += ret_found->malformed + (length == 0);
    return 0;
}

int eye_conntrack_link_ask(struct eye_conntrack_link *link, const struct eye_tuple *tuple,
                           eye_conntrack_handler *handler, void *context)
{
    _Alignas(uint32_t) uint8_t question[EYE_CONNTRACK_QUESTION_BYTES];
    struct eye_netlink_found found = {0};
    int result =
        send_question(link, question, eye_conntrack_ask(question, tuple, ++link->sequence));
    /* What is left of an answer that came too late stands before it. */
    while (result == 0 && found.objects == 0 && !found.done) {
        result = read_datagram(link, link->asks, link->sequence, handler, context, &found);
    }
    return result != 0 ? result : -found.error;
}

int eye_conntrack_link_ask_all(struct eye_conntrack_link *link, enum eye_nat nat)
{
    _Alignas(uint32_t) uint8_t question[EYE_CONNTRACK_QUESTION_BYTES];
    /* The kernel makes no dump while another one is not read. */
    while (recv(link->asks, link->buffer, EYE_CONNTRACK_DATAGRAM_BYTES, MSG_DONTWAIT) > 0) {
    }
    return send_question(link, question, eye_conntrack_ask_all(question, nat, ++link->sequence));
}

int eye_conntrack_link_next(struct eye_conntrack_link *link, eye_conntrack_handler *handler,
                            void *context)
{
    struct eye_netlink_found found;
    int result = read_datagram(link, link->asks, link->sequence, handler, context, &found);
    return result != 0 ? result : found.error != 0 ? -found.error : !found.done;
}

int eye_conntrack_link_event(struct eye_conntrack_link *link, eye_conntrack_handler *handler,
                             void *context)
{
    struct eye_netlink_found found;
    int result = read_datagram(link, link->events, 0, handler, context, &found);
    return result == -EAGAIN ? 0 : result != 0 ? result : 1;
}

/* ---- Whether it works ---- */

static const char *remedy_of(int error)
{
    return error == -EPERM ? "grant cap_net_admin"
                           : "load the kernel module nf_conntrack_netlink, where there is one";
}

static void ignore(void *context, const struct eye_conntrack_entry *entry)
{
    (void)context;
    (void)entry;
}

/* The kernel loads nf_conntrack_netlink when root asks for it first. Nobody has this connection. */
static int ask_once(struct eye_conntrack_link *link)
{
    static const struct eye_tuple nobody = {
        .source = {[10] = 0xff, [11] = 0xff},
        .destination = {[10] = 0xff, [11] = 0xff},
    };
    uint32_t buffer[EYE_CONNTRACK_DATAGRAM_BYTES / sizeof(uint32_t)];
    link->buffer = buffer;
    int result = eye_conntrack_link_ask(link, &nobody, ignore, NULL);
    link->buffer = NULL;
    return result == -ENOENT ? 0 : result;
}

int eye_conntrack_link_check(bool events, struct eye_error *ret_error)
{
    struct eye_conntrack_link link = {.asks = -1, .events = -1};
    int result = eye_conntrack_link_open(events, &link);
    if (result == 0) {
        result = ask_once(&link);
    }
    eye_conntrack_link_close(&link);
    return result == 0 ? 0
                       : eye_error_set(ret_error, result, "conntrack cannot be asked: %s; %s",
                                       strerror(-result), remedy_of(result));
}
