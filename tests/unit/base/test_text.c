/* SPDX-License-Identifier: Apache-2.0 */
/* Growing text: its maximum, its failed state, and doubles that read back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/text.h"
#include "tests/support/random.h"

#define UNBOUNDED ((size_t)1 << 30)

static int setup(void **state)
{
    struct eye_text *text = malloc(sizeof(*text));
    assert_non_null(text);
    eye_text_init(text, UNBOUNDED);
    *state = text;
    return 0;
}

static int teardown(void **state)
{
    eye_text_done(*state);
    free(*state);
    return 0;
}

static void new_text__is_empty_and_not_null(void **state)
{
    struct eye_text *text = *state;
    assert_string_equal(eye_text_string(text), "");
    assert_int_equal(text->length, 0);
    assert_null(text->data);
    eye_text_clear(text);
    eye_text_truncate(text, 5);
    assert_string_equal(eye_text_string(text), "");
}

static void append_wrapped__breaks_at_spaces_only(void **state)
{
    struct eye_text *text = *state;
    static const struct {
        const char *before;
        const char *words;
        size_t indent;
        size_t width;
        const char *expected;
    } cases[] = {
        {"", "", 2, 10, ""},
        {"", "one", 2, 10, "one"},
        {"", "one two", 2, 7, "one two"},
        {"", "one two", 2, 6, "one\n  two"},
        {"", "one  two ", 0, 80, "one two"},
        {"", "a-word-longer-than-the-line", 2, 10, "a-word-longer-than-the-line"},
        {"", "a a-word-longer-than-the-line a", 2, 10, "a\n  a-word-longer-than-the-line\n  a"},
        {"line\nhead ", "one two", 2, 8, "line\nhead one\n  two"},
        {"head of it ", "one two", 2, 8, "head of it \n  one\n  two"},
        {"", "\xC3\xA9\xC3\xA9 \xC3\xA9\xC3\xA9", 0, 5, "\xC3\xA9\xC3\xA9 \xC3\xA9\xC3\xA9"},
        {"", "one two", 0, 0, "one\ntwo"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        eye_text_clear(text);
        eye_text_append(text, cases[i].before);
        eye_text_append_wrapped(text, cases[i].words, cases[i].indent, cases[i].width);
        assert_string_equal(eye_text_string(text), cases[i].expected);
    }
}

static void done__takes_zeroed_and_twice(void **state)
{
    (void)state;
    struct eye_text text = {0};
    eye_text_done(&text);
    eye_text_init(&text, 100);
    eye_text_append(&text, "abc");
    eye_text_done(&text);
    eye_text_done(&text);
    assert_null(text.data);
    assert_int_equal(text.max_bytes, 100);
}

static void append__grows_and_keeps_content(void **state)
{
    struct eye_text *text = *state;
    char expected[5001] = "";
    for (size_t i = 0; i < sizeof(expected) - 1; i++) {
        expected[i] = (char)('a' + i % 26);
        eye_text_append_char(text, expected[i]);
        assert_int_equal(text->length, i + 1);
        assert_true(text->capacity > text->length);
        assert_int_equal(text->data[i + 1], '\0');
    }
    assert_string_equal(text->data, expected);
    assert_false(text->failed);
}

static void append_bytes__takes_any_bytes(void **state)
{
    struct eye_text *text = *state;
    eye_text_append_bytes(text, "a\0\xff", 3);
    eye_text_append_bytes(text, "ignored", 0);
    assert_int_equal(text->length, 3);
    assert_memory_equal(text->data, "a\0\xff", 4);
}

static void append__fills_the_maximum_exactly(void **state)
{
    struct eye_text *text = *state;
    text->max_bytes = 10;
    eye_text_append(text, "0123456789");
    eye_text_append(text, "");
    assert_false(text->failed);
    assert_string_equal(text->data, "0123456789");
    eye_text_append_char(text, 'x');
    assert_true(text->failed);
    assert_string_equal(text->data, "0123456789");
}

static void failed__stays_until_cleared(void **state)
{
    struct eye_text *text = *state;
    text->max_bytes = 10;
    eye_text_append(text, "12345678");
    eye_text_append(text, "too long");
    assert_true(text->failed);
    eye_text_append_char(text, 'x');
    eye_text_append_u64(text, 1);
    eye_text_append_double(text, 0.5);
    eye_text_appendf(text, "%d", 1);
    assert_true(text->failed);
    assert_string_equal(text->data, "12345678");
    eye_text_clear(text);
    assert_false(text->failed);
    eye_text_append(text, "fits");
    assert_string_equal(text->data, "fits");
}

static void failed__without_any_room(void **state)
{
    struct eye_text *text = *state;
    text->max_bytes = 0;
    eye_text_append(text, "");
    assert_false(text->failed);
    eye_text_append_char(text, 'x');
    assert_true(text->failed);
    assert_string_equal(eye_text_string(text), "");
}

static void truncate__cuts_and_clears_failed(void **state)
{
    struct eye_text *text = *state;
    text->max_bytes = 6;
    eye_text_append(text, "abcdef");
    eye_text_append_char(text, 'g');
    eye_text_truncate(text, 3);
    assert_false(text->failed);
    assert_string_equal(text->data, "abc");
    eye_text_truncate(text, 100);
    assert_string_equal(text->data, "abc");
    eye_text_append(text, "DEF");
    assert_string_equal(text->data, "abcDEF");
}

static void clear__keeps_the_storage(void **state)
{
    struct eye_text *text = *state;
    eye_text_append(text, "abc");
    const char *data = text->data;
    size_t capacity = text->capacity;
    eye_text_clear(text);
    assert_string_equal(eye_text_string(text), "");
    assert_ptr_equal(text->data, data);
    assert_int_equal(text->capacity, capacity);
}

static void room__is_filled_by_the_caller_or_refused(void **state)
{
    struct eye_text *text = *state;
    text->max_bytes = 300;
    eye_text_append(text, "ab");
    char *to = eye_text_room(text, 298);
    assert_non_null(to);
    memset(to, 'x', 298);
    eye_text_end_at(text, to + 3);
    assert_string_equal(text->data, "abxxx");
    assert_int_equal(text->length, 5);
    assert_null(eye_text_room(text, 296));
    assert_true(text->failed);
    assert_string_equal(text->data, "abxxx");
}

static void append_u64__writes_every_digit(void **state)
{
    static const struct {
        uint64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {1234567890, "1234567890"},
        {UINT64_MAX, "18446744073709551615"},
    };
    struct eye_text *text = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        eye_text_clear(text);
        eye_text_append_u64(text, cases[i].value);
        assert_string_equal(text->data, cases[i].text);
    }
}

static void appendf__appends_whole_or_nothing(void **state)
{
    struct eye_text *text = *state;
    eye_text_appendf(text, "%s=%d", "a", -7);
    eye_text_appendf(text, "%400d", 1);
    assert_int_equal(text->length, 404);
    assert_memory_equal(text->data, "a=-7   ", 7);
    assert_string_equal(text->data + 400, "   1");
    text->max_bytes = 410;
    eye_text_appendf(text, "%s", "seven__");
    assert_true(text->failed);
    assert_int_equal(text->length, 404);
    assert_int_equal(text->data[404], '\0');
}

static void append_double__writes_the_shortest_form(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {3, "3"},
        {-3, "-3"},
        {0.25, "0.25"},
        {-0.5, "-0.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e-3, "0.001"},
        {1e-5, "0.00001"},
        {-1.5e-7, "-0.00000015"},
        {1e-9, "0.000000001"},
        {2.5e-11, "0.000000000025"},
        {1e15, "1000000000000000"},
        {9007199254740991, "9007199254740991"},
        {9007199254740992, "9007199254740992"},
        {1e16, "10000000000000000"},
        {-3e16, "-30000000000000000"},
        {1e300, "1e+300"},
        {1e-300, "1e-300"},
        {NAN, "NaN"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
    };
    struct eye_text *text = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        eye_text_clear(text);
        eye_text_append_double(text, cases[i].value);
        assert_string_equal(eye_text_string(text), cases[i].text);
    }
}

static void append_rounded__leaves_what_is_no_measurement(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {3, "3"},
        {-0.5, "-0.5"},
        {0.1 + 0.2, "0.3"},
        {15e6 * 1e-9, "0.015"},
        {1.0 / 3, "0.333333333333333"},
        {999999.9999999999, "1000000"},
        {1e-7, "0.0000001"},
        {-2.5e-7, "-0.00000025"},
        {1e-8, "1e-08"},
        {99999999999999, "99999999999999"},
        {123456789012345, "123456789012345"},
        {1e300, "1e+300"},
        {-1.7976931348623e308, "-1.7976931348623e+308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
    };
    struct eye_text *text = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        eye_text_clear(text);
        eye_text_append_rounded(text, cases[i].value);
        assert_string_equal(eye_text_string(text), cases[i].text);
    }
}

static void append_rounded__is_true_to_fifteen_digits(void **state)
{
    struct eye_text *text = *state;
    uint64_t random = 4;
    for (int i = 0; i < 100000; i++) {
        double value = pow(10, random_unit(&random) * 40 - 20);
        eye_text_clear(text);
        eye_text_append_rounded(text, value);
        assert_true(fabs(strtod(text->data, NULL) / value - 1) < 1.1e-14);
    }
}

static double read_back(struct eye_text *text, double value)
{
    eye_text_clear(text);
    eye_text_append_double(text, value);
    char *end;
    double again = strtod(text->data, &end);
    assert_int_equal(*end, '\0');
    return again;
}

/* Every value that a metric may have: 1 ns to 10^17, both signs. */
static void append_double__reads_back_without_exponent(void **state)
{
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        double value = pow(10, random_unit(&random) * 28.9 - 12);
        value = random_below(&random, 2) == 0 ? value : -value;
        assert_true(read_back(*state, value) == value);
        assert_null(strpbrk(((struct eye_text *)*state)->data, "eE"));
    }
}

