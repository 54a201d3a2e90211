/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures made in memory: packets of IPv4 over raw IP, as sockeye replay reads them. Included by
 * tests and fuzzers only.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/replay/replay.h"

#define PACKETS_BYTES (4U << 20)
#define PACKETS_LINK_RAW 101
#define PACKETS_CLIENT_PORT 40000

struct packets {
    uint8_t bytes[PACKETS_BYTES];
    size_t size;
    uint64_t now_ns;      /* of the next one; it goes on by a microsecond each */
    uint16_t ports[2];    /* of the client, of the server */
    uint32_t sequence[2]; /* of the next byte, likewise */
    size_t snaplen;       /* of the next ones; 0: all */
};

static inline void packets_append(struct packets *packets, const void *bytes, size_t size)
{
    memcpy(packets->bytes + packets->size, bytes, size);
    packets->size += size;
}

static inline void packets_begin(struct packets *packets, uint32_t link)
{
    const uint32_t magic = 0xa1b23c4d; /* times in nanoseconds */
    const uint16_t version[2] = {2, 4};
    const uint32_t rest[4] = {0, 0, 262144, link};
    memset(packets, 0, offsetof(struct packets, bytes));
    packets->size = 0;
    packets->now_ns = 1700000000 * EYE_NS_PER_SECOND;
    packets->ports[0] = PACKETS_CLIENT_PORT;
    packets->ports[1] = 8080;
    packets->sequence[0] = 0xfffffff0U; /* wraps early */
    packets->sequence[1] = 1000;
    packets->snaplen = 0;
    packets_append(packets, &magic, sizeof(magic));
    packets_append(packets, version, sizeof(version));
    packets_append(packets, rest, sizeof(rest));
}

/* One packet as it is. */
static inline void packets_frame(struct packets *packets, const void *bytes, size_t size)
{
    size_t captured = packets->snaplen > 0 && packets->snaplen < size ? packets->snaplen : size;
    const uint32_t head[4] = {(uint32_t)(packets->now_ns / EYE_NS_PER_SECOND),
                              (uint32_t)(packets->now_ns % EYE_NS_PER_SECOND), (uint32_t)captured,
                              (uint32_t)size};
    packets_append(packets, head, sizeof(head));
    packets_append(packets, bytes, captured);
    packets->now_ns += EYE_NS_PER_US;
}

/* 10.0.0.1 is the client, 10.0.0.2 the server. Returns the header's bytes. */
static inline size_t packets_ipv4(uint8_t *frame, uint32_t direction, uint8_t protocol, size_t size)
{
    uint8_t head[20] = {0x45, 0, (uint8_t)((size + 20) >> 8), (uint8_t)(size + 20)};
    const uint8_t ends[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
    head[8] = 64;
    head[9] = protocol;
    memcpy(head + 12, ends[direction], 4);
    memcpy(head + 16, ends[direction ^ 1], 4);
    memcpy(frame, head, sizeof(head));
    return sizeof(head);
}

/* @direction: 0 of the client, 1 of the server. Its number is @sequence. */
static inline void packets_segment(struct packets *packets, uint32_t direction, uint8_t flags,
                                   uint32_t sequence, const void *payload, size_t size)
{
    static uint8_t frame[65536];
    size_t at = packets_ipv4(frame, direction, 6, size + 20);
    const uint16_t ports[2] = {htons(packets->ports[direction]),
                               htons(packets->ports[direction ^ 1])};
    const uint32_t numbers[2] = {htonl(sequence), htonl(packets->sequence[direction ^ 1])};
    uint8_t tcp[20] = {[12] = 5 << 4, [13] = flags};
    memcpy(tcp, ports, sizeof(ports));
    memcpy(tcp + 4, numbers, sizeof(numbers));
    memcpy(frame + at, tcp, sizeof(tcp));
    memcpy(frame + at + sizeof(tcp), payload, size);
    packets_frame(packets, frame, at + sizeof(tcp) + size);
}

/* The next bytes of a direction. */
static inline void packets_send(struct packets *packets, uint32_t direction, const char *text)
{
    packets_segment(packets, direction, EYE_ACK, packets->sequence[direction], text, strlen(text));
    packets->sequence[direction] += (uint32_t)strlen(text);
}

/* A flag that takes a number of its own: SYN, FIN. */
static inline void packets_flag(struct packets *packets, uint32_t direction, uint8_t flags)
{
    packets_segment(packets, direction, flags, packets->sequence[direction], "", 0);
    packets->sequence[direction]++;
}

static inline void packets_acknowledge(struct packets *packets, uint32_t direction)
{
    packets_segment(packets, direction, EYE_ACK, packets->sequence[direction], "", 0);
}

static inline void packets_open(struct packets *packets)
{
    packets_flag(packets, 0, EYE_SYN);
    packets_flag(packets, 1, EYE_SYN | EYE_ACK);
    packets_acknowledge(packets, 0);
}

/* @first closes first. */
static inline void packets_close(struct packets *packets, uint32_t first)
{
    packets_flag(packets, first, EYE_FIN | EYE_ACK);
    packets_flag(packets, first ^ 1, EYE_FIN | EYE_ACK);
    packets_acknowledge(packets, first);
}

/* A datagram between the two. */
static inline void packets_datagram(struct packets *packets, uint32_t direction,
                                    const void *payload, size_t size)
{
    uint8_t frame[2048];
    size_t at = packets_ipv4(frame, direction, 17, size + 8);
    const uint16_t head[4] = {htons(packets->ports[direction]),
                              htons(packets->ports[direction ^ 1]), htons((uint16_t)(size + 8)), 0};
    memcpy(frame + at, head, sizeof(head));
    memcpy(frame + at + sizeof(head), payload, size);
    packets_frame(packets, frame, at + sizeof(head) + size);
}

/* 0 with a summary, or -errno: no capture. */
static inline int packets_replay(const uint8_t *bytes, size_t size,
                                 const struct eye_replay_settings *settings,
                                 struct eye_replay_summary *ret_summary)
{
    struct eye_capture *capture = NULL;
    struct eye_error error;
    FILE *file = fmemopen((void *)(uintptr_t)bytes, size, "rb");
    int result = file == NULL ? -EINVAL : eye_capture_read(file, "memory", &capture, &error);
    if (result == 0) {
        result = eye_replay_run(capture, settings, ret_summary);
    }
    eye_capture_close(capture);
    return result;
}
