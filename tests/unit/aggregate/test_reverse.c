/* SPDX-License-Identifier: Apache-2.0 */
/* Names of addresses: of /etc/hosts as people write it, and learned ones until their time is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "collector/aggregate/reverse.h"
#include "collector/base/base.h"
#include "tests/unit/process/fake_root.h"

#define SECOND EYE_NS_PER_SECOND
#define LONG_NAME "a.very.long.name.of.a.host."

struct world {
    struct fake_root root;
    struct eye_reverse *reverse;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    *state = world;
    fake_root_init(&world->root);
    world->reverse = eye_reverse_new(world->root.path);
    assert_non_null(world->reverse);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_reverse_free(world->reverse);
    fake_root_done(&world->root);
    free(world);
    return 0;
}

static void read_hosts(struct world *world, const char *text)
{
    fake_root_write(&world->root, "etc/hosts", text);
    eye_reverse_refresh(world->reverse, SECOND);
}

static const char *name_of(struct world *world, const char *address)
{
    struct eye_prefix prefix;
    struct eye_reverse_name name;
    assert_int_equal(eye_prefix_parse(address, &prefix), 0);
    return eye_reverse_find(world->reverse, prefix.address, &name) ? name.text : "";
}

static uint64_t id_of(struct world *world, const char *address)
{
    struct eye_prefix prefix;
    struct eye_reverse_name name = {0};
    assert_int_equal(eye_prefix_parse(address, &prefix), 0);
    assert_true(eye_reverse_find(world->reverse, prefix.address, &name));
    return name.id;
}

static void learn(struct world *world, const char *address, const char *name, uint64_t ttl_ns,
                  uint64_t now_ns)
{
    struct eye_prefix prefix;
    assert_int_equal(eye_prefix_parse(address, &prefix), 0);
    eye_reverse_learn(world->reverse, prefix.address, name, strlen(name), ttl_ns, now_ns);
}

static void free__takes_null(void **state)
{
    (void)state;
    eye_reverse_free(NULL);
}

static void hosts__are_read_as_resolvers_do(void **state)
{
    struct world *world = *state;
    read_hosts(world, "127.0.0.1\tlocalhost localhost.localdomain\n"
                      "# 10.0.0.9 commented\n"
                      "\n"
                      "  10.0.0.1   DB.Example.COM.  db # the database\r\n"
                      "10.0.0.2 first#comment\n"
                      "10.0.0.2 second\n"
                      "::1 ip6-localhost\n"
                      "fe80::1%lo0 linked\n"
                      "::ffff:10.0.0.3 mapped\n"
                      "10.0.0.4 private\n"
                      "10.0.0.5 no-line-break-at-the-end");
    static const char *const expected[][2] = {
        {"127.0.0.1", "localhost"},
        {"10.0.0.9", ""},
        {"10.0.0.1", "db.example.com"},
        {"10.0.0.2", "first"},
        {"::1", "ip6-localhost"},
        {"fe80::1", "linked"},
        {"10.0.0.3", "mapped"},
        {"10.0.0.4", "private_"}, /* a zone is called so */
        {"10.0.0.5", "no-line-break-at-the-end"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(expected); i++) {
        assert_string_equal(name_of(world, expected[i][0]), expected[i][1]);
    }
    assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_HOSTS, EYE_REVERSE_MALFORMED),
                     0);
}

static void hosts__that_are_malformed_are_counted(void **state)
{
    struct world *world = *state;
    read_hosts(world, "10.0.0.1\n"
                      "localhost 127.0.0.1\n"
                      "10.0.0.0/8 range\n"
                      "10.0.0.2 .\n"
                      "10.0.0.3 \xff\xfe\n"
                      "10.0.0.4 fine\n");
    assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_HOSTS, EYE_REVERSE_MALFORMED),
                     4);
    assert_string_equal(name_of(world, "10.0.0.3"), "__"); /* no bytes outside of UTF-8 */
    assert_string_equal(name_of(world, "10.0.0.4"), "fine");
}

static void long_names__are_cut(void **state)
{
    struct world *world = *state;
    char line[1024] = "10.0.0.1 ";
    size_t used = strlen(line);
    for (int i = 0; i < 20; i++) {
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s", LONG_NAME);
    }
    read_hosts(world, line);
    assert_int_equal(strlen(name_of(world, "10.0.0.1")), EYE_REVERSE_NAME_BYTES - 2);
}

