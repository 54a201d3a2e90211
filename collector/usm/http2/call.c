/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/usm/http2/call.h"

#include <string.h>

#include "collector/base/base.h"
#include "collector/usm/http_name.h"

/* https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
enum status {
    OK,
    CANCELLED,
    UNKNOWN,
    PERMISSION_DENIED = 7,
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED = 12,
    INTERNAL,
    UNAVAILABLE,
    UNAUTHENTICATED = 16,
    STATUS_COUNT,
};

static const char *const statuses[STATUS_COUNT] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

/* Of a stream that was reset, by the error code of HTTP/2 (RFC 9113, section 7). */
static enum status status_of_reset(unsigned int code)
{
    static const uint8_t known[] = {
        [0 ... 4] = INTERNAL,
        [5] = UNKNOWN,
        [6] = INTERNAL,
        [7] = UNAVAILABLE,
        [8] = CANCELLED,
        [9 ... 10] = INTERNAL,
        [11] = RESOURCE_EXHAUSTED,
        [12] = PERMISSION_DENIED,
    };
    return code < EYE_ARRAY_LENGTH(known) ? (enum status)known[code] : UNKNOWN;
}

/* Of an answer that is none of gRPC's: a proxy's, mostly. */
static enum status status_of_http(unsigned int code)
{
    switch (code) {
    case 400:
        return INTERNAL;
    case 401:
        return UNAUTHENTICATED;
    case 403:
        return PERMISSION_DENIED;
    case 404:
        return UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return UNAVAILABLE;
    default:
        return UNKNOWN;
    }
}

const char *eye_call_status(const struct eye_request_head *head, const struct eye_http2_body *body)
{
    if ((body->flags & EYE_HTTP2_STATUS_KNOWN) != 0) {
        return body->grpc_status < STATUS_COUNT ? statuses[body->grpc_status] : statuses[UNKNOWN];
    }
    if (body->error != 0) {
        return statuses[status_of_reset(body->error - 1U)];
    }
    if (eye_request_is_answered(head) && head->code != 0 && head->code != 200) {
        return statuses[status_of_http(head->code)];
    }
    return NULL;
}

static bool is_method_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '.' || byte == '/' || byte == '-';
}

/* "package.Service/Method" of "/package.Service/Method"; false: it is no such path. */
static bool copy_method(const char *path, size_t length, char *ret_text)
{
    const char *slash = length > 1 ? memchr(path + 1, '/', length - 1) : NULL;
    if (slash == NULL || path[0] != '/' || slash == path + 1 || slash + 1 == path + length ||
        length > EYE_REQUEST_TEXT_BYTES) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (!is_method_byte(path[i])) {
            return false;
        }
        ret_text[i - 1] = path[i];
    }
    ret_text[length - 1] = '\0';
    return true;
}

static void name_method(const struct eye_request_sample *sample,
                        const struct eye_request_place *place, const char *path, size_t length,
                        bool refused, struct eye_request_name *name)
{
    const struct eye_http2_body *body = sample->body;
    bool whole = (body->flags & EYE_HTTP2_CUT) == 0;
    if (path == NULL) {
        eye_request_name_tag(name, EYE_TAG_METHOD, "unknown");
        return;
    }
    if (!whole || !copy_method(path, length, name->text)) {
        eye_request_name_tag(name, EYE_TAG_METHOD, "_OTHER");
        return;
    }
    name->fleeting =
        refused && eye_http_is_unmatched(place, name->metric, EYE_TAG_METHOD, name->text);
    if (name->fleeting) {
        eye_request_name_tag(name, EYE_TAG_METHOD, "_OTHER");
        return;
    }
    eye_request_name_tag(name, EYE_TAG_METHOD, name->text);
    name->choice = refused ? EYE_CHOICE_REFUSED : EYE_CHOICE_CLIENTS;
}

void eye_call_name(const struct eye_request_sample *sample, const struct eye_request_place *place,
                   const char *path, size_t length, struct eye_request_name *ret_name)
{
    const struct eye_request_head *head = sample->head;
    const struct eye_http2_body *body = sample->body;
    const char *status = eye_call_status(head, body);
    bool answered = eye_request_is_answered(head);
    ret_name->metric = (head->flags & EYE_REQUEST_CLIENT) != 0 ? EYE_METRIC_RPC_CLIENT_DURATION
                                                               : EYE_METRIC_RPC_SERVER_DURATION;
    ret_name->chosen = EYE_TAG_METHOD;
    ret_name->choice = EYE_CHOICE_OURS;
    name_method(sample, place, path, length, !answered || status == statuses[UNIMPLEMENTED],
                ret_name);
    if (!answered) {
        eye_request_name_tag(ret_name, EYE_TAG_ERROR, eye_request_error_name(head));
    } else if (status != NULL) {
        eye_request_name_tag(ret_name, EYE_TAG_STATUS, status);
    } else if ((body->flags & EYE_HTTP2_MESSAGE) != 0) {
        eye_request_name_tag(ret_name, EYE_TAG_ERROR, "_OTHER");
    }
}
