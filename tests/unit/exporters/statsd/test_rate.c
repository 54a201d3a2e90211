/* SPDX-License-Identifier: Apache-2.0 */
/* Rates as servers read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/statsd/rate.h"
#include "tests/support/random.h"

static void assert_weighs(uint64_t weight)
{
    char text[EYE_STATSD_RATE_BYTES + 1];
    size_t length = eye_statsd_rate_format(weight, text);
    assert_in_range(length, 3, EYE_STATSD_RATE_BYTES);
    text[length] = '\0';
    assert_int_equal(strspn(text, "0123456789."), length);
    double counted = 1 / strtod(text, NULL);
    assert_int_equal((uint64_t)counted, weight);
    assert_true(counted - (double)weight <= (double)weight * 1.001e-12);
}

static void rate__counts_every_small_weight(void **state)
{
    (void)state;
    for (uint64_t weight = 2; weight <= 200000; weight++) {
        assert_weighs(weight);
    }
}

static void rate__counts_large_weights(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t i = 0; i < 200000; i++) {
        assert_weighs(2 + random_below(&random, EYE_STATSD_MAX_WEIGHT - 1));
    }
    assert_weighs(EYE_STATSD_MAX_WEIGHT);
    assert_weighs(EYE_STATSD_MAX_WEIGHT - 1);
}

static void rate__is_short_where_it_can_be(void **state)
{
    (void)state;
    static const struct {
        uint64_t weight;
        const char *text;
    } rows[] = {
        {2, "0.5"},
        {3, "0.333333333333"},
        {4, "0.25"},
        {10, "0.1"},
        {1000, "0.001"},
        {3125, "0.0003199999999999"},
        {10000000000, "0.0000000001"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[EYE_STATSD_RATE_BYTES + 1];
        text[eye_statsd_rate_format(rows[i].weight, text)] = '\0';
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate__counts_every_small_weight),
        cmocka_unit_test(rate__counts_large_weights),
        cmocka_unit_test(rate__is_short_where_it_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
