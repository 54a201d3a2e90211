/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units: what is accepted, what is refused with which error. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/parse.h"
#include "tests/support/random.h"

#define UNTOUCHED UINT64_C(0x5ca1ab1e)

struct number_case {
    const char *text;
    int result;
    uint64_t value; /* when result is 0 */
};

static void check(int (*parse)(const char *text, uint64_t *ret_value),
                  const struct number_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = UNTOUCHED;
        int result = parse(cases[i].text, &value);
        uint64_t expected = cases[i].result == 0 ? cases[i].value : UNTOUCHED;
        if (result != cases[i].result || value != expected) {
            fail_msg("\"%s\": %d, %" PRIu64, cases[i].text, result, value);
        }
    }
}

static void parse_u64__takes_whole_decimals_only(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"7", 0, 7},
        {"007", 0, 7},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, 0},
        {"18446744073709551620", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"1\n", -EINVAL, 0},
        {"1.0", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"ten", -EINVAL, 0},
    };
    check(eye_parse_u64, cases, EYE_ARRAY_LENGTH(cases));
}

static void parse_duration__takes_numbers_with_units(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"0.0", 0, 0},
        {"0s", 0, 0},
        {"1ns", 0, 1},
        {"1.9ns", 0, 1},
        {"1us", 0, 1000},
        {"250ms", 0, 250000000},
        {"10s", 0, 10000000000},
        {"1.5s", 0, 1500000000},
        {"0.25s", 0, 250000000},
        {"1.0000000019s", 0, 1000000001},
        {"0.000000001s", 0, 1},
        {"5m", 0, 300000000000},
        {"1.5h", 0, 5400000000000},
        {"1d", 0, 86400000000000},
        {"18446744073709551615ns", 0, UINT64_MAX},
        {"213503d", 0, UINT64_C(213503) * 86400000000000},
        {"1m30s", 0, 90000000000},
        {"1d2h3m4s5ms6us7ns", 0, UINT64_C(93784005006007)},
        {"1h0.5s", 0, 3600500000000},
        {"0m5s", 0, 5000000000},
    };
    check(eye_parse_duration_ns, cases, EYE_ARRAY_LENGTH(cases));
}

static void parse_duration__refuses_the_rest(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"18446744073709551616ns", -ERANGE, 0},
        {"18446744073709551615us", -ERANGE, 0},
        {"213504d", -ERANGE, 0},
        {"213503.99d", -ERANGE, 0},
        {"99999999999999999999s", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"10", -EINVAL, 0},
        {"0.5", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {".5s", -EINVAL, 0},
        {"1.s", -EINVAL, 0},
        {"1..5s", -EINVAL, 0},
        {"1.5.5s", -EINVAL, 0},
        {"-1s", -EINVAL, 0},
        {"+1s", -EINVAL, 0},
        {" 1s", -EINVAL, 0},
        {"1 s", -EINVAL, 0},
        {"1s ", -EINVAL, 0},
        {"1S", -EINVAL, 0},
        {"1sec", -EINVAL, 0},
        {"30s1m", -EINVAL, 0},
        {"1m1m", -EINVAL, 0},
        {"1m30", -EINVAL, 0},
        {"1m 30s", -EINVAL, 0},
        {"1ms.5us", -EINVAL, 0},
        {"213503d9999h", -ERANGE, 0},
        {"1,5s", -EINVAL, 0},
        {"1e3s", -EINVAL, 0},
        {"1MiB", -EINVAL, 0},
    };
    check(eye_parse_duration_ns, cases, EYE_ARRAY_LENGTH(cases));
}

static void parse_size__takes_numbers_with_units(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"0B", 0, 0},
        {"1B", 0, 1},
        {"1kB", 0, 1000},
        {"1MB", 0, 1000000},
        {"1GB", 0, 1000000000},
        {"1TB", 0, 1000000000000},
        {"1KiB", 0, 1024},
        {"4MiB", 0, 4194304},
        {"1GiB", 0, 1073741824},
        {"1TiB", 0, 1099511627776},
        {"1.5KiB", 0, 1536},
        {"0.5B", 0, 0},
        {"16777215TiB", 0, UINT64_C(16777215) << 40},
    };
    check(eye_parse_size_bytes, cases, EYE_ARRAY_LENGTH(cases));
}

static void parse_size__rejects_overflow_and_leaves_output(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"16777216TiB", -ERANGE, 0},
        {"18446744073709551616B", -ERANGE, 0},
        {"18446744073709551615KiB", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"10", -EINVAL, 0},
        {"1K", -EINVAL, 0},
        {"1KB", -EINVAL, 0},
        {"1mib", -EINVAL, 0},
        {"1 MiB", -EINVAL, 0},
        {"-1B", -EINVAL, 0},
        {"1s", -EINVAL, 0},
    };
    check(eye_parse_size_bytes, cases, EYE_ARRAY_LENGTH(cases));
}

static void parse_duration__multiplies_by_the_unit(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 10000; i++) {
        uint64_t us = random_below(&random, UINT64_C(1) << 50);
        char text[64];
        uint64_t value = UNTOUCHED;
        snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64 "ms", us / 1000, us % 1000);
        assert_int_equal(eye_parse_duration_ns(text, &value), 0);
        assert_int_equal(value, us * 1000);
    }
}

static void parse_bool__takes_true_and_false(void **state)
{
    (void)state;
    bool value = false;
    assert_int_equal(eye_parse_bool("true", &value), 0);
    assert_true(value);
    assert_int_equal(eye_parse_bool("false", &value), 0);
    assert_false(value);
}

static void parse_bool__refuses_the_rest(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "True", "TRUE", "yes",   "no",    "on",
                                        "off", "1",    "0",    "true ", " true", "truee"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(texts); i++) {
        bool was_true = true;
        bool was_false = false;
        assert_int_equal(eye_parse_bool(texts[i], &was_true), -EINVAL);
        assert_int_equal(eye_parse_bool(texts[i], &was_false), -EINVAL);
        assert_true(was_true);
        assert_false(was_false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_u64__takes_whole_decimals_only),
        cmocka_unit_test(parse_duration__takes_numbers_with_units),
        cmocka_unit_test(parse_duration__refuses_the_rest),
        cmocka_unit_test(parse_duration__multiplies_by_the_unit),
        cmocka_unit_test(parse_size__takes_numbers_with_units),
        cmocka_unit_test(parse_size__rejects_overflow_and_leaves_output),
        cmocka_unit_test(parse_bool__takes_true_and_false),
        cmocka_unit_test(parse_bool__refuses_the_rest),
    };
    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
