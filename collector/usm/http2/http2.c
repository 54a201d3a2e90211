/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "http2": HTTP/2 under the names of HTTP/1. Begun: gRPC is told as HTTP still, and
 * the catalogue knows nothing of rpc.*. */
#include <stdio.h>
#include <string.h>

#include "bpf/usm/http2/record.h"
#include "collector/base/base.h"
#include "collector/usm/http/route.h"
#include "collector/usm/http2/huffman.h"
#include "collector/usm/protocol.h"

/* Huffman's shortest codes have five bits. */
#define PATH_TEXT_BYTES (EYE_HTTP2_PATH_BYTES * 8 / 5)

/* RFC 9110, section 9, and RFC 5789: what tags may have; anything else is somebody's own. */
static const char *const known_methods[] = {"GET",    "POST",    "PUT",   "HEAD",   "DELETE",
                                            "OPTIONS", "PATCH", "TRACE", "CONNECT"};

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
    char text[sizeof(body->method) * 8 / 5 + 1];
    if (!(body->flags & EYE_HTTP2_METHOD_KNOWN)) {
        return "unknown";
    }
    size_t length = text_of(body->method, body->method_length,
                            body->flags & EYE_HTTP2_METHOD_HUFFMAN, text, sizeof(text) - 1);
    text[length] = '\0';
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(known_methods); i++) {
        if (strcmp(text, known_methods[i]) == 0) {
            return known_methods[i];
        }
    }
    return "_OTHER";
}
