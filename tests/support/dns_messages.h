/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of DNS over TCP, each behind its length; of the includer bpf/usm/dns/dns.h. */
#pragma once

#include <string.h>

#include "collector/base/base.h"

static inline size_t dns_put_number(__u8 *target, size_t number)
{
    target[0] = (__u8)(number >> 8);
    target[1] = (__u8)number;
    return 2;
}

/* A message of @size bytes with a name of @name bytes, behind its length. */
static inline size_t dns_put_message(__u8 *target, __u16 id, bool answer, size_t name, size_t size)
{
    size_t used = dns_put_number(target, size);
    memset(target + used, 0, size);
    dns_put_number(target + used, id);
    target[used + 2] = answer ? 0x81 : 1;
    target[used + 3] = answer ? 0x80 : 0;
    dns_put_number(target + used + 4, 1);
    size_t at = used + EYE_DNS_HEADER_BYTES;
    for (size_t left = name - 1; left > 0;) {
        size_t label = left - 1 < EYE_DNS_LABEL_BYTES ? left - 1 : EYE_DNS_LABEL_BYTES;
        label -= label + 2 == left; /* one byte alone would be an empty label */
        target[at++] = (__u8)label;
        memset(target + at, 'A' + id % 26, label);
        at += label;
        left -= label + 1;
    }
    dns_put_number(target + at + 1, EYE_DNS_AAAA);
    dns_put_number(target + at + 3, 1);
    return used + size;
}

struct dns_shape {
    size_t name;
    size_t size;
};

/* The shortest, usual ones, one that just fills the window, and such that do not fit it. */
static const struct dns_shape dns_shapes[] = {
    {1, 17}, {13, 40}, {13, 29}, {238, 254}, {200, 255}, {30, 700}, {13, 29}, {120, 2000}, {20, 36},
};

static inline size_t dns_put_all(__u8 *target)
{
    size_t used = 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(dns_shapes); i++) {
        used += dns_put_message(target + used, (__u16)(i + 7), i % 2 == 1, dns_shapes[i].name,
                                dns_shapes[i].size);
    }
    return used;
}
