/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte stream inside TLS. libcurl connects, shakes hands and checks the certificate; then it is
 * told to speak no protocol (CURLOPT_CONNECT_ONLY) and only encrypts what we write.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "exporters/http/outcome.h"
#include "exporters/link/transport.h"

/* "https://[", host with its % as %25, "]:", port. */
#define URL_BYTES (EYE_LINK_HOST_BYTES + 32)

/* ---- Failures ---- */

static void close_tls(struct eye_link *link)
{
    if (link->curl != NULL && link->multi != NULL) {
        eye_curl.multi_remove_handle(link->multi, link->curl);
    }
    eye_curl.easy_cleanup(link->curl);
    eye_curl.multi_cleanup(link->multi);
    link->curl = NULL;
    link->multi = NULL;
    link->fd = -1;
}

/* RFC 6874: the % before an interface is itself written as %25. */
static void make_url(const struct eye_link_address *address, char url[URL_BYTES])
{
    bool is_ipv6 = strchr(address->host, ':') != NULL;
    int length = (int)strcspn(address->host, "%");
    const char *zone = address->host[length] == '\0' ? "" : address->host + length + 1;
    snprintf(url, URL_BYTES, "https://%s%.*s%s%s%s:%s", is_ipv6 ? "[" : "", length, address->host,
             zone[0] != '\0' ? "%25" : "", zone, is_ipv6 ? "]" : "", address->port);
}

static int fail(struct eye_link *link, CURLcode code, struct eye_export_failure *failure)
{
    int result = -EAGAIN;
    if (code == CURLE_AGAIN) {
        eye_export_fail(failure, result, EYE_EXPORT_BUSY, "cannot write to %s: %s", link->label,
                        strerror(EAGAIN));
    } else {
        char url[URL_BYTES];
        make_url(&link->address, url);
        result = eye_client_outcome(link->curl, code, url, "", link->problem, failure);
    }
    eye_link_discard_unsent(link->fd);
    close_tls(link);
    return result;
}

/* ---- Opening ---- */

static int configure(struct eye_link *link)
{
    char url[URL_BYTES];
    CURL *curl = link->curl;
    make_url(&link->address, url);
    link->problem[0] = '\0';
    eye_curl.easy_setopt(curl, CURLOPT_URL, url);
    eye_curl.easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    eye_curl.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)EYE_LINK_CONNECT_MS);
    eye_curl.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    eye_curl.easy_setopt(curl, CURLOPT_ERRORBUFFER, link->problem);
    /* There is no HTTP inside: neither its proxies nor its name in the handshake. */
    eye_curl.easy_setopt(curl, CURLOPT_PROXY, "");
    eye_curl.easy_setopt(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
    return eye_curl_set_tls(curl, link->tls);
}

/* What became of the one transfer; CURLE_AGAIN: it is still under way. */
static CURLcode connect_result(CURLM *multi)
{
    int left = 0;
    const CURLMsg *message = eye_curl.multi_info_read(multi, &left);
    return message == NULL ? CURLE_AGAIN : message->data.result;
}

static CURLcode connect_within(const struct eye_link *link)
{
    uint64_t until_ns = eye_link_in_ms(EYE_LINK_CONNECT_MS);
    CURLcode result = CURLE_AGAIN;
    for (;;) {
        int running = 0;
        if (eye_curl.multi_perform(link->multi, &running) != CURLM_OK) {
            return CURLE_OUT_OF_MEMORY;
        }
        result = connect_result(link->multi);
        int slice_ms = eye_deadline_slice_ms(link->deadline, until_ns);
        if (result != CURLE_AGAIN || slice_ms == 0) {
            return result == CURLE_AGAIN ? CURLE_OPERATION_TIMEDOUT : result;
        }
        eye_curl.multi_poll(link->multi, NULL, 0, slice_ms, NULL);
    }
}

static int prepare(struct eye_link *link)
{
    link->curl = eye_curl.easy_init();
    link->multi = eye_curl.multi_init();
    return link->curl == NULL || link->multi == NULL ? -ENOMEM : configure(link);
}

static CURLcode connect_tls(struct eye_link *link)
{
    if (eye_curl.multi_add_handle(link->multi, link->curl) != CURLM_OK) {
        return CURLE_OUT_OF_MEMORY;
    }
    CURLcode result = connect_within(link);
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (result == CURLE_OK) {
        result = eye_curl.easy_getinfo(link->curl, CURLINFO_ACTIVESOCKET, &fd);
    }
    if (result == CURLE_OK && fd == CURL_SOCKET_BAD) {
        return CURLE_GOT_NOTHING; /* ended right behind the handshake */
    }
    link->fd = fd;
    return result;
}

/* What the receiver says is thrown away; false when it has ended the stream. */
static bool is_alive(const struct eye_link *link)
{
    char nothing[EYE_LINK_DRAIN_BYTES];
    for (size_t i = 0; i < EYE_LINK_DRAIN_READS; i++) {
        size_t length = 0;
        CURLcode result = eye_curl.easy_recv(link->curl, nothing, sizeof(nothing), &length);
        if (result != CURLE_OK || length == 0) {
            return result == CURLE_AGAIN;
        }
    }
    return true;
}

static int find_authorities(struct eye_link *link, struct eye_export_failure *failure)
{
    char url[URL_BYTES];
    make_url(&link->address, url);
    return eye_client_authorities(link->curl, link->tls, url, failure);
}

static int open_tls(struct eye_link *link, struct eye_export_failure *failure)
{
    if (link->curl != NULL && is_alive(link)) {
        return 0;
    }
    close_tls(link);
    if (prepare(link) != 0) {
        return fail(link, CURLE_OUT_OF_MEMORY, failure);
    }
    int result = find_authorities(link, failure);
    if (result != 0) {
        close_tls(link);
        return result;
    }
    CURLcode code = connect_tls(link);
    return code == CURLE_OK ? 0 : fail(link, code, failure);
}

/* ---- Sending ---- */

static CURLcode write_all(struct eye_link *link, const char *bytes, size_t length)
{
    uint64_t until_ns = eye_link_in_ms(EYE_LINK_WRITE_MS);
    while (length > 0) {
        size_t written = 0;
        CURLcode result = eye_curl.easy_send(link->curl, bytes, length, &written);
        if (result == CURLE_OK) {
            bytes += written;
            length -= written;
            atomic_fetch_add(&link->stats->bytes, written);
        } else if (result != CURLE_AGAIN || eye_link_wait(link, link->fd, POLLOUT, until_ns) == 0) {
            return result;
        }
    }
    return CURLE_OK;
}

static int send_tls(struct eye_link *link, const void *bytes, size_t length,
                    struct eye_export_failure *failure)
{
    CURLcode result = write_all(link, bytes, length);
    return result == CURLE_OK ? 0 : fail(link, result, failure);
}

const struct eye_link_transport eye_link_tls = {
    .open = open_tls,
    .send = send_tls,
    .confirm = eye_link_confirm_acknowledged,
    .close = close_tls,
};
