/* SPDX-License-Identifier: Apache-2.0 */
/* Request samples: their tags and routes, and what is remembered by fingerprint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/http/record.h"
#include "collector/base/base.h"
#include "collector/usm/route.h"
#include "tests/unit/aggregate/aggregate_world.h"

#define MS UINT64_C(1000000)
#define MANY_FINGERPRINTS 100000

static struct world *begin(void **state)
{
    world_begin(*state);
    return *state;
}

/* A sample in parts. */
struct request {
    uint64_t fingerprint;
    struct eye_request_head head;
    struct eye_http_body body;
};

static struct request request(const char *path)
{
    struct request request = {
        .fingerprint = 1,
        .head = {.duration_ns = 5 * MS,
                 .owner = WORLD_SHOP,
                 .port = 8080,
                 .code = 200,
                 .body_bytes = (uint16_t)(EYE_HTTP_BODY_FIXED + strlen(path)),
                 .protocol = EYE_PROTOCOL_HTTP},
        .body = {.method = EYE_HTTP_GET},
    };
    memcpy(request.body.path, path, strlen(path));
    return request;
}

static void give(struct world *world, const struct request *request)
{
    const struct eye_request_sample sample = {
        .protocol = eye_protocol_types[EYE_PROTOCOL_HTTP],
        .state = world->usm.protocols[EYE_PROTOCOL_HTTP],
        .head = &request->head,
        .body = &request->body,
        .fingerprint = request->fingerprint,
    };
    eye_aggregate_request(world->aggregate, &sample);
}

static uint64_t values(const struct world *world, const char *tags)
{
    const struct eye_series *series = world_series(world, EYE_METRIC_HTTP_SERVER_DURATION, tags);
    return series == NULL ? 0 : series->distribution.count;
}

static void request__has_its_tags_and_duration(void **state)
{
    struct world *world = begin(state);
    const struct request sample = request("/users/17?token=secret");
    give(world, &sample);
    const struct eye_series *series =
        world_series(world, EYE_METRIC_HTTP_SERVER_DURATION,
                     "service=shop,port=8080,method=GET,status=200,route=/users/*");
    assert_non_null(series);
    assert_int_equal(series->distribution.count, 1);
    assert_true(series->distribution.sum == 0.005);
    assert_int_equal(eye_registry_count(world->registry, EYE_METRIC_HTTP_CLIENT_DURATION), 0);
}

static void client_request__has_its_own_metric(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/");
    sample.head.flags |= EYE_REQUEST_CLIENT;
    sample.head.owner = WORLD_CACHE;
    sample.body.method = EYE_HTTP_METHOD_OTHER;
    sample.head.code = 503;
    give(world, &sample);
    assert_non_null(world_series(world, EYE_METRIC_HTTP_CLIENT_DURATION,
                                 "service=redis,port=8080,method=_OTHER,status=503,route=/"));
    assert_int_equal(eye_registry_count(world->registry, EYE_METRIC_HTTP_SERVER_DURATION), 0);
}

static void unanswered_request__has_an_error_in_the_place_of_its_status(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/slow");
    sample.head.flags |= EYE_REQUEST_UNANSWERED;
    sample.head.code = EYE_REQUEST_CANCELLED;
    give(world, &sample);
    const struct eye_series *series =
        world_series(world, EYE_METRIC_HTTP_SERVER_DURATION,
                     "service=shop,port=8080,method=GET,error_type=cancelled,route=/slow");
    assert_non_null(series);
    assert_int_equal(series->distribution.count, 1);
}

static void loss__is_counted_for_its_service(void **state)
{
    struct world *world = begin(state);
    struct eye_loss_sample sample = {
        .amount = 3, .owner = WORLD_SHOP, .port = 8080, .reason = "gap"};
    eye_aggregate_loss(world->aggregate, &sample);
    eye_aggregate_loss(world->aggregate, &sample);
    sample.client = true;
    sample.amount = 1;
    eye_aggregate_loss(world->aggregate, &sample);
    const struct eye_series *series = world_series(
        world, EYE_METRIC_USM_LOST, "direction=incoming,service=shop,port=8080,reason=gap");
    assert_non_null(series);
    assert_int_equal(series->counter, 6);
    series = world_series(world, EYE_METRIC_USM_LOST,
                          "direction=outgoing,service=shop,port=8080,reason=gap");
    assert_non_null(series);
    assert_int_equal(series->counter, 1);
}

