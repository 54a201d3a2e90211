/* SPDX-License-Identifier: Apache-2.0 */
/* Connection samples through the real registry: which metrics move, under which tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/unit/aggregate/aggregate_world.h"

#define SHOP "service=shop,port=80"

/* More than the aggregate remembers. */
#define MANY_REMOTES 40000

static struct world *begin(void **state)
{
    world_begin(*state);
    return *state;
}

static void give(struct world *world, const struct eye_connection_record *sample)
{
    eye_aggregate_connection(world->aggregate, sample);
}

static uint64_t counter(const struct world *world, enum eye_metric_id metric, const char *tags)
{
    const struct eye_series *series = world_series(world, metric, tags);
    return series == NULL ? 0 : series->counter;
}

static void free__takes_null(void **state)
{
    (void)state;
    eye_aggregate_free(NULL);
}

static void quiet_sample__makes_no_series(void **state)
{
    struct world *world = begin(state);
    const struct eye_connection_record sample = world_connection();
    give(world, &sample);
    for (size_t i = 0; i < EYE_METRIC_COUNT; i++) {
        assert_int_equal(eye_registry_count(world->registry, (enum eye_metric_id)i), 0);
    }
}

static void live_sample__adds_what_moved(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.sent_bytes = 1000;
    sample.received_bytes = 200;
    sample.sent_segments = 3;
    sample.received_segments = 4;
    sample.retransmits = 1;
    sample.rtt_us = 250;
    give(world, &sample);
    give(world, &sample);
    static const struct {
        enum eye_metric_id metric;
        uint64_t value;
    } expected[] = {
        {EYE_METRIC_TCP_SENT_BYTES, 2000}, {EYE_METRIC_TCP_RECEIVED_BYTES, 400},
        {EYE_METRIC_TCP_SENT_SEGMENTS, 6}, {EYE_METRIC_TCP_RECEIVED_SEGMENTS, 8},
        {EYE_METRIC_TCP_RETRANSMITS, 2},   {EYE_METRIC_TCP_RTT, 2},
        {EYE_METRIC_TCP_OPENED, 0},        {EYE_METRIC_TCP_CLOSED, 0},
        {EYE_METRIC_TCP_FAILED, 0},        {EYE_METRIC_TCP_CONNECT, 0},
        {EYE_METRIC_TCP_LIFETIME, 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(expected); i++) {
        assert_int_equal(world_total(world, expected[i].metric), expected[i].value);
    }
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, SHOP), 2000);
    double rtt_sum = world_series(world, EYE_METRIC_TCP_RTT, SHOP)->distribution.sum;
    assert_true(rtt_sum > 0.000499 && rtt_sum < 0.000501);
}

static void opened_sample__counts_once_and_times_the_connect(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.flags = EYE_CONNECTION_OPENED;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_OPENED, SHOP), 1);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_CONNECT), 0);
    sample.connect_us = 1500;
    sample.direction = EYE_OUTGOING;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_OPENED, SHOP), 2);
    assert_true(world_series(world, EYE_METRIC_TCP_CONNECT, SHOP)->distribution.sum == 0.0015);
    sample.flags = 0;
    give(world, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 2);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_CONNECT), 1);
}

static void closed_sample__counts_and_times_the_life(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.kind = EYE_CONNECTION_CLOSED;
    sample.lifetime_ns = 2500000000;
    sample.sent_bytes = 10;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_CLOSED, SHOP), 1);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, SHOP), 10);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_FAILED), 0);
    assert_true(world_series(world, EYE_METRIC_TCP_LIFETIME, SHOP)->distribution.sum == 2.5);
}

static void unrecognised_connection__is_counted_for_its_service(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.kind = EYE_CONNECTION_CLOSED;
    give(world, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_USM_UNRECOGNISED), 0);
    sample.flags = EYE_CONNECTION_UNRECOGNISED;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_USM_UNRECOGNISED, SHOP), 1);
}

/* Shorter than an interval: opened and closed in one record. */
static void short_connection__is_opened_and_closed(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.kind = EYE_CONNECTION_CLOSED;
    sample.flags = EYE_CONNECTION_OPENED;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_OPENED, SHOP), 1);
    assert_int_equal(counter(world, EYE_METRIC_TCP_CLOSED, SHOP), 1);
}

