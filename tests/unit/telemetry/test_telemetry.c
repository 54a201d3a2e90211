/* SPDX-License-Identifier: Apache-2.0 */
/* Groups, series and budgets: nothing is counted twice, nothing is lost, nothing grows forever. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/telemetry/telemetry.h"
#include "tests/support/random.h"

#define IDLE_NS UINT64_C(1000)

/* Of a series made by random_series(), at most. */
#define RANDOM_TAGS 5

struct fixture {
    struct eye_registry *registry;
    struct eye_group *group; /* without tags */
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_registry_free(fixture->registry);
    free(fixture);
    return 0;
}

static struct fixture *begin(void **state, uint32_t series_per_metric, uint32_t values_per_tag)
{
    struct fixture *fixture = *state;
    eye_registry_free(fixture->registry);
    const struct eye_limits limits = {.series_per_metric = series_per_metric,
                                      .values_per_tag = values_per_tag,
                                      .idle_ns = IDLE_NS};
    fixture->registry = eye_registry_new(&limits);
    assert_non_null(fixture->registry);
    fixture->group = eye_group_new(fixture->registry, NULL, 0);
    assert_non_null(fixture->group);
    return fixture;
}

/* The series of @metric with one tag. */
static struct eye_series *series_1(const struct fixture *fixture, enum eye_metric_id metric,
                                   enum eye_tag tag, const char *value)
{
    const struct eye_tag_value tags[] = {{tag, value}};
    return eye_group_series(fixture->group, metric, tags, 1);
}

static struct eye_series *port_series(const struct fixture *fixture, uint32_t port)
{
    char text[16];
    snprintf(text, sizeof(text), "%" PRIu32, port);
    return series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_PORT, text);
}

static uint64_t sum_of(const struct fixture *fixture, enum eye_metric_id metric)
{
    uint64_t sum = 0;
    struct eye_series *series = eye_registry_first(fixture->registry, metric);
    for (; series != NULL; series = series->next) {
        sum += series->counter;
    }
    return sum;
}

/* The list is as long as the count says, oldest first, linked both ways. */
static void check_list(const struct fixture *fixture, enum eye_metric_id metric)
{
    size_t count = 0;
    const struct eye_series *previous = NULL;
    struct eye_series *series = eye_registry_first(fixture->registry, metric);
    for (; series != NULL; series = series->next) {
        assert_ptr_equal(series->previous, previous);
        assert_true(previous == NULL || previous->id < series->id);
        assert_int_equal(series->metric->id, metric);
        previous = series;
        count++;
    }
    assert_int_equal(count, eye_registry_count(fixture->registry, metric));
}

/* ---- identity ---- */

static void free__takes_null_and_a_new_registry(void **state)
{
    eye_registry_free(NULL);
    struct fixture *fixture = begin(state, 10, 10);
    assert_null(eye_registry_first(fixture->registry, EYE_METRIC_TCP_OPENED));
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 0);
    assert_int_equal(eye_registry_lost(fixture->registry), 0);
}

static void series__are_the_same_in_any_tag_order(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    static const struct eye_tag_value tags[][3] = {
        {{EYE_TAG_PORT, "80"}, {EYE_TAG_SERVICE, "web"}, {EYE_TAG_FAMILY, "ipv4"}},
        {{EYE_TAG_SERVICE, "web"}, {EYE_TAG_FAMILY, "ipv4"}, {EYE_TAG_PORT, "80"}},
        {{EYE_TAG_FAMILY, "ipv4"}, {EYE_TAG_PORT, "80"}, {EYE_TAG_SERVICE, "web"}},
    };
    struct eye_series *series = eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, tags[0], 3);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(tags); i++) {
        assert_ptr_equal(eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, tags[i], 3),
                         series);
    }
    assert_ptr_not_equal(eye_group_series(fixture->group, EYE_METRIC_TCP_CLOSED, tags[0], 3),
                         series);
    assert_ptr_not_equal(eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, tags[0], 2),
                         series);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 2);
}

