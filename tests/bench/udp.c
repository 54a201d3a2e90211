/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp pair|fresh SECONDS: datagrams of 1000 bytes over loopback, written and read by one thread on
 * one core. pair: always between the same two sockets. fresh: a new socket asks with each datagram
 * and gets one as answer. Prints how many datagrams and the nanoseconds that they took.
 */
#include "tests/bench/load.h"

#include <sched.h>
#include <stdbool.h>

#define DATAGRAM_BYTES 1000

static int bound_socket(struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        load_fail("bind");
    }
    *ret_address = address;
    return fd;
}

static int connected_socket(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        load_fail("connect");
    }
    return fd;
}

/* One datagram there; returns how many were moved. */
static uint64_t tell(int client, int server)
{
    char bytes[DATAGRAM_BYTES] = {0};
    if (send(client, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
        recv(server, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        load_fail("datagram");
    }
    return 1;
}

/* One there and one back, of a socket that lives for no more. */
static uint64_t ask(const struct sockaddr_in *address, int server)
{
    char bytes[DATAGRAM_BYTES] = {0};
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    int client = connected_socket(address);
    if (send(client, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
        recvfrom(server, bytes, sizeof(bytes), 0, (struct sockaddr *)&peer, &length) < 0 ||
        sendto(server, bytes, sizeof(bytes), 0, (struct sockaddr *)&peer, length) < 0 ||
        recv(client, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        load_fail("question and answer");
    }
    close(client);
    return 2;
}

/* Both ends run where we are now: a wake-up on another core would be most of the time. */
static void stay_on_core(void)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET((size_t)sched_getcpu(), &cores);
    if (sched_setaffinity(0, sizeof(cores), &cores) != 0) {
        load_fail("sched_setaffinity");
    }
}

int main(int count, char **arguments)
{
    bool fresh = count == 3 && strcmp(arguments[1], "fresh") == 0;
    if (count != 3 || (!fresh && strcmp(arguments[1], "pair") != 0)) {
        fprintf(stderr, "usage: udp pair|fresh SECONDS\n");
        return 2;
    }
    uint64_t length_ns = load_number(arguments[2]) * 1000000000;
    struct sockaddr_in address;
    int server = bound_socket(&address);
    int client = connected_socket(&address);
    stay_on_core();
    uint64_t moved = 0;
    uint64_t start_ns = load_now_ns();
    while (load_now_ns() - start_ns < length_ns) {
        moved += fresh ? ask(&address, server) : tell(client, server);
    }
    printf("%llu %llu\n", (unsigned long long)moved,
           (unsigned long long)(load_now_ns() - start_ns));
    return 0;
}
