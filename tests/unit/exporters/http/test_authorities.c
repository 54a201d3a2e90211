/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle that the environment chose: there, not there, and none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "collector/base/text.h"
#include "exporters/http/authorities.h"
#include "tests/support/folder.h"

struct world {
    char folder[32];
    char bundle[64];
    struct eye_error error;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    eye_copy_string(world->folder, sizeof(world->folder), "/tmp/authorities-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->bundle, sizeof(world->bundle), "%s/bundle.pem", world->folder);
    setenv(EYE_AUTHORITIES_VARIABLE, world->bundle, 1);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    unsetenv(EYE_AUTHORITIES_VARIABLE);
    folder_remove(world->folder);
    free(world);
    return 0;
}

static void write_bundle(const struct world *world, const char *text)
{
    EYE_AUTOCLOSE int fd = open(world->bundle, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Nothing is found, the output stays, and the message says where and @why. */
static void refuse(struct world *world, const char *why)
{
    const char *path = "untouched";
    assert_int_equal(eye_authorities_find(&path, &world->error), -ENOENT);
    assert_string_equal(path, "untouched");
    assert_non_null(strstr(world->error.text, why));
    assert_non_null(strstr(world->error.text, EYE_AUTHORITIES_VARIABLE "=/tmp/authorities-"));
    assert_non_null(strstr(world->error.text, "`tls.ca_file`"));
}

static void find__takes_what_the_environment_chose(void **state)
{
    struct world *world = *state;
    const char *path = NULL;
    write_bundle(world, "a certificate");
    assert_int_equal(eye_authorities_find(&path, NULL), 0);
    assert_string_equal(path, world->bundle);
}

/* Whoever chose authorities of his own must not get the whole world's for a slip of the pen. */
static void find__takes_no_other_instead(void **state)
{
    struct world *world = *state;
    refuse(world, "No such file or directory");
    assert_null(strstr(world->error.text, "/etc/"));
}

static void find__takes_no_empty_file_and_no_folder(void **state)
{
    struct world *world = *state;
    write_bundle(world, "");
    refuse(world, "No data available");
    assert_int_equal(unlink(world->bundle), 0);
    assert_int_equal(mkdir(world->bundle, 0700), 0);
    refuse(world, "No data available");
}

/* What this host has is not ours to say: one of the known places, or all of them in the message. */
static void find__an_empty_variable_chooses_nothing(void **state)
{
    struct world *world = *state;
    const char *path = NULL;
    setenv(EYE_AUTHORITIES_VARIABLE, "", 1);
    if (eye_authorities_find(&path, &world->error) == 0) {
        assert_int_equal(strncmp(path, "/etc/", strlen("/etc/")), 0);
    } else {
        assert_non_null(strstr(world->error.text, "/etc/ssl/certs/ca-certificates.crt"));
        assert_non_null(strstr(world->error.text, "/etc/ssl/cert.pem"));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(find__takes_what_the_environment_chose),
        TEST(find__takes_no_other_instead),
        TEST(find__takes_no_empty_file_and_no_folder),
        TEST(find__an_empty_variable_chooses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
