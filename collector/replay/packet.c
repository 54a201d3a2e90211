/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay/packet.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "collector/base/base.h"

/* What is left to be read: `captured` bytes, of `size` on the wire. */
struct rest {
    const uint8_t *bytes;
    size_t captured;
    size_t size;
};

static uint16_t number16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t number32(const uint8_t *bytes)
{
    return (uint32_t)number16(bytes) << 16 | number16(bytes + 2);
}

/* A header of @bytes is behind us, and was captured whole. */
static void pass(struct rest *rest, size_t bytes)
{
    rest->bytes += bytes;
    rest->captured -= bytes;
    rest->size -= bytes;
}

/* What is wrong when a header of @bytes is not here; EYE_PACKET_TCP: nothing. */
static enum eye_packet_kind want(const struct rest *rest, size_t bytes)
{
    if (rest->size < bytes) {
        return EYE_PACKET_DAMAGED;
    }
    return rest->captured < bytes ? EYE_PACKET_CUT : EYE_PACKET_TCP;
}

/* Behind @bytes stands what the link has added: Ethernet fills short packets up. */
static void end_at(struct rest *rest, size_t bytes)
{
    rest->size = bytes < rest->size ? bytes : rest->size;
    rest->captured = rest->captured < rest->size ? rest->captured : rest->size;
}

/* ---- Transport ---- */

#define TCP_BYTES 20
#define UDP_BYTES 8

static void read_ports(const struct rest *rest, struct eye_packet *packet)
{
    memcpy(packet->source.port, rest->bytes, sizeof(packet->source.port));
    memcpy(packet->destination.port, rest->bytes + 2, sizeof(packet->destination.port));
}

static void set_payload(struct eye_packet *packet, const struct rest *rest)
{
    packet->payload = rest->bytes;
    packet->captured = rest->captured;
    packet->size = rest->size;
}

/* Options are not looked at: that a snaplen cut them takes the payload alone. */
static enum eye_packet_kind read_tcp(struct rest *rest, struct eye_packet *packet)
{
    enum eye_packet_kind kind = want(rest, TCP_BYTES);
    if (kind != EYE_PACKET_TCP) {
        return kind;
    }
    size_t header = (size_t)(rest->bytes[12] >> 4) * 4;
    if (header < TCP_BYTES || header > rest->size) {
        return EYE_PACKET_DAMAGED;
    }
    read_ports(rest, packet);
    packet->sequence = number32(rest->bytes + 4);
    packet->acknowledged = number32(rest->bytes + 8);
    packet->flags = rest->bytes[13];
    rest->size -= header;
    header = header < rest->captured ? header : rest->captured;
    rest->bytes += header;
    rest->captured -= header;
    set_payload(packet, rest);
    return EYE_PACKET_TCP;
}

static enum eye_packet_kind read_udp(struct rest *rest, struct eye_packet *packet)
{
    enum eye_packet_kind kind = want(rest, UDP_BYTES);
    if (kind != EYE_PACKET_TCP) {
        return kind;
    }
    size_t length = number16(rest->bytes + 4);
    if (length < UDP_BYTES) {
        return EYE_PACKET_DAMAGED;
    }
    read_ports(rest, packet);
    end_at(rest, length);
    pass(rest, UDP_BYTES);
    set_payload(packet, rest);
    return EYE_PACKET_UDP;
}

static enum eye_packet_kind read_transport(uint8_t protocol, struct rest *rest,
                                           struct eye_packet *packet)
{
    switch (protocol) {
    case IPPROTO_TCP:
        return read_tcp(rest, packet);
    case IPPROTO_UDP:
        return read_udp(rest, packet);
    default:
        return EYE_PACKET_OTHER;
    }
}

/* ---- Network ---- */

#define IPV4_BYTES 20
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET 0x1fff

static void set_ipv4(const uint8_t *bytes, struct eye_endpoint *endpoint)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(endpoint->address, mapped, sizeof(mapped));
    memcpy(endpoint->address + sizeof(mapped), bytes, 4);
}

