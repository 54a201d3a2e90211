/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: stderr is a pipe while the code under test writes, and itself again for assertions. */
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "collector/base/base.h"
#include "collector/base/log.h"
#include "collector/base/text.h"

struct fixture {
    int pipe[2];
    int stderr_fd;
    char text[16384];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    assert_int_equal(pipe2(fixture->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    fixture->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(fixture->stderr_fd >= 0);
    unsetenv("JOURNAL_STREAM");
    eye_log_set_level(EYE_LOG_INFO);
    eye_log_set_format(EYE_LOG_AUTO);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    unsetenv("JOURNAL_STREAM");
    close(fixture->pipe[0]);
    close(fixture->pipe[1]);
    close(fixture->stderr_fd);
    free(fixture);
    return 0;
}

static void begin_capture(const struct fixture *fixture)
{
    dup2(fixture->pipe[1], STDERR_FILENO);
}

static const char *end_capture(struct fixture *fixture)
{
    dup2(fixture->stderr_fd, STDERR_FILENO);
    ssize_t length = read(fixture->pipe[0], fixture->text, sizeof(fixture->text) - 1);
    fixture->text[length > 0 ? length : 0] = '\0';
    return fixture->text;
}

/* What $JOURNAL_STREAM says when the pipe is the journal's, with @suffix added. */
static void claim_journal(const struct fixture *fixture, const char *suffix)
{
    struct stat status;
    char stream[64];
    assert_int_equal(fstat(fixture->pipe[1], &status), 0);
    snprintf(stream, sizeof(stream), "%lu:%lu%s", (unsigned long)status.st_dev,
             (unsigned long)status.st_ino, suffix);
    setenv("JOURNAL_STREAM", stream, 1);
}

/* "YYYY-MM-DDTHH:MM:SS+HH:MM sockeye " and the rest. */
static void assert_for_a_person(const char *line, const char *rest)
{
    static const char shape[] = "0000-00-00T00:00:00+00:00 sockeye ";
    for (size_t i = 0; shape[i] != '\0'; i++) {
        bool digit = line[i] >= '0' && line[i] <= '9';
        assert_true(shape[i] == '0' ? digit : line[i] == shape[i]);
    }
    assert_string_equal(line + strlen(shape), rest);
}

static void line__has_time_and_level(void **state)
{
    static const struct {
        enum eye_log_level level;
        const char *rest;
    } cases[] = {
        {EYE_LOG_ERROR, "error: number 7\n"},
        {EYE_LOG_WARNING, "warning: number 7\n"},
        {EYE_LOG_INFO, "info: number 7\n"},
        {EYE_LOG_DEBUG, "debug: number 7\n"},
    };
    eye_log_set_level(EYE_LOG_DEBUG);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        begin_capture(*state);
        eye_log(cases[i].level, "number %d", 7);
        assert_for_a_person(end_capture(*state), cases[i].rest);
    }
}

/* What the line says is the present, wherever it is read. */
static void line__has_the_offset_of_its_zone(void **state)
{
    static const struct {
        const char *zone;
        const char *offset;
        long seconds;
    } rows[] = {
        {"UTC0", "+00:00 ", 0}, {"XYZ-05:45", "+05:45 ", 20700}, {"XYZ03:30", "-03:30 ", -12600}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(rows); i++) {
        struct tm local = {0};
        setenv("TZ", rows[i].zone, 1);
        tzset();
        begin_capture(*state);
        eye_log_info("x");
        const char *rest = strptime(end_capture(*state), "%Y-%m-%dT%H:%M:%S", &local);
        assert_non_null(rest);
        assert_memory_equal(rest, rows[i].offset, strlen(rows[i].offset));
        time_t age = time(NULL) - (timegm(&local) - rows[i].seconds);
        assert_true(age >= -1 && age < 60); /* time() is behind by a tick */
    }
    unsetenv("TZ");
    tzset();
}

static void line__has_a_priority_under_the_journal(void **state)
{
    claim_journal(*state, "");
    eye_log_set_level(EYE_LOG_DEBUG);
    begin_capture(*state);
    eye_log_error("e");
    eye_log_warning("w");
    eye_log_info("i");
    eye_log_debug("d");
    assert_string_equal(end_capture(*state), "<3>e\n<4>w\n<6>i\n<7>d\n");
}

static void journal__must_be_this_very_stream(void **state)
{
    static const char *const streams[] = {"", "1:1", "nonsense"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(streams); i++) {
        setenv("JOURNAL_STREAM", streams[i], 1);
        begin_capture(*state);
        eye_log_info("x");
        assert_for_a_person(end_capture(*state), "info: x\n");
    }
    claim_journal(*state, "0");
    begin_capture(*state);
    eye_log_info("x");
    assert_for_a_person(end_capture(*state), "info: x\n");
}

static void format__can_be_chosen_and_changed(void **state)
{
    claim_journal(*state, "");
    begin_capture(*state);
    eye_log_set_format(EYE_LOG_TEXT);
    eye_log_info("x");
    assert_for_a_person(end_capture(*state), "info: x\n");
    unsetenv("JOURNAL_STREAM");
    begin_capture(*state);
    eye_log_set_format(EYE_LOG_JOURNAL);
    eye_log_error("x");
    assert_string_equal(end_capture(*state), "<3>x\n");
}

/* The next line as an object: one line, three members, a time of now. Owned by the caller. */
static json_t *read_object(struct fixture *fixture)
{
    const char *text = end_capture(fixture);
    json_error_t error;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(object);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_int_equal(json_object_size(object), 3);
    struct tm utc = {0};
    const char *rest =
        strptime(json_string_value(json_object_get(object, "time")), "%Y-%m-%dT%H:%M:%S", &utc);
    assert_non_null(rest);
    assert_int_equal(strlen(rest), strlen(".000Z"));
    assert_true(rest[0] == '.' && rest[4] == 'Z');
    time_t age = time(NULL) - timegm(&utc);
    assert_true(age >= -1 && age < 60); /* time() is behind by a tick */
    return object;
}

static void assert_message(json_t *object, const char *level, const char *message)
{
    assert_string_equal(json_string_value(json_object_get(object, "level")), level);
    assert_string_equal(json_string_value(json_object_get(object, "message")), message);
    json_decref(object);
}

static void json__is_an_object_per_line_whatever_is_in_it(void **state)
{
    struct fixture *fixture = *state;
    char hostile[256 + 1];
    char shown[EYE_MESSAGE_BYTES];
    for (size_t i = 0; i < sizeof(hostile) - 1; i++) {
        hostile[i] = (char)(i + 1); /* and the NUL at last */
    }
    hostile[sizeof(hostile) - 1] = '\0';
    eye_copy_shown(shown, sizeof(shown), hostile, strlen(hostile));
    eye_log_set_format(EYE_LOG_JSON);
    begin_capture(fixture);
    eye_log_warning("%s", hostile);
    assert_message(read_object(fixture), "warning", shown);
    begin_capture(fixture);
    eye_log_info("say \"caf\xc3\xa9\"\nor \\n\"}");
    assert_message(read_object(fixture), "info", "say \"caf\xc3\xa9\" or \\n\"}");
}

/* What is cut is an object still, and no character of it is half. */
static void json__of_a_long_message_is_cut_within_the_string(void **state)
{
    struct fixture *fixture = *state;
    char text[EYE_MESSAGE_BYTES];
    eye_log_set_format(EYE_LOG_JSON);
    for (size_t plain = 0; plain < 8; plain++) {
        memset(text, 'x', plain);
        for (size_t i = plain; i + 2 < sizeof(text); i += 3) {
            memcpy(text + i, "\"\xc3\xa9", 3);
        }
        text[sizeof(text) - 1] = '\0';
        begin_capture(fixture);
        eye_log_error("%s", text);
        json_decref(read_object(fixture));
        memset(text + plain, '\\', sizeof(text) - 1 - plain);
        begin_capture(fixture);
        eye_log_error("%s\xc3\xa9", text);
        json_decref(read_object(fixture));
        assert_true(strlen(fixture->text) <= PIPE_BUF);
    }
}

static void level__drops_lines_above(void **state)
{
    claim_journal(*state, "");
    begin_capture(*state);
    eye_log_debug("not by default");
    eye_log_set_level(EYE_LOG_ERROR);
    assert_true(eye_log_takes(EYE_LOG_ERROR) && !eye_log_takes(EYE_LOG_WARNING));
    eye_log_warning("not now");
    eye_log_error("only this");
    assert_string_equal(end_capture(*state), "<3>only this\n");
}

static void line_breaks__become_spaces(void **state)
{
    claim_journal(*state, "");
    begin_capture(*state);
    eye_log_info("one\ntwo\r\n%s", "<3>three\n");
    assert_string_equal(end_capture(*state), "<6>one two  <3>three \n");
}

static void line__shows_what_strangers_wrote_as_text(void **state)
{
    claim_journal(*state, "");
    begin_capture(*state);
    eye_log_info("%s", "\x1b[31m\xff \xe2\x80\xae"
                       "caf\xc3\xa9\xc2\x9b");
    assert_string_equal(end_capture(*state), "<6>?[31m\xef\xbf\xbd ?caf\xc3\xa9?\n");
}

static void long_lines__are_cut_and_end_once(void **state)
{
    claim_journal(*state, "");
    for (int width = 2030; width < 2060; width++) {
        begin_capture(*state);
        eye_log_info("%*d", width, 7);
        const char *text = end_capture(*state);
        size_t length = strlen(text);
        size_t whole = (size_t)width < EYE_MESSAGE_BYTES ? (size_t)width : EYE_MESSAGE_BYTES - 1;
        assert_int_equal(length, whole + strlen("<6>") + 1);
        assert_ptr_equal(strchr(text, '\n'), text + length - 1);
    }
}

/* ---- A reader that stands still ---- */

/* As the daemon has it: the pipe is standard error, blocking, and full. */
static void begin_full(struct fixture *fixture)
{
    char bytes[4096];
    memset(bytes, 'x', sizeof(bytes));
    while (write(fixture->pipe[1], bytes, sizeof(bytes)) > 0) {
    }
    fcntl(fixture->pipe[1], F_SETFL, 0);
    claim_journal(fixture, "");
    begin_capture(fixture);
    eye_log_open();
}

static void end_full(struct fixture *fixture)
{
    dup2(fixture->stderr_fd, STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    eye_log_open();
}

static void empty_pipe(struct fixture *fixture)
{
    while (read(fixture->pipe[0], fixture->text, sizeof(fixture->text)) > 0) {
    }
}

static void line__is_dropped_and_counted_when_nobody_reads(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before = eye_log_dropped();
    begin_full(fixture);
    eye_log_info("one");
    eye_log_error("two");
    uint64_t dropped = eye_log_dropped() - before;
    empty_pipe(fixture);
    eye_log_info("three");
    eye_log_info("four");
    end_full(fixture);
    ssize_t length = read(fixture->pipe[0], fixture->text, sizeof(fixture->text) - 1);
    fixture->text[length > 0 ? length : 0] = '\0';
    assert_int_equal(dropped, 2);
    assert_int_equal(eye_log_dropped() - before, 2);
    assert_string_equal(
        fixture->text,
        "<4>2 log lines were not written: nobody read standard error, or its disk was "
        "full\n"
        "<6>three\n<6>four\n");
}

/* A terminal may take a part of a line: what comes next begins a line of its own. */
static void line__that_was_torn_is_ended(void **state)
{
    struct fixture *fixture = *state;
    int pair[2];
    assert_int_equal(openpty(&pair[0], &pair[1], NULL, NULL, NULL), 0);
    struct termios raw;
    tcgetattr(pair[1], &raw);
    cfmakeraw(&raw);
    tcsetattr(pair[1], TCSANOW, &raw);
    dup2(pair[1], STDERR_FILENO);
    eye_log_open();
    uint64_t before = eye_log_dropped();
    while (eye_log_dropped() == before) {
        eye_log_info("%02000d", 7); /* more than one of its buffers */
    }
    static char text[1 << 20];
    size_t length = 0;
    ssize_t count;
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    while ((count = read(pair[0], text + length, sizeof(text) - length)) > 0) {
        length += (size_t)count;
    }
    size_t taken = length;
    eye_log_info("last");
    while ((count = read(pair[0], text + length, sizeof(text) - length)) > 0) {
        length += (size_t)count;
    }
    end_full(fixture);
    close(pair[0]);
    close(pair[1]);
    assert_true(taken > 1000 && text[taken - 1] != '\n');
    assert_int_equal(text[taken], '\n');
    assert_non_null(strstr(text + taken, "1 log line was not written: "));
    assert_non_null(strstr(text + taken, "info: last\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(line__has_time_and_level, setup, teardown),
        cmocka_unit_test_setup_teardown(line__has_the_offset_of_its_zone, setup, teardown),
        cmocka_unit_test_setup_teardown(line__has_a_priority_under_the_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(journal__must_be_this_very_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(format__can_be_chosen_and_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(json__is_an_object_per_line_whatever_is_in_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(json__of_a_long_message_is_cut_within_the_string, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(level__drops_lines_above, setup, teardown),
        cmocka_unit_test_setup_teardown(line_breaks__become_spaces, setup, teardown),
        cmocka_unit_test_setup_teardown(line__shows_what_strangers_wrote_as_text, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines__are_cut_and_end_once, setup, teardown),
        cmocka_unit_test_setup_teardown(line__is_dropped_and_counted_when_nobody_reads, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(line__that_was_torn_is_ended, setup, teardown),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
