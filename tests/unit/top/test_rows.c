/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of recorded answers: read, filtered, folded, sorted. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/top/rows.h"

struct fixture {
    json_t *answers;
    struct eye_top_rows connections;
    struct eye_top_rows requests;
};

static const json_t *list_of(const struct fixture *fixture, const char *name)
{
    return json_object_get(json_object_get(fixture->answers, name), name);
}

static int setup(void **state)
{
    static struct fixture fixture;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    fixture.answers = json_load_file(EYE_TOP_DATA "/answers.json", 0, NULL);
    assert_non_null(fixture.answers);
    assert_int_equal(
        eye_top_rows_read(list_of(&fixture, "connections"), 2, true, &fixture.connections), 0);
    assert_int_equal(eye_top_rows_read(list_of(&fixture, "requests"), 0, true, &fixture.requests),
                     0);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_top_rows_done(&fixture->connections);
    eye_top_rows_done(&fixture->requests);
    json_decref(fixture->answers);
    return 0;
}

static void assert_number(const struct eye_top_row *row, enum eye_top_row_number number,
                          double expected)
{
    assert_true(fabs(row->numbers[number] - expected) <= 1e-9 * fabs(expected));
}

static void read__connection(void **state)
{
    const struct fixture *fixture = *state;
    const struct eye_top_row *row = &fixture->connections.items[0];
    assert_int_equal(fixture->connections.count, 6);
    assert_string_equal(row->texts[EYE_TOP_ROW_SERVICE], "shop");
    assert_string_equal(row->texts[EYE_TOP_ROW_ADDRESS], "10.0.0.7");
    assert_string_equal(row->texts[EYE_TOP_ROW_NETNS], "4026531833");
    assert_string_equal(row->texts[EYE_TOP_ROW_ROUTE], "");
    assert_number(row, EYE_TOP_ROW_BYTES, 73400320 + 1048576);
    assert_number(row, EYE_TOP_ROW_SENT_RATE, 4194304.0 / 2);
    assert_number(row, EYE_TOP_ROW_RATE, (4194304.0 + 65536) / 2);
    assert_number(row, EYE_TOP_ROW_RTT, 0.000171);
    assert_true(isnan(row->numbers[EYE_TOP_ROW_P99]));
    assert_number(&fixture->connections.items[2], EYE_TOP_ROW_CLOSED, 1);
    assert_string_equal(fixture->connections.items[3].texts[EYE_TOP_ROW_ADDRESS],
                        "[2001:db8:ffff:ffff:ffff:ffff:ffff:1]");
    const struct eye_top_row *evil = &fixture->connections.items[4];
    assert_string_equal(evil->texts[EYE_TOP_ROW_SERVICE], "evil?[31m?name\xcc\x81?");
    assert_string_equal(evil->texts[EYE_TOP_ROW_PROCESS], "sh?");
    assert_true(isnan(evil->numbers[EYE_TOP_ROW_RTT]));
}

static void read__request(void **state)
{
    const struct fixture *fixture = *state;
    static const double errors[] = {0, 0, 9, 0, 2, 0};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(errors); i++) {
        assert_number(&fixture->requests.items[i], EYE_TOP_ROW_ERRORS, errors[i]);
    }
    assert_number(&fixture->requests.items[0], EYE_TOP_ROW_RATE, 760);
    assert_number(&fixture->requests.items[0], EYE_TOP_ROW_P99, 0.00033);
}

/* What tells of a failure is each protocol's own. */
static void read__failures_of_each_protocol(void **state)
{
    static const struct {
        const char *metric;
        const char *status;
        double errors;
    } answers[] = {
        {"http.server.request.duration", "404", 0},
        {"http.server.request.duration", "599", 1},
        {"rpc.server.call.duration", "OK", 0},
        {"rpc.server.call.duration", "NOT_FOUND", 0},
        {"rpc.client.call.duration", "UNAVAILABLE", 1},
        {"db.client.operation.duration", "", 0},
        {"db.client.operation.duration", "ERR", 1},
        {"db.client.operation.duration", "WRONGTYPE", 1},
        {"db.server.operation.duration", "42P01", 1},
        {"db.server.operation.duration", "1146", 1},
        {"dns.lookup.duration", "", 0},
        {"dns.lookup.duration", "NXDOMAIN", 0},
        {"dns.server.lookup.duration", "SERVFAIL", 1},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(answers); i++) {
        EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows rows = {0};
        json_t *list = json_pack("[{s:s, s:s, s:i}]", "metric", answers[i].metric, "status",
                                 answers[i].status, "count", 1);
        assert_int_equal(eye_top_rows_read(list, 1, true, &rows), 0);
        assert_number(&rows.items[0], EYE_TOP_ROW_ERRORS, answers[i].errors);
        json_decref(list);
    }
}

