/* SPDX-License-Identifier: Apache-2.0 */
/* Whole lines in a file, whatever happens: rotation, full disks, kill -9, other programs. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/file/journal.h"
#include "tests/support/folder.h"

#define LINE "{\"time\":1}\n"
#define LINE_BYTES (sizeof(LINE) - 1)

struct fixture {
    char folder[64];
    char path[128];
    struct eye_journal journal;
    struct eye_error error;
    pid_t child;
    bool mounted;
};

/* PATH, or PATH.@number of a rotated one. */
static void name_file(const struct fixture *fixture, int number, char *ret_name, size_t size)
{
    if (number == 0) {
        snprintf(ret_name, size, "%s", fixture->path);
    } else {
        snprintf(ret_name, size, "%s.%d", fixture->path, number);
    }
}

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    fixture->journal.fd = -1;
    *state = fixture;
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-journal-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL) {
        return -1;
    }
    snprintf(fixture->path, sizeof(fixture->path), "%s/lines", fixture->folder);
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;
    eye_journal_close(&fixture->journal);
    if (fixture->child > 0) {
        kill(fixture->child, SIGKILL);
        waitpid(fixture->child, NULL, 0);
    }
    if (fixture->mounted) {
        umount(fixture->folder);
    }
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void open_journal(struct fixture *fixture, uint64_t max_bytes, uint64_t keep)
{
    assert_int_equal(eye_journal_open(&fixture->journal, fixture->path, max_bytes, keep, NULL), 0);
}

static int append(struct fixture *fixture, const char *text)
{
    return eye_journal_append(&fixture->journal, text, strlen(text), &fixture->error);
}

static void write_file(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t count = write(fd, content, strlen(content));
    close(fd);
    assert_int_equal(count, strlen(content));
}

/* The content of PATH, or PATH.@number; "absent" when there is no such file. */
static const char *content_of(const struct fixture *fixture, int number)
{
    static char content[4096];
    char name[160];
    name_file(fixture, number, name, sizeof(name));
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return "absent";
    }
    ssize_t count = read(fd, content, sizeof(content) - 1);
    close(fd);
    content[count > 0 ? count : 0] = '\0';
    return content;
}

static off_t size_of(const struct fixture *fixture)
{
    struct stat status;
    assert_int_equal(stat(fixture->path, &status), 0);
    return status.st_size;
}

static void open__makes_a_file_for_owner_and_group(void **state)
{
    struct fixture *fixture = *state;
    mode_t mask = umask(0);
    int result = eye_journal_open(&fixture->journal, fixture->path, 0, 1, NULL);
    umask(mask);
    struct stat status;
    assert_int_equal(result, 0);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
}

static void open__cuts_a_torn_line_of_ours(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *before;
        const char *after;
    } cases[] = {
        {"", LINE},  {LINE, LINE LINE}, {LINE "{\"time\":1", LINE LINE}, {LINE "{\"ti", LINE LINE},
        {"{", LINE},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        write_file(fixture->path, cases[i].before);
        open_journal(fixture, 0, 1);
        assert_int_equal(append(fixture, LINE), 0);
        assert_string_equal(content_of(fixture, 0), cases[i].after);
        eye_journal_close(&fixture->journal);
    }
}

static void open__leaves_what_is_not_ours(void **state)
{
    struct fixture *fixture = *state;
    static const char *const contents[] = {
        "secret",
        "a\nb",
        "{\"tim\":",
        "key = value\n",
        "\n",
        LINE "\n",
        LINE "key = value\n",
        LINE "{\"tim\n",
        "key = value\n{\"time\":1",
        "key = value\n{",
    };
    struct eye_journal journal = {.fd = 77};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(contents); i++) {
        write_file(fixture->path, contents[i]);
        assert_int_equal(eye_journal_open(&journal, fixture->path, 0, 1, &fixture->error), -EINVAL);
        assert_string_equal(content_of(fixture, 0), contents[i]);
        assert_int_equal(journal.fd, 77);
        assert_non_null(strstr(fixture->error.text, fixture->path));
    }
}