static void append_double__reads_back_any_bits(void **state)
{
    uint64_t random = 2;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_next(&random);
        double value;
        memcpy(&value, &bits, sizeof(value));
        assert_true(!isfinite(value) || read_back(*state, value) == value);
    }
}

/* A decimal of 15 digits survives the way through a double, so it must come back as written. */
static void append_double__returns_short_decimals_as_written(void **state)
{
    struct eye_text *text = *state;
    uint64_t random = 3;
    for (int i = 0; i < 20000; i++) {
        char written[64];
        uint64_t fraction = random_below(&random, 1000000000);
        fraction += fraction % 10 == 0 ? 1 : 0;
        snprintf(written, sizeof(written), "%u.%09u", (unsigned)random_below(&random, 1000000),
                 (unsigned)fraction);
        assert_true(read_back(text, strtod(written, NULL)) == strtod(written, NULL));
        assert_string_equal(text->data, written);
    }
}

static void copy_string__cuts_and_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        size_t size;
        bool fits;
        const char *copy;
    } cases[] = {
        {"", 1, true, ""},       {"a", 1, false, ""},       {"abc", 4, true, "abc"},
        {"abc", 8, true, "abc"}, {"abcd", 4, false, "abc"}, {"abcdefgh", 4, false, "abc"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char target[9] = "########";
        assert_int_equal(eye_copy_string(target, cases[i].size, cases[i].source), cases[i].fits);
        assert_string_equal(target, cases[i].copy);
        assert_true(cases[i].size == 8 || target[cases[i].size] == '#');
    }
}

