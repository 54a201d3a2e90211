/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/intervals.h"

#define S EYE_NS_PER_SECOND
#define MS EYE_NS_PER_MS

static void next__is_a_multiple_of_the_length(void **state)
{
    static const struct {
        uint64_t length_ns;
        uint64_t wall_ns;
        uint64_t next_ns;
    } cases[] = {
        {10 * S, 1000 * S + 1, 1010 * S}, {10 * S, 1009 * S, 1010 * S},
        {10 * S, 1010 * S - 1, 1010 * S}, {10 * S, 1010 * S, 1020 * S}, /* over now: the next one */
        {60 * S, 1000 * S, 1020 * S},     {100 * MS, 1000 * S + 250 * MS, 1000 * S + 300 * MS},
        {10 * S, 777 * S, 780 * S}, /* the clock was set back */
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct eye_intervals intervals = {cases[i].length_ns, 900 * S, 950 * S, 1};
        assert_int_equal(eye_intervals_next_ns(&intervals, cases[i].wall_ns), cases[i].next_ns);
    }
}

static void next__first_is_no_moment(void **state)
{
    static const struct {
        uint64_t length_ns;
        uint64_t start_ns;
        uint64_t next_ns;
    } cases[] = {
        {10 * S, 1008 * S, 1010 * S},
        {10 * S, 1009 * S, 1010 * S},
        {10 * S, 1009 * S + 1, 1020 * S}, /* less than a second */
        {S, 1000 * S + 500 * MS, 1001 * S},
        {S, 1000 * S + 501 * MS, 1002 * S}, /* less than half */
        {100 * MS, 1000 * S + 40 * MS, 1000 * S + 100 * MS},
        {100 * MS, 1000 * S + 60 * MS, 1000 * S + 200 * MS},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        uint64_t start_ns = cases[i].start_ns;
        const struct eye_intervals intervals = {cases[i].length_ns, start_ns, start_ns, 1};
        assert_int_equal(eye_intervals_next_ns(&intervals, start_ns), cases[i].next_ns);
    }
}

/* The open interval ends with the new ones, unless it would be no more than a moment. */
static void next__is_of_the_new_length(void **state)
{
    static const struct {
        uint64_t length_ns; /* new */
        uint64_t previous_ns;
        uint64_t wall_ns;
        uint64_t next_ns;
    } cases[] = {
        {60 * S, 1010 * S, 1013 * S, 1020 * S}, /* 10 s before */
        {10 * S, 960 * S, 1013 * S, 1020 * S},  /* 60 s before */
        {10 * S, 960 * S, 1010 * S, 1020 * S},
        {10 * S, 1009 * S + 500 * MS, 1009 * S + 600 * MS, 1020 * S}, /* 1500 ms before */
        {10 * S, 1009 * S, 1009 * S + 999 * MS, 1010 * S},            /* 1 s before */
        {S, 1009 * S + 500 * MS, 1009 * S + 600 * MS, 1010 * S},
        {S, 1000 * S, 1003 * S + 700 * MS, 1004 * S},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct eye_intervals intervals = {cases[i].length_ns, 900 * S, cases[i].previous_ns,
                                                1};
        assert_int_equal(eye_intervals_next_ns(&intervals, cases[i].wall_ns), cases[i].next_ns);
    }
}

static void end__is_where_the_interval_was_to_end(void **state)
{
    const struct eye_intervals intervals = {10 * S, 1003 * S, 1010 * S, 1};
    (void)state;
    assert_int_equal(eye_intervals_end_ns(&intervals, 1020 * S), 1020 * S);
    assert_int_equal(eye_intervals_end_ns(&intervals, 1023 * S), 1020 * S); /* late */
    assert_int_equal(eye_intervals_end_ns(&intervals, 1033 * S), 1030 * S); /* one was missed */
}

static void end__is_now_when_the_clock_was_set_back(void **state)
{
    const struct eye_intervals intervals = {10 * S, 1003 * S, 1010 * S, 1};
    (void)state;
    assert_int_equal(eye_intervals_end_ns(&intervals, 1019 * S), 1019 * S);
    assert_int_equal(eye_intervals_end_ns(&intervals, 777 * S), 777 * S);
}

/* A small step back: the interval goes on until its end is a new one. */
static void next__waits_for_a_clock_that_was_set_back_a_little(void **state)
{
    static const struct {
        uint64_t length_ns;
        uint64_t wall_ns;
        uint64_t next_ns;
    } cases[] = {
        {10 * S, 1008 * S, 1020 * S},       /* 1010 s has been */
        {10 * S, 999 * S, 1000 * S},        /* ten seconds before: not waited for */
        {60 * S, 1019 * S, 1020 * S},       /* not yet */
        {S, 1001 * S + 500 * MS, 1011 * S}, /* 1010 s again in less than ten seconds */
        {S, 999 * S + 500 * MS, 1000 * S},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct eye_intervals intervals = {cases[i].length_ns, 900 * S, 1010 * S, 1};
        assert_int_equal(eye_intervals_next_ns(&intervals, cases[i].wall_ns), cases[i].next_ns);
    }
}

/* The same ten seconds, whatever the wall clock says of them. */
static void span__is_by_the_clock_that_nobody_sets(void **state)
{
    static const struct {
        uint64_t end_ns;
        struct eye_moment now;
        uint64_t span_ns;
    } cases[] = {
        {1020 * S, {1020 * S, 60 * S}, 10 * S},
        {1020 * S, {1023 * S, 63 * S}, 10 * S},           /* looked at late */
        {1020 * S, {1020 * S + 3, 60 * S + 999}, 10 * S}, /* drifted apart */
        {4020 * S, {4020 * S, 60 * S}, 10 * S},           /* set on by an hour */
        {777 * S, {777 * S, 60 * S}, 10 * S},             /* set back */
        {1012 * S, {1012 * S, 52 * S + 500 * MS}, 2 * S + 500 * MS},
        {1010 * S, {1010 * S, 50 * S}, 1}, /* never nothing */
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct eye_intervals intervals = {10 * S, 1003 * S, 1010 * S, 50 * S};
        uint64_t moment_ns = eye_intervals_moment_ns(cases[i].end_ns, &cases[i].now);
        assert_int_equal(eye_intervals_span_ns(&intervals, moment_ns), cases[i].span_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next__is_a_multiple_of_the_length),
        cmocka_unit_test(next__first_is_no_moment),
        cmocka_unit_test(next__is_of_the_new_length),
        cmocka_unit_test(end__is_where_the_interval_was_to_end),
        cmocka_unit_test(end__is_now_when_the_clock_was_set_back),
        cmocka_unit_test(next__waits_for_a_clock_that_was_set_back_a_little),
        cmocka_unit_test(span__is_by_the_clock_that_nobody_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