/* Equal texts under different tags are different series. */
static void series__differ_by_tag_and_by_value(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_PROCESS, "x");
    assert_ptr_not_equal(series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_SERVICE, "x"), series);
    assert_ptr_not_equal(series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_PROCESS, "y"), series);
    assert_ptr_not_equal(series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_PROCESS, ""), series);
    assert_ptr_equal(series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_PROCESS, "x"), series);
}

static void series__of_values_equal_up_to_the_cut_are_one(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    char value[EYE_TAG_VALUE_MAX_BYTES + 10];
    memset(value, 'v', sizeof(value));
    value[EYE_TAG_VALUE_MAX_BYTES + 9] = '\0';
    struct eye_series *series = series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_SERVICE, value);
    value[EYE_TAG_VALUE_MAX_BYTES] = '\0';
    assert_ptr_equal(series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_SERVICE, value), series);
    value[EYE_TAG_VALUE_MAX_BYTES - 1] = 'w';
    assert_ptr_not_equal(series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_SERVICE, value), series);
}

static void null_values__leave_the_tag_out(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    static const struct eye_tag_value tags[] = {{EYE_TAG_CONTAINER, NULL}, {EYE_TAG_PORT, "80"}};
    struct eye_series *series = eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, tags, 2);
    assert_int_equal(series->tags->count, 1);
    assert_ptr_equal(series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_PORT, "80"), series);
}

static void group_tags__are_on_every_series(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    char service[] = "web";
    const struct eye_tag_value common[] = {{EYE_TAG_SERVICE, service}};
    struct eye_group *group = eye_group_new(fixture->registry, common, 1);
    service[0] = 'x';
    static const struct eye_tag_value port[] = {{EYE_TAG_PORT, "80"}};
    struct eye_series *series = eye_group_series(group, EYE_METRIC_TCP_OPENED, port, 1);
    assert_int_equal(series->tags->count, 2);
    assert_string_equal(eye_tag_set_value(series->tags, EYE_TAG_SERVICE), "web");
    static const struct eye_tag_value both[] = {{EYE_TAG_PORT, "80"}, {EYE_TAG_SERVICE, "web"}};
    assert_ptr_equal(eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, both, 2), series);
}

/* ---- values ---- */

static void counter_add__adds_and_notes_changes(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = port_series(fixture, 1);
    eye_registry_close_interval(fixture->registry, 1, 1, 0);
    eye_counter_add(series, 0);
    assert_false(series->changed);
    eye_counter_add(series, 5);
    eye_counter_add(series, 7);
    assert_true(series->changed);
    assert_int_equal(series->counter, 12);
}

static void counter_set__ignores_decreases(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = port_series(fixture, 1);
    static const uint64_t totals[][2] = {{5, 5}, {3, 5}, {5, 5}, {0, 5}, {9, 9}, {8, 9}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(totals); i++) {
        eye_counter_set(series, totals[i][0]);
        assert_int_equal(series->counter, totals[i][1]);
    }
}

static void gauges__take_and_add_values(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = series_1(fixture, EYE_METRIC_TCP_ACTIVE, EYE_TAG_PORT, "1");
    eye_gauge_set(series, 5);
    eye_gauge_add(series, -2);
    assert_true(series->gauge == 3);
    eye_registry_close_interval(fixture->registry, 1, 1, 0);
    eye_gauge_set(series, 3);
    assert_false(series->changed);
    eye_gauge_add(series, 1);
    assert_true(series->changed);
}

static void distributions__take_weighted_values(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = series_1(fixture, EYE_METRIC_TCP_RTT, EYE_TAG_PORT, "1");
    eye_distribution_add(series, 0.5, 4);
    assert_int_equal(series->distribution.count, 4);
    assert_true(series->distribution.sum == 2);
    assert_true(series->changed);
}

/* ---- budgets ---- */

static void budget__gives_ordinary_series_three_quarters(void **state)
{
    struct fixture *fixture = begin(state, 40, 1000);
    for (uint32_t port = 0; port < 100; port++) {
        const char *value = eye_tag_set_value(port_series(fixture, port)->tags, EYE_TAG_PORT);
        assert_int_equal(strcmp(value, EYE_TAG_OTHER) == 0, port >= 30);
    }
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 31);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_CLOSED), 0);
}