static void failed_sample__counts_its_reason(void **state)
{
    static const char *const tags[] = {
        [EYE_FAILURE_REFUSED] = SHOP ",reason=refused",
        [EYE_FAILURE_TIMEOUT] = SHOP ",reason=timeout",
        [EYE_FAILURE_RESET] = SHOP ",reason=reset",
        [EYE_FAILURE_UNREACHABLE] = SHOP ",reason=unreachable",
        [EYE_FAILURE_CANCELLED] = SHOP ",reason=cancelled",
        [EYE_FAILURE_OTHER] = SHOP ",reason=other",
        [EYE_FAILURE_LOCAL] = SHOP ",reason=local",
    };
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.kind = EYE_CONNECTION_FAILED;
    for (unsigned failure = 1; failure < EYE_FAILURE_COUNT; failure++) {
        sample.failure = (uint8_t)failure;
        for (unsigned i = 0; i < failure; i++) {
            give(world, &sample);
        }
        assert_int_equal(counter(world, EYE_METRIC_TCP_FAILED, tags[failure]), failure);
    }
    assert_int_equal(world_total(world, EYE_METRIC_TCP_CLOSED), 0);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 0);
}

/* An established connection that a reset ended is closed and failed. */
static void reset_connection__is_closed_and_failed(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.kind = EYE_CONNECTION_CLOSED;
    sample.failure = EYE_FAILURE_RESET;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_CLOSED, SHOP), 1);
    assert_int_equal(counter(world, EYE_METRIC_TCP_FAILED, SHOP ",reason=reset"), 1);
}

static void tags__are_those_of_the_configuration(void **state)
{
    static const struct {
        uint32_t tags;
        enum eye_remote remote;
        const char *expected;
    } cases[] = {
        {0, EYE_REMOTE_NONE, ""},
        {1U << EYE_CONNECTION_TAG_DIRECTION, EYE_REMOTE_NONE, "direction=incoming"},
        {1U << EYE_CONNECTION_TAG_SERVICE, EYE_REMOTE_NONE, "service=shop"},
        {1U << EYE_CONNECTION_TAG_PORT, EYE_REMOTE_NONE, "port=80"},
        {1U << EYE_CONNECTION_TAG_FAMILY, EYE_REMOTE_NONE, "family=ipv4"},
        {1U << EYE_CONNECTION_TAG_PROCESS, EYE_REMOTE_NONE, "process=nginx"},
        {1U << EYE_CONNECTION_TAG_CONTAINER, EYE_REMOTE_NONE, "container=" WORLD_CONTAINER},
        {1U << EYE_CONNECTION_TAG_POD, EYE_REMOTE_NONE, "pod=" WORLD_POD},
        {1U << EYE_CONNECTION_TAG_NAMESPACE, EYE_REMOTE_NONE, "namespace=" WORLD_NAMESPACE},
        {1U << EYE_CONNECTION_TAG_NETNS, EYE_REMOTE_NONE, "netns=4026531840"},
        {1U << EYE_CONNECTION_TAG_NAT, EYE_REMOTE_NONE, "nat=none"},
        {1U << EYE_CONNECTION_TAG_PROTOCOL, EYE_REMOTE_NONE, "protocol=http"},
        {0, EYE_REMOTE_ZONE, "remote=private"},
        {0, EYE_REMOTE_IP, "remote=10.1.2.3"},
        {UINT32_MAX, EYE_REMOTE_IP,
         "direction=incoming,service=shop,port=80,family=ipv4,process=nginx,"
         "container=" WORLD_CONTAINER ",pod=" WORLD_POD ",namespace=" WORLD_NAMESPACE
         ",remote=10.1.2.3,protocol=http,netns=4026531840,nat=none"},
    };
    struct world *world = *state;
    struct eye_connection_record sample = world_connection();
    sample.sent_bytes = 5;
    sample.protocol = EYE_PROTOCOL_HTTP;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        world->config.connections.tags = cases[i].tags;
        world->config.connections.remote = (int)cases[i].remote;
        world_begin(world);
        give(world, &sample);
        assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, cases[i].expected), 5);
    }
}

/* Every word that the tag may have; what is not known has none. */
static void protocol__is_called_as_its_table_says(void **state)
{
    static const char *const names[] = {
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = "protocol=" #name,
        EYE_PROTOCOLS(X)
#undef X
#define X(identifier, name) [EYE_CLASS_##identifier] = "protocol=" #name,
            EYE_CLASSES(X)
#undef X
    };
    struct world *world = *state;
    struct eye_connection_record sample = world_connection();
    world->config.connections.tags = 1U << EYE_CONNECTION_TAG_PROTOCOL;
    sample.sent_bytes = 5;
    world_begin(world);
    for (unsigned int i = 0; i <= EYE_SPOKEN_COUNT; i++) {
        sample.protocol = (uint8_t)i;
        give(world, &sample);
        bool known = i != EYE_PROTOCOL_UNKNOWN && i < EYE_SPOKEN_COUNT;
        assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, known ? names[i] : ""),
                         i == EYE_SPOKEN_COUNT ? 10 : 5);
    }
}