static void open__refuses_what_is_no_file(void **state)
{
    struct fixture *fixture = *state;
    struct eye_journal journal = {.fd = 77};
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_int_equal(eye_journal_open(&journal, fixture->path, 0, 1, &fixture->error), -EINVAL);
    assert_int_equal(eye_journal_open(&journal, fixture->folder, 0, 1, &fixture->error), -EISDIR);
    assert_int_equal(eye_journal_open(&journal, "/nowhere/lines", 0, 1, &fixture->error), -ENOENT);
    assert_int_equal(journal.fd, 77);
}

/* A stranger must not choose which file we write to. */
static void open__follows_no_link(void **state)
{
    struct fixture *fixture = *state;
    struct eye_journal journal = {.fd = 77};
    char target[160];
    snprintf(target, sizeof(target), "%s/target", fixture->folder);
    write_file(target, "");
    assert_int_equal(symlink(target, fixture->path), 0);
    assert_int_equal(eye_journal_open(&journal, fixture->path, 0, 1, &fixture->error), -ELOOP);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(link(target, fixture->path), 0);
    assert_int_equal(eye_journal_open(&journal, fixture->path, 0, 1, &fixture->error), -EPERM);
    assert_int_equal(journal.fd, 77);
    assert_non_null(strstr(fixture->error.text, "second name"));
}

static void open__takes_no_file_and_no_folder_of_another_user(void **state)
{
    struct fixture *fixture = *state;
    struct eye_journal journal = {.fd = 77};
    write_file(fixture->path, "");
    if (chown(fixture->path, 65534, 65534) != 0) {
        return;
    }
    assert_int_equal(eye_journal_open(&journal, fixture->path, 0, 1, &fixture->error), -EPERM);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(chown(fixture->folder, 65534, 65534), 0);
    assert_int_equal(eye_journal_open(&journal, fixture->path, 0, 1, &fixture->error), -EPERM);
    assert_int_equal(access(fixture->path, F_OK), -1);
    assert_int_equal(journal.fd, 77);
}

static void open__looks_who_may_write_to_the_folder(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        mode_t mode;
        int result;
    } table[] = {{0777, -EPERM}, {0702, -EPERM}, {0775, 0}, {01777, 0}, {0755, 0}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        assert_int_equal(chmod(fixture->folder, table[i].mode), 0);
        int result = eye_journal_open(&fixture->journal, fixture->path, 0, 1, &fixture->error);
        assert_int_equal(result, table[i].result);
        eye_journal_close(&fixture->journal);
    }
}

/* Who may rename in a folder above puts another folder there. */
static void open__looks_at_the_folders_above(void **state)
{
    struct fixture *fixture = *state;
    char in[160];
    char path[192];
    snprintf(in, sizeof(in), "%s/in", fixture->folder);
    snprintf(path, sizeof(path), "%s/lines", in);
    assert_int_equal(mkdir(in, 0755), 0);
    assert_int_equal(chmod(fixture->folder, 0777), 0);
    assert_int_equal(eye_journal_open(&fixture->journal, path, 0, 1, &fixture->error), -EPERM);
    snprintf(path, sizeof(path), "folder %s belongs", fixture->folder);
    assert_non_null(strstr(fixture->error.text, path));
}

/* Whoever owns the link chooses the folder. */
static void open__follows_no_link_of_another_user_to_the_folder(void **state)
{
    struct fixture *fixture = *state;
    struct eye_journal journal = {.fd = 77};
    char folder[160];
    char path[192];
    snprintf(folder, sizeof(folder), "%s.link", fixture->folder);
    snprintf(path, sizeof(path), "%s/lines", folder);
    assert_int_equal(symlink(fixture->folder, folder), 0);
    int ours = eye_journal_open(&fixture->journal, path, 0, 1, &fixture->error);
    eye_journal_close(&fixture->journal);
    int theirs = lchown(folder, 65534, 65534) == 0
                     ? eye_journal_open(&journal, path, 0, 1, &fixture->error)
                     : -ELOOP;
    unlink(folder);
    assert_int_equal(ours, 0);
    assert_int_equal(theirs, -ELOOP);
    assert_int_equal(journal.fd, 77);
}

