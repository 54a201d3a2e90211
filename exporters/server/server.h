/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server: accepts connections, says which of them stay (peers.h) and lets libmicrohttpd do
 * the rest. The library's own threads know no deadline but silence, stop accepting when their
 * places are taken, and serve whoever came first.
 *
 * It runs in a thread of its own (start, stop) or in the loop of the thread that opened it (open,
 * prepare, serve, close); the answers are made there.
 */
#pragma once

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "exporters/server/certificate.h"
#include "exporters/server/libraries.h"
#include "exporters/server/peers.h"

/* Headers of a reply beside those that every reply has. */
#define EYE_REPLY_HEADERS_MAX 4

struct eye_header {
    const char *name; /* NULL: none */
    const char *value;
};

/* An answer that is read piece by piece while it is sent, perhaps from memory that others read. */
struct eye_stream {
    /** The next bytes, @size at most: how many; or -errno, and the connection is closed. */
    ssize_t (*read)(void *context, char *buffer, size_t size);

    /** All of it was given to the peer. */
    void (*taken)(void *context);

    void (*free)(void *context);
    void *context;
    uint64_t bytes;
    const void *page; /* the memory, while it is read */
    size_t page_bytes;
};

/* What goes back: constant words, a text, or a stream. Headers are copied. */
struct eye_reply {
    /* Not 0: there is no reply yet. The request is asked again, with this number, behind
     * eye_server_wake(). */
    uint64_t ticket;
    unsigned status;
    const char *content_type;
    const char *words;        /* constant; NULL: there is one of the two below */
    char *text;               /* from malloc(); the server takes it over */
    struct eye_stream stream; /* the server takes it over */
    uint64_t retry_after_s;   /* 0: nothing is said */
    struct eye_header headers[EYE_REPLY_HEADERS_MAX];
};

/**
 * Makes the reply to a request; @path as in "/metrics", without host and query. Headers and
 * arguments of @connection can be looked up. A body that comes with it is never read. @ret_reply is
 * zeroed but for the ticket that was given to this request.
 */
typedef void eye_server_answer(void *context, struct MHD_Connection *connection, const char *path,
                               const char *method, struct eye_reply *ret_reply);

/* Counters of the owner. */
struct eye_server_counts {
    struct eye_peers_counts peers;
    atomic_uint_fast64_t *other; /* want of memory or descriptors, a certificate */
};

/* What a server is made of; borrowed until it is closed. */
struct eye_server_setup {
    const char *name; /* of its thread and in the log */
    eye_server_answer *answer;
    void *context;
    struct eye_server_counts counts;
    struct eye_certificate *certificate; /* NULL, or one without a key: plain HTTP */
};

struct eye_server {
    struct eye_server_setup setup;
    struct MHD_Daemon *daemon; /* the thread's while it runs, like all but the last four */
    struct eye_peers peers;
    uint64_t rest_until_ns; /* nothing is accepted before */
    bool closing;           /* nobody may begin to wait */
    int listen_fd;          /* owned */
    int stop_fd;            /* owned */
    pthread_t thread;
    bool running;
};

/** A closed one. */
void eye_server_init(struct eye_server *server, const struct eye_server_setup *setup);

/**
 * Serves on @listen_fd, with TLS when there is a certificate with a key; whose files are followed
 * from then on. 0, and the server owns @listen_fd; or -errno of what it needs.
 */
int eye_server_open(struct eye_server *server, int listen_fd);

/** An open one accepts at @listen_fd, which it owns from now on, instead of where it did. */
void eye_server_move(struct eye_server *server, int listen_fd);

/* What a loop waits for. */
#define EYE_SERVER_FDS 2

/** Before a wait: ends what is over, and fills @ret_fds. Returns until when to wait at most
 * (monotonic); UINT64_MAX: as long as it likes. */
uint64_t eye_server_prepare(struct eye_server *server, struct pollfd ret_fds[EYE_SERVER_FDS]);

/** Behind a wait: accepts, reads, answers, with what poll() wrote into @fds. */
void eye_server_serve(struct eye_server *server, const struct pollfd fds[EYE_SERVER_FDS]);

/** Those with a ticket are asked again, now. Never from an answer. */
void eye_server_wake(struct eye_server *server);

/** Ends all connections, behind what those with a ticket are told now; who would get one has come
 * too late for an answer. Takes a closed one. */
void eye_server_close(struct eye_server *server);

/** As eye_server_open(), with a thread that waits and serves; owns @listen_fd in any case. */
int eye_server_start(struct eye_server *server, int listen_fd);

/** Ends the thread and all connections. Takes one that was never started. */
void eye_server_stop(struct eye_server *server);

/** The path of a request's target: "/metrics" of "http://host:9464/metrics" (RFC 9112, 3.2.2). */
const char *eye_server_path(const char *target);
