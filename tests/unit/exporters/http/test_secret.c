/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: where they are found, in which order, and what is refused. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "collector/base/text.h"
#include "exporters/http/secret.h"
#include "tests/support/log_file.h"

#define CREDENTIAL "api_key"
#define VARIABLE "SOCKEYE_TEST_SECRET"

struct folder {
    char path[32];
    char file[64];
    char credential[64];
    struct eye_secret secret;
    struct eye_error error;
};

static int setup(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    assert_non_null(folder);
    eye_copy_string(folder->path, sizeof(folder->path), "/tmp/secret-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof(folder->file), "%s/file", folder->path);
    snprintf(folder->credential, sizeof(folder->credential), "%s/" CREDENTIAL, folder->path);
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    struct folder *folder = *state;
    eye_secret_done(&folder->secret);
    unlink(folder->file);
    unlink(folder->credential);
    rmdir(folder->path);
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv(VARIABLE);
    free(folder);
    return 0;
}

static void write_bytes(const char *path, const void *bytes, size_t length, mode_t mode)
{
    EYE_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void write_file(const char *path, const char *content)
{
    write_bytes(path, content, strlen(content), 0600);
}

static void read__takes_the_file_first_then_credential_then_variable(void **state)
{
    struct folder *folder = *state;
    write_file(folder->file, "of the file");
    write_file(folder->credential, "of systemd");
    setenv("CREDENTIALS_DIRECTORY", folder->path, 1);
    setenv(VARIABLE, "of the environment", 1);

    assert_int_equal(
        eye_secret_read(folder->file, CREDENTIAL, VARIABLE, &folder->secret, &folder->error), 0);
    assert_string_equal(folder->secret.value, "of the file");
    assert_string_equal(folder->secret.path, folder->file);
    eye_secret_done(&folder->secret);

    assert_int_equal(eye_secret_read(NULL, CREDENTIAL, VARIABLE, &folder->secret, NULL), 0);
    assert_string_equal(folder->secret.value, "of systemd");
    assert_string_equal(folder->secret.path, folder->credential);
    eye_secret_done(&folder->secret);

    unlink(folder->credential);
    assert_int_equal(eye_secret_read(NULL, CREDENTIAL, VARIABLE, &folder->secret, NULL), 0);
    assert_string_equal(folder->secret.value, "of the environment");
    assert_null(folder->secret.path);
    assert_false(eye_secret_refresh(&folder->secret));
}

static void read__says_nothing_when_there_is_none(void **state)
{
    struct folder *folder = *state;
    struct eye_secret untouched = {0};
    assert_int_equal(eye_secret_read(NULL, CREDENTIAL, VARIABLE, &untouched, &folder->error),
                     -ENOENT);
    assert_int_equal(eye_secret_read(NULL, NULL, NULL, &untouched, &folder->error), -ENOENT);
    assert_null(untouched.value);
    assert_string_equal(folder->error.text, "");
}

static void read__cuts_one_line_break(void **state)
{
    static const char *const contents[] = {"key", "key\n", "key\r\n", "key\r"};
    struct folder *folder = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(contents); i++) {
        write_file(folder->file, contents[i]);
        assert_int_equal(eye_secret_read(folder->file, NULL, NULL, &folder->secret, NULL), 0);
        assert_string_equal(folder->secret.value, "key");
        eye_secret_done(&folder->secret);
    }
}

static void read__takes_the_longest(void **state)
{
    struct folder *folder = *state;
    char content[EYE_SECRET_MAX_BYTES + 2];
    memset(content, 'k', sizeof(content));
    content[EYE_SECRET_MAX_BYTES] = '\r';
    content[EYE_SECRET_MAX_BYTES + 1] = '\n';
    write_bytes(folder->file, content, sizeof(content), 0600);
    assert_int_equal(eye_secret_read(folder->file, NULL, NULL, &folder->secret, NULL), 0);
    assert_int_equal(strlen(folder->secret.value), EYE_SECRET_MAX_BYTES);
}

static void read__refuses_bad_content_without_telling_it(void **state)
{
    static char long_one[EYE_SECRET_MAX_BYTES + 2];
    static const struct {
        const char *content;
        size_t length;
        const char *problem;
    } cases[] = {
        {"", 0, "is empty"},
        {"\n", 1, "is empty"},
        {"hunter2\n\n", 9, "control character"},
        {"hunter2\nX: y", 12, "control character"},
        {"hunter2\0x", 9, "control character"},
        {"hunter2\x7f", 8, "control character"},
        {long_one, EYE_SECRET_MAX_BYTES + 1, "longer"},
        {long_one, EYE_SECRET_MAX_BYTES + 2, "longer"},
    };
    struct folder *folder = *state;
    memset(long_one, 'k', sizeof(long_one));
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        write_bytes(folder->file, cases[i].content, cases[i].length, 0600);
        assert_int_equal(eye_secret_read(folder->file, NULL, NULL, &folder->secret, &folder->error),
                         -EINVAL);
        assert_non_null(strstr(folder->error.text, cases[i].problem));
        assert_non_null(strstr(folder->error.text, folder->file));
        assert_null(strstr(folder->error.text, "hunter2"));
        assert_null(folder->secret.value);
    }
}

