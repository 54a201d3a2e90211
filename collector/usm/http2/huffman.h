/* SPDX-License-Identifier: Apache-2.0 */
/* The code of HPACK's strings (RFC 7541, appendix B). Pure functions; no thread rule. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * Decodes @bytes into @ret_text, which has room for @room characters and gets no terminator.
 * Returns how many were decoded: what is padding, cut, or no code ends them, as does the end of the
 * room.
 */
size_t eye_huffman_decode(const uint8_t *bytes, size_t length, char *ret_text, size_t room);
