/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server on loopback that answers exactly the bytes a test gives it, one script for each
 * request, and can be slow, break off or never end. A thread serves one connection after the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_ending {
    HTTP_KEEP,    /* wait for the next request on this connection */
    HTTP_CLOSE,   /* FIN */
    HTTP_RESET,   /* RST */
    HTTP_STALL,   /* neither sends nor closes until the other side does */
    HTTP_ENDLESS, /* sends the answer's last byte until the other side closes */
};

struct http_script {
    const char *answer;
    unsigned delay_ms; /* before the answer */
    bool drip;         /* a byte every 20 ms */
    bool unread;       /* the request is not read */
    enum http_ending ending;
};

#define HTTP_REQUESTS_MAX 64
#define HTTP_REQUEST_BYTES ((size_t)8 << 20)

struct http_server;

/* @scripts: of the first, second ... request; the last one answers all further ones too. Copied. */
struct http_server *http_server_start(const struct http_script *scripts, size_t count);

/* Takes NULL. */
void http_server_stop(struct http_server *server);

uint16_t http_server_port(const struct http_server *server);
unsigned http_server_connections(const struct http_server *server);
size_t http_server_requests(const struct http_server *server);
uint64_t http_server_sent_bytes(const struct http_server *server);

/* The head of the request at @index as text, and where its body is. The server must be idle. */
const char *http_server_head(const struct http_server *server, size_t index);
const char *http_server_body(const struct http_server *server, size_t index, size_t *ret_length);
