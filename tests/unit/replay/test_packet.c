/* SPDX-License-Identifier: Apache-2.0 */
/* Frames taken apart: what is of TCP and UDP, and why the rest is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/replay/packet.h"

#define FRAME_BYTES 256

/* What a link of raw IP does, without a file that has one. */
static size_t read_version(const uint8_t *bytes, size_t size, uint16_t *ret_ethertype)
{
    if (size > 0) {
        *ret_ethertype = bytes[0] >> 4 == 4 ? 0x800 : 0x86dd;
    }
    return 0;
}

static const struct eye_link raw = {.name = "RAW", .read = read_version};

/* A frame that is put together; a copy of it ends where it ends, for the address sanitizer. */
struct frame {
    uint8_t bytes[FRAME_BYTES];
    size_t size;
};

static void append(struct frame *frame, const void *bytes, size_t size)
{
    memcpy(frame->bytes + frame->size, bytes, size);
    frame->size += size;
}

static struct eye_packet read_cut(const struct frame *frame, size_t captured)
{
    struct eye_packet packet;
    uint8_t *bytes = malloc(captured > 0 ? captured : 1);
    memcpy(bytes, frame->bytes, captured);
    const struct eye_frame seen = {.bytes = bytes, .captured = captured, .size = frame->size};
    eye_packet_read(&raw, &seen, &packet);
    free(bytes); /* nothing of it is looked at below but lengths */
    return packet;
}

static struct eye_packet read_whole(const struct frame *frame)
{
    return read_cut(frame, frame->size);
}

/* Of TCP from port 1000 to 80, or UDP's from 1000 to 53, with @payload bytes. */
static void append_tcp(struct frame *frame, size_t payload)
{
    const uint8_t tcp[24] = {0x03, 0xe8, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 6 << 4, EYE_ACK | EYE_FIN};
    const uint8_t zeros[64] = {0};
    append(frame, tcp, sizeof(tcp));
    append(frame, zeros, payload);
}

static void append_udp(struct frame *frame, uint8_t length, size_t payload)
{
    const uint8_t udp[8] = {0x03, 0xe8, 0, 53, 0, length};
    const uint8_t zeros[64] = {0};
    append(frame, udp, sizeof(udp));
    append(frame, zeros, payload);
}

static void begin_ipv4(struct frame *frame, uint8_t protocol, uint8_t length)
{
    const uint8_t ip[20] = {0x45, [3] = length, [9] = protocol, [12] = 10, 0, 0, 1, 10, 0, 0, 2};
    frame->size = 0;
    append(frame, ip, sizeof(ip));
}

static void begin_ipv6(struct frame *frame, uint8_t next, uint8_t length)
{
    const uint8_t ip[40] = {0x60, [5] = length, [6] = next, [8] = 0xfd, [23] = 1, 0xfd, [39] = 2};
    frame->size = 0;
    append(frame, ip, sizeof(ip));
}

