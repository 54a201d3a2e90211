/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenMetrics exporter: a small HTTP server that answers GET /metrics with the newest snapshot.
 * Delivering is putting that snapshot where the server's own thread finds it; each scrape renders
 * its page anew. A scraper that reads slowly keeps its connection for as long as it takes bytes,
 * and for 10 s without, unless a newer one needs the place or the memory (peers.h).
 *
 * A snapshot that nothing newer replaced for longer than `expiry` is served no more: values that
 * stand still would look like a host at rest.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/thread.h"
#include "exporters/openmetrics/auth.h"
#include "exporters/openmetrics/certificate.h"
#include "exporters/openmetrics/gzip.h"
#include "exporters/openmetrics/libraries.h"
#include "exporters/openmetrics/listener.h"
#include "exporters/openmetrics/page.h"
#include "exporters/openmetrics/peers.h"

#define TIMEOUT_SECONDS 10U
#define REQUEST_MAX_BYTES ((size_t)16 << 10) /* of the head of a request, per connection */
#define PAGE_MAX_BYTES ((size_t)256 << 20)

static const char index_page[] =
    "<!doctype html><title>sockeye</title><a href=\"/metrics\">metrics</a>\n";

/* TLS 1.2 and newer. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct openmetrics_config {
    char *listen;
    char *certificate_file;
    char *key_file;
    char *user;
    char *password_file;
    bool created;
    uint64_t expiry_ns;
};

struct openmetrics {
    const struct openmetrics_config *config;
    struct eye_selection selection;
    struct eye_export_stats *stats;
    struct eye_auth auth;
    struct eye_certificate certificate;
    struct MHD_Daemon *server;
    struct eye_peers peers; /* of the server's thread, like the next two */
    struct eye_pages pages;
    struct eye_text page; /* kept from scrape to scrape: new memory costs more than the text */
    uint64_t expiry_ns;
    pthread_mutex_t lock;                /* of the two below */
    const struct eye_snapshot *snapshot; /* newest; one reference, NULL at first */
    uint64_t delivered_ns;               /* when it came, monotonic */
};

/* What goes back: a status and a body that MHD releases with free() when it is owned. */
struct reply {
    unsigned status;
    const char *content_type;
    bool gzip;
    enum MHD_ResponseMemoryMode memory;
    void *body;
    size_t length;
    struct eye_page_counts counts;
};

static const struct eye_config_key keys[] = {
    {
        .path = "listen",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct openmetrics_config, listen),
        .default_value = "127.0.0.1:9464",
        .valid = eye_listen_valid,
        .exclusive = eye_listen_valid,
        .expects = EYE_LISTEN_EXPECTS,
        .help = "address and port to serve /metrics on; [::1]:9464 for IPv6",
    },
    {
        .path = "tls.cert_file",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct openmetrics_config, certificate_file),
        .help = "PEM certificate to serve HTTPS with, and its chain; read at start",
    },
    {
        .path = "tls.key_file",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct openmetrics_config, key_file),
        .help = "its private key; only its owner may be able to read it",
    },
    {
        .path = "basic_auth.user",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct openmetrics_config, user),
        .help = "user name that a scraper must give; without TLS it travels in the clear",
    },
    {
        .path = "basic_auth.password_file",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct openmetrics_config, password_file),
        .help = "file with its password; only its owner may be able to read it",
    },
    {
        .path = "created",
        .type = EYE_CONFIG_BOOL,
        .offset = offsetof(struct openmetrics_config, created),
        .default_value = "false",
        .help = "OpenMetrics pages tell in _created when a counter or histogram began; doubles the "
                "counters that Prometheus stores",
    },
    {
        .path = "expiry",
        .type = EYE_CONFIG_DURATION,
        .offset = offsetof(struct openmetrics_config, expiry_ns),
        .default_value = "5m",
        .max = UINT64_C(24) * 3600 * EYE_NS_PER_SECOND,
        .help = "serve no values that are older, in case collecting stands still; two intervals at "
                "least",
    },
};

