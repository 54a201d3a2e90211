/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the link: its parts, and what each way of transport does. link.c chooses the transport;
 * socket.c holds what several of them need. Used by one worker thread.
 */
#pragma once

#include <sys/stat.h>

#include "exporters/http/curl.h"
#include "exporters/link/burst.h"
#include "exporters/link/link.h"
#include "exporters/link/resolver.h"

/* "unixstream://", a path or host, brackets, colon and port. */
#define EYE_LINK_LABEL_BYTES (EYE_LINK_HOST_BYTES + 32)

/* What a receiver says is read so that its end is seen; more than this at once may wait. */
#define EYE_LINK_DRAIN_BYTES 4096
#define EYE_LINK_DRAIN_READS 16

/* open, send, confirm: as eye_link_*() of the public header. */
struct eye_link_transport {
    int (*open)(struct eye_link *link, struct eye_export_failure *failure);
    int (*send)(struct eye_link *link, const void *bytes, size_t length,
                struct eye_export_failure *failure);
    enum eye_confirmation (*confirm)(struct eye_link *link, bool wait,
                                     struct eye_export_failure *failure);
    void (*close)(struct eye_link *link); /* takes a closed one */
};

extern const struct eye_link_transport eye_link_datagram;
extern const struct eye_link_transport eye_link_stream;
extern const struct eye_link_transport eye_link_tls;

struct eye_link {
    struct eye_link_address address;
    char label[EYE_LINK_LABEL_BYTES]; /* what messages call the receiver */
    const struct eye_tls_settings *tls;
    struct eye_export_stats *stats;
    const struct eye_deadline *deadline;
    const struct eye_link_transport *transport;
    struct eye_resolver resolver; /* UDP and TCP */
    int fd;                       /* -1: closed; of TLS it is libcurl's */

    struct stat socket;        /* Unix: the file that fd was connected through */
    bool nearby;               /* UDP: the receiver is on this host, so refusals come at once */
    uint64_t sent_at_ns;       /* UDP: the last datagram, monotonic; 0: none on this socket */
    unsigned burst;            /* UDP: datagrams since the last long pause */
    struct eye_burst *waiting; /* UDP: datagrams that leave together; NULL: each by itself */

    CURL *curl;                    /* TLS; NULL: closed */
    CURLM *multi;                  /* TLS: holds curl */
    char problem[CURL_ERROR_SIZE]; /* TLS: libcurl's own words */
};

/* ---- socket.c ---- */

/** A monotonic time @milliseconds from now. */
uint64_t eye_link_in_ms(unsigned milliseconds);

/** Waits for @events of @fd until @until_ns or the deadline. poll(2)'s answer; 0: time is up. */
int eye_link_wait(const struct eye_link *link, int fd, short events, uint64_t until_ns);

/** The error that waits at a socket, as -errno; reading clears it. */
int eye_link_pending_error(int fd);

/** Connects a socket of @type to the path of a Unix address. 0 or -errno. */
int eye_link_connect_unix(struct eye_link *link, int type);

/** True when the path of the open Unix socket leads to another one now. */
bool eye_link_was_replaced(const struct eye_link *link);

/** Closing @fd (-1: none) shall reset a TCP connection: what the peer's kernel does not have yet is
 * sent again over another one and must not come twice. */
void eye_link_discard_unsent(int fd);

void eye_link_close_socket(struct eye_link *link);

/* ---- confirm.c ---- */

/** Asks whether the peer's kernel has acknowledged all that was written to the open TCP socket.
 * When the answer is no for good the link is closed. */
enum eye_confirmation eye_link_confirm_acknowledged(struct eye_link *link, bool wait,
                                                    struct eye_export_failure *failure);