static void read__refuses_what_others_may_read(void **state)
{
    static const struct {
        mode_t mode;
        int result;
    } cases[] = {{0600, 0},      {0400, 0},      {0640, -EPERM},
                 {0604, -EPERM}, {0644, -EPERM}, {0440, -EPERM}};
    struct folder *folder = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        unlink(folder->file);
        write_bytes(folder->file, "key", 3, cases[i].mode);
        assert_int_equal(eye_secret_check_file(folder->file, &folder->error), cases[i].result);
        assert_int_equal(eye_secret_read(folder->file, NULL, NULL, &folder->secret, &folder->error),
                         cases[i].result);
        eye_secret_done(&folder->secret);
    }
    assert_non_null(strstr(folder->error.text, "chmod 600"));
}

/* The group of a credential stands for an ACL of the service's user. */
static void read__trusts_the_folder_of_credentials(void **state)
{
    struct folder *folder = *state;
    write_bytes(folder->credential, "key", 3, 0440);
    setenv("CREDENTIALS_DIRECTORY", folder->path, 1);
    assert_int_equal(eye_secret_read(NULL, CREDENTIAL, NULL, &folder->secret, NULL), 0);
    assert_int_equal(eye_secret_check_file(folder->credential, NULL), 0);
}

static void read__refuses_what_is_no_file(void **state)
{
    struct folder *folder = *state;
    assert_int_equal(eye_secret_check_file(folder->path, &folder->error), -EINVAL);
    assert_int_equal(mkfifo(folder->file, 0600), 0);
    assert_int_equal(eye_secret_read(folder->file, NULL, NULL, &folder->secret, &folder->error),
                     -EINVAL);
    unlink(folder->file);
    assert_int_equal(eye_secret_read(folder->file, NULL, VARIABLE, &folder->secret, &folder->error),
                     -ENOENT);
    assert_non_null(strstr(folder->error.text, folder->file));
}

static void follow__reads_only_what_changed(void **state)
{
    struct folder *folder = *state;
    struct log_file log;
    write_file(folder->file, "first");
    assert_int_equal(eye_secret_read(folder->file, NULL, NULL, &folder->secret, NULL), 0);
    assert_false(eye_secret_follow(&folder->secret));
    write_file(folder->credential, "second\n");
    assert_int_equal(rename(folder->credential, folder->file), 0);
    assert_true(eye_secret_follow(&folder->secret));
    assert_string_equal(folder->secret.value, "second");
    assert_false(eye_secret_follow(&folder->secret));

    log_file_begin(&log);
    write_bytes(folder->file, "third!!", 7, 0644);
    assert_false(eye_secret_follow(&folder->secret));
    assert_false(eye_secret_follow(&folder->secret));
    size_t told = log_file_count(&log, "others may read it");
    size_t stays = log_file_count(&log, "stays in use");
    size_t shown = log_file_count(&log, "third");
    log_file_end(&log);
    assert_int_equal(told, 1);
    assert_int_equal(stays, 1);
    assert_int_equal(shown, 0);
    assert_string_equal(folder->secret.value, "second");
    assert_int_equal(chmod(folder->file, 0600), 0);
    assert_true(eye_secret_follow(&folder->secret));
    assert_string_equal(folder->secret.value, "third!!");

    unlink(folder->file); /* away for a moment */
    assert_false(eye_secret_follow(&folder->secret));
    write_file(folder->file, "fourth");
    assert_true(eye_secret_follow(&folder->secret));
    assert_string_equal(folder->secret.value, "fourth");
}

static void refresh__sees_a_change_and_keeps_the_old_one_on_a_problem(void **state)
{
    struct folder *folder = *state;
    write_file(folder->file, "first");
    assert_int_equal(eye_secret_read(folder->file, NULL, NULL, &folder->secret, NULL), 0);
    assert_false(eye_secret_refresh(&folder->secret));
    write_file(folder->file, "second\n");
    assert_true(eye_secret_refresh(&folder->secret));
    assert_string_equal(folder->secret.value, "second");
    write_file(folder->file, "");
    assert_false(eye_secret_refresh(&folder->secret));
    write_bytes(folder->file, "third", 5, 0644);
    assert_false(eye_secret_refresh(&folder->secret));
    unlink(folder->file);
    assert_false(eye_secret_refresh(&folder->secret));
    assert_string_equal(folder->secret.value, "second");
}

static void done__takes_a_zeroed_one(void **state)
{
    struct eye_secret secret = {0};
    (void)state;
    eye_secret_done(&secret);
    assert_null(secret.value);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(read__takes_the_file_first_then_credential_then_variable),
        TEST(read__says_nothing_when_there_is_none),
        TEST(read__cuts_one_line_break),
        TEST(read__takes_the_longest),
        TEST(read__refuses_bad_content_without_telling_it),
        TEST(read__refuses_what_others_may_read),
        TEST(read__trusts_the_folder_of_credentials),
        TEST(read__refuses_what_is_no_file),
        TEST(follow__reads_only_what_changed),
        TEST(refresh__sees_a_change_and_keeps_the_old_one_on_a_problem),
        TEST(done__takes_a_zeroed_one),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
