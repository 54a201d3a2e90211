/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's conntrack is asked, and what it tells of its entries, over NETLINK_NETFILTER:
 * to bytes, and from bytes. Pure functions; no thread rule. Source:
 * linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/source/netlink.h"

/* The longest question: two headers, a tuple of IPv6. */
#define EYE_CONNTRACK_QUESTION_BYTES 128

/* Who sends to whom. No padding: it is hashed and compared as bytes. */
struct eye_tuple {
    uint8_t source[EYE_ADDRESS_BYTES]; /* network byte order, IPv4 as ::ffff:a.b.c.d */
    uint8_t destination[EYE_ADDRESS_BYTES];
    uint16_t source_port; /* host order */
    uint16_t destination_port;
};

/* A connection as conntrack has it. */
struct eye_conntrack_entry {
    struct eye_tuple original; /* of the packets that its client sends */
    struct eye_tuple answer;   /* of those that come back to this host for it */
    uint8_t protocol;          /* IPPROTO_TCP, ... */
    uint8_t nat;               /* enum eye_nat, never UNKNOWN */
    bool ended;                /* it is no more */
};

/** Takes one entry. Good during the call only. */
typedef void eye_conntrack_handler(void *context, const struct eye_conntrack_entry *entry);

/** As eye_netlink_parse(). Entries without ports (ICMP) are none of ours. */
void eye_conntrack_parse(const void *bytes, size_t size, uint32_t sequence,
                         eye_conntrack_handler *handler, void *context,
                         struct eye_netlink_found *ret_found);

/** Asks for the entry of TCP that @tuple, of either of its ends, belongs to. Returns its length. */
size_t eye_conntrack_ask(uint8_t ret_question[static EYE_CONNTRACK_QUESTION_BYTES],
                         const struct eye_tuple *tuple, uint32_t sequence);

/** Asks for all entries that NAT does @nat to: EYE_NAT_SOURCE or EYE_NAT_DESTINATION. Kernels
 * before 5.8 tell of all. Returns its length. */
size_t eye_conntrack_ask_all(uint8_t ret_question[static EYE_CONNTRACK_QUESTION_BYTES],
                             enum eye_nat nat, uint32_t sequence);
