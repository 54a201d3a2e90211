/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of TCP sockets over NETLINK_SOCK_DIAG (sock_diag(7)), in a dump or at a
 * socket's end: from bytes to sockets. Pure functions over bytes of any kind; no thread rule.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/source/netlink.h"

/* What a socket has counted since it began. */
struct eye_diag_counters {
    uint64_t sent_bytes;     /* payload, each byte once */
    uint64_t received_bytes; /* in order, with the FIN, if it came, as one byte */
    uint32_t sent_segments;
    uint32_t received_segments;
    uint32_t retransmits;
};

struct eye_diag_socket {
    uint64_t cookie; /* the kernel's number of the socket, never given again */
    struct eye_diag_counters counters;
    uint32_t rtt_us;  /* 0: not measured */
    uint32_t waiting; /* of a listener: established, and not accepted yet ... */
    uint32_t room;    /* ... for so many (the backlog of listen()) */
    uint32_t drops;   /* segments that the socket dropped since it began; it wraps */
    uint32_t inode;   /* of its file; 0 at its end, or nobody has it open */
    uint16_t local_port;
    uint16_t remote_port; /* both in host order; 0: none, or reset (is_reset) */
    uint8_t state;        /* TCP_ESTABLISHED, ... */
    uint8_t family;       /* enum eye_family: of what it speaks */
    bool was_established; /* it is, or was before it ended */
    bool is_reset;        /* it ended in a way that has the kernel forget counters and peer */
    uint8_t remote[EYE_ADDRESS_BYTES]; /* network byte order, IPv4 as ::ffff:a.b.c.d */
    uint8_t local[EYE_ADDRESS_BYTES];
};

/** Takes one socket. Good during the call only. */
typedef void eye_diag_handler(void *context, const struct eye_diag_socket *socket);

/**
 * As eye_netlink_parse(). A socket without struct tcp_info is none any more (TIME_WAIT), or of a
 * kernel before 4.19, and passed over. Source: linux/inet_diag.h, net/ipv4/inet_diag.c.
 */
void eye_diag_parse(const void *bytes, size_t size, uint32_t sequence, eye_diag_handler *handler,
                    void *context, struct eye_netlink_found *ret_found);
