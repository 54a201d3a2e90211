/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a record of a connection is told of NAT, and for how long. The source is a pretended one:
 * what is needed of it is what it says; and so is the way that is asked, but where the real ones
 * are chosen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "collector/nat/conntracker.h"

#define NETNS 77

static bool tells;

bool eye_source_tells_nat(const struct eye_source *source)
{
    assert_null(source);
    return tells;
}

static size_t looks;
static struct eye_translation answer; /* but for its end */

static void look(struct eye_conntracker *tracker, struct eye_nat_place *place,
                 struct eye_translation *translation)
{
    struct eye_end end = translation->end;
    (void)tracker;
    assert_null(place);
    looks++;
    *translation = answer;
    translation->end = end;
}

static const struct eye_conntracker_type pretended = {.name = "pretended", .look = look};
static const struct eye_conntracker_type nobody = {.name = "none"};

static struct eye_connection_record taken;
static size_t taken_bytes;

static void take(void *context, const void *record, size_t bytes)
{
    (void)context;
    taken_bytes = bytes;
    memcpy(&taken, record, bytes < sizeof(taken) ? bytes : sizeof(taken));
}

static struct eye_conntracker tracker;

static int setup(void **state)
{
    (void)state;
    looks = 0;
    tracker = (struct eye_conntracker){.way = &pretended, .next = take, .told = {.max = 2}};
    answer = (struct eye_translation){
        .nat = EYE_NAT_DESTINATION, .moved = true, .port = 8080, .remote = {9}};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    eye_conntracker_close(&tracker);
    return 0;
}

static struct eye_connection_record record_of(enum eye_connection_kind kind, uint16_t local_port)
{
    return (struct eye_connection_record){
        .kind = (uint8_t)kind,
        .nat = EYE_NAT_UNKNOWN,
        .netns = NETNS,
        .pass = 1,
        .port = 80,
        .local_port = local_port,
        .remote_port = 80,
        .direction = EYE_OUTGOING,
        .local = {1},
        .remote = {2},
    };
}

static void give(const struct eye_connection_record *record)
{
    eye_conntracker_take(&tracker, record, sizeof(*record));
    assert_int_equal(taken_bytes, sizeof(*record));
}

static void take__fills_in_the_other_end(void **state)
{
    struct eye_connection_record record = record_of(EYE_CONNECTION_CLOSED, 40000);
    (void)state;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_DESTINATION);
    assert_int_equal(taken.port, 8080);
    assert_memory_equal(taken.remote, answer.remote, sizeof(taken.remote));
    record.direction = EYE_INCOMING; /* a server talks to whom it sees */
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_DESTINATION);
    assert_int_equal(taken.port, 80);
    assert_memory_equal(taken.remote, record.remote, sizeof(taken.remote));
    assert_int_equal(tracker.told.table.count, 0);
}

static void take__tells_a_connection_the_same_until_it_closes(void **state)
{
    struct eye_connection_record record = record_of(EYE_CONNECTION_LIVE, 40000);
    (void)state;
    record.flags = EYE_CONNECTION_OPENED;
    give(&record);
    answer.nat = EYE_NAT_NONE; /* the entry is no more */
    answer.moved = false;
    record.flags = 0;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_DESTINATION);
    record.kind = EYE_CONNECTION_CLOSED;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_DESTINATION);
    assert_int_equal(taken.port, 8080);
    assert_int_equal(looks, 1);
    assert_int_equal(tracker.told.table.count, 0);
}

/* Whose end was not told. */
static void take__looks_again_for_another_one_with_the_same_ends(void **state)
{
    struct eye_connection_record record = record_of(EYE_CONNECTION_LIVE, 40000);
    (void)state;
    give(&record);
    answer.nat = EYE_NAT_NONE;
    record.flags = EYE_CONNECTION_OPENED;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_NONE);
    assert_int_equal(tracker.told.table.count, 1);
}

