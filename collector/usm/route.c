/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of a segment is looked at once: counted by kind, and the counts say whether the
 * segment reads as a name. What does not is a value, however harmless it may be.
 */
#include "collector/usm/route.h"

#include <stdlib.h>
#include <string.h>

/* Beyond these a segment is a value. */
#define NAME_MAX_BYTES 40
#define NAME_MAX_DIGITS 2
#define NAME_WITH_DIGIT_MAX_BYTES 12
#define NAME_WITH_INNER_DIGIT_MAX_BYTES 5 /* "i18n", "k8s" */
#define NAME_MAX_SEPARATORS 4 /* more words are a title: "ten-ways-to-do-this-and-that" */

/* Of one run of letters. Longer runs of one case, or more consonants in a row than words of English
 * have ("catchphrase": 6), are keys. */
#define WORD_MAX_LETTERS 20
#define CAPITALS_MAX_LETTERS 15
#define CONSONANTS_MAX 6

/* "getUserByID": at most every third letter of a name begins a new part. */
#define HUMP_LETTERS 3
#define HUMPS_MIN_LETTERS 8

/* Hexadecimal, with or without "-", from here on is a hash or a UUID, not "facade". */
#define HEX_MIN_BYTES 8

/* "/" and "*": what stands for the rest of a route that is cut. */
#define REST_BYTES 2

enum kind {
    KIND_DIGIT = 1 << 0,
    KIND_LOWER = 1 << 1,
    KIND_UPPER = 1 << 2,
    KIND_VOWEL = 1 << 3,
    KIND_HEX = 1 << 4,
    KIND_SEPARATOR = 1 << 5,
};

#define KIND_LETTER (KIND_LOWER | KIND_UPPER)

/* Bytes of kind 0 have no place in a name. */
static const unsigned char kinds[256] = {
    ['0' ... '9'] = KIND_DIGIT | KIND_HEX,
    ['a'] = KIND_LOWER | KIND_HEX | KIND_VOWEL,
    ['b' ... 'd'] = KIND_LOWER | KIND_HEX,
    ['e'] = KIND_LOWER | KIND_HEX | KIND_VOWEL,
    ['f'] = KIND_LOWER | KIND_HEX,
    ['g' ... 'h'] = KIND_LOWER,
    ['i'] = KIND_LOWER | KIND_VOWEL,
    ['j' ... 'n'] = KIND_LOWER,
    ['o'] = KIND_LOWER | KIND_VOWEL,
    ['p' ... 't'] = KIND_LOWER,
    ['u'] = KIND_LOWER | KIND_VOWEL,
    ['v' ... 'x'] = KIND_LOWER,
    ['y'] = KIND_LOWER | KIND_VOWEL,
    ['z'] = KIND_LOWER,
    ['A'] = KIND_UPPER | KIND_HEX | KIND_VOWEL,
    ['B' ... 'D'] = KIND_UPPER | KIND_HEX,
    ['E'] = KIND_UPPER | KIND_HEX | KIND_VOWEL,
    ['F'] = KIND_UPPER | KIND_HEX,
    ['G' ... 'H'] = KIND_UPPER,
    ['I'] = KIND_UPPER | KIND_VOWEL,
    ['J' ... 'N'] = KIND_UPPER,
    ['O'] = KIND_UPPER | KIND_VOWEL,
    ['P' ... 'T'] = KIND_UPPER,
    ['U'] = KIND_UPPER | KIND_VOWEL,
    ['V' ... 'X'] = KIND_UPPER,
    ['Y'] = KIND_UPPER | KIND_VOWEL,
    ['Z'] = KIND_UPPER,
    ['-'] = KIND_SEPARATOR,
    ['_'] = KIND_SEPARATOR,
};

/* Of pages, scripts and what belongs to them. Documents and pictures are somebody's, and so may be
 * what they are called. */
