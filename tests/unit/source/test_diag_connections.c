/* SPDX-License-Identifier: Apache-2.0 */
/* Looks and ends, and the records that come of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/tcp.h>
#include <string.h>

#include "collector/source/sock_diag/connections.h"

#define RECORDS_MAX 16
#define OWNER 77

static struct eye_diag_totals totals;
static struct eye_diag_connections connections;
static struct eye_connection_record records[RECORDS_MAX];
static size_t count;

static void keep(void *context, const void *record, size_t bytes)
{
    (void)context;
    assert_int_equal(bytes, sizeof(records[0]));
    assert_true(count < RECORDS_MAX);
    memcpy(&records[count++], record, bytes);
}

static int set_up(void **state)
{
    (void)state;
    memset(&totals, 0, sizeof(totals));
    eye_diag_connections_init(&connections, &totals, 42);
    count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eye_diag_connections_done(&connections);
    return totals.connections == 0 ? 0 : -1;
}

static struct eye_diag_socket client(uint64_t cookie, uint64_t sent, uint64_t received)
{
    return (struct eye_diag_socket){
        .cookie = cookie,
        .counters = {.sent_bytes = sent,
                     .received_bytes = received,
                     .sent_segments = (uint32_t)sent},
        .inode = (uint32_t)cookie,
        .local_port = 40000,
        .remote_port = 443,
        .state = TCP_ESTABLISHED,
        .family = EYE_IPV4,
        .was_established = true,
    };
}

static void end(struct eye_diag_socket socket)
{
    socket.state = TCP_CLOSE;
    socket.inode = 0;
    eye_diag_connections_end(&connections, &socket, keep, NULL);
}

static void look(uint32_t pass, const struct eye_diag_socket *socket)
{
    eye_diag_connections_begin(&connections, pass, false);
    if (socket != NULL) {
        eye_diag_connections_meet(&connections, socket);
    }
    eye_diag_connections_report(&connections, keep, NULL);
}

static void short_one__is_told_whole_at_its_end(void **state)
{
    (void)state;
    end(client(1, 100, 200));
    assert_int_equal(count, 1);
    assert_int_equal(records[0].kind, EYE_CONNECTION_CLOSED);
    assert_int_equal(records[0].flags, EYE_CONNECTION_OPENED);
    assert_int_equal(records[0].sent_bytes, 100);
    assert_int_equal(records[0].received_bytes, 200);
    assert_int_equal(records[0].direction, EYE_OUTGOING);
    assert_int_equal(records[0].port, 443);
    assert_int_equal(records[0].netns, 42);
}

static void lasting_one__is_told_by_differences(void **state)
{
    struct eye_diag_socket socket = client(1, 100, 0);
    (void)state;
    look(1, &socket);
    assert_int_equal(records[0].flags, EYE_CONNECTION_OPENED | EYE_CONNECTION_ENTERS);
    look(1, &socket);
    assert_int_equal(count, 1); /* it has not moved */
    socket = client(1, 150, 10);
    look(2, &socket);
    assert_int_equal(records[1].flags, EYE_CONNECTION_ENTERS);
    assert_int_equal(records[1].sent_bytes, 50);
    end(client(1, 160, 10));
    assert_int_equal(records[2].kind, EYE_CONNECTION_CLOSED);
    assert_int_equal(records[2].flags, EYE_CONNECTION_LEAVES);
    assert_int_equal(records[2].sent_bytes, 10);
    assert_int_equal(totals.connections, 0);
}

static void older_one__has_done_nothing_yet(void **state)
{
    const struct eye_diag_socket socket = client(1, 100, 100);
    (void)state;
    eye_diag_connections_begin(&connections, 0, true);
    eye_diag_connections_meet(&connections, &socket);
    connections.looking = false;
    end(client(1, 130, 100));
    assert_int_equal(records[0].flags, 0);
    assert_int_equal(records[0].sent_bytes, 30);
    assert_int_equal(records[0].received_bytes, 0);
}

static void fin__is_no_byte_where_the_state_tells(void **state)
{
    struct eye_diag_socket socket = client(1, 0, 201);
    (void)state;
    socket.state = TCP_CLOSE_WAIT;
    look(1, &socket);
    assert_int_equal(records[0].received_bytes, 200);
    end(client(1, 0, 201));
    assert_int_equal(records[1].received_bytes, 0);
    assert_int_equal(totals.losses[EYE_LOSS_TCP_COUNTERS], 0);
}

static void reset__is_a_loss_and_an_end(void **state)
{
    struct eye_diag_socket socket = client(1, 100, 0);
    (void)state;
    look(1, &socket);
    socket = (struct eye_diag_socket){
        .cookie = 1, .family = EYE_IPV4, .was_established = true, .is_reset = true};
    end(socket);
    assert_int_equal(count, 2);
    assert_int_equal(records[1].kind, EYE_CONNECTION_CLOSED);
    assert_int_equal(records[1].sent_bytes, 0);
    assert_int_equal(records[1].port, 443);
    assert_int_equal(totals.losses[EYE_LOSS_DIAG_RESET], 1);
}

static void what_was_never_established__is_none(void **state)
{
    struct eye_diag_socket socket = client(1, 0, 0);
    (void)state;
    socket.was_established = false;
    end(socket);
    assert_int_equal(count, 0);
}

