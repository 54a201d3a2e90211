/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/nat/message.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/base/base.h"

#define IPV4_OFFSET 12 /* in ::ffff:a.b.c.d */

static const uint8_t mapped[IPV4_OFFSET] = {[10] = 0xff, [11] = 0xff};

/* ---- From bytes ---- */

/* Those of one message or nest that are read: all have small numbers. */
struct attributes {
    const struct nlattr *by_type[CTA_IP_V6_DST + 1];
};

/* The last one of a kind counts. */
static int keep(const struct nlattr *attribute, void *context)
{
    struct attributes *attributes = context;
    uint16_t type = mnl_attr_get_type(attribute);
    if (type < EYE_ARRAY_LENGTH(attributes->by_type)) {
        attributes->by_type[type] = attribute;
    }
    return MNL_CB_OK;
}

/* @nest: NULL: it has none. */
static struct attributes attributes_in(const struct nlattr *nest)
{
    struct attributes attributes = {{NULL}};
    if (nest != NULL) {
        mnl_attr_parse_nested(nest, keep, &attributes);
    }
    return attributes;
}

/* The payload, when it has just @bytes; or NULL. */
static const void *payload_of(const struct attributes *attributes, size_t type, uint16_t bytes)
{
    const struct nlattr *attribute = attributes->by_type[type];
    return attribute != NULL && mnl_attr_get_payload_len(attribute) == bytes
               ? mnl_attr_get_payload(attribute)
               : NULL;
}

/* One of the two, by which family it is. */
static bool take_address(const struct attributes *attributes, size_t type4, size_t type6,
                         uint8_t ret_address[static EYE_ADDRESS_BYTES])
{
    const void *ipv4 = payload_of(attributes, type4, sizeof(struct in_addr));
    const void *ipv6 = payload_of(attributes, type6, EYE_ADDRESS_BYTES);
    if (ipv4 != NULL) {
        memcpy(ret_address, mapped, IPV4_OFFSET);
        memcpy(ret_address + IPV4_OFFSET, ipv4, sizeof(struct in_addr));
    } else if (ipv6 != NULL) {
        memcpy(ret_address, ipv6, EYE_ADDRESS_BYTES);
    }
    return ipv4 != NULL || ipv6 != NULL;
}

static bool take_port(const struct attributes *attributes, size_t type, uint16_t *ret_port)
{
    const void *port = payload_of(attributes, type, sizeof(*ret_port));
    if (port != NULL) {
        memcpy(ret_port, port, sizeof(*ret_port));
        *ret_port = ntohs(*ret_port);
    }
    return port != NULL;
}

/* False also for one without ports. */
static bool take_tuple(const struct nlattr *nest, struct eye_tuple *ret_tuple,
                       uint8_t *ret_protocol)
{
    const struct attributes tuple = attributes_in(nest);
    const struct attributes addresses = attributes_in(tuple.by_type[CTA_TUPLE_IP]);
    const struct attributes protocol = attributes_in(tuple.by_type[CTA_TUPLE_PROTO]);
    const uint8_t *number = payload_of(&protocol, CTA_PROTO_NUM, sizeof(*number));
    if (number == NULL) {
        return false;
    }
    *ret_protocol = *number;
    return take_address(&addresses, CTA_IP_V4_SRC, CTA_IP_V6_SRC, ret_tuple->source) &&
           take_address(&addresses, CTA_IP_V4_DST, CTA_IP_V6_DST, ret_tuple->destination) &&
           take_port(&protocol, CTA_PROTO_SRC_PORT, &ret_tuple->source_port) &&
           take_port(&protocol, CTA_PROTO_DST_PORT, &ret_tuple->destination_port);
}

static uint8_t nat_of(uint32_t status)
{
    return (uint8_t)((status & IPS_SRC_NAT ? EYE_NAT_SOURCE : 0) |
                     (status & IPS_DST_NAT ? EYE_NAT_DESTINATION : 0));
}

static uint32_t status_of(const struct attributes *attributes)
{
    uint32_t status = 0;
    const void *told = payload_of(attributes, CTA_STATUS, sizeof(status));
    if (told != NULL) {
        memcpy(&status, told, sizeof(status));
    }
    return ntohl(status);
}