static const char *const extensions[] = {
    "action", "asmx",  "asp",  "aspx", "atom", "cfm",  "cgi", "css",  "do",  "htm",
    "html",   "ico",   "ini",  "js",   "jsf",  "json", "jsp", "jspx", "map", "mjs",
    "php",    "pl",    "py",   "rb",   "rss",  "svc",  "svg", "ttf",  "txt", "wasm",
    "woff",   "woff2", "wsdl", "xml",  "xsd",  "yaml", "yml",
};

/* A path without its first "/", or a part of one. */
struct span {
    const char *start;
    size_t length;
};

/* What a segment without its extension consists of. */
struct counts {
    size_t digits;
    size_t letters;
    size_t separators;
    size_t hex;        /* digits and a-f */
    size_t humps;      /* a capital behind a small letter */
    size_t word;       /* letters of the longest run without a hump */
    size_t capitals;   /* letters of the longest run of capitals */
    size_t consonants; /* the most in a row */
    bool inner_digit;  /* between letters */
    bool foreign;      /* a byte that has no place in a name */
};

struct eye_routes {
    const struct eye_route_rule *rules;
    size_t count;
    enum eye_route_names names;
};

struct eye_routes *eye_routes_new(const struct eye_route_rule *rules, size_t count,
                                  enum eye_route_names names)
{
    struct eye_routes *routes = malloc(sizeof(*routes));
    if (routes != NULL) {
        *routes = (struct eye_routes){.rules = rules, .count = count, .names = names};
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

static bool same(struct span a, struct span b)
{
    return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

/* "*" does not match an empty segment: "/users/" lists users and is not one of them. Parameters of
 * the segment matter only to a rule that has them, too. */
static bool segment_matches(struct span wanted, struct span segment)
{
    if (equals(wanted, "*")) {
        return segment.length > 0;
    }
    return same(wanted, segment) || same(wanted, until(segment, ';'));
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

static bool is_known_extension(struct span text)
{
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        if (equals(text, extensions[i])) {
            return true;
        }
    }
    return false;
}

/* Without the end "." and @extension, if it has that. */
static struct span without_end(struct span text, const char *extension)
{
    size_t length = strlen(extension) + 1;
    if (text.length > length && text.start[text.length - length] == '.' &&
        equals(skip(text, text.length - length + 1), extension)) {
        text.length -= length;
    }
    return text;
}

/* "index" of "index.html", "app" of "app.min.js", "well-known" of ".well-known"; any other dot
 * stays. */
static struct span stem_of(struct span segment)
{
    const char *dot = memrchr(segment.start, '.', segment.length);
    if (dot == segment.start) {
        return skip(segment, 1);
    }
    if (dot == NULL || !is_known_extension(skip(segment, (size_t)(dot + 1 - segment.start)))) {
        return segment;
    }
    segment.length = (size_t)(dot - segment.start);
    return without_end(segment, "min");
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static struct counts count(struct span text)
{
    struct counts counts = {0};
    size_t run = 0;
    size_t capitals = 0;
    size_t consonants = 0;
    unsigned before = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned kind = kinds[(unsigned char)text.start[i]];
        bool letter = (kind & KIND_LETTER) != 0;
        bool hump = (kind & KIND_UPPER) != 0 && (before & KIND_LOWER) != 0;
        run = !letter ? 0 : hump ? 1 : run + 1;
        capitals = (kind & KIND_UPPER) != 0 ? capitals + 1 : 0;
        consonants = letter && (kind & KIND_VOWEL) == 0 ? consonants + 1 : 0;
        counts.foreign |= kind == 0;
        counts.inner_digit |= letter && (before & KIND_DIGIT) != 0 && counts.letters > 0;
        counts.digits += (kind & KIND_DIGIT) != 0;
        counts.letters += letter;
        counts.separators += (kind & KIND_SEPARATOR) != 0;
        counts.hex += (kind & KIND_HEX) != 0;
        counts.humps += hump;
        counts.word = larger(counts.word, run);
        counts.capitals = larger(counts.capitals, capitals);
        counts.consonants = larger(counts.consonants, consonants);
        before = kind;
    }
    return counts;
}

static size_t digits_at(struct span text)
{
    size_t length = 0;
    while (length < text.length && text.start[length] >= '0' && text.start[length] <= '9') {
        length++;
    }
    return length;
}

/* "v1", "v1.2", "v2beta1": at most two digits in each place. */
static bool is_version(struct span text)
{
    if (text.length == 0 || text.start[0] != 'v') {
        return false;
    }
    text = skip(text, 1);
    size_t digits = digits_at(text);
    if (digits == 0 || digits > NAME_MAX_DIGITS) {
        return false;
    }
    text = skip(text, digits);
    static const char *const stages[] = {".", "alpha", "beta"};
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]) && text.length > 0; i++) {
        size_t length = strlen(stages[i]);
        if (text.length > length && memcmp(text.start, stages[i], length) == 0) {
            text = skip(text, length);
            digits = digits_at(text);
            return digits == text.length && digits <= NAME_MAX_DIGITS;
        }
    }
    return text.length == 0;
}