/* The part of the dump that was made before the end is read after it. */
static void end_during_a_look__is_told_once(void **state)
{
    const struct eye_diag_socket known = client(1, 100, 0);
    const struct eye_diag_socket unknown = client(2, 7, 0);
    (void)state;
    look(1, &known);
    count = 0;
    eye_diag_connections_begin(&connections, 1, false);
    end(known);
    end(unknown);
    eye_diag_connections_meet(&connections, &known);
    eye_diag_connections_meet(&connections, &unknown);
    eye_diag_connections_report(&connections, keep, NULL);
    assert_int_equal(count, 2);
    assert_int_equal(totals.connections, 0);
    assert_int_equal(totals.losses[EYE_LOSS_DIAG_VANISHED], 0);
}

static void unmet__vanishes_at_the_second_look(void **state)
{
    const struct eye_diag_socket socket = client(1, 100, 0);
    (void)state;
    look(1, &socket);
    look(1, NULL);
    assert_int_equal(count, 1);
    look(1, NULL);
    assert_int_equal(count, 2);
    assert_int_equal(records[1].kind, EYE_CONNECTION_CLOSED);
    assert_int_equal(records[1].flags, EYE_CONNECTION_LEAVES);
    assert_int_equal(totals.losses[EYE_LOSS_DIAG_VANISHED], 1);
}

static uint64_t find(void *context, uint32_t inode)
{
    (void)context;
    return inode == 9 ? OWNER : EYE_OWNER_UNKNOWN;
}

static void listener__gives_direction_and_owner(void **state)
{
    struct eye_diag_socket socket = client(1, 1, 1);
    const struct eye_diag_socket listener = {
        .cookie = 3, .inode = 9, .local_port = 40000, .state = TCP_LISTEN, .family = EYE_IPV4};
    (void)state;
    assert_true(eye_diag_connections_misses(&connections, 40000));
    eye_diag_connections_meet(&connections, &listener);
    eye_diag_connections_own(&connections, find, NULL);
    assert_false(eye_diag_connections_misses(&connections, 40000));
    end(socket);
    assert_int_equal(records[0].direction, EYE_INCOMING);
    assert_int_equal(records[0].port, 40000);
    assert_int_equal(records[0].owner, OWNER);
}

static void owner__that_is_another_moves_what_is_active(void **state)
{
    struct eye_diag_socket socket = client(8, 1, 1);
    (void)state;
    look(1, &socket);
    socket.inode = 9;
    eye_diag_connections_begin(&connections, 1, false);
    eye_diag_connections_meet(&connections, &socket);
    eye_diag_connections_own(&connections, find, NULL);
    eye_diag_connections_report(&connections, keep, NULL);
    assert_int_equal(records[1].flags, EYE_CONNECTION_MOVES);
    assert_int_equal(records[1].owner, OWNER);
    assert_int_equal(records[1].previous_owner, EYE_OWNER_UNKNOWN);
}

static void full_table__is_counted_and_told_at_the_end(void **state)
{
    const struct eye_diag_socket socket = client(1, 100, 0);
    (void)state;
    totals.connections = EYE_DIAG_CONNECTIONS_MAX;
    look(1, &socket);
    assert_int_equal(count, 0);
    assert_int_equal(totals.losses[EYE_LOSS_DIAG_TABLE], 1);
    end(socket);
    assert_int_equal(records[0].sent_bytes, 100);
    totals.connections = 0;
}

static void look_at_queue(struct eye_diag_socket socket, bool older, uint32_t drops)
{
    socket.state = TCP_LISTEN;
    socket.drops = drops;
    eye_diag_connections_begin(&connections, 1, older);
    eye_diag_connections_meet(&connections, &socket);
    eye_diag_connections_report_queues(&connections, keep, NULL);
}

static void queue__is_told_by_each_look_and_its_drops_once(void **state)
{
    const struct eye_diag_socket older = {
        .cookie = 5, .local_port = 80, .waiting = 3, .room = 2, .family = EYE_IPV4};
    (void)state;
    look_at_queue(older, true, UINT32_MAX - 1);
    look_at_queue(older, false, 2);
    assert_int_equal(count, 2);
    assert_int_equal(records[0].dropped, 0);
    assert_int_equal(records[1].kind, EYE_CONNECTION_LISTENS);
    assert_int_equal(records[1].waiting, 3);
    assert_int_equal(records[1].room, 2);
    assert_int_equal(records[1].dropped, 4); /* the counter wraps */
    eye_diag_connections_begin(&connections, 1, false);
    eye_diag_connections_give_up(&connections);
    eye_diag_connections_report_queues(&connections, keep, NULL);
    assert_int_equal(records[2].waiting, 3); /* the look failed, and nothing is known better */
    assert_int_equal(records[2].dropped, 0);
}

static void queues__of_one_port_count_for_themselves(void **state)
{
    struct eye_diag_socket worker = {.cookie = 5, .local_port = 80, .family = EYE_IPV4};
    (void)state;
    look_at_queue(worker, false, 7);
    worker.cookie = 6;
    look_at_queue(worker, false, 3);
    assert_int_equal(count, 2); /* the other one has not been met again */
    assert_int_equal(records[1].dropped, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(short_one__is_told_whole_at_its_end),
        TEST(lasting_one__is_told_by_differences),
        TEST(older_one__has_done_nothing_yet),
        TEST(fin__is_no_byte_where_the_state_tells),
        TEST(reset__is_a_loss_and_an_end),
        TEST(what_was_never_established__is_none),
        TEST(end_during_a_look__is_told_once),
        TEST(unmet__vanishes_at_the_second_look),
        TEST(listener__gives_direction_and_owner),
        TEST(owner__that_is_another_moves_what_is_active),
        TEST(full_table__is_counted_and_told_at_the_end),
        TEST(queue__is_told_by_each_look_and_its_drops_once),
        TEST(queues__of_one_port_count_for_themselves),
    };
    return cmocka_run_group_tests_name("diag_connections", tests, NULL, NULL);
}
