/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: every form of a request target, what counts as a value, rules, hostile bytes, the cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/usm/http/route.h"

#define UUID "123e4567-e89b-12d3-a456-426614174000"
#define TEN "abcdefghij"
#define FORTY TEN TEN TEN TEN

struct route_case {
    const char *target;
    const char *route;
    bool truncated;
};

/* The output is fenced: a byte beyond EYE_ROUTE_BYTES may not change. */
static void assert_route(const struct eye_routes *routes, const struct route_case *wanted)
{
    char route[EYE_ROUTE_BYTES + 1];
    memset(route, '#', sizeof(route));
    eye_routes_name(routes, wanted->target, strlen(wanted->target), wanted->truncated, route);
    assert_int_equal(route[EYE_ROUTE_BYTES], '#');
    if (strcmp(route, wanted->route) != 0) {
        fail_msg("\"%s\" is \"%s\", not \"%s\"", wanted->target, route, wanted->route);
    }
}

static void assert_routes(const struct eye_route_rule *rules, size_t rule_count,
                          const struct route_case *cases, size_t count)
{
    struct eye_routes *routes = eye_routes_new(rules, rule_count);
    assert_non_null(routes);
    for (size_t i = 0; i < count; i++) {
        assert_route(routes, &cases[i]);
    }
    eye_routes_free(routes);
}

static void free__takes_null(void **state)
{
    (void)state;
    eye_routes_free(NULL);
}

static void name__understands_every_form_of_target(void **state)
{
    (void)state;
    static const struct route_case cases[] = {
        {.target = "/", .route = "/"},
        {.target = "", .route = "/"},
        {.target = "/a", .route = "/a"},
        {.target = "/a/", .route = "/a/"},
        {.target = "/a//b", .route = "/a//b"},
        {.target = "/a?q=1", .route = "/a"},
        {.target = "/a/1?q=/b/c", .route = "/a/*"},
        {.target = "/?q", .route = "/"},
        {.target = "/a#b?c", .route = "/a"},
        {.target = "/a?b#c", .route = "/a"},
        {.target = "//host/a", .route = "//host/a"},
        {.target = "http://host/a/1?q", .route = "/a/*"},
        {.target = "HTTPS://host:443/a", .route = "/a"},
        {.target = "coap+tcp://host/a", .route = "/a"},
        {.target = "http://user@[::1]:80/a", .route = "/a"},
        {.target = "http://host", .route = "/"},
        {.target = "http://host/", .route = "/"},
        {.target = "http://host?q=/a", .route = "/"},
        {.target = "http:///a", .route = "/a"},
        {.target = "http://", .route = "/"},
        {.target = "*", .route = "*"},
        {.target = "*?q", .route = "*"},
        {.target = "host:443", .route = "*"},
        {.target = "[::1]:443", .route = "*"},
        {.target = "://host/a", .route = "*"},
        {.target = "ht tp://host/a", .route = "*"},
        {.target = "http:/a", .route = "*"},
        {.target = "a/b", .route = "*"},
    };
    assert_routes(NULL, 0, cases, EYE_ARRAY_LENGTH(cases));
}

