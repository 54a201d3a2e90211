/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp.connections.active: each flag alone, and a model of the kernel side (struct eye_socket in
 * bpf/tracer/tcp.bpf.h) that opens, hands over, closes and loses sockets at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/random.h"
#include "tests/unit/aggregate/aggregate_world.h"

#define SOCKETS 50

static const char *const names[] = {"service=shop,port=80", "service=redis,port=80"};

static double active(const struct world *world, size_t owner)
{
    const struct eye_series *series = world_series(world, EYE_METRIC_TCP_ACTIVE, names[owner]);
    return series == NULL ? 0 : series->gauge;
}

static void assert_active(const struct world *world, double shop, double redis)
{
    assert_true(active(world, 0) == shop);
    assert_true(active(world, 1) == redis);
}

static void give(struct world *world, uint32_t pass, unsigned flags, uint64_t previous_owner,
                 uint64_t owner)
{
    struct eye_connection_record sample = world_connection();
    sample.pass = pass;
    sample.flags = (uint8_t)flags;
    sample.previous_owner = previous_owner;
    sample.owner = owner;
    eye_aggregate_connection(world->aggregate, &sample);
}

static struct world *begin(void **state, uint32_t pass)
{
    world_begin(*state);
    struct world *world = *state;
    eye_aggregate_begin_pass(world->aggregate, pass);
    return world;
}

static void enters__adds_one_to_the_owner(void **state)
{
    struct world *world = begin(state, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_ENTERS | EYE_CONNECTION_OPENED, 0, WORLD_SHOP);
    assert_active(world, 2, 0);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 1);
}

static void moves__takes_from_one_and_gives_to_the_other(void **state)
{
    struct world *world = begin(state, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_MOVES, WORLD_SHOP, WORLD_CACHE);
    assert_active(world, 1, 1);
}

/* A connection that is recognised, or turns into something else. */
static void moves__from_one_protocol_to_the_other(void **state)
{
    struct world *world = *state;
    world->config.connections.tags = 1U << EYE_CONNECTION_TAG_PROTOCOL;
    begin(state, 1);
    struct eye_connection_record sample = world_connection();
    static const uint8_t spoken[] = {EYE_PROTOCOL_UNKNOWN, EYE_PROTOCOL_HTTP, EYE_CLASS_TLS};
    sample.pass = 1;
    sample.previous_owner = sample.owner;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(spoken); i++) {
        sample.flags = i == 0 ? EYE_CONNECTION_ENTERS : EYE_CONNECTION_MOVES;
        sample.previous_protocol = i == 0 ? EYE_PROTOCOL_UNKNOWN : spoken[i - 1];
        sample.protocol = spoken[i];
        eye_aggregate_connection(world->aggregate, &sample);
        const struct eye_series *series =
            eye_registry_first(world->registry, EYE_METRIC_TCP_ACTIVE);
        for (; series != NULL; series = series->next) {
            bool is_it =
                i == 0 ? series->tags->count == 0
                       : series->tags->count == 1 &&
                             strcmp(series->tags->tags[0].value, eye_spoken_name(spoken[i])) == 0;
            assert_true(series->gauge == (is_it ? 1 : 0));
        }
    }
    assert_int_equal(eye_aggregate_doubts(world->aggregate), 0);
}

/* The socket was counted under the process that had it then. */
static void leaves__takes_from_the_previous_owner(void **state)
{
    struct world *world = begin(state, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_CACHE);
    give(world, 1, EYE_CONNECTION_LEAVES, WORLD_SHOP, WORLD_CACHE);
    assert_active(world, 0, 1);
}

static void no_flag__leaves_active_alone(void **state)
{
    struct world *world = begin(state, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_OPENED, WORLD_CACHE, WORLD_SHOP);
    give(world, 1, 0, WORLD_CACHE, WORLD_SHOP);
    assert_active(world, 1, 0);
}

static void records_of_other_passes__do_not_change_active(void **state)
{
    static const unsigned flags[] = {EYE_CONNECTION_ENTERS, EYE_CONNECTION_MOVES,
                                     EYE_CONNECTION_LEAVES};
    struct world *world = begin(state, 5);
    give(world, 5, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(flags); i++) {
        give(world, 4, flags[i], WORLD_SHOP, WORLD_CACHE);
        give(world, 6, flags[i], WORLD_SHOP, WORLD_CACHE);
        assert_active(world, 1, 0);
    }
}

