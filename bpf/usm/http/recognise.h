/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: recognising methods and versions by the first eight bytes. */
#pragma once

#include "bpf/usm/http/state.h"

#define EYE_HTTP_TOKEN_MAX 8

/* Method and space (RFC 9110 section 9, RFC 5789); 8 bytes tell them apart. */
#define EYE_HTTP_TOKENS(X)                                                                         \
    X(EYE_WORD('G', 'E', 'T', ' ', 0, 0, 0, 0), 4, EYE_HTTP_GET)                                   \
    X(EYE_WORD('P', 'O', 'S', 'T', ' ', 0, 0, 0), 5, EYE_HTTP_POST)                                \
    X(EYE_WORD('P', 'U', 'T', ' ', 0, 0, 0, 0), 4, EYE_HTTP_PUT)                                   \
    X(EYE_WORD('H', 'E', 'A', 'D', ' ', 0, 0, 0), 5, EYE_HTTP_HEAD)                                \
    X(EYE_WORD('D', 'E', 'L', 'E', 'T', 'E', ' ', 0), 7, EYE_HTTP_DELETE)                          \
    X(EYE_WORD('O', 'P', 'T', 'I', 'O', 'N', 'S', ' '), 8, EYE_HTTP_OPTIONS)                       \
    X(EYE_WORD('P', 'A', 'T', 'C', 'H', ' ', 0, 0), 6, EYE_HTTP_PATCH)                             \
    X(EYE_WORD('T', 'R', 'A', 'C', 'E', ' ', 0, 0), 6, EYE_HTTP_TRACE)                             \
    X(EYE_WORD('C', 'O', 'N', 'N', 'E', 'C', 'T', ' '), 8, EYE_HTTP_CONNECT)

#define EYE_HTTP_VERSION EYE_WORD('H', 'T', 'T', 'P', '/', '1', '.', 0)

/* The method whose token stands at the start of @word, of which @bytes are valid; 0: none.
 * *ret_bytes: length of the token. *ret_partial: what there is could still become one. */
static __always_inline __u8 eye_http_match_method(__u64 word, __u32 bytes, __u32 *ret_bytes,
                                                  bool *ret_partial)
{
#define X(token, length, method)                                                                   \
    if (bytes >= (length)) {                                                                       \
        if (eye_first_bytes(word, length) == (token)) {                                            \
            *ret_bytes = (length);                                                                 \
            return method;                                                                         \
        }                                                                                          \
    } else if (eye_first_bytes(word, bytes) == eye_first_bytes(token, bytes)) {                    \
        *ret_partial = true;                                                                       \
    }
    EYE_HTTP_TOKENS(X)
#undef X
    return 0;
}

static __always_inline bool eye_http_is_version(__u64 word, __u32 bytes)
{
    __u32 compared = bytes < 7 ? bytes : 7;
    return eye_first_bytes(word, compared) == eye_first_bytes(EYE_HTTP_VERSION, compared);
}

/* Could the first @bytes (1 or more) of a direction be HTTP/1? Cheap: asked before any state is
 * made. */
static __always_inline bool eye_http_looks_like(__u64 word, __u32 bytes)
{
    bool partial = false;
    __u32 length;
    return eye_http_match_method(word, bytes, &length, &partial) != 0 || partial ||
           eye_http_is_version(word, bytes);
}
