/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenMetrics exporter: a small HTTP server that answers GET /metrics with the newest snapshot.
 * Delivering is putting that snapshot where the server's own thread finds it; each scrape renders
 * its page anew. A scraper that reads slowly holds one of 16 connections for as long as it takes
 * bytes, and none for longer than 10 s without.
 */
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/log.h"
#include "exporters/openmetrics/gzip.h"
#include "exporters/openmetrics/listener.h"
#include "exporters/openmetrics/page.h"

#define CONNECTIONS_MAX 16U
#define TIMEOUT_SECONDS 10U
#define REQUEST_MAX_BYTES ((size_t)16 << 10) /* of the head of a request, per connection */
#define PAGE_MAX_BYTES ((size_t)256 << 20)

static const char index_page[] =
    "<!doctype html><title>sockeye</title><a href=\"/metrics\">metrics</a>\n";

struct openmetrics_config {
    char *listen;
};

struct openmetrics {
    struct eye_selection selection;
    struct eye_export_stats *stats;
    struct MHD_Daemon *server;
    pthread_mutex_t lock;
    struct eye_snapshot *snapshot; /* newest, under the lock; one reference, NULL at first */
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
    {.path = "listen",
     .type = EYE_CONFIG_TEXT,
     .offset = offsetof(struct openmetrics_config, listen),
     .default_value = "127.0.0.1:9464",
     .valid = eye_listen_valid,
     .expects = EYE_LISTEN_EXPECTS,
     .help = "address and port to serve /metrics on; [::1]:9464 for IPv6"},
};

static struct eye_snapshot *get_snapshot(struct openmetrics *exporter)
{
    pthread_mutex_lock(&exporter->lock);
    struct eye_snapshot *snapshot = exporter->snapshot;
    if (snapshot != NULL) {
        eye_snapshot_ref(snapshot);
    }
    pthread_mutex_unlock(&exporter->lock);
    return snapshot;
}

static void cleanup_snapshot(struct eye_snapshot **snapshot)
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

/* A page that could not be compressed goes as it is. */
static void compress_reply(struct reply *reply)
{
    void *bytes = NULL;
    size_t length = 0;
    if (eye_gzip(reply->body, reply->length, &bytes, &length) == 0) {
        free(reply->body);
        reply->body = bytes;
        reply->length = length;
        reply->gzip = true;
    }
}

static const char *get_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static struct reply metrics_reply(struct openmetrics *exporter, struct MHD_Connection *connection)
{
    EYE_CLEANUP(cleanup_snapshot) struct eye_snapshot *snapshot = get_snapshot(exporter);
    EYE_CLEANUP(eye_text_done) struct eye_text page;
    enum eye_page_format format = eye_negotiate_format(get_header(connection, "Accept"));
    struct eye_page_counts counts = {0};
    eye_text_init(&page, PAGE_MAX_BYTES);
    if (eye_page_write(snapshot, &exporter->selection, format, &page, &counts) != 0) {
        atomic_fetch_add(&exporter->stats->failures[EYE_EXPORT_TOO_LONG], 1);
        return plain_reply(MHD_HTTP_INTERNAL_SERVER_ERROR,
                           "The page does not fit 256 MiB or memory ran out.\n");
    }
    struct reply reply = {
        .status = MHD_HTTP_OK,
        .content_type = eye_page_content_type(format),
        .memory = MHD_RESPMEM_MUST_FREE,
        .length = page.length,
        .body = EYE_TAKE(page.data),
        .counts = counts,
    };
    if (eye_negotiate_gzip(get_header(connection, "Accept-Encoding"))) {
        compress_reply(&reply);
    }
    return reply;
}

static struct reply make_reply(struct openmetrics *exporter, struct MHD_Connection *connection,
                               const char *path, const char *method)
{
    bool known =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
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
    MHD_add_response_header(response, "Content-Type", reply->content_type);
    if (reply->gzip) {
        MHD_add_response_header(response, "Content-Encoding", "gzip");
    }
    if (reply->memory == MHD_RESPMEM_MUST_FREE) {
        MHD_add_response_header(response, "Vary", "Accept, Accept-Encoding");
    }
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    }
}

