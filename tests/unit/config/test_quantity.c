/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges: what is inside, and how they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "config/quantity.h"

static void range__is_readable(void **state)
{
    static const struct {
        enum eye_config_type type;
        uint64_t min;
        uint64_t max;
        const char *expected;
    } cases[] = {
        {EYE_CONFIG_DURATION, EYE_NS_PER_SECOND, 3600 * EYE_NS_PER_SECOND, "1s to 1h"},
        {EYE_CONFIG_DURATION, 0, 300 * EYE_NS_PER_SECOND, "0 to 5m"},
        {EYE_CONFIG_DURATION, 1500 * EYE_NS_PER_MS, 172800 * EYE_NS_PER_SECOND, "1500ms to 2d"},
        {EYE_CONFIG_DURATION, 1, 1001, "1ns to 1001ns"},
        {EYE_CONFIG_SIZE, 1000, 4096, "1000B to 4KiB"},
        {EYE_CONFIG_SIZE, 1 << 20, UINT64_C(1) << 40, "1MiB to 1TiB"},
        {EYE_CONFIG_COUNT, 10, 1000000, "10 to 1000000"},
        {EYE_CONFIG_COUNT, 0, UINT64_MAX, "0 to 18446744073709551615"},
        {EYE_CONFIG_COUNT, 0, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_config_key key = {
            .type = cases[i].type, .min = cases[i].min, .max = cases[i].max};
        assert_string_equal(eye_quantity_range(&key).text, cases[i].expected);
    }
}

static void parse__keeps_to_the_range_and_leaves_output(void **state)
{
    static const struct eye_config_key limited = {.type = EYE_CONFIG_COUNT, .min = 10, .max = 20};
    static const struct eye_config_key free_key = {.type = EYE_CONFIG_COUNT};
    static const struct {
        const struct eye_config_key *key;
        const char *text;
        int result;
        uint64_t value;
    } cases[] = {
        {&limited, "10", 0, 10},
        {&limited, "20", 0, 20},
        {&limited, "9", -ERANGE, 7},
        {&limited, "21", -ERANGE, 7},
        {&limited, "-1", -EINVAL, 7},
        {&limited, "", -EINVAL, 7},
        {&free_key, "0", 0, 0},
        {&free_key, "18446744073709551615", 0, UINT64_MAX},
        {&free_key, "18446744073709551616", -ERANGE, 7},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        uint64_t value = 7;
        assert_int_equal(eye_quantity_parse(cases[i].key, cases[i].text, &value), cases[i].result);
        assert_int_equal(value, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range__is_readable),
        cmocka_unit_test(parse__keeps_to_the_range_and_leaves_output),
    };
    return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
