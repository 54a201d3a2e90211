/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to one UDP receiver. The socket is connected, so that the kernel reports a receiver
 * that is not there; on loopback it does so within the call that sent the datagram. The name is
 * resolved again every 30 s and after each failure; while it cannot be resolved the last good
 * address serves. Belongs to one worker thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "collector/base/error.h"
#include "exporters/exporter.h"

/* DNS names have at most 253 bytes; an IPv6 address may carry an interface name. */
#define EYE_DATAGRAM_HOST_BYTES 256
#define EYE_DATAGRAM_PORT_BYTES 6

struct eye_datagram {
    char host[EYE_DATAGRAM_HOST_BYTES];
    char port[EYE_DATAGRAM_PORT_BYTES];
    struct eye_export_stats *stats; /* failures and bytes are counted here */
    struct sockaddr_storage address;
    socklen_t address_length; /* 0: never resolved */
    uint64_t resolve_at_ns;   /* monotonic */
    bool refused;             /* the address failed: take the name's next one if it has more */
    int fd;                   /* -1: closed */
};

/** True for "udp://HOST:PORT": a host name, an IPv4 address, or an IPv6 address in brackets. */
bool eye_datagram_url_valid(const char *url);

/** @url is valid. @stats must outlive it. Opens nothing yet. */
void eye_datagram_init(struct eye_datagram *datagram, const char *url,
                       struct eye_export_stats *stats);

/** Takes an initialised one. */
void eye_datagram_done(struct eye_datagram *datagram);

/*
 * The functions below return 0 or -errno; a failure is counted and @message gets its cause.
 * Unless the buffers were merely full, it closes the socket.
 */

/**
 * Makes the socket ready: resolves the name when that is due, may block as long as the resolver
 * does. -EDESTADDRREQ: the name has no address and never had.
 */
int eye_datagram_open(struct eye_datagram *datagram, struct eye_error *message);

/** Waits up to @milliseconds for bad news of datagrams already sent. */
int eye_datagram_settle(struct eye_datagram *datagram, int milliseconds, struct eye_error *message);

/**
 * Sends one datagram and looks whether it was refused at once. Waits at most 100 ms for room in the
 * buffers: -EAGAIN, -ENOBUFS.
 */
int eye_datagram_send(struct eye_datagram *datagram, const void *bytes, size_t length,
                      struct eye_error *message);
