/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that travel with an errno. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/error.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set__writes_and_returns_the_code),
        cmocka_unit_test(set__takes_null),
        cmocka_unit_test(set__cuts_long_messages),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
