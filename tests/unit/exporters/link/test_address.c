/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of receivers, good and hostile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/text.h"
#include "exporters/link/link.h"

static void parse__splits(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *default_port;
        struct eye_link_address address;
    } urls[] = {
        {"udp://127.0.0.1:8125", NULL, {EYE_LINK_UDP, "127.0.0.1", "8125", ""}},
        {"udp://127.0.0.1", "8125", {EYE_LINK_UDP, "127.0.0.1", "8125", ""}},
        {"udp://127.0.0.1:1", "8125", {EYE_LINK_UDP, "127.0.0.1", "1", ""}},
        {"tcp://agent.example_1-a.com:65535",
         NULL,
         {EYE_LINK_TCP, "agent.example_1-a.com", "65535", ""}},
        {"tls://[::1]:2003", NULL, {EYE_LINK_TLS, "::1", "2003", ""}},
        {"tls://[::1]", "2003", {EYE_LINK_TLS, "::1", "2003", ""}},
        {"udp://[fe80::1%eth0.7]:8125", NULL, {EYE_LINK_UDP, "fe80::1%eth0.7", "8125", ""}},
        {"unix:///run/a.sock", NULL, {EYE_LINK_UNIX, "", "", "/run/a.sock"}},
        {"unixgram:///run/two words:1", "9", {EYE_LINK_UNIXGRAM, "", "", "/run/two words:1"}},
        {"unixstream:///s", NULL, {EYE_LINK_UNIXSTREAM, "", "", "/s"}},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(urls); i++) {
        struct eye_link_address address;
        assert_int_equal(eye_link_parse(urls[i].url, urls[i].default_port, EYE_LINK_ANY, &address),
                         0);
        assert_int_equal(address.scheme, urls[i].address.scheme);
        assert_string_equal(address.host, urls[i].address.host);
        assert_string_equal(address.port, urls[i].address.port);
        assert_string_equal(address.path, urls[i].address.path);
    }
}

/* Fails, and leaves the output alone. */
static void assert_refused(const char *url, const char *default_port)
{
    struct eye_link_address address;
    struct eye_link_address untouched;
    memset(&address, 0x5a, sizeof(address));
    memcpy(&untouched, &address, sizeof(address));
    assert_int_equal(eye_link_parse(url, default_port, EYE_LINK_ANY, &address), -EINVAL);
    assert_memory_equal(&address, &untouched, sizeof(address));
}

static void parse__refuses_what_the_format_does_not_know(void **state)
{
    (void)state;
    struct eye_link_address address;
    const unsigned allowed = 1U << EYE_LINK_UDP | 1U << EYE_LINK_UNIX;
    assert_int_equal(eye_link_parse("udp://a:1", NULL, allowed, &address), 0);
    assert_int_equal(eye_link_parse("unix:///a", NULL, allowed, &address), 0);
    assert_int_equal(eye_link_parse("tcp://a:1", NULL, allowed, &address), -EINVAL);
    assert_int_equal(eye_link_parse("unixgram:///a", NULL, allowed, &address), -EINVAL);
}

static void parse__refuses_what_is_no_address(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "127.0.0.1:8125",
        "http://host:80",
        "UDP://host:1",
        "udp:/host:1",
        "udp://",
        "udp://:8125",
        "udp://host:",
        "udp://host:0",
        "udp://host:65536",
        "udp://host:99999999999999999999",
        "udp://host:+1",
        "udp://host:-1",
        "udp://host: 1",
        "udp://host:1 ",
        "udp://host:8125/",
        "udp://host:8125?x",
        "udp://host:8125\n",
        "udp://ho st:8125",
        "udp://ho\nst:8125",
        "udp://user@host:8125",
        "udp://user:secret@host:8125",
        "udp://::1:8125",
        "udp://[]:8125",
        "udp://[:8125",
        "udp://]:8125",
        "udp://[localhost]:8125",
        "udp://[127.0.0.1]:8125",
        "udp://[::1:8125",
        "udp://[::1]8125",
        "udp://[::1]x:8125",
        "udp://[::1%]:8125",
        "udp://[::1%a b]:8125",
        "udp://[::1%a]b]:8125",
        "udp://[::1%%]:8125",
        "udp://[1:2:3:4:5:6:7:8:9]:8125",
        "udp://h\xc3\xb6st:8125",
        "unix://",
        "unix:///",
        "unix://relative",
        "unix:///a\nb",
        "unixgram:///a\x7f",
        "unixstream://@abstract",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(urls); i++) {
        assert_refused(urls[i], NULL);
        assert_refused(urls[i], "8125");
    }
    assert_refused("udp://host", NULL);
    assert_refused("udp://[::1]", NULL);
}

/* @prefix, @length times 'a', @suffix. */
static int parse_long(const char *prefix, size_t length, const char *suffix)
{
    char url[1024] = "";
    eye_copy_string(url, sizeof(url), prefix);
    size_t start = strlen(prefix);
    memset(url + start, 'a', length);
    eye_copy_string(url + start + length, sizeof(url) - start - length, suffix);
    struct eye_link_address address;
    return eye_link_parse(url, NULL, EYE_LINK_ANY, &address);
}

static void parse__knows_its_limits(void **state)
{
    (void)state;
    assert_int_equal(parse_long("udp://", EYE_LINK_HOST_BYTES - 1, ":1"), 0);
    assert_int_equal(parse_long("udp://", EYE_LINK_HOST_BYTES, ":1"), -EINVAL);
    assert_int_equal(parse_long("udp://[::1%", EYE_LINK_HOST_BYTES, "]:1"), -EINVAL);
    assert_int_equal(parse_long("unix:///", EYE_LINK_PATH_BYTES - 2, ""), 0);
    assert_int_equal(parse_long("unix:///", EYE_LINK_PATH_BYTES - 1, ""), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__splits),
        cmocka_unit_test(parse__refuses_what_the_format_does_not_know),
        cmocka_unit_test(parse__refuses_what_is_no_address),
        cmocka_unit_test(parse__knows_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
