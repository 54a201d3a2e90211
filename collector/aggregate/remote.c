/* SPDX-License-Identifier: Apache-2.0 */
/* Zones, networks and texts of addresses. */
#include "collector/aggregate/remote.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/text.h"

enum zone { ZONE_LOOPBACK, ZONE_LINK_LOCAL, ZONE_PRIVATE, ZONE_PUBLIC };

static const char *const zones[] = {
    [ZONE_LOOPBACK] = "loopback",
    [ZONE_LINK_LOCAL] = "link-local",
    [ZONE_PRIVATE] = "private",
    [ZONE_PUBLIC] = "public",
};

/* Groups: zones, networks and names, each from its own number on. */
#define GROUP_ZONES 1
#define GROUP_NETWORKS 16
#define GROUP_NAMES (UINT64_C(1) << 32)

#define MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff

static const struct {
    struct eye_prefix prefix;
    enum zone zone;
} ranges[] = {
    {{{MAPPED, 127}, 96 + 8, 4}, ZONE_LOOPBACK},
    {{{[15] = 1}, 128, 6}, ZONE_LOOPBACK},
    {{{MAPPED, 169, 254}, 96 + 16, 4}, ZONE_LINK_LOCAL},
    {{{0xfe, 0x80}, 10, 6}, ZONE_LINK_LOCAL},
    {{{MAPPED, 10}, 96 + 8, 4}, ZONE_PRIVATE},
    {{{MAPPED, 172, 16}, 96 + 12, 4}, ZONE_PRIVATE},
    {{{MAPPED, 192, 168}, 96 + 16, 4}, ZONE_PRIVATE},
    {{{MAPPED, 100, 64}, 96 + 10, 4}, ZONE_PRIVATE},
    {{{0xfc}, 7, 6}, ZONE_PRIVATE},
};

static enum zone zone_of(const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(ranges); i++) {
        if (eye_prefix_holds(&ranges[i].prefix, address)) {
            return ranges[i].zone;
        }
    }
    return ZONE_PUBLIC;
}

/* EYE_PREFIX_NONE: in none, or networks are not told. */
static uint32_t network_of(const struct eye_config *config,
                           const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    return config->connections.remote == EYE_REMOTE_CIDR
               ? eye_prefix_table_find(&config->connections.network_table, address)
               : EYE_PREFIX_NONE;
}

/* False: it has none, or names are not told. */
static bool find_name(const struct eye_config *config, struct eye_reverse *names,
                      const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                      struct eye_reverse_name *ret_name)
{
    return config->connections.remote == EYE_REMOTE_NAME && names != NULL &&
           eye_reverse_find(names, address, ret_name);
}

static uint64_t group_of(const struct eye_config *config, struct eye_reverse *names,
                         const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    struct eye_reverse_name name;
    if (find_name(config, names, address, &name)) {
        return GROUP_NAMES + name.id;
    }
    uint32_t network = network_of(config, address);
    return network == EYE_PREFIX_NONE ? GROUP_ZONES + (uint64_t)zone_of(address)
                                      : GROUP_NETWORKS + (uint64_t)network;
}

void eye_remote_identify(const struct eye_config *config, struct eye_reverse *names,
                         const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                         uint8_t ret_identity[static EYE_PREFIX_ADDRESS_BYTES])
{
    int how = config->connections.remote;
    uint64_t identity[2] = {0};
    if (how == EYE_REMOTE_IP) {
        memcpy(identity, address, sizeof(identity));
    } else if (how != EYE_REMOTE_NONE) {
        identity[0] = group_of(config, names, address);
    }
    memcpy(ret_identity, identity, sizeof(identity));
}

static void format_group(const struct eye_config *config, struct eye_reverse *names,
                         const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                         char ret_text[static EYE_REMOTE_BYTES])
{
    const struct eye_network *networks = config->connections.networks.items;
    struct eye_reverse_name name;
    uint32_t network = network_of(config, address);
    const char *text = zones[zone_of(address)];
    if (network != EYE_PREFIX_NONE) {
        text = networks[network].name;
    } else if (find_name(config, names, address, &name)) {
        text = name.text;
    }
    eye_copy_string(ret_text, EYE_REMOTE_BYTES, text);
}

void eye_remote_format(const struct eye_config *config, struct eye_reverse *names,
                       const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                       char ret_text[static EYE_REMOTE_BYTES])
{
    static const uint8_t mapped[] = {MAPPED};
    int how = config->connections.remote;
    if (how == EYE_REMOTE_NONE) {
        ret_text[0] = '\0';
    } else if (how != EYE_REMOTE_IP) {
        format_group(config, names, address, ret_text);
    } else if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        inet_ntop(AF_INET, address + sizeof(mapped), ret_text, EYE_REMOTE_BYTES);
    } else {
        inet_ntop(AF_INET6, address, ret_text, EYE_REMOTE_BYTES);
    }
}
