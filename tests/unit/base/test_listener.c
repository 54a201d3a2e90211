/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen on. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/listener.h"

static void parse__takes_ipv4(void **state)
{
    (void)state;
    struct sockaddr_storage address;
    socklen_t length = 0;
    assert_int_equal(eye_listen_parse("127.0.0.1:9464", &address, &length), 0);
    assert_int_equal(length, sizeof(struct sockaddr_in));
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    assert_int_equal(v4->sin_family, AF_INET);
    assert_int_equal(v4->sin_port, htons(9464));
    assert_int_equal(v4->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

static void parse__takes_ipv6_in_brackets(void **state)
{
    (void)state;
    struct sockaddr_storage address;
    socklen_t length = 0;
    assert_int_equal(eye_listen_parse("[::1]:65535", &address, &length), 0);
    assert_int_equal(length, sizeof(struct sockaddr_in6));
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_int_equal(v6->sin6_port, htons(65535));
    assert_memory_equal(&v6->sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback));
}

static void parse__refuses_the_rest_and_leaves_output(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        ":",
        "9464",
        ":9464",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999999999999",
        "127.0.0.1:+80",
        "127.0.0.1:80 ",
        " 127.0.0.1:80",
        "127.1:80",
        "256.0.0.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999]:80",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]:80",
        "tcp://127.0.0.1:80",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct sockaddr_storage address;
        struct sockaddr_storage untouched;
        socklen_t length = 77;
        memset(&address, 0x5A, sizeof(address));
        memset(&untouched, 0x5A, sizeof(untouched));
        if (eye_listen_parse(cases[i], &address, &length) != -EINVAL) {
            fail_msg("%s", cases[i]);
        }
        assert_memory_equal(&address, &untouched, sizeof(address));
        assert_int_equal(length, 77);
        assert_false(eye_listen_valid(cases[i]));
    }
}

static void open__reports_an_address_that_is_not_ours(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(eye_listen_open("192.0.2.1:9464", &fd), -EADDRNOTAVAIL);
    assert_int_equal(fd, -1);
}

static void assert_clash(const char *text, const char *other, bool clash)
{
    if (eye_listen_clash(text, other) != clash || eye_listen_clash(other, text) != clash) {
        fail_msg("%s %s", text, other);
    }
}

static void clash__needs_one_port_and_an_address_in_common(void **state)
{
    (void)state;
    assert_clash("127.0.0.1:9464", "127.0.0.1:9464", true);
    assert_clash("[::1]:9464", "[0:0::1]:9464", true);
    assert_clash("127.0.0.1:9464", "0.0.0.0:9464", true);
    assert_clash("[::]:9464", "127.0.0.1:9464", true);
    assert_clash("[::]:9464", "0.0.0.0:9464", true);
    assert_clash("[::]:9464", "[::1]:9464", true);
    assert_clash("0.0.0.0:9464", "[::1]:9464", false);
    assert_clash("127.0.0.1:9464", "127.0.0.2:9464", false);
    assert_clash("127.0.0.1:9464", "[::1]:9464", false);
    assert_clash("[::1]:9464", "[::2]:9464", false);
    assert_clash("127.0.0.1:9464", "127.0.0.1:9465", false);
    assert_clash("0.0.0.0:9464", "127.0.0.1:9465", false);
    assert_clash("/tmp/a:1", "127.0.0.1:1", false);
    assert_clash("127.0.0.1:1", "-", false);
}

static void own_host__is_an_address_or_localhost(void **state)
{
    static const char *const own[] = {"localhost", "LocalHost:9465", "127.0.0.1", "127.0.0.1:80",
                                      "[::1]",     "[::1]:80",       "10.1.2.3"};
    static const char *const others[] = {"",           "localhos",        "localhost.example",
                                         "localhostx", "rebound.example", "127.0.0.1.example:80",
                                         "::1",        "example:80",      "127.0.0.1:"};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(own); i++) {
        if (!eye_listen_is_own_host(own[i])) {
            fail_msg("%s", own[i]);
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(others); i++) {
        if (eye_listen_is_own_host(others[i])) {
            fail_msg("%s", others[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__takes_ipv4),
        cmocka_unit_test(parse__takes_ipv6_in_brackets),
        cmocka_unit_test(parse__refuses_the_rest_and_leaves_output),
        cmocka_unit_test(clash__needs_one_port_and_an_address_in_common),
        cmocka_unit_test(own_host__is_an_address_or_localhost),
        cmocka_unit_test(open__reports_an_address_that_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