/* The last quarter is for values that come again. */
static void values_per_tag__bound_the_values_of_each_tag(void **state)
{
    struct fixture *fixture = begin(state, 1000, 5);
    for (uint32_t port = 0; port < 20; port++) {
        eye_counter_add(port_series(fixture, port % 10), 1);
    }
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 5);
    assert_int_equal(sum_of(fixture, EYE_METRIC_TCP_OPENED), 20);
    struct eye_series *other =
        series_1(fixture, EYE_METRIC_TCP_OPENED, EYE_TAG_PORT, EYE_TAG_OTHER);
    assert_int_equal(other->counter, 12);
    assert_int_equal(port_series(fixture, 3)->counter, 2);
}

/* Another tag of the same series keeps its value. */
static void values_per_tag__spare_the_other_tags(void **state)
{
    struct fixture *fixture = begin(state, 1000, 1);
    static const struct eye_tag_value first[] = {{EYE_TAG_PORT, "1"}, {EYE_TAG_SERVICE, "web"}};
    static const struct eye_tag_value second[] = {{EYE_TAG_PORT, "2"}, {EYE_TAG_SERVICE, "web"}};
    eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, first, 2);
    const struct eye_tag_set *tags =
        eye_group_series(fixture->group, EYE_METRIC_TCP_OPENED, second, 2)->tags;
    assert_string_equal(eye_tag_set_value(tags, EYE_TAG_PORT), EYE_TAG_OTHER);
    assert_string_equal(eye_tag_set_value(tags, EYE_TAG_SERVICE), "web");
}

static void overflow__names_metric_tag_and_limit(void **state)
{
    struct fixture *fixture = begin(state, 1000, 5);
    for (uint32_t port = 0; port < 8; port++) {
        port_series(fixture, port);
    }
    static const struct eye_tag_value tags[] = {{EYE_TAG_METRIC, "tcp.connections.opened"},
                                                {EYE_TAG_TAG, "port"},
                                                {EYE_TAG_LIMIT, EYE_LIMIT_TAG_VALUES}};
    const struct eye_series *overflow =
        eye_registry_first(fixture->registry, EYE_METRIC_SELF_OVERFLOW);
    assert_non_null(overflow);
    assert_int_equal(overflow->counter, 4);
    assert_ptr_equal(eye_group_series(fixture->group, EYE_METRIC_SELF_OVERFLOW, tags, 3), overflow);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_SELF_OVERFLOW), 1);
}

static void overflow__names_the_limit_of_series(void **state)
{
    struct fixture *fixture = begin(state, 5, 1000);
    for (uint32_t port = 0; port < 8; port++) {
        port_series(fixture, port);
    }
    const struct eye_series *overflow =
        eye_registry_first(fixture->registry, EYE_METRIC_SELF_OVERFLOW);
    assert_non_null(overflow);
    assert_string_equal(eye_tag_set_value(overflow->tags, EYE_TAG_LIMIT), EYE_LIMIT_SERIES);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_SELF_OVERFLOW), 1);
}

/* Tags of hostile variety, some of them present in some series only. */
static struct eye_series *random_series(const struct fixture *fixture, enum eye_metric_id metric,
                                        uint64_t *random)
{
    static const struct {
        uint64_t values;
        enum eye_tag tag;
        bool optional;
    } kinds[RANDOM_TAGS] = {
        {2, EYE_TAG_DIRECTION, false}, {5000, EYE_TAG_SERVICE, false},
        {65536, EYE_TAG_PORT, false},  {100, EYE_TAG_CONTAINER, true},
        {1000, EYE_TAG_REMOTE, true},
    };
    char texts[RANDOM_TAGS][24];
    struct eye_tag_value tags[RANDOM_TAGS];
    for (size_t i = 0; i < RANDOM_TAGS; i++) {
        bool absent = kinds[i].optional && random_below(random, 2) == 0;
        snprintf(texts[i], sizeof(texts[i]), "%" PRIu64, random_below(random, kinds[i].values));
        tags[i] = (struct eye_tag_value){kinds[i].tag, absent ? NULL : texts[i]};
    }
    return eye_group_series_chosen(fixture->group, metric, tags, RANDOM_TAGS, EYE_TAG_REMOTE,
                                   (enum eye_choice)random_below(random, 3));
}