/* Of a buffer that the network card will cut (TSO) the length may be 0: it ends with the frame. */
static enum eye_packet_kind read_ipv4(struct rest *rest, struct eye_packet *packet)
{
    enum eye_packet_kind kind = want(rest, IPV4_BYTES);
    if (kind != EYE_PACKET_TCP) {
        return kind;
    }
    size_t header = (size_t)(rest->bytes[0] & 15) * 4;
    size_t length = number16(rest->bytes + 2);
    uint16_t fragment = number16(rest->bytes + 6);
    uint8_t protocol = rest->bytes[9];
    if (rest->bytes[0] >> 4 != 4 || header < IPV4_BYTES || (length != 0 && length < header)) {
        return EYE_PACKET_DAMAGED;
    }
    if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET)) {
        return EYE_PACKET_FRAGMENT;
    }
    set_ipv4(rest->bytes + 12, &packet->source);
    set_ipv4(rest->bytes + 16, &packet->destination);
    packet->unicast = rest->bytes[16] < 224; /* behind are groups, and broadcast */
    if (length != 0) {
        end_at(rest, length);
    }
    kind = want(rest, header);
    if (kind != EYE_PACKET_TCP) {
        return kind;
    }
    pass(rest, header);
    return read_transport(protocol, rest, packet);
}

#define IPV6_BYTES 40
#define EXTENSION_BYTES 8
/* As many as kernel programs follow would do; no host sends more. */
#define EXTENSIONS_MAX 8

/* An authentication header counts words of 4 bytes, less two (RFC 4302, 2.2). */
static size_t extension_bytes(uint8_t kind, const uint8_t *bytes)
{
    return kind == IPPROTO_AH         ? ((size_t)bytes[1] + 2) * 4
           : kind == IPPROTO_FRAGMENT ? EXTENSION_BYTES
                                      : ((size_t)bytes[1] + 1) * 8;
}

static bool is_extension(uint8_t kind)
{
    return kind == IPPROTO_HOPOPTS || kind == IPPROTO_ROUTING || kind == IPPROTO_DSTOPTS ||
           kind == IPPROTO_FRAGMENT || kind == IPPROTO_AH || kind == IPPROTO_MH;
}

/* One fragment that is the whole packet is none (RFC 6946). */
static bool is_fragment(const uint8_t *bytes)
{
    return (number16(bytes + 2) & 0xfff9) != 0;
}

static enum eye_packet_kind pass_extensions(struct rest *rest, struct eye_packet *packet,
                                            uint8_t kind)
{
    for (int i = 0; is_extension(kind); i++) {
        enum eye_packet_kind here = want(rest, EXTENSION_BYTES);
        if (here != EYE_PACKET_TCP || i == EXTENSIONS_MAX) {
            return here == EYE_PACKET_TCP ? EYE_PACKET_DAMAGED : here;
        }
        if (kind == IPPROTO_FRAGMENT && is_fragment(rest->bytes)) {
            return EYE_PACKET_FRAGMENT;
        }
        size_t bytes = extension_bytes(kind, rest->bytes);
        here = want(rest, bytes);
        if (here != EYE_PACKET_TCP) {
            return here;
        }
        kind = rest->bytes[0];
        pass(rest, bytes);
    }
    return read_transport(kind, rest, packet);
}

static enum eye_packet_kind read_ipv6(struct rest *rest, struct eye_packet *packet)
{
    enum eye_packet_kind kind = want(rest, IPV6_BYTES);
    if (kind != EYE_PACKET_TCP) {
        return kind;
    }
    uint8_t next = rest->bytes[6];
    size_t length = number16(rest->bytes + 4);
    if (rest->bytes[0] >> 4 != 6) {
        return EYE_PACKET_DAMAGED;
    }
    memcpy(packet->source.address, rest->bytes + 8, sizeof(packet->source.address));
    memcpy(packet->destination.address, rest->bytes + 24, sizeof(packet->destination.address));
    packet->unicast = rest->bytes[24] != 0xff;
    pass(rest, IPV6_BYTES);
    if (length != 0) { /* 0: a jumbogram, or as of IPv4 */
        end_at(rest, length);
    }
    return pass_extensions(rest, packet, next);
}

void eye_packet_read(const struct eye_link *link, const struct eye_frame *frame,
                     struct eye_packet *ret_packet)
{
    struct rest rest = {frame->bytes, frame->captured, frame->size};
    uint16_t ethertype = 0;
    size_t header = link->read(frame->bytes, frame->captured, &ethertype);
    *ret_packet = (struct eye_packet){.time_ns = frame->time_ns};
    if (header == EYE_LINK_CUT) {
        ret_packet->kind = frame->captured < frame->size ? EYE_PACKET_CUT : EYE_PACKET_DAMAGED;
        return;
    }
    pass(&rest, header);
    ret_packet->kind = ethertype == ETHERTYPE_IP     ? read_ipv4(&rest, ret_packet)
                       : ethertype == ETHERTYPE_IPV6 ? read_ipv6(&rest, ret_packet)
                                                     : EYE_PACKET_NOT_IP;
}
