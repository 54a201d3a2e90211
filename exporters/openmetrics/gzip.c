/* SPDX-License-Identifier: Apache-2.0 */
/* One call of zlib into a buffer that is large enough for any input. */
#include "exporters/openmetrics/gzip.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

/* zlib only reads its input; without this its pointer to it is not const. */
#define ZLIB_CONST
#include <zlib.h>

#include "collector/base/base.h"

#define GZIP_WINDOW (MAX_WBITS + 16) /* + 16: gzip instead of zlib framing */
#define MEMORY_LEVEL 8               /* zlib's default */

static void cleanup_deflate(z_stream *stream)
{
    deflateEnd(stream);
}

int eye_gzip(const void *bytes, size_t length, void **ret_bytes, size_t *ret_length)
{
    assert(length <= UINT_MAX);
    EYE_CLEANUP(cleanup_deflate) z_stream stream = {0};
    /* Speed: the text is so repetitive that higher levels save little and cost much. */
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return -ENOMEM;
    }
    size_t bound = deflateBound(&stream, length);
    EYE_AUTOFREE void *out = malloc(bound);
    if (out == NULL) {
        return -ENOMEM;
    }
    stream.next_in = bytes;
    stream.avail_in = (uInt)length;
    stream.next_out = out;
    stream.avail_out = (uInt)bound;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        return -ENOMEM;
    }
    void *shrunk = realloc(out, stream.total_out);
    if (shrunk != NULL) {
        out = shrunk;
    }
    *ret_length = stream.total_out;
    *ret_bytes = EYE_TAKE(out);
    return 0;
}
