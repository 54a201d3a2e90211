/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as bytes and back, for the spool: protobuf (collector/snapshot/codec.proto). Metrics
 * and tags travel by name, so a newer daemon reads what an older one left; those that it does not
 * know any more are left out and counted. Series ids, times and cumulative values travel as they
 * are, so that two decoded snapshots of one run compare like the originals.
 *
 * Decoded bytes are hostile: lengths, keys and counts are checked, memory is bounded by the length
 * of the input. Any thread.
 */
#pragma once

#include "collector/base/text.h"
#include "collector/snapshot/snapshot.h"

/* Longest encoded snapshot. */
#define EYE_SNAPSHOT_ENCODED_MAX_BYTES ((size_t)256 << 20)

/** Appends the encoded @snapshot to @bytes. 0, -ENOMEM, or -EMSGSIZE when it does not fit. */
int eye_snapshot_encode(const struct eye_snapshot *snapshot, struct eye_text *bytes);

/**
 * Decodes. 0 with one reference, -EBADMSG when the bytes are no snapshot, -ENOMEM.
 * @ret_unknown: points left out because their metric or a tag is not known here.
 */
int eye_snapshot_decode(const void *bytes, size_t length, const struct eye_snapshot **ret_snapshot,
                        size_t *ret_unknown);
