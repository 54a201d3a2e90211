/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of a name: asked for again every 30 s and after a failure. While the name cannot be
 * resolved the addresses known last serve. Used by one worker thread; asking blocks as long as the
 * system's resolver does.
 */
#pragma once

#include <netdb.h>

#include "exporters/exporter.h"

struct eye_resolver {
    const char *host;
    const char *port;
    int type;                       /* SOCK_DGRAM or SOCK_STREAM */
    struct addrinfo *list;          /* NULL: never resolved; owned */
    const struct addrinfo *current; /* of the list: the address in use */
    bool refused;                   /* `current` failed: take the next one if there is one */
    uint64_t resolve_at_ns;         /* monotonic */
};

/** @host and @port must outlive it. */
void eye_resolver_init(struct eye_resolver *resolver, const char *host, const char *port, int type);
void eye_resolver_done(struct eye_resolver *resolver);

/** True when 30 s are over since the name was asked for, or `current` failed. */
bool eye_resolver_is_due(const struct eye_resolver *resolver);

/**
 * Asks for the name. `current` stays while the name has it and it did not fail; *ret_moved: it is
 * another now. 0, or -EDESTADDRREQ with @failure when there is no address and never was.
 */
int eye_resolver_ask(struct eye_resolver *resolver, bool *ret_moved,
                     struct eye_export_failure *failure);
