/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1: recognising methods and versions, by the first eight bytes and by the first line. */
#pragma once

#include "bpf/usm/http/state.h"
#include "bpf/usm/parser.h"
#include "bpf/usm/proxy.h"

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
#define EYE_HTTP_SPACE_VERSION EYE_WORD(' ', 'H', 'T', 'T', 'P', '/', '1', '.')
/* " HTTP/1.1" */
#define EYE_HTTP_VERSION_BYTES 9

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

/* The bytes 33 .. 63 and 64 .. 126 that a token may have (RFC 9110 section 5.6.2): all visible ones
 * but "(),/:;<=>?@[\]{}. */
#define EYE_HTTP_TOKEN_LOW 0x03ff6cfa00000000ULL
#define EYE_HTTP_TOKEN_HIGH 0x57ffffffc7fffffeULL

static __always_inline bool eye_http_is_token_byte(__u8 byte)
{
    __u64 allowed = byte & 64 ? EYE_HTTP_TOKEN_HIGH : EYE_HTTP_TOKEN_LOW;
    return byte < 128 && (allowed >> (byte & 63) & 1);
}

/*
 * Could the first @bytes (1 or more) of a direction be HTTP/1, or stand before it? Cheap: asked
 * before any state is made. Any token may be a method.
 */
EYE_PART int eye_http_may_begin(__u64 word, __u32 bytes)
{
    if (eye_http_is_version(word, bytes) ||
        eye_first_bytes(word, bytes) == eye_first_bytes(EYE_PROXY_SIGNATURE, bytes)) {
        return 1;
    }
    bool empty = true; /* empty lines may stand before a request */
    for (__u32 i = 0; i < sizeof(word) && i < bytes; i++) {
        __u8 byte = (__u8)(word >> (i * 8));
        bool line_end = byte == '\r' || byte == '\n';
        if (byte == ' ') {
            return !empty;
        }
        if (line_end ? !empty : !eye_http_is_token_byte(byte)) {
            return 0;
        }
        empty = line_end;
    }
    return 1;
}

/* What stands before the first message may be anything but a request line. */
static __always_inline bool eye_http_is_certain(__u64 word)
{
    return eye_http_is_version(word, sizeof(word)) || eye_proxy_begins(word);
}

/*
 * Does the first line of a payload, of which @filled bytes are here, end within them and not as a
 * request line does? Commands of other protocols are lines that begin alike.
 */
EYE_PART int eye_http_is_other_line(const struct eye_glance *glance, __u32 filled)
{
    if (!glance || eye_http_is_certain(eye_load_word(glance->bytes))) {
        return 0;
    }
    bool empty = true; /* empty lines may stand before a request */
    __u32 end = 0;
    for (int i = 0; i < EYE_LOOK_BYTES; i++) {
        end = eye_forget(end);
        empty = eye_forget(empty);
        if (end >= filled || end >= EYE_LOOK_BYTES) {
            return 0;
        }
        __u8 byte = glance->bytes[end];
        if (byte == '\n' && !empty) {
            break;
        }
        empty = empty && (byte == '\r' || byte == '\n');
        end++;
    }
    if (end == 0 || end >= EYE_LOOK_BYTES) {
        return 0;
    }
    __u32 before_end = end - 1;
    eye_pin(before_end);
    __u32 last = glance->bytes[before_end & (EYE_LOOK_BYTES - 1)] == '\r' ? 1 : 0;
    __u32 start = end - last - EYE_HTTP_VERSION_BYTES; /* wraps when there is no room for it */
    eye_pin(start);
    return start > EYE_LOOK_BYTES - sizeof(__u64) ||
           eye_load_word(glance->bytes + start) != EYE_HTTP_SPACE_VERSION;
}

/* As parser.h says. */
EYE_PART int eye_http_looks_like(const struct eye_glance *glance, __u32 bytes)
{
    if (!glance) {
        return 0;
    }
    __u32 word_bytes = bytes < sizeof(__u64) ? bytes : sizeof(__u64);
    return eye_http_may_begin(eye_load_word(glance->bytes), word_bytes) &&
           !eye_http_is_other_line(glance, bytes);
}
