/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's intervals in Graphite's slots, when clocks are looked at late or set. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/intervals.h"
#include "tests/unit/exporters/exporter_run.h"

extern const struct eye_exporter_type eye_exporter_graphite;

#define S EYE_NS_PER_SECOND

static int set_up(void **state)
{
    *state = exporter_run_new(&eye_exporter_graphite);
    return 0;
}

static int tear_down(void **state)
{
    exporter_run_free(*state);
    return 0;
}

/*
 * A collector that looks at its clocks late, and whose wall clock is set: what its intervals tell
 * fills one slot after the other. @late_ms: after the timer was due; @step_ms: what was done to the
 * wall clock in the interval, two seconds after its beginning.
 */
static void time__slots_follow_each_other_whatever_the_clock_does(void **state)
{
    struct exporter_run *run = *state;
    static const struct {
        int64_t step_ms;
        uint64_t late_ms;
        uint64_t slot_s; /* after the one before */
    } steps[] = {
        {0, 0, 10},     {0, 4, 10}, {0, 900, 10},   {0, 0, 10},     {0, 5000, 10},
        {0, 9990, 10},  {0, 1, 10}, {-3, 2, 10},    {3, 0, 10},     {-900, 0, 10},
        {-7500, 0, 10}, {0, 0, 10}, {5000, 0, 10},  {-1999, 0, 10}, {0, 3, 10},
        {30000, 0, 40}, {0, 0, 10}, {-9000, 1, 10}, {0, 0, 10},
    };
    struct eye_intervals intervals = {10 * S, 1000003 * S, 1000003 * S, 50 * S};
    struct eye_moment now = {intervals.start_ns, intervals.moment_ns};
    uint64_t last_s = 999990;
    exporter_run_listen(run, SOCK_STREAM);
    assert_int_equal(exporter_run_open(run,
                                       "type: graphite, retention: 10s, url: 'tcp://127.0.0.1:%', "
                                       "style: dotted, template: '{metric}'"),
                     0);
    sample_add(run->sample, EYE_METRIC_SELF_MEMORY, 1, SAMPLE_TAGS());
    struct eye_snapshot *snapshot = sample_take(run->sample);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps); i++) {
        uint64_t step_ns = (uint64_t)(steps[i].step_ms * (int64_t)EYE_NS_PER_MS);
        uint64_t begin_ns = now.wall_ns;
        if (step_ns != 0) {
            now = (struct eye_moment){now.wall_ns + 2 * S, now.monotonic_ns + 2 * S};
            begin_ns = now.wall_ns + step_ns;
        }
        uint64_t due_ns = eye_intervals_next_ns(&intervals, begin_ns);
        uint64_t wait_ns = due_ns - begin_ns + steps[i].late_ms * EYE_NS_PER_MS;
        now = (struct eye_moment){begin_ns + wait_ns, now.monotonic_ns + wait_ns};
        uint64_t end_ns = eye_intervals_end_ns(&intervals, now.wall_ns);
        uint64_t moment_ns = eye_intervals_moment_ns(end_ns, &now);
        snapshot->time_ns = end_ns;
        snapshot->interval_ns = eye_intervals_span_ns(&intervals, moment_ns);
        intervals.previous_ns = end_ns;
        intervals.moment_ns = moment_ns;
        int result = eye_exporter_graphite.deliver(run->exporter, snapshot, NULL, &run->failure);
        assert_int_equal(result, 0);
        last_s += steps[i].slot_s;
        char expected[32];
        snprintf(expected, sizeof(expected), " %" PRIu64 "\n", last_s);
        assert_string_equal(strrchr(exporter_run_read(run), ' '), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(time__slots_follow_each_other_whatever_the_clock_does,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests_name("graphite_slot_times", tests, NULL, NULL);
}
