/* SPDX-License-Identifier: Apache-2.0 */
/* Files are read to their end or to the size of the buffer, in however many pieces they come. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/file.h"
#include "collector/base/thread.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(file_read__reads_to_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(file_read__stops_at_the_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(file_read__puts_pieces_together, set_up, tear_down),
        cmocka_unit_test(file_read__tells_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
