/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client for one receiver over HTTP (libcurl): one connection kept open, one request at a time.
 * Everything about an answer is bounded: the whole request by `timeout` and the daemon's deadline,
 * headers and body by the constants below; what comes beyond is not read. Redirects are not
 * followed and no cookies kept, since requests carry secrets.
 *
 * Proxies: `proxy`, whatever NO_PROXY says; else, as libcurl and OpenTelemetry have it, http_proxy
 * for http:// (in lower case only: a CGI's clients choose HTTP_PROXY), https_proxy or HTTPS_PROXY
 * for https://, then all_proxy or ALL_PROXY; not for hosts of no_proxy or NO_PROXY (names with what
 * is below them, addresses, CIDR, *). Lower case wins. A proxy that is invalid fails.
 *
 * Used by one worker thread; eye_client_new() by the main thread.
 */
#pragma once

#include "collector/base/clock.h"
#include "exporters/engine/delivery.h"
#include "exporters/http/secret.h"
#include "exporters/http/tls.h"
#include "exporters/http/url.h"

/* Of an answer; receivers explain errors in a few hundred bytes, OTLP allows 4 MiB. */
#define EYE_CLIENT_ANSWER_MAX_BYTES ((size_t)64 << 10)

/* Longest pause that Retry-After can ask for. */
#define EYE_CLIENT_RETRY_AFTER_MAX_NS (300 * EYE_NS_PER_SECOND)

/* Keys that every exporter over HTTP has. */
struct eye_client_settings {
    uint64_t timeout_ns;          /* timeout: of one request, 10s */
    char *proxy;                  /* proxy: http://HOST:PORT; NULL: from the environment */
    struct eye_text_list headers; /* headers: "Name: value" added to each request, not secret */
    struct eye_text_list secret_headers; /* the same, never shown; of the environment, no key */
    char *user;                          /* basic_auth.user; NULL: none */
    char *password_file;                 /* basic_auth.password_file */
    char *bearer_token_file;             /* bearer_token_file: Authorization: Bearer */
    struct eye_tls_settings tls;
};

bool eye_client_header_valid(const char *text); /* "Name: value", no control characters */

/* The keys, for an exporter's table: EYE_CLIENT_KEYS(struct values, http). */
/* NOLINTBEGIN(bugprone-macro-parentheses): names, not expressions */
#define EYE_CLIENT_KEYS(values, member)                                                            \
    {                                                                                              \
        .path = "timeout",                                                                         \
        .type = EYE_CONFIG_DURATION,                                                               \
        .offset = offsetof(values, member.timeout_ns),                                             \
        .default_value = "10s",                                                                    \
        .min = 100 * EYE_NS_PER_MS,                                                                \
        .max = 300 * EYE_NS_PER_SECOND,                                                            \
        .help = "longest time of one request, its answer included",                                \
    },                                                                                             \
        {                                                                                          \
            .path = "proxy",                                                                       \
            .type = EYE_CONFIG_TEXT,                                                               \
            .offset = offsetof(values, member.proxy),                                              \
            .valid = eye_url_proxy_valid,                                                          \
            .expects = "http://HOST:PORT or https://HOST:PORT without a password",                 \
            .help = "proxy to use, whatever the environment (http_proxy, HTTPS_PROXY, ALL_PROXY, " \
                    "NO_PROXY) says; to do without one here, put the receiver's host into "        \
                    "NO_PROXY",                                                                    \
        },                                                                                         \
        {                                                                                          \
            .path = "headers",                                                                     \
            .type = EYE_CONFIG_LIST,                                                               \
            .offset = offsetof(values, member.headers),                                            \
            .valid = eye_client_header_valid,                                                      \
            .expects = "\"Name: value\"",                                                          \
            .help = "\"Name: value\" added to each request; no place for a secret",                \
        },                                                                                         \
        {                                                                                          \
            .path = "basic_auth.user",                                                             \
            .foreign = "username",                                                                 \
            .type = EYE_CONFIG_TEXT,                                                               \
            .offset = offsetof(values, member.user),                                               \
            .help = "user name for HTTP basic authentication",                                     \
        },                                                                                         \
        {                                                                                          \
            .path = "basic_auth.password_file",                                                    \
            .foreign = "password",                                                                 \
            .type = EYE_CONFIG_TEXT,                                                               \
            .offset = offsetof(values, member.password_file),                                      \
            .help = "file with its password; only its owner may be able to read it",               \
        },                                                                                         \
        {                                                                                          \
            .path = "bearer_token_file",                                                           \
            .foreign = "bearer_token token token_file authorization",                              \
            .type = EYE_CONFIG_TEXT,                                                               \
            .offset = offsetof(values, member.bearer_token_file),                                  \
            .help = "file with a token for Authorization: Bearer",                                 \
        },                                                                                         \
        EYE_TLS_KEYS(values, member.tls)
/* NOLINTEND(bugprone-macro-parentheses) */

struct eye_client_header {
    const char *name;
    const char *value;
};

struct eye_client_request {
    const char *method;           /* "POST" */
    const char *url;              /* whole, without secrets */
    const char *content_type;     /* NULL without a body */
    const char *content_encoding; /* NULL: none */
    const struct eye_client_header *headers;
    size_t header_count;
    const struct eye_client_header *secret_header; /* never logged; NULL: none */
    const void *body;
    size_t length; /* 0 with a NULL body: none is sent */
};

/* Valid until the next request of the same client. */
struct eye_client_answer {
    long status;
    uint64_t retry_after_ns; /* of Retry-After, seconds or date; 0: none */
    const char *body;        /* NUL-terminated; of a longer one the beginning */
    size_t length;
    const char *location; /* of a redirect, without its query; NULL: none */
    const char *way;      /* " through the proxy HOST:PORT (from VARIABLE)"; NULL or "": directly */
};

struct eye_client;

/** 0, or -errno with a message (files of `tls`, secrets). @settings must outlive the client. */
int eye_client_new(const struct eye_client_settings *settings,
                   const struct eye_exporter_setup *setup, struct eye_client **ret_client,
                   struct eye_error *ret_error);

/** Takes NULL. */
void eye_client_free(struct eye_client *client);

/**
 * Sends @request and reads the answer, whatever its status. Counts the body in stats->bytes once it
 * was sent. 0, or -errno with @failure (network, TLS, time, an answer that is none).
 */
int eye_client_send(struct eye_client *client, const struct eye_client_request *request,
                    struct eye_client_answer *ret_answer, struct eye_export_failure *failure);

/** A header of the answer to the last request, or NULL. */
const char *eye_client_answer_header(const struct eye_client *client, const char *name);

/**
 * What a status means for the payload, by the table of all our receivers; @failure gets reason,
 * retry_after_ns and a cause with status, proxy, the answer's first line and where a redirect
 * points to, unless it is a success.
 *
 *   2xx              DONE        400 403 422 501        GIVE_UP (403: unauthorized, else rejected)
 *   408 425 429 5xx  RETRY       401 404 407 3xx other  RETRY: says nothing about the points
 *   413              TOO_LARGE
 */
enum eye_verdict eye_client_verdict(const struct eye_client_answer *answer,
                                    struct eye_export_failure *failure);
