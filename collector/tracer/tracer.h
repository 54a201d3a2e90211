/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: checks what the kernel side wrote and hands each record on as a sample. Keeps
 * nothing per connection. Belongs to the collector thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"

/**
 * A sample is a validated record: enums within their ranges. Good during the call only.
 */
typedef void eye_connection_handler(void *context, const struct eye_connection_record *sample);

struct eye_tracer {
    eye_connection_handler *handler;
    void *context;
    uint64_t samples;   /* handed on */
    uint64_t malformed; /* dropped */
};

/**
 * Takes one record of the ring "connections" or of the live iterator, as bytes. An
 * eye_record_handler with the struct eye_tracer as context.
 */
void eye_tracer_take(void *tracer, const void *record, size_t bytes);

/** "refused", "timeout", "reset", "unreachable", "cancelled", "other"; NULL for EYE_FAILURE_NONE.
 */
const char *eye_failure_name(enum eye_failure failure);
