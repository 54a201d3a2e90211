/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenMetrics exporter: a small HTTP server that answers GET /metrics with the newest snapshot.
 * Delivering is putting that snapshot where the server's own thread finds it; the first scrape of
 * it makes the page, which is kept zipped until there is a newer snapshot (zipped.h).
 *
 * Without a snapshot the answer is 503, so that `up` is 0: none was delivered yet, or nothing newer
 * replaced the last one for longer than `expiry`, and values that stand still would look like a
 * host at rest.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/listener.h"
#include "exporters/openmetrics/auth.h"
#include "exporters/openmetrics/negotiate.h"
#include "exporters/openmetrics/zipped.h"
#include "exporters/server/server.h"

/* Zipped; a hundred times what the default limits allow. */
#define PAGE_MAX_BYTES ((size_t)32 << 20)

#define FORMATS (EYE_PAGE_OPENMETRICS + 1)

static const char index_page[] =
    "<!doctype html><title>sockeye</title><a href=\"/metrics\">metrics</a>\n";

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
    struct eye_server server;
    struct eye_pages pages;           /* of the server's thread, like the next three */
    struct eye_zipped *kept[FORMATS]; /* of the snapshot below; one reference each, or NULL */
    uint64_t kept_start_ns;           /* its run */
    uint64_t kept_sequence;
    uint64_t expiry_ns;
    uint64_t interval_ns;
    pthread_mutex_t lock;                /* of the two below */
    const struct eye_snapshot *snapshot; /* newest; one reference, NULL at first */
    uint64_t delivered_ns;               /* when it came, monotonic */
};

static const struct eye_config_key keys[] = {
    {
        .path = "listen",
        .foreign = "address addr bind endpoint host port url listen_address listen-address "
                   "bind_address web.listen-address",
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
        .help = "PEM certificate to serve HTTPS with, and its chain; read again when it changes",
    },
    {
        .path = "tls.key_file",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct openmetrics_config, key_file),
        .help = "its private key; only its owner may be able to read it",
    },
    {
        .path = "basic_auth.user",
        .foreign = "username",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct openmetrics_config, user),
        .help = "user name that a scraper must give; without TLS it travels in the clear",
    },
    {
        .path = "basic_auth.password_file",
        .foreign = "password",
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
        .help = "answer 503 when the values are older, in case collecting stands still; two "
                "intervals at least",
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

static struct eye_reply plain_reply(unsigned status, const char *words)
{
    return (struct eye_reply){
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .words = words,
    };
}

static const char *get_header(struct MHD_Connection *connection, const char *name)
{
    return eye_mhd.lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Who still reads one has it as well. */
static void drop_kept(struct openmetrics *exporter)
{
    for (size_t i = 0; i < FORMATS; i++) {
        eye_zipped_unref(EYE_TAKE(exporter->kept[i]));
    }
}

/* The page of @snapshot, made when it is the first one to be asked. 0 or -errno. */
static int get_page(struct openmetrics *exporter, const struct eye_snapshot *snapshot,
                    enum eye_page_format format, struct eye_zipped **ret_page)
{
    if (snapshot->start_ns != exporter->kept_start_ns ||
        snapshot->sequence != exporter->kept_sequence) {
        drop_kept(exporter);
        exporter->kept_start_ns = snapshot->start_ns;
        exporter->kept_sequence = snapshot->sequence;
    }
    if (exporter->kept[format] == NULL) {
        int result = eye_zipped_new(&exporter->pages, snapshot, format, PAGE_MAX_BYTES,
                                    &exporter->kept[format]);
        if (result != 0) {
            return result;
        }
    }
    *ret_page = eye_zipped_ref(exporter->kept[format]);
    return 0;
}

static struct eye_reply no_snapshot(struct openmetrics *exporter)
{
    struct eye_reply reply =
        plain_reply(MHD_HTTP_SERVICE_UNAVAILABLE,
                    "There are no values: the first interval is not over, or collecting stands "
                    "still.\n");
    atomic_fetch_add(&exporter->stats->failures[EYE_EXPORT_EXPIRED], 1);
    reply.retry_after_s = (exporter->interval_ns + EYE_NS_PER_SECOND - 1) / EYE_NS_PER_SECOND;
    return reply;
}

static struct eye_reply no_page(struct openmetrics *exporter, int error)
{
    bool large = error == -EFBIG;
    atomic_fetch_add(&exporter->stats->failures[large ? EYE_EXPORT_TOO_LARGE : EYE_EXPORT_OTHER],
                     1);
    return plain_reply(MHD_HTTP_INTERNAL_SERVER_ERROR,
                       large ? "The page has more than 32 MiB when it is compressed; lower "
                               "limits.series or choose metrics.\n"
                             : "No memory is left for the page.\n");
}

/* A page on its way to one scraper. */
struct reading {
    struct eye_export_stats *stats;
    struct eye_zipped *page; /* one reference */
    struct eye_zipped_reader *reader;
    uint64_t bytes;
};

static ssize_t read_page(void *context, char *buffer, size_t size)
{
    struct reading *reading = context;
    return eye_zipped_read(reading->reader, buffer, size);
}

static void count_page(void *context)
{
    const struct reading *reading = context;
    const struct eye_page_counts *counts = &reading->page->counts;
    struct eye_export_stats *stats = reading->stats;
    atomic_fetch_add(&stats->seen, counts->points + counts->collisions + counts->too_long);
    atomic_fetch_add(&stats->points, counts->points);
    atomic_fetch_add(&stats->bytes, reading->bytes);
    atomic_fetch_add(&stats->dropped[EYE_EXPORT_COLLISION], counts->collisions);
    atomic_fetch_add(&stats->dropped[EYE_EXPORT_TOO_LONG], counts->too_long);
}

static void free_reading(void *context)
{
    struct reading *reading = context;
    eye_zipped_reader_free(reading->reader);
    eye_zipped_unref(reading->page);
    free(reading);
}

/* Takes over one reference of @page, also on failure. 0 or -ENOMEM. */
static int begin_reading(struct openmetrics *exporter, struct eye_zipped *page, bool gzip,
                         struct eye_stream *ret_stream)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL) {
        eye_zipped_unref(page);
        return -ENOMEM;
    }
    reading->stats = exporter->stats;
    reading->page = page;
    reading->bytes = gzip ? page->bytes : page->text_bytes;
    if (eye_zipped_reader_new(page, !gzip, &reading->reader) != 0) {
        free_reading(reading);
        return -ENOMEM;
    }
    *ret_stream = (struct eye_stream){
        .read = read_page,
        .taken = count_page,
        .free = free_reading,
        .context = reading,
        .bytes = reading->bytes,
        .page = page,
        .page_bytes = page->bytes,
    };
    return 0;
}

