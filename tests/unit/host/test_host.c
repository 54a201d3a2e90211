/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that are neither a proc file system nor a cgroup; what these are like is tested live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/host/host.h"

struct fixture {
    char root[32];
    char self[64];
    char mountinfo[96];
};

static int make_folder(void **state)
{
    static struct fixture fixture;
    snprintf(fixture.root, sizeof(fixture.root), "/tmp/eye-host-XXXXXX");
    *state = &fixture;
    if (mkdtemp(fixture.root) == NULL) {
        return -1;
    }
    snprintf(fixture.self, sizeof(fixture.self), "%s/self", fixture.root);
    snprintf(fixture.mountinfo, sizeof(fixture.mountinfo), "%s/mountinfo", fixture.self);
    return mkdir(fixture.self, 0700);
}

static int remove_folder(void **state)
{
    struct fixture *fixture = *state;
    unlink(fixture->mountinfo);
    rmdir(fixture->self);
    return rmdir(fixture->root);
}

static void write_mountinfo(const struct fixture *fixture, const char *text)
{
    FILE *file = fopen(fixture->mountinfo, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void proc_look__says_what_is_absent(void **state)
{
    const struct fixture *fixture = *state;
    int error = -1;
    assert_int_equal(eye_proc_look("/nonexistent", &error), EYE_PROC_ABSENT);
    assert_int_equal(error, ENOENT);
    assert_int_equal(eye_proc_look(fixture->root, &error), EYE_PROC_ABSENT);
    assert_int_equal(error, 0);
}

static void host_namespace__leaves_output_on_failure(void **state)
{
    const struct fixture *fixture = *state;
    bool initial = true;
    assert_int_equal(eye_host_namespace(fixture->root, EYE_HOST_PID, &initial), -ENOENT);
    assert_true(initial);
}

static void cgroup_open__says_what_it_could_not_open(void **state)
{
    const struct fixture *fixture = *state;
    struct eye_cgroup cgroup;
    assert_int_equal(eye_cgroup_open("/nonexistent", "/proc", &cgroup), -ENOENT);
    assert_string_equal(cgroup.path, "/nonexistent");
    assert_int_equal(cgroup.fd, -1);
    assert_int_equal(eye_cgroup_open(fixture->root, "/proc", &cgroup), -ENOTSUP);
    assert_string_equal(cgroup.path, fixture->root);
    assert_int_equal(eye_cgroup_open(NULL, fixture->root, &cgroup), -ENOENT);
    assert_string_equal(cgroup.path, fixture->mountinfo);
}

static void cgroup_open__finds_none_among_others_and_hidden_ones(void **state)
{
    const struct fixture *fixture = *state;
    char text[512];
    struct eye_cgroup cgroup;
    snprintf(text, sizeof(text),
             "no line\n22 27 0:21 / /proc rw - proc proc rw\n"
             "41 31 0:38 / %s rw - cgroup2 cgroup2 rw\n",
             fixture->root);
    write_mountinfo(fixture, text);
    assert_int_equal(eye_cgroup_open(NULL, fixture->root, &cgroup), -ENOENT);
    assert_string_equal(cgroup.path, "");
    assert_int_equal(cgroup.fd, -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(proc_look__says_what_is_absent, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(host_namespace__leaves_output_on_failure, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(cgroup_open__says_what_it_could_not_open, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(cgroup_open__finds_none_among_others_and_hidden_ones,
                                        make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