/* A link that takes the place of the file is refused, and the points are kept. */
static void append__follows_no_link_that_comes_later(void **state)
{
    struct fixture *fixture = *state;
    char moved[160];
    open_journal(fixture, 0, 1);
    assert_int_equal(append(fixture, LINE), 0);
    snprintf(moved, sizeof(moved), "%s.moved", fixture->path);
    assert_int_equal(rename(fixture->path, moved), 0);
    assert_int_equal(symlink(moved, fixture->path), 0);
    assert_int_equal(append(fixture, LINE), -ELOOP);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(append(fixture, LINE), 0);
    assert_string_equal(content_of(fixture, 0), LINE);
}

static void open__refuses_a_second_writer(void **state)
{
    struct fixture *fixture = *state;
    struct eye_journal journal = {.fd = 77};
    open_journal(fixture, 0, 1);
    assert_int_equal(eye_journal_open(&journal, fixture->path, 0, 1, &fixture->error), -EBUSY);
    assert_int_equal(journal.fd, 77);
}

static void append__rotates_before_the_file_grows_beyond(void **state)
{
    struct fixture *fixture = *state;
    open_journal(fixture, 2 * LINE_BYTES, 2);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(append(fixture, LINE), 0);
    }
    assert_string_equal(content_of(fixture, 0), LINE);
    assert_string_equal(content_of(fixture, 1), LINE LINE);
    assert_string_equal(content_of(fixture, 2), LINE LINE);
    assert_string_equal(content_of(fixture, 3), "absent");
}

static void make_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void make_lines_of_others(const char *path)
{
    write_file(path, "a list of mine\n");
}

static void make_file_of_another_user(const char *path)
{
    write_file(path, LINE);
    if (chown(path, 65534, 65534) != 0) {
        write_file(path, "only root can make one\n");
    }
}

static void make_link(const char *path)
{
    assert_int_equal(symlink("/etc/hostname", path), 0);
}

/* What is not ours stays, and the lines go on when it has been moved away. */
static void rotation__ends_at_what_is_not_ours(void **state)
{
    struct fixture *fixture = *state;
    static void (*const makers[])(const char *path) = {
        make_folder,
        make_lines_of_others,
        make_file_of_another_user,
        make_link,
    };
    struct eye_journal second = {.fd = 77};
    char strange[160];
    char moved[160];
    snprintf(moved, sizeof(moved), "%s.moved", fixture->path);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(makers); i++) {
        for (int number = 1; number <= 2; number++) {
            open_journal(fixture, LINE_BYTES, 2);
            assert_int_equal(append(fixture, LINE), 0);
            name_file(fixture, number, strange, sizeof(strange));
            makers[i](strange);
            assert_int_equal(append(fixture, LINE), -EEXIST);
            assert_non_null(strstr(fixture->error.text, strange));
            assert_non_null(strstr(fixture->error.text, "move it away"));
            assert_string_equal(content_of(fixture, 0), LINE);
            eye_journal_close(&fixture->journal);
            assert_int_equal(eye_journal_open(&second, fixture->path, 1, 2, &fixture->error),
                             -EEXIST);
            assert_int_equal(second.fd, 77);
            assert_int_equal(rename(strange, moved), 0);
            open_journal(fixture, LINE_BYTES, 2);
            assert_int_equal(append(fixture, LINE), 0);
            assert_string_equal(content_of(fixture, 1), LINE);
            eye_journal_close(&fixture->journal);
            assert_int_equal(remove(moved), 0);
            assert_int_equal(unlink(fixture->path), 0);
            name_file(fixture, 1, moved, sizeof(moved));
            unlink(moved);
            snprintf(moved, sizeof(moved), "%s.moved", fixture->path);
        }
    }
}

