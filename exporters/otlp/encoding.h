/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two encodings of an OTLP request: protobuf (protobuf.c) and JSON (json.c). A request is
 * gathered point by point; it has a resource for each service, and one for the daemon.
 *
 * Used by one worker thread.
 */
#pragma once

#include "exporters/encode/identities.h"
#include "exporters/otlp/model.h"

/* A request holds at most about this much, uncompressed. */
#define EYE_OTLP_REQUEST_BYTES ((size_t)1 << 20)

/* Longest identity: a point of any value fits beside it. */
#define EYE_OTLP_IDENTITY_MAX_BYTES ((size_t)64 << 10)

struct eye_otlp_encoding {
    const char *content_type;

    /** Makes the encoder. @model outlives it. 0 or -ENOMEM. */
    int (*open)(const struct eye_otlp_model *model, void **ret_encoder);

    /** Frees it. Takes NULL. */
    void (*close)(void *encoder);

    /** The identity of a point: its attributes in this encoding up to the cut, then what
     * exporters/otlp/groups.h says, so that only series of one metric and one service can have the
     * same. @context is the encoder. */
    eye_identity_write *write_identity;

    /** Starts an empty request. */
    void (*begin)(void *encoder);

    /** Adds a point of @metric. 0, or -ENOBUFS when the request is full and as it was. Writes
     * nothing to
     * @value; protobuf-c only wants it without const. */
    int (*add)(void *encoder, const struct eye_metric *metric, const struct eye_identity *identity,
               struct eye_otlp_value *value);

    /** The request as bytes, valid until begin(). 0 or -ENOMEM. */
    int (*finish)(void *encoder, const void **ret_bytes, size_t *ret_length);
};

extern const struct eye_otlp_encoding eye_otlp_protobuf;
extern const struct eye_otlp_encoding eye_otlp_json;
