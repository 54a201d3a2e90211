/* SPDX-License-Identifier: Apache-2.0 */
/* What the last interval added to requests, and no more. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/control/requests.h"

#define INTERVAL_NS (2 * EYE_NS_PER_SECOND)
/* A service has a share of it. */
#define SERIES_MAX 4000

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_publisher *publisher;
    struct eye_view view;
    struct eye_running running;
    uint64_t sequence;
};

static int setup(void **state)
{
    const struct eye_limits limits = {.series_per_metric = SERIES_MAX,
                                      .values_per_tag = SERIES_MAX,
                                      .idle_ns = 60 * EYE_NS_PER_SECOND};
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->registry = eye_registry_new(&limits);
    world->group = eye_group_new(world->registry, NULL, 0);
    world->publisher = eye_publisher_new();
    assert_int_equal(eye_view_open(&world->view, world->publisher), 0);
    world->running.view = &world->view;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_view_close(&world->view);
    eye_publisher_free(world->publisher);
    eye_registry_free(world->registry);
    free(world);
    return 0;
}

static void request(const struct world *world, enum eye_metric_id metric, const char *route,
                    double seconds, uint64_t count)
{
    const struct eye_tag_value tags[] = {
        {EYE_TAG_SERVICE, "shop"}, {EYE_TAG_PORT, "80"},    {EYE_TAG_METHOD, "GET"},
        {EYE_TAG_ROUTE, route},    {EYE_TAG_STATUS, "200"},
    };
    eye_distribution_add(eye_group_series(world->group, metric, tags, EYE_ARRAY_LENGTH(tags)),
                         seconds, count);
}

static void publish(struct world *world)
{
    world->sequence++;
    eye_registry_close_interval(world->registry, world->sequence, world->sequence * INTERVAL_NS, 0);
    struct eye_snapshot *snapshot = eye_snapshot_take(
        world->registry, world->sequence, world->sequence * INTERVAL_NS, INTERVAL_NS, 1);
    assert_non_null(snapshot);
    snapshot->elapsed_ns = world->sequence * INTERVAL_NS;
    eye_publisher_publish(world->publisher, snapshot);
    eye_snapshot_unref(snapshot);
}

static void assert_text(const json_t *object, const char *key, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), expected);
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void before_the_first_interval(void **state)
{
    struct world *world = *state;
    json_t *answer = eye_requests_json(&world->running);
    assert_non_null(answer);
    assert_true(json_is_null(json_object_get(answer, "ended")));
    assert_int_equal(json_array_size(json_object_get(answer, "requests")), 0);
    json_decref(answer);
}

static void of_the_last_interval_alone(void **state)
{
    struct world *world = *state;
    request(world, EYE_METRIC_HTTP_SERVER_DURATION, "/a", 1, 50);
    request(world, EYE_METRIC_HTTP_SERVER_DURATION, "/quiet", 1, 7);
    publish(world);
    request(world, EYE_METRIC_HTTP_SERVER_DURATION, "/a", 0.25, 6);
    request(world, EYE_METRIC_HTTP_CLIENT_DURATION, "/b", 0.5, 8);
    const struct eye_tag_value tcp[] = {{EYE_TAG_SERVICE, "shop"}};
    eye_distribution_add(eye_group_series(world->group, EYE_METRIC_TCP_RTT, tcp, 1), 1, 99);
    publish(world);
    json_t *answer = eye_requests_json(&world->running);
    const json_t *requests = json_object_get(answer, "requests");
    assert_int_equal(json_array_size(requests), 2);
    assert_text(answer, "ended", "1970-01-01T00:00:04Z");
    assert_true(number_of(answer, "interval_s") == 2);
    const json_t *most = json_array_get(requests, 0);
    assert_text(most, "side", "client");
    assert_text(most, "metric", "http.client.request.duration");
    assert_text(most, "route", "/b");
    const json_t *least = json_array_get(requests, 1);
    assert_text(least, "side", "server");
    assert_text(least, "service", "shop");
    assert_text(least, "port", "80");
    assert_text(least, "method", "GET");
    assert_text(least, "status", "200");
    assert_text(least, "error_type", "");
    assert_true(number_of(least, "count") == 6);
    assert_true(number_of(least, "rate") == 3);
    assert_true(fabs(number_of(least, "p50_s") - 0.25) < 0.004);
    assert_true(fabs(number_of(least, "p99_s") - 0.25) < 0.004);
    json_decref(answer);
}

