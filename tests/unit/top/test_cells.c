/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile texts, and widths. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/top/cells.h"

static int setup(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") == NULL;
}

static void clean__hides_what_terminals_obey(void **state)
{
    static const struct {
        const char *text;
        const char *utf8;
        const char *ascii;
    } cases[] = {
        {"plain name", "plain name", "plain name"},
        {"a\033[31mb", "a?[31mb", "a?[31mb"},
        {"a\xc2\x9b"
         "b",
         "a?b", "a?b"}, /* CSI as one character */
        {"\xe2\x80\xae"
         "evil",
         "?evil", "?evil"}, /* right to left */
        {"tab\tline\nend\x7f", "tab?line?end?", "tab?line?end?"},
        {"\xff\xfe", "??", "??"},
        {"\xe6\x97", "??", "??"}, /* cut */
        {"\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac", "??"},
        {"e\xcc\x81", "e\xcc\x81", "e?"},           /* one accent */
        {"e\xcc\x81\xcc\x81", "e\xcc\x81?", "e??"}, /* a tower of them */
        {"\xcc\x81x", "?x", "?x"},
        {"", "", ""},
    };
    char target[64];
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        size_t length = eye_cells_clean(target, cases[i].text, strlen(cases[i].text), true);
        assert_string_equal(target, cases[i].utf8);
        assert_int_equal(length, strlen(target));
        assert_true(length <= strlen(cases[i].text));
        eye_cells_clean(target, cases[i].text, strlen(cases[i].text), false);
        assert_string_equal(target, cases[i].ascii);
    }
}

static void append__has_the_width(void **state)
{
    static const struct {
        const char *text;
        size_t width;
        bool right;
        const char *expected;
    } cases[] = {
        {"ab", 4, false, "ab  "},
        {"ab", 4, true, "  ab"},
        {"abcd", 4, true, "abcd"},
        {"abcde", 4, true, "abc~"},
        {"abcde", 1, false, "~"},
        {"abcde", 0, false, ""},
        {"", 2, false, "  "},
        {"\xe6\x97\xa5\xe6\x9c\xac", 5, false, "\xe6\x97\xa5\xe6\x9c\xac "},
        {"\xe6\x97\xa5\xe6\x9c\xac", 3, false, "\xe6\x97\xa5~"},
        {"\xe6\x97\xa5\xe6\x9c\xac", 2, false, "~ "}, /* half a character is none */
        {"e\xcc\x81g", 1, false, "~"},
        {"e\xcc\x81g", 2, false, "e\xcc\x81g"},
    };
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    (void)state;
    eye_text_init(&text, 64);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        eye_text_clear(&text);
        eye_cells_append(&text, cases[i].text, cases[i].width, cases[i].right);
        assert_string_equal(eye_text_string(&text), cases[i].expected);
        assert_int_equal(eye_cells_width(eye_text_string(&text)), cases[i].width);
    }
}

static void utf8__is_the_locale_s(void **state)
{
    (void)state;
    assert_true(eye_cells_utf8());
    assert_non_null(setlocale(LC_CTYPE, "C"));
    assert_false(eye_cells_utf8());
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean__hides_what_terminals_obey),
        cmocka_unit_test(append__has_the_width),
        cmocka_unit_test(utf8__is_the_locale_s),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
