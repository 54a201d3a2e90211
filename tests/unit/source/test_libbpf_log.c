/* SPDX-License-Identifier: Apache-2.0 */
/* Which of libbpf's lines reach the log: stderr is a pipe while it speaks. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/log.h"
#include "collector/source/libbpf_log.h"

struct fixture {
    int pipe[2];
    int stderr_fd;
    char text[32768];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    assert_int_equal(pipe2(fixture->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    fixture->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    eye_log_set_format(EYE_LOG_JOURNAL);
    eye_log_set_level(EYE_LOG_DEBUG);
    dup2(fixture->pipe[1], STDERR_FILENO);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    dup2(fixture->stderr_fd, STDERR_FILENO);
    close(fixture->pipe[0]);
    close(fixture->pipe[1]);
    close(fixture->stderr_fd);
    free(fixture);
    return 0;
}

__attribute__((format(printf, 2, 3))) static void say(enum libbpf_print_level level,
                                                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    eye_libbpf_print(level, format, arguments);
    va_end(arguments);
}

static const char *logged(struct fixture *fixture)
{
    ssize_t length = read(fixture->pipe[0], fixture->text, sizeof(fixture->text) - 1);
    fixture->text[length > 0 ? length : 0] = '\0';
    return fixture->text;
}

static void what_went_well__is_not_told(void **state)
{
    say(LIBBPF_DEBUG, "libbpf: loading kernel BTF '%s': %d\n", "vmlinux", 0);
    say(LIBBPF_INFO, "libbpf: elf: skipping\n");
    assert_string_equal(logged(*state), "");
    say(LIBBPF_WARN, "libbpf: prog 'x': failed to load: %d\n", -22);
    assert_string_equal(logged(*state), "<7>libbpf: loading kernel BTF 'vmlinux': 0\n"
                                        "<7>libbpf: elf: skipping\n"
                                        "<7>libbpf: prog 'x': failed to load: -22\n");
    say(LIBBPF_WARN, "libbpf: failed\n");
    assert_string_equal(logged(*state), "<7>libbpf: failed\n");
}

static void long_log__is_told_by_its_end(void **state)
{
    struct fixture *fixture = *state;
    char verifier[64 * 1024] = "";
    size_t length = 0;
    for (int i = 0; i < 3000; i++) {
        length += (size_t)snprintf(verifier + length, sizeof(verifier) - length, "%d: r0 = 0\n", i);
    }
    say(LIBBPF_DEBUG, "libbpf: before\n");
    say(LIBBPF_WARN, "libbpf: -- BEGIN PROG LOAD LOG --\n%s-- END PROG LOAD LOG --\n", verifier);
    const char *text = logged(fixture);
    size_t lines = 0;
    for (const char *end = text; (end = strchr(end, '\n')) != NULL; end++) {
        lines++;
    }
    static const char first[] = "<7>libbpf: the last 64 of 3003 lines:\n<7>2937: r0 = 0\n";
    static const char last[] = "<7>2999: r0 = 0\n<7>-- END PROG LOAD LOG --\n";
    assert_int_equal(lines, 65);
    assert_memory_equal(text, first, strlen(first));
    assert_string_equal(text + strlen(text) - strlen(last), last);
}

static void nothing__is_kept_that_would_not_be_written(void **state)
{
    eye_log_set_level(EYE_LOG_INFO);
    say(LIBBPF_WARN, "libbpf: unseen\n");
    assert_string_equal(logged(*state), "");
    eye_log_set_level(EYE_LOG_DEBUG);
    say(LIBBPF_WARN, "libbpf: seen\n");
    assert_string_equal(logged(*state), "<7>libbpf: seen\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_went_well__is_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(long_log__is_told_by_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing__is_kept_that_would_not_be_written, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("libbpf_log", tests, NULL, NULL);
}