static bool is_first_with(const struct eye_series *series, enum eye_tag tag, const char *value)
{
    for (const struct eye_series *other = series->previous; other != NULL;
         other = other->previous) {
        const char *theirs = eye_tag_set_value(other->tags, tag);
        if (theirs != NULL && strcmp(theirs, value) == 0) {
            return false;
        }
    }
    return true;
}

static uint32_t count_values(const struct fixture *fixture, enum eye_tag tag)
{
    uint32_t count = 0;
    struct eye_series *series = eye_registry_first(fixture->registry, EYE_METRIC_TCP_SENT_BYTES);
    for (; series != NULL; series = series->next) {
        const char *value = eye_tag_set_value(series->tags, tag);
        bool counts = value != NULL && strcmp(value, EYE_TAG_OTHER) != 0;
        count += counts && is_first_with(series, tag, value) ? 1 : 0;
    }
    return count;
}

static void flood(struct fixture *fixture, uint32_t series_max, uint32_t values_max)
{
    uint64_t random = series_max;
    uint64_t truth = 0;
    for (int i = 0; i < 100000; i++) {
        struct eye_series *series = random_series(fixture, EYE_METRIC_TCP_SENT_BYTES, &random);
        uint64_t amount = random_below(&random, 1000);
        eye_counter_add(series, amount);
        truth += amount;
        assert_true(eye_registry_count(fixture->registry, EYE_METRIC_TCP_SENT_BYTES) <= series_max);
    }
    assert_int_equal(sum_of(fixture, EYE_METRIC_TCP_SENT_BYTES), truth);
    check_list(fixture, EYE_METRIC_TCP_SENT_BYTES);
    assert_true(count_values(fixture, EYE_TAG_SERVICE) <= values_max);
    assert_true(count_values(fixture, EYE_TAG_PORT) <= values_max);
}

static void budgets__hold_and_sums_stay_true(void **state)
{
    static const uint32_t limits[][2] = {{1, 1},   {2, 5},    {3, 5},       {4, 1},
                                         {10, 20}, {100, 20}, {2000, 1000}, {100, 1000}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(limits); i++) {
        flood(begin(state, limits[i][0], limits[i][1]), limits[i][0], limits[i][1]);
    }
}

static void limit(const struct fixture *fixture, uint32_t series_per_metric,
                  uint32_t values_per_tag)
{
    const struct eye_limits limits = {.series_per_metric = series_per_metric,
                                      .values_per_tag = values_per_tag,
                                      .idle_ns = IDLE_NS};
    eye_registry_set_limits(fixture->registry, &limits);
}

static bool is_named(const struct fixture *fixture, uint32_t port)
{
    return !eye_tag_is_other(&port_series(fixture, port)->tags->tags[0]);
}

/* Who is there stays, who comes finds no place, and nothing that is counted is lost. */
static void set_limits__smaller_throw_nothing_away(void **state)
{
    static const uint32_t smaller[][2] = {{10, 1000}, {1000, 10}, {10, 10}, {1, 1}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(smaller); i++) {
        struct fixture *fixture = begin(state, 1000, 1000);
        for (uint32_t port = 0; port < 100; port++) {
            eye_counter_add(port_series(fixture, port), 1);
        }
        limit(fixture, smaller[i][0], smaller[i][1]);
        for (uint32_t port = 0; port < 200; port++) {
            eye_counter_add(port_series(fixture, port), 1);
            assert_int_equal(is_named(fixture, port), port < 100);
        }
        assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 101);
        assert_int_equal(sum_of(fixture, EYE_METRIC_TCP_OPENED), 300);
        check_list(fixture, EYE_METRIC_TCP_OPENED);
    }
}

