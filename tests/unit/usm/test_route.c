/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: every form of a request target, what counts as a value, rules, hostile bytes, the cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/usm/route.h"

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
    struct eye_routes *routes = eye_routes_new(rules, rule_count, EYE_ROUTE_NAMES_GUESSED);
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

static void name__keeps_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "/a",
        "/users",
        "/v1/users",
        "/v12/x",
        "/v1.2/x",
        "/v2beta1/x",
        "/v1alpha2/x",
        "/a2/2b",
        "/forgot-password",
        "/terms_of_service",
        "/wp-login.php",
        "/index.html",
        "/favicon.ico",
        "/app.min.js",
        "/robots.txt",
        "/openapi.yaml",
        "/.well-known/openid-configuration",
        "/.git/config",
        "/oauth2/token",
        "/s3/bucket",
        "/ipv4",
        "/utf8",
        "/sha2",
        "/page12",
        "/getUserByID",
        "/iOS",
        "/eBay",
        "/k8s",
        "/i18n",
        "/p2p",
        "/objectsV2",
        "/getCustomerOrderHistoryByDate",
        "/API/SOAP",
        "/facade",
        "/deadbee",
        "/dead-end",
        "/" TEN TEN,
        "/" TEN "-" TEN "_" TEN,
        "/catchphrase",
        "/knightsbridge",
        "/..",
        "/.",
        "/a//b",
        "/abcdefag-abcd-abcd-abcd-abcdefabcdef",
        "/_",
        "/-",
        "/internationalization",
        "/LongClassNameOfJava.do",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        const struct route_case wanted = {.target = names[i], .route = names[i]};
        assert_routes(NULL, 0, &wanted, 1);
    }
}

/* Nothing of these may be seen, whatever they are. */
static void name__stars_what_may_be_private(void **state)
{
    (void)state;
    static const char *const values[] = {
        /* numbers, dates, telephones, money, places */
        "0",
        "42",
        "1-2",
        "2024-05-01",
        "20240501",
        "2024_05",
        "05-01",
        "12h30m15",
        "2024-W18",
        "1716239022",
        "555-0123",
        "+49-30-901820",
        "00493090182",
        "(030)901820",
        "tel:5551234",
        "19.99",
        "52.52,13.40",
        "-1",
        "1e10",
        "10.0.0.1",
        "fe80::1",
        "[::1]",
        "127.0.0.1:8080",
        "00:1B:44:11:3A:B7",
        "4111-1111-1111-1111",
        "DE89370400440532013000",
        "123-45-6789",
        /* people */
        "john.doe@example.com",
        "john.doe",
        "j.r.tolkien",
        "~john",
        "@john",
        "user:password",
        "john+doe",
        "user1234",
        "jane.doe.pdf",
        "mailto:x@y",
        "john@",
        "o'neill",
        /* identifiers */
        UUID,
        "123E4567-E89B-12D3-A456-426614174000",
        "abcdefab-abcd-abcd-abcd-abcdefabcdef",
        "{" UUID "}",
        "deadbeef",
        "DEADBEEF",
        "1234567a",
        "dead-beef",
        "feedfacecafe",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "507f1f77bcf86cd799439011",
        "4c9b5f8",
        "cjld2cjxh0000qzrmn831i7rn",
        "A12345",
        "AB12CDE",
        "INV-000123",
        "order-2024",
        "ord_9f3k2",
        "ISBN9783161484100",
        "B000123",
        "urn:isbn:0451450523",
        "arn:aws:s3",
        "x509cert123",
        /* keys and tokens */
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAIOSFODNNEXAMPLE",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "xoxb-17653672481-19874698323",
        "eyJhbGciOiJIUzI1NiJ9.eyJ1IjoxfQ.abc",
        "eyJhbGciOiJIUzINiJ.eyJ1IjoxfQ.abc",
        "Zm9vYmFyYmF6cXV4",
        "dQwWgXcQaBcDeF",
        "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "a+b=",
        "TmV2ZXJHb25uYUdpdmVZb3VVcA",
        "xkcdqwrtzpsdfg",
        "MZXW6YTBOI",
        "hunter123!",
        "p4ssw0rd",
        "3f2a9c",
        "5d41402abc4b2a76b9719d911017c592",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "$2b$10$abc",
        "abcdefghijk12345",
        TEN TEN "k",
        FORTY "k",
        TEN "-" TEN "-" TEN "-" TEN,
        "abcdefghijkl7",
        /* documents and titles */
        "report.pdf",
        "holiday.jpg",
        "salaries.csv",
        "letter.docx",
        "app.8f3d2c1b.js",
        "jquery-3.6.0.min.js",
        "backup.tar.gz",
        "a.b.html",
        "ten-ways-to-do-this-and-that",
        "my_very_long_title_of_a_post",
        /* encodings and what only machines write */
        "red%20shoes",
        "%2e%2e",
        "%00",
        "caf%C3%A9",
        "a=b",
        "k=v&x=y",
        "a&b",
        "a+b",
        "a:b",
        "a!b",
        "a$b",
        "a'b",
        "a(b)",
        "a*b",
        "*",
        "a<b>",
        "a[b]",
        "a^b",
        "a`b`",
        "{id}",
        "a~b",
        "a|b",
        "a,b",
        "a\"b",
        "a\\b",
        "a b",
        "a\tb",
        "\x7f",
        "\xc3\xa4",
        "\xff",
        "a\x01",
        "\xe2\x80\xae",
        "vine\xe2\x80\x8b",
        "v123",
        "v1gamma1",
        "v1.",
        "v1.2.3",
        "...",
        ".env.local",
        "x.",
        "x.unknown",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        char target[128];
        snprintf(target, sizeof(target), "/before/%s/after", values[i]);
        const struct route_case wanted = {.target = target, .route = "/before/*/after"};
        assert_routes(NULL, 0, &wanted, 1);
    }
}

