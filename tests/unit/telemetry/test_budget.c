/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the places are: attacks by one service, by many, by crowds of processes, and who pays. */
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

#define SECOND UINT64_C(1000000000)
#define INTERVAL_NS (10 * SECOND)
#define IDLE_NS (300 * SECOND)

#define SERVER EYE_METRIC_HTTP_SERVER_DURATION
#define OPENED EYE_METRIC_TCP_OPENED

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    uint64_t sequence;
    uint64_t delivered; /* by the slowest exporter; UINT64_MAX: all of them keep up */
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_registry_free(world->registry);
    free(world);
    return 0;
}

static struct world *begin_with(void **state, const struct eye_limits *limits)
{
    struct world *world = *state;
    world->registry = eye_registry_new(limits);
    assert_non_null(world->registry);
    world->group = eye_group_new(world->registry, NULL, 0);
    assert_non_null(world->group);
    world->delivered = UINT64_MAX;
    return world;
}

/* With the default limits, but for @volume_bytes. */
static struct world *begin(void **state, uint64_t volume_bytes)
{
    const struct eye_limits limits = {.series_per_metric = 2000,
                                      .values_per_tag = 1000,
                                      .idle_ns = IDLE_NS,
                                      .volume_bytes = volume_bytes};
    return begin_with(state, &limits);
}

static void pass_intervals(struct world *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world->sequence++;
        uint64_t delivered =
            world->delivered < world->sequence ? world->delivered : world->sequence - 1;
        eye_registry_close_interval(world->registry, world->sequence, world->sequence * INTERVAL_NS,
                                    delivered);
    }
}

/* A request of @service; true when it is counted under its own route and service. */
static bool request(struct world *world, const char *service, const char *route,
                    enum eye_choice choice)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, service}, {EYE_TAG_ROUTE, route}};
    struct eye_series *series =
        eye_group_series_chosen(world->group, SERVER, tags, 2, EYE_TAG_ROUTE, choice);
    eye_distribution_add(series, 0.001, 1);
    return strcmp(eye_tag_set_value(series->tags, EYE_TAG_SERVICE), service) == 0 &&
           strcmp(eye_tag_set_value(series->tags, EYE_TAG_ROUTE), route) == 0;
}

/* @count requests for paths that nobody asked for before; how many have their own route. */
static size_t make_up_paths(struct world *world, const char *service, size_t count,
                            enum eye_choice choice)
{
    static uint32_t number;
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        char route[32];
        snprintf(route, sizeof(route), "/made-up-%" PRIu32, number++);
        named += request(world, service, route, choice) ? 1 : 0;
    }
    return named;
}

static bool connect_as(struct world *world, const char *service, const char *port)
{
    const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, service}, {EYE_TAG_PORT, port}};
    struct eye_series *series = eye_group_series(world->group, OPENED, tags, 2);
    eye_counter_add(series, 1);
    return strcmp(eye_tag_set_value(series->tags, EYE_TAG_SERVICE), service) == 0 &&
           strcmp(eye_tag_set_value(series->tags, EYE_TAG_PORT), port) == 0;
}

static size_t run_short_processes(struct world *world, size_t count)
{
    static uint32_t number;
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        char service[32];
        snprintf(service, sizeof(service), "job-%" PRIu32, number++);
        named += connect_as(world, service, "80") ? 1 : 0;
    }
    return named;
}

static uint64_t counted(const struct world *world, enum eye_metric_id metric)
{
    uint64_t sum = 0;
    struct eye_series *series = eye_registry_first(world->registry, metric);
    for (; series != NULL; series = series->next) {
        sum += series->metric->kind == EYE_COUNTER ? series->counter : series->distribution.count;
    }
    return sum;
}

