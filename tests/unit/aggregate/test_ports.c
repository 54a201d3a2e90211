/* SPDX-License-Identifier: Apache-2.0 */
/* Which ports are names, and how a number of the ephemeral range earns to be one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/aggregate/ports.h"
#include "collector/base/base.h"

#define MINUTE_NS UINT64_C(60000000000)

static int setup(void **state)
{
    struct eye_ports *ports = calloc(1, sizeof(*ports));
    assert_non_null(ports);
    eye_ports_init(ports, 40000, 50000);
    *state = ports;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static uint16_t remote(const struct eye_ports *ports, uint16_t port)
{
    return eye_ports_name(ports, EYE_OUTGOING, port);
}

/* Lets @count minutes pass, each with a connection to @port unless that is 0. */
static void pass_minutes(struct eye_ports *ports, size_t count, uint16_t port)
{
    for (size_t i = 0; i < count; i++) {
        if (port != 0) {
            eye_ports_note_opened(ports, port);
            eye_ports_note_opened(ports, port);
        }
        eye_ports_judge(ports, ports->judged_ns + MINUTE_NS);
    }
}

static void name__is_none_for_remote_ports_of_the_range(void **state)
{
    struct eye_ports *ports = *state;
    assert_int_equal(remote(ports, 39999), 39999);
    assert_int_equal(remote(ports, 40000), 0);
    assert_int_equal(remote(ports, 50000), 0);
    assert_int_equal(remote(ports, 50001), 50001);
    assert_int_equal(remote(ports, UINT16_MAX), UINT16_MAX);
}

/* The kernel side says 0 where the listener's port was its own choice. */
static void name__is_the_number_of_a_listener(void **state)
{
    struct eye_ports *ports = *state;
    assert_int_equal(eye_ports_name(ports, EYE_INCOMING, 45000), 45000);
    assert_int_equal(eye_ports_name(ports, EYE_INCOMING, 80), 80);
    assert_int_equal(eye_ports_name(ports, EYE_INCOMING, 0), 0);
}

static void port__earns_its_number_in_four_minutes(void **state)
{
    struct eye_ports *ports = *state;
    pass_minutes(ports, 3, 45000);
    assert_int_equal(remote(ports, 45000), 0);
    eye_ports_note_opened(ports, 45000);
    assert_int_equal(remote(ports, 45000), 0);
    assert_true(eye_ports_judge(ports, ports->judged_ns + MINUTE_NS));
    assert_int_equal(remote(ports, 45000), 45000);
    assert_int_equal(remote(ports, 45001), 0);
}

/* However many there are in one minute. */
static void port__earns_nothing_by_number(void **state)
{
    struct eye_ports *ports = *state;
    for (int i = 0; i < 100000; i++) {
        eye_ports_note_opened(ports, 45000);
        assert_false(eye_ports_judge(ports, MINUTE_NS / 2));
    }
    pass_minutes(ports, 1, 0);
    assert_int_equal(remote(ports, 45000), 0);
}

/* A scrape every two minutes does not earn it, one that misses a minute now and then does. */
static void port__may_miss_a_minute(void **state)
{
    struct eye_ports *ports = *state;
    for (int i = 0; i < 20; i++) {
        pass_minutes(ports, 1, 45000);
        pass_minutes(ports, 1, 0);
    }
    assert_int_equal(remote(ports, 45000), 0);
    for (int i = 0; i < 4; i++) {
        pass_minutes(ports, 3, 46000);
        pass_minutes(ports, 1, 0);
    }
    assert_int_equal(remote(ports, 46000), 46000);
}

static void port__loses_its_number_when_it_is_quiet(void **state)
{
    struct eye_ports *ports = *state;
    pass_minutes(ports, 100, 45000);
    pass_minutes(ports, 9, 0);
    assert_int_equal(remote(ports, 45000), 45000);
    assert_true(eye_ports_judge(ports, ports->judged_ns + MINUTE_NS));
    assert_int_equal(remote(ports, 45000), 0);
}

/* Ten connections per second, each to another port of the default range. */
static void test_suites__earn_nothing(void **state)
{
    struct eye_ports *ports = *state;
    eye_ports_init(ports, EYE_EPHEMERAL_FIRST, EYE_EPHEMERAL_LAST);
    uint32_t random = 1;
    for (int minute = 0; minute < 60; minute++) {
        for (int i = 0; i < 600; i++) {
            random = random * 1664525U + 1013904223U;
            uint32_t range = EYE_EPHEMERAL_LAST - EYE_EPHEMERAL_FIRST + 1;
            eye_ports_note_opened(ports, (uint16_t)(EYE_EPHEMERAL_FIRST + (random >> 8) % range));
        }
        eye_ports_judge(ports, ports->judged_ns + MINUTE_NS);
    }
    size_t named = 0;
    for (uint32_t port = EYE_EPHEMERAL_FIRST; port <= EYE_EPHEMERAL_LAST; port++) {
        named += remote(ports, (uint16_t)port) != 0;
    }
    assert_true(named <= 2);
}

static void format__writes_numbers_and_the_word(void **state)
{
    (void)state;
    char text[EYE_PORT_BYTES];
    eye_ports_format(UINT16_MAX, text);
    assert_string_equal(text, "65535");
    eye_ports_format(1, text);
    assert_string_equal(text, "1");
    eye_ports_format(0, text);
    assert_string_equal(text, "ephemeral");
}

static void read_range__takes_what_the_kernel_writes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        uint16_t first;
        uint16_t last;
    } cases[] = {
        {"32768\t60999\n", 0, 32768, 60999}, {"1 65535", 0, 1, 65535},
        {"1024\t1024\n", 0, 1024, 1024},     {"", -EINVAL, 0, 0},
        {"32768\n", -EINVAL, 0, 0},          {"60999\t32768\n", -EINVAL, 0, 0},
        {"0\t1\n", -EINVAL, 0, 0},           {"1\t65536\n", -EINVAL, 0, 0},
        {"a\tb\n", -EINVAL, 0, 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char path[] = "/tmp/eye-ports-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        size_t length = strlen(cases[i].text);
        assert_int_equal(write(fd, cases[i].text, length), (ssize_t)length);
        close(fd);
        uint16_t first = 0;
        uint16_t last = 0;
        int result = eye_ports_read_range(path, &first, &last);
        unlink(path);
        assert_int_equal(result, cases[i].result);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
    }
    uint16_t untouched = 7;
    assert_int_equal(eye_ports_read_range("/nonexistent", &untouched, &untouched), -ENOENT);
    assert_int_equal(untouched, 7);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(name__is_none_for_remote_ports_of_the_range),
        TEST(name__is_the_number_of_a_listener),
        TEST(port__earns_its_number_in_four_minutes),
        TEST(port__earns_nothing_by_number),
        TEST(port__may_miss_a_minute),
        TEST(port__loses_its_number_when_it_is_quiet),
        TEST(test_suites__earn_nothing),
        cmocka_unit_test(format__writes_numbers_and_the_word),
        cmocka_unit_test(read_range__takes_what_the_kernel_writes),
    };
    return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