/* All else that they tell counts. */
static void records_of_other_passes__count_otherwise(void **state)
{
    struct world *world = begin(state, 5);
    struct eye_connection_record sample = world_connection();
    sample.pass = 4;
    sample.kind = EYE_CONNECTION_CLOSED;
    sample.flags = EYE_CONNECTION_OPENED | EYE_CONNECTION_LEAVES;
    sample.sent_bytes = 9;
    eye_aggregate_connection(world->aggregate, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 1);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_CLOSED), 1);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_SENT_BYTES), 9);
    assert_null(eye_registry_first(world->registry, EYE_METRIC_TCP_ACTIVE));
}

static void begin_pass__starts_from_zero(void **state)
{
    struct world *world = begin(state, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_CACHE);
    eye_aggregate_begin_pass(world->aggregate, 2);
    assert_active(world, 0, 0);
    give(world, 2, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    assert_active(world, 1, 0);
}

static void begin_pass__forgets_programs_that_are_gone(void **state)
{
    struct world *world = begin(state, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_CACHE);
    fake_proc_end(&world->proc, WORLD_CACHE_PID);
    size_t count = eye_processes_count(world->processes);
    for (uint32_t pass = 2; pass <= 2 + EYE_PROCESS_KEEP_PASSES; pass++) {
        assert_int_equal(eye_processes_count(world->processes), count);
        eye_aggregate_begin_pass(world->aggregate, pass);
        give(world, pass, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    }
    assert_true(eye_processes_knows(world->processes, WORLD_SHOP));
    assert_false(eye_processes_knows(world->processes, WORLD_CACHE));
}

/* What cannot be taken back says so, and the gauge stays what it can be. */
static void leaves__never_goes_below_zero(void **state)
{
    struct world *world = begin(state, 1);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_CACHE);
    give(world, 1, EYE_CONNECTION_LEAVES, WORLD_CACHE, WORLD_CACHE);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts);
    give(world, 1, EYE_CONNECTION_LEAVES, WORLD_CACHE, WORLD_CACHE);
    assert_active(world, 0, 0);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts + 1);
}

/* Another one's count must not pay for it. */
static void leaves__takes_nothing_from_unknown_for_the_forgotten(void **state)
{
    struct world *world = begin(state, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, EYE_OWNER_UNKNOWN);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    give(world, 1, EYE_CONNECTION_LEAVES, WORLD_GONE, WORLD_CACHE);
    const struct eye_series *unknown =
        world_series(world, EYE_METRIC_TCP_ACTIVE, "service=unknown,port=80");
    assert_true(unknown->gauge == 1);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts + 1);
}

/* A name that was given is another one by now: what was counted under it is in doubt. */
static void renamed_owner__is_in_doubt(void **state)
{
    struct world *world = begin(state, 1);
    const struct eye_owner_record record = {.owner = WORLD_GONE, .executable = "late"};
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_GONE);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    eye_processes_take(world->processes, &record, sizeof(record));
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts + 1);
    eye_aggregate_begin_pass(world->aggregate, 2);
    give(world, 2, EYE_CONNECTION_ENTERS, 0, WORLD_GONE);
    assert_true(world_series(world, EYE_METRIC_TCP_ACTIVE, "service=unknown,port=80")->gauge == 0);
    assert_true(world_series(world, EYE_METRIC_TCP_ACTIVE, "service=late,port=80")->gauge == 1);
}

/* Connections have other names now: what was counted under the old ones is in doubt, and no record
 * in between takes it from anybody else. */
static void reconfigure__counts_afresh_under_new_names(void **state)
{
    struct world *world = begin(state, 1);
    struct eye_config other = world->config;
    other.connections.tags = 1U << EYE_CONNECTION_TAG_SERVICE;
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    eye_aggregate_reconfigure(world->aggregate, &other);
    assert_true(eye_aggregate_doubts(world->aggregate) > doubts);
    give(world, 1, EYE_CONNECTION_LEAVES, WORLD_SHOP, WORLD_SHOP);
    eye_aggregate_begin_pass(world->aggregate, 2);
    give(world, 2, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    assert_active(world, 0, 0);
    assert_true(world_series(world, EYE_METRIC_TCP_ACTIVE, "service=shop")->gauge == 1);
    doubts = eye_aggregate_doubts(world->aggregate);
    give(world, 2, EYE_CONNECTION_LEAVES, WORLD_SHOP, WORLD_SHOP);
    assert_true(world_series(world, EYE_METRIC_TCP_ACTIVE, "service=shop")->gauge == 0);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts);
    eye_aggregate_reconfigure(world->aggregate, &world->config);
}

