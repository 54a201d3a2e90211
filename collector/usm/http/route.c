/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of a path is looked at once: a table gives its traits, a segment's traits are the OR
 * and the AND of its bytes', and they say whether the segment is a name or a value.
 */
#include "collector/usm/http/route.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A segment longer than this is a value; with a digit in it, the shorter limit counts. */
#define NAME_MAX_BYTES 40
#define NAME_WITH_DIGIT_MAX_BYTES 24

#define HEX_MIN_DIGITS 8
#define UUID_BYTES 36

/* "/" and "*": what stands for the rest of a route that is cut. */
#define REST_BYTES 2

enum trait {
    TRAIT_DIGIT = 1 << 0,
    TRAIT_HEX = 1 << 1,  /* digits and a-f */
    TRAIT_UUID = 1 << 2, /* hex and "-" */
    TRAIT_SAFE = 1 << 3, /* printable, and no metric format gives it a meaning */
    TRAIT_SLASH = 1 << 4,
};

#define OTHER TRAIT_SAFE
#define LETTER (TRAIT_SAFE | TRAIT_UUID | TRAIT_HEX)
#define DIGIT (LETTER | TRAIT_DIGIT)

/* Bytes that are not listed are unsafe. */
static const unsigned char traits[256] = {
    ['!'] = OTHER,         ['#' ... '+'] = OTHER,  ['-'] = OTHER | TRAIT_UUID,
    ['.'] = OTHER,         ['/'] = TRAIT_SLASH,    ['0' ... '9'] = DIGIT,
    [':' ... '@'] = OTHER, ['A' ... 'F'] = LETTER, ['G' ... '['] = OTHER,
    [']' ... '`'] = OTHER, ['a' ... 'f'] = LETTER, ['g' ... '{'] = OTHER,
    ['}' ... '~'] = OTHER,
};

/* A path without its first "/", or a part of one. */
struct span {
    const char *start;
    size_t length;
};

struct segment {
    size_t length;
    unsigned any; /* traits that one byte has */
    unsigned all; /* traits that every byte has */
};

struct eye_routes {
    const struct eye_route_rule *rules;
    size_t count;
};

struct eye_routes *eye_routes_new(const struct eye_route_rule *rules, size_t count)
{
    struct eye_routes *routes = malloc(sizeof(*routes));
    if (routes != NULL) {
        *routes = (struct eye_routes){.rules = rules, .count = count};
    }
    return routes;
}

void eye_routes_free(struct eye_routes *routes)
{
    free(routes);
}

static struct span skip(struct span text, size_t count)
{
    return (struct span){text.start + count, text.length - count};
}

/* The text up to @character, or all of it. */
static struct span until(struct span text, char character)
{
    const char *end = memchr(text.start, character, text.length);
    return (struct span){text.start, end == NULL ? text.length : (size_t)(end - text.start)};
}

static bool equals(struct span text, const char *string)
{
    return text.length == strlen(string) && memcmp(text.start, string, text.length) == 0;
}

static bool is_scheme_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '+' || byte == '-' || byte == '.';
}

/* Bytes of "scheme://" at the start (RFC 3986 section 3.1); 0 without. */
static size_t scheme_length(struct span target)
{
    size_t length = 0;
    while (length < target.length && is_scheme_byte(target.start[length])) {
        length++;
    }
    struct span rest = skip(target, length);
    bool ends = rest.length >= 3 && memcmp(rest.start, "://", 3) == 0;
    return length > 0 && ends ? length + 3 : 0;
}

/*
 * The path of @target, which has neither query nor fragment; false when it has none or ends before
 * it is known where the path starts.
 */
static bool find_path(struct span target, bool cut, struct span *ret_path)
{
    size_t start = scheme_length(target);
    struct span authority = until(skip(target, start), '/');
    bool origin_form = start == 0 && authority.length == 0;
    if (start == 0 && !origin_form) {
        return false;
    }
    start += authority.length;
    if (start == target.length) {
        *ret_path = skip(target, start);
        return !cut;
    }
    *ret_path = skip(target, start + 1);
    return true;
}

/* "*" does not match an empty segment: "/users/" lists users and is not one of them. */
static bool segment_matches(struct span wanted, struct span segment)
{
    if (equals(wanted, "*")) {
        return segment.length > 0;
    }
    return wanted.length == segment.length &&
           memcmp(wanted.start, segment.start, segment.length) == 0;
}