/* What is behind the files that are kept, or never rotated to, is nobody's business here. */
static void rotation__lets_others_be_behind(void **state)
{
    struct fixture *fixture = *state;
    char strange[160];
    name_file(fixture, 2, strange, sizeof(strange));
    make_folder(strange);
    open_journal(fixture, LINE_BYTES, 1);
    assert_int_equal(append(fixture, LINE), 0);
    assert_int_equal(append(fixture, LINE), 0);
    assert_string_equal(content_of(fixture, 1), LINE);
    eye_journal_close(&fixture->journal);
    open_journal(fixture, 0, 5);
}

/* Two exporters, or two daemons, of which one rotates onto the other's file. */
static void rotation__ends_at_the_file_of_another_writer(void **state)
{
    struct fixture *fixture = *state;
    struct eye_journal other = {.fd = -1};
    char path[160];
    name_file(fixture, 1, path, sizeof(path));
    open_journal(fixture, LINE_BYTES, 1);
    assert_int_equal(append(fixture, LINE), 0);
    assert_int_equal(eye_journal_open(&other, path, 0, 1, &fixture->error), 0);
    assert_int_equal(eye_journal_append(&other, LINE LINE, 2 * LINE_BYTES, &fixture->error), 0);
    int result = append(fixture, LINE);
    eye_journal_close(&other);
    assert_int_equal(result, -EEXIST);
    assert_non_null(strstr(fixture->error.text, "another exporter or process"));
    assert_string_equal(content_of(fixture, 1), LINE LINE);
}

static void append__writes_what_is_larger_than_a_file(void **state)
{
    struct fixture *fixture = *state;
    open_journal(fixture, 5, 1);
    assert_int_equal(append(fixture, LINE), 0);
    assert_string_equal(content_of(fixture, 0), LINE);
    assert_string_equal(content_of(fixture, 1), "absent");
}

static void append__makes_a_file_that_was_moved_away_anew(void **state)
{
    struct fixture *fixture = *state;
    char moved[160];
    snprintf(moved, sizeof(moved), "%s.1", fixture->path);
    open_journal(fixture, 0, 5);
    assert_int_equal(append(fixture, LINE), 0);
    assert_int_equal(rename(fixture->path, moved), 0);
    assert_int_equal(append(fixture, LINE LINE), 0);
    assert_string_equal(content_of(fixture, 0), LINE LINE);
    assert_string_equal(content_of(fixture, 1), LINE);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(append(fixture, LINE), 0);
    assert_string_equal(content_of(fixture, 0), LINE);
}