/* Of the same names nothing is in doubt. */
static void reconfigure__without_new_names_doubts_nothing(void **state)
{
    struct world *world = begin(state, 1);
    struct eye_config other = world->config;
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    eye_aggregate_reconfigure(world->aggregate, &other);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts);
    give(world, 1, EYE_CONNECTION_LEAVES, WORLD_SHOP, WORLD_SHOP);
    assert_active(world, 0, 0);
    other.connections.remote = EYE_REMOTE_IP;
    eye_aggregate_reconfigure(world->aggregate, &world->config);
    assert_true(eye_aggregate_doubts(world->aggregate) > doubts);
}

/* ---- the kernel side as a model ---- */

#define OWNERS 2

static uint64_t owner_at(uint64_t index)
{
    return index == 0 ? WORLD_SHOP : WORLD_CACHE;
}

struct socket {
    bool open;
    uint32_t pass; /* it was counted in; 0: in none */
    uint64_t owner;
    uint64_t counted_owner;
};

struct model {
    struct world *world;
    struct socket sockets[SOCKETS];
    uint32_t pass;
    uint64_t random;
};

static void close_socket(struct model *model, struct socket *socket, bool lost)
{
    if (!lost) {
        give(model->world, model->pass, socket->pass == model->pass ? EYE_CONNECTION_LEAVES : 0,
             socket->counted_owner, socket->owner);
    }
    *socket = (struct socket){0};
}

static void live_an_interval(struct model *model, bool losing)
{
    for (int i = 0; i < 40; i++) {
        struct socket *socket = &model->sockets[random_below(&model->random, SOCKETS)];
        uint64_t owner = owner_at(random_below(&model->random, OWNERS));
        if (!socket->open) {
            *socket = (struct socket){.open = true, .owner = owner};
        } else if (random_below(&model->random, 2) == 0) {
            socket->owner = owner;
        } else {
            close_socket(model, socket, losing && random_below(&model->random, 3) == 0);
        }
    }
}

static void report_live(struct model *model, struct socket *socket)
{
    unsigned flags = socket->pass != model->pass              ? EYE_CONNECTION_ENTERS
                     : socket->counted_owner != socket->owner ? EYE_CONNECTION_MOVES
                                                              : 0;
    if (socket->open && flags != 0) {
        give(model->world, model->pass, flags, socket->counted_owner, socket->owner);
        socket->pass = model->pass;
        socket->counted_owner = socket->owner;
    }
}

/* Passes over one of @one_of sockets; 0: over none. */
static void run_iterator(struct model *model, uint64_t one_of)
{
    for (size_t i = 0; i < SOCKETS; i++) {
        if (one_of == 0 || random_below(&model->random, one_of) != 0) {
            report_live(model, &model->sockets[i]);
        }
    }
}

static void read_live(struct model *model, bool full)
{
    if (full) {
        eye_aggregate_begin_pass(model->world->aggregate, ++model->pass);
    }
    run_iterator(model, 0);
}

static void check_model(const struct model *model)
{
    for (size_t owner = 0; owner < OWNERS; owner++) {
        double truth = 0;
        for (size_t i = 0; i < SOCKETS; i++) {
            truth += model->sockets[i].open && model->sockets[i].owner == owner_at(owner) ? 1 : 0;
        }
        assert_true(active(model->world, owner) == truth);
    }
}

static void active__is_true_after_every_pass(void **state)
{
    struct model model = {.world = begin(state, 0), .random = 1};
    for (int interval = 0; interval < 500; interval++) {
        live_an_interval(&model, false);
        read_live(&model, interval == 0 || random_below(&model.random, 6) == 0);
        check_model(&model);
    }
}

static void active__recovers_from_lost_records_in_a_full_pass(void **state)
{
    struct model model = {.world = begin(state, 0), .random = 2};
    read_live(&model, true);
    for (int interval = 0; interval < 500; interval++) {
        live_an_interval(&model, true);
        bool full = random_below(&model.random, 6) == 0;
        read_live(&model, full);
        if (full) {
            check_model(&model);
        }
    }
}

/* A run that passes over sockets is followed by others; what these find belongs where it would have
 * been, in the same look or, when that was not whole, in the next one. */
