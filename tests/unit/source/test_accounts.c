/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/source/accounts.h"

#define MINUTE_NS (60 * EYE_NS_PER_SECOND)

static void account_unhandled__is_what_was_not_healed(void **state)
{
    (void)state;
    assert_int_equal(eye_account_unhandled(0, 0), 0);
    assert_int_equal(eye_account_unhandled(7, 0), 7);
    assert_int_equal(eye_account_unhandled(7, 5), 2);
    assert_int_equal(eye_account_unhandled(7, 7), 0);
    assert_int_equal(eye_account_unhandled(7, 8), 0); /* healed between the readings */
}

static void account_vanished__is_what_neither_left_nor_lives(void **state)
{
    static const struct {
        struct eye_balance balance;
        uint64_t before;
        uint64_t after;
    } cases[] = {
        {{0, 0, 0, true}, 0, 0},   {{10, 4, 6, true}, 0, 0}, {{10, 4, 3, true}, 0, 3},
        {{10, 4, 3, true}, 2, 3},  {{10, 4, 3, true}, 5, 5}, /* the largest ever found */
        {{10, 4, 9, true}, 5, 5},                            /* entered during the pass */
        {{10, 4, 3, false}, 0, 0}, /* three that the pass has perhaps passed over */
        {{10, 4, 3, false}, 2, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(eye_account_vanished(&cases[i].balance, cases[i].before), cases[i].after);
    }
}

static void passes_begin__first_and_each_minute(void **state)
{
    uint64_t losses[EYE_LOSS_COUNT] = {0};
    struct eye_passes passes = {0};
    (void)state;
    assert_true(eye_passes_begin(&passes, losses, 0, 5, false));
    assert_int_equal(passes.number, 1);
    assert_false(eye_passes_begin(&passes, losses, 0, 5 + MINUTE_NS - 1, false));
    assert_int_equal(passes.number, 1);
    assert_true(eye_passes_begin(&passes, losses, 0, 5 + MINUTE_NS, false));
    assert_int_equal(passes.number, 2);
    assert_false(eye_passes_begin(&passes, losses, 0, 5 + MINUTE_NS, false));
}

static void passes_begin__last_of_a_run(void **state)
{
    uint64_t losses[EYE_LOSS_COUNT] = {0};
    struct eye_passes passes = {0};
    (void)state;
    assert_true(eye_passes_begin(&passes, losses, 0, 5, false));
    assert_true(eye_passes_begin(&passes, losses, 0, 6, true));
}

/* Of every loss only these take or leave what is counted active. */
static void passes_begin__once_after_a_lost_change(void **state)
{
    (void)state;
    for (size_t loss = 0; loss < EYE_LOSS_COUNT; loss++) {
        uint64_t losses[EYE_LOSS_COUNT] = {0};
        struct eye_passes passes = {0};
        bool matters = loss == EYE_LOSS_TCP_RING || loss == EYE_LOSS_TCP_RECURSION;
        assert_true(eye_passes_begin(&passes, losses, 0, 5, false));
        losses[loss] = 3;
        assert_int_equal(eye_passes_begin(&passes, losses, 0, 6, false), matters);
        assert_false(eye_passes_begin(&passes, losses, 0, 7, false));
    }
}

static void passes_begin__once_after_a_doubt(void **state)
{
    uint64_t losses[EYE_LOSS_COUNT] = {0};
    struct eye_passes passes = {0};
    (void)state;
    assert_true(eye_passes_begin(&passes, losses, 0, 5, false));
    assert_true(eye_passes_begin(&passes, losses, 1, 6, false));
    assert_false(eye_passes_begin(&passes, losses, 1, 7, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account_unhandled__is_what_was_not_healed),
        cmocka_unit_test(account_vanished__is_what_neither_left_nor_lives),
        cmocka_unit_test(passes_begin__first_and_each_minute),
        cmocka_unit_test(passes_begin__last_of_a_run),
        cmocka_unit_test(passes_begin__once_after_a_lost_change),
        cmocka_unit_test(passes_begin__once_after_a_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
