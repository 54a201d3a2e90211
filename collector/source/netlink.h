/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams of netlink, taken apart: messages, attributes, how an answer ends. What is read is
 * copied out of the bytes: these are of any alignment and any length. Pure functions; no thread
 * rule. Source: netlink(7), lib/nlattr.c.
 */
#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eye_bytes {
    const uint8_t *start; /* NULL: none */
    size_t length;
};

/** Takes @length bytes, which are there, and what they are filled up with off the front. */
struct eye_bytes eye_netlink_take(struct eye_bytes *rest, size_t length);

/** Takes the next message: 1; 0: there is no other; -EBADMSG: what is left is none, or cut. */
int eye_netlink_next(struct eye_bytes *rest, struct nlmsghdr *ret_header,
                     struct eye_bytes *ret_body);

/** The first attribute with the number @type, in a message or in another attribute. */
struct eye_bytes eye_netlink_find(struct eye_bytes attributes, uint16_t type);

/** What NLMSG_DONE or NLMSG_ERROR says: an errno, 0: all is in order. False: it is none. */
bool eye_netlink_end(struct eye_bytes body, int *ret_error);