static void active__is_true_once_a_run_is_whole(void **state)
{
    struct model model = {.world = begin(state, 0), .random = 3};
    read_live(&model, true);
    for (int interval = 0; interval < 500; interval++) {
        live_an_interval(&model, false);
        if (random_below(&model.random, 6) == 0) {
            eye_aggregate_begin_pass(model.world->aggregate, ++model.pass);
        }
        run_iterator(&model, 3);
        if (random_below(&model.random, 2) == 0) {
            run_iterator(&model, 0);
            check_model(&model);
        }
    }
}

/* A number that has earned it becomes a name with a pass, so nothing is taken back elsewhere. */
static void ephemeral_port__changes_its_name_with_a_pass(void **state)
{
    struct world *world = begin(state, 1);
    eye_aggregate_set_ephemeral_ports(world->aggregate, 40000, 50000);
    struct eye_connection_record sample = world_connection();
    sample.direction = EYE_OUTGOING;
    sample.port = 45000;
    for (uint32_t pass = 1; pass <= 8; pass++) {
        sample.pass = pass;
        sample.flags = EYE_CONNECTION_OPENED | EYE_CONNECTION_ENTERS;
        eye_aggregate_connection(world->aggregate, &sample);
        bool named = pass > 4;
        const char *tags = named ? "service=shop,port=45000" : "service=shop,port=ephemeral";
        struct eye_series *series = world_series(world, EYE_METRIC_TCP_ACTIVE, tags);
        assert_non_null(series);
        assert_true(series->gauge == 1);
        sample.flags = EYE_CONNECTION_LEAVES;
        sample.previous_owner = sample.owner;
        eye_aggregate_connection(world->aggregate, &sample);
        assert_true(series->gauge == 0);
        eye_aggregate_begin_pass(world->aggregate, pass + 1);
        eye_aggregate_judge_ports(world->aggregate, pass * 60 * UINT64_C(1000000000));
    }
    assert_int_equal(world_total(world, EYE_METRIC_TCP_OPENED), 8);
    assert_non_null(world_series(world, EYE_METRIC_TCP_OPENED, "service=shop,port=ephemeral"));
    assert_non_null(world_series(world, EYE_METRIC_TCP_OPENED, "service=shop,port=45000"));
}

/* Under __other__ first, under its name as soon as there is a place: counted afresh in between. */
static void refused_names__need_a_pass(void **state)
{
    struct world *world = *state;
    world_begin(world);
    eye_aggregate_free(world->aggregate);
    eye_registry_free(world->registry);
    const struct eye_limits limits = {
        .series_per_metric = 100, .values_per_tag = 1, .idle_ns = 1000000};
    world->registry = eye_registry_new(&limits);
    assert_non_null(world->registry);
    world->aggregate =
        eye_aggregate_new(&world->config, world->registry, world->processes, world->names);
    assert_non_null(world->aggregate);
    eye_aggregate_begin_pass(world->aggregate, 1);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_SHOP);
    eye_registry_close_interval(world->registry, 1, 1, 0);
    give(world, 1, EYE_CONNECTION_ENTERS, 0, WORLD_CACHE);
    uint64_t doubts = eye_aggregate_doubts(world->aggregate);
    give(world, 1, 0, 0, WORLD_SHOP);
    assert_int_equal(eye_aggregate_doubts(world->aggregate), doubts);
    eye_registry_close_interval(world->registry, 2, 2, 1);
    give(world, 1, 0, 0, WORLD_SHOP);
    assert_true(eye_aggregate_doubts(world->aggregate) > doubts);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(enters__adds_one_to_the_owner),
        TEST(moves__takes_from_one_and_gives_to_the_other),
        TEST(moves__from_one_protocol_to_the_other),
        TEST(leaves__takes_from_the_previous_owner),
        TEST(no_flag__leaves_active_alone),
        TEST(records_of_other_passes__do_not_change_active),
        TEST(records_of_other_passes__count_otherwise),
        TEST(begin_pass__starts_from_zero),
        TEST(begin_pass__forgets_programs_that_are_gone),
        TEST(leaves__never_goes_below_zero),
        TEST(leaves__takes_nothing_from_unknown_for_the_forgotten),
        TEST(renamed_owner__is_in_doubt),
        TEST(reconfigure__counts_afresh_under_new_names),
        TEST(reconfigure__without_new_names_doubts_nothing),
        TEST(active__is_true_after_every_pass),
        TEST(active__recovers_from_lost_records_in_a_full_pass),
        TEST(active__is_true_once_a_run_is_whole),
        TEST(ephemeral_port__changes_its_name_with_a_pass),
        TEST(refused_names__need_a_pass),
    };
    return cmocka_run_group_tests_name("aggregate_active", tests, NULL, NULL);
}
