/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, proxies and header lines of the configuration, hostile ones included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporters/http/client.h"
#include "exporters/http/url.h"

static void url_valid__knows_good_from_bad(void **state)
{
    static const char *const good[] = {
        "http://127.0.0.1:8080",
        "https://api.datadoghq.com",
        "http://[::1]:9090/api/v1/write",
        "https://host/path?x=1",
        "HTTP://host/",
    };
    static const char *const bad[] = {
        "",
        "host",
        "127.0.0.1:80",
        "ftp://host/",
        "file:///etc/passwd",
        "http://",
        "http://user@host/",
        "http://user:password@host/",
        "http://host/#fragment",
        "http://host:99999/",
        "http://host:port/",
        "http://ho st/",
        "http://host/a\nX: y",
        "http://[::1",
        "unix:///run/x",
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(good); i++) {
        assert_true(eye_url_valid(good[i]));
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(bad); i++) {
        assert_false(eye_url_valid(bad[i]));
    }
}

static void proxy_valid__wants_host_and_port(void **state)
{
    static const char *const good[] = {"http://proxy:3128", "https://10.0.0.1:8443/",
                                       "http://[fe80::1]:3128"};
    static const char *const bad[] = {"",
                                      "proxy:3128",
                                      "http://proxy",
                                      "socks5://proxy:1080",
                                      "http://user:password@proxy:3128",
                                      "http://proxy:3128/path",
                                      "http://proxy:3128?x"};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(good); i++) {
        assert_true(eye_url_proxy_valid(good[i]));
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(bad); i++) {
        assert_false(eye_url_proxy_valid(bad[i]));
    }
}

static void header_valid__refuses_what_would_add_a_line(void **state)
{
    static const char *const good[] = {"X-Scope-OrgID: tenant", "a:b", "X: caf\xc3\xa9"};
    static const char *const bad[] = {
        "",       "X",      "X:",    "X: ",     ": y", "X Y: z", "X: y\r\nZ: w",
        "X: y\n", "X\n: y", "X;: y", "X: \x7f", "X;"};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(good); i++) {
        assert_true(eye_client_header_valid(good[i]));
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(bad); i++) {
        assert_false(eye_client_header_valid(bad[i]));
    }
}

static void authority__leaves_out_everything_else(void **state)
{
    static const struct {
        const char *url;
        const char *authority;
    } cases[] = {
        {"https://api.datadoghq.com/api/v2/series?key=x", "api.datadoghq.com:443"},
        {"http://user:password@host/", "host:80"},
        {"http://[::1]:9090/x", "[::1]:9090"},
        {"", "the receiver"},
        {"http://a b", "the receiver"},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char authority[EYE_URL_AUTHORITY_BYTES];
        eye_url_authority(cases[i].url, authority);
        assert_string_equal(authority, cases[i].authority);
    }
}

static void endpoint_valid__wants_a_path(void **state)
{
    static const struct {
        const char *url;
        bool valid;
    } cases[] = {
        {"http://h:4318/v1/metrics", true}, {"http://h/", true},
        {"https://[::1]/a?b", true},        {"http://h", false},
        {"http://h:4318", false},           {"http://h?a/b", false},
        {"http://me:pw@h/x", false},        {"h:4318/v1/metrics", false},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        if (eye_url_endpoint_valid(cases[i].url) != cases[i].valid) {
            fail_msg("%s", cases[i].url);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_valid__knows_good_from_bad),
        cmocka_unit_test(endpoint_valid__wants_a_path),
        cmocka_unit_test(proxy_valid__wants_host_and_port),
        cmocka_unit_test(header_valid__refuses_what_would_add_a_line),
        cmocka_unit_test(authority__leaves_out_everything_else),
    };
    return cmocka_run_group_tests_name("http_url", tests, NULL, NULL);
}
