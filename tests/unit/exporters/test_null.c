/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter to nowhere counts what others would send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/exporters/sample.h"

extern const struct eye_exporter_type eye_exporter_null;

struct fixture {
    struct sample *sample;
    void *exporter;
};

static int make_fixture(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sample = sample_new(NULL)};
    *state = &fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_exporter_close(&eye_exporter_null, fixture->exporter);
    sample_free(fixture->sample);
    return 0;
}

static void deliver(const struct fixture *fixture, const struct eye_snapshot *now,
                    const struct eye_snapshot *before)
{
    struct eye_export_failure failure = {0};
    assert_int_equal(eye_exporter_null.deliver(fixture->exporter, now, before, &failure), 0);
    assert_false(failure.started);
}

static void deliver__counts_changes_and_gauges(void **state)
{
    struct fixture *fixture = *state;
    struct sample *sample = fixture->sample;
    static char self[] = "sockeye.*";
    char *deny[] = {self};
    sample->own.common.deny = (struct eye_text_list){deny, 1};
    assert_int_equal(
        eye_exporter_open(&eye_exporter_null, &sample->setup, &fixture->exporter, NULL), 0);
    sample_add(sample, EYE_METRIC_TCP_OPENED, 3, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_ACTIVE, 3, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_TCP_RTT, 0.001, SAMPLE_TAGS({EYE_TAG_PORT, "80"}));
    sample_add(sample, EYE_METRIC_SELF_MEMORY, 1, SAMPLE_TAGS());
    const struct eye_snapshot *first = sample_take(sample);
    deliver(fixture, first, NULL);
    assert_int_equal(sample->stats.points, 3);
    const struct eye_snapshot *second = sample_take(sample);
    deliver(fixture, second, first);
    assert_int_equal(sample->stats.points, 4); /* the gauge */
}

static void close__takes_null(void **state)
{
    (void)state;
    eye_exporter_close(&eye_exporter_null, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deliver__counts_changes_and_gauges, make_fixture,
                                        free_fixture),
        cmocka_unit_test(close__takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