static void read__calls_have_their_method_for_a_route(void **state)
{
    EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows rows = {0};
    json_t *list = json_pack("[{s:s, s:s, s:s}]", "metric", "rpc.server.call.duration", "method",
                             "shop.Orders/Create", "route", "");
    (void)state;
    assert_int_equal(eye_top_rows_read(list, 1, true, &rows), 0);
    assert_string_equal(rows.items[0].texts[EYE_TOP_ROW_METHOD], "");
    assert_string_equal(rows.items[0].texts[EYE_TOP_ROW_ROUTE], "shop.Orders/Create");
    json_decref(list);
}

static void read__without_a_reading_before(void **state)
{
    const struct fixture *fixture = *state;
    EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows rows = {0};
    assert_int_equal(eye_top_rows_read(list_of(fixture, "connections"), 0, true, &rows), 0);
    assert_true(isnan(rows.items[0].numbers[EYE_TOP_ROW_RATE]));
    assert_number(&rows.items[0], EYE_TOP_ROW_BYTES, 73400320 + 1048576);
}

static void read__whatever_it_is(void **state)
{
    static const char *const lists[] = {
        "[]", "[1, null, [], {}]", "[{\"remote\": 7, \"service\": null, \"rtt_s\": \"x\"}]",
        "[{\"remote\": \":\", \"status\": \"99999999999999999999\", \"count\": -1}]"};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lists); i++) {
        EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows rows = {0};
        json_t *list = json_loads(lists[i], 0, NULL);
        assert_non_null(list);
        assert_int_equal(eye_top_rows_read(list, 1, false, &rows), 0);
        assert_int_equal(rows.count, json_array_size(list));
        json_decref(list);
    }
    EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows none = {0};
    assert_int_equal(eye_top_rows_read(NULL, 1, false, &none), 0);
    assert_int_equal(none.count, 0);
}

static struct eye_top_rows arrange(const struct eye_top_rows *rows, const char *filter, int group,
                                   enum eye_top_row_number sort)
{
    const struct eye_arrangement how = {.filter = filter, .group = group, .sort = sort};
    struct eye_top_rows arranged = {0};
    assert_int_equal(eye_top_rows_arrange(rows, &how, &arranged), 0);
    return arranged;
}

static void arrange__sorts_and_puts_the_unknown_last(void **state)
{
    static const struct {
        enum eye_top_row_number sort;
        const char *first;
        const char *last;
    } cases[] = {
        {EYE_TOP_ROW_RATE, "10.0.0.7:51312", "192.168.100.200:65535"},
        {EYE_TOP_ROW_BYTES, "10.0.0.7:51312", "192.168.100.200:65535"},
        {EYE_TOP_ROW_RTT, "10.0.0.8:40022", "192.168.100.200:65535"},
        {EYE_TOP_ROW_RETRANSMITS, "127.0.0.1:6379", "10.0.0.8:40022"},
    };
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_CLEANUP(eye_top_rows_done)
        struct eye_top_rows rows = arrange(&fixture->connections, "", -1, cases[i].sort);
        assert_int_equal(rows.count, 6);
        assert_string_equal(rows.items[0].texts[EYE_TOP_ROW_REMOTE], cases[i].first);
        if (cases[i].sort != EYE_TOP_ROW_RETRANSMITS) {
            assert_string_equal(rows.items[5].texts[EYE_TOP_ROW_REMOTE], cases[i].last);
        }
    }
}

static void arrange__filters_any_text_in_any_case(void **state)
{
    static const struct {
        const char *filter;
        size_t count;
    } cases[] = {{"", 6}, {"SHOP", 3}, {"10.0.0.9", 1}, {"closed", 1}, {"nothing", 0}, {"[", 2}};
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_CLEANUP(eye_top_rows_done)
        struct eye_top_rows rows =
            arrange(&fixture->connections, cases[i].filter, -1, EYE_TOP_ROW_RATE);
        assert_int_equal(rows.count, cases[i].count);
    }
}