static uint64_t refused(const struct world *world, enum eye_metric_id metric, enum eye_tag tag)
{
    static const char *const limits[] = {EYE_LIMIT_SERIES, EYE_LIMIT_TAG_VALUES};
    uint64_t sum = 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(limits); i++) {
        const struct eye_tag_value tags[] = {{EYE_TAG_METRIC, eye_metric(metric)->name},
                                             {EYE_TAG_TAG, eye_tag_info(tag)->name},
                                             {EYE_TAG_LIMIT, limits[i]}};
        sum += eye_group_series(world->group, EYE_METRIC_SELF_OVERFLOW, tags, 3)->counter;
    }
    return sum;
}

/* ---- what clients choose ---- */

static void made_up_paths__take_a_share_of_their_service_alone(void **state)
{
    struct world *world = begin(state, 0);
    assert_true(request(world, "shop", "/real/before", EYE_CHOICE_CLIENTS));
    size_t named = make_up_paths(world, "shop", 100000, EYE_CHOICE_CLIENTS);
    assert_in_range(named, 50, 75);
    assert_int_equal(counted(world, SERVER), 100001);
    assert_int_equal(refused(world, SERVER, EYE_TAG_ROUTE), 100000 - named);
    assert_true(request(world, "shop", "/real/before", EYE_CHOICE_CLIENTS));
    for (size_t i = 0; i < 40; i++) {
        char route[16];
        snprintf(route, sizeof(route), "/page-%zu", i);
        assert_true(request(world, "other", route, EYE_CHOICE_CLIENTS));
    }
}

/* The same words of two services are two values: nobody takes places with the names of others. */
static void equal_routes__count_for_each_service(void **state)
{
    struct world *world = begin(state, 0);
    make_up_paths(world, "shop", 1000, EYE_CHOICE_CLIENTS);
    assert_false(request(world, "shop", "/same", EYE_CHOICE_CLIENTS));
    assert_true(request(world, "other", "/same", EYE_CHOICE_CLIENTS));
    assert_false(eye_group_knows(world->group, SERVER, "shop", EYE_TAG_ROUTE, "/same"));
    assert_true(eye_group_knows(world->group, SERVER, "other", EYE_TAG_ROUTE, "/same"));
    assert_true(request(world, "shop", "/same", EYE_CHOICE_OURS));
    assert_true(eye_group_knows(world->group, SERVER, "shop", EYE_TAG_ROUTE, "/same"));
}

static void many_services_under_attack__leave_places_for_one_more(void **state)
{
    struct world *world = begin(state, 0);
    for (size_t i = 0; i < 60; i++) {
        char service[16];
        snprintf(service, sizeof(service), "service-%zu", i);
        make_up_paths(world, service, 500, EYE_CHOICE_CLIENTS);
    }
    assert_int_equal(counted(world, SERVER), 60 * 500);
    for (size_t i = 0; i < 5; i++) {
        char route[16];
        snprintf(route, sizeof(route), "/page-%zu", i);
        assert_true(request(world, "late", route, EYE_CHOICE_CLIENTS));
    }
}

static void routes_of_rules__do_not_need_a_share(void **state)
{
    struct world *world = begin(state, 0);
    make_up_paths(world, "shop", 5000, EYE_CHOICE_CLIENTS);
    assert_true(request(world, "shop", "/checkout", EYE_CHOICE_OURS));
}

/* Routes of rules that come again leave one place: it is for whoever comes first. */
static void last_place__is_given_once(void **state)
{
    const struct eye_limits limits = {
        .series_per_metric = 2000, .values_per_tag = 8, .idle_ns = IDLE_NS};
    static const char *const routes[] = {"/a", "/b", "/c", "/d", "/e", "/f"};
    struct world *world = begin_with(state, &limits);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(routes); i++) {
        assert_true(request(world, "shop", routes[i], EYE_CHOICE_OURS));
    }
    assert_false(request(world, "shop", "/again", EYE_CHOICE_OURS));
    pass_intervals(world, 1);
    assert_true(request(world, "shop", "/again", EYE_CHOICE_OURS));
    assert_true(request(world, "late", "/page", EYE_CHOICE_CLIENTS));
    assert_false(request(world, "later", "/page", EYE_CHOICE_CLIENTS));
}