/* A segment that is cut, and what may have followed it, is matched by "**" alone. */
static bool matches(const char *pattern, struct span path, bool cut)
{
    struct span rest = {pattern, strlen(pattern)};
    rest = skip(rest, pattern[0] == '/' ? 1 : 0);
    while (!equals(rest, "**")) {
        struct span wanted = until(rest, '/');
        struct span segment = until(path, '/');
        bool path_ends = segment.length == path.length;
        bool pattern_ends = wanted.length == rest.length;
        if ((path_ends && cut) || !segment_matches(wanted, segment)) {
            return false;
        }
        rest = skip(rest, pattern_ends ? wanted.length : wanted.length + 1);
        if (path_ends || pattern_ends) {
            return path_ends && (pattern_ends || equals(rest, "**"));
        }
        path = skip(path, segment.length + 1);
    }
    return true;
}

/* Cut between characters, as half of one is not UTF-8. */
static void copy_route(const char *route, char *ret_route)
{
    size_t length = strlen(route);
    if (length >= EYE_ROUTE_BYTES) {
        length = EYE_ROUTE_BYTES - 1;
        while (length > 0 && ((unsigned char)route[length] & 0xc0) == 0x80) {
            length--;
        }
    }
    memcpy(ret_route, route, length);
    ret_route[length] = '\0';
}

static bool name_by_rule(const struct eye_routes *routes, struct span path, bool cut,
                         char *ret_route)
{
    for (size_t i = 0; i < routes->count; i++) {
        if (matches(routes->rules[i].pattern, path, cut)) {
            copy_route(routes->rules[i].route, ret_route);
            return true;
        }
    }
    return false;
}

static struct segment read_segment(struct span path)
{
    struct segment segment = {.all = UINT_MAX};
    while (segment.length < path.length) {
        unsigned byte_traits = traits[(unsigned char)path.start[segment.length]];
        if (byte_traits == TRAIT_SLASH) {
            break;
        }
        segment.any |= byte_traits;
        segment.all &= byte_traits;
        segment.length++;
    }
    return segment;
}

/* 8-4-4-4-12 hex digits (RFC 9562 section 4). */
static bool is_uuid(const char *text, const struct segment *segment)
{
    return segment->length == UUID_BYTES && (segment->all & TRAIT_UUID) != 0 && text[8] == '-' &&
           text[13] == '-' && text[18] == '-' && text[23] == '-';
}

static bool is_value(const char *text, const struct segment *segment)
{
    if (segment->length == 0) {
        return false;
    }
    size_t name_max =
        (segment->any & TRAIT_DIGIT) != 0 ? NAME_WITH_DIGIT_MAX_BYTES : NAME_MAX_BYTES;
    return (segment->all & TRAIT_SAFE) == 0 || (segment->all & TRAIT_DIGIT) != 0 ||
           segment->length > name_max ||
           ((segment->all & TRAIT_HEX) != 0 && segment->length >= HEX_MIN_DIGITS) ||
           is_uuid(text, segment);
}

static void name_by_shape(struct span path, bool cut, char *ret_route)
{
    size_t used = 0;
    bool last = false;
    while (!last) {
        struct segment segment = read_segment(path);
        last = segment.length == path.length;
        bool value = (last && cut) || is_value(path.start, &segment);
        struct span shown =
            value ? (struct span){"*", 1} : (struct span){path.start, segment.length};
        size_t reserved = last ? 0 : REST_BYTES;
        if (used + 1 + shown.length + reserved >= EYE_ROUTE_BYTES) {
            shown = (struct span){"*", 1};
            last = true;
        }
        ret_route[used++] = '/';
        memcpy(ret_route + used, shown.start, shown.length);
        used += shown.length;
        path = skip(path, last ? 0 : segment.length + 1);
    }
    ret_route[used] = '\0';
}

void eye_routes_name(const struct eye_routes *routes, const char *path, size_t length,
                     bool truncated, char ret_route[static EYE_ROUTE_BYTES])
{
    struct span target = {length > 0 ? path : "", length};
    struct span known = until(until(target, '?'), '#');
    bool cut = truncated && known.length == length;
    struct span found;
    if (!find_path(known, cut, &found)) {
        copy_route("*", ret_route);
    } else if (!name_by_rule(routes, found, cut, ret_route)) {
        name_by_shape(found, cut, ret_route);
    }
}
