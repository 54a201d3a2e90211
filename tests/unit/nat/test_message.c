/* SPDX-License-Identifier: Apache-2.0 */
/* Questions as the kernel understands them; answers as it makes them, cut, and forged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/nat/message.h"

#define SEQUENCE 7
#define MESSAGE_BYTES 512

static struct eye_conntrack_entry last;
static size_t calls;

static void keep(void *context, const struct eye_conntrack_entry *entry)
{
    (void)context;
    last = *entry;
    calls++;
}

static struct eye_netlink_found parse(const void *bytes, size_t size)
{
    struct eye_netlink_found found;
    calls = 0;
    memset(&last, 0, sizeof(last));
    eye_conntrack_parse(bytes, size, SEQUENCE, keep, NULL, &found);
    assert_int_equal(found.objects, calls);
    return found;
}

/* A message that grows, by its own length. */
static void put(struct nlmsghdr *message, const void *bytes, size_t length)
{
    memcpy((uint8_t *)message + message->nlmsg_len, bytes, length);
    message->nlmsg_len += NLMSG_ALIGN(length);
}

static void put_attribute(struct nlmsghdr *message, uint16_t type, const void *bytes, size_t length)
{
    struct nlattr header = {.nla_len = (uint16_t)(sizeof(struct nlattr) + length),
                            .nla_type = type};
    put(message, &header, sizeof(header));
    put(message, bytes, length);
}

static struct nlattr *begin_nest(struct nlmsghdr *message, uint16_t type)
{
    void *nest = (uint8_t *)message + message->nlmsg_len;
    put_attribute(message, type | NLA_F_NESTED, "", 0);
    return nest;
}

static void end_nest(const struct nlmsghdr *message, struct nlattr *nest)
{
    const uint8_t *end = (const uint8_t *)message + message->nlmsg_len;
    nest->nla_len = (uint16_t)(end - (const uint8_t *)nest);
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, const struct eye_tuple *tuple,
                      uint8_t protocol)
{
    uint16_t source = htons(tuple->source_port);
    uint16_t destination = htons(tuple->destination_port);
    struct nlattr *nest = begin_nest(message, type);
    struct nlattr *addresses = begin_nest(message, CTA_TUPLE_IP);
    put_attribute(message, CTA_IP_V4_SRC, tuple->source + 12, 4);
    put_attribute(message, CTA_IP_V4_DST, tuple->destination + 12, 4);
    end_nest(message, addresses);
    struct nlattr *ports = begin_nest(message, CTA_TUPLE_PROTO);
    put_attribute(message, CTA_PROTO_NUM, &protocol, sizeof(protocol));
    if (protocol != IPPROTO_ICMP) {
        put_attribute(message, CTA_PROTO_SRC_PORT, &source, sizeof(source));
        put_attribute(message, CTA_PROTO_DST_PORT, &destination, sizeof(destination));
    }
    end_nest(message, ports);
    end_nest(message, nest);
}

static const struct eye_tuple asked = {
    .source = {[10] = 0xff, 0xff, 10, 0, 0, 1},
    .destination = {[10] = 0xff, 0xff, 203, 0, 113, 1},
    .source_port = 40000,
    .destination_port = 80,
};

static const struct eye_tuple answered = {
    .source = {[10] = 0xff, 0xff, 10, 0, 0, 2},
    .destination = {[10] = 0xff, 0xff, 10, 0, 0, 77},
    .source_port = 8080,
    .destination_port = 40000,
};

/* Returns its length. */
static size_t make(uint8_t bytes[static MESSAGE_BYTES], uint16_t what, uint32_t status,
                   uint8_t protocol)
{
    memset(bytes, 0, MESSAGE_BYTES);
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)bytes;
    *message = (struct nlmsghdr){.nlmsg_len = sizeof(*message),
                                 .nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | what),
                                 .nlmsg_seq = SEQUENCE};
    put(message, &(struct nfgenmsg){.version = NFNETLINK_V0}, sizeof(struct nfgenmsg));
    put_tuple(message, CTA_TUPLE_ORIG, &asked, protocol);
    put_tuple(message, CTA_TUPLE_REPLY, &answered, protocol);
    status = htonl(status);
    put_attribute(message, CTA_STATUS, &status, sizeof(status));
    return message->nlmsg_len;
}

static void parse__reads_an_entry(void **state)
{
    static const struct {
        uint32_t status;
        uint8_t nat;
    } cases[] = {
        {IPS_CONFIRMED, EYE_NAT_NONE},
        {IPS_CONFIRMED | IPS_SRC_NAT, EYE_NAT_SOURCE},
        {IPS_CONFIRMED | IPS_DST_NAT, EYE_NAT_DESTINATION},
        {IPS_SRC_NAT | IPS_DST_NAT, EYE_NAT_BOTH},
    };
    _Alignas(uint32_t) uint8_t bytes[MESSAGE_BYTES];
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        size_t size = make(bytes, IPCTNL_MSG_CT_NEW, cases[i].status, IPPROTO_TCP);
        assert_int_equal(parse(bytes, size).malformed, 0);
        assert_int_equal(calls, 1);
        assert_memory_equal(&last.original, &asked, sizeof(asked));
        assert_memory_equal(&last.answer, &answered, sizeof(answered));
        assert_int_equal(last.nat, cases[i].nat);
        assert_int_equal(last.protocol, IPPROTO_TCP);
        assert_false(last.ended);
    }
}

static void parse__tells_ends(void **state)
{
    _Alignas(uint32_t) uint8_t bytes[MESSAGE_BYTES];
    (void)state;
    parse(bytes, make(bytes, IPCTNL_MSG_CT_DELETE, IPS_DST_NAT, IPPROTO_TCP));
    assert_int_equal(calls, 1);
    assert_true(last.ended);
}

