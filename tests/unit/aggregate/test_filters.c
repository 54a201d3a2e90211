/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of connections.include and connections.exclude, from records to what is counted. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "config/connection_rules.h"
#include "tests/unit/aggregate/aggregate_world.h"

#define RULES_MAX 4

#define SHOP "service=shop,port=80"
#define CACHE "service=redis,port=80"

struct rules {
    struct eye_filter_rule items[RULES_MAX];
    size_t count;
};

static struct eye_prefix prefix_of(const char *text)
{
    struct eye_prefix prefix;
    assert_int_equal(eye_prefix_parse(text, &prefix), 0);
    return prefix;
}

static struct eye_rule_list list_of(struct rules *rules)
{
    return (struct eye_rule_list){rules->items, rules->count};
}

/* They stay the caller's. */
static void set_rules(struct world *world, struct rules *include, struct rules *exclude)
{
    eye_connection_tables_done(&world->config);
    world->config.connections.include = list_of(include);
    world->config.connections.exclude = list_of(exclude);
    assert_int_equal(eye_connection_tables_init(&world->config), 0);
}

static int teardown(void **state)
{
    eye_connection_tables_done(&((struct world *)*state)->config);
    return world_teardown(state);
}

static struct eye_connection_record short_connection(void)
{
    struct eye_connection_record sample = world_connection();
    sample.kind = EYE_CONNECTION_CLOSED;
    sample.flags = EYE_CONNECTION_OPENED;
    sample.sent_bytes = 5;
    return sample;
}

static char shop[] = "shop";
static char nginx[] = "nginx";
static char any_s[] = "s*p";
static char redis[] = "redis";

/* One record of the shop's: incoming, port 80, from 10.1.2.3. */
static void rules__match_when_all_that_they_say_is_so(void **state)
{
    const struct {
        struct eye_filter_rule rule;
        bool matches;
    } cases[] = {
        {{.port = 80}, true},
        {{.port = 81}, false},
        {{.direction = EYE_FILTER_INCOMING}, true},
        {{.direction = EYE_FILTER_OUTGOING}, false},
        {{.service = shop}, true},
        {{.service = any_s}, true},
        {{.service = nginx}, false},
        {{.process = nginx}, true},
        {{.process = shop}, false},
        {{.address = prefix_of("10.1.2.3")}, true},
        {{.address = prefix_of("10.1.2.4")}, false},
        {{.address = prefix_of("10.0.0.0/8")}, true},
        {{.address = prefix_of("0.0.0.0/0")}, true},
        {{.address = prefix_of("::/0")}, false},
        {{.address = prefix_of("10.0.0.0/8"), .port = 80, .service = shop, .process = nginx}, true},
        {{.address = prefix_of("10.0.0.0/8"), .port = 80, .service = shop, .process = redis},
         false},
        {{.address = prefix_of("11.0.0.0/8"), .port = 80}, false},
        {{.direction = EYE_FILTER_INCOMING, .port = 81}, false},
    };
    struct world *world = *state;
    const struct eye_connection_record sample = short_connection();
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct rules none = {.count = 0};
        struct rules rules = {.items = {cases[i].rule}, .count = 1};
        for (int included = 0; included < 2; included++) {
            set_rules(world, included ? &rules : &none, included ? &none : &rules);
            world_begin(world);
            eye_aggregate_connection(world->aggregate, &sample);
            bool counted = cases[i].matches == (bool)included;
            assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), counted);
            assert_int_equal(world_total(world, EYE_METRIC_TCP_SENT_BYTES), counted ? 5 : 0);
            assert_int_equal(eye_aggregate_filtered(world->aggregate).sockets, !counted);
        }
    }
}

static void exclude__has_the_last_word(void **state)
{
    struct world *world = *state;
    struct rules include = {.items = {{.service = shop}}, .count = 1};
    struct rules exclude = {.items = {{.port = 81}}, .count = 1};
    struct eye_connection_record sample = short_connection();
    set_rules(world, &include, &exclude);
    world_begin(world);
    eye_aggregate_connection(world->aggregate, &sample);
    sample.port = 81;
    eye_aggregate_connection(world->aggregate, &sample);
    sample.owner = WORLD_CACHE;
    sample.port = 80;
    eye_aggregate_connection(world->aggregate, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 1);
    assert_int_equal(eye_aggregate_filtered(world->aggregate).sockets, 2);
}

