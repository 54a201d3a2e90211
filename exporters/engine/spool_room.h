/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much must go before something can be written to a spool, and what goes first. No state, any
 * thread.
 */
#pragma once

#include "exporters/engine/spool_segments.h"

/* Used part of the file system beyond which nothing is written. */
#define EYE_SPOOL_DISK_SHARE 0.8

/* What must go before something can be written. */
struct eye_spool_shortage {
    uint64_t quota_bytes; /* of max_bytes */
    uint64_t disk_bytes;  /* of the file system's share, in whole blocks */
    uint64_t block_bytes;
};

/** What is missing for @more bytes in @folder, where the spool has @bytes and may have @max_bytes.
 * 0 or -errno of statvfs(). */
int eye_spool_shortage_find(int folder, uint64_t bytes, uint64_t max_bytes, uint64_t more,
                            struct eye_spool_shortage *ret_shortage);

/** Whether something is missing still. */
bool eye_spool_shortage_remains(const struct eye_spool_shortage *shortage);

/** A file of @size bytes goes. */
void eye_spool_shortage_relieve(struct eye_spool_shortage *shortage, uint64_t size);

/** Whether it would end if all of @segments went. */
bool eye_spool_shortage_can_end(struct eye_spool_shortage shortage,
                                const struct eye_spool_segments *segments);

/**
 * Index of the one that goes first, the oldest whose changes a newer one carries: values are
 * cumulative within a run. @run: start_ns of what is to be written. @waiting is not empty.
 */
size_t eye_spool_choose_victim(const struct eye_spool_segments *waiting, uint64_t run);