static void append__goes_on_behind_a_file_that_was_cut(void **state)
{
    struct fixture *fixture = *state;
    open_journal(fixture, 0, 5);
    assert_int_equal(append(fixture, LINE LINE), 0);
    assert_int_equal(truncate(fixture->path, 0), 0); /* logrotate's copytruncate */
    assert_int_equal(append(fixture, LINE), 0);
    assert_string_equal(content_of(fixture, 0), LINE);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The kernel writes what is allowed and refuses the rest. */
static void append__takes_back_what_went_in_by_half(void **state)
{
    struct fixture *fixture = *state;
    open_journal(fixture, 0, 1);
    assert_int_equal(append(fixture, LINE), 0);
    set_file_limit(LINE_BYTES + 3);
    int result = append(fixture, LINE LINE);
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(result, -EFBIG);
    assert_string_equal(content_of(fixture, 0), LINE);
    assert_int_equal(append(fixture, LINE LINE), 0);
    assert_string_equal(content_of(fixture, 0), LINE LINE LINE);
}

/* A namespace of our own, where a small disk may be mounted; false without the right to. */
static bool mount_small_disk(struct fixture *fixture)
{
    fixture->mounted = unshare(CLONE_NEWNS) == 0 &&
                       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                       mount("tmpfs", fixture->folder, "tmpfs", 0, "size=64k") == 0;
    return fixture->mounted;
}

static void append__takes_back_what_a_full_disk_did_not_take(void **state)
{
    struct fixture *fixture = *state;
    static char lines[40000];
    char other[160];
    if (!mount_small_disk(fixture)) {
        print_message("needs CAP_SYS_ADMIN for a small tmpfs\n");
        skip();
    }
    for (size_t i = 0; i + LINE_BYTES < sizeof(lines); i += LINE_BYTES) {
        memcpy(lines + i, LINE, LINE_BYTES + 1);
    }
    open_journal(fixture, 0, 1);
    assert_int_equal(append(fixture, lines), 0);
    assert_int_equal(append(fixture, lines), -ENOSPC);
    assert_int_equal(size_of(fixture), strlen(lines));
    assert_non_null(strstr(fixture->error.text, "No space left"));
    /* What was written moves to where it takes no room, as an administrator would make some. */
    snprintf(other, sizeof(other), "%s.1", fixture->path);
    assert_int_equal(rename(fixture->path, other), 0);
    assert_int_equal(truncate(other, 0), 0);
    assert_int_equal(append(fixture, lines), 0);
    assert_int_equal(size_of(fixture), strlen(lines));
}

static void append_forever(const char *path)
{
    static char lines[LINE_BYTES * 20000 + 1];
    struct eye_journal journal;
    for (size_t i = 0; i < 20000; i++) {
        memcpy(lines + i * LINE_BYTES, LINE, LINE_BYTES);
    }
    if (eye_journal_open(&journal, path, 8 << 20, 1, NULL) == 0) {
        while (eye_journal_append(&journal, lines, sizeof(lines) - 1, NULL) == 0) {
        }
    }
    _exit(EXIT_FAILURE);
}

static void open__finds_whole_lines_after_a_kill(void **state)
{
    struct fixture *fixture = *state;
    off_t torn = 0;
    for (int round = 0; round < 20; round++) {
        fixture->child = fork();
        assert_true(fixture->child >= 0);
        if (fixture->child == 0) {
            append_forever(fixture->path);
        }
        usleep(3000 + 777 * (useconds_t)round);
        kill(fixture->child, SIGKILL);
        waitpid(fixture->child, NULL, 0);
        fixture->child = 0;
        torn += access(fixture->path, F_OK) == 0 && size_of(fixture) % (off_t)LINE_BYTES != 0;
        open_journal(fixture, 0, 1);
        assert_int_equal(size_of(fixture) % (off_t)LINE_BYTES, 0);
        eye_journal_close(&fixture->journal);
    }
    print_message("torn lines cut: %d of 20 kills\n", (int)torn);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(open__makes_a_file_for_owner_and_group),
        TEST(open__cuts_a_torn_line_of_ours),
        TEST(open__leaves_what_is_not_ours),
        TEST(open__refuses_what_is_no_file),
        TEST(open__follows_no_link),
        TEST(open__follows_no_link_of_another_user_to_the_folder),
        TEST(open__takes_no_file_and_no_folder_of_another_user),
        TEST(open__looks_who_may_write_to_the_folder),
        TEST(open__looks_at_the_folders_above),
        TEST(append__follows_no_link_that_comes_later),
        TEST(open__refuses_a_second_writer),
        TEST(append__rotates_before_the_file_grows_beyond),
        TEST(rotation__ends_at_what_is_not_ours),
        TEST(rotation__lets_others_be_behind),
        TEST(rotation__ends_at_the_file_of_another_writer),
        TEST(append__writes_what_is_larger_than_a_file),
        TEST(append__makes_a_file_that_was_moved_away_anew),
        TEST(append__goes_on_behind_a_file_that_was_cut),
        TEST(append__takes_back_what_went_in_by_half),
        TEST(append__takes_back_what_a_full_disk_did_not_take),
        TEST(open__finds_whole_lines_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