static void name__stars_values_and_keeps_names(void **state)
{
    (void)state;
    static const struct route_case cases[] = {
        {.target = "/users/42/orders/7", .route = "/users/*/orders/*"},
        {.target = "/0", .route = "/*"},
        {.target = "/v1/a2/2b", .route = "/v1/a2/2b"},
        {.target = "/" UUID "/x", .route = "/*/x"},
        {.target = "/123E4567-E89B-12D3-A456-426614174000", .route = "/*"},
        {.target = "/abcdefab-abcd-abcd-abcd-abcdefabcdef", .route = "/*"},
        {.target = "/abcdefab-abcd-abcd-abcdeabcdefabcdef",
         .route = "/abcdefab-abcd-abcd-abcdeabcdefabcdef"},
        {.target = "/abcdefag-abcd-abcd-abcd-abcdefabcdef",
         .route = "/abcdefag-abcd-abcd-abcd-abcdefabcdef"},
        {.target = "/deadbeef", .route = "/*"},
        {.target = "/DEADBEEF", .route = "/*"},
        {.target = "/deadbee", .route = "/deadbee"},
        {.target = "/deadbeefg", .route = "/deadbeefg"},
        {.target = "/1234567a", .route = "/*"},
        {.target = "/abcdefghijklmnopqrstuvw1", .route = "/abcdefghijklmnopqrstuvw1"},
        {.target = "/abcdefghijklmnopqrstuvwx1", .route = "/*"},
        {.target = "/" FORTY, .route = "/" FORTY},
        {.target = "/" FORTY "k", .route = "/*"},
        {.target = "/*", .route = "/*"},
        {.target = "/index.html", .route = "/index.html"},
        {.target = "/!#", .route = "/!"},
        {.target = "/$&'()+-.:;<=>@[]^_`{}~%", .route = "/$&'()+-.:;<=>@[]^_`{}~%"},
        {.target = "/../.", .route = "/../."},
    };
    assert_routes(NULL, 0, cases, EYE_ARRAY_LENGTH(cases));
}

/* Each byte alone inside a segment: it ends the path, splits it, is kept, or stars the segment. */
static void name__stars_segments_with_unsafe_bytes(void **state)
{
    (void)state;
    struct eye_routes *routes = eye_routes_new(NULL, 0);
    assert_non_null(routes);
    for (int byte = 0; byte < 256; byte++) {
        const char target[] = {'/', 'x', (char)byte, 'y', '/', 'z'};
        bool unsafe = byte <= ' ' || byte >= 0x7f || strchr("|,\"\\", byte) != NULL;
        char wanted[] = "/x?y/z";
        wanted[2] = (char)byte;
        char route[EYE_ROUTE_BYTES];
        eye_routes_name(routes, target, sizeof(target), false, route);
        if (byte == '?' || byte == '#') {
            assert_string_equal(route, "/x");
        } else {
            assert_string_equal(route, unsafe ? "/*/z" : wanted);
        }
    }
    eye_routes_free(routes);
}

static void name__takes_no_bytes_at_all(void **state)
{
    (void)state;
    struct eye_routes *routes = eye_routes_new(NULL, 0);
    assert_non_null(routes);
    char route[EYE_ROUTE_BYTES];
    eye_routes_name(routes, NULL, 0, false, route);
    assert_string_equal(route, "/");
    eye_routes_name(routes, NULL, 0, true, route);
    assert_string_equal(route, "*");
    eye_routes_free(routes);
}

static void name__stars_the_segment_that_is_cut(void **state)
{
    (void)state;
    static const struct route_case cases[] = {
        {.target = "/users/al", .route = "/users/*", .truncated = true},
        {.target = "/users/", .route = "/users/*", .truncated = true},
        {.target = "/", .route = "/*", .truncated = true},
        {.target = "/users/al?q", .route = "/users/al", .truncated = true},
        {.target = "/users/al?", .route = "/users/al", .truncated = true},
        {.target = "/users/al#", .route = "/users/al", .truncated = true},
        {.target = "http://host/a", .route = "/*", .truncated = true},
        {.target = "http://host/a/b", .route = "/a/*", .truncated = true},
        {.target = "http://hos", .route = "*", .truncated = true},
        {.target = "http://host?q", .route = "/", .truncated = true},
        {.target = "htt", .route = "*", .truncated = true},
        {.target = "", .route = "*", .truncated = true},
    };
    assert_routes(NULL, 0, cases, EYE_ARRAY_LENGTH(cases));
}

