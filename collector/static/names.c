/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static build looks names up by itself. libc.a can read files and ask DNS; for any other word
 * of /etc/nsswitch.conf (mdns4_minimal, resolve, systemd) it opens that host's libnss_*.so and with
 * it that host's libc beside our own, and the first look-up ends in a SIGFPE or worse. So what is
 * asked is said here, before main() and whatever the host has configured: nss(5).
 * systemd-resolved still answers, as the name server of /etc/resolv.conf.
 */
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/base.h"

static const struct {
    const char *database;
    const char *services;
} lookups[] = {
    {"hosts", "files dns"}, {"services", "files"},   {"passwd", "files"},
    {"group", "files"},     {"initgroups", "files"},
};

/* libc copies nothing: what it gets lasts. */
__attribute__((constructor)) static void keep_to_what_is_linked(void)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lookups); i++) {
        if (__nss_configure_lookup(lookups[i].database, lookups[i].services) != 0) {
            fprintf(stderr, "sockeye: cannot look up \"%s\" in \"%s\": no memory\n",
                    lookups[i].database, lookups[i].services);
            exit(EXIT_FAILURE);
        }
    }
}
