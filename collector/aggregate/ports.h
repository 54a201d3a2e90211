/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ports are names. A port that the kernel chose is none: a listener bound to port 0 says so
 * itself (its connections come with port 0), but at the client's end only the number is there. A
 * remote port of the ephemeral range keeps its number when it is used like a service's: connections
 * opened in several minutes. What has been said is judged again once a minute, both ways.
 *
 * Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/tracer/tracer.h"

/* The value of the tag `port` for ports that are no names. */
#define EYE_PORT_EPHEMERAL "ephemeral"

/* "65535", "ephemeral" */
#define EYE_PORT_BYTES 10

struct eye_ports {
    uint16_t first; /* of the ephemeral range */
    uint16_t last;
    uint64_t judged_ns; /* monotonic */
    struct {
        uint8_t minutes; /* with a connection, less those without one since */
        bool opened : 1; /* a connection, since the last judgement */
        bool named : 1;
    } remote[UINT16_MAX + 1];
};

/** @ports: zeroed. From @first to @last, both included, ports are ephemeral. */
void eye_ports_init(struct eye_ports *ports, uint16_t first, uint16_t last);

/**
 * Reads the range of /proc/sys/net/ipv4/ip_local_port_range (@path), that of the reader's network
 * namespace. 0, or -errno, -EINVAL when it is none; outputs are untouched then.
 */
int eye_ports_read_range(const char *path, uint16_t *ret_first, uint16_t *ret_last);

/** @port of a record, or 0 where it is no name. */
static inline uint16_t eye_ports_name(const struct eye_ports *ports, enum eye_direction direction,
                                      uint16_t port)
{
    bool ephemeral = direction == EYE_OUTGOING && port >= ports->first && port <= ports->last;
    return ephemeral && !ports->remote[port].named ? 0 : port;
}

/** A connection to the remote @port was established. */
static inline void eye_ports_note_opened(struct eye_ports *ports, uint16_t port)
{
    ports->remote[port].opened = true;
}

/** Judges afresh when a minute has gone by. True when a port is a name that was none, or the other
 * way round. */
bool eye_ports_judge(struct eye_ports *ports, uint64_t now_ns);

/** The value of the tag for a port or for 0. */
void eye_ports_format(uint16_t name, char ret_text[static EYE_PORT_BYTES]);
