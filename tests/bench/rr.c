/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rr CONNECTIONS SECONDS: one byte there and one byte back, on each of some connections over
 * loopback, with two threads per connection so that the cores are never idle. Prints how many
 * exchanges and the nanoseconds that they took.
 */
#include "tests/bench/load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define CONNECTIONS_MAX 64

static atomic_bool stopping;
static uint64_t exchanges[CONNECTIONS_MAX * 8]; /* one per cache line */

struct line {
    int client;
    int server;
    uint64_t *exchanges;
    pthread_t threads[2];
};

/* Sends back what comes, until the other end closes. */
static void *answer(void *context)
{
    const struct line *line = context;
    char byte;
    while (recv(line->server, &byte, 1, 0) == 1 && send(line->server, &byte, 1, 0) == 1) {
    }
    return NULL;
}

static void *ask(void *context)
{
    const struct line *line = context;
    char byte = 1;
    while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
        if (send(line->client, &byte, 1, 0) != 1 || recv(line->client, &byte, 1, 0) != 1) {
            load_fail("exchange");
        }
        ++*line->exchanges;
    }
    shutdown(line->client, SHUT_RDWR);
    return NULL;
}

static void open_line(struct line *line, int listener, const struct sockaddr_in *address)
{
    int one = 1;
    line->client = load_connect(address);
    line->server = load_accept(listener);
    setsockopt(line->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(line->server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int main(int count, char **arguments)
{
    size_t lines_wanted = count == 3 ? load_number(arguments[1]) : 0;
    if (lines_wanted == 0 || lines_wanted > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: rr CONNECTIONS SECONDS (at most %d)\n", CONNECTIONS_MAX);
        return 2;
    }
    struct line lines[CONNECTIONS_MAX] = {0};
    struct sockaddr_in address;
    int listener = load_listen(0, &address);
    for (size_t i = 0; i < lines_wanted; i++) {
        lines[i].exchanges = &exchanges[i * 8];
        open_line(&lines[i], listener, &address);
    }
    uint64_t start_ns = load_now_ns();
    for (size_t i = 0; i < lines_wanted; i++) {
        if (pthread_create(&lines[i].threads[0], NULL, answer, &lines[i]) != 0 ||
            pthread_create(&lines[i].threads[1], NULL, ask, &lines[i]) != 0) {
            load_fail("pthread_create");
        }
    }
    sleep((unsigned)load_number(arguments[2]));
    atomic_store(&stopping, true);
    uint64_t total = 0;
    for (size_t i = 0; i < lines_wanted; i++) {
        pthread_join(lines[i].threads[1], NULL);
        pthread_join(lines[i].threads[0], NULL);
        total += *lines[i].exchanges;
    }
    printf("%llu %llu\n", (unsigned long long)total,
           (unsigned long long)(load_now_ns() - start_ns));
    return 0;
}
