/* SPDX-License-Identifier: Apache-2.0 */
/* DNS: what the kernel programs read of a message, and what a record of it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/usm/dns/dns.h"
#include "collector/base/base.h"
#include "collector/usm/usm.h"

/* ---- Messages ---- */

static void header_of_one_question(void **state)
{
    (void)state;
    static const struct {
        __u8 bytes[EYE_DNS_HEADER_BYTES];
        bool valid;
        struct eye_dns_message message;
    } table[] = {
        {{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1}, true, {.id = 0x1234}},
        {{0, 0, 0x81, 0x83, 0, 1, 0, 0}, true, {.answer = 1, .code = 3}},
        {{0, 7, 0x83, 0x80, 0, 1, 0xff, 0xff}, true, {.id = 7, .answer = 1, .truncated = 1}},
        {{0, 0, 0x20, 0, 0, 1, 0, 1}, true, {.opcode = EYE_DNS_NOTIFY}},
        {{0, 0, 0x28, 0, 0, 1, 0, 1}, true, {.opcode = EYE_DNS_UPDATE}},
        /* A question has neither a code nor can it be cut. */
        {{0, 0, 0x02, 0x05, 0, 1}, true, {.id = 0}},
        {{0, 0, 1, 0, 0, 0}, false, {0}},       /* no question */
        {{0, 0, 1, 0, 0, 2}, false, {0}},       /* two */
        {{0, 0, 1, 0, 1, 1}, false, {0}},       /* 257 */
        {{0, 0, 1, 0, 0, 1, 0, 1}, false, {0}}, /* it is answered before it is asked */
        {{0, 0, 0x08, 0, 0, 1}, false, {0}},    /* IQUERY, which nobody has any more */
        {{0, 0, 0x30, 0, 0, 1}, false, {0}},    /* DSO, of connections */
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        struct eye_dns_header header;
        struct eye_dns_message message = {0};
        memcpy(header.bytes, table[i].bytes, sizeof(header.bytes));
        assert_int_equal(eye_dns_read_header(&header, &message), table[i].valid);
        if (table[i].valid) {
            assert_memory_equal(&message, &table[i].message, sizeof(message));
        }
    }
}

/* Length and hash of the name that @bytes begin with. */
static __u32 read_name(const void *bytes, size_t size, __u64 *ret_hash)
{
    struct eye_dns_text text = {0};
    memcpy(text.bytes, bytes, size < sizeof(text) ? size : sizeof(text));
    *ret_hash = 0;
    return eye_dns_read_name(&text, (__u32)size, ret_hash);
}

/* @label bytes of each label, until the name has @size with the last length. */
static size_t fill_name(__u8 *name, size_t size, size_t label)
{
    size_t at = 0;
    memset(name, 'x', size);
    while (at + label + 1 < size) {
        name[at] = (__u8)label;
        at += label + 1;
    }
    name[at] = 0;
    return at + 1;
}

static void name_ends_within_255_bytes(void **state)
{
    (void)state;
    __u64 hash;
    __u8 name[300];
    assert_int_equal(read_name("", 1, &hash), 1); /* the root */
    assert_true(hash == EYE_DNS_HASH_BASIS);
    assert_int_equal(read_name("\1a\2bc\0\0\1\0\1", 11, &hash), 6);
    assert_int_equal(fill_name(name, 255, 1), 255); /* 127 labels */
    assert_int_equal(read_name(name, 255, &hash), 255);
    assert_int_equal(read_name(name, 254, &hash), 0); /* the last length is not there */
    assert_int_equal(fill_name(name, 257, 1), 257);
    assert_int_equal(read_name(name, 257, &hash), 0);
    assert_int_equal(fill_name(name, 193, 63), 193);
    assert_int_equal(read_name(name, 193, &hash), 193);
}

static void name_is_no_other_thing(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {
        {"\1a", 2},         /* no end */
        {"\5ab\0", 4},      /* a label longer than what is there */
        {"\xc0\x0c", 2},    /* a pointer to itself */
        {"\1a\xc0\x0c", 4}, /* one behind a label */
        {"\x40 ", 2},       /* reserved */
        {"\x80 ", 2},       {"", 0},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        __u64 hash;
        assert_int_equal(read_name(table[i].bytes, table[i].size, &hash), 0);
    }
}

static void names_are_the_same_in_any_letters(void **state)
{
    (void)state;
    __u64 lower;
    __u64 upper;
    __u64 other;
    read_name("\3www\7example\0", 13, &lower);
    read_name("\3wWW\7EXAMPLe\0", 13, &upper);
    assert_true(lower == upper);
    read_name("\3www\7exam0le\0", 13, &other);
    assert_true(lower != other);
    read_name("\7www\3exa\0", 9, &lower); /* where labels end is a part of the name */
    read_name("\3www\3exa\0", 9, &other);
    assert_true(lower != other);
    read_name("\1@", 3, &lower); /* beside the letters */
    read_name("\1`", 3, &upper);
    assert_true(lower != upper);
    read_name("\1[", 3, &lower);
    read_name("\1{", 3, &upper);
    assert_true(lower != upper);
}