static void arrange__folds_groups(void **state)
{
    const struct fixture *fixture = *state;
    EYE_CLEANUP(eye_top_rows_done)
    struct eye_top_rows rows =
        arrange(&fixture->connections, "", EYE_TOP_ROW_SERVICE, EYE_TOP_ROW_MEMBERS);
    const struct eye_top_row *shop = &rows.items[0];
    assert_int_equal(rows.count, 4);
    assert_string_equal(shop->texts[EYE_TOP_ROW_SERVICE], "shop");
    assert_string_equal(shop->texts[EYE_TOP_ROW_PROCESS], "nginx");
    assert_string_equal(shop->texts[EYE_TOP_ROW_PORT], EYE_TOP_MANY);
    assert_string_equal(shop->texts[EYE_TOP_ROW_REMOTE], EYE_TOP_MANY);
    assert_number(shop, EYE_TOP_ROW_MEMBERS, 3);
    assert_number(shop, EYE_TOP_ROW_CLOSED, 1);
    assert_number(shop, EYE_TOP_ROW_RETRANSMITS, 13);
    assert_number(shop, EYE_TOP_ROW_RTT, 0.0412); /* the worst */
    assert_number(shop, EYE_TOP_ROW_AGE, 93784.5);
    assert_number(&rows.items[1], EYE_TOP_ROW_MEMBERS, 1);
}

static void arrange__groups_of_requests(void **state)
{
    const struct fixture *fixture = *state;
    EYE_CLEANUP(eye_top_rows_done)
    struct eye_top_rows rows =
        arrange(&fixture->requests, "shop", EYE_TOP_ROW_ROUTE, EYE_TOP_ROW_ERRORS);
    assert_int_equal(rows.count, 2);
    assert_string_equal(rows.items[0].texts[EYE_TOP_ROW_ROUTE], "/orders");
    assert_number(&rows.items[1], EYE_TOP_ROW_COUNT, 7673);
    assert_number(&rows.items[1], EYE_TOP_ROW_P99, 0.0017);
    assert_string_equal(rows.items[1].texts[EYE_TOP_ROW_STATUS], EYE_TOP_MANY);
}

static void one_address__keeps_it(void **state)
{
    json_t *list =
        json_loads("[{\"remote\": \"10.0.0.1:1\"}, {\"remote\": \"10.0.0.1:2\"}]", 0, NULL);
    EYE_CLEANUP(eye_top_rows_done) struct eye_top_rows rows = {0};
    (void)state;
    assert_int_equal(eye_top_rows_read(list, 1, true, &rows), 0);
    EYE_CLEANUP(eye_top_rows_done)
    struct eye_top_rows grouped = arrange(&rows, "", EYE_TOP_ROW_ADDRESS, EYE_TOP_ROW_MEMBERS);
    assert_int_equal(grouped.count, 1);
    assert_string_equal(grouped.items[0].texts[EYE_TOP_ROW_REMOTE], "10.0.0.1");
    json_decref(list);
}

static void total__of_all_and_of_none(void **state)
{
    const struct fixture *fixture = *state;
    struct eye_top_row total;
    eye_top_rows_total(&fixture->connections, &total);
    assert_number(&total, EYE_TOP_ROW_MEMBERS, 6);
    assert_number(&total, EYE_TOP_ROW_CLOSED, 1);
    assert_number(&total, EYE_TOP_ROW_RETRANSMITS, 100016);
    const struct eye_top_rows none = {0};
    eye_top_rows_total(&none, &total);
    assert_number(&total, EYE_TOP_ROW_MEMBERS, 0);
    assert_true(isnan(total.numbers[EYE_TOP_ROW_RTT]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__connection),
        cmocka_unit_test(read__request),
        cmocka_unit_test(read__failures_of_each_protocol),
        cmocka_unit_test(read__calls_have_their_method_for_a_route),
        cmocka_unit_test(read__without_a_reading_before),
        cmocka_unit_test(read__whatever_it_is),
        cmocka_unit_test(arrange__sorts_and_puts_the_unknown_last),
        cmocka_unit_test(arrange__filters_any_text_in_any_case),
        cmocka_unit_test(arrange__folds_groups),
        cmocka_unit_test(arrange__groups_of_requests),
        cmocka_unit_test(one_address__keeps_it),
        cmocka_unit_test(total__of_all_and_of_none),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
