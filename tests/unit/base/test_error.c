/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that travel with an errno. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/error.h"
#include "collector/base/text.h"

static void set__writes_and_returns_the_code(void **state)
{
    (void)state;
    struct eye_error error;
    assert_int_equal(eye_error_set(&error, -ENOENT, "cannot open %s: %d", "/x", 2), -ENOENT);
    assert_string_equal(error.text, "cannot open /x: 2");
    assert_int_equal(eye_error_set(&error, -EINVAL, "%s", ""), -EINVAL);
    assert_string_equal(error.text, "");
}

static void set__takes_null(void **state)
{
    (void)state;
    assert_int_equal(eye_error_set(NULL, -EPERM, "nobody reads %s", "this"), -EPERM);
}

static void set__cuts_long_messages(void **state)
{
    (void)state;
    struct {
        struct eye_error error;
        char behind;
    } place = {.behind = '#'};
    assert_int_equal(eye_error_set(&place.error, -E2BIG, "%*d", 5 * EYE_ERROR_TEXT_BYTES, 1),
                     -E2BIG);
    assert_int_equal(strlen(place.error.text), EYE_ERROR_TEXT_BYTES - 1);
    assert_int_equal(place.behind, '#');
}

static void set__shows_what_strangers_wrote_as_text(void **state)
{
    (void)state;
    static const struct {
        const char *foreign;
        const char *shown;
    } cases[] = {
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\x80\xff", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},  /* a character without its end */
        {"a\nwarning: b\r\tc", "a warning: b  c"}, /* lines of its own */
        {"\x1b[2J\x07\x7f", "?[2J??"},             /* orders to a terminal */
        {"\xc2\x9b"
         "31m",
         "?31m"},                                    /* C1: the same in one byte */
        {"\xe2\x80\xaa\xe2\x80\xae", "??"},          /* U+202A, U+202E */
        {"\xe2\x81\xa6\xe2\x81\xa9", "??"},          /* U+2066, U+2069 */
        {"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "???"}, /* U+200E, U+200F, U+061C */
        {"\xf3\xa0\x81\x81\xef\xbb\xbf", "??"},      /* U+E0041, U+FEFF */
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_error error;
        eye_error_set(&error, -EINVAL, "%s", cases[i].foreign);
        assert_string_equal(error.text, cases[i].shown);
    }
}

static void set__cuts_between_characters(void **state)
{
    (void)state;
    char text[2 * EYE_MESSAGE_BYTES + 2] = "x";
    for (size_t i = 1; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "\xc3\xa9", 3);
    }
    struct eye_error error;
    eye_error_set(&error, -EINVAL, "%s", text);
    assert_int_equal(strlen(error.text), EYE_ERROR_TEXT_BYTES - 1);
    eye_error_set(&error, -EINVAL, "x%s", text);
    assert_int_equal(strlen(error.text), EYE_ERROR_TEXT_BYTES - 2);
    assert_null(strstr(error.text, "\xef\xbf\xbd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set__writes_and_returns_the_code),
        cmocka_unit_test(set__takes_null),
        cmocka_unit_test(set__cuts_long_messages),
        cmocka_unit_test(set__shows_what_strangers_wrote_as_text),
        cmocka_unit_test(set__cuts_between_characters),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