static void ipv4__is_taken_apart(void **state)
{
    struct frame frame;
    (void)state;
    begin_ipv4(&frame, 6, 20 + 24 + 5);
    append_tcp(&frame, 5 + 13); /* the link fills up */
    struct eye_packet packet = read_whole(&frame);
    assert_int_equal(packet.kind, EYE_PACKET_TCP);
    assert_int_equal(packet.size, 5);
    assert_int_equal(packet.captured, 5);
    assert_int_equal(packet.sequence, 7);
    assert_int_equal(packet.acknowledged, 9);
    assert_int_equal(packet.flags, EYE_ACK | EYE_FIN);
    assert_int_equal(eye_endpoint_port(&packet.source), 1000);
    assert_int_equal(eye_endpoint_port(&packet.destination), 80);
    assert_memory_equal(packet.destination.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\2", 16);
    assert_true(packet.unicast);
}

/* A buffer that the network card will cut may have no length yet. */
static void ipv4__of_no_length_ends_with_the_frame(void **state)
{
    struct frame frame;
    (void)state;
    begin_ipv4(&frame, 6, 0);
    append_tcp(&frame, 30);
    assert_int_equal(read_whole(&frame).size, 30);
}

static void ipv6__extensions_are_passed(void **state)
{
    static const uint8_t atomic_fragment[8] = {51, 0, 0, 0, 1, 2, 3, 4};
    static const uint8_t authentication[12] = {60, 1};
    static const uint8_t options[8] = {6, 0};
    struct frame frame;
    (void)state;
    begin_ipv6(&frame, 44, 8 + 12 + 8 + 24 + 3);
    append(&frame, atomic_fragment, sizeof(atomic_fragment));
    append(&frame, authentication, sizeof(authentication));
    append(&frame, options, sizeof(options));
    append_tcp(&frame, 3);
    struct eye_packet packet = read_whole(&frame);
    assert_int_equal(packet.kind, EYE_PACKET_TCP);
    assert_int_equal(packet.size, 3);
    assert_int_equal(packet.source.address[0], 0xfd);
    assert_int_equal(packet.destination.address[15], 2);
    frame.bytes[43] = 8; /* a fragment that is not the whole packet */
    assert_int_equal(read_whole(&frame).kind, EYE_PACKET_FRAGMENT);
}

static void datagrams__end_where_udp_says(void **state)
{
    struct frame frame;
    (void)state;
    begin_ipv6(&frame, 17, 8 + 20);
    append_udp(&frame, 8 + 11, 20);
    struct eye_packet packet = read_whole(&frame);
    assert_int_equal(packet.kind, EYE_PACKET_UDP);
    assert_int_equal(packet.size, 11);
    assert_true(packet.unicast);
    frame.bytes[24] = 0xff;
    assert_false(read_whole(&frame).unicast);
}

static void lengths_that_cannot_be__are_damaged(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 0x44}, /* a header of IPv4 shorter than it can be */
        {3, 19},   /* a packet shorter than its header */
        {3, 30},   /* or than TCP's */
        {32, 4 << 4}, {32, 15 << 4},
    };
    struct frame frame;
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(changes); i++) {
        begin_ipv4(&frame, 6, 20 + 24 + 5);
        append_tcp(&frame, 5);
        frame.bytes[changes[i].at] = changes[i].value;
        assert_int_equal(read_whole(&frame).kind, EYE_PACKET_DAMAGED);
    }
    begin_ipv4(&frame, 17, 20 + 8 + 5);
    append_udp(&frame, 7, 5);
    assert_int_equal(read_whole(&frame).kind, EYE_PACKET_DAMAGED);
}

/* Wherever a snaplen cuts: headers or payload are missing, and nothing beyond is read. */
static void cut_anywhere__is_said(void **state)
{
    struct frame frame;
    (void)state;
    begin_ipv4(&frame, 6, 20 + 24 + 5);
    append_tcp(&frame, 5);
    for (size_t captured = 1; captured < frame.size; captured++) {
        struct eye_packet packet = read_cut(&frame, captured);
        assert_int_equal(packet.kind, captured < 20 + 20 ? EYE_PACKET_CUT : EYE_PACKET_TCP);
        if (packet.kind == EYE_PACKET_TCP) {
            assert_int_equal(packet.size, 5);
            assert_int_equal(packet.captured, captured > 44 ? captured - 44 : 0);
        }
    }
    begin_ipv6(&frame, 0, 8 + 24);
    append(&frame, "\6\0\0\0\0\0\0", 8);
    append_tcp(&frame, 0);
    for (size_t captured = 1; captured < 40 + 8 + 20; captured++) {
        assert_int_equal(read_cut(&frame, captured).kind, EYE_PACKET_CUT);
    }
    assert_int_equal(read_cut(&frame, 0).kind, EYE_PACKET_NOT_IP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4__is_taken_apart),
        cmocka_unit_test(ipv4__of_no_length_ends_with_the_frame),
        cmocka_unit_test(ipv6__extensions_are_passed),
        cmocka_unit_test(datagrams__end_where_udp_says),
        cmocka_unit_test(lengths_that_cannot_be__are_damaged),
        cmocka_unit_test(cut_anywhere__is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