/* Takes the body over. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct reply *reply)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->length, reply->body, reply->memory);
    if (response == NULL) {
        if (reply->memory == MHD_RESPMEM_MUST_FREE) {
            free(reply->body);
        }
        return MHD_NO; /* closes the connection */
    }
    add_headers(response, reply);
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static void count_scrape(struct eye_export_stats *stats, const struct reply *reply)
{
    atomic_fetch_add(&stats->points, reply->counts.points);
    atomic_fetch_add(&stats->bytes, reply->length);
    atomic_fetch_add(&stats->dropped[EYE_EXPORT_COLLISION], reply->counts.collisions);
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
    enum MHD_Result result = send_reply(connection, &reply);
    if (result == MHD_YES && strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        count_scrape(exporter->stats, &reply);
    }
    return result;
}

/* What goes wrong with one scraper is that scraper's business. */
static void log_server(void *context, const char *format, va_list arguments)
{
    (void)context;
    char line[256];
    /* MHD's own constant formats. */
    _Pragma("GCC diagnostic push");
    _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"");
    vsnprintf(line, sizeof(line), format, arguments);
    _Pragma("GCC diagnostic pop");
    line[strcspn(line, "\n")] = '\0';
    eye_log_debug("openmetrics server: %s", line);
}

/*
 * The server owns @fd from here on, also when it fails. Its thread inherits the mask: signals are
 * for the main thread.
 */
static int start_server(struct openmetrics *exporter, int fd)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    exporter->server = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer, exporter,
        MHD_OPTION_EXTERNAL_LOGGER, log_server, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        TIMEOUT_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_MAX_BYTES, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return exporter->server == NULL ? -ENOMEM : 0;
}

static void openmetrics_close(void *state)
{
    struct openmetrics *exporter = state;
    if (exporter == NULL) {
        return;
    }
    if (exporter->server != NULL) {
        MHD_stop_daemon(exporter->server);
    }
    eye_snapshot_unref(exporter->snapshot);
    eye_selection_done(&exporter->selection);
    pthread_mutex_destroy(&exporter->lock);
    free(exporter);
}

static void cleanup_exporter(struct openmetrics **exporter)
{
    openmetrics_close(*exporter);
}

static int openmetrics_open(const struct eye_exporter_setup *setup, void **ret_state,
                            struct eye_error *ret_error)
{
    const struct openmetrics_config *config = setup->own->values;
    EYE_CLEANUP(cleanup_exporter) struct openmetrics *exporter = calloc(1, sizeof(*exporter));
    if (exporter == NULL || pthread_mutex_init(&exporter->lock, NULL) != 0 ||
        eye_selection_init(&exporter->selection, setup) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    exporter->stats = setup->stats;
    int fd = -1;
    int result = eye_listen_open(config->listen, &fd);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot listen on %s: %s; set another `listen`",
                             config->listen, strerror(-result));
    }
    result = start_server(exporter, fd);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot start the server on %s", config->listen);
    }
    *ret_state = EYE_TAKE(exporter);
    return 0;
}

static int openmetrics_deliver(void *state, const struct eye_snapshot *now,
                               const struct eye_snapshot *before, bool *ret_started,
                               struct eye_error *message)
{
    (void)before;
    (void)ret_started;
    (void)message;
    struct openmetrics *exporter = state;
    /* Only the reference count of a snapshot is ever written. */
    struct eye_snapshot *snapshot = eye_snapshot_ref((struct eye_snapshot *)(uintptr_t)now);
    pthread_mutex_lock(&exporter->lock);
    struct eye_snapshot *old = exporter->snapshot;
    exporter->snapshot = snapshot;
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
    .deliver = openmetrics_deliver,
    .close = openmetrics_close,
};
