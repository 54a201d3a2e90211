/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets for the tests of the link. */
#include "tests/unit/exporters/link/link_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/text.h"

#define PATIENCE_MS 5000

int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->receiver = -1;
    fixture->accepted = -1;
    atomic_store(&fixture->deadline.at_ns, UINT64_MAX);
    fixture->setup.stats = &fixture->stats;
    fixture->setup.deadline = &fixture->deadline;
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-link-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->folder);
    *state = fixture;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_link_free(fixture->link);
    fixture_close_receiver(fixture);
    fixture_close_accepted(fixture);
    unlink(fixture->path);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

void fixture_link(struct fixture *fixture, const char *url)
{
    char place[64];
    char whole[128];
    struct eye_link_address address;
    snprintf(place, sizeof(place), "%u", (unsigned)fixture->port);
    const char *mark = strchr(url, '%');
    snprintf(whole, sizeof(whole), "%.*s%s", (int)(mark - url), url,
             strncmp(url, "unix", 4) == 0 ? fixture->path : place);
    assert_int_equal(eye_link_parse(whole, NULL, EYE_LINK_ANY, &address), 0);
    struct eye_error error = {0};
    assert_int_equal(eye_link_new(&address, NULL, &fixture->setup, &fixture->link, &error), 0);
}

static void start(struct fixture *fixture, int type, const struct sockaddr *address,
                  socklen_t length)
{
    fixture_close_receiver(fixture);
    fixture->receiver = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fixture->receiver >= 0);
    int on = 1;
    setsockopt(fixture->receiver, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fixture->receiver, address, length), 0);
    if (type == SOCK_STREAM) {
        assert_int_equal(listen(fixture->receiver, 8), 0);
    }
}

void fixture_bind_inet(struct fixture *fixture, int type, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);
    start(fixture, type, (struct sockaddr *)&address, length);
    getsockname(fixture->receiver, (struct sockaddr *)&address, &length);
    fixture->port = ntohs(address.sin_port);
}

void fixture_bind_unix(struct fixture *fixture, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    eye_copy_string(address.sun_path, sizeof(address.sun_path), fixture->path);
    unlink(fixture->path);
    start(fixture, type, (struct sockaddr *)&address, sizeof(address));
}

static void wait_readable(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, PATIENCE_MS), 1);
}

void fixture_accept(struct fixture *fixture)
{
    fixture_close_accepted(fixture);
    wait_readable(fixture->receiver);
    fixture->accepted = accept4(fixture->receiver, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fixture->accepted >= 0);
}

static void close_descriptor(int *fd)
{
    eye_cleanup_close(fd);
    *fd = -1;
}

void fixture_close_receiver(struct fixture *fixture)
{
    close_descriptor(&fixture->receiver);
}

void fixture_close_accepted(struct fixture *fixture)
{
    close_descriptor(&fixture->accepted);
}

void fixture_reset_accepted(struct fixture *fixture)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(fixture->accepted, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    fixture_close_accepted(fixture);
}

void fixture_stop_in_ms(struct fixture *fixture, unsigned milliseconds)
{
    atomic_store(&fixture->deadline.at_ns, eye_clock_monotonic_ns() + milliseconds * EYE_NS_PER_MS);
}

int fixture_send(struct fixture *fixture, const char *text)
{
    fixture->failure = (struct eye_export_failure){0};
    int result = eye_link_open(fixture->link, &fixture->failure);
    if (result == 0) {
        result = eye_link_send(fixture->link, text, strlen(text), &fixture->failure);
    }
    assert_true((result == 0) == (fixture->failure.cause.text[0] == '\0'));
    return result;
}

void fixture_expect(int fd, const char *text)
{
    char bytes[256] = {0};
    wait_readable(fd);
    ssize_t length = recv(fd, bytes, sizeof(bytes) - 1, 0);
    assert_int_equal(length, strlen(text));
    assert_string_equal(bytes, text);
}

size_t fixture_read_to_end(int fd, bool *ret_reset)
{
    char bytes[65536];
    size_t sum = 0;
    for (;;) {
        wait_readable(fd);
        ssize_t length = recv(fd, bytes, sizeof(bytes), 0);
        if (length <= 0) {
            *ret_reset = length < 0;
            return sum;
        }
        sum += (size_t)length;
    }
}