/* False when @message is no entry. */
static bool take_entry(const struct nlmsghdr *message, eye_conntrack_handler *handler,
                       void *context, struct eye_conntrack_found *found)
{
    struct attributes attributes = {{NULL}};
    struct eye_conntrack_entry entry = {.ended = NFNL_MSG_TYPE(message->nlmsg_type) ==
                                                 IPCTNL_MSG_CT_DELETE};
    uint8_t protocol;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg)) {
        return false;
    }
    mnl_attr_parse(message, sizeof(struct nfgenmsg), keep, &attributes);
    if (attributes.by_type[CTA_TUPLE_ORIG] == NULL || attributes.by_type[CTA_TUPLE_REPLY] == NULL) {
        return false;
    }
    if (take_tuple(attributes.by_type[CTA_TUPLE_ORIG], &entry.original, &entry.protocol) &&
        take_tuple(attributes.by_type[CTA_TUPLE_REPLY], &entry.answer, &protocol)) {
        entry.nat = nat_of(status_of(&attributes));
        found->entries++;
        handler(context, &entry);
    }
    return true;
}

/* Of an error the errno comes first, negative; 0 is no error. A dump ends with a number, too. */
static bool take_end(const struct nlmsghdr *message, struct eye_conntrack_found *found)
{
    int32_t code;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(code)) {
        return false;
    }
    memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
    found->done = true;
    found->error = code < 0 && code > -4096 ? -code : 0;
    return code <= 0;
}

static bool take_message(const struct nlmsghdr *message, eye_conntrack_handler *handler,
                         void *context, struct eye_conntrack_found *found)
{
    switch (message->nlmsg_type) {
    case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
    case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
        return take_entry(message, handler, context, found);
    case NLMSG_DONE:
    case NLMSG_ERROR:
        return take_end(message, found);
    default:
        return message->nlmsg_type == NLMSG_NOOP;
    }
}

void eye_conntrack_parse(const void *bytes, size_t size, uint32_t sequence,
                         eye_conntrack_handler *handler, void *context,
                         struct eye_conntrack_found *ret_found)
{
    const struct nlmsghdr *message = bytes;
    int left = (int)size;
    *ret_found = (struct eye_conntrack_found){0};
    while (!ret_found->done && mnl_nlmsg_ok(message, left)) {
        if (message->nlmsg_seq == sequence) {
            ret_found->malformed += !take_message(message, handler, context, ret_found);
        }
        message = mnl_nlmsg_next(message, &left);
    }
    ret_found->malformed += !ret_found->done && left > 0;
}

/* ---- To bytes ---- */

static struct nlmsghdr *begin(uint8_t *question, uint16_t flags, uint8_t family, uint32_t sequence)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(question);
    message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = sequence;
    struct nfgenmsg *netfilter = mnl_nlmsg_put_extra_header(message, sizeof(*netfilter));
    netfilter->nfgen_family = family;
    netfilter->version = NFNETLINK_V0;
    return message;
}

static void put_addresses(struct nlmsghdr *message, const struct eye_tuple *tuple, bool ipv4)
{
    struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_IP);
    if (ipv4) {
        mnl_attr_put(message, CTA_IP_V4_SRC, sizeof(struct in_addr), tuple->source + IPV4_OFFSET);
        mnl_attr_put(message, CTA_IP_V4_DST, sizeof(struct in_addr),
                     tuple->destination + IPV4_OFFSET);
    } else {
        mnl_attr_put(message, CTA_IP_V6_SRC, EYE_ADDRESS_BYTES, tuple->source);
        mnl_attr_put(message, CTA_IP_V6_DST, EYE_ADDRESS_BYTES, tuple->destination);
    }
    mnl_attr_nest_end(message, nest);
}

static void put_ports(struct nlmsghdr *message, const struct eye_tuple *tuple)
{
    struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(message, CTA_PROTO_NUM, IPPROTO_TCP);
    mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple->source_port));
    mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple->destination_port));
    mnl_attr_nest_end(message, nest);
}

size_t eye_conntrack_ask(uint8_t ret_question[static EYE_CONNTRACK_QUESTION_BYTES],
                         const struct eye_tuple *tuple, uint32_t sequence)
{
    bool ipv4 = memcmp(tuple->destination, mapped, sizeof(mapped)) == 0;
    struct nlmsghdr *message = begin(ret_question, 0, ipv4 ? AF_INET : AF_INET6, sequence);
    struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
    put_addresses(message, tuple, ipv4);
    put_ports(message, tuple);
    mnl_attr_nest_end(message, nest);
    return message->nlmsg_len;
}

size_t eye_conntrack_ask_all(uint8_t ret_question[static EYE_CONNTRACK_QUESTION_BYTES],
                             enum eye_nat nat, uint32_t sequence)
{
    struct nlmsghdr *message = begin(ret_question, NLM_F_DUMP, AF_UNSPEC, sequence);
    uint32_t status = htonl(nat == EYE_NAT_SOURCE ? IPS_SRC_NAT : IPS_DST_NAT);
    mnl_attr_put_u32(message, CTA_STATUS, status);
    mnl_attr_put_u32(message, CTA_STATUS_MASK, status);
    return message->nlmsg_len;
}
