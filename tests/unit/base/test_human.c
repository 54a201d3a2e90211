/* SPDX-License-Identifier: Apache-2.0 */
/* Three digits and a unit, at the edges of units and of rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "collector/base/human.h"

struct human_case {
    double value;
    const char *expected;
};

static void check(void (*append)(struct eye_text *, double), const struct human_case *cases,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct eye_text text;
        eye_text_init(&text, 100);
        append(&text, cases[i].value);
        assert_string_equal(eye_text_string(&text), cases[i].expected);
        eye_text_done(&text);
    }
}

static void append_number__keeps_whole_numbers_whole(void **state)
{
    (void)state;
    static const struct human_case cases[] = {
        {0, "0"},       {0.25, "0.25"}, {9.994, "9.99"},  {9.996, "10.0"},     {12.34, "12.3"},
        {99.96, "100"}, {1234, "1234"}, {1234.5, "1234"}, {1e9, "1000000000"},
    };
    check(eye_human_append_number, cases, EYE_ARRAY_LENGTH(cases));
}

static void append_bytes__scales_by_1024(void **state)
{
    (void)state;
    static const struct human_case cases[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1023.6, "1.00 KiB"},
        {1024, "1.00 KiB"},
        {1536, "1.50 KiB"},
        {1048575, "1.00 MiB"},
        {5.5 * 1048576, "5.50 MiB"},
        {0x1p30, "1.00 GiB"},
        {0x1p40, "1.00 TiB"},
        {0x1p50, "1024 TiB"},
    };
    check(eye_human_append_bytes, cases, EYE_ARRAY_LENGTH(cases));
}

static void append_seconds__picks_us_ms_s(void **state)
{
    (void)state;
    static const struct human_case cases[] = {
        {0, "0.00 us"},        {95e-6, "95.0 us"},  {999.4e-6, "999 us"},
        {999.9e-6, "1.00 ms"}, {1.2e-3, "1.20 ms"}, {0.25, "250 ms"},
        {0.9999, "1.00 s"},    {3.4, "3.40 s"},     {1000, "1000 s"},
    };
    check(eye_human_append_seconds, cases, EYE_ARRAY_LENGTH(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_number__keeps_whole_numbers_whole),
        cmocka_unit_test(append_bytes__scales_by_1024),
        cmocka_unit_test(append_seconds__picks_us_ms_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
