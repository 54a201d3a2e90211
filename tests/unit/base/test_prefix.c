/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges as text, and the longest of many, held against one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "collector/base/base.h"
#include "collector/base/prefix.h"

#define MANY 2000

static void parse__reads_and_writes_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *written; /* NULL: as it is read */
        uint8_t family;
        uint8_t bits;
    } cases[] = {
        {"10.1.0.0/16", NULL, 4, 96 + 16},
        {"0.0.0.0/0", NULL, 4, 96},
        {"10.1.2.3", NULL, 4, 128},
        {"10.1.2.3/32", "10.1.2.3", 4, 128},
        {"10.128.0.0/9", NULL, 4, 96 + 9},
        {"::/0", NULL, 6, 0},
        {"2001:db8::/32", NULL, 6, 32},
        {"2001:DB8:0:0::/33", "2001:db8::/33", 6, 33},
        {"::1", NULL, 6, 128},
        {"::ffff:10.1.0.0/112", "10.1.0.0/16", 4, 112},
        {"::ffff:0:0/96", "0.0.0.0/0", 4, 96},
        {"::/95", NULL, 6, 95},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_prefix prefix;
        char text[EYE_PREFIX_TEXT_BYTES];
        assert_int_equal(eye_prefix_parse(cases[i].text, &prefix), 0);
        assert_int_equal(prefix.family, cases[i].family);
        assert_int_equal(prefix.bits, cases[i].bits);
        eye_prefix_format(&prefix, text);
        assert_string_equal(text, cases[i].written == NULL ? cases[i].text : cases[i].written);
    }
}

static void parse__refuses_what_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"", -EINVAL},
        {"/8", -EINVAL},
        {"db", -EINVAL},
        {"10.1", -EINVAL},
        {"10.1.2.256", -EINVAL},
        {" 10.1.2.3", -EINVAL},
        {"10.1.2.3 /32", -EINVAL},
        {"fe80::1%lo", -EINVAL},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1", -EINVAL},
        {"10.0.0.0/", -ERANGE},
        {"10.0.0.0/33", -ERANGE},
        {"10.0.0.0/-1", -ERANGE},
        {"10.0.0.0/+8", -ERANGE},
        {"10.0.0.0/8/8", -ERANGE},
        {"10.0.0.0/99999999999999999999", -ERANGE},
        {"::/129", -ERANGE},
        {"10.0.0.0/255.0.0.0", -ERANGE},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_prefix prefix = {.bits = 77};
        assert_int_equal(eye_prefix_parse(cases[i].text, &prefix), cases[i].result);
        assert_int_equal(prefix.bits, 77);
    }
}

