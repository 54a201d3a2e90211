/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "http": HTTP/1. */
#include "bpf/usm/http/record.h"
#include "collector/usm/http_name.h"

static const char *const methods[EYE_HTTP_METHOD_COUNT] = {
    [EYE_HTTP_METHOD_OTHER] = "_OTHER", [EYE_HTTP_GET] = "GET",
    [EYE_HTTP_POST] = "POST",           [EYE_HTTP_PUT] = "PUT",
    [EYE_HTTP_HEAD] = "HEAD",           [EYE_HTTP_DELETE] = "DELETE",
    [EYE_HTTP_OPTIONS] = "OPTIONS",     [EYE_HTTP_PATCH] = "PATCH",
    [EYE_HTTP_TRACE] = "TRACE",         [EYE_HTTP_CONNECT] = "CONNECT",
};

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    const struct eye_http_body *body = record;
    return body->method < EYE_HTTP_METHOD_COUNT &&
           (!eye_request_is_answered(head) || (head->code >= 100 && head->code <= 999));
}

static void name_request(void *names, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    const struct eye_request_head *head = sample->head;
    const struct eye_http_body *body = sample->body;
    const struct eye_http_target target = {
        .method = methods[body->method],
        .path = (const char *)body->path,
        .length = (size_t)head->body_bytes - EYE_HTTP_BODY_FIXED,
        .cut = (head->flags & EYE_REQUEST_TRUNCATED) != 0,
    };
    eye_http_name(names, sample, place, &target, ret_name);
}

const struct eye_protocol_type eye_protocol_http = {
    .body_min = EYE_HTTP_BODY_FIXED,
    .body_max = sizeof(struct eye_http_body),
    .is_valid = is_valid,
    .open = eye_http_open_names,
    .name_request = name_request,
    .close = eye_http_close_names,
};
