/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Universal service monitoring: protocol records from the kernel, checked and named. Keeps nothing
 * per connection. Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"

/* One answered request. Pointers are good during the call only. */
struct eye_request_sample {
    uint64_t duration_ns;
    uint64_t fingerprint; /* equal for two samples that differ in duration only; seeded hash */
    uint64_t owner;       /* of the socket: a key (bpf/abi.h) */
    uint16_t port;        /* of the service */
    uint16_t status;      /* 100 .. 999 */
    bool client;          /* seen at the client's end */
    bool truncated;       /* the path was cut in the kernel */
    const char *method;   /* "GET", ...; "_OTHER" */
    const char *path;     /* path_bytes of the request target as on the wire: hostile */
    size_t path_bytes;
};

typedef void eye_request_handler(void *context, const struct eye_request_sample *sample);

struct eye_usm {
    eye_request_handler *handler;
    void *context;
    uint64_t samples;   /* handed on */
    uint64_t malformed; /* dropped */
};

/** Takes one record of the ring "requests". An eye_record_handler with the struct eye_usm as
 * context. */
void eye_usm_take(void *usm, const void *record, size_t bytes);
