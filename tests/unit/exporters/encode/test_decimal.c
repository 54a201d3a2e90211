/* SPDX-License-Identifier: Apache-2.0 */
/* Plain decimals: tables, and what reads back. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/encode/decimal.h"
#include "tests/support/random.h"

static struct eye_text text;

static int set_up(void **state)
{
    (void)state;
    eye_text_init(&text, 400);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eye_text_done(&text);
    return 0;
}

static const char *exact(double value)
{
    eye_text_clear(&text);
    eye_decimal_append(&text, value);
    return eye_text_string(&text);
}

static const char *rounded(double value, unsigned places)
{
    eye_text_clear(&text);
    eye_decimal_append_rounded(&text, value, places);
    return eye_text_string(&text);
}

static void decimal__is_short_and_plain(void **state)
{
    (void)state;
    assert_string_equal(exact(0), "0");
    assert_string_equal(exact(0.1), "0.1");
    assert_string_equal(exact(-2.5), "-2.5");
    assert_string_equal(exact(1e15), "1000000000000000");
    assert_string_equal(exact(1e19), "10000000000000000000");
    assert_string_equal(exact(-1e22), "-10000000000000000000000");
    assert_string_equal(exact(0x1p-45), "0.000000000000028421709430404007");
}

static void decimal__extremes_have_no_exponent(void **state)
{
    (void)state;
    static const double values[] = {DBL_MAX, -DBL_MAX, DBL_MIN, 1e17, 1.5e300, 5e-324};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        const char *written = exact(values[i]);
        assert_int_equal(strspn(written, "-.0123456789"), strlen(written));
        if (fabs(values[i]) > 1) {
            assert_true(strtod(written, NULL) == values[i]);
        }
    }
}

static void decimal__what_does_not_fit_fails(void **state)
{
    (void)state;
    eye_text_done(&text);
    eye_text_init(&text, 20);
    exact(1e100);
    assert_true(text.failed);
}

static void rounded__table(void **state)
{
    (void)state;
    static const struct {
        double value;
        unsigned places;
        const char *written;
    } rows[] = {
        {0, 9, "0"},
        {1, 9, "1"},
        {0.5, 0, "1"},
        {0.123456789, 9, "0.123456789"},
        {0.1234567894, 9, "0.123456789"},
        {0.1, 6, "0.1"},
        {100.25, 6, "100.25"},
        {0.000001, 6, "0.000001"},
        {0.0000004, 6, "0"},
        {-0.0000004, 6, "0"},
        {-1.5, 6, "-1.5"},
        {1.9999999, 6, "2"},
        {999.9999999, 6, "1000"},
        {5123456789, 9, "5123456789"},
        {18446744073.25, 9, "18446744073.25"},
        {9007199254740993.0, 9, "9007199254740992"},
        {1e18, 9, "1000000000000000000"},
        {1e25, 9, "10000000000000000905969664"},
        {123456.001, 3, "123456.001"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        assert_string_equal(rounded(rows[i].value, rows[i].places), rows[i].written);
    }
}

static void rounded__reads_back_within_half_a_place(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t i = 0; i < 100000; i++) {
        double value = (double)random_next(&random) / 9.3e9 / (double)(1 + i % 1000000);
        double read = strtod(rounded(value, 9), NULL);
        assert_true(fabs(read - value) <= 0.5000001e-9 + value * DBL_EPSILON);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(decimal__is_short_and_plain),
        TEST(decimal__extremes_have_no_exponent),
        TEST(decimal__what_does_not_fit_fails),
        TEST(rounded__table),
        TEST(rounded__reads_back_within_half_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
