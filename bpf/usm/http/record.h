/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of an HTTP request's record (struct eye_request_head in bpf/abi.h). */
#pragma once

#include "bpf/abi.h"

enum eye_http_method {
    EYE_HTTP_METHOD_OTHER,
    EYE_HTTP_GET,
    EYE_HTTP_POST,
    EYE_HTTP_PUT,
    EYE_HTTP_HEAD,
    EYE_HTTP_DELETE,
    EYE_HTTP_OPTIONS,
    EYE_HTTP_PATCH,
    EYE_HTTP_TRACE,
    EYE_HTTP_CONNECT,
    EYE_HTTP_METHOD_COUNT,
};

#define EYE_HTTP_PATH_BYTES 160 /* longer request targets are cut, flagged */

/* The head's code is the status, 100 .. 999. As long as its path. */
struct eye_http_body {
    __u8 method;                    /* enum eye_http_method */
    __u8 path[EYE_HTTP_PATH_BYTES]; /* the request target as on the wire */
};

/* Bytes before the path. */
#define EYE_HTTP_BODY_FIXED 1

EYE_ABI_ASSERT(__builtin_offsetof(struct eye_http_body, path) == EYE_HTTP_BODY_FIXED);
EYE_ABI_ASSERT(sizeof(struct eye_http_body) == EYE_HTTP_BODY_FIXED + EYE_HTTP_PATH_BYTES);
EYE_ABI_ASSERT(sizeof(struct eye_http_body) <= EYE_REQUEST_BODY_MAX);
