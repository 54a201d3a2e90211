/* SPDX-License-Identifier: Apache-2.0 */
/* Content encodings over zlib, libzstd and libsnappy. */
#include "exporters/http/compress.h"

#include <assert.h>
#include <errno.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "exporters/engine/shared_library.h"

/* Compressed bytes pass through this on their way into the text. */
#define PIECE_BYTES ((size_t)16 << 10)

/* More memory than zlib needs for any one call. */
#define ZLIB_CALL_MAX_BYTES ((size_t)UINT32_MAX)

/* What a gzip wrapper has more than one of zlib: 18 bytes instead of 6. */
#define GZIP_MORE_BYTES 12

/* Window bits of deflateInit2(); 16 more ask for a gzip wrapper. */
#define ZLIB_WINDOW_BITS 15
#define GZIP_WINDOW_BITS (ZLIB_WINDOW_BITS + 16)
#define ZLIB_MEMORY_LEVEL 8

/* Payloads repeat themselves: half the time of the default level for 7 % more bytes. */
#define DEFLATE_LEVEL 2

/* libsnappy is C++ and brings a library of 2 MiB along: opened with the first compressor of it. */
static struct snappy {
    __typeof__(&snappy_compress) compress;
    __typeof__(&snappy_max_compressed_length) bound;
} snappy;

struct eye_compressor {
    enum eye_compression compression;
    z_stream deflate; /* zlib and gzip */
    ZSTD_CCtx *zstd;  /* zstd; owned */
    char *piece;      /* PIECE_BYTES; for snappy, which knows no pieces, all of it; owned */
    size_t piece_size;
};

static bool uses_deflate(enum eye_compression compression)
{
    return compression == EYE_COMPRESSION_ZLIB || compression == EYE_COMPRESSION_GZIP;
}

