/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ClientHellos on the wire: the random of each, which its session has as well, tells the socket. */
#pragma once

#include "bpf/maps.bpf.h"

/* Half of it is enough: 128 bits do not meet by chance. */
#define EYE_HELLO_RANDOM_BYTES 16
/* Where it stands in a record (RFC 8446, 4.1.2 and 5.1): type, version, length; type, length,
 * version. */
#define EYE_HELLO_RANDOM_AT 11

/* Handshakes that have begun and whose sessions have not read or written yet. */
#define EYE_HELLOS_MAX 4096

struct eye_hello_key {
    __u8 random[EYE_HELLO_RANDOM_BYTES];
    __u32 side; /* enum eye_side, of the client's end SENT: both ends may be on this host */
    __u32 padding;
};

struct eye_hello {
    __u64 seen_ns; /* CLOCK_MONOTONIC */
    __u64 cookie;  /* of the socket that had it last */
    __u16 port;    /* of the service; 0: several sockets have had it, so it tells none */
    __u8 protocol; /* enum eye_protocol that goes on inside, or UNKNOWN: its plaintext tells */
    __u8 padding[5];
};

/* So many came in all, one for each end that is on this host. Read by the collector. */
__u64 eye_hellos_seen = 0;

/* Written by the programs of packets, read by the probes of TLS. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, EYE_HELLOS_MAX);
    __type(key, struct eye_hello_key);
    __type(value, struct eye_hello);
} hellos SEC(".maps");