static void refused_paths__take_the_first_quarter_at_most(void **state)
{
    struct world *world = begin(state, 0);
    assert_in_range(make_up_paths(world, "shop", 5000, EYE_CHOICE_REFUSED), 10, 25);
    assert_true(make_up_paths(world, "shop", 30, EYE_CHOICE_CLIENTS) == 30);
    assert_int_equal(make_up_paths(world, "shop", 5000, EYE_CHOICE_REFUSED), 0);
}

/* Remote addresses of a service's clients. */
static void addresses_of_clients__leave_places_for_other_services(void **state)
{
    struct world *world = begin(state, 0);
    for (uint32_t i = 0; i < 5000; i++) {
        char address[24];
        snprintf(address, sizeof(address), "10.0.%" PRIu32 ".%" PRIu32, i / 250, i % 250);
        const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, "shop"}, {EYE_TAG_REMOTE, address}};
        eye_group_series_chosen(world->group, OPENED, tags, 2, EYE_TAG_REMOTE, EYE_CHOICE_CLIENTS);
    }
    assert_in_range(eye_group_chosen(world->group, OPENED, "shop", EYE_TAG_REMOTE), 300, 350);
    const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, "other"}, {EYE_TAG_REMOTE, "192.0.2.1"}};
    const struct eye_series *series =
        eye_group_series_chosen(world->group, OPENED, tags, 2, EYE_TAG_REMOTE, EYE_CHOICE_CLIENTS);
    assert_string_equal(eye_tag_set_value(series->tags, EYE_TAG_REMOTE), "192.0.2.1");
}

/* ---- services and ports ---- */

static void one_service_of_many_ports__leaves_places(void **state)
{
    struct world *world = begin(state, 0);
    for (uint32_t port = 0; port < 5000; port++) {
        char text[8];
        snprintf(text, sizeof(text), "%" PRIu32, port % 700);
        const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, "proxy"},
                                             {EYE_TAG_PORT, text},
                                             {EYE_TAG_FAMILY, port < 2500 ? "ipv4" : "ipv6"}};
        eye_counter_add(eye_group_series(world->group, OPENED, tags, 3), 1);
    }
    assert_int_equal(counted(world, OPENED), 5000);
    assert_true(connect_as(world, "shop", "1"));
    assert_true(connect_as(world, "shop", "2"));
}

/* Most of the processes come while nobody has been idle long enough to make room. */
static void short_processes__do_not_take_the_name_of_who_stays(void **state)
{
    struct world *world = begin(state, 0);
    assert_true(connect_as(world, "early", "80"));
    for (size_t interval = 0; interval < 20; interval++) {
        run_short_processes(world, 400);
        assert_true(connect_as(world, "early", "80"));
        bool named = connect_as(world, "late", "80");
        assert_true(named || interval == 2);
        pass_intervals(world, 1);
        assert_true(eye_registry_count(world->registry, OPENED) <= 2000);
    }
    assert_true(connect_as(world, "new", "80") ||
                (pass_intervals(world, 1), connect_as(world, "new", "80")));
}

static void who_comes_again__is_no_passer_by(void **state)
{
    struct world *world = begin(state, 0);
    run_short_processes(world, 4000);
    assert_false(connect_as(world, "shop", "80"));
    assert_false(connect_as(world, "shop", "80"));
    uint64_t generation = eye_registry_generation(world->registry);
    pass_intervals(world, 1);
    assert_true(eye_registry_generation(world->registry) > generation);
    assert_true(connect_as(world, "shop", "80"));
    assert_int_equal(counted(world, OPENED), 4003);
}