static int init_deflate(struct eye_compressor *compressor)
{
    int window_bits =
        compressor->compression == EYE_COMPRESSION_GZIP ? GZIP_WINDOW_BITS : ZLIB_WINDOW_BITS;
    int result = deflateInit2(&compressor->deflate, DEFLATE_LEVEL, Z_DEFLATED, window_bits,
                              ZLIB_MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    return result == Z_OK ? 0 : -ENOMEM;
}

static int init_zstd(struct eye_compressor *compressor)
{
    compressor->zstd = ZSTD_createCCtx();
    return compressor->zstd == NULL ? -ENOMEM : 0;
}

static int init_snappy(void)
{
    static const struct eye_symbol symbols[] = {
        EYE_SYMBOL(snappy_compress, struct snappy, compress),
        EYE_SYMBOL(snappy_max_compressed_length, struct snappy, bound),
    };
    return snappy.compress != NULL
               ? 0
               : eye_shared_library_open("libsnappy.so.1", "libsnappy1v5", symbols,
                                         EYE_ARRAY_LENGTH(symbols), &snappy, NULL);
}

int eye_compressor_new(enum eye_compression compression, struct eye_compressor **ret_compressor)
{
    struct eye_compressor *compressor = calloc(1, sizeof(*compressor));
    if (compressor == NULL) {
        return -ENOMEM;
    }
    compressor->compression = compression;
    compressor->piece_size = PIECE_BYTES;
    compressor->piece = malloc(PIECE_BYTES);
    int result = compressor->piece == NULL ? -ENOMEM : 0;
    if (result == 0 && uses_deflate(compression)) {
        result = init_deflate(compressor);
    } else if (result == 0 && compression == EYE_COMPRESSION_ZSTD) {
        result = init_zstd(compressor);
    } else if (result == 0 && compression == EYE_COMPRESSION_SNAPPY) {
        result = init_snappy();
    }
    if (result != 0) {
        eye_compressor_free(compressor);
        return result;
    }
    *ret_compressor = compressor;
    return 0;
}

void eye_compressor_free(struct eye_compressor *compressor)
{
    if (compressor == NULL) {
        return;
    }
    /* Does nothing to a stream that was never initialised. */
    deflateEnd(&compressor->deflate);
    ZSTD_freeCCtx(compressor->zstd);
    free(compressor->piece);
    free(compressor);
}

/* Why an append did not fit. */
static int text_result(const struct eye_text *text, size_t more)
{
    if (!text->failed) {
        return 0;
    }
    return more > text->max_bytes - text->length ? -EMSGSIZE : -ENOMEM;
}

static int append_piece(struct eye_compressor *compressor, size_t length, struct eye_text *bytes)
{
    eye_text_append_bytes(bytes, compressor->piece, length);
    return text_result(bytes, length);
}

static int run_deflate(struct eye_compressor *compressor, const void *bytes, size_t length,
                       struct eye_text *ret_bytes)
{
    z_stream *stream = &compressor->deflate;
    int state;
    assert(length <= ZLIB_CALL_MAX_BYTES);
    deflateReset(stream);
    /* zlib's own type for bytes that it only reads. */
    stream->next_in = (z_const Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)length;
    do {
        stream->next_out = (Bytef *)compressor->piece;
        stream->avail_out = (uInt)PIECE_BYTES;
        state = deflate(stream, Z_FINISH);
        int result = append_piece(compressor, PIECE_BYTES - stream->avail_out, ret_bytes);
        if (result != 0) {
            return result;
        }
    } while (state != Z_STREAM_END);
    return 0;
}

static int run_zstd(struct eye_compressor *compressor, const void *bytes, size_t length,
                    struct eye_text *ret_bytes)
{
    ZSTD_inBuffer input = {.src = bytes, .size = length};
    size_t left;
    ZSTD_CCtx_reset(compressor->zstd, ZSTD_reset_session_only);
    do {
        ZSTD_outBuffer output = {.dst = compressor->piece, .size = PIECE_BYTES};
        left = ZSTD_compressStream2(compressor->zstd, &output, &input, ZSTD_e_end);
        if (ZSTD_isError(left)) {
            return -ENOMEM;
        }
        int result = append_piece(compressor, output.pos, ret_bytes);
        if (result != 0) {
            return result;
        }
    } while (left > 0);
    return 0;
}

static int run_snappy(struct eye_compressor *compressor, const void *bytes, size_t length,
                      struct eye_text *ret_bytes)
{
    size_t size = snappy.bound(length);
    if (size > compressor->piece_size) {
        char *piece = realloc(compressor->piece, size);
        if (piece == NULL) {
            return -ENOMEM;
        }
        compressor->piece = piece;
        compressor->piece_size = size;
    }
    if (snappy.compress(bytes, length, compressor->piece, &size) != SNAPPY_OK) {
        return -ENOMEM;
    }
    return append_piece(compressor, size, ret_bytes);
}

int eye_compress(struct eye_compressor *compressor, const void *bytes, size_t length,
                 struct eye_text *ret_bytes)
{
    eye_text_clear(ret_bytes);
    switch (compressor->compression) {
    case EYE_COMPRESSION_ZLIB:
    case EYE_COMPRESSION_GZIP:
        return run_deflate(compressor, bytes, length, ret_bytes);
    case EYE_COMPRESSION_ZSTD:
        return run_zstd(compressor, bytes, length, ret_bytes);
    case EYE_COMPRESSION_SNAPPY:
        return run_snappy(compressor, bytes, length, ret_bytes);
    case EYE_COMPRESSION_NONE:
        break;
    }
    eye_text_append_bytes(ret_bytes, bytes, length);
    return text_result(ret_bytes, length);
}

size_t eye_compress_bound(enum eye_compression compression, size_t length)
{
    switch (compression) {
    case EYE_COMPRESSION_ZLIB:
        return compressBound(length);
    case EYE_COMPRESSION_GZIP:
        return compressBound(length) + GZIP_MORE_BYTES;
    case EYE_COMPRESSION_ZSTD:
        return ZSTD_compressBound(length);
    case EYE_COMPRESSION_SNAPPY:
        return snappy.bound(length);
    case EYE_COMPRESSION_NONE:
        break;
    }
    return length;
}

const char *eye_compression_name(enum eye_compression compression)
{
    /* RFC 9110: "deflate" is the zlib format. */
    static const char *const names[] = {
        [EYE_COMPRESSION_NONE] = NULL,       [EYE_COMPRESSION_ZLIB] = "deflate",
        [EYE_COMPRESSION_GZIP] = "gzip",     [EYE_COMPRESSION_ZSTD] = "zstd",
        [EYE_COMPRESSION_SNAPPY] = "snappy",
    };
    return names[compression];
}
