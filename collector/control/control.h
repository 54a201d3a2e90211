/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: HTTP/1.1 over a unix socket, for `sockeye status`, `sockeye reload` and
 * curl --unix-socket. Answers are JSON (routes.c has the table); none but POST changes anything.
 * Served by the main thread, which owns all that the answers are made of; the HTTP library is
 * loaded when somebody asks for the first time.
 *
 * Who may connect: root and the daemon's own group, by the mode of the socket's file. What holds
 * for connections of one user is that of exporters/server/peers.h.
 */
#pragma once

#include "collector/base/text.h"
#include "collector/control/running.h"
#include "exporters/server/server.h"

/* Answers of each kind, as metrics tell them. */
#define EYE_CONTROL_OUTCOMES(X)                                                                    \
    X(ANSWERED, "answered")                                                                        \
    X(REFUSED, "refused") /* 400, 404, 405, 413 */                                                 \
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

/**
 * Reads the configuration again and applies it, whole or not at all: what was done, or why nothing
 * was, in @words, one or more lines. 0 or -errno.
 */
typedef int eye_control_reload(void *context, struct eye_text *words);

struct eye_control {
    const struct eye_running *running; /* borrowed */
    eye_control_reload *reload;
    void *context;
    char *path;   /* of the socket; owned; NULL: there is none */
    dev_t device; /* of the socket's file, so that only our own is removed */
    ino_t inode;
    int listen_fd; /* until somebody comes */
    bool serving;  /* the server has it */
    struct eye_server server;
    atomic_uint_fast64_t counts[EYE_CONTROL_OUTCOME_COUNT];
};

/* None yet. */
#define EYE_CONTROL_NONE ((struct eye_control){.listen_fd = -1})

/**
 * Listens on @path. 0; -EEXIST: another daemon does, which the message names; or another -errno
 * with a message. The folder is made if only it is missing; what a daemon that died left there is
 * replaced.
 */
int eye_control_listen(struct eye_control *control, const char *path, struct eye_error *ret_error);

/** Tells whom to ask, once everything runs; from then on connections are answered. @running must
 * outlive @control. */
void eye_control_open(struct eye_control *control, const struct eye_running *running,
                      eye_control_reload *reload, void *context);

/** As eye_server_prepare(): fills EYE_SERVER_FDS. */
uint64_t eye_control_prepare(struct eye_control *control, struct pollfd ret_fds[EYE_SERVER_FDS]);

void eye_control_serve(struct eye_control *control, const struct pollfd fds[EYE_SERVER_FDS]);

/** Ends all connections and removes the socket. Takes EYE_CONTROL_NONE. */
void eye_control_close(struct eye_control *control);
