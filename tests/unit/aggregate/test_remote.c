/* SPDX-License-Identifier: Apache-2.0 */
/* Zones at the borders of their ranges, networks, and addresses as text. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/aggregate/remote.h"
#include "collector/base/base.h"
#include "config/connection_rules.h"

struct remote_case {
    const char *address; /* IPv4 as such: it is mapped */
    const char *zone;
};

static const struct remote_case cases[] = {
    {"127.0.0.1", "loopback"},
    {"127.255.255.255", "loopback"},
    {"126.255.255.255", "public"},
    {"128.0.0.0", "public"},
    {"::1", "loopback"},
    {"::", "public"},
    {"::2", "public"},
    {"169.254.0.1", "link-local"},
    {"169.253.255.255", "public"},
    {"169.255.0.0", "public"},
    {"fe80::1", "link-local"},
    {"febf:ffff::1", "link-local"},
    {"fec0::1", "public"},
    {"fe7f:ffff::1", "public"},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"9.255.255.255", "public"},
    {"11.0.0.0", "public"},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"172.15.255.255", "public"},
    {"172.32.0.0", "public"},
    {"192.168.0.1", "private"},
    {"192.167.255.255", "public"},
    {"192.169.0.0", "public"},
    {"100.64.0.0", "private"},
    {"100.127.255.255", "private"},
    {"100.63.255.255", "public"},
    {"100.128.0.0", "public"},
    {"fc00::1", "private"},
    {"fdff:ffff::1", "private"},
    {"fbff::1", "public"},
    {"fe00::1", "public"},
    {"8.8.8.8", "public"},
    {"0.0.0.0", "public"},
    {"255.255.255.255", "public"},
    {"2001:db8::1", "public"},
    /* not mapped: the IPv4 ranges do not apply */
    {"::a00:1", "public"},
    {"64:ff9b::7f00:1", "public"},
};

static void read_address(const char *text, uint8_t ret_address[static 16])
{
    uint8_t *ipv4 = ret_address + 12;
    memset(ret_address, 0, 16);
    if (inet_pton(AF_INET, text, ipv4) == 1) {
        ret_address[10] = 0xff;
        ret_address[11] = 0xff;
        return;
    }
    assert_int_equal(inet_pton(AF_INET6, text, ret_address), 1);
}

static void assert_format(enum eye_remote how, const char *address, const char *expected)
{
    uint8_t bytes[16];
    char text[EYE_REMOTE_BYTES];
    const struct eye_config config = {.connections.remote = (int)how};
    memset(text, 'x', sizeof(text));
    read_address(address, bytes);
    eye_remote_format(&config, NULL, bytes, text);
    if (strcmp(text, expected) != 0) {
        fail_msg("%s: %s, not %s", address, text, expected);
    }
}

static void zones__follow_the_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_format(EYE_REMOTE_ZONE, cases[i].address, cases[i].zone);
    }
}

/* Addresses have a number in common when they are called the same, and only then. */
static void identities__are_those_of_the_zones(void **state)
{
    (void)state;
    const struct eye_config config = {.connections.remote = EYE_REMOTE_ZONE};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(cases); j++) {
            uint8_t left[16];
            uint8_t right[16];
            read_address(cases[i].address, left);
            read_address(cases[j].address, right);
            uint8_t identities[2][EYE_PREFIX_ADDRESS_BYTES];
            eye_remote_identify(&config, NULL, left, identities[0]);
            eye_remote_identify(&config, NULL, right, identities[1]);
            bool same = memcmp(identities[0], identities[1], sizeof(identities[0])) == 0;
            assert_int_equal(same, strcmp(cases[i].zone, cases[j].zone) == 0);
        }
    }
}

static void addresses__are_their_own_identity(void **state)
{
    (void)state;
    static const uint8_t nothing[EYE_PREFIX_ADDRESS_BYTES] = {0};
    struct eye_config config = {.connections.remote = EYE_REMOTE_IP};
    uint8_t address[EYE_PREFIX_ADDRESS_BYTES];
    uint8_t identity[EYE_PREFIX_ADDRESS_BYTES];
    read_address("10.1.2.3", address);
    eye_remote_identify(&config, NULL, address, identity);
    assert_memory_equal(identity, address, sizeof(address));
    config.connections.remote = EYE_REMOTE_NONE;
    eye_remote_identify(&config, NULL, address, identity);
    assert_memory_equal(identity, nothing, sizeof(nothing));
}

static void networks__are_the_longest_else_the_zone(void **state)
{
    (void)state;
    static char all[] = "all";
    static char databases[] = "db";
    static char one[] = "one";
    struct eye_network networks[] = {{.name = all}, {.name = databases}, {.name = one}};
    static const char *const prefixes[] = {"10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"};
    static const struct remote_case expected[] = {
        {"10.1.2.3", "db"},       {"10.2.0.0", "all"},      {"9.255.255.255", "public"},
        {"2001:db8:1::1", "one"}, {"2001:db9::", "public"}, {"127.0.0.1", "loopback"},
    };
    struct eye_config config = {.connections.remote = EYE_REMOTE_CIDR};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(networks); i++) {
        assert_int_equal(eye_prefix_parse(prefixes[i], &networks[i].prefix), 0);
    }
    config.connections.networks = (struct eye_rule_list){networks, EYE_ARRAY_LENGTH(networks)};
    assert_int_equal(eye_connection_tables_init(&config), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(expected); i++) {
        uint8_t address[16];
        char text[EYE_REMOTE_BYTES];
        read_address(expected[i].address, address);
        eye_remote_format(&config, NULL, address, text);
        assert_string_equal(text, expected[i].zone);
    }
    eye_connection_tables_done(&config);
}

static void none__is_empty(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_format(EYE_REMOTE_NONE, cases[i].address, "");
    }
}

static void addresses__are_written_as_usual(void **state)
{
    (void)state;
    static const char *const written[] = {
        "127.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "2001:db8::1",
        "::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(written); i++) {
        assert_format(EYE_REMOTE_IP, written[i], written[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones__follow_the_ranges),
        cmocka_unit_test(identities__are_those_of_the_zones),
        cmocka_unit_test(addresses__are_their_own_identity),
        cmocka_unit_test(networks__are_the_longest_else_the_zone),
        cmocka_unit_test(none__is_empty),
        cmocka_unit_test(addresses__are_written_as_usual),
    };
    return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
