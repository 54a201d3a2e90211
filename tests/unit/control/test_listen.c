/* SPDX-License-Identifier: Apache-2.0 */
/* Daemons that start at the same moment: processes, since locks and sockets are of processes. And
 * the file of one that goes on. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/control/control.h"
#include "tests/support/folder.h"
#include "tests/support/log_file.h"

#define FOLDER "/tmp/sockeye-listen-XXXXXX"

/* A lock that ends before the socket listens shows within a few, one that nobody takes within
 * dozens: that is the other test's. */
#define ROUNDS 20
#define DAEMONS 4

struct place {
    char folder[sizeof(FOLDER)];
    char path[sizeof(FOLDER) + 8];
};

static int setup(void **state)
{
    static struct place place;
    memcpy(place.folder, FOLDER, sizeof(FOLDER));
    assert_non_null(mkdtemp(place.folder));
    snprintf(place.path, sizeof(place.path), "%s/c.sock", place.folder);
    *state = &place;
    return 0;
}

static int teardown(void **state)
{
    const struct place *place = *state;
    return folder_remove(place->folder);
}

/* As a daemon leaves it that was killed. */
static void leave_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

/* Begins with the others, says what came of it, and lives until the others have said so, too. */
static void be_daemon(const char *path, const int begin[2], const int said[2], const int end[2])
{
    struct eye_control control;
    struct eye_error error;
    char byte = 0;
    close(begin[1]);
    close(end[1]);
    eye_control_init(&control);
    ssize_t length = read(begin[0], &byte, 1);
    byte = eye_control_listen(&control, path, &error) == 0 ? 1 : 0;
    length += write(said[1], &byte, 1);
    length += read(end[0], &byte, 1);
    _exit(length == 1 ? 0 : 1);
}

/* How many of those that begin at once listen. */
static int count_listeners(const char *path)
{
    int begin[2];
    int said[2];
    int end[2];
    char answers[DAEMONS] = {0};
    int listening = 0;
    assert_int_equal(pipe(begin) | pipe(said) | pipe(end), 0);
    fflush(NULL);
    for (int i = 0; i < DAEMONS; i++) {
        if (fork() == 0) {
            be_daemon(path, begin, said, end);
        }
    }
    close(begin[1]);
    for (int i = 0; i < DAEMONS; i++) {
        assert_int_equal(read(said[0], &answers[i], 1), 1);
        listening += answers[i];
    }
    close(end[1]);
    for (int i = 0; i < DAEMONS; i++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    close(begin[0]);
    close(said[0]);
    close(said[1]);
    close(end[0]);
    return listening;
}

/* Long enough for somebody who does not wait, and much shorter than whoever waits does. */
#define LOOK_MS 200

static void another_looks__it_is_waited_for(void **state)
{
    const struct place *place = *state;
    int status = 0;
    int folder = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(folder, LOCK_EX), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct eye_control control;
        struct eye_error error;
        close(folder);
        eye_control_init(&control);
        _exit(eye_control_listen(&control, place->path, &error) == 0 ? 0 : 1);
    }
    poll(NULL, 0, LOOK_MS);
    bool waited = access(place->path, F_OK) != 0;
    close(folder);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(waited);
    assert_int_equal(access(place->path, F_OK), 0);
}

static void many_at_once__one_listens_whatever_was_left_there(void **state)
{
    const struct place *place = *state;
    for (int i = 0; i < ROUNDS; i++) {
        leave_socket(place->path);
        assert_int_equal(count_listeners(place->path), 1);
    }
}

/* ---- The file of one that goes on ---- */

#define INTERVAL_NS (20 * EYE_NS_PER_MS)

/* Waits until there is something to do, which is a look at the file, and does it. */
static void go_on(struct eye_control *control)
{
    struct pollfd fds[EYE_CONTROL_FDS] = {{0}};
    uint64_t until_ns = eye_control_prepare(control, fds);
    uint64_t now_ns = eye_clock_monotonic_ns();
    assert_true(until_ns <= now_ns + INTERVAL_NS);
    poll(NULL, 0, until_ns > now_ns ? (int)((until_ns - now_ns) / EYE_NS_PER_MS) + 1 : 0);
    for (size_t i = 0; i < EYE_CONTROL_FDS; i++) {
        fds[i].revents = 0;
    }
    eye_control_serve(control, fds);
}

static void gone__it_is_there_again_after_an_interval(void **state)
{
    const struct place *place = *state;
    const struct eye_running running = {.interval_ns = INTERVAL_NS};
    struct eye_control control;
    struct eye_error error;
    struct log_file log;
    eye_control_init(&control);
    assert_int_equal(eye_control_listen(&control, place->path, &error), 0);
    eye_control_open(&control, &running, NULL, NULL, NULL);
    log_file_begin(&log);
    go_on(&control);
    assert_int_equal(unlink(place->path), 0);
    go_on(&control);
    assert_int_equal(access(place->path, F_OK), 0);
    leave_socket(place->path);
    go_on(&control);
    assert_int_equal(log_file_count(&log, "it is there again"), 2);
    assert_int_equal(unlink(place->path) | mkdir(place->path, 0700), 0);
    go_on(&control);
    go_on(&control);
    assert_int_equal(log_file_count(&log, "is there and is no socket"), 1);
    assert_int_equal(rmdir(place->path), 0);
    go_on(&control);
    assert_int_equal(log_file_count(&log, "it is there again"), 3);
    assert_int_equal(unlink(place->path) | mkdir(place->path, 0700), 0);
    go_on(&control);
    assert_int_equal(log_file_count(&log, "is there and is no socket"), 2);
    eye_control_close(&control);
    assert_int_equal(access(place->path, F_OK), 0);
    log_file_end(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gone__it_is_there_again_after_an_interval, setup, teardown),
        cmocka_unit_test_setup_teardown(another_looks__it_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(many_at_once__one_listens_whatever_was_left_there, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
