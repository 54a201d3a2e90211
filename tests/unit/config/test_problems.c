/* SPDX-License-Identifier: Apache-2.0 */
/* Lines into an error of fixed size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "config/problems.h"

static int set_up(void **state)
{
    struct eye_problems *problems = calloc(1, sizeof(*problems));
    if (problems == NULL) {
        return -1;
    }
    eye_problems_init(problems);
    *state = problems;
    return 0;
}

static int tear_down(void **state)
{
    eye_problems_done(*state);
    free(*state);
    return 0;
}

static void problems__none_is_success_and_leaves_error(void **state)
{
    struct eye_error error = {.text = "before"};
    assert_int_equal(eye_problems_result(*state, &error), 0);
    assert_string_equal(error.text, "before");
}

static void problems__are_joined_in_order_with_the_first_code(void **state)
{
    struct eye_error error;
    eye_problems_add(*state, -ENOENT, "a: %d", 1);
    eye_problems_add(*state, -EINVAL, "b: %s", "x\ny\x7f");
    assert_int_equal(eye_problems_result(*state, &error), -ENOENT);
    assert_string_equal(error.text, "a: 1\nb: x y?");
    assert_int_equal(eye_problems_result(*state, NULL), -ENOENT);
}

static void problems__are_at_most_twenty(void **state)
{
    struct eye_error error;
    for (int i = 0; i < 30; i++) {
        assert_int_equal(eye_problems_full(*state), i >= EYE_PROBLEMS_MAX);
        eye_problems_add(*state, -EINVAL, "line %d", i);
    }
    eye_problems_result(*state, &error);
    assert_non_null(strstr(error.text, "line 18\nline 19"));
    assert_null(strstr(error.text, "line 20"));
}

static void problems__are_cut_at_a_line(void **state)
{
    struct eye_error error;
    char line[301];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    for (int i = 0; i < 5; i++) {
        eye_problems_add(*state, -EINVAL, "%s", line);
    }
    eye_problems_result(*state, &error);
    assert_int_equal(strlen(error.text), 3 * 301 + strlen("and 2 more problems"));
    assert_string_equal(error.text + (ptrdiff_t)(3 * 301), "and 2 more problems");
}

static void problems__cut_a_line_that_is_too_long_alone(void **state)
{
    struct eye_error error;
    char line[2000];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    eye_problems_add(*state, -EINVAL, "%s", line);
    eye_problems_result(*state, &error);
    assert_int_equal(strlen(error.text), EYE_ERROR_TEXT_BYTES - 1);
    eye_problems_add(*state, -EINVAL, "second");
    eye_problems_result(*state, &error);
    assert_non_null(strstr(error.text, "x\nand 1 more problem"));
}

static void excerpt__keeps_short_texts_and_cuts_at_a_character(void **state)
{
    (void)state;
    static const char digits[] =
        "012345678901234567890123456789012345678901234567890123456789"; /* 60 */
    char text[80];
    snprintf(text, sizeof(text), "%sabc", digits);
    assert_string_equal(eye_excerpt_of(text).text, text);
    snprintf(text, sizeof(text), "%sabcd", digits);
    assert_string_equal(eye_excerpt_of(text).text,
                        "012345678901234567890123456789012345678901234567890123456789...");
    snprintf(text, sizeof(text), "%.59s\xc3\xa9xyz", digits);
    assert_string_equal(eye_excerpt_of(text).text,
                        "01234567890123456789012345678901234567890123456789012345678...");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void excerpt__shows_no_password(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        {"http://me:s3cret@host/a", "http://***@host/a"},
        {"http://me:s3@cret@host", "http://***@host"},
        {"http://host/a@b", "http://host/a@b"},
        {"me@host", "me@host"},
        {"http://me:a-password-that-is-longer-than-all-that-an-excerpt-could-ever-hold@host/",
         "http://***@host/"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_string_equal(eye_excerpt_of(cases[i].text).text, cases[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(problems__none_is_success_and_leaves_error),
        TEST(problems__are_joined_in_order_with_the_first_code),
        TEST(problems__are_at_most_twenty),
        TEST(problems__are_cut_at_a_line),
        TEST(problems__cut_a_line_that_is_too_long_alone),
        cmocka_unit_test(excerpt__keeps_short_texts_and_cuts_at_a_character),
        cmocka_unit_test(excerpt__shows_no_password),
    };
    return cmocka_run_group_tests_name("problems", tests, NULL, NULL);
}
