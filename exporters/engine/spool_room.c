/* SPDX-License-Identifier: Apache-2.0 */
/* Quota and disk, and who goes first. */
#include "exporters/engine/spool_room.h"

#include <errno.h>
#include <sys/statvfs.h>

static uint64_t subtract(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

static uint64_t on_disk(const struct eye_spool_shortage *shortage, uint64_t size)
{
    return (size + shortage->block_bytes - 1) / shortage->block_bytes * shortage->block_bytes;
}

int eye_spool_shortage_find(int folder, uint64_t bytes, uint64_t max_bytes, uint64_t more,
                            struct eye_spool_shortage *ret_shortage)
{
    struct statvfs disk;
    if (fstatvfs(folder, &disk) != 0) {
        return -errno;
    }
    /* As df has it: what is reserved for root is neither used nor available. */
    uint64_t used = disk.f_blocks - disk.f_bfree;
    double limit = (double)(used + disk.f_bavail) * EYE_SPOOL_DISK_SHARE;
    struct eye_spool_shortage shortage = {.block_bytes = disk.f_frsize > 0 ? disk.f_frsize : 1};
    shortage.quota_bytes = subtract(bytes + more, max_bytes);
    shortage.disk_bytes = subtract(used * shortage.block_bytes + on_disk(&shortage, more),
                                   (uint64_t)limit * shortage.block_bytes);
    *ret_shortage = shortage;
    return 0;
}

bool eye_spool_shortage_remains(const struct eye_spool_shortage *shortage)
{
    return shortage->quota_bytes > 0 || shortage->disk_bytes > 0;
}

void eye_spool_shortage_relieve(struct eye_spool_shortage *shortage, uint64_t size)
{
    shortage->quota_bytes = subtract(shortage->quota_bytes, size);
    shortage->disk_bytes = subtract(shortage->disk_bytes, on_disk(shortage, size));
}

bool eye_spool_shortage_can_end(struct eye_spool_shortage shortage,
                                const struct eye_spool_segments *segments)
{
    for (size_t i = 0; i < segments->count; i++) {
        eye_spool_shortage_relieve(&shortage, segments->sizes[i]);
    }
    return !eye_spool_shortage_remains(&shortage);
}

size_t eye_spool_choose_victim(const struct eye_spool_segments *waiting, uint64_t run)
{
    const struct eye_spool_segment *items = waiting->items;
    for (size_t i = 0; i < waiting->count; i++) {
        if (items[i].start_ns == run ||
            (i + 1 < waiting->count && items[i + 1].start_ns == items[i].start_ns)) {
            return i;
        }
    }
    return 0;
}
