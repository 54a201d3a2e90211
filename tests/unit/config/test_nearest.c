/* SPDX-License-Identifier: Apache-2.0 */
/* What is near enough to be suggested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "collector/base/base.h"
#include "config/nearest.h"

static const char *const known[] = {"interval", "tags", "source.tier", "log.level", "dogstatsd"};

static void nearest__suggests_what_was_meant(void **state)
{
    static const struct {
        const char *name;
        const char *expected;
    } cases[] = {
        {"intervall", "interval"},
        {"intervla", "interval"},
        {"nterval", "interval"},
        {"tgas", "tags"},
        {"source.teir", "source.tier"},
        {"dogstasd", "dogstatsd"},
        {"banana", NULL},
        {"t", NULL},
        {"", NULL},
        {"prometheus", NULL},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_nearest nearest;
        eye_nearest_init(&nearest, cases[i].name);
        for (size_t k = 0; k < EYE_ARRAY_LENGTH(known); k++) {
            eye_nearest_offer(&nearest, known[k], strlen(known[k]));
        }
        if (cases[i].expected == NULL) {
            assert_null(nearest.best);
        } else {
            assert_non_null(nearest.best);
            assert_string_equal(nearest.best, cases[i].expected);
        }
    }
}

static void nearest__compares_only_the_given_length(void **state)
{
    (void)state;
    struct eye_nearest nearest;
    eye_nearest_init(&nearest, "sorce");
    assert_true(eye_nearest_offer(&nearest, "source.tier", strlen("source")));
    assert_int_equal(nearest.best_length, 6);
    assert_int_equal(nearest.distance, 1);
    assert_false(eye_nearest_offer(&nearest, "source.tier", strlen("source")));
}

static void nearest__passes_over_long_names(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct eye_nearest nearest;
    eye_nearest_init(&nearest, name);
    assert_false(eye_nearest_offer(&nearest, name, sizeof(name) - 1));
    eye_nearest_init(&nearest, "xx");
    assert_false(eye_nearest_offer(&nearest, name, sizeof(name) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest__suggests_what_was_meant),
        cmocka_unit_test(nearest__compares_only_the_given_length),
        cmocka_unit_test(nearest__passes_over_long_names),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