static void truncated_path__ends_in_a_star(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/static/ima");
    sample.head.flags |= EYE_REQUEST_TRUNCATED;
    give(world, &sample);
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/static/*"),
                     1);
}

static void hostile_path__makes_a_clean_route(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/a|b/c,d\n/\xff/ok");
    give(world, &sample);
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/*/*/*/ok"),
                     1);
    sample = request("");
    sample.fingerprint = 2;
    give(world, &sample);
    assert_int_equal(world_total(world, EYE_METRIC_HTTP_SERVER_DURATION), 2);
}

static void routes__are_those_of_the_configuration(void **state)
{
    static char texts[][24] = {"/users/*/cart", "/users/{id}/cart", "/static/**", "/assets"};
    struct eye_route_rule rules[] = {{texts[0], texts[1]}, {texts[2], texts[3]}};
    struct world *world = *state;
    world->config.routes.rules = rules;
    world->config.routes.count = EYE_ARRAY_LENGTH(rules);
    world_begin(world);
    static const struct {
        const char *path;
        const char *tags;
    } cases[] = {
        {"/users/ann/cart", "service=shop,port=8080,method=GET,status=200,route=/users/{id}/cart"},
        {"/static/a/b/c.js", "service=shop,port=8080,method=GET,status=200,route=/assets"},
        {"/users/ann", "service=shop,port=8080,method=GET,status=200,route=/users/ann"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct request sample = request(cases[i].path);
        sample.fingerprint = i;
        give(world, &sample);
        assert_int_equal(values(world, cases[i].tags), 1);
    }
}

/* Equal fingerprints are the same request but for their duration: nothing is looked up again. */
static void equal_fingerprints__share_the_series(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/first");
    for (int i = 0; i < 10; i++) {
        give(world, &sample);
        sample.head.body_bytes = EYE_HTTP_BODY_FIXED;
        sample.head.duration_ns += MS;
    }
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/first"),
                     10);
}

static void more__counts_as_often(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/more");
    sample.head.more = 4;
    give(world, &sample);
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/more"), 5);
}

static void fingerprint_zero__is_one_like_others(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/zero");
    sample.fingerprint = 0;
    give(world, &sample);
    give(world, &sample);
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/zero"), 2);
}

/* All have the same low bits, by which they are remembered. */
static void colliding_fingerprints__keep_their_series(void **state)
{
    struct world *world = begin(state);
    for (uint64_t i = 0; i < MANY_FINGERPRINTS; i++) {
        struct request sample = request(i % 2 == 0 ? "/even" : "/odd");
        sample.fingerprint = i << 32;
        give(world, &sample);
    }
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/even"),
                     MANY_FINGERPRINTS / 2);
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/odd"),
                     MANY_FINGERPRINTS / 2);
}

static void removed_series__are_made_anew(void **state)
{
    struct world *world = begin(state);
    const struct request sample = request("/");
    for (int i = 0; i < 3; i++) {
        give(world, &sample);
        struct eye_series *series =
            eye_registry_first(world->registry, EYE_METRIC_HTTP_SERVER_DURATION);
        assert_int_equal(series->distribution.count, 1);
        eye_series_remove(world->registry, series);
    }
}

static void reused_pid__gets_the_new_service(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/");
    give(world, &sample);
    fake_proc_start(&world->proc, WORLD_SHOP_PID, 5000);
    fake_proc_set_executable(&world->proc, WORLD_SHOP_PID, "/bin/successor");
    fake_proc_write_text(&world->proc, WORLD_SHOP_PID, "environ", "");
    fake_proc_write_text(&world->proc, WORLD_SHOP_PID, "cgroup", "");
    give(world, &sample);
    sample.head.owner = eye_owner_key(WORLD_SHOP_PID, 5000 * WORLD_TICK_NS, 1);
    sample.fingerprint++;
    give(world, &sample);
    assert_int_equal(values(world, "service=shop,port=8080,method=GET,status=200,route=/"), 2);
    assert_int_equal(values(world, "service=successor,port=8080,method=GET,status=200,route=/"), 1);
}

static void owner_that_is_gone__is_unknown(void **state)
{
    struct world *world = begin(state);
    struct request sample = request("/");
    sample.head.owner = WORLD_GONE;
    give(world, &sample);
    assert_int_equal(values(world, "service=unknown,port=8080,method=GET,status=200,route=/"), 1);
}

