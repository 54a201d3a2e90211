/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf in zstd and back. */
#include "exporters/engine/spool_frame.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/base/base.h"
#include "collector/base/text.h"

/* The text repeats itself so much that higher levels save little and cost much. */
#define COMPRESSION_LEVEL 1

void eye_spool_frame_done(struct eye_spool_frame *bytes)
{
    free(bytes->data);
}

static void cleanup_compressor(ZSTD_CCtx **context)
{
    ZSTD_freeCCtx(*context);
}

static int compress(const struct eye_text *plain, struct eye_spool_frame *ret_frame)
{
    EYE_CLEANUP(cleanup_compressor) ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL) {
        return -ENOMEM;
    }
    size_t bound = ZSTD_compressBound(plain->length);
    EYE_AUTOFREE char *frame = malloc(bound);
    if (frame == NULL) {
        return -ENOMEM;
    }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t length = ZSTD_compress2(context, frame, bound, plain->data, plain->length);
    if (ZSTD_isError(length) != 0) {
        return -ENOMEM; /* nothing else is left to fail */
    }
    *ret_frame = (struct eye_spool_frame){EYE_TAKE(frame), length};
    return 0;
}

int eye_spool_frame_encode(const struct eye_snapshot *snapshot, struct eye_spool_frame *ret_frame)
{
    EYE_CLEANUP(eye_text_done) struct eye_text plain;
    eye_text_init(&plain, EYE_SNAPSHOT_ENCODED_MAX_BYTES);
    int result = eye_snapshot_encode(snapshot, &plain);
    return result != 0 ? result : compress(&plain, ret_frame);
}

/* Exactly one frame that says its length and whose checksum is right. */
static int decompress(const struct eye_spool_frame *frame, struct eye_spool_frame *ret_plain)
{
    unsigned long long length = ZSTD_getFrameContentSize(frame->data, frame->length);
    /* Errors and "unknown" are the largest numbers. */
    if (length == 0 || length > EYE_SNAPSHOT_ENCODED_MAX_BYTES ||
        ZSTD_findFrameCompressedSize(frame->data, frame->length) != frame->length) {
        return -EBADMSG;
    }
    EYE_AUTOFREE char *plain = malloc(length);
    if (plain == NULL) {
        return -ENOMEM;
    }
    if (ZSTD_decompress(plain, length, frame->data, frame->length) != length) {
        return -EBADMSG;
    }
    *ret_plain = (struct eye_spool_frame){EYE_TAKE(plain), length};
    return 0;
}

int eye_spool_frame_decode(const struct eye_spool_frame *frame,
                           const struct eye_spool_segment *segment,
                           const struct eye_snapshot **ret_snapshot)
{
    EYE_CLEANUP(eye_spool_frame_done) struct eye_spool_frame plain = {0};
    const struct eye_snapshot *snapshot = NULL;
    size_t unknown = 0;
    int result = decompress(frame, &plain);
    if (result == 0) {
        result = eye_snapshot_decode(plain.data, plain.length, &snapshot, &unknown);
    }
    if (result != 0) {
        return result;
    }
    struct eye_spool_segment inside = eye_spool_segment_of(snapshot);
    if (eye_spool_segment_compare(&inside, segment) != 0) {
        eye_snapshot_unref(snapshot);
        return -EBADMSG;
    }
    *ret_snapshot = snapshot;
    return 0;
}
