/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/nat/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/source/netlink.h"

#define IPV4_OFFSET 12 /* in ::ffff:a.b.c.d */

static const uint8_t mapped[IPV4_OFFSET] = {[10] = 0xff, [11] = 0xff};

/* ---- From bytes ---- */

/* The attribute @type in @nest, when it has just @bytes; NULL: not so. */
static const void *payload_of(struct eye_bytes nest, uint16_t type, size_t bytes)
{
    struct eye_bytes attribute = eye_netlink_find(nest, type);
    return attribute.length == bytes ? attribute.start : NULL;
}

/* One of the two, by which family it is. */
static bool take_address(struct eye_bytes nest, uint16_t type4, uint16_t type6,
                         uint8_t ret_address[static EYE_ADDRESS_BYTES])
{
    const void *ipv4 = payload_of(nest, type4, sizeof(struct in_addr));
    const void *ipv6 = payload_of(nest, type6, EYE_ADDRESS_BYTES);
    if (ipv4 != NULL) {
        memcpy(ret_address, mapped, IPV4_OFFSET);
        memcpy(ret_address + IPV4_OFFSET, ipv4, sizeof(struct in_addr));
    } else if (ipv6 != NULL) {
        memcpy(ret_address, ipv6, EYE_ADDRESS_BYTES);
    }
    return ipv4 != NULL || ipv6 != NULL;
}

static bool take_port(struct eye_bytes nest, uint16_t type, uint16_t *ret_port)
{
    const void *port = payload_of(nest, type, sizeof(*ret_port));
    if (port != NULL) {
        memcpy(ret_port, port, sizeof(*ret_port));
        *ret_port = ntohs(*ret_port);
    }
    return port != NULL;
}

/* False also for one without ports. */
static bool take_tuple(struct eye_bytes tuple, struct eye_tuple *ret_tuple, uint8_t *ret_protocol)
{
    struct eye_bytes addresses = eye_netlink_find(tuple, CTA_TUPLE_IP);
    struct eye_bytes protocol = eye_netlink_find(tuple, CTA_TUPLE_PROTO);
    const uint8_t *number = payload_of(protocol, CTA_PROTO_NUM, sizeof(*number));
    if (number == NULL) {
        return false;
    }
    *ret_protocol = *number;
    return take_address(addresses, CTA_IP_V4_SRC, CTA_IP_V6_SRC, ret_tuple->source) &&
           take_address(addresses, CTA_IP_V4_DST, CTA_IP_V6_DST, ret_tuple->destination) &&
           take_port(protocol, CTA_PROTO_SRC_PORT, &ret_tuple->source_port) &&
           take_port(protocol, CTA_PROTO_DST_PORT, &ret_tuple->destination_port);
}

static uint8_t nat_of(uint32_t status)
{
    return (uint8_t)((status & IPS_SRC_NAT ? EYE_NAT_SOURCE : 0) |
                     (status & IPS_DST_NAT ? EYE_NAT_DESTINATION : 0));
}

static uint32_t status_of(struct eye_bytes attributes)
{
    uint32_t status = 0;
    const void *told = payload_of(attributes, CTA_STATUS, sizeof(status));
    if (told != NULL) {
        memcpy(&status, told, sizeof(status));
    }
    return ntohl(status);
}

/* Who is told of entries. */
struct hearer {
    eye_conntrack_handler *handler;
    void *context;
};

static int take_entry(struct eye_bytes body, bool ended, const struct hearer *hearer)
{
    struct eye_conntrack_entry entry = {.ended = ended};
    uint8_t protocol;
    if (body.length < sizeof(struct nfgenmsg)) {
        return -EBADMSG;
    }
    eye_netlink_take(&body, sizeof(struct nfgenmsg));
    struct eye_bytes original = eye_netlink_find(body, CTA_TUPLE_ORIG);
    struct eye_bytes answer = eye_netlink_find(body, CTA_TUPLE_REPLY);
    if (original.start == NULL || answer.start == NULL) {
        return -EBADMSG;
    }
    if (!take_tuple(original, &entry.original, &entry.protocol) ||
        !take_tuple(answer, &entry.answer, &protocol)) {
        return 0;
    }
    entry.nat = nat_of(status_of(body));
    hearer->handler(hearer->context, &entry);
    return 1;
}

static int take_message(void *context, uint16_t type, struct eye_bytes body)
{
    switch (type) {
    case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
        return take_entry(body, false, context);
    case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
        return take_entry(body, true, context);
    default:
        return -EBADMSG;
    }
}

