/* SPDX-License-Identifier: Apache-2.0 */
/* The loop, and what libmicrohttpd calls. */
#include "exporters/server/server.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/base/text.h"
#include "collector/base/thread.h"

#define REQUEST_MAX_BYTES ((size_t)16 << 10) /* of the head of a request, per connection */
#define BLOCK_BYTES ((size_t)32 << 10)       /* of a page, given to the library at a time */

/* Of an answer in the kernel, per connection; it would take megabytes for one who does not read. */
#define SEND_BUFFER_BYTES (128 << 10)

/* After that many those that are open have their turn; less than a share, so that enough of these
 * are there to give way. */
#define ACCEPTS_PER_ROUND (EYE_PEERS_SHARE / 2)

/* Without descriptors or memory for one more connection. */
#define REST_NS (100 * EYE_NS_PER_MS)

/* TLS 1.2 and newer. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- Replies ---- */

/* A stream on its way to one peer. */
struct delivery {
    struct eye_server *server;
    struct eye_peer *peer;
    struct eye_stream stream;
};

/* Called when the bytes before @position are sent. */
static ssize_t read_delivery(void *context, uint64_t position, char *buffer, size_t size)
{
    struct delivery *delivery = context;
    const struct eye_stream *stream = &delivery->stream;
    ssize_t length = stream->read(stream->context, buffer, size);
    if (length <= 0) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    eye_peers_progress(&delivery->server->peers, delivery->peer, position,
                       eye_clock_monotonic_ns());
    if (position + (uint64_t)length == stream->bytes) {
        stream->taken(stream->context);
    }
    return length;
}

static void free_delivery(void *context)
{
    struct delivery *delivery = context;
    delivery->stream.free(delivery->stream.context);
    free(delivery);
}

static struct MHD_Response *stream_response(struct eye_server *server, struct eye_peer *peer,
                                            const struct eye_stream *stream)
{
    struct delivery *delivery = malloc(sizeof(*delivery));
    if (delivery == NULL) {
        stream->free(stream->context);
        return NULL;
    }
    *delivery = (struct delivery){server, peer, *stream};
    struct MHD_Response *response = eye_mhd.create_response_from_callback(
        stream->bytes, BLOCK_BYTES, read_delivery, delivery, free_delivery);
    if (response == NULL) {
        free_delivery(delivery);
    }
    return response;
}

static struct MHD_Response *text_response(char *text)
{
    struct MHD_Response *response =
        eye_mhd.create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
    }
    return response;
}

static struct MHD_Response *words_response(const char *words)
{
    return eye_mhd.create_response_from_buffer(strlen(words), (void *)(uintptr_t)words, /* read */
                                               MHD_RESPMEM_PERSISTENT);
}

static void add_headers(struct MHD_Response *response, const struct eye_reply *reply)
{
    char seconds[24];
    eye_mhd.add_response_header(response, "Content-Type", reply->content_type);
    /* So nobody has a place between two scrapes, and none by asking without an end. */
    eye_mhd.add_response_header(response, "Connection", "close");
    for (size_t i = 0; i < EYE_REPLY_HEADERS_MAX && reply->headers[i].name != NULL; i++) {
        eye_mhd.add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    }
    if (reply->retry_after_s > 0) {
        snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)reply->retry_after_s);
        eye_mhd.add_response_header(response, "Retry-After", seconds);
    }
}

static struct MHD_Response *make_response(struct eye_server *server, struct eye_peer *peer,
                                          const struct eye_reply *reply)
{
    if (reply->words != NULL) {
        return words_response(reply->words);
    }
    return reply->text != NULL ? text_response(reply->text)
                               : stream_response(server, peer, &reply->stream);
}

static union MHD_ConnectionInfo info_of(struct MHD_Connection *connection,
                                        enum MHD_ConnectionInfoType type)
{
    return *eye_mhd.get_connection_info(connection, type);
}

static struct eye_peer *peer_of(struct MHD_Connection *connection)
{
    return info_of(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT).socket_context;
}

