/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an HTTP path to a route of bounded variety: the user's rules first, else every segment
 * that looks like a value becomes "*". Immutable after new; used by the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/* Longer routes are cut at a segment, the rest becomes "*". Includes the NUL. */
#define EYE_ROUTE_BYTES 160

struct eye_routes;

/**
 * @rules: checked in order, the first match wins; may be none; must outlive the result.
 * A pattern is matched segment by segment: "*" is any one segment, "**" (last) any rest.
 * NULL when out of memory.
 */
struct eye_routes *eye_routes_new(const struct eye_route_rule *rules, size_t count);
void eye_routes_free(struct eye_routes *routes);

/**
 * The route of a request target as it stood on the wire (RFC 9112 section 3.2): origin form
 * ("/a/1?q" -> "/a/" + "*"), absolute form (scheme and authority removed), "*" as it is,
 * authority form -> "*". Query and fragment are removed. A segment becomes "*" when it is a number,
 * a UUID, hex of 8 digits and more, holds a digit and is longer than 24 bytes, is longer than 40
 * bytes, or has bytes outside printable ASCII or any of | , " \ and space.
 * @truncated: the last segment is cut, so it becomes "*".
 * @path: @length bytes, not NUL-terminated, hostile. @ret_route gets at least "/" and its NUL.
 */
void eye_routes_name(const struct eye_routes *routes, const char *path, size_t length,
                     bool truncated, char ret_route[static EYE_ROUTE_BYTES]);
