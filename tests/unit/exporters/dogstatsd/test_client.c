/* SPDX-License-Identifier: Apache-2.0 */
/* What the client tells about itself gets through once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/dogstatsd/client.h"

#define TAGS "|#env:prod,client:sockeye,client_version:" EYE_VERSION ",client_transport:uds"

struct fixture {
    struct eye_dd_client client;
    struct eye_labels labels;
    struct eye_text text;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    eye_text_init(&fixture->labels.tags, 100);
    eye_text_append(&fixture->labels.tags, "|#env:prod");
    eye_text_init(&fixture->labels.fields, 100);
    eye_text_append(&fixture->labels.fields, "|card:low\n");
    eye_text_init(&fixture->text, 4096);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_labels_done(&fixture->labels);
    eye_text_done(&fixture->text);
    free(fixture);
    return 0;
}

static void assert_writes(struct fixture *fixture, enum eye_dd_client_count which,
                          const char *expected)
{
    eye_text_clear(&fixture->text);
    eye_dd_client_write(&fixture->client, which, &fixture->labels, "uds", &fixture->text);
    assert_string_equal(eye_text_string(&fixture->text), expected);
}

static void client__says_what_is_new(void **state)
{
    struct fixture *fixture = *state;
    assert_writes(fixture, EYE_DD_CLIENT_METRICS, "");
    eye_dd_client_count_points(&fixture->client, EYE_GAUGE, 5);
    assert_writes(fixture, EYE_DD_CLIENT_METRICS,
                  "datadog.dogstatsd.client.metrics:5|c" TAGS "|card:low\n");
    assert_writes(fixture, EYE_DD_CLIENT_GAUGES,
                  "datadog.dogstatsd.client.metrics_by_type:5|c" TAGS
                  ",metrics_type:gauge|card:low\n");
    assert_writes(fixture, EYE_DD_CLIENT_COUNTERS, "");
}

static void client__says_again_what_got_lost(void **state)
{
    struct fixture *fixture = *state;
    const char *one = "datadog.dogstatsd.client.packets_sent:1|c" TAGS "|card:low\n";
    const char *two = "datadog.dogstatsd.client.packets_sent:2|c" TAGS "|card:low\n";
    eye_dd_client_count_packet(&fixture->client, 100, true);
    assert_writes(fixture, EYE_DD_CLIENT_PACKETS_SENT, one);
    eye_dd_client_retract(&fixture->client);
    eye_dd_client_count_packet(&fixture->client, 100, true);
    assert_writes(fixture, EYE_DD_CLIENT_PACKETS_SENT, two);
    eye_dd_client_count_packet(&fixture->client, 100, true); /* the one that carries the line */
    eye_dd_client_report(&fixture->client);
    assert_writes(fixture, EYE_DD_CLIENT_PACKETS_SENT, one);
}

static void client__counts_packets(void **state)
{
    struct fixture *fixture = *state;
    eye_dd_client_count_packet(&fixture->client, 100, true);
    eye_dd_client_count_packet(&fixture->client, 30, false);
    const uint64_t *counted = fixture->client.counted;
    assert_int_equal(counted[EYE_DD_CLIENT_PACKETS_SENT], 1);
    assert_int_equal(counted[EYE_DD_CLIENT_BYTES_SENT], 100);
    assert_int_equal(counted[EYE_DD_CLIENT_PACKETS_DROPPED], 1);
    assert_int_equal(counted[EYE_DD_CLIENT_PACKETS_DROPPED_WRITER], 1);
    assert_int_equal(counted[EYE_DD_CLIENT_BYTES_DROPPED], 30);
    assert_int_equal(counted[EYE_DD_CLIENT_BYTES_DROPPED_WRITER], 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(client__says_what_is_new),
        TEST(client__says_again_what_got_lost),
        TEST(client__counts_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