/* Connections and requests use the memories of one aggregate; emptying both must not mix them. */
static void requests_and_connections__live_together(void **state)
{
    struct world *world = begin(state);
    const struct request sample = request("/");
    struct eye_connection_record connection = world_connection();
    connection.sent_bytes = 1;
    for (int i = 0; i < 50; i++) {
        give(world, &sample);
        eye_aggregate_connection(world->aggregate, &connection);
        if (i % 10 == 0) {
            eye_series_remove(world->registry,
                              eye_registry_first(world->registry, EYE_METRIC_TCP_SENT_BYTES));
        }
    }
    assert_int_equal(world_total(world, EYE_METRIC_HTTP_SERVER_DURATION), 50);
    assert_int_equal(world_total(world, EYE_METRIC_TCP_SENT_BYTES), 9);
}

static uint64_t of_route(const struct world *world, const char *status, const char *route)
{
    char tags[128];
    snprintf(tags, sizeof(tags), "service=shop,port=8080,method=GET,status=%s,route=%s", status,
             route);
    return values(world, tags);
}

static void ask(struct world *world, const char *path, uint16_t status)
{
    static uint64_t fingerprint = 1000;
    struct request sample = request(path);
    sample.fingerprint = fingerprint++;
    sample.head.code = status;
    give(world, &sample);
}

static void ask_in_vain(struct world *world, int times)
{
    for (int i = 0; i < times; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/x%c%c/%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
        ask(world, path, 404);
    }
}

/* Whoever asks for it made it up, until the service has answered otherwise. Eight are told. */
static void unknown_paths__share_a_route(void **state)
{
    struct world *world = begin(state);
    ask_in_vain(world, 1000);
    ask(world, "/real", 405);
    ask(world, "/real", 200);
    ask(world, "/real", 404);
    assert_int_equal(of_route(world, "404", EYE_ROUTE_UNMATCHED), 992);
    assert_int_equal(of_route(world, "404", "/xaa/a"), 1);
    assert_int_equal(of_route(world, "404", "/xha/a"), 1);
    assert_int_equal(of_route(world, "405", EYE_ROUTE_UNMATCHED), 1);
    assert_int_equal(of_route(world, "200", "/real"), 1);
    assert_int_equal(of_route(world, "404", "/real"), 1);
    assert_int_equal(eye_registry_count(world->registry, EYE_METRIC_HTTP_SERVER_DURATION), 12);
}

/* The same request, asked for again after its path has become known. */
static void unknown_path__is_not_unknown_for_ever(void **state)
{
    struct world *world = begin(state);
    ask_in_vain(world, 8);
    struct request sample = request("/late");
    sample.head.code = 404;
    give(world, &sample);
    give(world, &sample);
    ask(world, "/late", 204);
    give(world, &sample);
    assert_int_equal(of_route(world, "404", EYE_ROUTE_UNMATCHED), 2);
    assert_int_equal(of_route(world, "404", "/late"), 1);
}

static void rules__name_unknown_paths_too(void **state)
{
    static char texts[][16] = {"/users/*", "/users/{id}"};
    struct eye_route_rule rules[] = {{texts[0], texts[1]}};
    struct world *world = *state;
    world->config.routes.rules = rules;
    world->config.routes.count = EYE_ARRAY_LENGTH(rules);
    world_begin(world);
    ask(world, "/users/bob", 404);
    assert_int_equal(of_route(world, "404", "/users/{id}"), 1);
}

static void listed_routes__are_the_only_ones(void **state)
{
    static char texts[][16] = {"/users/*", "/users/{id}"};
    struct eye_route_rule rules[] = {{texts[0], texts[1]}};
    struct world *world = *state;
    world->config.routes.rules = rules;
    world->config.routes.count = EYE_ARRAY_LENGTH(rules);
    world->config.routes.names = EYE_ROUTE_NAMES_LISTED;
    world_begin(world);
    ask(world, "/users/bob", 200);
    ask(world, "/other", 200);
    ask(world, "/another", 200);
    assert_int_equal(of_route(world, "200", "/users/{id}"), 1);
    assert_int_equal(of_route(world, "200", EYE_ROUTE_UNMATCHED), 2);
}