/* ---- Records ---- */

struct record {
    struct eye_request_head head;
    struct eye_dns_body body;
};

#define RECORD_BYTES (sizeof(struct eye_request_head) + sizeof(struct eye_dns_body))

struct taken {
    size_t count;
    struct eye_request_name name;
};

static void take(void *context, const struct eye_request_sample *sample)
{
    struct taken *taken = context;
    taken->count++;
    taken->name = (struct eye_request_name){0};
    sample->protocol->name_request(sample->state, sample, NULL, &taken->name);
}

static struct taken taken_of(const struct record *record)
{
    struct taken taken = {0};
    struct eye_usm usm = {.on_request = take, .context = &taken};
    eye_usm_take(&usm, record, RECORD_BYTES);
    assert_int_equal(usm.malformed, taken.count == 0);
    return taken;
}

static const char *tag_of(const struct eye_request_name *name, enum eye_tag tag)
{
    for (size_t i = 0; i < name->tag_count; i++) {
        if (name->tags[i].tag == tag) {
            return name->tags[i].value;
        }
    }
    return "";
}

static struct record good_record(void)
{
    return (struct record){.head = {.protocol = EYE_PROTOCOL_DNS,
                                    .port = 53,
                                    .body_bytes = sizeof(struct eye_dns_body)},
                           .body = {.type = 1}};
}

static void records_have_names(void **state)
{
    (void)state;
    static const struct {
        __u16 type;
        __u8 opcode;
        __u8 marks;
        __u8 flags;
        __u16 code;
        const char *names[3];
        enum eye_choice choice;
    } table[] = {
        {1, 0, 0, 0, 0, {"A", "NOERROR", ""}, EYE_CHOICE_OURS},
        {28, 0, 1, EYE_REQUEST_CLIENT, 3, {"AAAA", "NXDOMAIN", "truncated"}, EYE_CHOICE_OURS},
        {1, 0, EYE_DNS_OVER_TCP, 0, 0, {"A", "NOERROR", ""}, EYE_CHOICE_OURS},
        {65535, 0, 0, 0, 15, {"TYPE65535", "RCODE15", ""}, EYE_CHOICE_CLIENTS},
        {6, EYE_DNS_NOTIFY, 0, 0, 0, {"NOTIFY", "NOERROR", ""}, EYE_CHOICE_OURS},
        {9999, EYE_DNS_UPDATE, 0, 0, 5, {"UPDATE", "REFUSED", ""}, EYE_CHOICE_OURS},
        {33,
         0,
         0,
         EYE_REQUEST_UNANSWERED,
         EYE_REQUEST_TIMEOUT,
         {"SRV", "", "timeout"},
         EYE_CHOICE_OURS},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        struct record record = good_record();
        record.head.flags = table[i].flags;
        record.head.code = table[i].code;
        record.body = (struct eye_dns_body){table[i].type, table[i].opcode, table[i].marks};
        struct taken taken = taken_of(&record);
        assert_int_equal(taken.count, 1);
        assert_int_equal(taken.name.metric, table[i].flags & EYE_REQUEST_CLIENT
                                                ? EYE_METRIC_DNS_LOOKUP
                                                : EYE_METRIC_DNS_SERVER_LOOKUP);
        assert_string_equal(tag_of(&taken.name, EYE_TAG_TYPE), table[i].names[0]);
        assert_string_equal(tag_of(&taken.name, EYE_TAG_RCODE), table[i].names[1]);
        assert_string_equal(tag_of(&taken.name, EYE_TAG_ERROR), table[i].names[2]);
        assert_string_equal(tag_of(&taken.name, EYE_TAG_TRANSPORT),
                            table[i].marks & EYE_DNS_OVER_TCP ? "tcp" : "udp");
        assert_int_equal(taken.name.choice, table[i].choice);
    }
}

static void records_that_no_kernel_writes(void **state)
{
    (void)state;
    struct record record = good_record();
    record.head.code = EYE_DNS_CODE_MAX + 1;
    assert_int_equal(taken_of(&record).count, 0);
    record = good_record();
    record.body.opcode = 1;
    assert_int_equal(taken_of(&record).count, 0);
    record = good_record();
    record.body.flags = 4;
    assert_int_equal(taken_of(&record).count, 0);
    record = good_record();
    record.head.body_bytes--;
    assert_int_equal(taken_of(&record).count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_of_one_question),
        cmocka_unit_test(name_ends_within_255_bytes),
        cmocka_unit_test(name_is_no_other_thing),
        cmocka_unit_test(names_are_the_same_in_any_letters),
        cmocka_unit_test(records_have_names),
        cmocka_unit_test(records_that_no_kernel_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
