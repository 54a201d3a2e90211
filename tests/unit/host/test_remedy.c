/* SPDX-License-Identifier: Apache-2.0 */
/* What filters make of it is tested live: tests/integration/test_probe.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "collector/host/capabilities.h"
#include "collector/host/remedy.h"

/* Nobody has it. */
#define NO_CAPABILITY 63

static void remedy__follows_the_errno(void **state)
{
    (void)state;
    assert_string_equal(eye_remedy(ENOENT, "otherwise"), "otherwise");
    assert_non_null(strstr(eye_remedy(EMFILE, "otherwise"), "ulimit -n"));
    assert_non_null(strstr(eye_remedy(ENFILE, "otherwise"), "ulimit -n"));
    assert_non_null(strstr(eye_remedy(EPERM, "otherwise"), "let it through"));
    assert_non_null(strstr(eye_remedy(EACCES, "otherwise"), "let it through"));
}

static void remedy_of_rights__asks_for_a_right_that_is_missing(void **state)
{
    (void)state;
    assert_string_equal(eye_remedy_of_rights(EPERM, NO_CAPABILITY, "grant"), "grant");
    assert_string_equal(eye_remedy_of_rights(EACCES, NO_CAPABILITY, "grant"), "grant");
    assert_non_null(strstr(eye_remedy_of_rights(EMFILE, NO_CAPABILITY, "grant"), "ulimit -n"));
    assert_false(eye_capability_has(NO_CAPABILITY));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(remedy__follows_the_errno),
        cmocka_unit_test(remedy_of_rights__asks_for_a_right_that_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
