/* SPDX-License-Identifier: Apache-2.0 */
/* One poll loop over a listener, its connections and a datagram socket. */
#include "tests/bench/receiver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/base/base.h"

#define CONNECTIONS_MAX 32
#define HEAD_MAX 8192
#define PIECE_BYTES ((size_t)256 << 10)

static const char accepted[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
                               "X-Prometheus-Remote-Write-Samples-Written: 999999999\r\n"
                               "X-Prometheus-Remote-Write-Histograms-Written: 0\r\n"
                               "Content-Length: 0\r\n\r\n";

struct connection {
    size_t head_length; /* of the request whose head is being read */
    size_t body_left;
    char head[HEAD_MAX + 1];
};

enum { LISTENER, DATAGRAMS, FIRST_CONNECTION };

static struct connection connections[CONNECTIONS_MAX];
static char piece[PIECE_BYTES];

static int bind_loopback(int type, uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    bool bound = bind(fd, (const struct sockaddr *)&address, length) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    assert(bound);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static bool is_http(const struct connection *connection)
{
    return strncmp(connection->head, "POST ", 5) == 0 ||
           strncmp(connection->head, "PUT ", 4) == 0 || strncmp(connection->head, "GET ", 4) == 0;
}

static size_t body_length(const char *head)
{
    static const char name[] = "content-length: ";
    const char *digit = strcasestr(head, name);
    size_t length = 0;
    for (digit = digit == NULL ? "" : digit + strlen(name); *digit >= '0' && *digit <= '9';
         digit++) {
        length = length * 10 + (size_t)(*digit - '0');
    }
    return length;
}

/* Takes bytes of a request's head; returns how many of @count. */
static size_t take_head(struct connection *connection, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count && connection->head_length < HEAD_MAX; i++) {
        connection->head[connection->head_length++] = bytes[i];
        connection->head[connection->head_length] = '\0';
        if (bytes[i] == '\n' && connection->head_length >= 4 &&
            strcmp(connection->head + connection->head_length - 4, "\r\n\r\n") == 0) {
            connection->body_left = body_length(connection->head);
            return i + 1;
        }
    }
    return count;
}

static bool head_is_whole(const struct connection *connection)
{
    return connection->head_length >= 4 &&
           strcmp(connection->head + connection->head_length - 4, "\r\n\r\n") == 0;
}

static void take(struct connection *connection, int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        if (!head_is_whole(connection)) {
            if (connection->head_length >= 5 && !is_http(connection)) {
                return;
            }
            size_t taken = take_head(connection, bytes, count);
            bytes += taken;
            count -= taken;
        }
        size_t body = count < connection->body_left ? count : connection->body_left;
        bytes += body;
        count -= body;
        connection->body_left -= body;
        if (head_is_whole(connection) && connection->body_left == 0) {
            ssize_t ignored = write(fd, accepted, strlen(accepted));
            (void)ignored;
            connection->head_length = 0;
        }
    }
}

static void read_connection(struct pollfd *polled, struct connection *connection)
{
    ssize_t count = read(polled->fd, piece, sizeof(piece));
    if (count <= 0) {
        close(polled->fd);
        polled->fd = -1;
        return;
    }
    take(connection, polled->fd, piece, (size_t)count);
}

static void accept_connection(struct pollfd *fds)
{
    int fd = accept4(fds[LISTENER].fd, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (fds[FIRST_CONNECTION + i].fd < 0) {
            connections[i] = (struct connection){0};
            fds[FIRST_CONNECTION + i].fd = fd;
            return;
        }
    }
    close(fd);
}

static void serve(struct pollfd *fds)
{
    for (;;) {
        poll(fds, FIRST_CONNECTION + CONNECTIONS_MAX, -1);
        if (fds[LISTENER].revents != 0) {
            accept_connection(fds);
        }
        while (fds[DATAGRAMS].revents != 0 &&
               recv(fds[DATAGRAMS].fd, piece, sizeof(piece), MSG_DONTWAIT) >= 0) {
        }
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            struct pollfd *polled = &fds[FIRST_CONNECTION + i];
            if (polled->fd >= 0 && polled->revents != 0) {
                read_connection(polled, &connections[i]);
            }
        }
    }
}

struct bench_receiver bench_receiver_start(void)
{
    struct bench_receiver receiver;
    struct pollfd fds[FIRST_CONNECTION + CONNECTIONS_MAX];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(fds); i++) {
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    }
    fds[LISTENER].fd = bind_loopback(SOCK_STREAM, &receiver.stream_port);
    fds[DATAGRAMS].fd = bind_loopback(SOCK_DGRAM, &receiver.datagram_port);
    listen(fds[LISTENER].fd, CONNECTIONS_MAX);
    receiver.process = fork();
    assert(receiver.process >= 0);
    if (receiver.process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(fds);
    }
    close(fds[LISTENER].fd);
    close(fds[DATAGRAMS].fd);
    return receiver;
}

void bench_receiver_stop(struct bench_receiver *receiver)
{
    kill(receiver->process, SIGKILL);
    waitpid(receiver->process, NULL, 0);
}
