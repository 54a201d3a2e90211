/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/sock_diag/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/source/netlink.h"

/* The last field that is read. Kernels from 4.19 on have it. */
#define INFO_BYTES_LEAST                                                                           \
    (offsetof(struct tcp_info, tcpi_bytes_retrans) +                                               \
     sizeof(((struct tcp_info *)0)->tcpi_bytes_retrans))

static bool is_mapped(const uint8_t address[static EYE_ADDRESS_BYTES])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, prefix, sizeof(prefix)) == 0;
}

static void copy_address(const struct inet_diag_msg *message, const __be32 from[4],
                         uint8_t ret_address[static EYE_ADDRESS_BYTES])
{
    if (message->idiag_family == AF_INET6) {
        memcpy(ret_address, from, EYE_ADDRESS_BYTES);
    } else {
        memset(ret_address, 0, EYE_ADDRESS_BYTES);
        memset(ret_address + 10, 0xff, 2);
        memcpy(ret_address + 12, from, sizeof(from[0]));
    }
}

/* Of a socket that was reset only its own address may be left. */
static void set_addresses(const struct inet_diag_msg *message, struct eye_diag_socket *socket)
{
    copy_address(message, message->id.idiag_src, socket->local);
    copy_address(message, message->id.idiag_dst, socket->remote);
    socket->family = is_mapped(socket->local) || is_mapped(socket->remote) ? EYE_IPV4 : EYE_IPV6;
    socket->local_port = ntohs(message->id.idiag_sport);
    socket->remote_port = ntohs(message->id.idiag_dport);
}

/* The buffer for what is received gets its size when the connection is established, and nothing
 * takes that back (tcp_init_buffer_space()). */
static void set_counters(const struct tcp_info *info, struct eye_diag_socket *socket)
{
    uint64_t retransmitted = info->tcpi_bytes_retrans;
    socket->counters = (struct eye_diag_counters){
        .sent_bytes =
            info->tcpi_bytes_sent > retransmitted ? info->tcpi_bytes_sent - retransmitted : 0,
        .received_bytes = info->tcpi_bytes_received,
        .sent_segments = info->tcpi_segs_out,
        .received_segments = info->tcpi_segs_in,
        .retransmits = info->tcpi_total_retrans,
    };
    socket->rtt_us = info->tcpi_rtt;
    socket->was_established = info->tcpi_rcv_space != 0;
    socket->is_reset = socket->was_established && socket->remote_port == 0;
}

static bool is_family(uint8_t family)
{
    return family == AF_INET || family == AF_INET6;
}

/* 0: nothing is told of them. */
static uint32_t drops_of(struct eye_bytes attributes)
{
    uint32_t memory[SK_MEMINFO_DROPS + 1];
    struct eye_bytes told = eye_netlink_find(attributes, INET_DIAG_SKMEMINFO);
    if (told.length < sizeof(memory)) {
        return 0;
    }
    memcpy(memory, told.start, sizeof(memory));
    return memory[SK_MEMINFO_DROPS];
}

/* Who is told of sockets. */
struct hearer {
    eye_diag_handler *handler;
    void *context;
};

static int take_socket(struct eye_bytes body, const struct hearer *hearer)
{
    struct inet_diag_msg message;
    struct tcp_info info = {0};
    if (body.length < sizeof(message)) {
        return -EBADMSG;
    }
    memcpy(&message, eye_netlink_take(&body, sizeof(message)).start, sizeof(message));
    if (!is_family(message.idiag_family)) {
        return -EBADMSG;
    }
    struct eye_bytes told = eye_netlink_find(body, INET_DIAG_INFO);
    if (told.length < INFO_BYTES_LEAST) {
        return 0;
    }
    memcpy(&info, told.start, told.length < sizeof(info) ? told.length : sizeof(info));
    struct eye_diag_socket socket = {
        .cookie = (uint64_t)message.id.idiag_cookie[1] << 32 | message.id.idiag_cookie[0],
        .waiting = message.idiag_rqueue,
        .room = message.idiag_wqueue,
        .drops = drops_of(body),
        .inode = message.idiag_inode,
        .state = message.idiag_state,
    };
    set_addresses(&message, &socket);
    set_counters(&info, &socket);
    hearer->handler(hearer->context, &socket);
    return 1;
}

static int take_message(void *context, uint16_t type, struct eye_bytes body)
{
    return type == SOCK_DIAG_BY_FAMILY ? take_socket(body, context) : -EBADMSG;
}

void eye_diag_parse(const void *bytes, size_t size, uint32_t sequence, eye_diag_handler *handler,
                    void *context, struct eye_netlink_found *ret_found)
{
    struct hearer hearer = {handler, context};
    eye_netlink_parse(bytes, size, sequence, take_message, &hearer, ret_found);
}
