/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as UTF-8: what is a character, what is hidden, what is rewritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/encode/utf8.h"

static void next__counts_a_bad_byte_as_one_replacement(void **state)
{
    (void)state;
    static const char *const cases[] = {"\x80", "\xC0\x80", "\xFF", "\xE2\x82", "\xE2\x28\xA1"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        uint32_t code_point = 0;
        assert_int_equal(eye_utf8_next(cases[i], strlen(cases[i]), &code_point), 1);
        assert_int_equal(code_point, EYE_UTF8_REPLACEMENT);
    }
    uint32_t code_point = 0;
    assert_int_equal(eye_utf8_next("\xEF\xBF\xBD", 3, &code_point), 3);
    assert_int_equal(code_point, EYE_UTF8_REPLACEMENT);
}

static void is_control__knows_what_terminals_obey(void **state)
{
    (void)state;
    static const uint32_t controls[] = {0x01,   0x0A,   0x1B,   0x7F,   0x80,   0x9B,
                                        0x200B, 0x200E, 0x202E, 0x2028, 0x2066, 0xFEFF};
    static const uint32_t plain[] = {' ', '~', 0xA0, 0xE9, 0x2010, 0x4E2D, 0xFFFD, 0x1F600};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(controls); i++) {
        assert_true(eye_utf8_is_control(controls[i]));
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(plain); i++) {
        assert_false(eye_utf8_is_control(plain[i]));
    }
}

static void count__counts_characters(void **state)
{
    (void)state;
    assert_int_equal(eye_utf8_count("", 0), 0);
    assert_int_equal(eye_utf8_count("abc", 3), 3);
    assert_int_equal(eye_utf8_count("\xC3\xA9\xE4\xB8\xAD", 5), 2);
    assert_int_equal(eye_utf8_count("a\xFF\xFE", 3), 3);
    assert_int_equal(eye_utf8_count("a\xE2\x82\xAC", 3), 3);
}

static const char *replace_b_and_bad(uint32_t code_point)
{
    return code_point == 'b' ? "<B>" : code_point == EYE_UTF8_REPLACEMENT ? "!" : NULL;
}

static void append__replaces_and_keeps_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"ac", "ac"},
        {"b", "<B>"},
        {"abbc", "a<B><B>c"},
        {"\xC3\xA9\xFF", "\xC3\xA9!"},
        {"\xE2\x82", "!!"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_text text;
        eye_text_init(&text, 100);
        eye_utf8_append(&text, cases[i].value, replace_b_and_bad);
        assert_string_equal(eye_text_string(&text), cases[i].expected);
        eye_text_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next__counts_a_bad_byte_as_one_replacement),
        cmocka_unit_test(is_control__knows_what_terminals_obey),
        cmocka_unit_test(count__counts_characters),
        cmocka_unit_test(append__replaces_and_keeps_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
