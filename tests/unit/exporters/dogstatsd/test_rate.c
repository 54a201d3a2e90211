/* SPDX-License-Identifier: Apache-2.0 */
/* Rates weigh what they shall, in the arithmetic of the receiver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/dogstatsd/rate.h"

struct rate {
    char text[EYE_RATE_TEXT_BYTES + 1];
};

static struct rate format(uint64_t weight)
{
    struct rate rate = {0};
    size_t length = eye_rate_format(weight, rate.text);
    assert_in_range(length, 3, EYE_RATE_TEXT_BYTES);
    assert_int_equal(strlen(rate.text), length);
    return rate;
}

static void assert_exact(uint64_t weight)
{
    struct rate rate = format(weight);
    double value = strtod(rate.text, NULL);
    assert_true(value > 0 && value < 1);
    assert_int_equal((uint64_t)(1 / value), weight);
}

static void rate_format__known_texts(void **state)
{
    (void)state;
    static const struct {
        uint64_t weight;
        const char *text;
    } rates[] = {
        {2, "0.5"},   {3, "0.3"},     {4, "0.25"},     {5, "0.2"},          {10, "0.1"},
        {16, "0.06"}, {93, "0.0107"}, {1000, "0.001"}, {3125, "0.0003199"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rates); i++) {
        assert_string_equal(format(rates[i].weight).text, rates[i].text);
    }
}

static void rate_format__is_exact_up_to_100000(void **state)
{
    (void)state;
    for (uint64_t weight = 2; weight <= 100000; weight++) {
        assert_exact(weight);
    }
}

static void rate_format__is_exact_for_large_weights(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252U;
    for (size_t i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        assert_exact(2 + random % (EYE_RATE_MAX_WEIGHT - 1));
    }
    for (uint64_t i = 0; i < 100000; i++) {
        assert_exact(EYE_RATE_MAX_WEIGHT - i);
    }
}

/* 1/n is a finite decimal for these, where truncation errs most easily. */
static void rate_format__is_exact_for_products_of_two_and_five(void **state)
{
    (void)state;
    for (uint64_t twos = 1; twos <= EYE_RATE_MAX_WEIGHT; twos *= 2) {
        for (uint64_t weight = twos; weight <= EYE_RATE_MAX_WEIGHT; weight *= 5) {
            if (weight > 1) {
                assert_exact(weight);
            }
        }
    }
}

/* No decimal with one digit less weighs the same: tried with every numerator near 1/n. */
static void rate_format__is_the_shortest(void **state)
{
    (void)state;
    for (uint64_t weight = 2; weight <= 3000; weight++) {
        size_t digits = strlen(format(weight).text) - 2;
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
        cmocka_unit_test(rate_format__is_exact_up_to_100000),
        cmocka_unit_test(rate_format__is_exact_for_large_weights),
        cmocka_unit_test(rate_format__is_exact_for_products_of_two_and_five),
        cmocka_unit_test(rate_format__is_the_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
