/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as they should be, and others: of a peer that stops, lies or says something else. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/control/client.h"

#define FOLDER "/tmp/sockeye-client-XXXXXX"

struct peer {
    char folder[sizeof(FOLDER)];
    char path[sizeof(FOLDER) + 8];
    int listen_fd;
    const char *answer;
    bool silent; /* keeps the connection open instead of ending it */
    pthread_t thread;
};

static int setup(void **state)
{
    static struct peer peer;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(peer.folder, FOLDER, sizeof(FOLDER));
    assert_non_null(mkdtemp(peer.folder));
    snprintf(peer.path, sizeof(peer.path), "%s/c.sock", peer.folder);
    memcpy(address.sun_path, peer.path, strlen(peer.path) + 1);
    peer.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer.listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(peer.listen_fd, 1), 0);
    *state = &peer;
    return 0;
}

static int teardown(void **state)
{
    struct peer *peer = *state;
    close(peer->listen_fd);
    unlink(peer->path);
    return rmdir(peer->folder);
}

static void *answer(void *context)
{
    const struct peer *peer = context;
    char request[512];
    int fd = accept(peer->listen_fd, NULL, NULL);
    ssize_t length = read(fd, request, sizeof(request));
    assert_true(length > 0);
    ssize_t written = write(fd, peer->answer, strlen(peer->answer));
    assert_int_equal(written, strlen(peer->answer));
    if (peer->silent) {
        assert_int_equal(read(fd, request, sizeof(request)), 0);
    }
    close(fd);
    return NULL;
}

/* What the client makes of @bytes. */
static int ask(struct peer *peer, const char *bytes, bool silent, struct eye_text *body,
               struct eye_error *ret_error)
{
    peer->answer = bytes;
    peer->silent = silent;
    assert_int_equal(pthread_create(&peer->thread, NULL, answer, peer), 0);
    int result = eye_client_ask(peer->path, "GET", "/status", 1, body, ret_error);
    pthread_join(peer->thread, NULL);
    return result;
}

static void whole(void **state)
{
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    struct eye_error error;
    eye_text_init(&body, 100);
    assert_int_equal(
        ask(*state, "HTTP/1.1 503 Gone\r\nContent-Length: 5\r\n\r\n{\"\"}\n", false, &body, &error),
        503);
    assert_string_equal(body.data, "{\"\"}\n");
}

static void not_an_answer(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\nX: y\r\n\r\nContent-Length: 4\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(answers); i++) {
        EYE_CLEANUP(eye_text_done) struct eye_text body;
        struct eye_error error;
        eye_text_init(&body, 100);
        assert_int_equal(ask(*state, answers[i], false, &body, &error), -EPROTO);
        assert_non_null(strstr(error.text, "no answer to GET /status: Protocol error"));
        assert_int_equal(body.length, 0);
    }
}

static void turned_away(void **state)
{
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    struct eye_error error;
    eye_text_init(&body, 100);
    assert_int_equal(ask(*state, "", false, &body, &error), -EPROTO);
    assert_non_null(strstr(error.text, "no answer to GET /status: the connection was closed: "));
}

static void nobody_goes_on(void **state)
{
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    struct eye_error error;
    eye_text_init(&body, 100);
    assert_int_equal(ask(*state, "HTTP/1.1 200 OK\r\n", true, &body, &error), -ETIMEDOUT);
}

static void nobody_listens(void **state)
{
    struct peer *peer = *state;
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    struct eye_error error;
    char longer[200];
    eye_text_init(&body, 100);
    close(peer->listen_fd);
    assert_int_equal(eye_client_ask(peer->path, "GET", "/", 1, &body, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.text, "sockeye is not running"));
    assert_int_equal(eye_client_ask("/nothing/here", "GET", "/", 1, &body, &error), -ENOENT);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(eye_client_ask(longer, "GET", "/", 1, &body, &error), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole, setup, teardown),
        cmocka_unit_test_setup_teardown(not_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(turned_away, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
