/* SPDX-License-Identifier: Apache-2.0 */
/* The names of addresses in answers of DNS: of those that are whole, cut at every byte, hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/usm/dns/answer.h"

#define BYTES(text) text, sizeof(text) - 1
#define SECOND EYE_NS_PER_SECOND

#define HEAD(answers) "\x12\x34\x81\x80\0\x01\0" answers "\0\0\0\0"
#define NAME "\3WWW\7eXample\0"
#define ASKED_A NAME "\0\1\0\1"
#define ASKED_AAAA NAME "\0\x1c\0\1"
#define IPV4(last) "\0\4\xc0\0\2" last
#define IPV6 "\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
#define TTL(seconds) "\0\0\0" seconds

/* What was told, a line each. */
struct told {
    char text[4096];
    size_t count;
};

static void note(void *context, const uint8_t *address, const char *name, size_t length,
                 uint64_t ttl_ns)
{
    struct told *told = context;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof(told->text) - used, "%.*s %02x..%02x.%u %llu\n", (int)length,
             name, address[0], address[10], address[15], (unsigned long long)(ttl_ns / SECOND));
    told->count++;
}

/* In memory of its own: nothing readable stands behind it. */
static bool tell(const void *bytes, size_t size, struct told *ret_told)
{
    EYE_AUTOFREE uint8_t *message = malloc(size > 0 ? size : 1);
    assert_non_null(message);
    memcpy(message, bytes, size);
    *ret_told = (struct told){0};
    return eye_dns_tell_names(message, size, note, ret_told);
}

static const struct {
    const char *bytes;
    size_t size;
    const char *told;
} answers[] = {
    {BYTES(HEAD("\2") ASKED_A "\xc0\x0c\0\1\0\1" TTL("\x3c")
               IPV4("\7") "\xc0\x0c\0\1\0\1" TTL("\x3d") IPV4("\x8")),
     "www.example 00..ff.7 60\nwww.example 00..ff.8 61\n"},
    {BYTES(HEAD("\1") ASKED_AAAA "\3wwW\xc0\x10\0\x1c\0\1" TTL("\x3c") IPV6),
     "www.example 20..00.7 60\n"},
    /* Aliases, the first one behind the second; the shortest time counts. */
    {BYTES(HEAD("\3") ASKED_A "\1b\xc0\x10\0\5\0\1" TTL(
         "\5") "\0\4\1c\xc0\x10"
               "\xc0\x0c\0\5\0\1" TTL("\x9") "\0\4\1b\xc0\x10"
                                             "\1c\xc0\x10\0\1\0\1" TTL("\x3c") IPV4("\7")),
     "www.example 00..ff.7 5\n"},
    /* Others' addresses: nobody asked for them. */
    {BYTES(HEAD("\2") ASKED_A "\1x\xc0\x10\0\1\0\1" TTL("\x3c")
               IPV4("\7") "\xc0\x0c\0\1\0\1" TTL("\x3c") IPV4("\x8")),
     "www.example 00..ff.8 60\n"},
    /* Another type, another class, no address. */
    {BYTES(HEAD("\3") ASKED_A "\xc0\x0c\0\x1c\0\1" TTL("\x3c") IPV6 "\xc0\x0c\0\1\0\3" TTL("\x3c")
               IPV4("\7") "\xc0\x0c\0\1\0\1" TTL("\x3c") "\0\3\1\2\3"),
     ""},
    /* A time with the highest bit is none (RFC 2181). */
    {BYTES(HEAD("\1") ASKED_A "\xc0\x0c\0\1\0\1\x80\0\0\1" IPV4("\7")), "www.example 00..ff.7 0\n"},
    /* A label with a dot of its own. */
    {BYTES("\x12\x34\x81\x80\0\1\0\1\0\0\0\0"
           "\5a.b.c\1d\0\0\1\0\1"
           "\xc0\x0c\0\1\0\1" TTL("\x3c") IPV4("\7")),
     "a_b_c.d 00..ff.7 60\n"},
    /* An alias of itself. */
    {BYTES(HEAD("\1") ASKED_A "\xc0\x0c\0\5\0\1" TTL("\x3c") "\0\2\xc0\x0c"), ""},
    {BYTES(HEAD("\0") ASKED_A), ""},
};

