/* SPDX-License-Identifier: Apache-2.0 */
/* Tag sets: sorted, copied, cut, counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/telemetry/tag_set.h"
#include "tests/support/random.h"

static int teardown(void **state)
{
    eye_tag_set_unref(*state);
    return 0;
}

static void new_set__sorts_by_tag(void **state)
{
    static const struct eye_tag_value tags[] = {
        {EYE_TAG_STATUS, "200"},
        {EYE_TAG_DIRECTION, "incoming"},
        {EYE_TAG_PORT, "80"},
        {EYE_TAG_SERVICE, ""},
    };
    struct eye_tag_set *set = *state = eye_tag_set_new(tags, EYE_ARRAY_LENGTH(tags));
    static const struct eye_tag_value sorted[] = {
        {EYE_TAG_DIRECTION, "incoming"},
        {EYE_TAG_SERVICE, ""},
        {EYE_TAG_PORT, "80"},
        {EYE_TAG_STATUS, "200"},
    };
    assert_non_null(set);
    assert_int_equal(set->count, EYE_ARRAY_LENGTH(sorted));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(sorted); i++) {
        assert_int_equal(set->tags[i].tag, sorted[i].tag);
        assert_string_equal(set->tags[i].value, sorted[i].value);
    }
}

/* All tags, in many orders. */
static void new_set__takes_every_tag_in_any_order(void **state)
{
    static char values[EYE_TAG_COUNT][2];
    struct eye_tag_value tags[EYE_TAG_COUNT];
    uint64_t random = 1;
    for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
        values[i][0] = (char)('a' + i);
        tags[i] = (struct eye_tag_value){(enum eye_tag)i, values[i]};
    }
    for (int round = 0; round < 100; round++) {
        for (size_t i = EYE_TAG_COUNT - 1; i > 0; i--) {
            size_t other = (size_t)random_below(&random, i + 1);
            struct eye_tag_value kept = tags[i];
            tags[i] = tags[other];
            tags[other] = kept;
        }
        struct eye_tag_set *set = *state = eye_tag_set_new(tags, EYE_TAG_COUNT);
        assert_non_null(set);
        for (size_t i = 0; i < EYE_TAG_COUNT; i++) {
            assert_int_equal(set->tags[i].tag, i);
            assert_string_equal(set->tags[i].value, values[i]);
        }
        *state = NULL;
        eye_tag_set_unref(set);
    }
}

static void new_set__copies_the_values(void **state)
{
    char value[] = "before";
    const struct eye_tag_value tag = {EYE_TAG_ROUTE, value};
    *state = eye_tag_set_new(&tag, 1);
    memset(value, 'x', sizeof(value) - 1);
    assert_string_equal(eye_tag_set_value(*state, EYE_TAG_ROUTE), "before");
}

static void new_set__cuts_long_values(void **state)
{
    char value[2 * EYE_TAG_VALUE_MAX_BYTES];
    memset(value, 'v', sizeof(value));
    for (size_t length = EYE_TAG_VALUE_MAX_BYTES - 1; length <= EYE_TAG_VALUE_MAX_BYTES + 1;
         length++) {
        value[length] = '\0';
        const struct eye_tag_value tags[] = {{EYE_TAG_ROUTE, value}, {EYE_TAG_PORT, "80"}};
        struct eye_tag_set *set = *state = eye_tag_set_new(tags, 2);
        size_t kept = length < EYE_TAG_VALUE_MAX_BYTES ? length : EYE_TAG_VALUE_MAX_BYTES;
        assert_int_equal(strlen(eye_tag_set_value(set, EYE_TAG_ROUTE)), kept);
        assert_string_equal(eye_tag_set_value(set, EYE_TAG_PORT), "80");
        *state = NULL;
        eye_tag_set_unref(set);
        value[length] = 'v';
    }
}

/* The cut value of a caller that gives no NUL in reach must not be read further. */
static void new_set__reads_no_further_than_the_cut(void **state)
{
    char *value = malloc(EYE_TAG_VALUE_MAX_BYTES);
    assert_non_null(value);
    memset(value, 'v', EYE_TAG_VALUE_MAX_BYTES);
    const struct eye_tag_value tag = {EYE_TAG_ROUTE, value};
    *state = eye_tag_set_new(&tag, 1);
    free(value);
    assert_int_equal(strlen(eye_tag_set_value(*state, EYE_TAG_ROUTE)), EYE_TAG_VALUE_MAX_BYTES);
}

static void empty_set__has_no_values(void **state)
{
    struct eye_tag_set *set = *state = eye_tag_set_new(NULL, 0);
    assert_non_null(set);
    assert_int_equal(set->count, 0);
    assert_null(eye_tag_set_value(set, EYE_TAG_PORT));
}

static void value__of_an_absent_tag_is_null(void **state)
{
    const struct eye_tag_value tag = {EYE_TAG_ROUTE, "/"};
    *state = eye_tag_set_new(&tag, 1);
    assert_null(eye_tag_set_value(*state, EYE_TAG_PORT));
    assert_string_equal(eye_tag_set_value(*state, EYE_TAG_ROUTE), "/");
}

static void unref__keeps_what_others_hold(void **state)
{
    eye_tag_set_unref(NULL);
    const struct eye_tag_value tag = {EYE_TAG_ROUTE, "/"};
    struct eye_tag_set *set = *state = eye_tag_set_new(&tag, 1);
    assert_ptr_equal(eye_tag_set_ref(set), set);
    assert_int_equal(atomic_load(&set->references), 2);
    eye_tag_set_unref(set);
    assert_int_equal(atomic_load(&set->references), 1);
    assert_string_equal(eye_tag_set_value(set, EYE_TAG_ROUTE), "/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(new_set__sorts_by_tag, teardown),
        cmocka_unit_test_teardown(new_set__takes_every_tag_in_any_order, teardown),
        cmocka_unit_test_teardown(new_set__copies_the_values, teardown),
        cmocka_unit_test_teardown(new_set__cuts_long_values, teardown),
        cmocka_unit_test_teardown(new_set__reads_no_further_than_the_cut, teardown),
        cmocka_unit_test_teardown(empty_set__has_no_values, teardown),
        cmocka_unit_test_teardown(value__of_an_absent_tag_is_null, teardown),
        cmocka_unit_test_teardown(unref__keeps_what_others_hold, teardown),
    };
    return cmocka_run_group_tests_name("tag_set", tests, NULL, NULL);
}