/* What is beyond goes when it is idle; then there is room. */
static void set_limits__smaller_hold_once_series_have_expired(void **state)
{
    struct fixture *fixture = begin(state, 1000, 1000);
    for (uint32_t port = 0; port < 100; port++) {
        port_series(fixture, port);
    }
    limit(fixture, 40, 1000);
    eye_registry_close_interval(fixture->registry, 1, 1000, 1);
    eye_registry_close_interval(fixture->registry, 2, 1000 + IDLE_NS, 2);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 0);
    for (uint32_t port = 0; port < 200; port++) {
        assert_int_equal(is_named(fixture, port), port < 30);
    }
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 31);
}

/* Those who were refused have a name from the next look-up on, and cached series are void. */
static void set_limits__larger_hold_at_once(void **state)
{
    struct fixture *fixture = begin(state, 40, 1000);
    for (uint32_t port = 0; port < 100; port++) {
        port_series(fixture, port);
    }
    uint64_t generation = eye_registry_generation(fixture->registry);
    limit(fixture, 1000, 1000);
    assert_true(eye_registry_generation(fixture->registry) > generation);
    for (uint32_t port = 0; port < 100; port++) {
        assert_true(is_named(fixture, port));
    }
}

/* However they change, sums stay true, and no metric grows beyond what it had by more than one. */
static void set_limits__hold_while_they_change(void **state)
{
    struct fixture *fixture = begin(state, 2000, 1000);
    uint64_t random = 7;
    uint64_t truth = 0;
    size_t most = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        if (i % 1000 == 0) {
            uint32_t series = 1 + (uint32_t)random_below(&random, 2000);
            limit(fixture, series, 1 + (uint32_t)random_below(&random, 1000));
            size_t count = eye_registry_count(fixture->registry, EYE_METRIC_TCP_SENT_BYTES);
            most = count + 1 > series ? count + 1 : series;
        }
        uint64_t amount = random_below(&random, 1000);
        eye_counter_add(random_series(fixture, EYE_METRIC_TCP_SENT_BYTES, &random), amount);
        truth += amount;
        assert_true(eye_registry_count(fixture->registry, EYE_METRIC_TCP_SENT_BYTES) <= most);
    }
    assert_int_equal(sum_of(fixture, EYE_METRIC_TCP_SENT_BYTES), truth);
    check_list(fixture, EYE_METRIC_TCP_SENT_BYTES);
}

/* Each metric overflows; each metric, tag and limit concerned is named, and nothing else. */
static void overflow_metric__is_bounded_by_the_catalogue(void **state)
{
    struct fixture *fixture = begin(state, 10, 3);
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        random_series(fixture, (enum eye_metric_id)random_below(&random, EYE_METRIC_TCP_RTT + 1),
                      &random);
    }
    assert_true(eye_registry_count(fixture->registry, EYE_METRIC_SELF_OVERFLOW) <=
                (EYE_METRIC_TCP_RTT + 1) * RANDOM_TAGS * 2); /* limits */
    assert_true(sum_of(fixture, EYE_METRIC_SELF_OVERFLOW) > 20000);
    check_list(fixture, EYE_METRIC_SELF_OVERFLOW);
    struct eye_series *series = eye_registry_first(fixture->registry, EYE_METRIC_SELF_OVERFLOW);
    for (; series != NULL; series = series->next) {
        assert_string_not_equal(series->tags->tags[0].value, EYE_TAG_OTHER);
        assert_string_not_equal(series->tags->tags[1].value, EYE_TAG_OTHER);
    }
}

/* Set from totals, two of them in one series would hide the smaller one. */
static void own_metrics__keep_their_tags_in_any_budget(void **state)
{
    struct fixture *fixture = begin(state, 1, 1);
    for (uint64_t i = 1; i <= 50; i++) {
        char program[16];
        snprintf(program, sizeof(program), "p%" PRIu64, i);
        eye_counter_set(series_1(fixture, EYE_METRIC_SELF_BPF_RUNS, EYE_TAG_PROGRAM, program), i);
    }
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_SELF_BPF_RUNS), 50);
    assert_int_equal(sum_of(fixture, EYE_METRIC_SELF_BPF_RUNS), 50 * 51 / 2);
}

