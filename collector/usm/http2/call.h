/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), named by the
 * semantic conventions (https://opentelemetry.io/docs/specs/semconv/rpc). Pure but for the place.
 */
#pragma once

#include "bpf/usm/http2/record.h"
#include "collector/usm/protocol.h"

/** What a call's status is called: its own, or what gRPC's libraries make of a stream that ended
 * without one. NULL: nobody knows. */
const char *eye_call_status(const struct eye_request_head *head, const struct eye_http2_body *body);

/** Names a call; @path as it is on the wire, decoded, NULL when nobody knows it. @ret_name comes
 * zeroed. */
void eye_call_name(const struct eye_request_sample *sample, const struct eye_request_place *place,
                   const char *path, size_t length, struct eye_request_name *ret_name);
