/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books of a spool: which segments wait, which was delivered last, and how many bytes they are.
 * The folder is read once; from then on the lists in memory say what there is, since nobody else
 * may write there.
 */
#include "exporters/engine/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporters/engine/spool_file.h"
#include "exporters/engine/spool_folder.h"
#include "exporters/engine/spool_frame.h"
#include "exporters/engine/spool_room.h"

struct eye_spool {
    int folder; /* locked */
    uint64_t max_bytes;
    struct eye_spool_segments waiting;
    struct eye_spool_segments delivered; /* at most one once opened */
    uint64_t bytes;                      /* of all */
};

/* ---- Opening ---- */

static int note_segment(struct eye_spool *spool, struct eye_spool_segments *segments,
                        struct eye_spool_segment segment, off_t size)
{
    int result = eye_spool_segments_reserve(segments);
    if (result == 0) {
        eye_spool_segments_insert(segments, segment, (uint64_t)size);
        spool->bytes += (uint64_t)size;
    }
    return result;
}

/* Files that are not ours are left alone; one that was never finished goes. */
static int note_file(struct eye_spool *spool, const char *name)
{
    struct eye_spool_segment segment;
    struct stat status;
    const char *ending = eye_spool_segment_parse(name, &segment);
    if (ending == NULL || fstatat(spool->folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
        return 0;
    }
    if (strcmp(ending, EYE_SPOOL_WAITING) == 0) {
        return note_segment(spool, &spool->waiting, segment, status.st_size);
    }
    if (strcmp(ending, EYE_SPOOL_DELIVERED) == 0) {
        return note_segment(spool, &spool->delivered, segment, status.st_size);
    }
    if (strcmp(ending, EYE_SPOOL_UNFINISHED) == 0) {
        unlinkat(spool->folder, name, 0);
    }
    return 0;
}

static void cleanup_folder(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

/* With a descriptor of its own; NULL with errno. */
static DIR *open_stream(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        int error = errno;
        eye_cleanup_close(&fd);
        errno = error;
    }
    return stream;
}

static int read_folder(struct eye_spool *spool)
{
    EYE_CLEANUP(cleanup_folder) DIR *folder = open_stream(spool->folder);
    if (folder == NULL) {
        return -errno;
    }
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return -errno;
        }
        result = note_file(spool, entry->d_name);
    }
    return result;
}

/* Takes segment @index away, file and all. */
static void drop(struct eye_spool *spool, struct eye_spool_segments *segments, size_t index,
                 const char *ending)
{
    eye_spool_file_remove(spool->folder, &segments->items[index], ending);
    spool->bytes -= segments->sizes[index];
    eye_spool_segments_remove(segments, index);
}

static void drop_waiting(struct eye_spool *spool, size_t index)
{
    drop(spool, &spool->waiting, index, EYE_SPOOL_WAITING);
}

/* Keeps the newest @keep of those delivered: a kill may have left one more. */
static void drop_delivered(struct eye_spool *spool, size_t keep)
{
    while (spool->delivered.count > keep) {
        drop(spool, &spool->delivered, 0, EYE_SPOOL_DELIVERED);
    }
}

