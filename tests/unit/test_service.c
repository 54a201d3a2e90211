/* SPDX-License-Identifier: Apache-2.0 */
/* The line that a service manager shows, and when it is told: a real socket in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/service.h"

struct world {
    struct eye_registry *registry;
    struct eye_group *group;
    struct eye_publisher *publisher;
    struct eye_service service;
    uint64_t sequence;
    int manager;
    char message[4096];
};

static void open_manager(struct world *world)
{
    char name[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(name, sizeof(name), "@eye-service-test-%d", getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    world->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(world->manager, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    const struct eye_limits limits = {
        .series_per_metric = 100, .values_per_tag = 100, .idle_ns = UINT64_MAX};
    world->registry = eye_registry_new(&limits);
    world->group = eye_group_new(world->registry, NULL, 0);
    world->publisher = eye_publisher_new();
    open_manager(world);
    assert_int_equal(eye_notify_open(&world->service.notify, NULL), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    eye_service_leave(&world->service);
    eye_notify_close(&world->service.notify);
    eye_publisher_free(world->publisher);
    eye_registry_free(world->registry);
    close(world->manager);
    free(world);
    return 0;
}

static void set_gauge(struct world *world, enum eye_metric_id metric, enum eye_tag tag,
                      const char *value, double gauge)
{
    const struct eye_tag_value tags[] = {{tag, value}};
    eye_gauge_set(eye_group_series(world->group, metric, tags, 1), gauge);
}

static void publish(struct world *world)
{
    uint64_t sequence = ++world->sequence;
    struct eye_snapshot *snapshot = eye_snapshot_take(world->registry, sequence, sequence, 1, 0);
    eye_publisher_publish(world->publisher, snapshot);
    eye_snapshot_unref(snapshot);
}

/* The next datagram; "" when there is none. */
static const char *receive(struct world *world)
{
    ssize_t length = recv(world->manager, world->message, sizeof(world->message) - 1, MSG_DONTWAIT);
    world->message[length > 0 ? length : 0] = '\0';
    return world->message;
}

static void line__is_told_when_it_is_another(void **state)
{
    struct world *world = *state;
    assert_int_equal(eye_service_join(&world->service, world->publisher), 0);
    publish(world);
    assert_string_equal(receive(world), "STATUS=0 connections active, 0 series\n");
    publish(world);
    assert_string_equal(receive(world), "");
    set_gauge(world, EYE_METRIC_TCP_ACTIVE, EYE_TAG_PORT, "80", 1);
    set_gauge(world, EYE_METRIC_SELF_SERIES, EYE_TAG_METRIC, "tcp.sent.bytes", 40);
    set_gauge(world, EYE_METRIC_SELF_SERIES, EYE_TAG_METRIC, "tcp.rtt", 2);
    publish(world);
    assert_string_equal(receive(world), "STATUS=1 connection active, 42 series\n");
    set_gauge(world, EYE_METRIC_TCP_ACTIVE, EYE_TAG_PORT, "81", 1204);
    publish(world);
    assert_string_equal(receive(world), "STATUS=1205 connections active, 42 series\n");
    assert_int_equal(eye_publisher_delivered(world->publisher), world->sequence);
}

static void line__names_exporters_that_fail(void **state)
{
    struct world *world = *state;
    assert_int_equal(eye_service_join(&world->service, world->publisher), 0);
    set_gauge(world, EYE_METRIC_SELF_FAILING, EYE_TAG_EXPORTER, "graphite", 0);
    set_gauge(world, EYE_METRIC_SELF_FAILING, EYE_TAG_EXPORTER, "otlp", 3);
    set_gauge(world, EYE_METRIC_SELF_FAILING, EYE_TAG_EXPORTER, "statsd", 1);
    publish(world);
    assert_string_equal(receive(world),
                        "STATUS=0 connections active, 0 series; failing: otlp, statsd\n");
    set_gauge(world, EYE_METRIC_SELF_FAILING, EYE_TAG_EXPORTER, "otlp", 0);
    set_gauge(world, EYE_METRIC_SELF_FAILING, EYE_TAG_EXPORTER, "statsd", 0);
    publish(world);
    assert_string_equal(receive(world), "STATUS=0 connections active, 0 series\n");
}

static void line__that_was_not_taken_is_told_again(void **state)
{
    struct world *world = *state;
    unsigned filled = 0;
    assert_int_equal(eye_service_join(&world->service, world->publisher), 0);
    while (eye_notify_watchdog(&world->service.notify) == 0) {
        filled++;
    }
    publish(world);
    for (; filled > 0; filled--) {
        assert_string_equal(receive(world), "WATCHDOG=1\n");
    }
    assert_string_equal(receive(world), "");
    publish(world);
    assert_string_equal(receive(world), "STATUS=0 connections active, 0 series\n");
}

/* So many that fail fill the line, which ends between two of them. */
static void line__has_an_end(void **state)
{
    struct world *world = *state;
    char line[EYE_STATUS_LINE_BYTES];
    char name[64];
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "exporter-with-a-long-name-%02d", i);
        set_gauge(world, EYE_METRIC_SELF_FAILING, EYE_TAG_EXPORTER, name, 1);
    }
    struct eye_snapshot *snapshot = eye_snapshot_take(world->registry, 1, 1, 1, 0);
    eye_status_line(snapshot, line);
    eye_snapshot_unref(snapshot);
    size_t length = strlen(line);
    assert_true(length > EYE_STATUS_LINE_BYTES - 40 && length < EYE_STATUS_LINE_BYTES);
    assert_true(line[length - 1] >= '0' && line[length - 1] <= '9' && line[length - 3] == '-');
}

static void nobody__is_no_reader(void **state)
{
    struct world *world = *state;
    eye_notify_close(&world->service.notify);
    assert_int_equal(eye_service_join(&world->service, world->publisher), 0);
    publish(world);
    assert_null(world->service.subscription.publisher);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(line__is_told_when_it_is_another),
        TEST(line__names_exporters_that_fail),
        TEST(line__that_was_not_taken_is_told_again),
        TEST(line__has_an_end),
        TEST(nobody__is_no_reader),
    };
    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