/* What is remembered of one address must not decide for another. */
static void addresses__are_told_apart_without_a_tag(void **state)
{
    struct world *world = *state;
    struct rules none = {.count = 0};
    struct rules exclude = {
        .items = {{.address = prefix_of("10.0.0.0/8")},
                  {.address = prefix_of("10.1.2.0/30"), .port = 80},
                  {.address = prefix_of("2001:db8::/32")}},
        .count = 3,
    };
    static const struct {
        const char *address;
        bool counted;
    } cases[] = {
        {"10.1.2.3", false}, {"11.0.0.1", true},  {"10.9.9.9", false},
        {"11.0.0.2", true},  {"10.1.2.3", false}, {"9.255.255.255", true},
    };
    struct eye_connection_record sample = short_connection();
    set_rules(world, &none, &exclude);
    world_begin(world);
    uint64_t counted = 0;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        inet_pton(AF_INET, cases[i].address, sample.remote + 12);
        eye_aggregate_connection(world->aggregate, &sample);
        counted += cases[i].counted;
        assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), counted);
    }
    assert_int_equal(eye_registry_count(world->registry, EYE_METRIC_TCP_OPENED), 1);
}

/* A rule means the number, also where that is no name. */
static void ports__are_told_apart_where_they_are_no_names(void **state)
{
    struct world *world = *state;
    struct rules none = {.count = 0};
    struct rules exclude = {.items = {{.port = 40001}}, .count = 1};
    struct eye_connection_record sample = short_connection();
    sample.direction = EYE_OUTGOING;
    set_rules(world, &none, &exclude);
    world_begin(world);
    for (unsigned i = 0; i < 8; i++) {
        sample.port = (uint16_t)(40000 + i % 4);
        eye_aggregate_connection(world->aggregate, &sample);
    }
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 6);
    assert_non_null(world_series(world, EYE_METRIC_TCP_OPENED, "service=shop,port=ephemeral"));
    assert_int_equal(eye_aggregate_filtered(world->aggregate).sockets, 2);
}

static void datagrams__have_the_same_rules(void **state)
{
    struct world *world = *state;
    struct rules none = {.count = 0};
    struct rules exclude = {.items = {{.address = prefix_of("10.1.2.0/24")}}, .count = 1};
    struct eye_datagram_record sample = {
        .owner = WORLD_SHOP,
        .port = 53,
        .direction = EYE_OUTGOING,
        .family = EYE_IPV4,
        .sent = 3,
        .sent_bytes = 30,
        .dropped_buffer = 1,
        .remote = {[10] = 0xff, 0xff, 10, 1, 2, 3},
    };
    set_rules(world, &none, &exclude);
    world_begin(world);
    eye_aggregate_datagrams(world->aggregate, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_UDP_SENT), 0);
    assert_int_equal(world_total(world, EYE_METRIC_UDP_DROPPED), 0);
    sample.remote[14] = 3;
    eye_aggregate_datagrams(world->aggregate, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_UDP_SENT), 3);
    assert_int_equal(eye_aggregate_filtered(world->aggregate).sockets, 1);
}

static void give(struct world *world, uint8_t flags, uint64_t previous, uint64_t owner)
{
    struct eye_connection_record sample = world_connection();
    sample.pass = 1;
    sample.flags = flags;
    sample.owner = owner;
    sample.previous_owner = previous;
    eye_aggregate_connection(world->aggregate, &sample);
}

static double active(const struct world *world, const char *tags)
{
    const struct eye_series *series = world_series(world, EYE_METRIC_TCP_ACTIVE, tags);
    return series == NULL ? 0 : series->gauge;
}

/* Who is excluded neither enters nor leaves, and nobody has to doubt the rest. */
static void excluded__are_never_active(void **state)
{
    struct world *world = *state;
    struct rules none = {.count = 0};
    struct rules exclude = {.items = {{.service = redis}}, .count = 1};
    set_rules(world, &none, &exclude);
    world_begin(world);
    eye_aggregate_begin_pass(world->aggregate, 1);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    give(world, EYE_CONNECTION_ENTERS, 0, WORLD_CACHE);
    give(world, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    assert_null(world_series(world, EYE_METRIC_TCP_ACTIVE, CACHE));
    assert_true(active(world, SHOP) == 2);
    give(world, EYE_CONNECTION_MOVES, WORLD_SHOP, WORLD_CACHE);
    assert_true(active(world, SHOP) == 1);
    give(world, EYE_CONNECTION_MOVES, WORLD_CACHE, WORLD_SHOP);
    assert_true(active(world, SHOP) == 2);
    give(world, EYE_CONNECTION_LEAVES, WORLD_CACHE, WORLD_CACHE);
    give(world, EYE_CONNECTION_LEAVES, WORLD_SHOP, WORLD_SHOP);
    assert_true(active(world, SHOP) == 1);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts);
}