int eye_spool_open(const char *path, const char *exporter, uint64_t max_bytes,
                   struct eye_spool **ret_spool, struct eye_error *ret_error)
{
    EYE_AUTOCLOSE int folder = -1;
    int result = eye_spool_folder_open(path, exporter, &folder, ret_error);
    if (result != 0) {
        return result;
    }
    struct eye_spool *spool = calloc(1, sizeof(*spool));
    if (spool == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    spool->folder = EYE_TAKE_FD(folder);
    spool->max_bytes = max_bytes;
    result = read_folder(spool);
    if (result != 0) {
        eye_spool_close(spool);
        return eye_error_set(ret_error, result, "cannot read the spool %s/%s: %s", path, exporter,
                             strerror(-result));
    }
    drop_delivered(spool, 1);
    *ret_spool = spool;
    return 0;
}

void eye_spool_close(struct eye_spool *spool)
{
    if (spool == NULL) {
        return;
    }
    eye_cleanup_close(&spool->folder);
    eye_spool_segments_done(&spool->waiting);
    eye_spool_segments_done(&spool->delivered);
    free(spool);
}

const struct eye_spool_segment *eye_spool_waiting(const struct eye_spool *spool, size_t *ret_count)
{
    *ret_count = spool->waiting.count;
    return spool->waiting.items;
}

uint64_t eye_spool_bytes(const struct eye_spool *spool)
{
    return spool->bytes;
}

/* ---- Changing ---- */

static int find_shortage(const struct eye_spool *spool, uint64_t more,
                         struct eye_spool_shortage *ret_shortage)
{
    return eye_spool_shortage_find(spool->folder, spool->bytes, spool->max_bytes, more,
                                   ret_shortage);
}

static int make_room(struct eye_spool *spool, uint64_t run, uint64_t more, size_t *ret_evicted)
{
    struct eye_spool_shortage shortage = {.block_bytes = 1};
    int result = find_shortage(spool, more, &shortage);
    if (result != 0) {
        return result;
    }
    if (!eye_spool_shortage_can_end(shortage, &spool->waiting)) {
        return -ENOSPC;
    }
    while (eye_spool_shortage_remains(&shortage)) {
        size_t victim = eye_spool_choose_victim(&spool->waiting, run);
        eye_spool_shortage_relieve(&shortage, spool->waiting.sizes[victim]);
        drop_waiting(spool, victim);
        (*ret_evicted)++;
    }
    return 0;
}

static int append_frame(struct eye_spool *spool, struct eye_spool_segment segment,
                        const struct eye_spool_frame *frame, size_t *ret_evicted)
{
    int result = make_room(spool, segment.start_ns, frame->length, ret_evicted);
    if (result == 0) {
        result = eye_spool_file_write(spool->folder, &segment, EYE_SPOOL_WAITING, frame);
    }
    if (result == 0) {
        eye_spool_segments_insert(&spool->waiting, segment, frame->length);
        spool->bytes += frame->length;
    }
    return result;
}

int eye_spool_append(struct eye_spool *spool, const struct eye_snapshot *snapshot,
                     size_t *ret_evicted)
{
    EYE_CLEANUP(eye_spool_frame_done) struct eye_spool_frame frame = {0};
    struct eye_spool_segment segment = eye_spool_segment_of(snapshot);
    *ret_evicted = 0;
    if (eye_spool_segments_have(&spool->waiting, &segment)) {
        return -EEXIST;
    }
    int result = eye_spool_segments_reserve(&spool->waiting);
    if (result == 0) {
        result = eye_spool_frame_encode(snapshot, &frame);
    }
    return result != 0 ? result : append_frame(spool, segment, &frame, ret_evicted);
}

/* @size: of the file that now is the one delivered last; room is reserved. */
static void note_delivered(struct eye_spool *spool, struct eye_spool_segment segment, uint64_t size)
{
    drop_delivered(spool, 0);
    eye_spool_segments_insert(&spool->delivered, segment, size);
    spool->bytes += size;
}

int eye_spool_set_delivered(struct eye_spool *spool, const struct eye_snapshot *snapshot)
{
    EYE_CLEANUP(eye_spool_frame_done) struct eye_spool_frame frame = {0};
    struct eye_spool_segment segment = eye_spool_segment_of(snapshot);
    struct eye_spool_shortage shortage = {.block_bytes = 1};
    if (eye_spool_segments_have(&spool->delivered, &segment)) {
        return 0;
    }
    int result = eye_spool_segments_reserve(&spool->delivered);
    if (result == 0) {
        result = eye_spool_frame_encode(snapshot, &frame);
    }
    if (result == 0) {
        result = find_shortage(spool, frame.length, &shortage);
    }
    if (result == 0) {
        result = eye_spool_shortage_can_end(shortage, &spool->delivered)
                     ? eye_spool_file_write(spool->folder, &segment, EYE_SPOOL_DELIVERED, &frame)
                     : -ENOSPC;
    }
    if (result == 0) {
        note_delivered(spool, segment, frame.length);
    }
    return result;
}

int eye_spool_advance(struct eye_spool *spool)
{
    if (spool->waiting.count == 0) {
        return -ENOENT;
    }
    int result = eye_spool_segments_reserve(&spool->delivered);
    if (result != 0) {
        return result;
    }
    struct eye_spool_segment segment = spool->waiting.items[0];
    uint64_t size = spool->waiting.sizes[0];
    result = eye_spool_file_rename(spool->folder, &segment, EYE_SPOOL_WAITING, EYE_SPOOL_DELIVERED);
    if (result != 0) {
        return result;
    }
    eye_spool_segments_remove(&spool->waiting, 0);
    spool->bytes -= size;
    note_delivered(spool, segment, size);
    return 0;
}

void eye_spool_drop_oldest(struct eye_spool *spool)
{
    if (spool->waiting.count > 0) {
        drop_waiting(spool, 0);
    }
}

void eye_spool_limit(struct eye_spool *spool, uint64_t max_bytes)
{
    spool->max_bytes = max_bytes;
}

void eye_spool_forget_run(struct eye_spool *spool, uint64_t start_ns)
{
    if (spool->delivered.count > 0 && spool->delivered.items[0].start_ns == start_ns) {
        drop_delivered(spool, 0);
    }
}

void eye_spool_forget_delivered(struct eye_spool *spool)
{
    drop_delivered(spool, 0);
}

/* ---- Reading ---- */

static int read_segment(const struct eye_spool *spool, const struct eye_spool_segment *segment,
                        const char *ending, const struct eye_snapshot **ret_snapshot)
{
    EYE_CLEANUP(eye_spool_frame_done) struct eye_spool_frame frame = {0};
    int result = eye_spool_file_read(spool->folder, segment, ending, &frame);
    return result != 0 ? result : eye_spool_frame_decode(&frame, segment, ret_snapshot);
}

int eye_spool_read_oldest(const struct eye_spool *spool, const struct eye_snapshot **ret_snapshot)
{
    return spool->waiting.count == 0
               ? -ENOENT
               : read_segment(spool, &spool->waiting.items[0], EYE_SPOOL_WAITING, ret_snapshot);
}

int eye_spool_take_newest(struct eye_spool *spool, uint64_t start_ns,
                          const struct eye_snapshot **ret_snapshot)
{
    size_t count = spool->waiting.count;
    if (count == 0 || spool->waiting.items[count - 1].start_ns != start_ns) {
        return -ENOENT;
    }
    int result =
        read_segment(spool, &spool->waiting.items[count - 1], EYE_SPOOL_WAITING, ret_snapshot);
    drop_waiting(spool, count - 1);
    return result;
}

int eye_spool_read_delivered(const struct eye_spool *spool, uint64_t start_ns,
                             const struct eye_snapshot **ret_snapshot)
{
    return spool->delivered.count == 0 || spool->delivered.items[0].start_ns != start_ns
               ? -ENOENT
               : read_segment(spool, &spool->delivered.items[0], EYE_SPOOL_DELIVERED, ret_snapshot);
}
