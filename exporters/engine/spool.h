/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots that wait on disk while a receiver is away, so that neither memory nor a kill costs
 * them. One folder per exporter, one file per snapshot ("segment"): a zstd frame with checksum
 * around the protobuf of collector/snapshot/codec.h, written beside and renamed, so that a file is
 * whole or not there.
 *
 *   <path>/<exporter>/<start>-<sequence>.waiting     to be delivered; names sort by age
 *   <path>/<exporter>/<start>-<sequence>.delivered   what was delivered last: the next is compared
 *                                                    with it; at most one
 *
 * <start> is the start_ns of the run and <sequence> the snapshot's, 16 hex digits each. A kill
 * between a delivery and its rename sends that snapshot once more, never none.
 *
 * Used by one worker thread; the folder is locked against a second daemon.
 */
#pragma once

#include "collector/snapshot/snapshot.h"
#include "exporters/engine/spool_segments.h"
#include "exporters/exporter.h"

struct eye_spool;

/**
 * Opens (makes, 0700) the exporter's folder and finds what an earlier run left. 0, or -errno with a
 * message; -EBUSY when another process has it. Files that are not ours are left alone.
 */
int eye_spool_open(const char *path, const char *exporter, uint64_t max_bytes,
                   struct eye_spool **ret_spool, struct eye_error *ret_error);

/** Takes NULL. Leaves the files. */
void eye_spool_close(struct eye_spool *spool);

/** Segments waiting, oldest first; valid until the next call that changes the spool. */
const struct eye_spool_segment *eye_spool_waiting(const struct eye_spool *spool, size_t *ret_count);

/** Of all files. */
uint64_t eye_spool_bytes(const struct eye_spool *spool);

/**
 * Appends @snapshot (newer than all others), on disk when it returns. When max_bytes or the disk's
 * share would be passed the oldest waiting segments go first, *@ret_evicted of them (said also on
 * failure); the newest of each earlier run stays as long as anything else can go. 0, -ENOSPC when
 * there is no room even so, or -errno; then nothing was written.
 */
int eye_spool_append(struct eye_spool *spool, const struct eye_snapshot *snapshot,
                     size_t *ret_evicted);

/** Writes @snapshot as the one delivered last. 0 or -errno. */
int eye_spool_set_delivered(struct eye_spool *spool, const struct eye_snapshot *snapshot);

/** The oldest waiting segment becomes the one delivered last. 0 or -errno. */
int eye_spool_advance(struct eye_spool *spool);

/** Removes the oldest waiting segment without it being delivered. */
void eye_spool_drop_oldest(struct eye_spool *spool);

/** From now on all files together take @max_bytes at most. */
void eye_spool_limit(struct eye_spool *spool, uint64_t max_bytes);

/** Forgets the segment delivered last, if it is of the run that began at @start_ns. */
void eye_spool_forget_run(struct eye_spool *spool, uint64_t start_ns);

/** Forgets the segment delivered last, when nothing waits any more. */
void eye_spool_forget_delivered(struct eye_spool *spool);

/**
 * Reads the oldest waiting segment. 0 with one reference, -EBADMSG when its checksum or content is
 * wrong, -ENOENT when nothing waits, or another -errno.
 */
int eye_spool_read_oldest(const struct eye_spool *spool, const struct eye_snapshot **ret_snapshot);

/**
 * Reads the newest waiting segment and removes it, when it is of the run that began at @start_ns;
 * else -ENOENT. One that cannot be read is removed all the same: -EBADMSG or another -errno.
 */
int eye_spool_take_newest(struct eye_spool *spool, uint64_t start_ns,
                          const struct eye_snapshot **ret_snapshot);

/** Reads the one delivered last in the run that began at @start_ns; -ENOENT when there is none. */
int eye_spool_read_delivered(const struct eye_spool *spool, uint64_t start_ns,
                             const struct eye_snapshot **ret_snapshot);