static void copy_clean__keeps_what_can_be_seen(void **state)
{
    (void)state;
    static const struct {
        const char *source, *copy;
    } cases[] = {
        {"", ""},
        {"a b|c", "a b|c"},
        {"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x9f",
         "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x9f"},
        {"a\nb\x1b[0m\x7f", "a_b_[0m_"},
        {"\xff\xc3\xe2\x82", "____"},
        {"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", "_________"},
        {"c1\xc2\x80\xc2\x9f|", "c1__|"},
        {"nbsp\xc2\xa0shy\xc2\xad", "nbsp_shy_"},
        {"zwsp\xe2\x80\x8b|lrm\xe2\x80\x8e", "zwsp_|lrm_"},
        {"bidi\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9", "bidi____"},
        {"alm\xd8\x9c|bom\xef\xbb\xbf", "alm_|bom_"},
        {"line\xe2\x80\xa8par\xe2\x80\xa9wide\xe3\x80\x80", "line_par_wide_"},
        {"filler\xe1\x85\x9f\xe3\x85\xa4\xef\xbe\xa0|vs\xef\xb8\x8f", "filler___|vs_"},
        {"tag\xf3\xa0\x81\x81|non\xef\xbf\xbe", "tag_|non_"},
        {"next\xe2\x80\x90\xe2\x80\xb0", "next\xe2\x80\x90\xe2\x80\xb0"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char target[64];
        eye_copy_clean(target, sizeof(target), cases[i].source, strlen(cases[i].source));
        assert_string_equal(target, cases[i].copy);
    }
}

static void copy_clean__cuts_between_characters(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 8; size++) {
        char target[9] = "########";
        static const char *const copies[] = {"",
                                             "",
                                             "a",
                                             "a",
                                             "a",
                                             "a\xe2\x82\xac",
                                             "a\xe2\x82\xac_",
                                             "a\xe2\x82\xac_b",
                                             "a\xe2\x82\xac_b"};
        eye_copy_clean(target, size, "a\xe2\x82\xac\0b", 6);
        assert_string_equal(target, copies[size]);
        assert_true(size == 8 || target[size] == '#');
    }
}

