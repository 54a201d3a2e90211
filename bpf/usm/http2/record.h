/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of a record of HTTP/2 or gRPC (struct eye_request_head in bpf/abi.h). */
#pragma once

#include "bpf/abi.h"

#define EYE_HTTP2_PATH_BYTES 128 /* of the path as on the wire; longer ones are cut, flagged */

enum eye_http2_flag {
    EYE_HTTP2_GRPC = 1,
    EYE_HTTP2_HUFFMAN = 2,        /* the path is in Huffman's code */
    EYE_HTTP2_METHOD_HUFFMAN = 4, /* likewise */
    EYE_HTTP2_CUT = 8,            /* the path was longer */
    EYE_HTTP2_PATH_KNOWN = 16,
    EYE_HTTP2_METHOD_KNOWN = 32,
    EYE_HTTP2_STATUS_KNOWN = 64, /* of gRPC */
    EYE_HTTP2_MESSAGE = 128,     /* of gRPC there was an error's text */
};

/* The head's code is the status of HTTP, 0 when it is not known. Sent as long as its path is. */
struct eye_http2_body {
    __u8 method[7]; /* as on the wire */
    __u8 method_length;
    __u8 flags;       /* enum eye_http2_flag */
    __u8 grpc_status; /* 0 .. 16, others as they are */
    __u8 error;       /* of RST_STREAM, plus 1; 0: there was none */
    __u8 path_length;
    __u8 path[EYE_HTTP2_PATH_BYTES];
};

#define EYE_HTTP2_BODY_FIXED 12

EYE_ABI_ASSERT(__builtin_offsetof(struct eye_http2_body, path) == EYE_HTTP2_BODY_FIXED);
EYE_ABI_ASSERT(sizeof(struct eye_http2_body) <= EYE_REQUEST_BODY_MAX);