/* That many whose hashes meet somewhere: none of them is forgotten for another. */
static void all_who_come_again__are_known(void **state)
{
    const struct eye_limits limits = {
        .series_per_metric = 9000, .values_per_tag = 2000, .idle_ns = IDLE_NS};
    struct world *world = begin_with(state, &limits);
    assert_int_equal(run_short_processes(world, 1500), 1500);
    for (size_t interval = 0; interval < 3; interval++) {
        for (uint32_t i = 0; i < 500; i++) {
            char service[32];
            snprintf(service, sizeof(service), "again-%" PRIu32, i);
            assert_int_equal(connect_as(world, service, "80"), interval > 0);
        }
        pass_intervals(world, 1);
    }
}

/* ---- room ---- */

static void a_crowd_that_has_passed__makes_room(void **state)
{
    struct world *world = begin(state, 0);
    request(world, "shop", "/real/before", EYE_CHOICE_CLIENTS);
    pass_intervals(world, 4);
    make_up_paths(world, "shop", 3000, EYE_CHOICE_CLIENTS);
    pass_intervals(world, 4);
    assert_int_equal(counted(world, SERVER), 3001);
    assert_true(request(world, "shop", "/checkout", EYE_CHOICE_CLIENTS));
    assert_true(eye_group_knows(world->group, SERVER, "shop", EYE_TAG_ROUTE, "/real/before"));
    pass_intervals(world, 1);
    assert_true(eye_registry_first(world->registry, EYE_METRIC_SELF_EXPIRED)->counter > 0);
}

/* While it goes on they would only take places from each other, and from the page of a scraper. */
static void a_crowd_that_goes_on__gets_no_room(void **state)
{
    struct world *world = begin(state, 0);
    for (uint64_t interval = 1; interval <= 20; interval++) {
        make_up_paths(world, "shop", 200, EYE_CHOICE_CLIENTS);
        assert_int_equal(counted(world, SERVER), interval * 200);
        pass_intervals(world, 1);
    }
    assert_null(eye_registry_first(world->registry, EYE_METRIC_SELF_EXPIRED));
}

static void short_processes_that_have_passed__make_room(void **state)
{
    struct world *world = begin(state, 0);
    run_short_processes(world, 4000);
    pass_intervals(world, 4);
    assert_true(connect_as(world, "shop", "80"));
}

static void nothing_that_is_used__makes_room(void **state)
{
    struct world *world = begin(state, 0);
    for (size_t interval = 0; interval < 30; interval++) {
        for (size_t i = 0; i < 40; i++) {
            char route[16];
            snprintf(route, sizeof(route), "/page-%zu", i);
            assert_true(request(world, "shop", route, EYE_CHOICE_CLIENTS));
        }
        make_up_paths(world, "shop", 100, EYE_CHOICE_CLIENTS);
        pass_intervals(world, 1);
    }
}

/* What its exporter has not delivered yet cannot go; what came meanwhile is __other__, bounded. */
static void a_stuck_exporter__keeps_everything(void **state)
{
    struct world *world = begin(state, 0);
    world->delivered = 0;
    for (uint64_t interval = 1; interval <= 100; interval++) {
        run_short_processes(world, 200);
        assert_int_equal(counted(world, OPENED), interval * 200);
        assert_true(eye_registry_count(world->registry, OPENED) <= 2000);
        pass_intervals(world, 1);
    }
    pass_intervals(world, 10);
    assert_false(connect_as(world, "shop", "80"));
    world->delivered = UINT64_MAX;
    pass_intervals(world, 2);
    assert_true(connect_as(world, "shop", "80"));
}

static void a_gauge_above_zero__makes_no_room(void **state)
{
    struct world *world = begin(state, 0);
    for (size_t i = 0; i < 4000; i++) {
        char service[16];
        snprintf(service, sizeof(service), "job-%zu", i);
        const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, service}};
        eye_gauge_add(eye_group_series(world->group, EYE_METRIC_TCP_ACTIVE, tags, 1), 1);
    }
    pass_intervals(world, 100);
    const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, "shop"}};
    eye_gauge_add(eye_group_series(world->group, EYE_METRIC_TCP_ACTIVE, tags, 1), 1);
    double sum = 0;
    struct eye_series *series = eye_registry_first(world->registry, EYE_METRIC_TCP_ACTIVE);
    for (; series != NULL; series = series->next) {
        sum += series->gauge;
    }
    assert_true(sum == 4001);
}

