/* SPDX-License-Identifier: Apache-2.0 */
/* What ids mean, up to a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/usm/learnt.h"

#define KEPT 100
#define NAME_BYTES 12

static void learn(struct eye_learnt *learnt, uint64_t id, const char *name)
{
    eye_learnt_set(learnt, &id, name, strlen(name));
}

static const char *name_of(const struct eye_learnt *learnt, uint64_t id)
{
    return eye_learnt_find(learnt, &id);
}

static void names__are_those_that_were_told_last(void **state)
{
    (void)state;
    struct eye_learnt *learnt = eye_learnt_new(KEPT, sizeof(uint64_t), NAME_BYTES);
    assert_null(name_of(learnt, 7));
    learn(learnt, 7, "seven");
    learn(learnt, 8, "");
    assert_string_equal(name_of(learnt, 7), "seven");
    assert_string_equal(name_of(learnt, 8), "");
    assert_null(name_of(learnt, 0));
    learn(learnt, 7, "twelve bytes");
    assert_string_equal(name_of(learnt, 7), "twelve bytes");
    learn(learnt, 7, "six");
    assert_string_equal(name_of(learnt, 7), "six");
    assert_string_equal(name_of(learnt, 8), "");
    assert_int_equal(eye_learnt_evicted(learnt), 0);
    eye_learnt_free(learnt);
    eye_learnt_free(NULL);
}

static void ids__beyond_the_limit_take_places_of_older_ones(void **state)
{
    (void)state;
    struct eye_learnt *learnt = eye_learnt_new(KEPT, sizeof(uint64_t), NAME_BYTES);
    char name[NAME_BYTES + 1];
    for (uint64_t i = 0; i < 3 * KEPT + 10; i++) {
        snprintf(name, sizeof(name), "n-%u", (unsigned)i);
        learn(learnt, i, name);
        learn(learnt, i, name);
    }
    assert_int_equal(eye_learnt_evicted(learnt), 2 * KEPT + 10);
    for (uint64_t i = 0; i < 3 * KEPT + 10; i++) {
        snprintf(name, sizeof(name), "n-%u", (unsigned)i);
        const char *found = name_of(learnt, i);
        assert_true(i < 2 * KEPT + 10 ? found == NULL : found != NULL && strcmp(found, name) == 0);
    }
    eye_learnt_free(learnt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__are_those_that_were_told_last),
        cmocka_unit_test(ids__beyond_the_limit_take_places_of_older_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
