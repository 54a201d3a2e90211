/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Universal service monitoring: protocol records from the kernel, checked and handed on with the
 * protocol that names them. Keeps nothing per connection. Belongs to the collector thread.
 */
#pragma once

#include "collector/usm/protocol.h"

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
    void *context; /* of both */
    eye_name_handler *on_name;
    void *name_context;
    uint64_t samples;                    /* handed on: requests, and records of losses */
    uint64_t malformed;                  /* dropped */
    void *protocols[EYE_PROTOCOL_COUNT]; /* their states */
};

/** Opens every protocol; the handlers are set by the caller. 0 or -ENOMEM; then it is closed. */
int eye_usm_open(struct eye_usm *usm, const struct eye_config *config);

/** Protocols name records as @other's do from now on, and @other's as these did; what was learnt of
 * the traffic stays. */
void eye_usm_exchange(struct eye_usm *usm, struct eye_usm *other);

/** How much of what protocols have learnt gave way to newer. */
uint64_t eye_usm_forgotten(const struct eye_usm *usm);

/** Takes one that is zeroed or closed. */
void eye_usm_close(struct eye_usm *usm);

/** Takes one record of the ring "requests": a request or losses. An eye_record_handler with the
 * struct eye_usm as context. */
void eye_usm_take(void *usm, const void *record, size_t bytes);