static void answers_tell_what_was_asked_for(void **state)
{
    (void)state;
    struct told told;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(answers); i++) {
        assert_true(tell(answers[i].bytes, answers[i].size, &told));
        assert_string_equal(told.text, answers[i].told);
    }
}

static void answers_cut_anywhere_are_malformed(void **state)
{
    (void)state;
    struct told told;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(answers); i++) {
        for (size_t size = 0; size < answers[i].size; size++) {
            assert_false(tell(answers[i].bytes, size, &told));
        }
    }
}

static void hostile_messages_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {
        {BYTES("\x12\x34\x01\x80\0\1\0\0\0\0\0\0" ASKED_A)}, /* a question */
        {BYTES("\x12\x34\x81\x83\0\1\0\0\0\0\0\0" ASKED_A)}, /* NXDOMAIN */
        {BYTES("\x12\x34\xa9\x80\0\1\0\0\0\0\0\0" ASKED_A)}, /* of an update */
        {BYTES("\x12\x34\x81\x80\0\2\0\0\0\0\0\0" ASKED_A ASKED_A)},
        {BYTES(HEAD("\0") NAME "\0\2\0\1")},    /* name servers */
        {BYTES(HEAD("\0") NAME "\0\1\0\3")},    /* of another class */
        {BYTES(HEAD("\0") "\xc0\x0c\0\1\0\1")}, /* a name that means itself */
        {BYTES(HEAD("\0") "\xc0\x20\0\1\0\1")}, /* or what comes behind it */
        {BYTES(HEAD("\0") "\x40"
                          "a\0\0\1\0\1")}, /* a label of no kind */
        {BYTES(HEAD("\1") ASKED_A "\xc0\x1d\0\1\0\1" TTL("\1") IPV4("\7"))},
        {BYTES(HEAD("\1") ASKED_A "\1a\xc0\x1d\0\1\0\1" TTL("\1") IPV4("\7"))}, /* a.a.a. ... */
    };
    struct told told;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        assert_false(tell(table[i].bytes, table[i].size, &told));
        assert_int_equal(told.count, 0);
    }
}

/* 128 labels make 255 bytes with the last 0; one more does not. */
static void names_have_255_bytes_at_most(void **state)
{
    (void)state;
    for (size_t labels = 126; labels <= 128; labels++) {
        uint8_t bytes[512] = HEAD("\1");
        size_t size = 12;
        for (size_t i = 0; i < labels; i++) {
            bytes[size++] = 1;
            bytes[size++] = 'x';
        }
        memcpy(bytes + size, "\0\0\1\0\1", 5);
        size += 5;
        static const char record[] = "\xc0\x0c\0\1\0\1" TTL("\1") IPV4("\7");
        memcpy(bytes + size, record, sizeof(record) - 1);
        size += sizeof(record) - 1;
        struct told told;
        assert_int_equal(tell(bytes, size, &told), labels <= 127);
        assert_int_equal(told.count, labels <= 127);
    }
}

static void aliases_are_followed_so_far(void **state)
{
    (void)state;
    for (int aliases = EYE_DNS_ALIASES_MAX; aliases <= EYE_DNS_ALIASES_MAX + 1; aliases++) {
        char bytes[1024] = HEAD("\0") "\1a\0\0\1\0\1";
        size_t size = 12 + 7;
        bytes[7] = (char)(aliases + 1);
        for (int i = 0; i <= aliases; i++) {
            const char owner[] = {1, (char)('a' + i), 0};
            const char target[] = {1, (char)('a' + i + 1), 0};
            memcpy(bytes + size, owner, sizeof(owner));
            size += sizeof(owner);
            if (i < aliases) {
                memcpy(bytes + size, "\0\5\0\1" TTL("\1") "\0\3", 10);
                memcpy(bytes + size + 10, target, sizeof(target));
                size += 10 + sizeof(target);
            } else {
                memcpy(bytes + size, "\0\1\0\1" TTL("\1") IPV4("\7"), 14);
                size += 14;
            }
        }
        struct told told;
        assert_true(tell(bytes, size, &told));
        assert_int_equal(told.count, aliases <= EYE_DNS_ALIASES_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_tell_what_was_asked_for),
        cmocka_unit_test(answers_cut_anywhere_are_malformed),
        cmocka_unit_test(hostile_messages_are_refused),
        cmocka_unit_test(names_have_255_bytes_at_most),
        cmocka_unit_test(aliases_are_followed_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
