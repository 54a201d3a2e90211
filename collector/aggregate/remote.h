/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a connection as a tag. Belongs to the collector thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/aggregate/reverse.h"
#include "config/config.h"

/* The longest text, with its NUL: the name of a network has 150 bytes. */
#define EYE_REMOTE_BYTES 151

/**
 * What all addresses have in common that connections.remote of @config calls the same, and no
 * others (16 bytes, network order, IPv4 as ::ffff:a.b.c.d). @names: NULL when nobody knows any.
 */
void eye_remote_identify(const struct eye_config *config, struct eye_reverse *names,
                         const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                         uint8_t ret_identity[static EYE_PREFIX_ADDRESS_BYTES]);

/**
 * Writes the tag value for @address: "" for EYE_REMOTE_NONE, "loopback", "link-local", "private" or
 * "public" for EYE_REMOTE_ZONE, the name of its network for EYE_REMOTE_CIDR, the address as text
 * for EYE_REMOTE_IP, its name for EYE_REMOTE_NAME; the zone where there is no such name.
 * Ranges of zones: RFC 1122, 1918, 3927, 4193, 4291, 6598.
 */
void eye_remote_format(const struct eye_config *config, struct eye_reverse *names,
                       const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                       char ret_text[static EYE_REMOTE_BYTES]);
