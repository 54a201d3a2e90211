/* SPDX-License-Identifier: Apache-2.0 */
/* A path is as good as the worst folder and link on its way. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/trust.h"
#include "tests/support/folder.h"

#define OTHER 65534

struct fixture {
    char folder[64];
    struct eye_stranger stranger;
};

static const char *path_of(const struct fixture *fixture, const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    return path;
}

/* deep/in/file, link -> deep/in */
static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.folder = "/tmp/sockeye-trust-XXXXXX"};
    *state = &fixture;
    if (mkdtemp(fixture.folder) == NULL || mkdir(path_of(&fixture, "deep"), 0755) != 0 ||
        mkdir(path_of(&fixture, "deep/in"), 0755) != 0 ||
        symlink("deep/../deep//in/.", path_of(&fixture, "link")) != 0) {
        return -1;
    }
    EYE_AUTOCLOSE int fd = open(path_of(&fixture, "deep/in/file"), O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    const struct fixture *fixture = *state;
    return folder_remove(fixture->folder);
}

/* @where: what others can exchange; NULL: nothing. */
static void assert_way(struct fixture *fixture, const char *path, mode_t strangers, int result,
                       const char *where)
{
    fixture->stranger.path[0] = '\0';
    int found = eye_look_for_strangers(path_of(fixture, path), strangers, EYE_NOBODY_ELSE,
                                       &fixture->stranger);
    assert_int_equal(found, result);
    assert_string_equal(fixture->stranger.path, where == NULL ? "" : path_of(fixture, where));
}

static void way__ends_in_no_folder_that_others_write(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        mode_t mode;
        mode_t strangers;
        int result;
    } table[] = {
        {0755, S_IWGRP | S_IWOTH, 0},      {0775, S_IWOTH, 0},
        {0775, S_IWGRP | S_IWOTH, -EPERM}, {0702, S_IWOTH, -EPERM},
        {01777, S_IWGRP | S_IWOTH, 0},
    };
    static const char *const paths[] = {"deep/in", "deep/in/file", "link", "link/file"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        assert_int_equal(chmod(path_of(fixture, "deep/in"), table[i].mode), 0);
        for (size_t j = 0; j < EYE_ARRAY_LENGTH(paths); j++) {
            assert_way(fixture, paths[j], table[i].strangers, table[i].result,
                       table[i].result == 0 ? NULL : "deep/in");
        }
    }
}

/* Who may rename in a folder above puts another one there. A group above is as in /var/local. */
static void way__leads_through_no_folder_that_everybody_writes(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        mode_t mode;
        int result;
    } table[] = {{0777, -EPERM}, {0703, -EPERM}, {01777, 0}, {0775, 0}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        assert_int_equal(chmod(path_of(fixture, "deep"), table[i].mode), 0);
        const char *where = table[i].result == 0 ? NULL : "deep";
        assert_way(fixture, "deep/in", S_IWGRP | S_IWOTH, table[i].result, where);
        assert_way(fixture, "link/file", S_IWGRP | S_IWOTH, table[i].result, where);
    }
}

static void way__has_no_owner_but_us(void **state)
{
    struct fixture *fixture = *state;
    if (lchown(path_of(fixture, "link"), OTHER, OTHER) != 0) {
        print_message("skipped: giving files away needs root\n");
        skip();
    }
    assert_way(fixture, "link/file", S_IWOTH, -ELOOP, "link");
    assert_true(S_ISLNK(fixture->stranger.mode));
    assert_way(fixture, "deep/in/file", S_IWOTH, 0, NULL);
    assert_int_equal(chown(path_of(fixture, "deep"), OTHER, OTHER), 0);
    assert_way(fixture, "deep/in/file", S_IWOTH, -EPERM, "deep");
    assert_int_equal(fixture->stranger.owner, OTHER);
    assert_int_equal(
        eye_look_for_strangers(path_of(fixture, "link/file"), S_IWOTH, OTHER, &fixture->stranger),
        0);
}

static void way__begins_where_the_process_works(void **state)
{
    struct fixture *fixture = *state;
    EYE_AUTOFREE char *before = getcwd(NULL, 0);
    assert_int_equal(chmod(path_of(fixture, "deep"), 0777), 0);
    assert_int_equal(chdir(path_of(fixture, "deep/in")), 0);
    int inside = eye_look_for_strangers("file", S_IWOTH, EYE_NOBODY_ELSE, &fixture->stranger);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(inside, -EPERM);
    assert_string_equal(fixture->stranger.path, path_of(fixture, "deep"));
}

static void way__says_why_it_ends(void **state)
{
    struct fixture *fixture = *state;
    char name[300];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(symlink("round", path_of(fixture, "round")), 0);
    assert_way(fixture, "deep/absent/file", S_IWOTH, -ENOENT, NULL);
    assert_way(fixture, "deep/in/file/below", S_IWOTH, -ENOTDIR, NULL);
    assert_way(fixture, "round", S_IWOTH, -EMLINK, NULL);
    assert_int_equal(eye_look_for_strangers(name, S_IWOTH, EYE_NOBODY_ELSE, &fixture->stranger),
                     -ENAMETOOLONG);
}

static void folder__is_opened_when_it_is_one(void **state)
{
    struct fixture *fixture = *state;
    EYE_AUTOCLOSE int fd =
        eye_open_trusted_folder(path_of(fixture, "link"), S_IWOTH, &fixture->stranger);
    assert_true(fd >= 0);
    assert_int_equal(faccessat(fd, "file", R_OK, 0), 0);
    assert_int_equal(
        eye_open_trusted_folder(path_of(fixture, "deep/in/file"), S_IWOTH, &fixture->stranger),
        -ENOTDIR);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(way__ends_in_no_folder_that_others_write),
        TEST(way__leads_through_no_folder_that_everybody_writes),
        TEST(way__has_no_owner_but_us),
        TEST(way__begins_where_the_process_works),
        TEST(way__says_why_it_ends),
        TEST(folder__is_opened_when_it_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
