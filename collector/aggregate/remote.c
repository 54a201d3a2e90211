/* SPDX-License-Identifier: Apache-2.0 */
/* Zones and texts of addresses. */
#include "collector/aggregate/remote.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/text.h"

struct range {
    uint8_t prefix[16];
    uint8_t bits;
    const char *zone;
};

#define MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff

static const struct range ranges[] = {
    {{MAPPED, 127}, 96 + 8, "loopback"},
    {{[15] = 1}, 128, "loopback"},
    {{MAPPED, 169, 254}, 96 + 16, "link-local"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{MAPPED, 10}, 96 + 8, "private"},
    {{MAPPED, 172, 16}, 96 + 12, "private"},
    {{MAPPED, 192, 168}, 96 + 16, "private"},
    {{MAPPED, 100, 64}, 96 + 10, "private"},
    {{0xfc}, 7, "private"},
};

static bool lies_in(const uint8_t address[static 16], const struct range *range)
{
    size_t whole = range->bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> (range->bits % 8));
    return memcmp(address, range->prefix, whole) == 0 &&
           (mask == 0 || (address[whole] & mask) == range->prefix[whole]);
}

static const char *zone_of(const uint8_t address[static 16])
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ranges); i++) {
        if (lies_in(address, &ranges[i])) {
            return ranges[i].zone;
        }
    }
    return "public";
}

void eye_remote_format(enum eye_remote how, const uint8_t address[static 16], char *ret_text,
                       size_t size)
{
    static const uint8_t mapped[] = {MAPPED};
    if (how == EYE_REMOTE_NONE) {
        ret_text[0] = '\0';
    } else if (how == EYE_REMOTE_ZONE) {
        eye_copy_string(ret_text, size, zone_of(address));
    } else if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        inet_ntop(AF_INET, address + sizeof(mapped), ret_text, (socklen_t)size);
    } else {
        inet_ntop(AF_INET6, address, ret_text, (socklen_t)size);
    }
}
