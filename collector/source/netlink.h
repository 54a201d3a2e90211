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

/* What a datagram of an answer, or of notifications, was. */
struct eye_netlink_found {
    size_t objects;   /* that were handed on */
    size_t malformed; /* messages that were none, or cut */
    bool done;        /* an answer ends here ... */
    int error;        /* ... by this errno; 0: in order */
};

/** Takes a message: 1: it told of an object; 0: of none of ours; -EBADMSG: it is malformed, or of a
 * type that nobody asked for. */
typedef int eye_netlink_taker(void *context, uint16_t type, struct eye_bytes body);

/**
 * Takes one datagram apart. @bytes need not be aligned. Messages with another sequence number than
 * @sequence are passed over: what is left of an answer that was not waited for. Notifications have
 * 0.
 */
void eye_netlink_parse(const void *bytes, size_t size, uint32_t sequence, eye_netlink_taker *take,
                       void *context, struct eye_netlink_found *ret_found);