static struct eye_reply metrics_reply(struct openmetrics *exporter,
                                      struct MHD_Connection *connection)
{
    EYE_CLEANUP(cleanup_snapshot) const struct eye_snapshot *snapshot = get_snapshot(exporter);
    enum eye_page_format format = eye_negotiate_format(get_header(connection, "Accept"));
    bool gzip = eye_negotiate_gzip(get_header(connection, "Accept-Encoding"));
    struct eye_reply reply = {
        .status = MHD_HTTP_OK,
        .content_type = eye_page_content_type(format),
        .headers = {{"Vary", "Accept, Accept-Encoding"},
                    {gzip ? "Content-Encoding" : NULL, "gzip"}},
    };
    if (snapshot == NULL) {
        return no_snapshot(exporter);
    }
    struct eye_zipped *page = NULL;
    int result = get_page(exporter, snapshot, format, &page);
    if (result == 0) {
        result = begin_reading(exporter, page, gzip, &reply.stream);
    }
    return result == 0 ? reply : no_page(exporter, result);
}

static bool is_allowed(struct openmetrics *exporter, struct MHD_Connection *connection)
{
    char *password = NULL;
    char *user = eye_mhd.basic_auth_get_username_password(connection, &password);
    bool allowed = eye_auth_allows(&exporter->auth, user, password);
    eye_mhd.free(user);
    eye_mhd.free(password);
    return allowed;
}

static struct eye_reply refuse(struct openmetrics *exporter, enum eye_export_reason reason,
                               unsigned status, const char *words, const struct eye_header *header)
{
    atomic_fetch_add(&exporter->stats->failures[reason], 1);
    struct eye_reply reply = plain_reply(status, words);
    reply.headers[0] = *header;
    return reply;
}

