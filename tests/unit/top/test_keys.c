/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/top/keys.h"

#define PAGE 19

static void press(struct eye_top_choice *choice, const char *characters)
{
    for (; *characters != '\0'; characters++) {
        eye_top_press(choice, (unsigned char)*characters, PAGE);
    }
}

static void tables__by_number_and_in_turn(void **state)
{
    struct eye_top_choice choice = {0};
    (void)state;
    press(&choice, "2");
    assert_int_equal(choice.view, EYE_TOP_REQUESTS);
    press(&choice, "\t");
    assert_int_equal(choice.view, EYE_TOP_CONNECTIONS);
    press(&choice, "?\t");
    assert_int_equal(choice.view, EYE_TOP_REQUESTS);
    assert_false(choice.help);
    press(&choice, "1");
    assert_int_equal(choice.view, EYE_TOP_CONNECTIONS);
}

static void order__goes_round_in_each_table(void **state)
{
    struct eye_top_choice choice = {0};
    (void)state;
    for (int i = 0; i < EYE_TOP_VIEWS; i++) {
        const struct eye_top_view *view = eye_top_view((enum eye_top_view_id)i);
        choice.view = (enum eye_top_view_id)i;
        press(&choice, "<");
        assert_int_equal(choice.sorting[i], view->sorting_count - 1);
        press(&choice, ">s");
        assert_int_equal(choice.sorting[i], 1);
        for (size_t group = 1; group < view->grouping_count; group++) {
            press(&choice, "g");
            assert_int_equal(choice.grouping[i], group);
        }
        press(&choice, "g");
        assert_int_equal(choice.grouping[i], 0);
    }
    assert_int_equal(choice.sorting[0], 1);
}

static void rows__within_bounds(void **state)
{
    static const struct {
        int key;
        size_t expected;
    } steps[] = {
        {EYE_KEY_UP, 0},         {EYE_KEY_PAGE_UP, 0},     {EYE_KEY_DOWN, 1},
        {EYE_KEY_PAGE_DOWN, 20}, {EYE_KEY_UP, 19},         {EYE_KEY_PAGE_UP, 0},
        {EYE_KEY_END, SIZE_MAX}, {EYE_KEY_DOWN, SIZE_MAX}, {EYE_KEY_PAGE_DOWN, SIZE_MAX},
        {EYE_KEY_HOME, 0},       {EYE_KEY_RESIZE, 0},      {0xff, 0},
    };
    struct eye_top_choice choice = {0};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps); i++) {
        eye_top_press(&choice, steps[i].key, PAGE);
        assert_int_equal(choice.first[EYE_TOP_CONNECTIONS], steps[i].expected);
    }
}

static void filter__is_typed(void **state)
{
    struct eye_top_choice choice = {0};
    (void)state;
    press(&choice, "/sq g?");
    eye_top_press(&choice, EYE_KEY_BACKSPACE, PAGE);
    eye_top_press(&choice, 0x1b5, PAGE);
    eye_top_press(&choice, '\001', PAGE);
    assert_string_equal(choice.filter, "sq g");
    assert_true(choice.typing);
    assert_false(choice.over);
    eye_top_press(&choice, EYE_KEY_ENTER, PAGE);
    assert_false(choice.typing);
    assert_string_equal(choice.filter, "sq g");
    press(&choice, "/");
    eye_top_press(&choice, EYE_KEY_ESCAPE, PAGE);
    assert_string_equal(choice.filter, "");
    press(&choice, "/");
    for (size_t i = 0; i < sizeof(choice.filter) * 2; i++) {
        press(&choice, "x");
    }
    assert_int_equal(strlen(choice.filter), sizeof(choice.filter) - 1);
    for (size_t i = 0; i < sizeof(choice.filter) * 2; i++) {
        eye_top_press(&choice, EYE_KEY_BACKSPACE, PAGE);
    }
    assert_string_equal(choice.filter, "");
}

static void freeze_help_and_end(void **state)
{
    struct eye_top_choice choice = {0};
    (void)state;
    press(&choice, " ");
    assert_true(choice.frozen);
    press(&choice, " ?");
    assert_false(choice.frozen);
    assert_true(choice.help);
    eye_top_press(&choice, EYE_KEY_ESCAPE, PAGE);
    assert_false(choice.help);
    press(&choice, "q");
    assert_true(choice.over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables__by_number_and_in_turn),
        cmocka_unit_test(order__goes_round_in_each_table),
        cmocka_unit_test(rows__within_bounds),
        cmocka_unit_test(filter__is_typed),
        cmocka_unit_test(freeze_help_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
