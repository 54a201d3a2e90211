/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an HTTP path to a route of bounded variety: the user's rules first, else every segment
 * that is not plainly a name becomes "*". Immutable after new; used by the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/* Longer routes are cut at a segment, the rest becomes "*". Includes the NUL. */
#define EYE_ROUTE_BYTES 160

/* The route of what no rule names, where only rules name, and of a path that the service does not
 * know. */
#define EYE_ROUTE_UNMATCHED "__unmatched__"

struct eye_routes;

/**
 * @rules: checked in order, the first match wins; may be none; must outlive the result.
 * A pattern is matched segment by segment: "*" is any one segment, "**" (last) any rest.
 * @names: whether paths that no rule matches are named by their shape.
 * NULL when out of memory.
 */
struct eye_routes *eye_routes_new(const struct eye_route_rule *rules, size_t count,
                                  enum eye_route_names names);
void eye_routes_free(struct eye_routes *routes);

/**
 * The route of a request target as it stood on the wire (RFC 9112 section 3.2): origin form
 * ("/a/1?q" -> "/a/" + "*"), absolute form (scheme and authority removed), "*" as it is,
 * authority form -> "*". Query, fragment and path parameters (";x=1") are removed.
 *
 * A segment is kept only when it reads as a name, else it becomes "*": letters in words of at most
 * 20, joined by "-" and "_", at most 40 bytes in all; two digits at an end of at most 12 bytes;
 * "v1", "v2beta1"; the extension of a page or a script. So numbers, dates, keys, tokens, hashes,
 * UUIDs, mail addresses, telephone numbers, documents and percent-encoding are never kept. A plain
 * word is, even if it is somebody's name.
 *
 * @truncated: the last segment is cut, so it becomes "*".
 * @path: @length bytes, not NUL-terminated, hostile. @ret_route gets at least "/" and its NUL.
 * Returns whether the path's own words may be in the route: then a client chose it.
 */
bool eye_routes_name(const struct eye_routes *routes, const char *path, size_t length,
                     bool truncated, char ret_route[static EYE_ROUTE_BYTES]);