static void budget__is_given_back_on_removal(void **state)
{
    struct fixture *fixture = begin(state, 8, 4);
    for (int round = 0; round < 100; round++) {
        for (uint32_t port = 0; port < 20; port++) {
            port_series(fixture, (uint32_t)round * 20 + port);
            check_list(fixture, EYE_METRIC_TCP_OPENED);
        }
        assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED), 4);
        while (eye_registry_first(fixture->registry, EYE_METRIC_TCP_OPENED) != NULL) {
            eye_series_remove(fixture->registry,
                              eye_registry_first(fixture->registry, EYE_METRIC_TCP_OPENED));
        }
    }
}

/* Series come and go at random, the one for the rest among them. */
static void budgets__hold_while_series_are_removed(void **state)
{
    struct fixture *fixture = begin(state, 12, 6);
    uint64_t random = 5;
    for (int i = 0; i < 50000; i++) {
        struct eye_series *series = random_series(fixture, EYE_METRIC_TCP_SENT_BYTES, &random);
        if (random_below(&random, 4) == 0) {
            eye_series_remove(fixture->registry, series);
        }
        assert_true(eye_registry_count(fixture->registry, EYE_METRIC_TCP_SENT_BYTES) <= 12);
    }
    check_list(fixture, EYE_METRIC_TCP_SENT_BYTES);
}

/* ---- removal and expiry ---- */

static void remove__changes_the_generation_and_the_id(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = port_series(fixture, 1);
    port_series(fixture, 2);
    port_series(fixture, 3);
    uint64_t generation = eye_registry_generation(fixture->registry);
    port_series(fixture, 4);
    assert_int_equal(eye_registry_generation(fixture->registry), generation);
    uint64_t id = series->id;
    eye_counter_add(series, 5);
    eye_series_remove(fixture->registry, series);
    assert_true(eye_registry_generation(fixture->registry) > generation);
    check_list(fixture, EYE_METRIC_TCP_OPENED);
    series = port_series(fixture, 1);
    assert_true(series->id > id);
    assert_int_equal(series->counter, 0);
    check_list(fixture, EYE_METRIC_TCP_OPENED);
}

/* Closes interval @sequence at @now_ns; true while port 1 has its series. */
static bool survives(struct fixture *fixture, uint64_t sequence, uint64_t now_ns,
                     uint64_t delivered)
{
    eye_registry_close_interval(fixture->registry, sequence, now_ns, delivered);
    return eye_registry_count(fixture->registry, EYE_METRIC_TCP_OPENED) > 0;
}

static void series__expire_when_idle(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    uint64_t generation = eye_registry_generation(fixture->registry);
    struct eye_series *series = port_series(fixture, 1);
    assert_true(survives(fixture, 1, 5000, 0));
    assert_int_equal(series->changed_sequence, 1);
    assert_int_equal(series->changed_ns, 5000);
    eye_counter_add(series, 1);
    assert_true(survives(fixture, 2, 5500, 1));
    assert_true(survives(fixture, 3, 5500 + IDLE_NS - 1, 2));
    assert_int_equal(eye_registry_generation(fixture->registry), generation);
    assert_false(survives(fixture, 4, 5500 + IDLE_NS, 3));
    assert_true(eye_registry_generation(fixture->registry) > generation);
}

static void series__wait_for_their_delivery(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    port_series(fixture, 1);
    assert_true(survives(fixture, 7, 0, 6));
    assert_true(survives(fixture, 8, 10 * IDLE_NS, 6));
    assert_true(survives(fixture, 9, 20 * IDLE_NS, 6));
    assert_false(survives(fixture, 10, 30 * IDLE_NS, 7));
}

