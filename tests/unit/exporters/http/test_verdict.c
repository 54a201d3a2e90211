/* SPDX-License-Identifier: Apache-2.0 */
/* The table of statuses, and what a failure says of the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/http/client.h"

static void verdict__follows_the_table(void **state)
{
    static const struct {
        long status;
        enum eye_verdict verdict;
        enum eye_export_reason reason;
    } cases[] = {
        {200, EYE_VERDICT_DONE, EYE_EXPORT_OTHER},
        {202, EYE_VERDICT_DONE, EYE_EXPORT_OTHER},
        {204, EYE_VERDICT_DONE, EYE_EXPORT_OTHER},
        {101, EYE_VERDICT_RETRY, EYE_EXPORT_BAD_ANSWER},
        {301, EYE_VERDICT_RETRY, EYE_EXPORT_REDIRECTED},
        {307, EYE_VERDICT_RETRY, EYE_EXPORT_REDIRECTED},
        {400, EYE_VERDICT_GIVE_UP, EYE_EXPORT_REJECTED},
        {401, EYE_VERDICT_RETRY, EYE_EXPORT_UNAUTHORIZED},
        {403, EYE_VERDICT_GIVE_UP, EYE_EXPORT_UNAUTHORIZED},
        {404, EYE_VERDICT_RETRY, EYE_EXPORT_REJECTED},
        {407, EYE_VERDICT_RETRY, EYE_EXPORT_UNAUTHORIZED},
        {408, EYE_VERDICT_RETRY, EYE_EXPORT_SERVER_ERROR},
        {413, EYE_VERDICT_TOO_LARGE, EYE_EXPORT_TOO_LARGE},
        {415, EYE_VERDICT_RETRY, EYE_EXPORT_REJECTED},
        {422, EYE_VERDICT_GIVE_UP, EYE_EXPORT_REJECTED},
        {425, EYE_VERDICT_RETRY, EYE_EXPORT_SERVER_ERROR},
        {429, EYE_VERDICT_RETRY, EYE_EXPORT_THROTTLED},
        {500, EYE_VERDICT_RETRY, EYE_EXPORT_SERVER_ERROR},
        {501, EYE_VERDICT_GIVE_UP, EYE_EXPORT_REJECTED},
        {503, EYE_VERDICT_RETRY, EYE_EXPORT_SERVER_ERROR},
        {600, EYE_VERDICT_RETRY, EYE_EXPORT_BAD_ANSWER},
        {0, EYE_VERDICT_RETRY, EYE_EXPORT_BAD_ANSWER},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_export_failure failure = {.reason = EYE_EXPORT_OTHER};
        const struct eye_client_answer answer = {
            .status = cases[i].status, .retry_after_ns = 7, .body = ""};
        assert_int_equal(eye_client_verdict(&answer, &failure), cases[i].verdict);
        assert_int_equal(failure.reason, cases[i].reason);
        assert_int_equal(failure.retry_after_ns, cases[i].verdict == EYE_VERDICT_DONE ? 0 : 7);
    }
}

static void verdict__leaves_the_failure_of_a_success_alone(void **state)
{
    (void)state;
    struct eye_export_failure failure = {.reason = EYE_EXPORT_TLS, .cause.text = "old"};
    const struct eye_client_answer answer = {.status = 202, .body = "fine"};
    assert_int_equal(eye_client_verdict(&answer, &failure), EYE_VERDICT_DONE);
    assert_int_equal(failure.reason, EYE_EXPORT_TLS);
    assert_string_equal(failure.cause.text, "old");
}

static void verdict__tells_the_first_line_harmlessly(void **state)
{
    static const struct {
        const char *body;
        const char *cause;
    } cases[] = {
        {"", "answer 400"},
        {"\nsecond", "answer 400"},
        {"bad label\nsecond", "answer 400: bad label"},
        {"bad\r\nsecond", "answer 400: bad"},
        {"a\x1b[2Jb\x7f", "answer 400: a?[2Jb?"},
        {"caf\xc3\xa9 \xc2\x85", "answer 400: caf\xc3\xa9 ?"},
        {"\xff\xfe<html>", "answer 400: \xef\xbf\xbd\xef\xbf\xbd<html>"},
        {"key \xe2\x80\xae"
         "abc\xe2\x81\xa6",
         "answer 400: key ?abc?"},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_export_failure failure = {0};
        const struct eye_client_answer answer = {.status = 400, .body = cases[i].body};
        eye_client_verdict(&answer, &failure);
        assert_string_equal(failure.cause.text, cases[i].cause);
    }
}

static void verdict__cuts_a_long_line(void **state)
{
    char body[1000];
    (void)state;
    memset(body, 'x', sizeof(body));
    body[sizeof(body) - 1] = '\0';
    struct eye_export_failure failure = {0};
    const struct eye_client_answer answer = {.status = 500, .body = body};
    eye_client_verdict(&answer, &failure);
    assert_int_equal(strlen(failure.cause.text), strlen("answer 500: ") + 200 + strlen("..."));
}

static void verdict__cuts_and_cleans_a_long_location(void **state)
{
    char location[2000] = "http://h/\x1b\xe2\x80\xae";
    (void)state;
    size_t length = strlen(location);
    memset(location + length, 'x', sizeof(location) - length);
    location[sizeof(location) - 1] = '\0';
    struct eye_export_failure failure = {0};
    const struct eye_client_answer answer = {.status = 301, .body = "", .location = location};
    eye_client_verdict(&answer, &failure);
    const char *shown = strstr(failure.cause.text, "http://h/");
    assert_non_null(shown);
    assert_memory_equal(shown, "http://h/??xxx", 14);
    assert_in_range(strlen(failure.cause.text), 200, 300);
    assert_non_null(strstr(failure.cause.text, "x..., which is not followed"));
}

static void verdict__cuts_between_characters(void **state)
{
    char body[402] = "x";
    (void)state;
    for (size_t i = 1; i + 1 < sizeof(body) - 1; i += 2) {
        memcpy(body + i, "\xc3\xa9", 2);
    }
    struct eye_export_failure failure = {0};
    const struct eye_client_answer answer = {.status = 500, .body = body};
    eye_client_verdict(&answer, &failure);
    assert_null(strstr(failure.cause.text, "\xef\xbf\xbd"));
    assert_non_null(strstr(failure.cause.text, "\xc3\xa9..."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict__follows_the_table),
        cmocka_unit_test(verdict__leaves_the_failure_of_a_success_alone),
        cmocka_unit_test(verdict__tells_the_first_line_harmlessly),
        cmocka_unit_test(verdict__cuts_a_long_line),
        cmocka_unit_test(verdict__cuts_and_cleans_a_long_location),
        cmocka_unit_test(verdict__cuts_between_characters),
    };
    return cmocka_run_group_tests_name("http_verdict", tests, NULL, NULL);
}
