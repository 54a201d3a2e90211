/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as the kernel makes them, and as it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>

#include "collector/source/sock_diag/message.h"

struct message {
    struct nlmsghdr header;
    struct inet_diag_msg socket;
    struct rtattr attribute;
    struct tcp_info info;
} __attribute__((packed)); /* an attribute is aligned to 4 bytes */

static struct eye_diag_socket last;
static size_t calls;

static void keep(void *context, const struct eye_diag_socket *socket)
{
    (void)context;
    last = *socket;
    calls++;
}

static struct message make(void)
{
    struct message message = {
        .header = {.nlmsg_len = sizeof(message), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_seq = 7},
        .socket = {.idiag_family = AF_INET,
                   .idiag_state = 1,
                   .idiag_inode = 4711,
                   .id = {.idiag_sport = htons(80),
                          .idiag_dport = htons(40000),
                          .idiag_dst = {htonl(0x7f000001)},
                          .idiag_cookie = {5, 1}}},
        .attribute = {.rta_len = RTA_LENGTH(sizeof(struct tcp_info)), .rta_type = INET_DIAG_INFO},
        .info = {.tcpi_bytes_sent = 150,
                 .tcpi_bytes_retrans = 50,
                 .tcpi_bytes_received = 30,
                 .tcpi_segs_out = 3,
                 .tcpi_segs_in = 2,
                 .tcpi_total_retrans = 1,
                 .tcpi_rtt = 9,
                 .tcpi_rcv_space = 65483},
    };
    return message;
}

static struct eye_netlink_found parse(const void *bytes, size_t size)
{
    struct eye_netlink_found found;
    calls = 0;
    eye_diag_parse(bytes, size, 7, keep, NULL, &found);
    assert_int_equal(found.objects, calls);
    return found;
}

static void parse__reads_a_socket(void **state)
{
    static const uint8_t remote[EYE_ADDRESS_BYTES] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
    struct message message = make();
    (void)state;
    assert_int_equal(parse(&message, sizeof(message)).malformed, 0);
    assert_int_equal(calls, 1);
    assert_int_equal(last.cookie, UINT64_C(1) << 32 | 5);
    assert_int_equal(last.counters.sent_bytes, 100);
    assert_int_equal(last.counters.received_bytes, 30);
    assert_int_equal(last.counters.sent_segments, 3);
    assert_int_equal(last.counters.received_segments, 2);
    assert_int_equal(last.counters.retransmits, 1);
    assert_int_equal(last.rtt_us, 9);
    assert_int_equal(last.inode, 4711);
    assert_int_equal(last.local_port, 80);
    assert_int_equal(last.remote_port, 40000);
    assert_int_equal(last.family, EYE_IPV4);
    assert_true(last.was_established && !last.is_reset);
    assert_memory_equal(last.remote, remote, sizeof(remote));
}

static void parse__tells_what_was_reset_or_never_was(void **state)
{
    struct message message = make();
    (void)state;
    message.socket.id.idiag_dport = 0;
    parse(&message, sizeof(message));
    assert_true(last.is_reset);
    message.info.tcpi_rcv_space = 0;
    parse(&message, sizeof(message));
    assert_false(last.is_reset || last.was_established);
}

static void parse__passes_over_other_sequences_and_bare_sockets(void **state)
{
    struct message message = make();
    (void)state;
    message.header.nlmsg_seq = 6;
    assert_int_equal(parse(&message, sizeof(message)).malformed, 0);
    assert_int_equal(calls, 0);
    message = make();
    message.header.nlmsg_len = offsetof(struct message, attribute);
    assert_int_equal(parse(&message, message.header.nlmsg_len).malformed, 0);
    assert_int_equal(calls, 0);
}

/* Cut anywhere it is malformed, or a socket that is bare: never more than was there. */
static void parse__survives_every_cut(void **state)
{
    const struct message whole = make();
    (void)state;
    for (size_t size = 1; size < sizeof(whole); size++) {
        struct message cut = whole;
        assert_int_equal(parse(&cut, size).malformed, 1);
        assert_int_equal(calls, 0);
        cut.header.nlmsg_len = (uint32_t)size;
        parse(&cut, size);
        assert_int_equal(calls, 0);
    }
}

static void parse__reads_ends(void **state)
{
    struct {
        struct nlmsghdr header;
        int32_t code;
    } end = {{.nlmsg_len = sizeof(end), .nlmsg_type = NLMSG_DONE, .nlmsg_seq = 7}, 0};
    (void)state;
    struct eye_netlink_found found = parse(&end, sizeof(end));
    assert_true(found.done && found.error == 0);
    end.header.nlmsg_type = NLMSG_ERROR;
    end.code = -ENOENT;
    found = parse(&end, sizeof(end));
    assert_true(found.done);
    assert_int_equal(found.error, ENOENT);
    end.header.nlmsg_type = NLMSG_OVERRUN;
    assert_int_equal(parse(&end, sizeof(end)).malformed, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__reads_a_socket),
        cmocka_unit_test(parse__tells_what_was_reset_or_never_was),
        cmocka_unit_test(parse__passes_over_other_sequences_and_bare_sockets),
        cmocka_unit_test(parse__survives_every_cut),
        cmocka_unit_test(parse__reads_ends),
    };
    return cmocka_run_group_tests_name("diag_message", tests, NULL, NULL);
}