/* Other rules: what is active is counted afresh. The same ones: it is not. */
static void reconfigured__rules_need_a_pass(void **state)
{
    struct world *world = *state;
    struct rules none = {.count = 0};
    struct rules exclude = {.items = {{.service = redis}}, .count = 1};
    struct rules others = {.items = {{.service = redis, .port = 80}}, .count = 1};
    struct eye_connection_record sample = short_connection();
    sample.owner = WORLD_CACHE;
    set_rules(world, &none, &exclude);
    world_begin(world);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    struct eye_config same = world->config;
    eye_aggregate_reconfigure(world->aggregate, &same);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts);
    struct eye_config other = world->config;
    other.connections.exclude = list_of(&others);
    eye_aggregate_reconfigure(world->aggregate, &other);
    assert_true(eye_aggregate_doubts(world->aggregate) > doubts);
    sample.port = 81;
    eye_aggregate_connection(world->aggregate, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 1);
    eye_aggregate_reconfigure(world->aggregate, &same);
    eye_aggregate_connection(world->aggregate, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 1);
}

/* ---- what parsers lost stands for requests: nobody knows their address ---- */

static void lose(struct world *world, uint64_t owner, uint16_t port, bool client)
{
    const struct eye_loss_sample sample = {
        .amount = 7, .owner = owner, .port = port, .client = client, .reason = "gap"};
    eye_aggregate_loss(world->aggregate, &sample);
}

static void requests__pass_over_addresses(void **state)
{
    const struct {
        struct eye_filter_rule rule;
        bool included;
        bool counted;
    } cases[] = {
        {{.address = prefix_of("10.0.0.0/8")}, false, true},
        {{.address = prefix_of("10.0.0.0/8"), .port = 80}, false, true},
        {{.address = prefix_of("10.0.0.0/8")}, true, true},
        {{.address = prefix_of("10.0.0.0/8"), .port = 80}, true, true},
        {{.address = prefix_of("10.0.0.0/8"), .port = 81}, true, false},
        {{.port = 80}, false, false},
        {{.port = 81}, false, true},
        {{.service = shop, .direction = EYE_FILTER_INCOMING}, false, false},
        {{.service = shop, .direction = EYE_FILTER_OUTGOING}, false, true},
        {{.process = nginx}, true, true},
    };
    struct world *world = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct rules none = {.count = 0};
        struct rules rules = {.items = {cases[i].rule}, .count = 1};
        bool included = cases[i].included;
        set_rules(world, included ? &rules : &none, included ? &none : &rules);
        world_begin(world);
        lose(world, WORLD_SHOP, 80, false);
        assert_int_equal(world_total(world, EYE_METRIC_USM_LOST), cases[i].counted ? 7 : 0);
        assert_int_equal(eye_aggregate_filtered(world->aggregate).requests, !cases[i].counted);
    }
}

static void names__are_those_of_the_hosts_file(void **state)
{
    struct world *world = *state;
    struct eye_connection_record sample = short_connection();
    world->config.connections.remote = EYE_REMOTE_NAME;
    fake_root_write(&world->root, "etc/hosts", "10.1.2.3 db.example\n");
    eye_reverse_refresh(world->names, 1);
    world_begin(world);
    eye_aggregate_connection(world->aggregate, &sample);
    sample.remote[15] = 4;
    eye_aggregate_connection(world->aggregate, &sample);
    assert_non_null(world_series(world, EYE_METRIC_TCP_OPENED, SHOP ",remote=db.example"));
    assert_non_null(world_series(world, EYE_METRIC_TCP_OPENED, SHOP ",remote=private"));
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    fake_root_write(&world->root, "etc/hosts", "10.1.2.4 db.example\n10.1.2.3 web\n");
    eye_reverse_refresh(world->names, 2);
    assert_true(eye_aggregate_doubts(world->aggregate) > doubts);
    eye_aggregate_connection(world->aggregate, &sample);
    assert_int_equal(world_series(world, EYE_METRIC_TCP_OPENED, SHOP ",remote=db.example")->counter,
                     2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules__match_when_all_that_they_say_is_so),
        TEST(exclude__has_the_last_word),
        TEST(addresses__are_told_apart_without_a_tag),
        TEST(ports__are_told_apart_where_they_are_no_names),
        TEST(datagrams__have_the_same_rules),
        TEST(excluded__are_never_active),
        TEST(reconfigured__rules_need_a_pass),
        TEST(requests__pass_over_addresses),
        TEST(names__are_those_of_the_hosts_file),
    };
    return cmocka_run_group_tests_name("filters", tests, NULL, NULL);
}
