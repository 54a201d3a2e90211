/* SPDX-License-Identifier: Apache-2.0 */
/* getaddrinfo(3), and which of its answers to use. */
#include "exporters/link/resolver.h"

#include <errno.h>
#include <string.h>

#include "collector/base/clock.h"

#define RESOLVE_INTERVAL_NS (30 * EYE_NS_PER_SECOND)

void eye_resolver_init(struct eye_resolver *resolver, const char *host, const char *port, int type)
{
    *resolver = (struct eye_resolver){.host = host, .port = port, .type = type};
}

void eye_resolver_done(struct eye_resolver *resolver)
{
    if (resolver->list != NULL) {
        freeaddrinfo(resolver->list);
    }
    resolver->list = NULL;
    resolver->current = NULL;
}

bool eye_resolver_is_due(const struct eye_resolver *resolver)
{
    return resolver->refused || eye_clock_monotonic_ns() >= resolver->resolve_at_ns;
}

static bool is_same(const struct addrinfo *a, const struct addrinfo *b)
{
    return a->ai_addrlen == b->ai_addrlen && memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen) == 0;
}

static const struct addrinfo *choose(const struct eye_resolver *resolver,
                                     const struct addrinfo *list)
{
    const struct addrinfo *candidate = resolver->current == NULL ? NULL : list;
    while (candidate != NULL && !is_same(candidate, resolver->current)) {
        candidate = candidate->ai_next;
    }
    if (candidate != NULL && resolver->refused) {
        candidate = candidate->ai_next;
    }
    return candidate != NULL ? candidate : list;
}

/* Takes @list. */
static bool replace(struct eye_resolver *resolver, struct addrinfo *list)
{
    const struct addrinfo *chosen = choose(resolver, list);
    bool moved = resolver->current == NULL || !is_same(chosen, resolver->current);
    eye_resolver_done(resolver);
    resolver->list = list;
    resolver->current = chosen;
    return moved;
}

int eye_resolver_ask(struct eye_resolver *resolver, bool *ret_moved,
                     struct eye_export_failure *failure)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = resolver->type,
        .ai_flags = AI_NUMERICSERV,
    };
    struct addrinfo *list = NULL;
    int problem = getaddrinfo(resolver->host, resolver->port, &hints, &list);
    resolver->resolve_at_ns = eye_clock_monotonic_ns() + RESOLVE_INTERVAL_NS;
    bool resolved = problem == 0 && list != NULL;
    if (!resolved && resolver->list == NULL) {
        return eye_export_fail(failure, -EDESTADDRREQ, EYE_EXPORT_UNRESOLVED,
                               "cannot resolve %s: %s", resolver->host, gai_strerror(problem));
    }
    *ret_moved = resolved && replace(resolver, list);
    resolver->refused = false;
    return 0;
}