/* The newest snapshot with one reference, or NULL: there is none, or it is too old. */
static const struct eye_snapshot *get_snapshot(struct openmetrics *exporter)
{
    const struct eye_snapshot *snapshot = NULL;
    pthread_mutex_lock(&exporter->lock);
    if (exporter->snapshot != NULL &&
        eye_clock_monotonic_ns() - exporter->delivered_ns <= exporter->expiry_ns) {
        snapshot = eye_snapshot_ref(exporter->snapshot);
    }
    pthread_mutex_unlock(&exporter->lock);
    return snapshot;
}

static void cleanup_snapshot(const struct eye_snapshot **snapshot)
{
    eye_snapshot_unref(*snapshot);
}

static struct reply plain_reply(unsigned status, const char *words)
{
    return (struct reply){
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .memory = MHD_RESPMEM_PERSISTENT,
        .body = (void *)(uintptr_t)words, /* MHD never writes it */
        .length = strlen(words),
    };
}

static const char *get_header(struct MHD_Connection *connection, const char *name)
{
    return eye_mhd.lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* The page that is written, compressed if @gzip; what cannot be compressed goes as it is. */
static void take_page(struct openmetrics *exporter, bool gzip, struct reply *reply)
{
    struct eye_text *page = &exporter->page;
    if (gzip && eye_gzip(page->data, page->length, &reply->body, &reply->length) == 0) {
        reply->gzip = true;
    } else {
        reply->length = page->length;
        reply->body = EYE_TAKE(page->data);
    }
    if (page->data == NULL || page->capacity / 4 > page->length) {
        eye_text_done(page);
    }
}

static struct reply metrics_reply(struct openmetrics *exporter, struct MHD_Connection *connection)
{
    EYE_CLEANUP(cleanup_snapshot) const struct eye_snapshot *snapshot = get_snapshot(exporter);
    enum eye_page_format format = eye_negotiate_format(get_header(connection, "Accept"));
    struct reply reply = {
        .status = MHD_HTTP_OK,
        .content_type = eye_page_content_type(format),
        .memory = MHD_RESPMEM_MUST_FREE,
    };
    eye_text_clear(&exporter->page);
    if (eye_pages_write(&exporter->pages, snapshot, format, &exporter->page, &reply.counts) != 0) {
        eye_text_done(&exporter->page);
        atomic_fetch_add(&exporter->stats->failures[EYE_EXPORT_TOO_LONG], 1);
        return plain_reply(MHD_HTTP_INTERNAL_SERVER_ERROR,
                           "The page does not fit 256 MiB or memory ran out.\n");
    }
    take_page(exporter, eye_negotiate_gzip(get_header(connection, "Accept-Encoding")), &reply);
    return reply;
}

static bool is_allowed(const struct openmetrics *exporter, struct MHD_Connection *connection)
{
    char *password = NULL;
    char *user = eye_mhd.basic_auth_get_username_password(connection, &password);
    bool allowed = eye_auth_allows(&exporter->auth, user, password);
    eye_mhd.free(user);
    eye_mhd.free(password);
    return allowed;
}

static struct reply make_reply(struct openmetrics *exporter, struct MHD_Connection *connection,
                               const char *path, const char *method)
{
    bool known =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (!is_allowed(exporter, connection)) {
        return plain_reply(MHD_HTTP_UNAUTHORIZED, "User name and password are needed here.\n");
    }
    if (!known) {
        return plain_reply(MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are served here.\n");
    }
    if (strcmp(path, "/metrics") == 0) {
        return metrics_reply(exporter, connection);
    }
    if (strcmp(path, "/") == 0) {
        struct reply reply = plain_reply(MHD_HTTP_OK, index_page);
        reply.content_type = "text/html; charset=utf-8";
        return reply;
    }
    return plain_reply(MHD_HTTP_NOT_FOUND, "Nothing is here; the metrics are at /metrics.\n");
}

static void add_headers(struct MHD_Response *response, const struct reply *reply)
{
    eye_mhd.add_response_header(response, "Content-Type", reply->content_type);
    if (reply->gzip) {
        eye_mhd.add_response_header(response, "Content-Encoding", "gzip");
    }
    if (reply->memory == MHD_RESPMEM_MUST_FREE) {
        eye_mhd.add_response_header(response, "Vary", "Accept, Accept-Encoding");
    }
    if (reply->status == MHD_HTTP_UNAUTHORIZED) {
        eye_mhd.add_response_header(response, "WWW-Authenticate",
                                    "Basic realm=\"sockeye\", charset=\"UTF-8\"");
    }
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        eye_mhd.add_response_header(response, "Allow", "GET, HEAD");
    }
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

/* Takes the body over. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct reply *reply)
{
    struct MHD_Response *response =
        eye_mhd.create_response_from_buffer(reply->length, reply->body, reply->memory);
    if (response == NULL) {
        if (reply->memory == MHD_RESPMEM_MUST_FREE) {
            free(reply->body);
        }
        return MHD_NO; /* closes the connection */
    }
    add_headers(response, reply);
    enum MHD_Result result = eye_mhd.queue_response(connection, reply->status, response);
    eye_mhd.destroy_response(response);
    return result;
}

