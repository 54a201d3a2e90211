/* SPDX-License-Identifier: Apache-2.0 */
/* Golden bytes of a message: what Python reads as [('a.b', (1785670794, 1.5)), ('c', (2^40 - 1,
 * -2.0))]. The live test has messages read by carbon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/graphite/pickle.h"

static struct eye_text message;

static int set_up(void **state)
{
    (void)state;
    eye_text_init(&message, 4096);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eye_text_done(&message);
    return 0;
}

static void append_point(const char *path, int64_t time_s, double value)
{
    eye_pickle_begin_point(&message, strlen(path));
    eye_text_append(&message, path);
    eye_pickle_end_point(&message, time_s, value);
}

static void assert_message(const void *bytes, size_t length)
{
    assert_false(message.failed);
    assert_int_equal(message.length, length);
    assert_memory_equal(message.data, bytes, length);
}

static void pickle__golden(void **state)
{
    (void)state;
    static const char golden[] = "\x00\x00\x00\x3e\x80\x02]("
                                 "X\x03\x00\x00\x00"
                                 "a.b\x8a\x08\x8a\x2c\x6f\x6a\x00\x00\x00\x00"
                                 "G\x3f\xf8\x00\x00\x00\x00\x00\x00\x86\x86"
                                 "X\x01\x00\x00\x00"
                                 "c\x8a\x08\xff\xff\xff\xff\xff\x00\x00\x00"
                                 "G\xc0\x00\x00\x00\x00\x00\x00\x00\x86\x86"
                                 "e.";
    eye_pickle_begin(&message);
    append_point("a.b", 1785670794, 1.5);
    append_point("c", INT64_C(0xffffffffff), -2);
    eye_pickle_end(&message);
    assert_message(golden, sizeof(golden) - 1);
}

static void pickle__sizes_are_as_told(void **state)
{
    (void)state;
    eye_pickle_begin(&message);
    size_t empty = message.length;
    append_point("", 1, 1);
    assert_int_equal(message.length - empty, EYE_PICKLE_POINT_BYTES);
    size_t before = message.length;
    eye_pickle_end(&message);
    assert_int_equal(empty + message.length - before, EYE_PICKLE_FRAME_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pickle__golden),
        TEST(pickle__sizes_are_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