EYE_PRINTF(2, 3)
static void format_shown(char target[2 * EYE_MESSAGE_BYTES], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    eye_format_shown(target, (size_t)2 * EYE_MESSAGE_BYTES, format, arguments);
    va_end(arguments);
}

/* A message ends at EYE_MESSAGE_BYTES, wherever in a character that is. */
static void format_shown__leaves_out_a_torn_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\x9f"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(characters); i++) {
        size_t whole = strlen(characters[i]);
        for (size_t kept = 0; kept <= whole; kept++) {
            char target[2 * EYE_MESSAGE_BYTES];
            size_t before = EYE_MESSAGE_BYTES - 1 - kept;
            format_shown(target, "%*s%s%s", (int)before, "", characters[i], "behind");
            assert_int_equal(strlen(target), before + (kept == whole ? whole : 0));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_text__is_empty_and_not_null, setup, teardown),
        cmocka_unit_test(done__takes_zeroed_and_twice),
        cmocka_unit_test_setup_teardown(append__grows_and_keeps_content, setup, teardown),
        cmocka_unit_test_setup_teardown(append_bytes__takes_any_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(append__fills_the_maximum_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(failed__stays_until_cleared, setup, teardown),
        cmocka_unit_test_setup_teardown(failed__without_any_room, setup, teardown),
        cmocka_unit_test_setup_teardown(truncate__cuts_and_clears_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(clear__keeps_the_storage, setup, teardown),
        cmocka_unit_test_setup_teardown(append_wrapped__breaks_at_spaces_only, setup, teardown),
        cmocka_unit_test_setup_teardown(room__is_filled_by_the_caller_or_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(append_u64__writes_every_digit, setup, teardown),
        cmocka_unit_test_setup_teardown(appendf__appends_whole_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(append_double__writes_the_shortest_form, setup, teardown),
        cmocka_unit_test_setup_teardown(append_rounded__leaves_what_is_no_measurement, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(append_rounded__is_true_to_fifteen_digits, setup, teardown),
        cmocka_unit_test_setup_teardown(append_double__reads_back_without_exponent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(append_double__reads_back_any_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(append_double__returns_short_decimals_as_written, setup,
                                        teardown),
        cmocka_unit_test(copy_string__cuts_and_says_so),
        cmocka_unit_test(copy_clean__keeps_what_can_be_seen),
        cmocka_unit_test(copy_clean__cuts_between_characters),
        cmocka_unit_test(format_shown__leaves_out_a_torn_character),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
