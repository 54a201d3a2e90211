/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, and datagrams of UDP sockets: checks what the kernel side wrote and hands each
 * record on as a sample. Keeps nothing per socket. Belongs to the collector thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"

/**
 * A sample is a validated record: enums within their ranges. Good during the call only.
 */
typedef void eye_connection_handler(void *context, const struct eye_connection_record *sample);
typedef void eye_datagram_handler(void *context, const struct eye_datagram_record *sample);

struct eye_tracer {
    eye_connection_handler *on_connection;
    eye_connection_handler *on_listener; /* EYE_CONNECTION_LISTENS */
    eye_datagram_handler *on_datagrams;
    void *context;
    uint64_t samples;   /* handed on */
    uint64_t malformed; /* dropped */
};

/**
 * Takes one record of the ring "connections" or of a live iterator, as bytes. An
 * eye_record_handler with the struct eye_tracer as context.
 */
void eye_tracer_take(void *tracer, const void *record, size_t bytes);

/** "refused", "timeout", "reset", "unreachable", "cancelled", "other"; NULL for EYE_FAILURE_NONE.
 */
const char *eye_failure_name(enum eye_failure failure);

/** "none", "source", "destination", "both"; "" for EYE_NAT_UNKNOWN. */
const char *eye_nat_name(enum eye_nat nat);

/** What a connection speaks, an enum eye_protocol or enum eye_class, as tag values and answers have
 * it; "" when that is not known. */
const char *eye_spoken_name(uint8_t spoken);

/** "multicast", "broadcast"; "" for EYE_UNICAST. */
const char *eye_cast_name(enum eye_cast cast);
