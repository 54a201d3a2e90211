/* SPDX-License-Identifier: Apache-2.0 */
/* The linker's --wrap=getaddrinfo leads here. */
#include "tests/unit/exporters/link/names.h"

#include <netdb.h>
#include <string.h>

/* The names are the linker's. */
int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list); /* NOLINT(*-reserved-identifier) */
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list); /* NOLINT(*-reserved-identifier) */

/* Two lists become one, in this order; freeaddrinfo() takes them node by node. */
static int resolve_both(const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret_list)
{
    struct addrinfo *first = NULL;
    struct addrinfo *second = NULL;
    int problem = __real_getaddrinfo("::1", service, hints, &first);
    if (problem != 0) {
        return problem;
    }
    problem = __real_getaddrinfo("127.0.0.1", service, hints, &second);
    if (problem != 0) {
        freeaddrinfo(first);
        return problem;
    }
    struct addrinfo *last = first;
    while (last->ai_next != NULL) {
        last = last->ai_next;
    }
    last->ai_next = second;
    *ret_list = first;
    return 0;
}

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret_list)
{
    return strcmp(node, NAME_OF_BOTH) == 0 ? resolve_both(service, hints, ret_list)
                                           : __real_getaddrinfo(node, service, hints, ret_list);
}