static void hosts__are_read_again_when_they_changed(void **state)
{
    struct world *world = *state;
    read_hosts(world, "10.0.0.1 before\n10.0.0.2 same\n");
    uint64_t changes = eye_reverse_changes(world->reverse);
    eye_reverse_refresh(world->reverse, SECOND);
    assert_int_equal(eye_reverse_changes(world->reverse), changes);
    uint64_t before = id_of(world, "10.0.0.1");
    read_hosts(world, "10.0.0.1 behind\n10.0.0.2 same\n# longer\n");
    assert_true(eye_reverse_changes(world->reverse) > changes);
    assert_string_equal(name_of(world, "10.0.0.1"), "behind");
    assert_string_equal(name_of(world, "10.0.0.2"), "same");
    assert_true(id_of(world, "10.0.0.1") != before);
}

static void hosts__that_are_gone_name_nobody(void **state)
{
    struct world *world = *state;
    char path[512];
    read_hosts(world, "10.0.0.1 before\n");
    snprintf(path, sizeof(path), "%s/etc/hosts", world->root.path);
    assert_int_equal(unlink(path), 0);
    eye_reverse_refresh(world->reverse, SECOND);
    assert_string_equal(name_of(world, "10.0.0.1"), "");
    read_hosts(world, "10.0.0.1 before\n");
    assert_string_equal(name_of(world, "10.0.0.1"), "before");
}

/* What cannot be read is not what is not there. */
static void hosts__that_are_too_large_leave_all_as_it_was(void **state)
{
    struct world *world = *state;
    size_t size = EYE_REVERSE_FILE_BYTES + 1;
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, '#', size);
    text[size] = '\0';
    read_hosts(world, "10.0.0.1 before\n");
    read_hosts(world, text);
    eye_reverse_refresh(world->reverse, SECOND);
    free(text);
    assert_string_equal(name_of(world, "10.0.0.1"), "before");
    assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_HOSTS, EYE_REVERSE_TOO_LARGE),
                     1);
}

static void hosts__beyond_the_limit_are_counted(void **state)
{
    struct world *world = *state;
    size_t lines = EYE_REVERSE_HOSTS_MAX + 10;
    char *text = malloc(lines * 40);
    assert_non_null(text);
    size_t used = 0;
    for (size_t i = 0; i < lines; i++) {
        used += (size_t)snprintf(text + used, 40, "10.0.%zu.%zu h%zu\n", i / 256, i % 256, i);
    }
    read_hosts(world, text);
    free(text);
    assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_HOSTS, EYE_REVERSE_TAKEN),
                     EYE_REVERSE_HOSTS_MAX);
    assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_HOSTS, EYE_REVERSE_NO_ROOM), 10);
}

static void root__may_be_missing(void **state)
{
    (void)state;
    struct eye_reverse *reverse = eye_reverse_new("/there/is/no/such/folder");
    assert_non_null(reverse);
    eye_reverse_refresh(reverse, SECOND);
    assert_int_equal(eye_reverse_count(reverse, EYE_REVERSE_HOSTS, EYE_REVERSE_FAILED), 1);
    eye_reverse_free(reverse);
}

static void learned__count_until_they_are_over_and_unused(void **state)
{
    struct world *world = *state;
    learn(world, "192.0.2.1", "WWW.example.org.", 30 * SECOND, SECOND);
    assert_string_equal(name_of(world, "192.0.2.1"), "www.example.org");
    eye_reverse_refresh(world->reverse, 60 * SECOND);
    assert_string_equal(name_of(world, "192.0.2.1"), "www.example.org"); /* used: it stays */
    eye_reverse_refresh(world->reverse, 60 * SECOND + EYE_REVERSE_KEEP_NS - 1);
    uint64_t changes = eye_reverse_changes(world->reverse);
    eye_reverse_refresh(world->reverse, 60 * SECOND + EYE_REVERSE_KEEP_NS);
    assert_string_equal(name_of(world, "192.0.2.1"), "");
    assert_true(eye_reverse_changes(world->reverse) > changes);
}

static void changes__are_those_of_addresses_that_were_asked_for(void **state)
{
    struct world *world = *state;
    learn(world, "192.0.2.1", "a.example", 30 * SECOND, 0);
    assert_int_equal(eye_reverse_changes(world->reverse), 0);
    assert_string_equal(name_of(world, "192.0.2.2"), "");
    learn(world, "192.0.2.2", "b.example", 30 * SECOND, 0);
    assert_int_equal(eye_reverse_changes(world->reverse), 1);
    assert_string_equal(name_of(world, "192.0.2.1"), "a.example");
    learn(world, "192.0.2.1", "c.example", 30 * SECOND, 30 * SECOND); /* one goes, one comes */
    assert_int_equal(eye_reverse_changes(world->reverse), 3);
    eye_reverse_begin_pass(world->reverse);
    learn(world, "192.0.2.2", "c.example", 30 * SECOND, 30 * SECOND);
    assert_int_equal(eye_reverse_changes(world->reverse), 3);
}

