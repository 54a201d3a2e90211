/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What load balancers put before the first byte of a connection (haproxy's doc/proxy-protocol.txt):
 * a line of at most 107 bytes, or 12 bytes of signature, version and command, family, and the
 * length of what follows.
 */
#pragma once

#include "bpf/usm/bytes.h"

#define EYE_PROXY_WORD EYE_WORD('P', 'R', 'O', 'X', 'Y', ' ', 0, 0)
#define EYE_PROXY_WORD_BYTES 6
#define EYE_PROXY_LINE_MAX 107
#define EYE_PROXY_SIGNATURE EYE_WORD('\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q')
#define EYE_PROXY_HEADER_BYTES 16
/* From here on it is no empty line before a request. */
#define EYE_PROXY_CERTAIN_BYTES 5

/* A header of more bytes is not stripped by the recogniser: those of today have a certificate's
 * names at most, and what lies behind has to be told in EYE_PASSED_SMALL. */
#define EYE_PROXY_STRIPPED_MAX 4096

/* A payload that starts with @word, of which all bytes are valid, starts with such a header. */
static __always_inline bool eye_proxy_begins(__u64 word)
{
    return eye_first_bytes(word, EYE_PROXY_WORD_BYTES) == EYE_PROXY_WORD ||
           word == EYE_PROXY_SIGNATURE;
}

/* A window for a line of 107 bytes: an index that is masked, not compared, is within it. */
#define EYE_PROXY_WINDOW_BYTES 128

struct eye_proxy_window {
    __u8 bytes[EYE_PROXY_WINDOW_BYTES];
};

/* Bytes of the header that the window starts with, of which @filled (1 or more) are here; 0: it is
 * none, or more of a line must come. */
EYE_PART __u32 eye_proxy_measure(const struct eye_proxy_window *window, __u32 filled)
{
    if (!window) {
        return 0;
    }
    if (eye_load_word(window->bytes) == EYE_PROXY_SIGNATURE) {
        __u64 rest = eye_load_word(window->bytes + 8);
        bool valid = filled >= EYE_PROXY_HEADER_BYTES &&
                     eye_first_bytes(rest, 4) == EYE_WORD('U', 'I', 'T', '\n', 0, 0, 0, 0) &&
                     (rest >> 36 & 15) == 2;
        return valid ? EYE_PROXY_HEADER_BYTES + ((__u32)window->bytes[14] << 8) + window->bytes[15]
                     : 0;
    }
    for (__u32 at = 0; at < EYE_PROXY_WINDOW_BYTES; at += 8) {
        __u64 end = eye_find_byte(eye_load_word(window->bytes + at), '\n');
        if (end) {
            __u32 bytes = at + eye_first_index(end) + 1;
            return bytes <= filled && bytes <= EYE_PROXY_LINE_MAX ? bytes : 0;
        }
    }
    return 0;
}
