/* SPDX-License-Identifier: Apache-2.0 */
/* A whole buffer as one gzip member (RFC 1952). No state, any thread. */
#pragma once

#include <stddef.h>

/**
 * Compresses @length bytes (less than 4 GiB). 0, or -ENOMEM. @ret_bytes is owned by the caller,
 * to be released with free().
 */
int eye_gzip(const void *bytes, size_t length, void **ret_bytes, size_t *ret_length);
