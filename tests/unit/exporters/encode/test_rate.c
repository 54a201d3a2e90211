/* SPDX-License-Identifier: Apache-2.0 */
/* Rates weigh what they shall, in the arithmetic of the receivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/encode/decimal.h"
#include "tests/support/random.h"

/* What receivers that truncate 1 / rate need. */
#define LOOSE 0.999

struct rate {
    char text[EYE_RATE_TEXT_BYTES + 1];
};

static double tight(uint64_t weight)
{
    return (double)weight * EYE_RATE_MIN_EXCESS;
}

static struct rate format(uint64_t weight, double excess)
{
    struct rate rate = {0};
    size_t length = eye_decimal_format_rate(weight, excess, rate.text);
    assert_in_range(length, 3, EYE_RATE_TEXT_BYTES);
    assert_int_equal(strlen(rate.text), length);
    assert_int_equal(strspn(rate.text, "0123456789."), length);
    return rate;
}

static void assert_weighs(uint64_t weight)
{
    const double excesses[] = {LOOSE, tight(weight)};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(excesses); i++) {
        double counted = 1 / strtod(format(weight, excesses[i]).text, NULL);
        assert_int_equal((uint64_t)counted, weight);
        assert_true(counted - (double)weight <= excesses[i]);
    }
}

static void rate_format__known_texts(void **state)
{
    (void)state;
    static const struct {
        uint64_t weight;
        const char *loose;
        const char *tight;
    } rates[] = {
        {2, "0.5", "0.5"},
        {3, "0.3", "0.333333333333"},
        {4, "0.25", "0.25"},
        {5, "0.2", "0.2"},
        {10, "0.1", "0.1"},
        {16, "0.06", "0.0625"},
        {93, "0.0107", "0.01075268817204"},
        {1000, "0.001", "0.001"},
        {3125, "0.0003199", "0.0003199999999999"},
        {10000000000, "0.0000000001", "0.0000000001"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rates); i++) {
        uint64_t weight = rates[i].weight;
        assert_string_equal(format(weight, LOOSE).text, rates[i].loose);
        assert_string_equal(format(weight, tight(weight)).text, rates[i].tight);
    }
}

/* 1 / 0.00032 is 3124.9999 in doubles and 3125 elsewhere. */
static void rate_format__does_not_rely_on_rounding(void **state)
{
    (void)state;
    assert_string_equal(format(3124, LOOSE).text, "0.0003201");
}

static void rate_format__is_exact_up_to_200000(void **state)
{
    (void)state;
    for (uint64_t weight = 2; weight <= 200000; weight++) {
        assert_weighs(weight);
    }
}

static void rate_format__is_exact_for_large_weights(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t i = 0; i < 200000; i++) {
        assert_weighs(2 + random_below(&random, EYE_RATE_MAX_WEIGHT - 1));
    }
    for (uint64_t i = 0; i < 100000; i++) {
        assert_weighs(EYE_RATE_MAX_WEIGHT - i);
    }
}

/* 1/n is a finite decimal for these, where truncation errs most easily. */
static void rate_format__is_exact_for_products_of_two_and_five(void **state)
{
    (void)state;
    for (uint64_t twos = 1; twos <= EYE_RATE_MAX_WEIGHT; twos *= 2) {
        for (uint64_t weight = twos; weight <= EYE_RATE_MAX_WEIGHT; weight *= 5) {
            if (weight > 1) {
                assert_weighs(weight);
            }
        }
    }
}

/* No decimal with one digit less weighs the same: tried with every numerator near 1/n. */
static void rate_format__is_the_shortest(void **state)
{
    (void)state;
    for (uint64_t weight = 2; weight <= 3000; weight++) {
        size_t digits = strlen(format(weight, LOOSE).text) - 2;
        double power = 1;
        for (size_t i = 1; i < digits; i++) {
            power *= 10;
        }
        double near = power / (double)weight;
        for (double step = -2; step <= 2; step++) {
            double numerator = (double)(uint64_t)near + step;
            if (numerator >= 1) {
                assert_int_not_equal((uint64_t)(1 / (numerator / power)), weight);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_format__known_texts),
        cmocka_unit_test(rate_format__does_not_rely_on_rounding),
        cmocka_unit_test(rate_format__is_exact_up_to_200000),
        cmocka_unit_test(rate_format__is_exact_for_large_weights),
        cmocka_unit_test(rate_format__is_exact_for_products_of_two_and_five),
        cmocka_unit_test(rate_format__is_the_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
