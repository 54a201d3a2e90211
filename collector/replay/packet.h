/* SPDX-License-Identifier: Apache-2.0 */
/* What a packet holds for TCP or UDP: its headers taken apart. No state, any thread. */
#pragma once

#include <assert.h>

#include "collector/replay/capture.h"

#define EYE_ENDPOINT_BYTES 18

/* One end of a connection: as bytes, so that it can be compared and hashed. */
struct eye_endpoint {
    uint8_t address[16]; /* network byte order; IPv4 as ::ffff:a.b.c.d */
    uint8_t port[2];     /* likewise */
};

static_assert(sizeof(struct eye_endpoint) == EYE_ENDPOINT_BYTES, "no padding: it is hashed");

static inline uint16_t eye_endpoint_port(const struct eye_endpoint *endpoint)
{
    return (uint16_t)(endpoint->port[0] << 8 | endpoint->port[1]);
}

/* X(identifier, name in JSON, what it is): packets of which nothing is made. */
#define EYE_UNUSABLE(X)                                                                            \
    X(NOT_IP, "not_ip", "packets of neither IPv4 nor IPv6")                                        \
    X(OTHER, "other_transport", "packets of neither TCP nor UDP")                                  \
    X(FRAGMENT, "fragments", "fragments of IP packets")                                            \
    X(CUT, "cut_headers", "packets captured too short for their headers: snaplen")                 \
    X(DAMAGED, "damaged_headers", "packets with lengths that cannot be")

enum eye_packet_kind {
#define X(identifier, name, meaning) EYE_PACKET_##identifier,
    EYE_UNUSABLE(X)
#undef X
        EYE_PACKET_UNUSABLE_COUNT,
    EYE_PACKET_TCP = EYE_PACKET_UNUSABLE_COUNT,
    EYE_PACKET_UDP,
};

/* Flags of TCP's header. */
enum eye_tcp_flag { EYE_FIN = 1, EYE_SYN = 2, EYE_RST = 4, EYE_ACK = 16 };

struct eye_packet {
    uint64_t time_ns;
    enum eye_packet_kind kind;
    struct eye_endpoint source;
    struct eye_endpoint destination;
    uint32_t sequence; /* TCP: of the header, host order */
    uint32_t acknowledged;
    uint8_t flags;          /* enum eye_tcp_flag */
    bool unicast;           /* to one host */
    const uint8_t *payload; /* `captured` bytes of it */
    size_t captured;
    size_t size; /* of the payload on the wire */
};

/** Takes @frame apart; the packet points into it. */
void eye_packet_read(const struct eye_link *link, const struct eye_frame *frame,
                     struct eye_packet *ret_packet);
