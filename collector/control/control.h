/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: HTTP/1.1 over a unix socket, for `sockeye status`, `sockeye reload` and
 * curl --unix-socket. Answers are JSON (routes.c has the table); none but POST changes anything.
 * Served by the main thread, which owns all that the answers are made of; the HTTP library is
 * loaded when somebody asks for the first time.
 *
 * Who may connect: root and the daemon's own group, by the mode of the socket's file. The same by
 * TCP (control.listen) has no such gate: there /health and /ready are everybody's, for probes of
 * orchestrators; all else wants the token, if there is one, and a POST, or an address beyond
 * loopback, wants that there is one. Where there is none, a request names an address or localhost
 * as its host, and a POST comes from no page: a browser asks for whoever made the page, and a name
 * can be led here. What holds for connections of one user or address is that of
 * exporters/server/peers.h.
 */
#pragma once

#include "collector/base/text.h"
#include "collector/control/running.h"
#include "collector/control/watchers.h"
#include "exporters/http/secret.h"
#include "exporters/server/server.h"

/* Answers of each kind, as metrics tell them. */
#define EYE_CONTROL_OUTCOMES(X)                                                                    \
    X(ANSWERED, "answered")                                                                        \
    X(REFUSED, "refused") /* 4xx: no request of ours, or not from there */                         \
    X(FAILED, "failed")   /* 500, 503: a reload that changed nothing, no interval yet */           \
    X(BUSY, "busy")       /* gave way to another connection */                                     \
    X(TIMEOUT, "timeout") /* did not ask, or did not read, in time */                              \
    X(OTHER, "other")     /* want of memory or descriptors */

enum eye_control_outcome {
#define X(identifier, name) EYE_CONTROL_##identifier,
    EYE_CONTROL_OUTCOMES(X)
#undef X
        EYE_CONTROL_OUTCOME_COUNT,
};

const char *eye_control_outcome_name(enum eye_control_outcome outcome);

/* What a reload may say: all problems of a configuration. */
#define EYE_CONTROL_WORDS_MAX 16384

/**
 * Asks for a reload, which begins soon and reads what is there then. Its number: eye_running has
 * what became of it when `reloaded` has come to that.
 */
typedef uint64_t eye_control_reload(void *context);

/** Single connections for a client: eye_collector_watch(). */
typedef int eye_control_watch(void *context, const struct eye_watch_request *request,
                              struct eye_watch_answer **ret_answer, struct eye_error *ret_error);

/* Where people come in. */
enum eye_control_entrance { EYE_CONTROL_SOCKET, EYE_CONTROL_PORT, EYE_CONTROL_DOORS };

struct eye_control_door {
    struct eye_control *control;
    enum eye_control_entrance entrance;
    int listen_fd; /* until somebody comes; -1: there is no such door, or the server has it */
    bool serving;
    uint64_t rest_until_ns; /* what serving takes could not be had: nobody is heard before */
    struct eye_server server;
};

struct eye_control {
    const struct eye_running *running; /* borrowed */
    eye_control_reload *reload;
    eye_control_watch *watch;
    void *context; /* of both */
    char *path;    /* of the socket; owned; NULL: there is none */
    dev_t device;  /* of the socket's file, so that only our own is removed */
    ino_t inode;
    uint64_t look_ns;        /* when to look whether it is still there; monotonic */
    bool lost;               /* it is not, and that was said */
    struct eye_secret token; /* of the port; without a value: none */
    struct eye_control_door doors[EYE_CONTROL_DOORS];
    atomic_uint_fast64_t counts[EYE_CONTROL_OUTCOME_COUNT];
};

/** Without any door. */
void eye_control_init(struct eye_control *control);

/** What the keys' own rules cannot tell: 0, or -EINVAL with a message. */
int eye_control_check(const struct eye_config *config, struct eye_error *ret_error);

/**
 * Listens on @path. 0; -EEXIST: another daemon does, which the message names; or another -errno
 * with a message. The folder is made if only it is missing; what a daemon that died left there is
 * replaced.
 */
int eye_control_listen(struct eye_control *control, const char *path, struct eye_error *ret_error);

/** Listens on @address (control.listen) and reads the token, NULL: none. 0, or -errno with a
 * message. */
int eye_control_listen_on_port(struct eye_control *control, const char *address,
                               const char *token_file, struct eye_error *ret_error);

/** Tells whom to ask, once everything runs; from then on connections are answered. @running must
 * outlive @control. */
void eye_control_open(struct eye_control *control, const struct eye_running *running,
                      eye_control_reload *reload, eye_control_watch *watch, void *context);

/* What the main thread waits for. */
#define EYE_CONTROL_FDS (EYE_CONTROL_DOORS * EYE_SERVER_FDS)

/** As eye_server_prepare() and eye_server_serve(), for all doors. Once in an interval it is seen to
 * that the socket's file is there: without it nobody finds a daemon that runs. */
uint64_t eye_control_prepare(struct eye_control *control, struct pollfd ret_fds[EYE_CONTROL_FDS]);
void eye_control_serve(struct eye_control *control, const struct pollfd fds[EYE_CONTROL_FDS]);

/** A reload is over, and `reloaded` tells it: who waits for it is answered. */
void eye_control_reloaded(struct eye_control *control);

/** Ends all connections and removes the socket. */
void eye_control_close(struct eye_control *control);