static void tags__tell_the_other_values(void **state)
{
    struct world *world = *state;
    world->config.connections.tags = UINT32_MAX;
    world_begin(world);
    struct eye_connection_record sample = world_connection();
    sample.sent_bytes = 5;
    sample.owner = WORLD_CACHE;
    sample.direction = EYE_OUTGOING;
    sample.family = EYE_IPV6;
    sample.port = 65535;
    sample.netns = 7;
    sample.nat = EYE_NAT_UNKNOWN;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES,
                             "direction=outgoing,service=redis,port=65535,family=ipv6,"
                             "process=redis,netns=7"),
                     5);
}

static void owners__may_be_gone_or_the_kernel(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.sent_bytes = 5;
    sample.owner = EYE_OWNER_KERNEL;
    give(world, &sample);
    sample.owner = WORLD_GONE;
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, "service=kernel,port=80"), 5);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, "service=unknown,port=80"), 5);
}

/* What is no tag must not split series. */
static void samples__that_differ_in_no_tag_share_a_series(void **state)
{
    struct world *world = begin(state);
    for (unsigned i = 0; i < 100; i++) {
        struct eye_connection_record sample = world_connection();
        sample.sent_bytes = 1;
        sample.netns += i % 3;
        sample.remote[15] = (uint8_t)i;
        sample.direction = i % 2 == 0 ? EYE_INCOMING : EYE_OUTGOING;
        give(world, &sample);
    }
    assert_int_equal(eye_registry_count(world->registry, EYE_METRIC_TCP_SENT_BYTES), 1);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, SHOP), 100);
}

static void remotes__beyond_the_memory_are_counted_all_the_same(void **state)
{
    struct world *world = *state;
    world->config.connections.remote = EYE_REMOTE_IP;
    world_begin(world);
    for (unsigned i = 0; i < MANY_REMOTES; i++) {
        struct eye_connection_record sample = world_connection();
        sample.sent_bytes = 1;
        sample.failure = EYE_FAILURE_RESET;
        memcpy(sample.remote + 12, &i, sizeof(i));
        give(world, &sample);
        give(world, &sample);
    }
    assert_int_equal(eye_registry_count(world->registry, EYE_METRIC_TCP_SENT_BYTES), MANY_REMOTES);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_SENT_BYTES), UINT64_C(2) * MANY_REMOTES);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_FAILED), UINT64_C(2) * MANY_REMOTES);
}

/* The remembered pointers must go with the series. */
static void removed_series__are_made_anew(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.sent_bytes = 5;
    sample.failure = EYE_FAILURE_RESET;
    for (int i = 0; i < 3; i++) {
        give(world, &sample);
        eye_series_remove(world->registry, world_series(world, EYE_METRIC_TCP_SENT_BYTES, SHOP));
        eye_series_remove(world->registry,
                          world_series(world, EYE_METRIC_TCP_FAILED, SHOP ",reason=reset"));
    }
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, SHOP), 5);
    assert_int_equal(counter(world, EYE_METRIC_TCP_FAILED, SHOP ",reason=reset"), 1);
}

static void reused_pid__gets_the_new_service(void **state)
{
    struct world *world = begin(state);
    struct eye_connection_record sample = world_connection();
    sample.sent_bytes = 5;
    give(world, &sample);
    fake_proc_start(&world->proc, WORLD_SHOP_PID, 5000);
    fake_proc_set_executable(&world->proc, WORLD_SHOP_PID, "/bin/successor");
    fake_proc_write_text(&world->proc, WORLD_SHOP_PID, "environ", "");
    fake_proc_write_text(&world->proc, WORLD_SHOP_PID, "cgroup", "");
    give(world, &sample);
    sample.owner = eye_owner_key(WORLD_SHOP_PID, 5000 * WORLD_TICK_NS, 1);
    give(world, &sample);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, SHOP), 10);
    assert_int_equal(counter(world, EYE_METRIC_TCP_SENT_BYTES, "service=successor,port=80"), 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free__takes_null),
        TEST(quiet_sample__makes_no_series),
        TEST(live_sample__adds_what_moved),
        TEST(opened_sample__counts_once_and_times_the_connect),
        TEST(closed_sample__counts_and_times_the_life),
        TEST(unrecognised_connection__is_counted_for_its_service),
        TEST(short_connection__is_opened_and_closed),
        TEST(failed_sample__counts_its_reason),
        TEST(reset_connection__is_closed_and_failed),
        TEST(tags__are_those_of_the_configuration),
        TEST(protocol__is_called_as_its_table_says),
        TEST(tags__tell_the_other_values),
        TEST(owners__may_be_gone_or_the_kernel),
        TEST(samples__that_differ_in_no_tag_share_a_series),
        TEST(remotes__beyond_the_memory_are_counted_all_the_same),
        TEST(removed_series__are_made_anew),
        TEST(reused_pid__gets_the_new_service),
    };
    return cmocka_run_group_tests_name("aggregate_connections", tests, NULL, NULL);
}
