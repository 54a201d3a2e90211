/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of DNS whose names are wanted. Properties: memory stays within bounds
 * (address sanitizer), time as well; a name has at most 253 bytes, all that are told have the same
 * one, and no time beyond 31 bits of seconds; what stands behind the message changes nothing.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/usm/dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    size_t count;
    size_t length;
    uint64_t sum;
};

static void take(void *context, const uint8_t *address, const char *name, size_t length,
                 uint64_t ttl_ns)
{
    struct told *told = context;
    assert(length <= 253 && (told->count == 0 || told->length == length));
    assert(ttl_ns <= INT32_MAX * EYE_NS_PER_SECOND);
    told->count++;
    told->length = length;
    for (size_t i = 0; i < 16; i++) {
        told->sum = told->sum * 31 + address[i];
    }
    for (size_t i = 0; i < length; i++) {
        told->sum = told->sum * 31 + (uint8_t)name[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told told = {0};
    struct told again = {0};
    EYE_AUTOFREE uint8_t *bytes = malloc(size > 0 ? size : 1);
    EYE_AUTOFREE uint8_t *longer = malloc(size + 64);
    assert(bytes != NULL && longer != NULL);
    memcpy(bytes, data, size);
    memcpy(longer, data, size);
    memset(longer + size, 0xc0, 64);
    bool whole = eye_dns_tell_names(bytes, size, take, &told);
    assert(told.count <= size / 12);
    if (whole) {
        assert(eye_dns_tell_names(longer, size + 64, take, &again));
        assert(told.count == again.count && told.sum == again.sum);
    }
    return 0;
}