static void parse__tells_the_range_of_what_lies_in_it(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"10.1.2.3/16", "10.1.0.0/16"},      {"10.255.0.0/9", "10.128.0.0/9"},
        {"255.255.255.255/0", "0.0.0.0/0"},  {"10.1.2.3/31", "10.1.2.2/31"},
        {"2001:db8::1/32", "2001:db8::/32"}, {"::1/0", "::/0"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_prefix prefix;
        char text[EYE_PREFIX_TEXT_BYTES];
        assert_int_equal(eye_prefix_parse(cases[i][0], &prefix), -EDOM);
        eye_prefix_format(&prefix, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static struct eye_prefix prefix_of(const char *text)
{
    struct eye_prefix prefix;
    assert_int_equal(eye_prefix_parse(text, &prefix), 0);
    return prefix;
}

static uint32_t find(const struct eye_prefix_table *table, const char *address)
{
    return eye_prefix_table_find(table, prefix_of(address).address);
}

static void table__finds_the_longest(void **state)
{
    (void)state;
    const struct eye_prefix prefixes[] = {
        prefix_of("10.0.0.0/8"), prefix_of("10.1.0.0/16"),   prefix_of("10.1.2.3"),
        prefix_of("::/0"),       prefix_of("2001:db8::/32"), {.family = 0},
    };
    static const struct {
        const char *address;
        uint32_t number;
    } cases[] = {
        {"10.1.2.3", 2},
        {"10.1.2.4", 1},
        {"10.1.2.2", 1},
        {"10.2.0.0", 0},
        {"10.255.255.255", 0},
        {"11.0.0.0", EYE_PREFIX_NONE},
        {"9.255.255.255", EYE_PREFIX_NONE},
        {"0.0.0.0", EYE_PREFIX_NONE}, /* ::/0 holds no IPv4 */
        {"2001:db8::1", 4},
        {"2001:db7:ffff::", 3},
        {"::", 3},
        {"ffff::", 3},
    };
    struct eye_prefix_table table;
    assert_int_equal(
        eye_prefix_table_init(&table, prefixes, sizeof(prefixes[0]), EYE_ARRAY_LENGTH(prefixes)),
        0);
    assert_int_equal(table.count, EYE_ARRAY_LENGTH(prefixes) - 1);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(find(&table, cases[i].address), cases[i].number);
    }
    eye_prefix_table_done(&table);
    eye_prefix_table_done(&table);
}

static void table__may_be_empty(void **state)
{
    (void)state;
    struct eye_prefix_table table;
    uint32_t first = 0;
    uint32_t second = 0;
    assert_int_equal(eye_prefix_table_init(&table, NULL, sizeof(struct eye_prefix), 0), 0);
    assert_int_equal(find(&table, "10.1.2.3"), EYE_PREFIX_NONE);
    assert_false(eye_prefix_table_repeats(&table, &first, &second));
    eye_prefix_table_done(&table);
}

static void table__tells_what_stands_twice(void **state)
{
    (void)state;
    const struct eye_prefix prefixes[] = {
        prefix_of("10.1.0.0/16"),
        prefix_of("10.0.0.0/8"),
        prefix_of("10.1.0.0/17"),
        prefix_of("::ffff:10.1.0.0/112"),
    };
    struct eye_prefix_table table;
    uint32_t first = 0;
    uint32_t second = 0;
    assert_int_equal(eye_prefix_table_init(&table, prefixes, sizeof(prefixes[0]), 3), 0);
    assert_false(eye_prefix_table_repeats(&table, &first, &second));
    eye_prefix_table_done(&table);
    assert_int_equal(eye_prefix_table_init(&table, prefixes, sizeof(prefixes[0]), 4), 0);
    assert_true(eye_prefix_table_repeats(&table, &first, &second));
    assert_int_equal(first, 0);
    assert_int_equal(second, 3);
    eye_prefix_table_done(&table);
}

static uint64_t next(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *random >> 33;
}

/* Few different bits, so that ranges lie within each other. */
static struct eye_prefix any_prefix(uint64_t *random)
{
    char text[EYE_PREFIX_TEXT_BYTES];
    struct eye_prefix prefix;
    snprintf(text, sizeof(text), "10.%u.%u.%u/%u", (unsigned)next(random) % 4,
             (unsigned)next(random) % 4 * 64, (unsigned)next(random) % 4 * 64,
             (unsigned)next(random) % 33);
    int result = eye_prefix_parse(text, &prefix);
    assert_true(result == 0 || result == -EDOM);
    return prefix;
}

static void table__says_what_a_search_of_all_says(void **state)
{
    (void)state;
    static struct eye_prefix prefixes[MANY];
    struct eye_prefix_table table;
    uint64_t random = 1;
    for (size_t i = 0; i < MANY; i++) {
        prefixes[i] = any_prefix(&random);
    }
    assert_int_equal(eye_prefix_table_init(&table, prefixes, sizeof(prefixes[0]), MANY), 0);
    for (size_t i = 0; i < MANY; i++) {
        struct eye_prefix address = any_prefix(&random);
        int longest = -1;
        for (size_t j = 0; j < MANY; j++) {
            bool holds = eye_prefix_holds(&prefixes[j], address.address);
            longest = holds && prefixes[j].bits > longest ? prefixes[j].bits : longest;
        }
        uint32_t found = eye_prefix_table_find(&table, address.address);
        assert_int_equal(found == EYE_PREFIX_NONE ? -1 : prefixes[found].bits, longest);
        assert_true(found == EYE_PREFIX_NONE ||
                    eye_prefix_holds(&prefixes[found], address.address));
    }
    eye_prefix_table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__reads_and_writes_the_same),
        cmocka_unit_test(parse__refuses_what_is_none),
        cmocka_unit_test(parse__tells_the_range_of_what_lies_in_it),
        cmocka_unit_test(table__finds_the_longest),
        cmocka_unit_test(table__may_be_empty),
        cmocka_unit_test(table__tells_what_stands_twice),
        cmocka_unit_test(table__says_what_a_search_of_all_says),
    };
    return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
