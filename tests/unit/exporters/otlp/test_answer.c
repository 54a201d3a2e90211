/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of receivers, good and hostile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "exporters/otlp/answer.h"
#include "tests/support/random.h"

typedef int reader(const void *body, size_t length, uint64_t *ret_rejected,
                   struct eye_text *ret_message);

struct answer {
    const char *body;
    size_t length;
    int result;
    uint64_t rejected;
    const char *message;
};

#define BODY(text) (text), sizeof(text) - 1
#define UNTOUCHED 77

static int make_text(void **state)
{
    static struct eye_text text;
    eye_text_init(&text, 1024);
    *state = &text;
    return 0;
}

static int free_text(void **state)
{
    eye_text_done(*state);
    return 0;
}

static void check(reader *read, const struct answer *cases, size_t count, struct eye_text *text)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t rejected = UNTOUCHED;
        eye_text_clear(text);
        assert_int_equal(read(cases[i].body, cases[i].length, &rejected, text), cases[i].result);
        assert_int_equal(rejected, cases[i].result == 0 ? cases[i].rejected : UNTOUCHED);
        assert_string_equal(eye_text_string(text), cases[i].message);
    }
}

static void read_protobuf__finds_what_was_rejected(void **state)
{
    static const struct answer cases[] = {
        {BODY(""), 0, 0, ""},
        {BODY("\x0a\x00"), 0, 0, ""},
        {BODY("\x0a\x02\x08\x05"), 0, 5, ""},
        {BODY("\x0a\x07\x08\xac\x02\x12\x02hi"), 0, 300, "hi"},
        {BODY("\x0a\x06\x12\x04warn"), 0, 0, "warn"},
        {BODY("\x0a\x05\x12\x03\x0a\xff|"), 0, 0, " \xef\xbf\xbd|"},
        {BODY("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0, 0, ""}, /* -1 */
        {BODY("\x7a\x01x"), 0, 0, ""}, /* a field that we do not know */
        {BODY("\x0a\x05\x08"), -EBADMSG, 0, ""},
        {BODY("<html>"), -EBADMSG, 0, ""},
    };
    check(eye_otlp_read_protobuf, cases, EYE_ARRAY_LENGTH(cases), *state);
}

static void read_json__finds_what_was_rejected(void **state)
{
    static const struct answer cases[] = {
        {BODY(""), 0, 0, ""},
        {BODY("{}"), 0, 0, ""},
        {BODY("{\"partialSuccess\":{}}"), 0, 0, ""},
        {BODY("{\"partialSuccess\":{\"rejectedDataPoints\":\"12\"}}"), 0, 12, ""},
        {BODY("{\"partialSuccess\":{\"rejectedDataPoints\":12,\"errorMessage\":\"a\\nb\"}}"), 0, 12,
         "a b"},
        {BODY("{\"partialSuccess\":{\"rejectedDataPoints\":-1}}"), 0, 0, ""},
        {BODY("{\"partialSuccess\":{\"rejectedDataPoints\":\"x\"}}"), 0, 0, ""},
        {BODY("{\"partialSuccess\":7}"), 0, 0, ""},
        {BODY("[]"), -EBADMSG, 0, ""},
        {BODY("{\"partialSuccess\":"), -EBADMSG, 0, ""},
        {BODY("OK"), -EBADMSG, 0, ""},
    };
    check(eye_otlp_read_json, cases, EYE_ARRAY_LENGTH(cases), *state);
}

static void read__cuts_a_long_message(void **state)
{
    struct eye_text *text = *state;
    char body[600] = "\x0a\xd3\x04\x12\xd0\x04";
    uint64_t rejected;
    memset(body + 6, 'x', sizeof(body) - 6);
    assert_int_equal(eye_otlp_read_protobuf(body, 6 + 592, &rejected, text), 0);
    assert_int_equal(text->length, 200);
}

static void read__survives_any_bytes(void **state)
{
    struct eye_text *text = *state;
    uint64_t random = 5;
    for (int round = 0; round < 100000; round++) {
        char body[40];
        size_t length = random_below(&random, sizeof(body));
        for (size_t i = 0; i < length; i++) {
            body[i] = (char)(i == 0 ? '\x0a' : random_next(&random));
        }
        uint64_t rejected = 0;
        eye_text_clear(text);
        eye_otlp_read_protobuf(body, length, &rejected, text);
        eye_otlp_read_json(body, length, &rejected, text);
        assert_true(rejected <= INT64_MAX);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_text, free_text)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(read_protobuf__finds_what_was_rejected),
        TEST(read_json__finds_what_was_rejected),
        TEST(read__cuts_a_long_message),
        TEST(read__survives_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