/* Without a response the library closes the connection. */
static enum MHD_Result send_reply(struct eye_server *server, struct MHD_Connection *connection,
                                  const struct eye_reply *reply)
{
    struct MHD_Response *response = make_response(server, peer_of(connection), reply);
    if (response == NULL) {
        atomic_fetch_add(server->setup.counts.other, 1);
        return MHD_NO;
    }
    add_headers(response, reply);
    enum MHD_Result result = eye_mhd.queue_response(connection, reply->status, response);
    eye_mhd.destroy_response(response);
    return result;
}

/* ---- What the library calls, in our thread ---- */

const char *eye_server_path(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], length) == 0) {
            const char *path = strchr(target + length, '/');
            return path != NULL ? path : "/";
        }
    }
    return target;
}

/* Once the head of a request is read. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *target,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_length, void **request_context)
{
    (void)version;
    (void)upload;
    (void)upload_length;
    (void)request_context;
    struct eye_server *server = context;
    struct eye_peer *peer = peer_of(connection);
    if (eye_peer_is_shut_down(peer)) {
        return MHD_NO;
    }
    struct eye_reply reply = {.ticket = peer->ticket};
    server->setup.answer(server->setup.context, connection, eye_server_path(target), method,
                         &reply);
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (reply.ticket != 0 && server->closing) {
        return MHD_NO;
    }
    if (reply.ticket != 0) {
        eye_peers_wait(&server->peers, peer, connection, reply.ticket, now_ns);
        eye_mhd.suspend_connection(connection);
        return MHD_YES;
    }
    eye_peers_serve(&server->peers, peer, reply.stream.page, reply.stream.page_bytes, now_ns);
    return send_reply(server, connection, &reply);
}

static void note_connection(void *context, struct MHD_Connection *connection, void **peer,
                            enum MHD_ConnectionNotificationCode what)
{
    struct eye_server *server = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = info_of(connection, MHD_CONNECTION_INFO_CONNECTION_FD).connect_fd;
        *peer = eye_peers_join(
            &server->peers, fd,
            eye_peer_address(fd,
                             info_of(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS).client_addr),
            eye_clock_monotonic_ns());
        assert(*peer != NULL); /* no more are accepted */
    } else {
        eye_peers_leave(&server->peers, *peer);
    }
}

/* How the library begins to tell what comes with each request of some: that a client has gone, that
 * a unix socket is none of TCP. */
static const char *const of_no_use[] = {
    "Setting %s option to",
    "Socket has been disconnected",
    "Connection socket is closed",
    "Connection was closed by remote",
    "Failed to send",
    "Failed to push the data",
};

static bool is_of_no_use(const char *format)
{
    size_t i = 0;
    while (i < EYE_ARRAY_LENGTH(of_no_use) &&
           strncmp(format, of_no_use[i], strlen(of_no_use[i])) != 0) {
        i++;
    }
    return i < EYE_ARRAY_LENGTH(of_no_use);
}

/* What goes wrong with one scraper is that scraper's business. */
static void log_server(void *context, const char *format, va_list arguments)
{
    char line[256];
    if (is_of_no_use(format)) {
        return;
    }
    /* MHD's own constant formats. */
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"");
    eye_format_shown(line, sizeof(line), format, arguments);
    _Pragma("GCC diagnostic pop");
    eye_log_debug("%s server: libmicrohttpd: %s", ((const struct eye_server *)context)->setup.name,
                  line);
}

/* ---- The library's daemon ---- */

static struct MHD_Daemon *start_daemon(struct eye_server *server)
{
    static const struct eye_certificate none;
    const struct eye_certificate *certificate =
        server->setup.certificate != NULL ? server->setup.certificate : &none;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES}, /* only read */
        {MHD_OPTION_END, 0, NULL},
    };
    bool secure = certificate->key != NULL;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | (secure ? MHD_USE_TLS : 0U);
    /* Without a thread of its own it needs no timeout; signals are blocked in ours. */
    return eye_mhd.start_daemon(
        flags, 0, NULL, NULL, answer, server, MHD_OPTION_EXTERNAL_LOGGER, log_server, server,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int)EYE_PEERS_MAX, MHD_OPTION_NOTIFY_CONNECTION,
        note_connection, server, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_MAX_BYTES,
        MHD_OPTION_ARRAY, secure ? tls : &tls[EYE_ARRAY_LENGTH(tls) - 1], MHD_OPTION_END);
}