static void name__leaves_path_parameters_out(void **state)
{
    (void)state;
    static const struct route_case cases[] = {
        {.target = "/app;jsessionid=0A1B2C3D4E", .route = "/app"},
        {.target = "/app;x=1;y=2/cart;z", .route = "/app/cart"},
        {.target = "/42;x=1/cart", .route = "/*/cart"},
        {.target = "/;x=1", .route = "/"},
        {.target = "/app;jsessionid=0A1B", .route = "/app", .truncated = true},
    };
    assert_routes(NULL, 0, cases, EYE_ARRAY_LENGTH(cases));
}

/* Each byte alone inside a segment: it ends the path, splits it, is kept, or stars the segment. */
static void name__stars_segments_with_bytes_of_no_name(void **state)
{
    (void)state;
    struct eye_routes *routes = eye_routes_new(NULL, 0, EYE_ROUTE_NAMES_GUESSED);
    assert_non_null(routes);
    for (int byte = 0; byte < 256; byte++) {
        const char target[] = {'/', 'x', (char)byte, 'y', '/', 'z'};
        bool kept = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                    (byte >= 'A' && byte <= 'Z') || (byte != 0 && strchr("-_/", byte) != NULL);
        char wanted[] = "/x?y/z";
        wanted[2] = (char)byte;
        char route[EYE_ROUTE_BYTES];
        eye_routes_name(routes, target, sizeof(target), false, route);
        if (byte == '?' || byte == '#') {
            assert_string_equal(route, "/x");
        } else if (byte == ';') {
            assert_string_equal(route, "/x/z");
        } else {
            assert_string_equal(route, kept ? wanted : "/*/z");
        }
    }
    eye_routes_free(routes);
}

static void name__says_whose_words_they_are(void **state)
{
    (void)state;
    static char texts[][16] = {"/users/*", "/users/{id}"};
    static const struct eye_route_rule rules[] = {{texts[0], texts[1]}};
    static const struct {
        const char *target;
        const char *guessed;
        bool chosen;
        const char *listed;
    } cases[] = {
        {"/users/bob;x=1", "/users/{id}", false, "/users/{id}"},
        {"/other/17", "/other/*", true, EYE_ROUTE_UNMATCHED},
        {"/", "/", true, EYE_ROUTE_UNMATCHED},
        {"*", "*", false, EYE_ROUTE_UNMATCHED},
        {"host:443", "*", false, EYE_ROUTE_UNMATCHED},
    };
    struct eye_routes *guessed = eye_routes_new(rules, 1, EYE_ROUTE_NAMES_GUESSED);
    struct eye_routes *listed = eye_routes_new(rules, 1, EYE_ROUTE_NAMES_LISTED);
    assert_true(guessed != NULL && listed != NULL);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char route[EYE_ROUTE_BYTES];
        size_t length = strlen(cases[i].target);
        assert_int_equal(eye_routes_name(guessed, cases[i].target, length, false, route),
                         cases[i].chosen);
        assert_string_equal(route, cases[i].guessed);
        assert_false(eye_routes_name(listed, cases[i].target, length, false, route));
        assert_string_equal(route, cases[i].listed);
    }
    eye_routes_free(guessed);
    eye_routes_free(listed);
}

static void name__takes_no_bytes_at_all(void **state)
{
    (void)state;
    struct eye_routes *routes = eye_routes_new(NULL, 0, EYE_ROUTE_NAMES_GUESSED);
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

#define WORDS TEN "-" TEN "-" TEN "-"

/* "/" and 39 more are 40 bytes: four segments would be 160 and leave no room for the NUL. */
#define SEGMENT "/" WORDS "abcdef"

static void name__cuts_long_routes_at_a_segment(void **state)
{
    (void)state;
    static const struct route_case cases[] = {
        {.target = SEGMENT SEGMENT SEGMENT "/" WORDS "abcde",
         .route = SEGMENT SEGMENT SEGMENT "/" WORDS "abcde"},
        {.target = SEGMENT SEGMENT SEGMENT SEGMENT, .route = SEGMENT SEGMENT SEGMENT "/*"},
        {.target = SEGMENT SEGMENT SEGMENT SEGMENT SEGMENT, .route = SEGMENT SEGMENT SEGMENT "/*"},
        {.target = SEGMENT SEGMENT SEGMENT "/" WORDS "abcde/",
         .route = SEGMENT SEGMENT SEGMENT "/*"},
        {.target = SEGMENT SEGMENT SEGMENT "/" WORDS "abc/b",
         .route = SEGMENT SEGMENT SEGMENT "/" WORDS "abc/b"},
        {.target = SEGMENT SEGMENT SEGMENT "/" WORDS "abc/bc",
         .route = SEGMENT SEGMENT SEGMENT "/" WORDS "abc/*"},
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
    struct eye_routes *routes = eye_routes_new(NULL, 0, EYE_ROUTE_NAMES_GUESSED);
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
        cmocka_unit_test(name__keeps_names),
        cmocka_unit_test(name__stars_what_may_be_private),
        cmocka_unit_test(name__leaves_path_parameters_out),
        cmocka_unit_test(name__stars_segments_with_bytes_of_no_name),
        cmocka_unit_test(name__says_whose_words_they_are),
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