/* All families in the same three members. */
static void of_every_protocol(void **state)
{
    struct world *world = *state;
    static const struct {
        enum eye_metric_id metric;
        enum eye_tag tags[3];
    } families[] = {
        {EYE_METRIC_HTTP_SERVER_DURATION, {EYE_TAG_METHOD, EYE_TAG_ROUTE, EYE_TAG_STATUS}},
        {EYE_METRIC_RPC_SERVER_DURATION, {EYE_TAG_METHOD, EYE_TAG_COUNT, EYE_TAG_STATUS}},
        {EYE_METRIC_DB_SERVER_DURATION, {EYE_TAG_OPERATION, EYE_TAG_SUMMARY, EYE_TAG_STATUS}},
        {EYE_METRIC_MESSAGING_SERVER_DURATION,
         {EYE_TAG_OPERATION, EYE_TAG_DESTINATION, EYE_TAG_COUNT}},
        {EYE_METRIC_DNS_SERVER_LOOKUP, {EYE_TAG_TYPE, EYE_TAG_COUNT, EYE_TAG_RCODE}},
    };
    static const char *const members[] = {"method", "route", "status"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(families); i++) {
        struct eye_tag_value tags[EYE_ARRAY_LENGTH(members)];
        size_t count = 0;
        for (size_t k = 0; k < EYE_ARRAY_LENGTH(members); k++) {
            if (families[i].tags[k] != EYE_TAG_COUNT) {
                tags[count++] = (struct eye_tag_value){families[i].tags[k], members[k]};
            }
        }
        eye_distribution_add(eye_group_series(world->group, families[i].metric, tags, count), 1, 1);
    }
    publish(world);
    json_t *answer = eye_requests_json(&world->running);
    const json_t *requests = json_object_get(answer, "requests");
    assert_int_equal(json_array_size(requests), EYE_ARRAY_LENGTH(families));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(families); i++) {
        const json_t *request = json_array_get(requests, i);
        assert_text(request, "metric", eye_metric(families[i].metric)->name);
        for (size_t k = 0; k < EYE_ARRAY_LENGTH(members); k++) {
            assert_text(request, members[k],
                        families[i].tags[k] == EYE_TAG_COUNT ? "" : members[k]);
        }
    }
    json_decref(answer);
}

static void no_more_than_fit(void **state)
{
    struct world *world = *state;
    char route[16];
    for (uint64_t i = 0; i < EYE_REQUESTS_MAX + 5; i++) {
        snprintf(route, sizeof(route), "/%u", (unsigned)i);
        request(world, EYE_METRIC_HTTP_SERVER_DURATION, route, 1, i + 1);
    }
    publish(world);
    json_t *answer = eye_requests_json(&world->running);
    const json_t *requests = json_object_get(answer, "requests");
    assert_int_equal(json_array_size(requests), EYE_REQUESTS_MAX);
    assert_true(number_of(answer, "truncated") == 5);
    assert_text(json_array_get(requests, 0), "route", "/1004");
    assert_text(json_array_get(requests, EYE_REQUESTS_MAX - 1), "route", "/5");
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_the_first_interval, setup, teardown),
        cmocka_unit_test_setup_teardown(of_the_last_interval_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(of_every_protocol, setup, teardown),
        cmocka_unit_test_setup_teardown(no_more_than_fit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