static bool is_hexadecimal(const struct counts *counts, size_t length)
{
    return counts->hex >= HEX_MIN_BYTES && counts->hex + counts->separators == length;
}

/* Letters as keys have them, not words. */
static bool is_key(const struct counts *counts)
{
    return counts->word > WORD_MAX_LETTERS || counts->capitals > CAPITALS_MAX_LETTERS ||
           counts->consonants > CONSONANTS_MAX ||
           (counts->letters >= HUMPS_MIN_LETTERS && counts->humps * HUMP_LETTERS > counts->letters);
}

static bool is_name(struct span segment)
{
    if (segment.length == 0 || equals(segment, ".") || equals(segment, "..") ||
        is_version(segment)) {
        return true;
    }
    struct span stem = stem_of(segment);
    const struct counts counts = count(stem);
    size_t digit_limit =
        counts.inner_digit ? NAME_WITH_INNER_DIGIT_MAX_BYTES : NAME_WITH_DIGIT_MAX_BYTES;
    return segment.length <= NAME_MAX_BYTES && !counts.foreign &&
           counts.separators <= NAME_MAX_SEPARATORS && counts.digits <= NAME_MAX_DIGITS &&
           (counts.digits == 0 || (counts.letters > 0 && stem.length <= digit_limit)) &&
           !is_hexadecimal(&counts, stem.length) && !is_key(&counts);
}

static void name_by_shape(struct span path, bool cut, char *ret_route)
{
    static const struct span star = {"*", 1};
    size_t used = 0;
    bool last = false;
    while (!last) {
        struct span segment = until(path, '/');
        struct span shown = until(segment, ';');
        last = segment.length == path.length;
        bool half = last && cut && shown.length == segment.length;
        shown = half || !is_name(shown) ? star : shown;
        size_t reserved = last ? 0 : REST_BYTES;
        if (used + 1 + shown.length + reserved >= EYE_ROUTE_BYTES) {
            shown = star;
            last = true;
        }
        ret_route[used++] = '/';
        memcpy(ret_route + used, shown.start, shown.length);
        used += shown.length;
        path = skip(path, last ? 0 : segment.length + 1);
    }
    ret_route[used] = '\0';
}

bool eye_routes_name(const struct eye_routes *routes, const char *path, size_t length,
                     bool truncated, char ret_route[static EYE_ROUTE_BYTES])
{
    struct span target = {length > 0 ? path : "", length};
    struct span known = until(until(target, '?'), '#');
    bool cut = truncated && known.length == length;
    struct span found;
    bool has_path = find_path(known, cut, &found);
    if (has_path && name_by_rule(routes, found, cut, ret_route)) {
        return false;
    }
    if (routes->names == EYE_ROUTE_NAMES_LISTED) {
        copy_route(EYE_ROUTE_UNMATCHED, ret_route);
        return false;
    }
    if (!has_path) {
        copy_route("*", ret_route);
        return false;
    }
    name_by_shape(found, cut, ret_route);
    return true;
}
