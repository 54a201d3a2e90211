/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn SECONDS: opens and closes TCP connections over loopback as fast as it can, one thread
 * connecting, one accepting. Prints how many and the nanoseconds that they took.
 */
#include "tests/bench/load.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* Connections that the accepting end may be behind: its backlog never fills. */
#define LAG_MAX 64

static atomic_uint_fast64_t accepted;

static void *serve(void *context)
{
    int listener = *(const int *)context;
    for (;;) {
        close(load_accept(listener));
        atomic_fetch_add(&accepted, 1);
    }
    return NULL;
}

static void wait_for_server(uint64_t made, uint64_t lag)
{
    while (made - atomic_load(&accepted) > lag) {
        sched_yield();
    }
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: conn SECONDS\n");
        return 2;
    }
    uint64_t length_ns = load_number(arguments[1]) * 1000000000;
    struct sockaddr_in address;
    int listener = load_listen(0, &address);
    pthread_t server;
    if (pthread_create(&server, NULL, serve, &listener) != 0) {
        load_fail("pthread_create");
    }
    uint64_t made = 0;
    uint64_t start_ns = load_now_ns();
    while (load_now_ns() - start_ns < length_ns) {
        close(load_connect(&address));
        wait_for_server(++made, LAG_MAX);
    }
    wait_for_server(made, 0);
    printf("%llu %llu\n", (unsigned long long)made, (unsigned long long)(load_now_ns() - start_ns));
    return 0;
}
