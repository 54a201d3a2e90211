/* SPDX-License-Identifier: Apache-2.0 */
/* The MySQL parser of the kernel programs on the host (http_host.h). */
#pragma once

#include "tests/support/http_host.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/mysql/mysql.h"
#pragma GCC diagnostic pop

/* @client: at which end we listen, as the socket would say. */
static inline void mysql_host_reset(struct http_host *host, bool client)
{
    host->parser = &eye_mysql_parser;
    host->protocol = EYE_PROTOCOL_MYSQL;
    host->client = client ? EYE_CLIENT_THIS_END : EYE_CLIENT_PEER;
    http_host_reset(host);
}

static inline struct http_host *mysql_host_new(bool client)
{
    struct http_host *host = http_host_new();
    mysql_host_reset(host, client);
    return host;
}
