/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of receivers: scheme://HOST:PORT or scheme:///PATH, and nothing else in them. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "collector/base/parse.h"
#include "exporters/link/link.h"

static const struct scheme {
    const char *text;
    enum eye_link_scheme scheme;
    bool path; /* a Unix socket */
} schemes[] = {
    {"udp://", EYE_LINK_UDP, false},          {"tcp://", EYE_LINK_TCP, false},
    {"tls://", EYE_LINK_TLS, false},          {"unix://", EYE_LINK_UNIX, true},
    {"unixgram://", EYE_LINK_UNIXGRAM, true}, {"unixstream://", EYE_LINK_UNIXSTREAM, true},
};

/* A part of the URL, not NUL-terminated. */
struct span {
    const char *start;
    size_t length;
};

static const struct scheme *find_scheme(const char *url)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(schemes); i++) {
        if (strncmp(url, schemes[i].text, strlen(schemes[i].text)) == 0) {
            return &schemes[i];
        }
    }
    return NULL;
}

static bool copy_span(char *target, size_t size, struct span span)
{
    if (span.length == 0 || span.length >= size) {
        return false;
    }
    memcpy(target, span.start, span.length);
    target[span.length] = '\0';
    return true;
}

static bool is_word(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-._";
    return text[0] != '\0' && strspn(text, allowed) == strlen(text);
}

/* Whether there is an interface of the name behind % shows when the address is used. */
static bool is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    const char *zone = strchr(host, '%');
    size_t length = zone == NULL ? strlen(host) : (size_t)(zone - host);
    return copy_span(address, sizeof(address), (struct span){host, length}) &&
           inet_pton(AF_INET6, address, &parsed) == 1 && (zone == NULL || is_word(zone + 1));
}

static bool is_port(const char *port)
{
    uint64_t number;
    return eye_parse_u64(port, &number) == 0 && number >= 1 && number <= UINT16_MAX;
}

/* The colon before the port; NULL: there is none. Those of an address in brackets are not it. */
static const char *find_port(const char *authority)
{
    const char *bracket = strrchr(authority, ']');
    return strrchr(bracket == NULL ? authority : bracket, ':');
}

static bool split_port(const char *text, struct eye_link_address *address)
{
    struct span port = {text, strlen(text)};
    return copy_span(address->port, sizeof(address->port), port) && is_port(address->port);
}

static bool split_authority(const char *authority, const char *default_port,
                            struct eye_link_address *address)
{
    const char *colon = find_port(authority);
    const char *port = colon == NULL ? default_port : colon + 1;
    struct span host = {authority, colon == NULL ? strlen(authority) : (size_t)(colon - authority)};
    bool bracketed = host.length > 2 && host.start[0] == '[' && host.start[host.length - 1] == ']';
    if (bracketed) {
        host = (struct span){host.start + 1, host.length - 2};
    }
    return port != NULL && split_port(port, address) &&
           copy_span(address->host, sizeof(address->host), host) &&
           (bracketed ? is_ipv6(address->host) : is_word(address->host));
}

static bool split_path(const char *path, struct eye_link_address *address)
{
    for (const char *byte = path; *byte != '\0'; byte++) {
        if ((unsigned char)*byte < ' ' || *byte == '\x7f') {
            return false;
        }
    }
    return path[0] == '/' && path[1] != '\0' &&
           copy_span(address->path, sizeof(address->path), (struct span){path, strlen(path)});
}

int eye_link_parse(const char *url, const char *default_port, unsigned allowed,
                   struct eye_link_address *ret_address)
{
    const struct scheme *scheme = find_scheme(url);
    if (scheme == NULL || (allowed & 1U << scheme->scheme) == 0) {
        return -EINVAL;
    }
    struct eye_link_address address = {.scheme = scheme->scheme};
    const char *rest = url + strlen(scheme->text);
    if (scheme->path ? !split_path(rest, &address)
                     : !split_authority(rest, default_port, &address)) {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}
