/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted server's thread. */
#include "tests/unit/exporters/http/http_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/parse.h"

#define POLL_MS 20
#define DRIP_MS 20

struct request {
    char *bytes; /* owned, NUL-terminated */
    size_t head; /* its length, the empty line included */
    size_t length;
};

struct http_server {
    struct http_script *scripts; /* a copy, its answers too: those of a test may be gone */
    size_t count;
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint connections;
    atomic_size_t received;
    atomic_uint_fast64_t sent;
    struct request requests[HTTP_REQUESTS_MAX];
};

/* False when the server stops first. */
static bool wait_readable(struct http_server *server, int fd)
{
    while (!atomic_load(&server->stopping)) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        if (poll(&item, 1, POLL_MS) > 0) {
            return true;
        }
    }
    return false;
}

static void pause_ms(struct http_server *server, unsigned milliseconds)
{
    for (unsigned done = 0; done < milliseconds && !atomic_load(&server->stopping); done += 10) {
        usleep(10000);
    }
}

/* What Content-Length says, or 0. */
static size_t announced(const char *head)
{
    const char *line = strcasestr(head, "\r\ncontent-length: ");
    uint64_t length = 0;
    if (line != NULL) {
        line += strlen("\r\ncontent-length: ");
        char *digits = strndup(line, strcspn(line, "\r"));
        eye_parse_u64(digits, &length);
        free(digits);
    }
    return (size_t)length;
}

static bool is_whole(struct request *request)
{
    const char *end = strstr(request->bytes, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    request->head = (size_t)(end - request->bytes) + 4;
    return request->length >= request->head + announced(request->bytes);
}

/* Reads one request; false when the connection or the server ends before. */
static bool read_request(struct http_server *server, int fd, struct request *request)
{
    request->bytes = calloc(1, HTTP_REQUEST_BYTES);
    assert(request->bytes != NULL);
    do {
        size_t room = HTTP_REQUEST_BYTES - 1 - request->length;
        if (room == 0 || !wait_readable(server, fd)) {
            return false;
        }
        ssize_t got = recv(fd, request->bytes + request->length, room, 0);
        if (got <= 0) {
            return false;
        }
        request->length += (size_t)got;
    } while (!is_whole(request));
    return true;
}

static bool send_bytes(struct http_server *server, int fd, const char *bytes, size_t length)
{
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    if (sent > 0) {
        atomic_fetch_add(&server->sent, (uint64_t)sent);
    }
    return sent == (ssize_t)length && !atomic_load(&server->stopping);
}

static void send_dripping(struct http_server *server, int fd, const char *answer)
{
    while (*answer != '\0' && send_bytes(server, fd, answer++, 1)) {
        pause_ms(server, DRIP_MS);
    }
}

static void send_endless(struct http_server *server, int fd, char byte)
{
    char piece[65536];
    memset(piece, byte, sizeof(piece));
    while (send_bytes(server, fd, piece, sizeof(piece))) {
    }
}

static void reset(int fd)
{
    const struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* True when the connection goes on. */
static bool end_answer(struct http_server *server, int fd, const struct http_script *script)
{
    char rest[256];
    switch (script->ending) {
    case HTTP_KEEP:
        return true;
    case HTTP_CLOSE:
        return false;
    case HTTP_RESET:
        reset(fd);
        return false;
    case HTTP_STALL:
        while (wait_readable(server, fd) && recv(fd, rest, sizeof(rest), 0) > 0) {
        }
        return false;
    case HTTP_ENDLESS:
        send_endless(server, fd, script->answer[strlen(script->answer) - 1]);
        return false;
    }
    return false;
}

static const struct http_script *next_script(const struct http_server *server)
{
    size_t received = atomic_load(&server->received);
    return &server->scripts[received < server->count ? received : server->count - 1];
}

/* Serves one request; true when the connection goes on. */
static bool serve(struct http_server *server, int fd)
{
    const struct http_script *script = next_script(server);
    size_t index = atomic_load(&server->received);
    assert(index < HTTP_REQUESTS_MAX);
    if (!script->unread && !read_request(server, fd, &server->requests[index])) {
        free(server->requests[index].bytes);
        server->requests[index] = (struct request){0};
        return false;
    }
    atomic_fetch_add(&server->received, 1);
    pause_ms(server, script->delay_ms);
    if (script->drip) {
        send_dripping(server, fd, script->answer);
    } else {
        send_bytes(server, fd, script->answer, strlen(script->answer));
    }
    return end_answer(server, fd, script);
}

static void *run(void *context)
{
    struct http_server *server = context;
    while (wait_readable(server, server->listener)) {
        int fd = accept(server->listener, NULL, NULL);
        assert(fd >= 0);
        atomic_fetch_add(&server->connections, 1);
        while (serve(server, fd)) {
        }
        close(fd);
    }
    return NULL;
}

static struct http_script *copy_scripts(const struct http_script *scripts, size_t count)
{
    struct http_script *copies = calloc(count, sizeof(copies[0]));
    assert(copies != NULL);
    for (size_t i = 0; i < count; i++) {
        copies[i] = scripts[i];
        copies[i].answer = scripts[i].answer == NULL ? NULL : strdup(scripts[i].answer);
    }
    return copies;
}

struct http_server *http_server_start(const struct http_script *scripts, size_t count)
{
    struct http_server *server = calloc(1, sizeof(*server));
    assert(server != NULL);
    server->scripts = copy_scripts(scripts, count);
    server->count = count;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(server->listener >= 0);
    assert(bind(server->listener, (struct sockaddr *)&address, length) == 0);
    assert(listen(server->listener, 16) == 0);
    assert(getsockname(server->listener, (struct sockaddr *)&address, &length) == 0);
    server->port = ntohs(address.sin_port);
    assert(pthread_create(&server->thread, NULL, run, server) == 0);
    return server;
}

void http_server_stop(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    atomic_store(&server->stopping, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (size_t i = 0; i < HTTP_REQUESTS_MAX; i++) {
        free(server->requests[i].bytes);
    }
    for (size_t i = 0; i < server->count; i++) {
        free((void *)(uintptr_t)server->scripts[i].answer);
    }
    free(server->scripts);
    free(server);
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

unsigned http_server_connections(const struct http_server *server)
{
    return atomic_load(&server->connections);
}

size_t http_server_requests(const struct http_server *server)
{
    return atomic_load(&server->received);
}

uint64_t http_server_sent_bytes(const struct http_server *server)
{
    return atomic_load(&server->sent);
}

const char *http_server_head(const struct http_server *server, size_t index)
{
    assert(index < http_server_requests(server));
    return server->requests[index].bytes;
}

const char *http_server_body(const struct http_server *server, size_t index, size_t *ret_length)
{
    assert(index < http_server_requests(server));
    const struct request *request = &server->requests[index];
    *ret_length = request->length - request->head;
    return request->bytes + request->head;
}
