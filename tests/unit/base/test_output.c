/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of stream that a daemon may be given, with a reader that does not read: a test that
 * waits for it never ends, and the alarm says so. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/output.h"

#define LINE_BYTES 1000
#define LINES_MAX 10000 /* more than any kernel buffer of these holds */
#define HANGS_AFTER_SECONDS 20

struct fixture {
    int fds[2]; /* the reader's, the writer's: blocking */
    struct eye_output output;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.fds = {-1, -1}};
    *state = &fixture;
    alarm(HANGS_AFTER_SECONDS);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    alarm(0);
    eye_output_close(&fixture->output);
    eye_cleanup_close(&fixture->fds[0]);
    eye_cleanup_close(&fixture->fds[1]);
    return 0;
}

static bool blocks(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

/* Writes lines until one is not taken; how many bytes were, and what the last one got. */
static size_t fill(struct fixture *fixture, ssize_t *ret_last)
{
    char line[LINE_BYTES];
    size_t total = 0;
    ssize_t count = 0;
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < LINES_MAX && count >= 0; i++) {
        count = eye_output_write(&fixture->output, line, sizeof(line));
        total += count > 0 ? (size_t)count : 0;
    }
    *ret_last = count;
    return total;
}

/* What the reader finds. */
static size_t drain(const struct fixture *fixture)
{
    char bytes[4096];
    size_t total = 0;
    ssize_t count;
    fcntl(fixture->fds[0], F_SETFL, O_NONBLOCK);
    while ((count = read(fixture->fds[0], bytes, sizeof(bytes))) > 0) {
        total += (size_t)count;
    }
    return total;
}

/* The stream fills, is not waited for, and takes more when it was read; others see no change. */
static void check_fills(struct fixture *fixture)
{
    ssize_t last;
    size_t written = fill(fixture, &last);
    assert_int_equal(last, -EAGAIN);
    assert_true(written > LINE_BYTES);
    assert_int_equal(drain(fixture), written);
    assert_int_equal(eye_output_write(&fixture->output, "again", 5), 5);
    assert_true(blocks(fixture->fds[1]));
}

static void pipe__is_opened_once_more(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pipe2(fixture->fds, O_CLOEXEC), 0);
    eye_output_open(&fixture->output, fixture->fds[1]);
    assert_true(fixture->output.owned);
    assert_int_not_equal(fixture->output.fd, fixture->fds[1]);
    check_fills(fixture);
}

static void pipe__is_asked_where_it_cannot_be_opened(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pipe2(fixture->fds, O_CLOEXEC), 0);
    fixture->output = (struct eye_output){.fd = fixture->fds[1]};
    check_fills(fixture);
}

static void pipe__takes_a_line_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pipe2(fixture->fds, O_CLOEXEC), 0);
    eye_output_open(&fixture->output, fixture->fds[1]);
    ssize_t last;
    assert_int_equal(fill(fixture, &last) % LINE_BYTES, 0);
}

static void pipe__says_that_its_reader_has_gone(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pipe2(fixture->fds, O_CLOEXEC), 0);
    eye_output_open(&fixture->output, fixture->fds[1]);
    eye_cleanup_close(&fixture->fds[0]);
    fixture->fds[0] = -1;
    assert_int_equal(eye_output_write(&fixture->output, "x", 1), -EPIPE);
}

static void socket__is_sent_to(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fixture->fds), 0);
    eye_output_open(&fixture->output, fixture->fds[1]);
    check_fills(fixture);
    eye_cleanup_close(&fixture->fds[0]);
    fixture->fds[0] = -1;
    assert_int_equal(eye_output_write(&fixture->output, "x", 1), -EPIPE);
}

static void open_terminal(struct fixture *fixture)
{
    assert_int_equal(openpty(&fixture->fds[0], &fixture->fds[1], NULL, NULL, NULL), 0);
    eye_output_open(&fixture->output, fixture->fds[1]);
    assert_true(fixture->output.owned);
}

static void terminal__that_nobody_reads_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    open_terminal(fixture);
    check_fills(fixture);
}

static void terminal__that_is_stopped_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    open_terminal(fixture);
    assert_int_equal(eye_output_write(&fixture->output, "x", 1), 1);
    assert_int_equal(tcflow(fixture->fds[1], TCOOFF), 0);
    assert_int_equal(eye_output_write(&fixture->output, "x", 1), -EAGAIN);
    assert_int_equal(tcflow(fixture->fds[1], TCOON), 0);
    assert_int_equal(eye_output_write(&fixture->output, "x", 1), 1);
}

/* Opened once more it would begin at its start. */
static void file__keeps_its_position(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/eye-output-XXXXXX";
    fixture->fds[1] = mkstemp(path);
    assert_true(fixture->fds[1] >= 0);
    unlink(path);
    assert_int_equal(write(fixture->fds[1], "before ", 7), 7);
    eye_output_open(&fixture->output, fixture->fds[1]);
    assert_int_equal(eye_output_write(&fixture->output, "after", 5), 5);
    char text[16] = "";
    assert_int_equal(pread(fixture->fds[1], text, sizeof(text) - 1, 0), 12);
    assert_string_equal(text, "before after");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(pipe__is_opened_once_more),
        TEST(pipe__is_asked_where_it_cannot_be_opened),
        TEST(pipe__takes_a_line_whole_or_not_at_all),
        TEST(pipe__says_that_its_reader_has_gone),
        TEST(socket__is_sent_to),
        TEST(terminal__that_nobody_reads_is_not_waited_for),
        TEST(terminal__that_is_stopped_is_not_waited_for),
        TEST(file__keeps_its_position),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
