/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: a thread that accepts connections, says which of them stay (peers.h) and lets
 * libmicrohttpd do the rest. The library's own threads know no deadline but silence, stop accepting
 * when their places are taken, and serve whoever came first.
 *
 * start() and stop() in the main thread; the answers are made in the server's.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "exporters/exporter.h"
#include "exporters/openmetrics/certificate.h"
#include "exporters/openmetrics/libraries.h"
#include "exporters/openmetrics/peers.h"
#include "exporters/openmetrics/zipped.h"

/* What goes back: a page, or a few words. */
struct eye_reply {
    unsigned status;
    const char *content_type;
    struct eye_zipped *page; /* one reference, which the server takes over; NULL: words */
    bool gzip;               /* the page goes as it is */
    const char *words;       /* constant */
    uint64_t retry_after_s;  /* 0: nothing is said */
};

/**
 * Makes the reply to a request; @path as in "/metrics", without host and query. Headers of
 * @connection can be looked up.
 */
typedef void eye_server_answer(void *context, struct MHD_Connection *connection, const char *path,
                               const char *method, struct eye_reply *ret_reply);

struct eye_server {
    eye_server_answer *answer;
    void *context;
    struct eye_certificate *certificate;
    struct eye_export_stats *stats; /* pages that were taken whole, and what went wrong */
    struct MHD_Daemon *daemon;      /* the thread's while it runs */
    struct eye_peers peers;         /* the thread's */
    uint64_t rest_until_ns;         /* the thread's: nothing is accepted before */
    int listen_fd;                  /* owned */
    int stop_fd;                    /* owned */
    pthread_t thread;
    bool running;
};

/** An ended one. */
void eye_server_init(struct eye_server *server, eye_server_answer *answer, void *context,
                     struct eye_export_stats *stats);

/**
 * Serves on @listen_fd, which it owns from here on, with TLS when @certificate has a key; whose
 * files are followed from then on. 0, or -errno of what it needs.
 */
int eye_server_start(struct eye_server *server, int listen_fd, struct eye_certificate *certificate);

/** Ends all connections and the thread. Takes one that was never started. */
void eye_server_stop(struct eye_server *server);

/** The path of a request's target: "/metrics" of "http://host:9464/metrics" (RFC 9112, 3.2.2). */
const char *eye_server_path(const char *target);
