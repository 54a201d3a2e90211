/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of parts that come and go, also under the same name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/publish/reports.h"

#define IDLE_NS 3
#define METRIC EYE_METRIC_SELF_POINTS
#define GAUGE EYE_METRIC_SELF_QUEUED

/* A subject and its report. */
struct part {
    struct eye_report report;
    uint64_t counts; /* the subject's */
    uint64_t waits;
    uint64_t read_counts;
    uint64_t read_waits;
    uint64_t told;
    bool *freed;
};

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_reports *reports;
    uint64_t sequence;
    bool freed;
};

static void read_part(struct eye_report *report)
{
    struct part *part = (struct part *)report;
    part->read_counts = part->counts;
    part->read_waits = part->waits;
}

static struct eye_series *series(struct eye_group *group, enum eye_metric_id metric)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_EXPORTER, "graphite"}};
    return eye_group_series(group, metric, tags, 1);
}

static void tell_part(struct eye_report *report, struct eye_group *group)
{
    struct part *part = (struct part *)report;
    eye_counter_follow(series(group, METRIC), part->read_counts, &part->told);
    eye_gauge_set(series(group, GAUGE), (double)part->read_waits);
}

static void retire_part(struct eye_report *report, struct eye_registry *registry,
                        struct eye_group *group)
{
    (void)report;
    eye_series_retire(registry, series(group, METRIC));
    eye_series_retire(registry, series(group, GAUGE));
}

static void free_part(struct eye_report *report)
{
    struct part *part = (struct part *)report;
    *part->freed = true;
    free(part);
}

static const struct eye_report_type type = {read_part, tell_part, retire_part, free_part};

static struct part *open_part(struct world *world)
{
    struct part *part = calloc(1, sizeof(*part));
    part->report.type = &type;
    part->freed = &world->freed;
    eye_reports_open(world->reports, &part->report);
    return part;
}

static void end_interval(struct world *world)
{
    eye_reports_tell(world->reports, world->registry, world->group);
    uint64_t sequence = ++world->sequence;
    eye_registry_close_interval(world->registry, sequence, sequence, sequence - 1);
}

static void assert_counter(const struct world *world, uint64_t expected)
{
    const struct eye_series *only = eye_registry_first(world->registry, METRIC);
    assert_non_null(only);
    assert_null(only->next);
    assert_int_equal(only->counter, expected);
}

static void assert_gauge(const struct world *world, uint64_t expected)
{
    const struct eye_series *only = eye_registry_first(world->registry, GAUGE);
    assert_non_null(only);
    assert_null(only->next);
    assert_int_equal((uint64_t)only->gauge, expected);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    const struct eye_limits limits = {
        .series_per_metric = 100, .values_per_tag = 100, .idle_ns = IDLE_NS};
    world->registry = eye_registry_new(&limits);
    world->group = eye_group_new(world->registry, NULL, 0);
    world->reports = eye_reports_new();
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    eye_reports_free(world->reports);
    eye_registry_free(world->registry);
    free(world);
    return 0;
}

static void report__lives_as_long_as_its_subject(void **state)
{
    struct world *world = *state;
    struct part *part = open_part(world);
    part->counts = 7;
    part->waits = 2;
    for (int i = 0; i < 3 * IDLE_NS; i++) {
        end_interval(world);
    }
    assert_counter(world, 7);
    assert_gauge(world, 2);
    assert_false(world->freed);
}

static void report__tells_what_was_counted_last_and_goes(void **state)
{
    struct world *world = *state;
    struct part *part = open_part(world);
    part->counts = 7;
    end_interval(world);
    part->counts = 9;
    part->waits = 1;
    eye_reports_close(world->reports, &part->report);
    part->counts = 1000; /* it may be anything now */
    end_interval(world);
    assert_true(world->freed);
    assert_counter(world, 9);
    assert_null(eye_registry_first(world->registry, GAUGE));
    for (int i = 0; i < 2 * IDLE_NS; i++) {
        end_interval(world);
    }
    assert_null(eye_registry_first(world->registry, METRIC));
}

static void report__of_the_same_name_goes_on(void **state)
{
    struct world *world = *state;
    struct part *old = open_part(world);
    old->counts = 7;
    end_interval(world);
    struct part *young = open_part(world);
    young->counts = 3;
    young->waits = 4;
    end_interval(world);
    assert_counter(world, 10);
    eye_reports_close(world->reports, &old->report);
    for (int i = 0; i < 3 * IDLE_NS; i++) {
        end_interval(world);
    }
    assert_counter(world, 10);
    assert_gauge(world, 4);
    young->counts = 5;
    end_interval(world);
    assert_counter(world, 12);
}

static void reports__free_what_was_not_told(void **state)
{
    struct world *world = *state;
    eye_reports_close(world->reports, &open_part(world)->report);
    eye_reports_free(world->reports);
    world->reports = NULL;
    assert_true(world->freed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(report__lives_as_long_as_its_subject),
        TEST(report__tells_what_was_counted_last_and_goes),
        TEST(report__of_the_same_name_goes_on),
        TEST(reports__free_what_was_not_told),
    };
    return cmocka_run_group_tests_name("reports", tests, NULL, NULL);
}
