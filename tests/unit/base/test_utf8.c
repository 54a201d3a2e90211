/* SPDX-License-Identifier: Apache-2.0 */
/* What is a character, and that none is read beyond the bytes there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/utf8.h"

#define UNTOUCHED 0x12345678

static void decode__takes_valid_sequences_and_no_part_of_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t code_point;
    } cases[] = {
        {"a", 'a'},
        {"\x7f", 0x7f},
        {"\xc2\x80", 0x80},
        {"\xdf\xbf", 0x7ff},
        {"\xe0\xa0\x80", 0x800},
        {"\xed\x9f\xbf", 0xd7ff},
        {"\xee\x80\x80", 0xe000},
        {"\xef\xbf\xbd", 0xfffd},
        {"\xef\xbf\xbf", 0xffff},
        {"\xf0\x90\x80\x80", 0x10000},
        {"\xf4\x8f\xbf\xbf", 0x10ffff},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        size_t length = strlen(cases[i].text);
        uint32_t code_point = UNTOUCHED;
        for (size_t cut = 1; cut < length; cut++) {
            assert_int_equal(eye_utf8_decode(cases[i].text, cut, &code_point), 0);
        }
        assert_int_equal(code_point, UNTOUCHED);
        assert_int_equal(eye_utf8_decode(cases[i].text, length, &code_point), length);
        assert_int_equal(code_point, cases[i].code_point);
    }
}

static void decode__refuses_what_begins_no_character(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\x80",             /* continuation without a start */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80", /* no such start */
        "\xff",
        "\xe2\x28\xa1",     /* broken in the middle */
        "\xe2\x82\x28",     /* broken at the end */
        "\xf0\x90\x80\x28", /* broken at the end */
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        uint32_t code_point = UNTOUCHED;
        assert_int_equal(eye_utf8_decode(cases[i], strlen(cases[i]), &code_point), 0);
        assert_int_equal(code_point, UNTOUCHED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode__takes_valid_sequences_and_no_part_of_one),
        cmocka_unit_test(decode__refuses_what_begins_no_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
