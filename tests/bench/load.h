/* SPDX-License-Identifier: Apache-2.0 */
/* What the load generators share: loopback sockets, the clock, and ending with a message. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/parse.h"

static inline void load_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline uint64_t load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Command line arguments are the benchmark's own: whole numbers. */
static inline uint64_t load_number(const char *text)
{
    uint64_t value;
    if (eye_parse_u64(text, &value) != 0) {
        fprintf(stderr, "%s: not a number\n", text);
        exit(2);
    }
    return value;
}

/* Listens on 127.0.0.1. @port: 0: a free one, which @ret_address tells; the daemon gives such a
 * port no name. */
static inline int load_listen(uint16_t port, struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 4096) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        load_fail("listen");
    }
    *ret_address = address;
    return fd;
}

static inline int load_connect(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        load_fail("connect");
    }
    return fd;
}

static inline int load_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        load_fail("accept");
    }
    return fd;
}
