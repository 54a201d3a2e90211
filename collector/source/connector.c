/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/connector.h"

#include <errno.h>
#include <limits.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/drops.h"
#include "collector/host/namespace.h"
#include "collector/source/netlink.h"
#include "collector/source/netlink_socket.h"

/* A message takes 768 bytes of it, and the kernel doubles it: 10 900 messages, 0.7 s of the busiest
 * traffic measured. Memory is used only while they wait. */
#define RECEIVE_BYTES (4 << 20)

/* More than the buffer holds. */
#define READ_MAX 65536

#define DATAGRAM_BYTES 4096

/* The payload of the filter, from Linux 6.6 on (743acf351bae). */
struct selection {
    __u32 operation;
    __u32 events;
};

/* A request: the longest. Its parts are unaligned, so they are copied. */
struct request {
    struct nlmsghdr header;
    char message[sizeof(struct cn_msg) + sizeof(struct selection)];
};

static int send_request(int fd, const void *payload, size_t bytes)
{
    const struct cn_msg message = {.id = {.idx = CN_IDX_PROC, .val = CN_VAL_PROC},
                                   .len = (__u16)bytes};
    size_t length = NLMSG_LENGTH(sizeof(message) + bytes);
    struct request request = {.header = {.nlmsg_len = (__u32)length, .nlmsg_type = NLMSG_DONE}};
    memcpy(request.message, &message, sizeof(message));
    memcpy(request.message + sizeof(message), payload, bytes);
    return eye_netlink_send(fd, &request, length);
}

static int subscribe(int fd, const char **ret_step)
{
    const struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    const __u32 listen = PROC_CN_MCAST_LISTEN;
    eye_netlink_enlarge(fd, RECEIVE_BYTES);
    *ret_step = "bind";
    if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) != 0) {
        return -errno;
    }
    *ret_step = "send";
    return send_request(fd, &listen, sizeof(listen));
}

/* What is made in another namespace. */
struct opening {
    int fd;
    int result;
    const char *step;
};

static void make_socket(void *context)
{
    struct opening *opening = context;
    EYE_AUTOCLOSE int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
    opening->step = "socket";
    opening->result = fd < 0 ? -errno : subscribe(fd, &opening->step);
    if (opening->result == 0) {
        opening->fd = EYE_TAKE_FD(fd);
    }
}

int eye_connector_open(const char *proc, struct eye_connector *ret_connector,
                       struct eye_error *ret_error)
{
    char path[PATH_MAX];
    struct opening opening = {.fd = -1};
    snprintf(path, sizeof(path), "%s/2/ns/net", proc == NULL ? "" : proc);
    if (proc == NULL || eye_in_network(path, make_socket, &opening) != 0) {
        make_socket(&opening);
    }
    *ret_connector = (struct eye_connector){.fd = opening.fd};
    return opening.result == 0
               ? 0
               : eye_error_set(ret_error, opening.result, "process events connector: %s: %s; %s",
                               opening.step, strerror(-opening.result),
                               opening.result == -ECONNREFUSED
                                   ? "run in the host's network namespace"
                                   : "grant cap_net_admin");
}

void eye_connector_close(struct eye_connector *connector)
{
    if (connector->fd >= 0) {
        close(connector->fd);
    }
    connector->fd = -1;
}

void eye_connector_narrow(const struct eye_connector *connector)
{
    const struct selection selection = {
        .operation = PROC_CN_MCAST_LISTEN,
        .events = (__u32)PROC_EVENT_EXEC | (__u32)PROC_EVENT_EXIT,
    };
    send_request(connector->fd, &selection, sizeof(selection));
}

/* ---- Messages ---- */

static enum eye_connector_what what_of(const struct proc_event *event, uint32_t *ret_pid)
{
    switch ((uint32_t)event->what) {
    case (uint32_t)PROC_EVENT_NONE:
        return EYE_CONNECTOR_ANSWER;
    case (uint32_t)PROC_EVENT_EXEC:
        *ret_pid = (uint32_t)event->event_data.exec.process_tgid;
        return EYE_CONNECTOR_EXEC;
    case (uint32_t)PROC_EVENT_EXIT:
        *ret_pid = (uint32_t)event->event_data.exit.process_tgid;
        return event->event_data.exit.process_pid == event->event_data.exit.process_tgid
                   ? EYE_CONNECTOR_EXIT
                   : EYE_CONNECTOR_OTHER;
    default:
        return EYE_CONNECTOR_OTHER;
    }
}

static bool take_message(struct eye_bytes body, eye_connector_handler *handler, void *context)
{
    struct cn_msg message;
    struct proc_event report;
    if (body.length < sizeof(message) + sizeof(report)) {
        return false;
    }
    memcpy(&message, body.start, sizeof(message));
    memcpy(&report, body.start + sizeof(message), sizeof(report));
    if (message.id.idx != CN_IDX_PROC || message.id.val != CN_VAL_PROC ||
        message.len < sizeof(report)) {
        return false;
    }
    struct eye_connector_event event = {.monotonic_ns = report.timestamp_ns};
    event.what = what_of(&report, &event.pid);
    event.error = event.what == EYE_CONNECTOR_ANSWER ? (int)report.event_data.ack.err : 0;
    handler(context, &event);
    return true;
}

bool eye_connector_parse(const void *datagram, size_t bytes, eye_connector_handler *handler,
                         void *context)
{
    struct eye_bytes rest = {datagram, bytes};
    struct eye_bytes body;
    struct nlmsghdr header;
    int result = 0;
    bool whole = bytes > 0;
    while (whole && (result = eye_netlink_next(&rest, &header, &body)) > 0) {
        whole = take_message(body, handler, context);
    }
    return whole && result == 0;
}

/* What another program sends is nothing that happened. */
static bool receive(struct eye_connector *connector, eye_connector_handler *handler, void *context,
                    int *ret_error)
{
    char datagram[DATAGRAM_BYTES];
    ssize_t got = eye_netlink_receive(connector->fd, datagram, sizeof(datagram));
    *ret_error = got < 0 ? (int)-got : 0;
    if (got >= 0 && !eye_connector_parse(datagram, (size_t)got, handler, context)) {
        connector->malformed++;
    }
    /* ENOBUFS: some were lost, which eye_connector_lost() knows. */
    return got >= 0 || *ret_error == ENOBUFS || *ret_error == EINTR;
}

int eye_connector_read(struct eye_connector *connector, eye_connector_handler *handler,
                       void *context)
{
    int error = 0;
    for (int i = 0; i < READ_MAX && receive(connector, handler, context, &error); i++) {
    }
    return error == 0 || error == EAGAIN || error == ENOBUFS || error == EINTR ? 0 : -error;
}

uint32_t eye_connector_lost(const struct eye_connector *connector)
{
    return eye_socket_drops(connector->fd);
}
