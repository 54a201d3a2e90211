/* SPDX-License-Identifier: Apache-2.0 */
/* Making a link and choosing its transport. */
#include "exporters/link/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "exporters/link/transport.h"

/* An Ethernet frame less the IP and UDP headers; what agents read at once; a piece of a stream. */
#define UDP_PAYLOAD_BYTES 1432
#define UNIX_PAYLOAD_BYTES 8192
#define STREAM_PAYLOAD_BYTES ((size_t)64 << 10)

static const struct way {
    const char *name;
    const struct eye_link_transport *transport;
    size_t payload_bytes;
} ways[] = {
    [EYE_LINK_UDP] = {"udp", &eye_link_datagram, UDP_PAYLOAD_BYTES},
    [EYE_LINK_TCP] = {"tcp", &eye_link_stream, STREAM_PAYLOAD_BYTES},
    [EYE_LINK_TLS] = {"tls", &eye_link_tls, STREAM_PAYLOAD_BYTES},
    /* datagrams until it turns out to be a stream */
    [EYE_LINK_UNIX] = {"unix", &eye_link_datagram, UNIX_PAYLOAD_BYTES},
    [EYE_LINK_UNIXGRAM] = {"unixgram", &eye_link_datagram, UNIX_PAYLOAD_BYTES},
    [EYE_LINK_UNIXSTREAM] = {"unixstream", &eye_link_stream, UNIX_PAYLOAD_BYTES},
};

size_t eye_link_payload_bytes(enum eye_link_scheme scheme)
{
    return ways[scheme].payload_bytes;
}

static void make_label(struct eye_link *link)
{
    const struct eye_link_address *address = &link->address;
    const char *name = ways[address->scheme].name;
    if (address->path[0] != '\0') {
        snprintf(link->label, sizeof(link->label), "%s://%s", name, address->path);
        return;
    }
    bool is_ipv6 = strchr(address->host, ':') != NULL;
    snprintf(link->label, sizeof(link->label), "%s://%s%s%s:%s", name, is_ipv6 ? "[" : "",
             address->host, is_ipv6 ? "]" : "", address->port);
}

static int init_tls(const struct eye_tls_settings *tls, struct eye_error *ret_error)
{
    int result = eye_tls_check(tls, ret_error);
    return result == 0 ? eye_curl_load(ret_error) : result;
}

int eye_link_new(const struct eye_link_address *address, const struct eye_tls_settings *tls,
                 const struct eye_exporter_setup *setup, struct eye_link **ret_link,
                 struct eye_error *ret_error)
{
    assert((address->scheme == EYE_LINK_TLS) == (tls != NULL));
    int result = tls == NULL ? 0 : init_tls(tls, ret_error);
    if (result != 0) {
        return result;
    }
    EYE_AUTOFREE struct eye_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    link->address = *address;
    link->tls = tls;
    link->stats = setup->stats;
    link->deadline = setup->deadline;
    link->transport = ways[address->scheme].transport;
    link->fd = -1;
    make_label(link);
    eye_resolver_init(&link->resolver, link->address.host, link->address.port,
                      address->scheme == EYE_LINK_UDP ? SOCK_DGRAM : SOCK_STREAM);
    *ret_link = EYE_TAKE(link);
    return 0;
}

void eye_link_free(struct eye_link *link)
{
    if (link == NULL) {
        return;
    }
    link->transport->close(link);
    eye_resolver_done(&link->resolver);
    free(link->waiting);
    free(link);
}

int eye_link_fill_up(struct eye_link *link, size_t segment, struct eye_error *ret_error)
{
    if (link->address.scheme != EYE_LINK_UDP || segment > EYE_LINK_FILLED_BYTES) {
        return 0;
    }
    link->waiting = eye_burst_new(segment);
    return link->waiting == NULL ? eye_error_set(ret_error, -ENOMEM, "out of memory") : 0;
}

bool eye_link_is_datagram(const struct eye_link *link)
{
    return link->transport == &eye_link_datagram;
}

int eye_link_open(struct eye_link *link, struct eye_export_failure *failure)
{
    return link->transport->open(link, failure);
}

int eye_link_send(struct eye_link *link, const void *bytes, size_t length,
                  struct eye_export_failure *failure)
{
    return link->transport->send(link, bytes, length, failure);
}

enum eye_verdict eye_link_verdict(int result)
{
    switch (result) {
    case 0:
        return EYE_VERDICT_DONE;
    case -EMSGSIZE:
        return EYE_VERDICT_TOO_LARGE;
    default:
        return EYE_VERDICT_RETRY;
    }
}

enum eye_confirmation eye_link_confirm(struct eye_link *link, bool wait,
                                       struct eye_export_failure *failure)
{
    return link->transport->confirm(link, wait, failure);
}
