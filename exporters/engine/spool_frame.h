/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as the bytes of a segment: a zstd frame with checksum around the protobuf of
 * collector/snapshot/codec.h. No state, any thread.
 */
#pragma once

#include <zstd.h>

#include "collector/snapshot/codec.h"
#include "exporters/engine/spool_segments.h"

/* No frame that was written here is longer. */
#define EYE_SPOOL_FRAME_MAX_BYTES ZSTD_COMPRESSBOUND(EYE_SNAPSHOT_ENCODED_MAX_BYTES)

struct eye_spool_frame {
    char *data; /* owned */
    size_t length;
};

/** Frees the bytes. Takes a zeroed one. */
void eye_spool_frame_done(struct eye_spool_frame *frame);

/** 0 and the caller owns *@ret_frame; -ENOMEM, or what eye_snapshot_encode() returned. */
int eye_spool_frame_encode(const struct eye_snapshot *snapshot, struct eye_spool_frame *ret_frame);

/** 0 with one reference; -EBADMSG when the checksum or the content is wrong, or it is another
 * snapshot than the one that @segment names; -ENOMEM. */
int eye_spool_frame_decode(const struct eye_spool_frame *frame,
                           const struct eye_spool_segment *segment,
                           const struct eye_snapshot **ret_snapshot);
