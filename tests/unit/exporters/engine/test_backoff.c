/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses: their bounds, their spread, and what a success takes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/engine/backoff.h"

#define MAX_NS UINT64_C(5000000000)

static void backoff__pauses_stay_below_a_ceiling_that_doubles(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct eye_backoff backoff = {.max_ns = MAX_NS};
        uint64_t ceiling_ns = 2 * EYE_BACKOFF_FIRST_NS;
        for (int i = 0; i < 40; i++) {
            assert_true(eye_backoff_fail(&backoff, 0) < ceiling_ns);
            ceiling_ns = 2 * ceiling_ns < MAX_NS ? 2 * ceiling_ns : MAX_NS;
        }
    }
}

/* Of 400 pauses of one ceiling, each quarter of it gets some. */
static void backoff__pauses_are_spread_over_the_whole_range(void **state)
{
    (void)state;
    size_t quarters[4] = {0};
    for (int i = 0; i < 400; i++) {
        struct eye_backoff backoff = {.max_ns = MAX_NS, .failures = 10};
        quarters[eye_backoff_fail(&backoff, 0) * 4 / MAX_NS]++;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(quarters[i], 40, 200);
    }
}

/* Of 300 pauses behind the nth failure some come close to both of their ends: 0.9^300 is 2e-14. */
static void backoff__pauses_reach_from_zero_to_the_ceiling(void **state)
{
    (void)state;
    uint64_t ceiling_ns = 200 * EYE_NS_PER_MS;
    for (unsigned failures = 0; failures < 8; failures++) {
        uint64_t least_ns = UINT64_MAX;
        uint64_t most_ns = 0;
        for (int i = 0; i < 300; i++) {
            struct eye_backoff backoff = {.max_ns = MAX_NS, .failures = failures};
            uint64_t pause_ns = eye_backoff_fail(&backoff, 0);
            least_ns = pause_ns < least_ns ? pause_ns : least_ns;
            most_ns = pause_ns > most_ns ? pause_ns : most_ns;
        }
        assert_in_range(least_ns, 0, ceiling_ns / 10);
        assert_in_range(most_ns, ceiling_ns / 10 * 9, ceiling_ns);
        ceiling_ns = 2 * ceiling_ns < MAX_NS ? 2 * ceiling_ns : MAX_NS;
    }
}

static void backoff__receiver_may_ask_for_more_but_not_for_less(void **state)
{
    (void)state;
    struct eye_backoff backoff = {.max_ns = MAX_NS, .failures = 10};
    for (int i = 0; i < 100; i++) {
        assert_true(eye_backoff_fail(&backoff, MAX_NS / 2) >= MAX_NS / 2);
        assert_int_equal(eye_backoff_fail(&backoff, 2 * MAX_NS), 2 * MAX_NS);
    }
}

static void backoff__success_takes_back_two_failures(void **state)
{
    (void)state;
    struct eye_backoff backoff = {.max_ns = MAX_NS};
    for (int i = 0; i < 5; i++) {
        eye_backoff_fail(&backoff, 0);
    }
    static const unsigned left[] = {3, 1, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        eye_backoff_succeed(&backoff);
        assert_int_equal(backoff.failures, left[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff__pauses_stay_below_a_ceiling_that_doubles),
        cmocka_unit_test(backoff__pauses_are_spread_over_the_whole_range),
        cmocka_unit_test(backoff__pauses_reach_from_zero_to_the_ceiling),
        cmocka_unit_test(backoff__receiver_may_ask_for_more_but_not_for_less),
        cmocka_unit_test(backoff__success_takes_back_two_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