static void name__prefers_the_first_rule_that_matches(void **state)
{
    (void)state;
    static char texts[][24] = {
        "/users/me", "/users/me",    "/users/*", "/users/{id}",    "/static/**",
        "/static",   "/*/orders/**", "orders",   "no/slash/*/end", "/no slash|",
        "/a/**/b",   "/never",       "/",        "/home",          "/trailing/",
        "/t",
    };
    static const struct eye_route_rule rules[] = {
        {texts[0], texts[1]},   {texts[2], texts[3]},   {texts[4], texts[5]},
        {texts[6], texts[7]},   {texts[8], texts[9]},   {texts[10], texts[11]},
        {texts[12], texts[13]}, {texts[14], texts[15]},
    };
    static const struct route_case cases[] = {
        {.target = "/users/me", .route = "/users/me"},
        {.target = "/users/bob?x=1", .route = "/users/{id}"},
        {.target = "http://host/users/bob", .route = "/users/{id}"},
        {.target = "/users/a|b", .route = "/users/{id}"},
        {.target = "/users", .route = "/users"},
        {.target = "/users/", .route = "/users/"},
        {.target = "/users/bob/", .route = "/users/bob/"},
        {.target = "/users/bob/7", .route = "/users/bob/*"},
        {.target = "/static", .route = "/static"},
        {.target = "/static/", .route = "/static"},
        {.target = "/static/js/1/a.js", .route = "/static"},
        {.target = "/statics/1", .route = "/statics/*"},
        {.target = "/eu/orders/1/2", .route = "orders"},
        {.target = "/eu/orders", .route = "orders"},
        {.target = "/no/slash/x/end", .route = "/no slash|"},
        {.target = "/no/slash/x", .route = "/no/slash/x"},
        {.target = "/a/x/b", .route = "/a/x/b"},
        {.target = "/a/b", .route = "/a/b"},
        {.target = "/", .route = "/home"},
        {.target = "", .route = "/home"},
        {.target = "/trailing/", .route = "/t"},
        {.target = "/trailing", .route = "/trailing"},
        {.target = "*", .route = "*"},
        {.target = "host:443", .route = "*"},
    };
    assert_routes(rules, EYE_ARRAY_LENGTH(rules), cases, EYE_ARRAY_LENGTH(cases));
}

static void name__matches_a_cut_path_by_double_star_alone(void **state)
{
    (void)state;
    static char texts[][16] = {"/users/me", "/me", "/users/*", "/one", "/static/**", "/s"};
    static const struct eye_route_rule rules[] = {
        {texts[0], texts[1]},
        {texts[2], texts[3]},
        {texts[4], texts[5]},
    };
    static const struct route_case cases[] = {
        {.target = "/users/me", .route = "/users/*", .truncated = true},
        {.target = "/users/me?q", .route = "/me", .truncated = true},
        {.target = "/static/a", .route = "/s", .truncated = true},
        {.target = "/static/", .route = "/s", .truncated = true},
        {.target = "/static", .route = "/*", .truncated = true},
    };
    assert_routes(rules, EYE_ARRAY_LENGTH(rules), cases, EYE_ARRAY_LENGTH(cases));
}

static void name__lets_a_rule_match_everything(void **state)
{
    (void)state;
    static char texts[][8] = {"**", "/all"};
    static const struct eye_route_rule rules[] = {{texts[0], texts[1]}};
    static const struct route_case cases[] = {
        {.target = "/", .route = "/all"},
        {.target = "/a/b", .route = "/all", .truncated = true},
        {.target = "*", .route = "*"},
    };
    assert_routes(rules, EYE_ARRAY_LENGTH(rules), cases, EYE_ARRAY_LENGTH(cases));
}

static void name__cuts_the_route_of_a_rule_between_characters(void **state)
{
    (void)state;
    static char pattern[] = "/a";
    char route[] = FORTY FORTY FORTY TEN TEN TEN "abcdefgh\xc3\xa4";
    struct eye_route_rule rule = {pattern, route};
    struct route_case wanted = {.target = "/a", .route = FORTY FORTY FORTY TEN TEN TEN "abcdefgh"};
    assert_routes(&rule, 1, &wanted, 1);
    route[158] = 'i';
    route[159] = 'j';
    wanted.route = FORTY FORTY FORTY TEN TEN TEN "abcdefghi";
    assert_routes(&rule, 1, &wanted, 1);
}

