/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle CONNECTIONS PORTS: opens connections over loopback, spread over some listening ports, and
 * keeps both ends. Says "ready", then does one thing per line of stdin: "touch" sends a byte over
 * every connection and says "touched". Ends with stdin.
 */
#include "tests/bench/load.h"

#include <sys/resource.h>

/* In a network namespace of its own, below the ports that the kernel chooses. */
#define FIRST_PORT 20000

struct line {
    int client;
    int server;
};

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void open_lines(struct line *lines, size_t count, size_t ports)
{
    for (size_t port = 0; port < ports; port++) {
        struct sockaddr_in address;
        int listener = load_listen((uint16_t)(FIRST_PORT + port), &address);
        for (size_t i = port; i < count; i += ports) {
            lines[i].client = load_connect(&address);
            lines[i].server = load_accept(listener);
        }
        close(listener);
    }
}

static void touch(const struct line *lines, size_t count)
{
    char byte = 1;
    for (size_t i = 0; i < count; i++) {
        if (send(lines[i].client, &byte, 1, 0) != 1 || recv(lines[i].server, &byte, 1, 0) != 1) {
            load_fail("touch");
        }
    }
}

static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 3) {
        fprintf(stderr, "usage: idle CONNECTIONS PORTS\n");
        return 2;
    }
    size_t count = load_number(arguments[1]);
    size_t ports = load_number(arguments[2]);
    struct line *lines = calloc(count, sizeof(*lines));
    if (lines == NULL || ports == 0) {
        load_fail("idle");
    }
    raise_descriptor_limit();
    open_lines(lines, count, ports);
    say("ready");
    char word[32];
    while (fgets(word, sizeof(word), stdin) != NULL) {
        touch(lines, count);
        say("touched");
    }
    free(lines);
    return 0;
}