/* Connections of the old one end with it; scrapers come again. */
static void show_another_certificate(struct eye_server *server)
{
    struct MHD_Daemon *daemon = start_daemon(server);
    if (daemon == NULL) {
        atomic_fetch_add(server->setup.counts.other, 1);
        eye_log_warning("%s server: cannot use the certificate that was replaced; the one before "
                        "stays in use",
                        server->setup.name);
        return;
    }
    eye_mhd.stop_daemon(server->daemon);
    server->daemon = daemon;
    eye_log_info("%s server: shows the certificate that is in `tls.cert_file` now",
                 server->setup.name);
}

/* ---- The loop ---- */

static size_t room(const struct eye_server *server)
{
    size_t free = EYE_PEERS_MAX - server->peers.open;
    return free < ACCEPTS_PER_ROUND ? free : ACCEPTS_PER_ROUND;
}

/* The library closes what it does not take. */
static int accept_one(struct eye_server *server)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    const int bytes = SEND_BUFFER_BYTES;
    int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return eye_mhd.add_connection(server->daemon, fd, (struct sockaddr *)&address, length) ==
                   MHD_YES
               ? 0
               : -ENOMEM;
}

/* One that ended before it was accepted, and what only that one had. */
static bool is_of_the_peer(int error)
{
    return error == -ECONNABORTED || error == -EPROTO || error == -EINTR || error == -EPERM ||
           error == -ENETDOWN || error == -EHOSTUNREACH || error == -ENETUNREACH;
}

static void accept_some(struct eye_server *server)
{
    int result = 0;
    for (size_t i = room(server); i > 0 && (result == 0 || is_of_the_peer(result)); i--) {
        result = accept_one(server);
    }
    if (result != 0 && result != -EAGAIN && !is_of_the_peer(result)) {
        atomic_fetch_add(server->setup.counts.other, 1);
        eye_log_debug("%s server: cannot accept: %s", server->setup.name, strerror(-result));
        server->rest_until_ns = eye_clock_monotonic_ns() + REST_NS;
    }
}

/* A run sends one block of each answer: as many as the kernel takes, before others come. */
#define RUNS_PER_ROUND (2 * (size_t)SEND_BUFFER_BYTES / BLOCK_BYTES + 2)

static void run_library(struct eye_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    for (size_t i = 0; i < RUNS_PER_ROUND && wait_ms == 0; i++) {
        eye_mhd.run(server->daemon);
        if (eye_mhd.get_timeout(server->daemon, &wait_ms) != MHD_YES) {
            break;
        }
    }
}

static void wake(struct eye_server *server, bool all)
{
    for (size_t i = 0; i < EYE_PEERS_MAX; i++) {
        struct eye_peer *peer = &server->peers.items[i];
        if (peer->fd >= 0 && peer->waits != NULL && (all || eye_peer_is_shut_down(peer))) {
            eye_mhd.resume_connection(EYE_TAKE(peer->waits));
        }
    }
}

void eye_server_wake(struct eye_server *server)
{
    wake(server, true);
    run_library(server);
}

uint64_t eye_server_prepare(struct eye_server *server, struct pollfd ret_fds[EYE_SERVER_FDS])
{
    MHD_UNSIGNED_LONG_LONG library_ms = 0;
    uint64_t now_ns = eye_clock_monotonic_ns();
    uint64_t until_ns = eye_peers_expire(&server->peers, now_ns);
    wake(server, false); /* the library looks at nobody who waits, and so would keep the place */
    bool resting = server->rest_until_ns > now_ns;
    if (resting && server->rest_until_ns < until_ns) {
        until_ns = server->rest_until_ns;
    }
    if (eye_mhd.get_timeout(server->daemon, &library_ms) == MHD_YES) {
        uint64_t library_ns = now_ns + library_ms * EYE_NS_PER_MS;
        until_ns = library_ns < until_ns ? library_ns : until_ns;
    }
    int library_fd = eye_mhd.get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    bool accepting = room(server) > 0 && !resting;
    ret_fds[0] = (struct pollfd){.fd = accepting ? server->listen_fd : -1, .events = POLLIN};
    ret_fds[1] = (struct pollfd){.fd = library_fd, .events = POLLIN};
    return until_ns;
}