static void expiry__is_counted_once(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    port_series(fixture, 1);
    port_series(fixture, 2);
    for (uint64_t i = 1; i < 100; i++) {
        eye_registry_close_interval(fixture->registry, i, i * IDLE_NS, i - 1);
    }
    const struct eye_series *expired =
        eye_registry_first(fixture->registry, EYE_METRIC_SELF_EXPIRED);
    assert_non_null(expired);
    assert_int_equal(expired->counter, 2);
    assert_null(expired->next);
}

static void gauges__expire_only_at_zero(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = series_1(fixture, EYE_METRIC_TCP_ACTIVE, EYE_TAG_PORT, "1");
    eye_gauge_set(series, 1);
    for (uint64_t i = 1; i < 10; i++) {
        eye_registry_close_interval(fixture->registry, i, i * IDLE_NS, i - 1);
    }
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_ACTIVE), 1);
    eye_gauge_add(series, -1);
    eye_registry_close_interval(fixture->registry, 10, 10 * IDLE_NS, 9);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_ACTIVE), 1);
    eye_registry_close_interval(fixture->registry, 11, 11 * IDLE_NS, 10);
    assert_int_equal(eye_registry_count(fixture->registry, EYE_METRIC_TCP_ACTIVE), 0);
}

/* Made anew, such a series would report its whole total as an increase. */
static void counters_kept_elsewhere__never_expire(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    uint64_t ids[2];
    for (uint64_t i = 1; i < 10; i++) {
        struct eye_series *series[] = {port_series(fixture, 1), port_series(fixture, 2)};
        eye_counter_set(series[0], 17);
        eye_counter_set(series[1], 0);
        for (size_t j = 0; j < 2; j++) {
            ids[j] = i == 1 ? series[j]->id : ids[j];
            assert_int_equal(series[j]->id, ids[j]);
        }
        eye_registry_close_interval(fixture->registry, i, i * IDLE_NS, i - 1);
    }
    assert_int_equal(eye_registry_generation(fixture->registry), 0);
}

static void close_interval__clears_changed(void **state)
{
    struct fixture *fixture = begin(state, 100, 100);
    struct eye_series *series = port_series(fixture, 1);
    assert_true(series->changed);
    eye_registry_close_interval(fixture->registry, 3, 100, 0);
    assert_false(series->changed);
    eye_registry_close_interval(fixture->registry, 4, 200, 0);
    assert_int_equal(series->changed_sequence, 3);
    assert_int_equal(series->changed_ns, 100);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(free__takes_null_and_a_new_registry),
        TEST(series__are_the_same_in_any_tag_order),
        TEST(series__differ_by_tag_and_by_value),
        TEST(series__of_values_equal_up_to_the_cut_are_one),
        TEST(null_values__leave_the_tag_out),
        TEST(group_tags__are_on_every_series),
        TEST(counter_add__adds_and_notes_changes),
        TEST(counter_set__ignores_decreases),
        TEST(gauges__take_and_add_values),
        TEST(distributions__take_weighted_values),
        TEST(budget__gives_ordinary_series_three_quarters),
        TEST(values_per_tag__bound_the_values_of_each_tag),
        TEST(values_per_tag__spare_the_other_tags),
        TEST(overflow__names_metric_tag_and_limit),
        TEST(overflow__names_the_limit_of_series),
        TEST(budgets__hold_and_sums_stay_true),
        TEST(set_limits__smaller_throw_nothing_away),
        TEST(set_limits__smaller_hold_once_series_have_expired),
        TEST(set_limits__larger_hold_at_once),
        TEST(set_limits__hold_while_they_change),
        TEST(overflow_metric__is_bounded_by_the_catalogue),
        TEST(own_metrics__keep_their_tags_in_any_budget),
        TEST(budget__is_given_back_on_removal),
        TEST(budgets__hold_while_series_are_removed),
        TEST(remove__changes_the_generation_and_the_id),
        TEST(series__expire_when_idle),
        TEST(series__wait_for_their_delivery),
        TEST(expiry__is_counted_once),
        TEST(gauges__expire_only_at_zero),
        TEST(counters_kept_elsewhere__never_expire),
        TEST(close_interval__clears_changed),
    };
    return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