/* Within a pass it stays unknown, or it would leave a series that it has not entered. */
static void take__looks_again_in_another_pass_for_what_is_not_known(void **state)
{
    struct eye_connection_record record = record_of(EYE_CONNECTION_LIVE, 40000);
    (void)state;
    answer = (struct eye_translation){.nat = EYE_NAT_UNKNOWN};
    give(&record);
    answer.nat = EYE_NAT_SOURCE;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_UNKNOWN);
    record.pass++;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_SOURCE);
}

/* Without room each record is looked for, which is still right. */
static void take__counts_what_has_no_room(void **state)
{
    (void)state;
    for (uint16_t port = 1; port <= 3; port++) {
        struct eye_connection_record record = record_of(EYE_CONNECTION_LIVE, port);
        give(&record);
        assert_int_equal(taken.nat, EYE_NAT_DESTINATION);
    }
    assert_int_equal(eye_conntracker_stats(&tracker).losses[EYE_NAT_LOSS_TABLE], 1);
    assert_int_equal(eye_conntracker_stats(&tracker).entries, 2);
}

/* Conntrack forgets a refused connection at once. */
static void take__does_not_believe_that_a_failed_one_was_none(void **state)
{
    struct eye_connection_record record = record_of(EYE_CONNECTION_FAILED, 40000);
    (void)state;
    answer = (struct eye_translation){.nat = EYE_NAT_NONE};
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_UNKNOWN);
    answer.nat = EYE_NAT_SOURCE;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_SOURCE);
}

static void take__leaves_alone_what_is_known_or_no_connection(void **state)
{
    struct eye_connection_record record = record_of(EYE_CONNECTION_CLOSED, 40000);
    (void)state;
    record.nat = EYE_NAT_NONE;
    give(&record);
    record.nat = EYE_NAT_UNKNOWN;
    record.kind = EYE_CONNECTION_LISTENS;
    give(&record);
    eye_conntracker_take(&tracker, "datagrams", sizeof("datagrams"));
    assert_int_equal(taken_bytes, sizeof("datagrams"));
    tracker.way = &nobody;
    record.kind = EYE_CONNECTION_CLOSED;
    give(&record);
    assert_int_equal(taken.nat, EYE_NAT_UNKNOWN);
    assert_int_equal(looks, 0);
}

/* ---- Which way ---- */

static void open__takes_the_first_way_that_works(void **state)
{
    struct eye_config config = {.source = {.nat = EYE_NAT_WAY_AUTO, .proc = (char[]){"/nowhere"}}};
    struct eye_conntracker opened = {.next = take};
    (void)state;
    tells = true;
    eye_conntracker_open(&opened, &config, NULL);
    assert_string_equal(opened.name, "ebpf");
    eye_conntracker_tick(&opened, 1);
    assert_string_equal(opened.name, "ebpf");
    tells = false; /* conntrack's entries are strange after all */
    eye_conntracker_tick(&opened, 2);
    assert_string_not_equal(opened.name, "ebpf");
    eye_conntracker_close(&opened);
}

static void open__takes_none_when_the_only_way_is_not_to_be_had(void **state)
{
    struct eye_config config = {.source = {.nat = EYE_NAT_WAY_EBPF, .proc = (char[]){"/nowhere"}}};
    struct eye_conntracker opened = {.next = take};
    struct eye_error why;
    (void)state;
    tells = false;
    eye_conntracker_open(&opened, &config, NULL);
    assert_string_equal(opened.name, "none");
    eye_conntracker_close(&opened);
    assert_string_equal(eye_conntracker_probe(&config, false, &why), "none");
    assert_non_null(strstr(why.text, "ebpf: "));
    assert_string_equal(eye_conntracker_probe(&config, true, &why), "ebpf");
    assert_string_equal(why.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(take__fills_in_the_other_end, setup, teardown),
        cmocka_unit_test_setup_teardown(take__tells_a_connection_the_same_until_it_closes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(take__looks_again_for_another_one_with_the_same_ends, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(take__looks_again_in_another_pass_for_what_is_not_known,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(take__counts_what_has_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(take__does_not_believe_that_a_failed_one_was_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(take__leaves_alone_what_is_known_or_no_connection, setup,
                                        teardown),
        cmocka_unit_test(open__takes_the_first_way_that_works),
        cmocka_unit_test(open__takes_none_when_the_only_way_is_not_to_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
