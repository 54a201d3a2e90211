/* SPDX-License-Identifier: Apache-2.0 */
/* Loading the mathematics library, one that does not exist, and a function that does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/engine/shared_library.h"

struct functions {
    double (*root)(double);
    double (*power)(double, double);
};

static const struct eye_symbol symbols[] = {
    EYE_SYMBOL(sqrt, struct functions, root),
    EYE_SYMBOL(pow, struct functions, power),
    EYE_SYMBOL(square_the_circle, struct functions, root),
};

static void shared_library__fills_the_table(void **state)
{
    (void)state;
    struct functions functions = {0};
    assert_int_equal(eye_shared_library_open("libm.so.6", "libc6", symbols, 2, &functions, NULL),
                     0);
    assert_float_equal(functions.root(functions.power(3, 2)), 3, 0);
}

static void shared_library__absent_one_names_the_package(void **state)
{
    (void)state;
    struct functions functions = {0};
    struct eye_error error = {""};
    assert_int_equal(
        eye_shared_library_open("libnowhere.so.1", "libnowhere1", symbols, 2, &functions, &error),
        -ELIBACC);
    assert_non_null(strstr(error.text, "cannot load libnowhere.so.1"));
    assert_non_null(strstr(error.text, "install libnowhere1"));
    assert_null(functions.root);
}

static void shared_library__absent_function_leaves_the_table(void **state)
{
    (void)state;
    struct functions functions = {0};
    struct eye_error error = {""};
    assert_int_equal(eye_shared_library_open("libm.so.6", "libc6", symbols, 3, &functions, &error),
                     -ELIBACC);
    assert_non_null(strstr(error.text, "libm.so.6 has no square_the_circle"));
    assert_null(functions.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_library__fills_the_table),
        cmocka_unit_test(shared_library__absent_one_names_the_package),
        cmocka_unit_test(shared_library__absent_function_leaves_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
