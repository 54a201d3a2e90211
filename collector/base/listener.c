/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and binding. */
#include "collector/base/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/base/base.h"
#include "collector/base/parse.h"

/* Connections that the kernel holds until we accept them, such as all that come while a large page
 * is made; beyond, a scraper's SYN goes unanswered for a second. */
#define BACKLOG 1024

/* The kernel keeps a connection to itself until it has brought a byte, for a second at most: so a
 * scraper comes with its request, and cannot give way to a newcomer in between. */
#define DEFER_SECONDS 1

static int parse_port(const char *text, in_port_t *ret_port_network)
{
    uint64_t port = 0;
    if (eye_parse_u64(text, &port) != 0 || port == 0 || port > UINT16_MAX) {
        return -EINVAL;
    }
    *ret_port_network = htons((uint16_t)port);
    return 0;
}

static int fill_v4(const char *host, in_port_t port, struct sockaddr_storage *address,
                   socklen_t *ret_length)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    if (inet_pton(AF_INET, host, &v4.sin_addr) != 1) {
        return -EINVAL;
    }
    memcpy(address, &v4, sizeof(v4));
    *ret_length = sizeof(v4);
    return 0;
}

static int fill_v6(const char *host, in_port_t port, struct sockaddr_storage *address,
                   socklen_t *ret_length)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) {
        return -EINVAL;
    }
    memcpy(address, &v6, sizeof(v6));
    *ret_length = sizeof(v6);
    return 0;
}

int eye_listen_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length)
{
    char host[INET6_ADDRSTRLEN + 2];
    in_port_t port = 0;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
        parse_port(colon + 1, &port) != 0) {
        return -EINVAL;
    }
    size_t length = (size_t)(colon - text);
    memcpy(host, text, length);
    host[length] = '\0';
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        return fill_v6(host + 1, port, ret_address, ret_length);
    }
    return fill_v4(host, port, ret_address, ret_length);
}

bool eye_listen_valid(const char *text)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    return eye_listen_parse(text, &address, &length) == 0;
}

bool eye_listen_is_local(const char *text)
{
    struct sockaddr_storage address;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    socklen_t length = 0;
    if (eye_listen_parse(text, &address, &length) != 0) {
        return false;
    }
    memcpy(&v4, &address, sizeof(v4));
    memcpy(&v6, &address, sizeof(v6));
    return address.ss_family == AF_INET ? ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                        : IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

bool eye_listen_is_own_host(const char *host)
{
    static const char local[] = "localhost";
    const size_t length = sizeof(local) - 1;
    char with_port[INET6_ADDRSTRLEN + sizeof("[]:65535")];
    if (strncasecmp(host, local, length) == 0) {
        return host[length] == '\0' || host[length] == ':';
    }
    int written = snprintf(with_port, sizeof(with_port), "%s:1", host);
    return eye_listen_valid(host) ||
           ((size_t)written < sizeof(with_port) && eye_listen_valid(with_port));
}

static in_port_t port_of(const struct sockaddr_storage *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, address, sizeof(v4));
    memcpy(&v6, address, sizeof(v6));
    return address->ss_family == AF_INET ? v4.sin_port : v6.sin6_port;
}

static bool is_every(const struct sockaddr_storage *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, address, sizeof(v4));
    memcpy(&v6, address, sizeof(v6));
    return address->ss_family == AF_INET ? v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                         : IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
}

/* Whether all of the host's addresses that @address stands for have @other among them: those of
 * IPv6 have IPv4's with them, where net.ipv6.bindv6only is what it is by itself. */
static bool covers(const struct sockaddr_storage *address, const struct sockaddr_storage *other)
{
    return is_every(address) && (address->ss_family == AF_INET6 || other->ss_family == AF_INET);
}

bool eye_listen_clash(const char *text, const char *other)
{
    struct sockaddr_storage one = {0};
    struct sockaddr_storage two = {0};
    socklen_t length = 0;
    return eye_listen_parse(text, &one, &length) == 0 &&
           eye_listen_parse(other, &two, &length) == 0 && port_of(&one) == port_of(&two) &&
           (memcmp(&one, &two, sizeof(one)) == 0 || covers(&one, &two) || covers(&two, &one));
}

int eye_listen_open(const char *text, int *ret_fd)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    const int on = 1;
    const int seconds = DEFER_SECONDS;
    int result = eye_listen_parse(text, &address, &length);
    if (result != 0) {
        return result;
    }
    EYE_AUTOCLOSE int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Reuse: connections of an earlier run in TIME_WAIT must not keep the port. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, length) != 0 || listen(fd, BACKLOG) != 0) {
        return -errno;
    }
    *ret_fd = EYE_TAKE_FD(fd);
    return 0;
}

const char *eye_listen_hint(int result)
{
    return result == -EACCES ? "without cap_net_bind_service ports begin at "
                               "net.ipv4.ip_unprivileged_port_start (1024): grant it, or "
                             : "";
}
