/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way to a receiver that takes lines: datagrams (UDP, Unix) or a byte stream (TCP, Unix, TLS). It
 * is connected when first needed, connected again after a failure, and nothing waits longer than
 * the times below or the daemon's deadline.
 *
 *   udp://HOST:PORT      a name is resolved every 30 s; when it moves, so does the socket; when it
 *                        has no address any more the last one is kept
 *   unixgram://PATH      datagrams; unixstream://PATH a stream
 *   unix://PATH          what the socket at PATH turns out to be: datagrams are tried first
 *   tcp://HOST:PORT      a stream; before each use an end of the other side is looked for
 *   tls://HOST:PORT      the same inside TLS (libcurl)
 *
 * Used by one worker thread.
 */
#pragma once

#include "exporters/engine/delivery.h"
#include "exporters/http/tls.h"

enum eye_link_scheme {
    EYE_LINK_UDP,
    EYE_LINK_TCP,
    EYE_LINK_TLS,
    EYE_LINK_UNIX,
    EYE_LINK_UNIXGRAM,
    EYE_LINK_UNIXSTREAM,
};

/* Longest waits; each ends early at the deadline. */
#define EYE_LINK_CONNECT_MS 2000
#define EYE_LINK_WRITE_MS 2000   /* a stream whose receiver does not read: back-pressure */
#define EYE_LINK_BUSY_MS 100     /* a datagram that finds all buffers full */
#define EYE_LINK_CONFIRM_MS 5000 /* a stream whose last bytes are not acknowledged */

/* The parts of a URL; host of UDP, TCP, TLS without brackets, path of Unix sockets. */
#define EYE_LINK_HOST_BYTES 256
#define EYE_LINK_PATH_BYTES 108

struct eye_link_address {
    enum eye_link_scheme scheme;
    char host[EYE_LINK_HOST_BYTES];
    char port[6];
    char path[EYE_LINK_PATH_BYTES];
};

/**
 * Splits @url. @default_port: for a URL without one; NULL: it must have one. @allowed: the
 * schemes that a format knows, 1 << EYE_LINK_UDP and so on. 0 or -EINVAL.
 */
int eye_link_parse(const char *url, const char *default_port, unsigned allowed,
                   struct eye_link_address *ret_address);

#define EYE_LINK_ANY (~0U)

/**
 * How long a payload should be: for UDP an Ethernet frame less the IP and UDP headers (1432), for
 * Unix sockets what agents read at once (8192), for TCP and TLS a piece of 64 KiB.
 */
size_t eye_link_payload_bytes(enum eye_link_scheme scheme);

struct eye_link;

/**
 * @tls: for EYE_LINK_TLS, else NULL; must outlive the link. Bytes written are counted in
 * setup->stats->bytes. 0, or -errno with a message. Connects nothing yet.
 */
int eye_link_new(const struct eye_link_address *address, const struct eye_tls_settings *tls,
                 const struct eye_exporter_setup *setup, struct eye_link **ret_link,
                 struct eye_error *ret_error);

/* Larger datagrams are few and gain little by leaving together. */
#define EYE_LINK_FILLED_BYTES 16384

/**
 * Datagrams over UDP, of up to @segment bytes, may be filled up to that with newlines: then many
 * leave in one call, for a third of the cost (datagram.c). Only for receivers that pass over empty
 * lines. 0, or -ENOMEM with a message.
 */
int eye_link_fill_up(struct eye_link *link, size_t segment, struct eye_error *ret_error);

/** Takes NULL. */
void eye_link_free(struct eye_link *link);

/** True when each send is one packet; for EYE_LINK_UNIX known once it was opened. */
bool eye_link_is_datagram(const struct eye_link *link);

/** Connected and resolved, now. A stream that the other side has ended is connected anew. 0, or
 * -errno with @failure. */
int eye_link_open(struct eye_link *link, struct eye_export_failure *failure);

/**
 * Sends all of @bytes: one datagram, or a piece of the stream. Datagrams that may be filled up wait
 * for others, until eye_link_confirm() at the latest. 0, or -errno with @failure: then a stream is
 * closed (a part of the piece may have been read), a datagram socket only when it cannot be used
 * any more (EAGAIN and EMSGSIZE keep it).
 */
int eye_link_send(struct eye_link *link, const void *bytes, size_t length,
                  struct eye_export_failure *failure);

/** What eye_link_send()'s @result means for the payload: done, too large, or later. */
enum eye_verdict eye_link_verdict(int result);

/**
 * What became of everything sent: for payload formats (exporters/engine/delivery.h). Datagrams
 * that wait for others leave now if @wait, and are EYE_UNHEARD otherwise. UDP: no refusal (ICMP)
 * came back, waited for 5 ms; of a receiver on this host send() has told. TCP and TLS: the peer's
 * kernel has acknowledged every byte (SIOCOUTQ); after EYE_LOST the rest was taken back with a
 * reset. Unix: what was written is in the receiver's hands.
 */
enum eye_confirmation eye_link_confirm(struct eye_link *link, bool wait,
                                       struct eye_export_failure *failure);