static void count_scrape(struct eye_export_stats *stats, const struct reply *reply)
{
    const struct eye_page_counts *counts = &reply->counts;
    atomic_fetch_add(&stats->seen, counts->points + counts->collisions + counts->too_long);
    atomic_fetch_add(&stats->points, counts->points);
    atomic_fetch_add(&stats->bytes, reply->length);
    atomic_fetch_add(&stats->dropped[EYE_EXPORT_COLLISION], counts->collisions);
    atomic_fetch_add(&stats->dropped[EYE_EXPORT_TOO_LONG], counts->too_long);
}

/* Runs in the server's thread, once the head of a request is read. */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_length, void **request_context)
{
    (void)version;
    (void)upload;
    (void)upload_length;
    (void)request_context;
    struct openmetrics *exporter = context;
    struct reply reply = make_reply(exporter, connection, path, method);
    if (reply.memory == MHD_RESPMEM_MUST_FREE) {
        eye_peers_serve(&exporter->peers, peer_of(connection), reply.length);
    }
    enum MHD_Result result = send_reply(connection, &reply);
    if (result == MHD_YES && strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        count_scrape(exporter->stats, &reply);
    }
    return result;
}

/* An answer is sent, or given up: what it held is free. */
static void end_answer(void *context, struct MHD_Connection *connection, void **request_context,
                       enum MHD_RequestTerminationCode why)
{
    (void)request_context;
    (void)why;
    struct openmetrics *exporter = context;
    eye_peers_served(&exporter->peers, peer_of(connection));
}

static void note_connection(void *context, struct MHD_Connection *connection, void **peer,
                            enum MHD_ConnectionNotificationCode what)
{
    struct openmetrics *exporter = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *peer = eye_peers_join(&exporter->peers,
                               info_of(connection, MHD_CONNECTION_INFO_CONNECTION_FD).connect_fd);
        assert(*peer != NULL); /* the server's own limit is the same */
    } else {
        eye_peers_leave(*peer);
    }
}

/* What goes wrong with one scraper is that scraper's business. */
static void log_server(void *context, const char *format, va_list arguments)
{
    (void)context;
    char line[256];
    /* MHD's own constant formats. */
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"");
    eye_format_shown(line, sizeof(line), format, arguments);
    _Pragma("GCC diagnostic pop");
    eye_log_debug("openmetrics server: %s", line);
}

/* The server owns @fd from here on, also when it fails. */
static struct MHD_Daemon *start_daemon(struct openmetrics *exporter, int fd)
{
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, exporter->certificate.certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, exporter->certificate.key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES}, /* only read */
        {MHD_OPTION_END, 0, NULL},
    };
    bool secure = exporter->certificate.key != NULL;
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG | (secure ? MHD_USE_TLS : 0U);
    return eye_mhd.start_daemon(
        flags, 0, NULL, NULL, answer, exporter, MHD_OPTION_EXTERNAL_LOGGER, log_server, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)EYE_PEERS_MAX,
        MHD_OPTION_NOTIFY_CONNECTION, note_connection, exporter, MHD_OPTION_NOTIFY_COMPLETED,
        end_answer, exporter, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_MAX_BYTES, MHD_OPTION_ARRAY,
        secure ? tls : &tls[EYE_ARRAY_LENGTH(tls) - 1], MHD_OPTION_END);
}

