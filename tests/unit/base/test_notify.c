/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager receives: a real datagram socket in its place. A test that waits for it
 * never ends, and the alarm says so. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/notify.h"
#include "collector/base/parse.h"

#define HANGS_AFTER_SECONDS 20

struct fixture {
    char folder[32];
    char path[64];
    int manager;
    struct eye_notify notify;
    char message[4096];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-notify-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->folder);
    fixture->manager = -1;
    fixture->notify.fd = -1;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    alarm(HANGS_AFTER_SECONDS);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    alarm(0);
    eye_notify_close(&fixture->notify);
    eye_cleanup_close(&fixture->manager);
    unlink(fixture->path);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

/* A manager at @name, "@..." or a path, and a daemon that was told of it. */
static void open_at(struct fixture *fixture, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    fixture->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fixture->manager, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    struct eye_error error = {""};
    assert_int_equal(eye_notify_open(&fixture->notify, &error), 0);
    assert_true(eye_notify_is_wanted(&fixture->notify));
}

/* The next datagram; "" when there is none. */
static const char *receive(struct fixture *fixture)
{
    ssize_t length =
        recv(fixture->manager, fixture->message, sizeof(fixture->message) - 1, MSG_DONTWAIT);
    fixture->message[length > 0 ? length : 0] = '\0';
    return fixture->message;
}

static void messages__are_one_datagram_each(void **state)
{
    struct fixture *fixture = *state;
    struct eye_notify *notify = &fixture->notify;
    open_at(fixture, fixture->path);
    assert_int_equal(eye_notify_extend(notify, 90 * EYE_NS_PER_SECOND), 0);
    assert_string_equal(receive(fixture), "EXTEND_TIMEOUT_USEC=90000000\n");
    assert_int_equal(eye_notify_ready(notify), 0);
    assert_string_equal(receive(fixture), "READY=1\n");
    assert_int_equal(eye_notify_status(notify, "3 connections"), 0);
    assert_string_equal(receive(fixture), "STATUS=3 connections\n");
    assert_int_equal(eye_notify_watchdog(notify), 0);
    assert_string_equal(receive(fixture), "WATCHDOG=1\n");
    assert_int_equal(eye_notify_stopping(notify, 5 * EYE_NS_PER_SECOND), 0);
    assert_string_equal(receive(fixture), "STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000\n");
    assert_string_equal(receive(fixture), "");
}

static void reloading__has_the_monotonic_time(void **state)
{
    struct fixture *fixture = *state;
    static const char start[] = "RELOADING=1\nMONOTONIC_USEC=";
    open_at(fixture, fixture->path);
    uint64_t before_us = eye_clock_monotonic_ns() / EYE_NS_PER_US;
    assert_int_equal(eye_notify_reloading(&fixture->notify), 0);
    uint64_t after_us = eye_clock_monotonic_ns() / EYE_NS_PER_US;
    receive(fixture);
    assert_memory_equal(fixture->message, start, strlen(start));
    char *number = fixture->message + strlen(start);
    number[strcspn(number, "\n")] = '\0';
    uint64_t us;
    assert_int_equal(eye_parse_u64(number, &us), 0);
    assert_true(before_us <= us && us <= after_us);
}

static void abstract_address__has_its_at_sign_replaced(void **state)
{
    struct fixture *fixture = *state;
    char name[sizeof(fixture->path) + 1];
    snprintf(name, sizeof(name), "@%s", fixture->path);
    open_at(fixture, name);
    assert_int_equal(eye_notify_ready(&fixture->notify), 0);
    assert_string_equal(receive(fixture), "READY=1\n");
}

static void environment__is_for_this_process_alone(void **state)
{
    struct fixture *fixture = *state;
    setenv("WATCHDOG_USEC", "1", 1);
    setenv("WATCHDOG_PID", "1", 1);
    open_at(fixture, fixture->path);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static void nobody__is_told_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const char *const values[] = {NULL, ""};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(values); i++) {
        if (values[i] != NULL) {
            setenv("NOTIFY_SOCKET", values[i], 1);
        }
        setenv("WATCHDOG_USEC", "1000000", 1);
        assert_int_equal(eye_notify_open(&fixture->notify, NULL), 0);
        assert_false(eye_notify_is_wanted(&fixture->notify));
        assert_int_equal(fixture->notify.watchdog_ns, 0);
        assert_int_equal(eye_notify_ready(&fixture->notify), 0);
        assert_int_equal(eye_notify_stopping(&fixture->notify, 1), 0);
    }
}

static void odd_addresses__are_told_and_not_used(void **state)
{
    struct fixture *fixture = *state;
    char too_long[200] = "/";
    memset(too_long + 1, 'x', sizeof(too_long) - 2);
    const struct {
        const char *value;
        int result;
    } cases[] = {
        {"vsock:2:1234", -EAFNOSUPPORT},
        {"relative", -EAFNOSUPPORT},
        {"/", -EINVAL},
        {"@", -EINVAL},
        {too_long, -ENAMETOOLONG},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_error error = {""};
        setenv("NOTIFY_SOCKET", cases[i].value, 1);
        assert_int_equal(eye_notify_open(&fixture->notify, &error), cases[i].result);
        assert_non_null(strstr(error.text, cases[i].value));
        assert_false(eye_notify_is_wanted(&fixture->notify));
        assert_int_equal(eye_notify_ready(&fixture->notify), 0);
    }
}

