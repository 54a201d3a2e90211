/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content encodings of request bodies: zlib (RFC 1950, HTTP's "deflate"), gzip (RFC 1952), zstd
 * (RFC 8878), and the snappy block format of remote write. A compressor is kept and used again:
 * after the first bodies nothing is allocated. Used by one thread.
 */
#pragma once

#include "collector/base/text.h"

enum eye_compression {
    EYE_COMPRESSION_NONE,
    EYE_COMPRESSION_ZLIB,
    EYE_COMPRESSION_GZIP,
    EYE_COMPRESSION_ZSTD,
    EYE_COMPRESSION_SNAPPY,
};

struct eye_compressor;

/** 0, -ENOMEM, or -ELIBACC when libsnappy is not installed. Main thread. */
int eye_compressor_new(enum eye_compression compression, struct eye_compressor **ret_compressor);

/** Takes NULL. */
void eye_compressor_free(struct eye_compressor *compressor);

/** Replaces the content of @ret_bytes by the compressed @bytes. 0, -ENOMEM, or -EMSGSIZE when
 * ret_bytes->max_bytes is too small. */
int eye_compress(struct eye_compressor *compressor, const void *bytes, size_t length,
                 struct eye_text *ret_bytes);

/** An upper bound of what @length bytes become; for snappy after a compressor of it was made. */
size_t eye_compress_bound(enum eye_compression compression, size_t length);

/** The value of Content-Encoding; NULL for none. */
const char *eye_compression_name(enum eye_compression compression);