void eye_server_serve(struct eye_server *server, const struct pollfd fds[EYE_SERVER_FDS])
{
    if (fds[0].revents != 0) {
        struct eye_certificate *certificate = server->setup.certificate;
        if (certificate != NULL && eye_certificate_follow(certificate)) {
            show_another_certificate(server);
        }
        eye_peers_next_round(&server->peers);
        accept_some(server);
        eye_mhd.run(server->daemon); /* takes them in, the next one reads what they sent */
    }
    run_library(server);
}

/* ---- Its own thread ---- */

static struct timespec time_left(uint64_t until_ns)
{
    uint64_t now_ns = eye_clock_monotonic_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    return (struct timespec){
        .tv_sec = (time_t)(left_ns / EYE_NS_PER_SECOND),
        .tv_nsec = (long)(left_ns % EYE_NS_PER_SECOND),
    };
}

static void *run(void *context)
{
    struct eye_server *server = context;
    struct pollfd fds[EYE_SERVER_FDS + 1] = {{0}};
    eye_privileges_assume(EYE_ROLE_DELIVERY);
    do {
        fds[EYE_SERVER_FDS] = (struct pollfd){.fd = server->stop_fd, .events = POLLIN};
        uint64_t until_ns = eye_server_prepare(server, fds);
        struct timespec left = time_left(until_ns);
        if (ppoll(fds, EYE_ARRAY_LENGTH(fds), until_ns == UINT64_MAX ? NULL : &left, NULL) >= 0) {
            eye_server_serve(server, fds);
        }
    } while (fds[EYE_SERVER_FDS].revents == 0);
    return NULL;
}

/* ---- Life ---- */

void eye_server_init(struct eye_server *server, const struct eye_server_setup *setup)
{
    *server = (struct eye_server){.setup = *setup, .listen_fd = -1, .stop_fd = -1};
    eye_peers_init(&server->peers, &setup->counts.peers);
}

int eye_server_open(struct eye_server *server, int listen_fd)
{
    server->daemon = start_daemon(server);
    if (server->daemon == NULL) {
        return -ENOMEM;
    }
    server->listen_fd = listen_fd;
    return 0;
}

void eye_server_move(struct eye_server *server, int listen_fd)
{
    eye_cleanup_close(&server->listen_fd);
    server->listen_fd = listen_fd;
}

/* The library ends the process when it is to end while somebody waits. Those that are woken make it
 * read from others, too. */
void eye_server_close(struct eye_server *server)
{
    if (server->daemon != NULL) {
        server->closing = true;
        eye_server_wake(server);
        eye_mhd.stop_daemon(EYE_TAKE(server->daemon));
    }
    eye_cleanup_close(&server->listen_fd);
}

int eye_server_start(struct eye_server *server, int listen_fd)
{
    int result = eye_server_open(server, listen_fd);
    if (result != 0) {
        close(listen_fd);
        return result;
    }
    server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->stop_fd < 0) {
        return -errno;
    }
    result = eye_thread_start(server->setup.name, run, server, &server->thread);
    server->running = result == 0;
    return result;
}

void eye_server_stop(struct eye_server *server)
{
    const uint64_t one = 1;
    if (server->running) {
        ssize_t written = write(server->stop_fd, &one, sizeof(one));
        assert(written == (ssize_t)sizeof(one));
        pthread_join(server->thread, NULL);
        server->running = false;
    }
    eye_server_close(server);
    eye_cleanup_close(&server->stop_fd);
}