static void absent_manager__is_an_error_that_passes(void **state)
{
    struct fixture *fixture = *state;
    open_at(fixture, fixture->path);
    close(fixture->manager);
    fixture->manager = -1;
    assert_int_equal(eye_notify_ready(&fixture->notify), -ECONNREFUSED);
    unlink(fixture->path);
    assert_int_equal(eye_notify_ready(&fixture->notify), -ENOENT);
}

/* How many datagrams the manager's queue takes while it reads none. */
static unsigned fill(struct fixture *fixture)
{
    unsigned count = 0;
    while (eye_notify_watchdog(&fixture->notify) == 0) {
        count++;
    }
    return count;
}

static void drain(struct fixture *fixture, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(receive(fixture), "WATCHDOG=1\n");
    }
    assert_string_equal(receive(fixture), "");
}

static void full_queue__is_not_waited_for_and_ready_follows(void **state)
{
    struct fixture *fixture = *state;
    open_at(fixture, fixture->path);
    unsigned count = fill(fixture);
    assert_true(count > 0);
    assert_int_equal(eye_notify_ready(&fixture->notify), -EAGAIN);
    assert_int_equal(eye_notify_status(&fixture->notify, "lost"), -EAGAIN);
    drain(fixture, count);
    assert_int_equal(eye_notify_watchdog(&fixture->notify), 0);
    assert_string_equal(receive(fixture), "READY=1\nWATCHDOG=1\n");
    assert_int_equal(eye_notify_watchdog(&fixture->notify), 0);
    assert_string_equal(receive(fixture), "WATCHDOG=1\n");
}

static void stopping__owes_no_ready(void **state)
{
    struct fixture *fixture = *state;
    open_at(fixture, fixture->path);
    unsigned count = fill(fixture);
    assert_int_equal(eye_notify_ready(&fixture->notify), -EAGAIN);
    drain(fixture, count);
    assert_int_equal(eye_notify_stopping(&fixture->notify, 0), 0);
    assert_string_equal(receive(fixture), "STOPPING=1\nEXTEND_TIMEOUT_USEC=0\n");
}

static void status__is_one_line_whatever_is_in_it(void **state)
{
    struct fixture *fixture = *state;
    open_at(fixture, fixture->path);
    assert_int_equal(eye_notify_status(&fixture->notify, "a\nREADY=1\x1b[m\xff"), 0);
    assert_string_equal(receive(fixture), "STATUS=a READY=1?[m\xef\xbf\xbd\n");
}

static void status__that_is_long_is_cut(void **state)
{
    struct fixture *fixture = *state;
    char text[5000];
    open_at(fixture, fixture->path);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(eye_notify_status(&fixture->notify, text), 0);
    size_t length = strlen(receive(fixture));
    assert_true(length > 400 && length < 1000);
    assert_int_equal(fixture->message[length - 1], '\n');
}

static void watchdog__is_ours_by_pid_and_in_microseconds(void **state)
{
    struct fixture *fixture = *state;
    char own[24];
    snprintf(own, sizeof(own), "%d", getpid());
    const struct {
        const char *us;
        const char *pid;
        uint64_t ns;
    } cases[] = {
        {NULL, NULL, 0},
        {"60000000", NULL, 60 * EYE_NS_PER_SECOND},
        {"60000000", own, 60 * EYE_NS_PER_SECOND},
        {"60000000", "1", 0},
        {"60000000", "", 0},
        {"60000000", "self", 0},
        {"0", own, 0},
        {"", own, 0},
        {"-1", own, 0},
        {"6e7", own, 0},
        {"1", own, 10 * EYE_NS_PER_MS},   /* not a storm */
        {"18446744073709551615", own, 0}, /* systemd's infinity */
        {"18446744073709551616", own, 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        if (cases[i].us != NULL) {
            setenv("WATCHDOG_USEC", cases[i].us, 1);
        }
        if (cases[i].pid != NULL) {
            setenv("WATCHDOG_PID", cases[i].pid, 1);
        }
        setenv("NOTIFY_SOCKET", fixture->path, 1);
        assert_int_equal(eye_notify_open(&fixture->notify, NULL), 0);
        assert_int_equal(fixture->notify.watchdog_ns, cases[i].ns);
        eye_notify_close(&fixture->notify);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages__are_one_datagram_each),
        TEST(reloading__has_the_monotonic_time),
        TEST(abstract_address__has_its_at_sign_replaced),
        TEST(environment__is_for_this_process_alone),
        TEST(nobody__is_told_nothing),
        TEST(odd_addresses__are_told_and_not_used),
        TEST(absent_manager__is_an_error_that_passes),
        TEST(full_queue__is_not_waited_for_and_ready_follows),
        TEST(stopping__owes_no_ready),
        TEST(status__is_one_line_whatever_is_in_it),
        TEST(status__that_is_long_is_cut),
        TEST(watchdog__is_ours_by_pid_and_in_microseconds),
    };
    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
