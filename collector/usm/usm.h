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

/* One request, answered or not. Pointers are good during the call only. */
struct eye_request_sample {
    uint64_t duration_ns;
    uint64_t fingerprint; /* equal for two samples that differ in duration only; seeded hash */
    uint64_t owner;       /* of the socket: a key (bpf/abi.h) */
    uint16_t port;        /* of the service */
    uint16_t status;      /* 100 .. 999; 0: no answer */
    bool client;          /* seen at the client's end */
    bool truncated;       /* the path was cut in the kernel */
    const char *method;   /* "GET", ...; "_OTHER" */
    const char *error;    /* what ended the connection before the answer; "" with a status */
    const char *path;     /* path_bytes of the request target as on the wire: hostile */
    size_t path_bytes;
};

/* What the parsers of one service's connections lost. */
struct eye_loss_sample {
    uint32_t amount;    /* 1 or more */
    uint64_t owner;     /* of the socket: a key (bpf/abi.h) */
    uint16_t port;      /* of the service */
    bool client;        /* seen at the client's end */
    const char *reason; /* as in EYE_LOSSES of bpf/abi.h */
};

typedef void eye_request_handler(void *context, const struct eye_request_sample *sample);
typedef void eye_loss_handler(void *context, const struct eye_loss_sample *sample);

struct eye_usm {
    eye_request_handler *on_request;
    eye_loss_handler *on_loss;
    void *context;      /* of both */
    uint64_t samples;   /* handed on */
    uint64_t malformed; /* dropped */
};

/** Takes one record of the ring "requests": a request or losses. An eye_record_handler with the
 * struct eye_usm as context. */
void eye_usm_take(void *usm, const void *record, size_t bytes);
