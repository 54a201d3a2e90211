/* SPDX-License-Identifier: Apache-2.0 */
/* Files are read to their end or to the size of the buffer, in however many pieces they come. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/file.h"
#include "collector/base/thread.h"
#include "tests/support/folder.h"

#define PIECE "0123456789"
#define PIECES 20

struct pipe_ends {
    int read;
    int write;
};

static int set_up(void **state)
{
    static struct pipe_ends ends;
    int fds[2];
    if (pipe(fds) != 0) {
        return -1;
    }
    ends = (struct pipe_ends){fds[0], fds[1]};
    *state = &ends;
    return 0;
}

static int tear_down(void **state)
{
    struct pipe_ends *ends = *state;
    close(ends->read);
    if (ends->write >= 0) {
        close(ends->write);
    }
    return 0;
}

static void write_and_close(struct pipe_ends *ends)
{
    for (size_t i = 0; i < PIECES; i++) {
        assert_int_equal(write(ends->write, PIECE, strlen(PIECE)), strlen(PIECE));
    }
    close(ends->write);
    ends->write = -1;
}

static void file_read__reads_to_the_end(void **state)
{
    struct pipe_ends *ends = *state;
    char buffer[PIECES * sizeof(PIECE)];
    write_and_close(ends);
    assert_int_equal(eye_file_read(ends->read, buffer, sizeof(buffer)), PIECES * strlen(PIECE));
    assert_memory_equal(buffer + (PIECES - 1) * strlen(PIECE), PIECE, strlen(PIECE));
    assert_int_equal(eye_file_read(ends->read, buffer, sizeof(buffer)), 0);
}

static void file_read__stops_at_the_size(void **state)
{
    struct pipe_ends *ends = *state;
    char buffer[8] = "xxxxxxx";
    write_and_close(ends);
    assert_int_equal(eye_file_read(ends->read, buffer, 0), 0);
    assert_int_equal(eye_file_read(ends->read, buffer, 7), 7);
    assert_string_equal(buffer, "0123456");
}

static void *write_slowly(void *context)
{
    struct pipe_ends *ends = context;
    for (size_t i = 0; i < PIECES; i++) {
        if (write(ends->write, PIECE, strlen(PIECE)) < 0) {
            break;
        }
        usleep(1000);
    }
    close(ends->write);
    return NULL;
}

static void file_read__puts_pieces_together(void **state)
{
    struct pipe_ends *ends = *state;
    char buffer[PIECES * sizeof(PIECE)];
    pthread_t writer;
    assert_int_equal(eye_thread_start("writer", write_slowly, ends, &writer), 0);
    ssize_t length = eye_file_read(ends->read, buffer, sizeof(buffer));
    pthread_join(writer, NULL);
    ends->write = -1;
    assert_int_equal(length, PIECES * strlen(PIECE));
}

static void file_read__tells_errors(void **state)
{
    char buffer[8];
    (void)state;
    assert_int_equal(eye_file_read(-1, buffer, sizeof(buffer)), -EBADF);
}

/* ---- below a folder ---- */

struct place {
    char folder[32];
    int root;
};

static int set_up_place(void **state)
{
    static struct place place;
    char path[64];
    snprintf(place.folder, sizeof(place.folder), "/tmp/test-file-XXXXXX");
    if (mkdtemp(place.folder) == NULL) {
        return -1;
    }
    place.root = open(place.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof(path), "%s/fifo", place.folder);
    *state = &place;
    return mkfifo(path, 0600);
}

static int tear_down_place(void **state)
{
    struct place *place = *state;
    close(place->root);
    return folder_remove(place->folder);
}

static void write_below(const struct place *place, const char *name, const char *text)
{
    EYE_AUTOCLOSE int fd = openat(place->root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void file_open_below__does_not_leave_the_root(void **state)
{
    struct place *place = *state;
    static const char *const links[] = {"/etc/passwd", "../../etc/passwd", "/proc/self/exe"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(links); i++) {
        assert_int_equal(symlinkat(links[i], place->root, "link"), 0);
        assert_int_equal(eye_file_open_below(place->root, "link", O_RDONLY), -ENOENT);
        assert_int_equal(unlinkat(place->root, "link", 0), 0);
    }
    assert_int_equal(eye_file_open_below(place->root, "../../../etc/passwd", O_RDONLY), -ENOENT);
    assert_int_equal(eye_file_open_below(-1, "x", O_RDONLY), -EBADF);
    write_below(place, "file", "text");
    assert_int_equal(symlinkat("/file", place->root, "link"), 0);
    EYE_AUTOCLOSE int fd = eye_file_open_below(place->root, "link", O_RDONLY);
    assert_true(fd >= 0);
}

static void file_load__takes_regular_files_up_to_the_limit(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name;
        size_t limit;
        int result;
    } cases[] = {{"file", 4, 0}, {"file", 3, -EFBIG}, {"fifo", 4, -EINVAL}, {".", 4, -EINVAL}};
    write_below(place, "file", "text");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_AUTOFREE char *bytes = NULL;
        size_t length = 99;
        EYE_AUTOCLOSE int fd = eye_file_open_below(place->root, cases[i].name, O_RDONLY);
        assert_true(fd >= 0);
        assert_int_equal(eye_file_load(fd, cases[i].limit, &bytes, &length), cases[i].result);
        assert_int_equal(length, cases[i].result == 0 ? 4 : 99);
        assert_true((bytes != NULL) == (cases[i].result == 0));
        if (bytes != NULL) {
            assert_string_equal(bytes, "text");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(file_read__reads_to_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(file_read__stops_at_the_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(file_read__puts_pieces_together, set_up, tear_down),
        cmocka_unit_test(file_read__tells_errors),
        cmocka_unit_test_setup_teardown(file_open_below__does_not_leave_the_root, set_up_place,
                                        tear_down_place),
        cmocka_unit_test_setup_teardown(file_load__takes_regular_files_up_to_the_limit,
                                        set_up_place, tear_down_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
