/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder like /proc whose processes have namespaces of other kinds: setns(2) leads here, so
 * nothing is entered, and it is seen what would be, and by which thread. What is in /run/netns of
 * this machine comes along.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/thread.h"
#include "collector/source/everywhere.h"

#define VISITS_MAX 8192

/* Names in `root`, and what they lead to. Two processes share a namespace. */
static const struct {
    const char *folder;
    const char *namespace;
} processes[] = {
    {"self", "net"}, {"1", "net"}, {"7", "uts"}, {"8", "ipc"}, {"9", "uts"},
};

struct fixture {
    char root[48];
    pthread_t caller;
    ino_t entered[VISITS_MAX]; /* in order */
    size_t entries;
    size_t entries_of_caller;
    size_t looks; /* runs of the iterator */
    size_t looks_of_caller;
    int setns_error;
    int look_error;
    int thread_error;
    useconds_t waits; /* each look, without a processor */
};

static struct fixture *fixture;

static bool is_caller(void)
{
    return pthread_equal(pthread_self(), fixture->caller) != 0;
}

/* ---- Called by the code under test instead of the real ones ---- */

int setns(int fd, int kind)
{
    struct stat status;
    (void)kind;
    fixture->entries_of_caller += is_caller();
    if (fixture->setns_error != 0) {
        errno = fixture->setns_error;
        return -1;
    }
    if (fstat(fd, &status) == 0 && fixture->entries < VISITS_MAX) {
        fixture->entered[fixture->entries++] = status.st_ino;
    }
    return 0;
}

int eye_iterator_run(const struct bpf_link *link, size_t record_bytes, eye_iterator_sink *sink,
                     void *context)
{
    (void)link;
    (void)record_bytes;
    (void)sink;
    (void)context;
    fixture->looks++;
    fixture->looks_of_caller += is_caller();
    usleep(fixture->waits);
    return -fixture->look_error;
}

int eye_thread_start(const char *name, void *(*run)(void *context), void *context,
                     pthread_t *ret_thread)
{
    (void)name;
    return -(fixture->thread_error != 0 ? fixture->thread_error
                                        : pthread_create(ret_thread, NULL, run, context));
}

/* ---- */

static ino_t inode_of(const char *namespace)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/self/ns/%s", namespace);
    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

static size_t times_entered(const char *namespace)
{
    size_t times = 0;
    for (size_t i = 0; i < fixture->entries; i++) {
        times += fixture->entered[i] == inode_of(namespace);
    }
    return times;
}

/* @part: "", "/ns" or "/ns/net". */
static void path_of(size_t process, const char *part, char ret_path[static 96])
{
    snprintf(ret_path, 96, "%s/%s%s", fixture->root, processes[process].folder, part);
}

static int make_proc(void **state)
{
    static struct fixture fresh;
    char path[96];
    char target[64];
    (void)state;
    memset(&fresh, 0, sizeof(fresh));
    fixture = &fresh;
    fixture->caller = pthread_self();
    snprintf(fixture->root, sizeof(fixture->root), "/tmp/eye-everywhere-XXXXXX");
    if (mkdtemp(fixture->root) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(processes); i++) {
        path_of(i, "", path);
        int result = mkdir(path, 0700);
        path_of(i, "/ns", path);
        result |= mkdir(path, 0700);
        path_of(i, "/ns/net", path);
        snprintf(target, sizeof(target), "/proc/self/ns/%s", processes[i].namespace);
        result |= symlink(target, path);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

static int remove_proc(void **state)
{
    char path[96];
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(processes); i++) {
        path_of(i, "/ns/net", path);
        unlink(path);
        path_of(i, "/ns", path);
        rmdir(path);
        path_of(i, "", path);
        rmdir(path);
    }
    return rmdir(fixture->root);
}

static struct eye_visited run(void)
{
    struct eye_visited found;
    eye_iterator_run_everywhere(NULL, fixture->root, 0, NULL, NULL, &found);
    return found;
}

static void everywhere__enters_each_namespace_once_and_its_own_never(void **state)
{
    (void)state;
    struct eye_visited found = run();
    assert_int_equal(found.failed, 0);
    assert_int_equal(times_entered("uts"), 1);
    assert_int_equal(times_entered("ipc"), 1);
    assert_int_equal(times_entered("net"), 0);
    assert_int_equal(fixture->looks, fixture->entries + 1);
}

/* What a visit costs is a processor's time: who waits for one, as on a busy host, takes none. */
static void everywhere__costs_no_time_that_it_waits(void **state)
{
    (void)state;
    fixture->waits = 200000;
    struct eye_visited found = run();
    assert_int_equal(times_entered("uts"), 1);
    assert_in_range(found.others_ns, 1, 200000000);
}

/* What is entered by mistake is left with the thread: who asked has never moved. */
static void everywhere__leaves_the_caller_where_it_is(void **state)
{
    static const struct {
        int setns_error, look_error;
    } cases[] = {{0, 0}, {EPERM, 0}, {ENOMEM, 0}, {0, EIO}};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        fixture->looks_of_caller = 0;
        fixture->setns_error = cases[i].setns_error;
        fixture->look_error = cases[i].look_error;
        run();
        assert_int_equal(fixture->entries_of_caller, 0);
        assert_int_equal(fixture->looks_of_caller, 1);
    }
}

static void everywhere__enters_others_when_its_own_cannot_be_opened(void **state)
{
    char path[96];
    (void)state;
    path_of(0, "/ns/net", path);
    assert_int_equal(unlink(path), 0);
    struct eye_visited found = run();
    assert_int_equal(found.failed, 1);
    assert_string_equal(found.step, "open");
    assert_int_equal(found.error, ENOENT);
    assert_int_equal(times_entered("uts"), 1);
    assert_int_equal(fixture->entries_of_caller, 0);
}

static void everywhere__counts_what_could_not_be_entered(void **state)
{
    (void)state;
    fixture->setns_error = EPERM;
    struct eye_visited found = run();
    assert_true(found.failed >= 2);
    assert_string_equal(found.step, "setns");
    assert_int_equal(found.error, EPERM);
    assert_int_equal(fixture->looks, 1);
}

static void everywhere__looks_at_its_own_without_proc(void **state)
{
    (void)state;
    struct eye_visited found;
    eye_iterator_run_everywhere(NULL, "/nonexistent", 0, NULL, NULL, &found);
    assert_int_equal(found.failed, 1);
    assert_string_equal(found.step, "open");
    assert_int_equal(fixture->looks_of_caller, 1);
}

static void everywhere__looks_at_its_own_without_a_thread(void **state)
{
    (void)state;
    fixture->thread_error = EAGAIN;
    struct eye_visited found = run();
    assert_int_equal(found.failed, 1);
    assert_string_equal(found.step, "thread");
    assert_int_equal(found.error, EAGAIN);
    assert_int_equal(fixture->looks, 1);
    assert_int_equal(fixture->entries, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_proc, remove_proc)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(everywhere__enters_each_namespace_once_and_its_own_never),
        TEST(everywhere__costs_no_time_that_it_waits),
        TEST(everywhere__leaves_the_caller_where_it_is),
        TEST(everywhere__enters_others_when_its_own_cannot_be_opened),
        TEST(everywhere__counts_what_could_not_be_entered),
        TEST(everywhere__looks_at_its_own_without_proc),
        TEST(everywhere__looks_at_its_own_without_a_thread),
    };
    return cmocka_run_group_tests_name("everywhere", tests, NULL, NULL);
}