/* The listener's port was the kernel's choice; a client sees a number that has not earned it. */
static void ephemeral_ports__are_no_names(void **state)
{
    struct world *world = begin(state);
    eye_aggregate_set_ephemeral_ports(world->aggregate, 40000, 50000);
    struct request sample = request("/");
    sample.head.port = 0;
    give(world, &sample);
    sample.fingerprint = 2;
    sample.head.port = 45000;
    give(world, &sample);
    sample.fingerprint = 3;
    sample.head.flags |= EYE_REQUEST_CLIENT;
    give(world, &sample);
    assert_int_equal(values(world, "service=shop,port=ephemeral,method=GET,status=200,route=/"), 1);
    assert_int_equal(values(world, "service=shop,port=45000,method=GET,status=200,route=/"), 1);
    assert_non_null(world_series(world, EYE_METRIC_HTTP_CLIENT_DURATION,
                                 "service=shop,port=ephemeral,method=GET,status=200,route=/"));
}

/* ---- Any protocol ---- */

static void name_as_count(void *state, const struct eye_request_sample *sample,
                          const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    (void)place;
    const char *letter = sample->body;
    ret_name->text[0] = *letter;
    ret_name->metric = EYE_METRIC_USM_UNRECOGNISED;
    eye_request_name_tag(ret_name, EYE_TAG_PROCESS, ret_name->text);
    ++*(unsigned *)state;
}

/* What a request is called is the protocol's own, also that it has no duration. */
static void protocol__names_what_is_counted(void **state)
{
    static const struct eye_protocol_type letters = {.name_request = name_as_count};
    struct world *world = begin(state);
    unsigned named = 0;
    struct eye_request_head head = {.owner = WORLD_SHOP, .port = 8080, .body_bytes = 1};
    struct eye_request_sample sample = {
        .protocol = &letters, .state = &named, .head = &head, .body = "a"};
    for (int i = 0; i < 3; i++) {
        eye_aggregate_request(world->aggregate, &sample);
    }
    sample.body = "b";
    sample.fingerprint = 1;
    eye_aggregate_request(world->aggregate, &sample);
    const struct eye_series *series =
        world_series(world, EYE_METRIC_USM_UNRECOGNISED, "service=shop,port=8080,process=a");
    assert_non_null(series);
    assert_int_equal(series->counter, 3);
    assert_int_equal(world_total(world, EYE_METRIC_USM_UNRECOGNISED), 4);
    assert_int_equal(named, 2);
}

/* Known by its fingerprint or not, and even if others were counted under it before. */
static void excluded_requests__are_only_counted_as_such(void **state)
{
    struct world *world = *state;
    struct eye_filter_rule rule = {.port = 8080, .direction = EYE_FILTER_INCOMING};
    world->config.connections.exclude = (struct eye_rule_list){&rule, 1};
    world_begin(world);
    const struct request sample = request("/users/17");
    struct request other = request("/users/17");
    other.head.port = 8081;
    other.fingerprint = 2;
    give(world, &sample);
    give(world, &sample);
    give(world, &other);
    assert_int_equal(eye_aggregate_filtered(world->aggregate).requests, 2);
    assert_int_equal(world_total(world, EYE_METRIC_HTTP_SERVER_DURATION), 1);
    struct eye_config config = world->config;
    config.connections.exclude.count = 0;
    eye_aggregate_reconfigure(world->aggregate, &config);
    give(world, &sample);
    assert_int_equal(eye_aggregate_filtered(world->aggregate).requests, 2);
    assert_int_equal(world_total(world, EYE_METRIC_HTTP_SERVER_DURATION), 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request__has_its_tags_and_duration),
        TEST(client_request__has_its_own_metric),
        TEST(unanswered_request__has_an_error_in_the_place_of_its_status),
        TEST(loss__is_counted_for_its_service),
        TEST(truncated_path__ends_in_a_star),
        TEST(hostile_path__makes_a_clean_route),
        TEST(routes__are_those_of_the_configuration),
        TEST(equal_fingerprints__share_the_series),
        TEST(more__counts_as_often),
        TEST(fingerprint_zero__is_one_like_others),
        TEST(colliding_fingerprints__keep_their_series),
        TEST(removed_series__are_made_anew),
        TEST(reused_pid__gets_the_new_service),
        TEST(owner_that_is_gone__is_unknown),
        TEST(requests_and_connections__live_together),
        TEST(unknown_paths__share_a_route),
        TEST(unknown_path__is_not_unknown_for_ever),
        TEST(rules__name_unknown_paths_too),
        TEST(listed_routes__are_the_only_ones),
        TEST(ephemeral_ports__are_no_names),
        TEST(protocol__names_what_is_counted),
        TEST(excluded_requests__are_only_counted_as_such),
    };
    return cmocka_run_group_tests_name("aggregate_requests", tests, NULL, NULL);
}