/* ---- volume ---- */

/* As a page of text: a distribution is many lines. */
static uint64_t volume(const struct world *world)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < EYE_METRIC_SELF_KERNEL_LOST; i++) {
        struct eye_series *series = eye_registry_first(world->registry, (enum eye_metric_id)i);
        for (; series != NULL; series = series->next) {
            bytes += series->volume_bytes;
        }
    }
    return bytes;
}

static void volume__is_bounded_and_shared_by_metrics(void **state)
{
    enum { LIMIT = 1000000 };
    struct world *world = begin(state, LIMIT);
    for (uint32_t i = 0; i < 20000; i++) {
        char service[16];
        char port[8];
        snprintf(service, sizeof(service), "s%" PRIu32, i % 40);
        snprintf(port, sizeof(port), "%" PRIu32, i % 997);
        const struct eye_tag_value tags[] = {{EYE_TAG_SERVICE, service}, {EYE_TAG_PORT, port}};
        eye_distribution_add(eye_group_series(world->group, EYE_METRIC_TCP_RTT, tags, 2), 1, 1);
        eye_distribution_add(eye_group_series(world->group, EYE_METRIC_TCP_CONNECT, tags, 2), 1, 1);
        assert_true(volume(world) < LIMIT + 2 * 4096);
    }
    assert_int_equal(counted(world, EYE_METRIC_TCP_RTT), 20000);
    assert_int_equal(counted(world, EYE_METRIC_TCP_CONNECT), 20000);
    assert_true(connect_as(world, "shop", "80"));
    assert_true(request(world, "shop", "/page", EYE_CHOICE_CLIENTS));
}

/* What has its own names leaves a quarter to what has not; of that a metric alone gets half. */
static void volume__keeps_a_quarter_for_others(void **state)
{
    enum { LIMIT = 80000, ORDINARY = LIMIT / 4 * 3 / 2, SERIES = 500 };
    struct world *world = begin(state, LIMIT);
    uint64_t ordinary = 0;
    run_short_processes(world, 500);
    assert_false(connect_as(world, "shop", "80"));
    struct eye_series *series = eye_registry_first(world->registry, OPENED);
    for (; series != NULL; series = series->next) {
        bool other = strcmp(eye_tag_set_value(series->tags, EYE_TAG_SERVICE), EYE_TAG_OTHER) == 0;
        ordinary += other ? 0 : series->volume_bytes;
    }
    assert_in_range(ordinary, ORDINARY - SERIES, ORDINARY + SERIES);
    assert_true(volume(world) > ordinary);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(made_up_paths__take_a_share_of_their_service_alone),
        TEST(equal_routes__count_for_each_service),
        TEST(many_services_under_attack__leave_places_for_one_more),
        TEST(routes_of_rules__do_not_need_a_share),
        TEST(last_place__is_given_once),
        TEST(refused_paths__take_the_first_quarter_at_most),
        TEST(addresses_of_clients__leave_places_for_other_services),
        TEST(one_service_of_many_ports__leaves_places),
        TEST(short_processes__do_not_take_the_name_of_who_stays),
        TEST(who_comes_again__is_no_passer_by),
        TEST(all_who_come_again__are_known),
        TEST(a_crowd_that_has_passed__makes_room),
        TEST(a_crowd_that_goes_on__gets_no_room),
        TEST(short_processes_that_have_passed__make_room),
        TEST(nothing_that_is_used__makes_room),
        TEST(a_stuck_exporter__keeps_everything),
        TEST(a_gauge_above_zero__makes_no_room),
        TEST(volume__is_bounded_and_shared_by_metrics),
        TEST(volume__keeps_a_quarter_for_others),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