/* The server's thread inherits the mask: signals are for the main thread. */
static int start_server(struct openmetrics *exporter, int fd)
{
    sigset_t previous;
    eye_thread_block_signals(&previous);
    struct MHD_Daemon *server = start_daemon(exporter, fd);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    exporter->server = server;
    return server == NULL ? -ENOMEM : 0;
}

static void openmetrics_close(void *state)
{
    struct openmetrics *exporter = state;
    if (exporter == NULL) {
        return;
    }
    if (exporter->server != NULL) {
        eye_mhd.stop_daemon(exporter->server);
    }
    eye_snapshot_unref(exporter->snapshot);
    eye_pages_done(&exporter->pages);
    eye_text_done(&exporter->page);
    eye_selection_done(&exporter->selection);
    eye_auth_done(&exporter->auth);
    eye_certificate_done(&exporter->certificate);
    pthread_mutex_destroy(&exporter->lock);
    free(exporter);
}

static void cleanup_exporter(struct openmetrics **exporter)
{
    openmetrics_close(*exporter);
}

static int read_secrets(struct openmetrics *exporter, const struct openmetrics_config *config,
                        struct eye_error *ret_error)
{
    int result = eye_auth_open(config->user, config->password_file, &exporter->auth, ret_error);
    return result != 0 ? result
                       : eye_certificate_open(config->certificate_file, config->key_file,
                                              &exporter->certificate, ret_error);
}

static int openmetrics_bind(void *state, struct eye_error *ret_error)
{
    struct openmetrics *exporter = state;
    const char *address = exporter->config->listen;
    int fd = -1;
    int result = eye_listen_open(address, &fd);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot listen on %s: %s; set another `listen`",
                             address, strerror(-result));
    }
    result = start_server(exporter, fd);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot start the server on %s", address);
    }
    return 0;
}

static uint64_t expiry_of(const struct openmetrics_config *config, uint64_t interval_ns)
{
    return config->expiry_ns > 2 * interval_ns ? config->expiry_ns : 2 * interval_ns;
}

static int openmetrics_open(const struct eye_exporter_setup *setup, void **ret_state,
                            struct eye_error *ret_error)
{
    const struct openmetrics_config *config = setup->own->values;
    EYE_CLEANUP(cleanup_exporter) struct openmetrics *exporter = calloc(1, sizeof(*exporter));
    if (exporter == NULL || pthread_mutex_init(&exporter->lock, NULL) != 0 ||
        eye_selection_init(&exporter->selection, setup) != 0 ||
        eye_pages_init(&exporter->pages, &exporter->selection, config->created) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    exporter->config = config;
    exporter->stats = setup->stats;
    eye_text_init(&exporter->page, PAGE_MAX_BYTES);
    eye_peers_init(&exporter->peers, &setup->stats->failures[EYE_EXPORT_BUSY]);
    exporter->expiry_ns = expiry_of(config, setup->config->interval_ns);
    int result = eye_openmetrics_load(ret_error);
    if (result == 0) {
        result = read_secrets(exporter, config, ret_error);
    }
    if (result == 0) {
        *ret_state = EYE_TAKE(exporter);
    }
    return result;
}

static int openmetrics_deliver(void *state, const struct eye_snapshot *now,
                               const struct eye_snapshot *before,
                               struct eye_export_failure *failure)
{
    (void)before;
    (void)failure;
    struct openmetrics *exporter = state;
    const struct eye_snapshot *snapshot = eye_snapshot_ref(now);
    pthread_mutex_lock(&exporter->lock);
    const struct eye_snapshot *old = exporter->snapshot;
    exporter->snapshot = snapshot;
    exporter->delivered_ns = eye_clock_monotonic_ns();
    pthread_mutex_unlock(&exporter->lock);
    eye_snapshot_unref(old);
    return 0;
}

const struct eye_exporter_type eye_exporter_openmetrics = {
    .section =
        {
            .type = "openmetrics",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct openmetrics_config),
        },
    .open = openmetrics_open,
    .bind = openmetrics_bind,
    .deliver = openmetrics_deliver,
    .close = openmetrics_close,
};
