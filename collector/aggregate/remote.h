/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of a connection as a tag. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

/**
 * Writes the tag value for @address (16 bytes, network order, IPv4 as ::ffff:a.b.c.d): "" for
 * EYE_REMOTE_NONE, "loopback", "link-local", "private" or "public" for EYE_REMOTE_ZONE, the
 * address as text for EYE_REMOTE_IP. @size at least 46 (INET6_ADDRSTRLEN).
 * Ranges: RFC 1122, 1918, 3927, 4193, 4291, 6598.
 */
void eye_remote_format(enum eye_remote how, const uint8_t address[static 16], char *ret_text,
                       size_t size);
