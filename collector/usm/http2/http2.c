/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "http2": HTTP/2 under the names of HTTP, and calls of gRPC under those of RPC. What
 * stood in a header table before the daemon came is called unknown. */
#include <string.h>

#include "bpf/usm/http2/record.h"
#include "collector/base/base.h"
#include "collector/usm/http2/call.h"
#include "collector/usm/http2/huffman.h"
#include "collector/usm/http_name.h"

/* Huffman's shortest codes have five bits. */
#define TEXT_BYTES_OF(bytes) ((bytes)*8 / 5)

/* Of RST_STREAM (RFC 9113, section 7). */
#define RESET_CANCEL 8

/* RFC 9110, section 9, and RFC 5789: what tags may have; anything else is somebody's own. */
static const char *const known_methods[] = {
    "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
};

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    const struct eye_http2_body *body = record;
    return body->method_length <= sizeof(body->method) &&
           head->body_bytes == EYE_HTTP2_BODY_FIXED + body->path_length &&
           (!eye_request_is_answered(head) || head->code <= 999);
}

static size_t text_of(const uint8_t *bytes, size_t length, bool huffman, char *ret_text,
                      size_t room)
{
    if (huffman) {
        return eye_huffman_decode(bytes, length, ret_text, room);
    }
    size_t kept = length < room ? length : room;
    memcpy(ret_text, bytes, kept);
    return kept;
}

static const char *method_of(const struct eye_http2_body *body)
{
    char text[TEXT_BYTES_OF(sizeof(body->method)) + 1];
    if ((body->flags & EYE_HTTP2_METHOD_KNOWN) == 0) {
        return "unknown";
    }
    size_t length = text_of(body->method, body->method_length,
                            (body->flags & EYE_HTTP2_METHOD_HUFFMAN) != 0, text, sizeof(text) - 1);
    text[length] = '\0';
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(known_methods); i++) {
        if (strcmp(text, known_methods[i]) == 0) {
            return known_methods[i];
        }
    }
    return "_OTHER";
}

/* Why there is no answer, though there is a connection; NULL: there is one. */
static const char *error_of(const struct eye_http2_body *body)
{
    return body->error == 0 ? NULL : body->error - 1 == RESET_CANCEL ? "cancelled" : "reset";
}

static void name_request(void *names, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    const struct eye_http2_body *body = sample->body;
    char text[TEXT_BYTES_OF(EYE_HTTP2_PATH_BYTES)];
    bool known = (body->flags & EYE_HTTP2_PATH_KNOWN) != 0;
    size_t length = text_of(body->path, body->path_length, (body->flags & EYE_HTTP2_HUFFMAN) != 0,
                            text, sizeof(text));
    if ((body->flags & EYE_HTTP2_GRPC) != 0) {
        eye_call_name(sample, place, known ? text : NULL, length, ret_name);
        return;
    }
    const struct eye_http_target target = {
        .method = method_of(body),
        .path = known ? text : NULL,
        .length = length,
        .cut = (body->flags & EYE_HTTP2_CUT) != 0,
        .version = "2",
        .error = error_of(body),
    };
    eye_http_name(names, sample, place, &target, ret_name);
}

const struct eye_protocol_type eye_protocol_http2 = {
    .body_min = EYE_HTTP2_BODY_FIXED,
    .body_max = sizeof(struct eye_http2_body),
    .is_valid = is_valid,
    .open = eye_http_open_names,
    .name_request = name_request,
    .close = eye_http_close_names,
};
