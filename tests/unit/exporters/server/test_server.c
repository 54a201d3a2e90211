/* SPDX-License-Identifier: Apache-2.0 */
/* A server in the loop of the test: who waits for an answer, and the end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/error.h"
#include "exporters/server/server.h"

#define TICKET 7

/* Of a name that the kernel chooses: unix(7), "autobind". */
#define AUTOBIND_BYTES 6

static const char request[] = "POST /wait HTTP/1.1\r\nHost: test\r\n\r\n";

struct fixture {
    struct eye_server server;
    atomic_uint_fast64_t counts[3];
    struct sockaddr_un address;
    bool over; /* what requests wait for */
    unsigned asked;
    uint64_t ticket; /* that came with the last one */
};

static void answer(void *context, struct MHD_Connection *connection, const char *path,
                   const char *method, struct eye_reply *ret_reply)
{
    struct fixture *fixture = context;
    (void)connection;
    (void)path;
    (void)method;
    fixture->asked++;
    fixture->ticket = ret_reply->ticket;
    if (fixture->over) {
        *ret_reply = (struct eye_reply){.status = 200, .content_type = "text/plain", .words = "y"};
    } else {
        ret_reply->ticket = TICKET;
    }
}

/* At a name that is in no folder. */
static int listen_somewhere(struct sockaddr_un *ret_address)
{
    socklen_t length = sizeof(*ret_address);
    const sa_family_t family = AF_UNIX;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un any = {.sun_family = family};
    assert_return_code(bind(fd, (struct sockaddr *)&any, sizeof(family)), errno);
    assert_return_code(listen(fd, 8), errno);
    assert_return_code(getsockname(fd, (struct sockaddr *)ret_address, &length), errno);
    return fd;
}

static int setup(void **state)
{
    static struct fixture fixture;
    struct eye_error error;
    fixture = (struct fixture){0};
    const struct eye_server_setup setup = {
        .name = "test",
        .answer = answer,
        .context = &fixture,
        .counts = {.peers = {&fixture.counts[0], &fixture.counts[1]}, .other = &fixture.counts[2]},
    };
    *state = &fixture;
    assert_int_equal(eye_http_server_load(&error), 0);
    eye_server_init(&fixture.server, &setup);
    assert_int_equal(eye_server_open(&fixture.server, listen_somewhere(&fixture.address)), 0);
    return 0;
}

static int connect_to(const struct fixture *fixture)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_return_code(connect(fd, (const struct sockaddr *)&fixture->address,
                               sizeof(sa_family_t) + AUTOBIND_BYTES),
                       errno);
    return fd;
}

static void serve(struct fixture *fixture)
{
    struct pollfd fds[EYE_SERVER_FDS];
    eye_server_prepare(&fixture->server, fds);
    poll(fds, EYE_SERVER_FDS, 0);
    eye_server_serve(&fixture->server, fds);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A request is whole behind the connection that brings it. */
static int begin_to_wait(struct fixture *fixture)
{
    int client = connect_to(fixture);
    say(client, request);
    serve(fixture);
    return client;
}

static void assert_answered(int client)
{
    char text[512] = "";
    assert_true(recv(client, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
    assert_memory_equal(text, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 "));
}

static void assert_closed(int client)
{
    char byte;
    ssize_t length = recv(client, &byte, 1, MSG_DONTWAIT);
    assert_true(length == 0 || (length < 0 && errno == ECONNRESET));
}

static void test_who_waits_is_told_when_it_is_over(void **state)
{
    struct fixture *fixture = *state;
    char byte;
    EYE_AUTOCLOSE int client = begin_to_wait(fixture);
    assert_int_equal(fixture->asked, 1);
    serve(fixture);
    assert_int_equal(fixture->asked, 1);
    assert_int_equal(recv(client, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    fixture->over = true;
    eye_server_wake(&fixture->server);
    assert_int_equal(fixture->ticket, TICKET);
    assert_answered(client);
    eye_server_close(&fixture->server);
}

/* Its place is free again, though nothing is over. */
static void test_who_waits_gives_way_at_once(void **state)
{
    struct fixture *fixture = *state;
    int clients[EYE_PEERS_SHARE + 1];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(clients); i++) {
        clients[i] = begin_to_wait(fixture);
    }
    serve(fixture);
    assert_closed(clients[0]);
    assert_int_equal(fixture->server.peers.open, EYE_PEERS_SHARE);
    fixture->over = true;
    eye_server_close(&fixture->server);
    for (size_t i = 1; i < EYE_ARRAY_LENGTH(clients); i++) {
        assert_answered(clients[i]);
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(clients); i++) {
        close(clients[i]);
    }
}

static void test_a_request_that_comes_with_the_end(void **state)
{
    struct fixture *fixture = *state;
    EYE_AUTOCLOSE int client = connect_to(fixture);
    serve(fixture);
    say(client, request);
    eye_server_close(&fixture->server);
    assert_null(fixture->server.daemon);
    assert_int_equal(fixture->asked, 1);
    assert_closed(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_who_waits_is_told_when_it_is_over, setup),
        cmocka_unit_test_setup(test_who_waits_gives_way_at_once, setup),
        cmocka_unit_test_setup(test_a_request_that_comes_with_the_end, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