void eye_conntrack_parse(const void *bytes, size_t size, uint32_t sequence,
                         eye_conntrack_handler *handler, void *context,
                         struct eye_netlink_found *ret_found)
{
    struct hearer hearer = {handler, context};
    eye_netlink_parse(bytes, size, sequence, take_message, &hearer, ret_found);
}

/* ---- To bytes ---- */

/* A question that grows. */
struct question {
    uint8_t *bytes;
    size_t length;
};

static void put(struct question *question, const void *bytes, size_t length)
{
    memcpy(question->bytes + question->length, bytes, length);
    question->length += length;
}

static void put_attribute(struct question *question, uint16_t type, const void *bytes,
                          size_t length)
{
    static const uint8_t filling[NLMSG_ALIGNTO] = {0};
    const struct nlattr header = {.nla_len = (uint16_t)(sizeof(struct nlattr) + length),
                                  .nla_type = type};
    put(question, &header, sizeof(header));
    put(question, bytes, length);
    put(question, filling, NLMSG_ALIGN(length) - length);
}

/* Returns where it begins, for end_nest(). */
static size_t begin_nest(struct question *question, uint16_t type)
{
    size_t start = question->length;
    put_attribute(question, type | NLA_F_NESTED, "", 0);
    return start;
}

static void end_nest(struct question *question, size_t start)
{
    uint16_t length = (uint16_t)(question->length - start);
    memcpy(question->bytes + start + offsetof(struct nlattr, nla_len), &length, sizeof(length));
}

static struct question begin(uint8_t *bytes, uint16_t flags, uint8_t family, uint32_t sequence)
{
    struct question question = {bytes, 0};
    const struct nlmsghdr header = {.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
                                    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                                    .nlmsg_seq = sequence};
    const struct nfgenmsg netfilter = {.nfgen_family = family, .version = NFNETLINK_V0};
    put(&question, &header, sizeof(header));
    put(&question, &netfilter, sizeof(netfilter));
    return question;
}

static size_t end(const struct question *question)
{
    uint32_t length = (uint32_t)question->length;
    memcpy(question->bytes + offsetof(struct nlmsghdr, nlmsg_len), &length, sizeof(length));
    return question->length;
}

static void put_addresses(struct question *question, const struct eye_tuple *tuple, bool ipv4)
{
    const size_t offset = ipv4 ? IPV4_OFFSET : 0;
    size_t nest = begin_nest(question, CTA_TUPLE_IP);
    put_attribute(question, ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple->source + offset,
                  EYE_ADDRESS_BYTES - offset);
    put_attribute(question, ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple->destination + offset,
                  EYE_ADDRESS_BYTES - offset);
    end_nest(question, nest);
}

static void put_ports(struct question *question, const struct eye_tuple *tuple)
{
    static const uint8_t tcp = IPPROTO_TCP;
    const uint16_t source = htons(tuple->source_port);
    const uint16_t destination = htons(tuple->destination_port);
    size_t nest = begin_nest(question, CTA_TUPLE_PROTO);
    put_attribute(question, CTA_PROTO_NUM, &tcp, sizeof(tcp));
    put_attribute(question, CTA_PROTO_SRC_PORT, &source, sizeof(source));
    put_attribute(question, CTA_PROTO_DST_PORT, &destination, sizeof(destination));
    end_nest(question, nest);
}

size_t eye_conntrack_ask(uint8_t ret_question[static EYE_CONNTRACK_QUESTION_BYTES],
                         const struct eye_tuple *tuple, uint32_t sequence)
{
    bool ipv4 = memcmp(tuple->destination, mapped, sizeof(mapped)) == 0;
    struct question question = begin(ret_question, 0, ipv4 ? AF_INET : AF_INET6, sequence);
    size_t nest = begin_nest(&question, CTA_TUPLE_ORIG);
    put_addresses(&question, tuple, ipv4);
    put_ports(&question, tuple);
    end_nest(&question, nest);
    return end(&question);
}

size_t eye_conntrack_ask_all(uint8_t ret_question[static EYE_CONNTRACK_QUESTION_BYTES],
                             enum eye_nat nat, uint32_t sequence)
{
    struct question question = begin(ret_question, NLM_F_DUMP, AF_UNSPEC, sequence);
    uint32_t status = htonl(nat == EYE_NAT_SOURCE ? IPS_SRC_NAT : IPS_DST_NAT);
    put_attribute(&question, CTA_STATUS, &status, sizeof(status));
    put_attribute(&question, CTA_STATUS_MASK, &status, sizeof(status));
    return end(&question);
}
