/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request target. The first byte chooses whether the target is truncated, whether a
 * rule is there and whether only rules name. Property: a route is "*", the one for what nothing
 * names, or starts with "/"; it is short, has no byte that means something to a metric format, and
 * is its own route unless a rule named it, none did, or one might name what was cut off.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "collector/usm/route.h"

#define RULED "/ruled"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_clean(const char *route)
{
    for (const char *byte = route; *byte != '\0'; byte++) {
        if (*byte <= ' ' || *byte >= 0x7f || strchr("|,\"\\?#", *byte) != NULL) {
            return false;
        }
    }
    return route[0] == '/' || strcmp(route, "*") == 0 || strcmp(route, EYE_ROUTE_UNMATCHED) == 0;
}

static void check(const struct eye_routes *routes, const char *target, size_t length,
                  bool truncated, bool ruled)
{
    char route[EYE_ROUTE_BYTES];
    char again[EYE_ROUTE_BYTES];
    memset(route, 'x', sizeof(route));
    eye_routes_name(routes, target, length, truncated, route);
    assert(memchr(route, '\0', sizeof(route)) != NULL);
    assert(is_clean(route));
    bool by_rule = strcmp(route, RULED) == 0 || strcmp(route, EYE_ROUTE_UNMATCHED) == 0;
    if (!by_rule && !(truncated && ruled)) {
        eye_routes_name(routes, route, strlen(route), false, again);
        assert(strcmp(route, again) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char texts[][16] = {"/api/*/x", RULED, "/static/**", RULED};
    static const struct eye_route_rule rules[] = {{texts[0], texts[1]}, {texts[2], texts[3]}};
    if (size == 0) {
        return 0;
    }
    struct eye_routes *routes =
        eye_routes_new(rules, (data[0] & 2) != 0 ? 2 : 0,
                       (data[0] & 4) != 0 ? EYE_ROUTE_NAMES_LISTED : EYE_ROUTE_NAMES_GUESSED);
    assert(routes != NULL);
    check(routes, (const char *)data + 1, size - 1, (data[0] & 1) != 0, (data[0] & 2) != 0);
    eye_routes_free(routes);
    return 0;
}