static struct eye_reply make_reply(struct openmetrics *exporter, struct MHD_Connection *connection,
                                   const char *path, const char *method)
{
    static const struct eye_header credentials = {"WWW-Authenticate",
                                                  "Basic realm=\"sockeye\", charset=\"UTF-8\""};
    static const struct eye_header methods = {"Allow", "GET, HEAD"};
    static const struct eye_header none;
    bool known =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (!is_allowed(exporter, connection)) {
        return refuse(exporter, EYE_EXPORT_UNAUTHORIZED, MHD_HTTP_UNAUTHORIZED,
                      "User name and password are needed here.\n", &credentials);
    }
    if (!known) {
        return refuse(exporter, EYE_EXPORT_REJECTED, MHD_HTTP_METHOD_NOT_ALLOWED,
                      "Only GET and HEAD are served here.\n", &methods);
    }
    if (strcmp(path, "/metrics") == 0) {
        return metrics_reply(exporter, connection);
    }
    if (strcmp(path, "/") == 0) {
        struct eye_reply reply = plain_reply(MHD_HTTP_OK, index_page);
        reply.content_type = "text/html; charset=utf-8";
        return reply;
    }
    return refuse(exporter, EYE_EXPORT_REJECTED, MHD_HTTP_NOT_FOUND,
                  "Nothing is here; the metrics are at /metrics.\n", &none);
}

/* Runs in the server's thread. */
static void answer(void *context, struct MHD_Connection *connection, const char *path,
                   const char *method, struct eye_reply *ret_reply)
{
    *ret_reply = make_reply(context, connection, path, method);
}

static void openmetrics_close(void *state)
{
    struct openmetrics *exporter = state;
    eye_server_stop(&exporter->server);
    drop_kept(exporter);
    eye_snapshot_unref(exporter->snapshot);
    eye_pages_done(&exporter->pages);
    eye_selection_done(&exporter->selection);
    eye_auth_done(&exporter->auth);
    eye_certificate_done(&exporter->certificate);
    pthread_mutex_destroy(&exporter->lock);
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
        return eye_error_set(ret_error, result, "cannot listen on %s: %s; %sset another `listen`",
                             address, strerror(-result), eye_listen_hint(result));
    }
    result = eye_server_start(&exporter->server, fd);
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot start the server on %s: %s", address,
                             strerror(-result));
    }
    return 0;
}

static uint64_t expiry_of(const struct openmetrics_config *config, uint64_t interval_ns)
{
    return config->expiry_ns > 2 * interval_ns ? config->expiry_ns : 2 * interval_ns;
}

static void init_server(struct openmetrics *exporter, struct eye_export_stats *stats)
{
    const struct eye_server_setup setup = {
        .name = "openmetrics",
        .answer = answer,
        .context = exporter,
        .counts =
            {
                .peers = {.gave_way = &stats->failures[EYE_EXPORT_BUSY],
                          .too_late = &stats->failures[EYE_EXPORT_TIMEOUT]},
                .other = &stats->failures[EYE_EXPORT_OTHER],
            },
        .certificate = &exporter->certificate,
    };
    eye_server_init(&exporter->server, &setup);
}

static int openmetrics_open(void *state, const struct eye_exporter_setup *setup,
                            struct eye_error *ret_error)
{
    struct openmetrics *exporter = state;
    const struct openmetrics_config *config = setup->own->values;
    init_server(exporter, setup->stats);
    if (pthread_mutex_init(&exporter->lock, NULL) != 0 ||
        eye_selection_init(&exporter->selection, setup) != 0 ||
        eye_pages_init(&exporter->pages, &exporter->selection, config->created) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    exporter->config = config;
    exporter->stats = setup->stats;
    exporter->interval_ns = setup->config->interval_ns;
    exporter->expiry_ns = expiry_of(config, setup->config->interval_ns);
    int result = eye_http_server_load(ret_error);
    return result == 0 ? read_secrets(exporter, config, ret_error) : result;
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
            .foreign = "prometheus prom prometheus_exporter prometheus-exporter scrape",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct openmetrics_config),
        },
    .fetched = true,
    .state_size = sizeof(struct openmetrics),
    .open = openmetrics_open,
    .bind = openmetrics_bind,
    .deliver = openmetrics_deliver,
    .close = openmetrics_close,
};
