/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/netlink.h"

#include <errno.h>
#include <string.h>

#define ERRNO_MAX 4095

struct eye_bytes eye_netlink_take(struct eye_bytes *rest, size_t length)
{
    struct eye_bytes taken = {rest->start, length};
    size_t filled = NLMSG_ALIGN(length);
    filled = filled < rest->length ? filled : rest->length;
    *rest = (struct eye_bytes){rest->start + filled, rest->length - filled};
    return taken;
}

int eye_netlink_next(struct eye_bytes *rest, struct nlmsghdr *ret_header,
                     struct eye_bytes *ret_body)
{
    struct nlmsghdr header;
    if (rest->length == 0) {
        return 0;
    }
    if (rest->length < sizeof(header)) {
        return -EBADMSG;
    }
    memcpy(&header, rest->start, sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest->length) {
        return -EBADMSG;
    }
    struct eye_bytes message = eye_netlink_take(rest, header.nlmsg_len);
    *ret_header = header;
    *ret_body = (struct eye_bytes){message.start + NLMSG_HDRLEN, message.length - NLMSG_HDRLEN};
    return 1;
}

struct eye_bytes eye_netlink_find(struct eye_bytes attributes, uint16_t type)
{
    struct nlattr header;
    while (attributes.length >= sizeof(header)) {
        memcpy(&header, attributes.start, sizeof(header));
        if (header.nla_len < sizeof(header) || header.nla_len > attributes.length) {
            break;
        }
        struct eye_bytes attribute = eye_netlink_take(&attributes, header.nla_len);
        if ((header.nla_type & NLA_TYPE_MASK) == type) {
            return (struct eye_bytes){attribute.start + sizeof(header),
                                      attribute.length - sizeof(header)};
        }
    }
    return (struct eye_bytes){NULL, 0};
}

/* What NLMSG_DONE or NLMSG_ERROR says. Of an error the errno comes first, negative; a dump ends
 * with a number, too. */
static int take_end(struct eye_bytes body, struct eye_netlink_found *found)
{
    int32_t code;
    found->done = true;
    if (body.length < sizeof(code)) {
        return -EBADMSG;
    }
    memcpy(&code, body.start, sizeof(code));
    found->error = code < 0 && code >= -ERRNO_MAX ? -code : 0;
    return code <= 0 ? 0 : -EBADMSG;
}

void eye_netlink_parse(const void *bytes, size_t size, uint32_t sequence, eye_netlink_taker *take,
                       void *context, struct eye_netlink_found *ret_found)
{
    struct eye_bytes rest = {bytes, size};
    struct eye_bytes body;
    struct nlmsghdr header;
    int result = 1;
    *ret_found = (struct eye_netlink_found){0};
    while (!ret_found->done && (result = eye_netlink_next(&rest, &header, &body)) > 0) {
        if (header.nlmsg_seq != sequence || header.nlmsg_type == NLMSG_NOOP) {
            continue;
        }
        bool ends = header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR;
        int taken = ends ? take_end(body, ret_found) : take(context, header.nlmsg_type, body);
        ret_found->objects += taken > 0;
        ret_found->malformed += taken < 0;
    }
    ret_found->malformed += result < 0;
}
