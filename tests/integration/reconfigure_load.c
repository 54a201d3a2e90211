/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/reconfigure_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Below the ephemeral ports, so that no client's own port is taken for the test's. */
#define FIRST_PORT 20000
#define PORTS 12000

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define PAUSE_US 500

/* Between two of a kind, so that whoever loads kernel programs finds a CPU. */
#define BREATH_US 100

const char *const load_paths[LOAD_PHASES] = {
    [LOAD_BETWEEN] = "/between", [LOAD_COUNTED] = "/counted", [LOAD_IGNORED] = "/ignored"};

static struct load *shared;
static atomic_uint serving;

/* ---- The process ---- */

static _Noreturn void give_up(const char *what)
{
    perror(what);
    shared->failed = true;
    _exit(1);
}

static void start_thread(void *(*run)(void *), void *context, pthread_t *ret_thread)
{
    if (pthread_create(ret_thread, NULL, run, context) != 0) {
        give_up("load: pthread_create");
    }
}

/* Answers whoever asks, and ends when the other end has. */
static void *serve(void *context)
{
    char bytes[4096];
    int fd = (int)(intptr_t)context;
    for (ssize_t got = recv(fd, bytes, sizeof(bytes), 0); got > 0;
         got = recv(fd, bytes, sizeof(bytes), 0)) {
        if (bytes[0] == 'G' && send(fd, ANSWER, strlen(ANSWER), MSG_NOSIGNAL) < 0) {
            give_up("load: answer");
        }
    }
    close(fd);
    serving--;
    return NULL;
}

static _Noreturn void *accept_all(void *context)
{
    (void)context;
    for (;;) {
        pthread_t thread;
        int fd = accept(shared->listener, NULL, NULL);
        if (fd < 0) {
            give_up("load: accept");
        }
        serving++;
        start_thread(serve, (void *)(intptr_t)fd, &thread);
        pthread_detach(thread);
    }
}

static int open_connection(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(shared->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        give_up("load: connect");
    }
    shared->opened++;
    return fd;
}

static void ask(int fd, const char *path)
{
    char text[256];
    int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: load\r\n\r\n", path);
    if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length ||
        recv(fd, text, strlen(ANSWER), MSG_WAITALL) != (ssize_t)strlen(ANSWER)) {
        give_up("load: ask");
    }
}

/* Which phase it is in now, so that whoever waits knows that the one before is over. */
static enum load_phase look(size_t client)
{
    enum load_phase phase = shared->phase;
    shared->seen[client] = phase;
    return phase;
}

static void *ask_on(void *context)
{
    size_t client = (size_t)(uintptr_t)context;
    int fd = open_connection();
    for (enum load_phase phase = look(client); phase != LOAD_ENDS; phase = look(client)) {
        if (load_paths[phase] == NULL) {
            usleep(PAUSE_US);
            continue;
        }
        ask(fd, load_paths[phase]);
        shared->requests[phase]++;
        usleep(BREATH_US);
    }
    close(fd);
    return NULL;
}

/* The other end closes as well, so that no more wait to be accepted than there is room for. */
static void open_and_close(void)
{
    char byte = '?';
    int fd = open_connection();
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || shutdown(fd, SHUT_WR) != 0 ||
        recv(fd, &byte, 1, 0) != 0) {
        give_up("load: open and close");
    }
    close(fd);
}

static void *open_on(void *context)
{
    (void)context;
    for (enum load_phase phase = look(LOAD_CLIENTS); phase != LOAD_ENDS;
         phase = look(LOAD_CLIENTS)) {
        if (load_paths[phase] == NULL) {
            usleep(PAUSE_US);
            continue;
        }
        open_and_close();
        usleep(BREATH_US);
    }
    return NULL;
}

/* A busy host acknowledges an end behind the close() that sent it. */
static bool has_connections(void)
{
    char line[256];
    bool found = false;
    FILE *file = fopen("/proc/self/net/tcp", "r");
    if (file == NULL) {
        give_up("load: /proc/self/net/tcp");
    }
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        unsigned int local;
        unsigned int remote;
        unsigned int state;
        found = sscanf(line, "%*d: %*x:%x %*x:%x %x", &local, &remote, &state) == 3 &&
                (local == shared->port || remote == shared->port) && state != TCP_LISTEN &&
                state != TCP_TIME_WAIT;
    }
    fclose(file);
    return found;
}

static _Noreturn void run(void)
{
    pthread_t accepts;
    pthread_t threads[LOAD_CLIENTS + 1];
    int held[LOAD_HELD];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (shared->phase == LOAD_WAITS) {
        usleep(PAUSE_US);
    }
    start_thread(accept_all, NULL, &accepts);
    for (size_t i = 0; i < LOAD_HELD; i++) {
        held[i] = open_connection();
    }
    for (size_t i = 0; i <= LOAD_CLIENTS; i++) {
        start_thread(i < LOAD_CLIENTS ? ask_on : open_on, (void *)i, &threads[i]);
    }
    for (size_t i = 0; i <= LOAD_CLIENTS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < LOAD_HELD; i++) {
        close(held[i]);
    }
    while (serving > 0 || has_connections()) {
        usleep(PAUSE_US);
    }
    _exit(0);
}

/* ---- Who tells it what to do ---- */

static void listen_somewhere(struct load *load)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    load->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(load->listener >= 0);
    load->port = (unsigned short)(FIRST_PORT + getpid() % PORTS);
    do {
        load->port++;
        address.sin_port = htons(load->port);
    } while (bind(load->listener, (const struct sockaddr *)&address, sizeof(address)) != 0);
    assert_int_equal(listen(load->listener, 128), 0);
}

struct load *load_start(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    listen_somewhere(shared);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        run();
    }
    shared->process = process;
    close(shared->listener);
    return shared;
}

void load_turn(struct load *load, enum load_phase phase)
{
    load->phase = phase;
    for (size_t i = 0; i <= LOAD_CLIENTS; i++) {
        while (load->seen[i] != phase) {
            assert_false(load->failed);
            usleep(PAUSE_US / 10);
        }
    }
}

void load_end(struct load *load)
{
    int status = -1;
    load->phase = LOAD_ENDS;
    assert_int_equal(waitpid(load->process, &status, 0), load->process);
    assert_int_equal(status, 0);
}

void load_free(struct load *load)
{
    munmap(load, sizeof(*load));
}