static void learned__never_names_the_host_itself(void **state)
{
    struct world *world = *state;
    static const char *const addresses[] = {"127.0.0.1", "127.5.5.5", "0.0.0.0", "::", "::1"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(addresses); i++) {
        learn(world, addresses[i], "ads.example", 30 * SECOND, 0);
        assert_string_equal(name_of(world, addresses[i]), "");
        assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_LEARNED, EYE_REVERSE_LOCAL),
                         i + 1);
    }
    learn(world, "::2", "two.example", 30 * SECOND, 0);
    learn(world, "128.0.0.1", "public.example", 30 * SECOND, 0);
    assert_string_equal(name_of(world, "::2"), "two.example");
    assert_string_equal(name_of(world, "128.0.0.1"), "public.example");
}

static void learned__first_one_stays_while_it_is_valid(void **state)
{
    struct world *world = *state;
    learn(world, "192.0.2.1", "a.example", 30 * SECOND, 0);
    learn(world, "192.0.2.1", "b.example", 30 * SECOND, 29 * SECOND);
    assert_string_equal(name_of(world, "192.0.2.1"), "a.example");
    learn(world, "192.0.2.1", "a.example", 30 * SECOND, 29 * SECOND); /* until 59 */
    learn(world, "192.0.2.1", "b.example", 30 * SECOND, 58 * SECOND);
    assert_string_equal(name_of(world, "192.0.2.1"), "a.example");
    learn(world, "192.0.2.1", "b.example", 30 * SECOND, 59 * SECOND);
    assert_string_equal(name_of(world, "192.0.2.1"), "b.example");
}

static void learned__ttl_is_capped(void **state)
{
    struct world *world = *state;
    learn(world, "192.0.2.1", "a.example", UINT64_MAX, 0);
    learn(world, "192.0.2.1", "b.example", SECOND, EYE_REVERSE_TTL_MAX_NS);
    assert_string_equal(name_of(world, "192.0.2.1"), "b.example");
}

static void learned__oldest_makes_room(void **state)
{
    struct world *world = *state;
    char address[32];
    for (unsigned i = 0; i < EYE_REVERSE_LEARNED_MAX + 3; i++) {
        snprintf(address, sizeof(address), "10.0.%u.%u", i / 256, i % 256);
        learn(world, address, "one.name", SECOND, 0);
        learn(world, "10.0.0.1", "one.name", SECOND, 0); /* told again: not the oldest */
    }
    assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_LEARNED, EYE_REVERSE_NO_ROOM),
                     3);
    assert_string_equal(name_of(world, "10.0.0.0"), "");
    assert_string_equal(name_of(world, "10.0.0.1"), "one.name");
    assert_string_equal(name_of(world, "10.0.0.2"), "");
    assert_string_equal(name_of(world, "10.0.0.4"), "one.name");
    assert_int_equal(id_of(world, "10.0.0.4"), id_of(world, "10.0.0.1"));
}

static void learned__hostile_names_are_harmless(void **state)
{
    struct world *world = *state;
    learn(world, "192.0.2.1", "a\n\x1b[31mb\xe2\x80\xae", SECOND, 0);
    assert_string_equal(name_of(world, "192.0.2.1"), "a__[31mb_");
    learn(world, "192.0.2.2", "__OTHER__", SECOND, 0);
    assert_string_equal(name_of(world, "192.0.2.2"), "__other___");
    learn(world, "192.0.2.3", ".", SECOND, 0);
    assert_string_equal(name_of(world, "192.0.2.3"), "");
    assert_int_equal(eye_reverse_count(world->reverse, EYE_REVERSE_LEARNED, EYE_REVERSE_MALFORMED),
                     1);
}

static void hosts__have_the_last_word(void **state)
{
    struct world *world = *state;
    learn(world, "10.0.0.1", "learned.example", SECOND, 0);
    read_hosts(world, "10.0.0.1 ours\n");
    assert_string_equal(name_of(world, "10.0.0.1"), "ours");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free__takes_null),
        TEST(hosts__are_read_as_resolvers_do),
        TEST(hosts__that_are_malformed_are_counted),
        TEST(long_names__are_cut),
        TEST(hosts__are_read_again_when_they_changed),
        TEST(hosts__that_are_gone_name_nobody),
        TEST(hosts__that_are_too_large_leave_all_as_it_was),
        TEST(hosts__beyond_the_limit_are_counted),
        TEST(root__may_be_missing),
        TEST(learned__count_until_they_are_over_and_unused),
        TEST(changes__are_those_of_addresses_that_were_asked_for),
        TEST(learned__never_names_the_host_itself),
        TEST(learned__first_one_stays_while_it_is_valid),
        TEST(learned__ttl_is_capped),
        TEST(learned__oldest_makes_room),
        TEST(learned__hostile_names_are_harmless),
        TEST(hosts__have_the_last_word),
    };
    return cmocka_run_group_tests_name("reverse", tests, NULL, NULL);
}