/* "/" and 39 letters are 40 bytes: four segments would be 160 and leave no room for the NUL. */
#define SEGMENT "/" TEN TEN TEN "abcdefghi"

static void name__cuts_long_routes_at_a_segment(void **state)
{
    (void)state;
    static const struct route_case cases[] = {
        {.target = SEGMENT SEGMENT SEGMENT "/" TEN TEN TEN "abcdefgh",
         .route = SEGMENT SEGMENT SEGMENT "/" TEN TEN TEN "abcdefgh"},
        {.target = SEGMENT SEGMENT SEGMENT SEGMENT, .route = SEGMENT SEGMENT SEGMENT "/*"},
        {.target = SEGMENT SEGMENT SEGMENT SEGMENT SEGMENT, .route = SEGMENT SEGMENT SEGMENT "/*"},
        {.target = SEGMENT SEGMENT SEGMENT "/" TEN TEN TEN "abcdefgh/",
         .route = SEGMENT SEGMENT SEGMENT "/*"},
        {.target = SEGMENT SEGMENT SEGMENT "/" TEN TEN TEN "abcdef/b",
         .route = SEGMENT SEGMENT SEGMENT "/" TEN TEN TEN "abcdef/b"},
        {.target = SEGMENT SEGMENT SEGMENT "/" TEN TEN TEN "abcdef/bc",
         .route = SEGMENT SEGMENT SEGMENT "/" TEN TEN TEN "abcdef/*"},
        {.target = SEGMENT SEGMENT SEGMENT SEGMENT "/x|y?q", .route = SEGMENT SEGMENT SEGMENT "/*"},
    };
    assert_routes(NULL, 0, cases, EYE_ARRAY_LENGTH(cases));
}

static bool is_clean(const char *route)
{
    bool starts = route[0] == '/' || strcmp(route, "*") == 0;
    for (; starts && *route != '\0'; route++) {
        if (*route <= ' ' || *route >= 0x7f || strchr("|,\"\\?#", *route) != NULL) {
            return false;
        }
    }
    return starts;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 16;
}

/* Bytes that matter to the parser come often, all others now and then. */
static void name__is_clean_whatever_comes(void **state)
{
    (void)state;
    static const char likely[] = "/////aaaaaa0123fF-http://?#*|,\"\\ ";
    struct eye_routes *routes = eye_routes_new(NULL, 0);
    assert_non_null(routes);
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char target[400];
        size_t length = next_random(&seed) % (sizeof(target) + 1);
        for (size_t i = 0; i < length; i++) {
            uint32_t pick = next_random(&seed);
            target[i] = pick % 64 == 0 ? (char)(pick >> 8) : likely[pick % (sizeof(likely) - 1)];
        }
        char route[EYE_ROUTE_BYTES];
        eye_routes_name(routes, target, length, round % 2 == 0, route);
        assert_non_null(memchr(route, '\0', sizeof(route)));
        assert_true(is_clean(route));
    }
    eye_routes_free(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free__takes_null),
        cmocka_unit_test(name__understands_every_form_of_target),
        cmocka_unit_test(name__stars_values_and_keeps_names),
        cmocka_unit_test(name__stars_segments_with_unsafe_bytes),
        cmocka_unit_test(name__takes_no_bytes_at_all),
        cmocka_unit_test(name__stars_the_segment_that_is_cut),
        cmocka_unit_test(name__prefers_the_first_rule_that_matches),
        cmocka_unit_test(name__matches_a_cut_path_by_double_star_alone),
        cmocka_unit_test(name__lets_a_rule_match_everything),
        cmocka_unit_test(name__cuts_the_route_of_a_rule_between_characters),
        cmocka_unit_test(name__cuts_long_routes_at_a_segment),
        cmocka_unit_test(name__is_clean_whatever_comes),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
