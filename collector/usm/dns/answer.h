/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of addresses in an answer of DNS (RFC 1035, 4.1): under the name that was asked for, as
 * programs know it, also where that is an alias of another one (CNAME). Pure functions over bytes
 * that anybody may have sent.
 */
#pragma once

#include "collector/usm/protocol.h"

/* Aliases on the way from the name to its addresses; resolvers follow some ten. */
#define EYE_DNS_ALIASES_MAX 10

/**
 * Calls @handler for each address of the name that was asked for, with the shortest time to live on
 * the way to it; not for others' names, which nobody asked for. False when the message is cut or
 * malformed: then nothing is told.
 */
bool eye_dns_tell_names(const uint8_t *message, size_t bytes, eye_name_handler *handler,
                        void *context);