static void parse__passes_over_what_has_no_ports(void **state)
{
    _Alignas(uint32_t) uint8_t bytes[MESSAGE_BYTES];
    (void)state;
    size_t size = make(bytes, IPCTNL_MSG_CT_NEW, IPS_DST_NAT, IPPROTO_ICMP);
    assert_int_equal(parse(bytes, size).malformed, 0);
    assert_int_equal(calls, 0);
}

/* Of another question. */
static void parse__passes_over_other_sequences(void **state)
{
    _Alignas(uint32_t) uint8_t bytes[MESSAGE_BYTES];
    (void)state;
    size_t size = make(bytes, IPCTNL_MSG_CT_NEW, 0, IPPROTO_TCP);
    ((struct nlmsghdr *)(void *)bytes)->nlmsg_seq = SEQUENCE - 1;
    assert_int_equal(parse(bytes, size).malformed, 0);
    assert_int_equal(calls, 0);
}

/* Cut anywhere, what is left is a message too few, and said to be; never an entry. */
static void parse__counts_what_is_cut(void **state)
{
    _Alignas(uint32_t) uint8_t bytes[MESSAGE_BYTES];
    size_t size = make(bytes, IPCTNL_MSG_CT_NEW, 0, IPPROTO_TCP);
    (void)state;
    for (size_t length = 1; length < size; length++) {
        assert_int_equal(parse(bytes, length).malformed, 1);
        assert_int_equal(calls, 0);
    }
}

/* A message that says itself that it is shorter: without both tuples it is none. */
static void parse__wants_both_tuples(void **state)
{
    _Alignas(uint32_t) uint8_t bytes[MESSAGE_BYTES];
    uint32_t size = (uint32_t)make(bytes, IPCTNL_MSG_CT_NEW, 0, IPPROTO_TCP);
    uint32_t status = sizeof(struct nlattr) + sizeof(uint32_t);
    (void)state;
    for (uint32_t length = sizeof(struct nlmsghdr); length < size - status; length += 4) {
        ((struct nlmsghdr *)(void *)bytes)->nlmsg_len = length;
        assert_int_equal(parse(bytes, length).malformed, 1);
        assert_int_equal(calls, 0);
    }
}

static void parse__says_how_an_answer_ends(void **state)
{
    static const struct {
        uint16_t type;
        int32_t code;
        int error;
        size_t malformed;
    } cases[] = {
        {NLMSG_DONE, 0, 0, 0},      {NLMSG_ERROR, 0, 0, 0}, {NLMSG_ERROR, -ENOENT, ENOENT, 0},
        {NLMSG_ERROR, -5000, 0, 0}, /* no errno */
        {NLMSG_ERROR, 5, 0, 1},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct {
            struct nlmsghdr header;
            int32_t code;
        } message = {.header = {.nlmsg_len = sizeof(message),
                                .nlmsg_type = cases[i].type,
                                .nlmsg_seq = SEQUENCE},
                     .code = cases[i].code};
        struct eye_netlink_found found = parse(&message, sizeof(message));
        assert_true(found.done);
        assert_int_equal(found.error, cases[i].error);
        assert_int_equal(found.malformed, cases[i].malformed);
    }
}

/* Read with the eyes of who answers. */
static void ask__is_an_entry_without_an_answer(void **state)
{
    static const struct eye_tuple sixes = {
        .source = {0xfd, 1}, .destination = {0xfd, 2}, .source_port = 1, .destination_port = 2};
    const struct eye_tuple *const tuples[] = {&asked, &sixes};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(tuples); i++) {
        _Alignas(uint32_t) uint8_t bytes[MESSAGE_BYTES] = {0};
        size_t size = eye_conntrack_ask(bytes, tuples[i], SEQUENCE);
        struct nlmsghdr *message = (struct nlmsghdr *)(void *)bytes;
        assert_true(size <= EYE_CONNTRACK_QUESTION_BYTES);
        assert_int_equal(message->nlmsg_len, size);
        assert_int_equal(message->nlmsg_type, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET);
        message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
        put_tuple(message, CTA_TUPLE_REPLY, &answered, IPPROTO_TCP);
        assert_int_equal(parse(bytes, message->nlmsg_len).malformed, 0);
        assert_int_equal(calls, 1);
        assert_memory_equal(&last.original, tuples[i], sizeof(last.original));
        assert_int_equal(last.protocol, IPPROTO_TCP);
    }
}

static void ask_all__names_a_bit_and_its_mask(void **state)
{
    _Alignas(uint32_t) uint8_t bytes[EYE_CONNTRACK_QUESTION_BYTES];
    (void)state;
    size_t size = eye_conntrack_ask_all(bytes, EYE_NAT_DESTINATION, SEQUENCE);
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)bytes;
    assert_int_equal(message->nlmsg_len, size);
    assert_int_equal(message->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
    const uint32_t *words = (const uint32_t *)(const void *)bytes;
    const size_t first = (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg)) / sizeof(*words);
    assert_int_equal(words[first + 1], htonl(IPS_DST_NAT));
    assert_int_equal(words[first + 3], htonl(IPS_DST_NAT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__reads_an_entry),
        cmocka_unit_test(parse__tells_ends),
        cmocka_unit_test(parse__passes_over_what_has_no_ports),
        cmocka_unit_test(parse__passes_over_other_sequences),
        cmocka_unit_test(parse__counts_what_is_cut),
        cmocka_unit_test(parse__wants_both_tuples),
        cmocka_unit_test(parse__says_how_an_answer_ends),
        cmocka_unit_test(ask__is_an_entry_without_an_answer),
        cmocka_unit_test(ask_all__names_a_bit_and_its_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
